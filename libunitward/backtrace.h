/*
 * Where a call came from, in the lines of a report.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef UNITWARD_BACKTRACE_H
#define UNITWARD_BACKTRACE_H

#include <stddef.h>
#include <stdint.h>

/* The deepest frames that are told; a recursion without end has thousands. */
#define FRAMES 32

/* The length of a line in bytes, its end included. Names of C++ functions can be as long as a page. */
#define LINE 512

struct frame {
    /* Where it goes on: of a caller the instruction behind the call. */
    uintptr_t address;
    /* What it is at: of a caller the call itself, lest one that never returns belongs to the function behind it. */
    uintptr_t instruction;
};

/* The frames of the calling thread without this library's own, the innermost first; how many there are. */
size_t walk_stack(struct frame frames[FRAMES]);

/* The function a frame is in, or NULL where the object's dynamic symbol table has none. */
const char *name_of_function(const struct frame *frame);

/* Writes the line of a frame, and returns its length. There is no '\0' behind it. */
size_t write_line(char line[LINE], size_t number, const struct frame *frame);

/* Copies at most `limit` bytes of UTF-8 without control characters, cut where a character ends; how many bytes it took. */
size_t copy_printable(char *to, const char *text, size_t limit);

#endif
