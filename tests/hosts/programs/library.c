/* A shared library whose exported function calls a static one, which aborts. */

#include <stdlib.h>

static volatile int sink;

static __attribute__((noinline)) void give_up(void) {
    sink++;
    abort();
}

__attribute__((noinline)) void library_entry(void) {
    give_up();
    sink++;
}
