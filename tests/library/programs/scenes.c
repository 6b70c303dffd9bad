/*
 * Callers in all kinds of circumstances: `scenes SCENE STACK`. The exit status is the error number of the call, or 200 and
 * more where something else is not as it should be.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <unitward.h>

enum { ERRNO_CHANGED = 200, DESCRIPTORS_LEFT, MEMORY_ALLOCATED, NOT_STOPPED, OUTPUT_SHARED, NO_THREAD, RESULTS_DIFFER };

void *__libc_malloc(size_t size);
int by_function(const char *stack);
int call_deep(const char *stack, int depth);
void fault_at_once(int *where);

static const char *name;
static int *volatile nowhere;
static volatile int after;
static _Atomic int allocations, shared, in_thread;
static _Thread_local int counts;

void *malloc(size_t size) {
    allocations += counts;
    return __libc_malloc(size);
}

static int ask(const char *stack) {
    errno = E2BIG;
    int result = unitward_restart_stack(stack);
    return errno == E2BIG ? -result : ERRNO_CHANGED;
}

static int descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static int many_times(void) {
    int before = descriptors(), result = 0;

    for (int call = 0; call < 300; call++)
        if ((result = ask(name)) >= ERRNO_CHANGED)
            return result;
    return descriptors() == before ? result : DESCRIPTORS_LEFT;
}

static int without_memory(void) {
    counts = 1;
    int result = ask(name);
    counts = 0;
    return allocations == 0 ? result : MEMORY_ALLOCATED;
}

static void *ask_in_thread(void *result) {
    *(int *)result = ask(name);
    return NULL;
}

static int in_threads(size_t count, const pthread_attr_t *attributes) {
    pthread_t threads[64];
    int results[64];

    for (size_t at = 0; at < count; at++)
        if (pthread_create(&threads[at], attributes, ask_in_thread, &results[at]) != 0)
            return NO_THREAD;
    for (size_t at = 0; at < count; at++) {
        pthread_join(threads[at], NULL);
        if (results[at] != results[0])
            return RESULTS_DIFFER;
    }
    return results[0];
}

static int with_little_stack(void) {
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    return in_threads(1, &attributes);
}

/* Whatever is written to the standard output, which is closed, must fail: else the request has it. */
static void *write_on(void *unused) {
    for (;;)
        if (write(STDOUT_FILENO, "noise\n", 6) >= 0)
            shared = 1;
    return unused;
}

static int without_standard_descriptors(void) {
    pthread_t writer;

    for (int descriptor = 0; descriptor <= 2; descriptor++)
        close(descriptor);
    if (pthread_create(&writer, NULL, write_on, NULL) != 0)
        return NO_THREAD;
    int result = ask(name);
    return shared ? OUTPUT_SHARED : result;
}

static void notice(int signal) {
    (void)signal;
    after++;
}

static int in_a_storm(void) {
    struct sigaction action = {.sa_handler = notice};
    struct itimerval often = {.it_interval = {.tv_usec = 500}, .it_value = {.tv_usec = 500}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    int result = ask(name);
    return after > 100 ? result : RESULTS_DIFFER;
}

static void *load(void *path) {
    in_thread = 1;
    return dlopen(path, RTLD_NOW);
}

static int while_loading(char *library) {
    pthread_t loader;

    if (pthread_create(&loader, NULL, load, library) != 0)
        return NO_THREAD;
    while (!in_thread)
        usleep(1000);
    usleep(200000);
    int result = ask(name);
    /* An orderly end would wait for the thread. */
    _exit(result);
}

static void *ask_and_be_cancelled(void *result) {
    in_thread = 1;
    ask_in_thread(result);
    pthread_testcancel();
    *(int *)result = NOT_STOPPED;
    return NULL;
}

static int cancelled(void) {
    pthread_t thread;
    int result = NOT_STOPPED, before = descriptors();

    if (pthread_create(&thread, NULL, ask_and_be_cancelled, &result) != 0)
        return NO_THREAD;
    while (!in_thread)
        usleep(1000);
    usleep(100000);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    return descriptors() == before ? result : DESCRIPTORS_LEFT;
}

static int by_static_function(void) {
    int result = (unitward_restart_stack)(name);
    after++;
    return -result;
}

int by_function(const char *stack) {
    int result = (unitward_restart_stack)(stack);
    after++;
    return -result;
}

int call_deep(const char *stack, int depth) {
    int result = depth == 0 ? ask(stack) : call_deep(stack, depth - 1);
    after++;
    return result;
}

void fault_at_once(int *where) {
    *where = 1;
}

static void ask_and_end(int signal) {
    (void)signal;
    _exit(ask(name));
}

static int in_a_handler(void) {
    struct sigaction action = {.sa_handler = ask_and_end};

    sigaction(SIGSEGV, &action, NULL);
    fault_at_once(nowhere);
    return RESULTS_DIFFER;
}

static int gone(const char *program) {
    unlink(program);
    return ask(name);
}

int main(int count, char **arguments) {
    const char *scene = arguments[1];
    char *third = count > 3 ? arguments[3] : NULL;

    name = count > 2 ? arguments[2] : NULL;
    if (strcmp(scene, "plain") == 0) return ask(name);
    if (strcmp(scene, "named") == 0) return -unitward_restart_stack_from(name, third);
    if (strcmp(scene, "by-function") == 0) return by_function(name);
    if (strcmp(scene, "by-static-function") == 0) return by_static_function();
    if (strcmp(scene, "deep") == 0) return call_deep(name, 100);
    if (strcmp(scene, "handler") == 0) return in_a_handler();
    if (strcmp(scene, "gone") == 0) return gone(arguments[0]);
    if (strcmp(scene, "many-times") == 0) return many_times();
    if (strcmp(scene, "threads") == 0) return in_threads(50, NULL);
    if (strcmp(scene, "little-stack") == 0) return with_little_stack();
    if (strcmp(scene, "memory") == 0) return without_memory();
    if (strcmp(scene, "closed") == 0) return without_standard_descriptors();
    if (strcmp(scene, "storm") == 0) return in_a_storm();
    if (strcmp(scene, "loading") == 0) return while_loading(third);
    if (strcmp(scene, "cancelled") == 0) return cancelled();
    return 255;
}
