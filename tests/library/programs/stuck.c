/* A library whose loading never ends, as if its file system's server were gone. */
#include <unistd.h>

__attribute__((constructor)) static void never_ready(void) {
    pause();
}
