/* Asks for a full restart of the stack that it is told, and prints what the call returns. */
#include <stdio.h>
#include <unitward.h>

int main(int count, char **arguments) {
    if (count != 2)
        return 2;
    printf("%d\n", unitward_restart_stack(arguments[1]));
    return 0;
}
