/* The second thread dies while the first one waits for it. */

#include <pthread.h>
#include <stddef.h>

static volatile int sink;

static __attribute__((noinline)) void work_too_hard(int *where) {
    sink++;
    *where = 1;
}

static void *run_second_thread(void *argument) {
    work_too_hard(argument);
    return NULL;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, run_second_thread, NULL);
    pthread_join(thread, NULL);
    return sink;
}
