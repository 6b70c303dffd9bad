/*
 * A manager of a stack. It waits in its main loop, and on SIGUSR1 it finds that it has lost its controller, which only a
 * restart of all managers can mend.
 */
#include <signal.h>
#include <stdio.h>
#include <unitward.h>

enum state { CONNECTED, LOST };

int cm2_trigger_restart_managers(void) {
    return unitward_restart_stack("opensync");
}

int cm2_connection_req_stability_check(enum state state) {
    return state == LOST ? cm2_trigger_restart_managers() : 0;
}

int cm2_update_state(enum state state) {
    int result = cm2_connection_req_stability_check(state);

    fprintf(stderr, "asked for a full restart: %d\n", result);
    return result;
}

static volatile sig_atomic_t lost;

static void lose(int signal) {
    (void)signal;
    lost = 1;
}

int main(void) {
    struct sigaction action = {.sa_handler = lose};
    sigset_t losses, none;

    sigemptyset(&none);
    sigemptyset(&losses);
    sigaddset(&losses, SIGUSR1);
    sigprocmask(SIG_BLOCK, &losses, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (;;) {
        while (!lost)
            sigsuspend(&none);
        lost = 0;
        cm2_update_state(LOST);
    }
}
