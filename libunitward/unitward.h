/*
 * Unitward for supervised programs; see unitward_restart_stack(3).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef UNITWARD_H
#define UNITWARD_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Asks for a full restart of a stack, the units that /etc/unitward/STACK.stack holds together. The report will name the
 * calling function and show how it was reached.
 *
 * Returns 0 once the restart is under way, or a negative errno, in either case within 10 seconds. Any thread may call it; it
 * keeps errno. A caller that belongs to the stack itself will be stopped by the restart, and should go on to where it is
 * ready for that.
 */
int unitward_restart_stack(const char *stack);

/*
 * The same for a caller with another name than its function's. NULL or "" stands for the function that makes the call, as far
 * as the program exports it, else for the program.
 */
int unitward_restart_stack_from(const char *stack, const char *caller);

/* The compiler knows a function's name even where the program does not export it. */
#define unitward_restart_stack(stack) unitward_restart_stack_from((stack), __func__)

#ifdef __cplusplus
}
#endif

#endif
