/* A full restart that is asked for some functions deep: through a static one, and out of another library and back. */
#include <unitward.h>

int pass_on(int (*further)(void));

static volatile int after;

__attribute__((noinline)) int trigger_restart(void) {
    int result = unitward_restart_stack("levels");
    after++;
    return result;
}

__attribute__((noinline)) static int check_stability(void) {
    int result = trigger_restart();
    after++;
    return result;
}

__attribute__((noinline)) int update_state(void) {
    int result = pass_on(check_stability);
    after++;
    return result;
}

int main(void) {
    int result = update_state();
    after++;
    return -result;
}
