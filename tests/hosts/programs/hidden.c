/* Asks for a full restart from functions that it exports to nobody. */
#include <stdio.h>
#include <unitward.h>

static __attribute__((noipa)) int find_out(const char *stack) {
    return unitward_restart_stack(stack);
}

static __attribute__((noipa)) int look_after(const char *stack) {
    int result = find_out(stack);

    printf("%d\n", result);
    return result;
}

int main(void) {
    return look_after("shop") != 0;
}
