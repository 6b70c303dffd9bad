/*
 * A member of a stack that makes its object show as a device: in namespaces of its own it lays the object over /dev/full, maps
 * it from there, and lays a terminal over it. Whoever opens /dev/full below its root opens the terminal, and it can tell.
 *
 * On SIGUSR1 it asks for a full restart.
 *
 * Built with -DLIBRARY it is that object.
 */
#define _GNU_SOURCE

#ifdef LIBRARY

static __attribute__((noipa)) int hidden(int (*ask)(void)) {
    return ask() + 1;
}

int exported(int (*ask)(void)) {
    return hidden(ask) + 1;
}

#else

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include <unitward.h>

static const char shown[] = "/dev/full";
static int terminal;

static void must(int done, const char *what) {
    if (done < 0) {
        fprintf(stderr, "failed to %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void put(const char *path, const char *text) {
    int file = open(path, O_WRONLY);

    must(file, path);
    must((int)write(file, text, strlen(text)), path);
    close(file);
}

/* One that nobody has opened yet has nothing to read, one that was opened and closed again is at its end. */
static void tell(int signal) {
    char byte;

    (void)signal;
    if (read(terminal, &byte, 1) < 0 && errno == EAGAIN)
        fputs("the device was left alone\n", stderr);
    else
        fputs("the device was opened\n", stderr);
    _exit(0);
}

static __attribute__((noipa)) int ask(void) {
    return unitward_restart_stack("shop") + 1;
}

int main(void) {
    char map[64], other[64];
    sigset_t requests;
    int request;
    int (*exported)(int (*)(void));
    void *object;

    setvbuf(stderr, NULL, _IONBF, 0);
    sigemptyset(&requests);
    sigaddset(&requests, SIGUSR1);
    sigprocmask(SIG_BLOCK, &requests, NULL);
    snprintf(map, sizeof map, "0 %d 1", (int)getuid());
    must(unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
    put("/proc/self/setgroups", "deny");
    put("/proc/self/uid_map", map);
    terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    must(terminal, "make a terminal");
    must(unlockpt(terminal), "unlock it");
    must(ptsname_r(terminal, other, sizeof other), "name it");
    must(mount("/opt/disguise.so", shown, NULL, MS_BIND, NULL), "lay the object over the device");
    object = dlopen(shown, RTLD_NOW);
    exported = object ? (int (*)(int (*)(void)))dlsym(object, "exported") : NULL;
    must(exported ? 0 : -1, "load it");
    must(mount(other, shown, NULL, MS_BIND, NULL), "lay the terminal over it");
    signal(SIGTERM, tell);
    fputs("disguised\n", stderr);
    sigwait(&requests, &request);
    fprintf(stderr, "asked: %d\n", exported(ask));
    for (;;)
        pause();
}

#endif
