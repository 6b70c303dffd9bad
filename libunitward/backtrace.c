/*
 * The stack of the calling thread, and which function of which object an address belongs to.
 *
 * dladdr(3) would know as well, but it waits for the dynamic linker's lock, and another thread may hold that for ever: while it
 * loads a library from a file system whose server is gone, say. Who restarts the stack because of that must not hang for the
 * same reason. So the object comes from _dl_find_object(3), which takes no lock, as libgcc_s does when it unwinds, and the
 * function from the object's own dynamic symbol table, chosen as dladdr chooses it.
 *
 * Nothing here allocates memory or waits.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE

#include "backtrace.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

/* Bytes of a line that a name may take, and a path. With three numbers beside them a line still is within LINE. */
#define NAME 256
#define PATH 200

/* What stands for what is not known, and for what is left out. */
static const char unknown[] = "(null)";
static const char cut[] = "\xe2\x80\xa6";
#define CUT (sizeof cut - 1)

struct walk {
    const struct link_map *own;
    struct frame *frames;
    size_t count;
};

/* The dynamic symbols of an object. */
struct symbols {
    const ElfW(Sym) *table;
    size_t count;
    const char *names;
};

struct function {
    const char *name;
    uintptr_t begin;
};

struct line {
    char *text;
    size_t length;
};

static const struct link_map *object_at(uintptr_t address, struct dl_find_object *found)
{
    return _dl_find_object((void *)address, found) == 0 ? found->dlfo_link_map : NULL;
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *data)
{
    struct walk *walk = data;
    struct dl_find_object found;
    /* Of a function that a signal interrupted the address is the instruction's own. */
    int interrupted = 0;
    uintptr_t address = (uintptr_t)_Unwind_GetIPInfo(context, &interrupted);
    uintptr_t instruction = address - (interrupted ? 0 : 1);

    if (address == 0 || walk->count == FRAMES)
        return _URC_END_OF_STACK;
    if (walk->count == 0 && object_at(instruction, &found) == walk->own)
        return _URC_NO_REASON;
    walk->frames[walk->count++] = (struct frame){.address = address, .instruction = instruction};
    return _URC_NO_REASON;
}

size_t walk_stack(struct frame frames[FRAMES])
{
    struct dl_find_object found;
    struct walk walk = {.own = object_at((uintptr_t)&walk_stack, &found), .frames = frames};

    _Unwind_Backtrace(visit, &walk);
    return walk.count;
}

/*
 * What an entry of the dynamic section points to. The dynamic linker has made an address of the offset where it may write to
 * the section; it may not in the kernel's own object.
 */
static uintptr_t pointee(const ElfW(Dyn) *entry, const struct dl_find_object *object)
{
    uintptr_t address = (uintptr_t)entry->d_un.d_ptr;

    if (address >= (uintptr_t)object->dlfo_map_start && address < (uintptr_t)object->dlfo_map_end)
        return address;
    return address + (uintptr_t)object->dlfo_link_map->l_addr;
}

/* How many symbols there are: no entry says so, but the last one ends the longest chain of the hash table. */
static size_t count_by_gnu_hash(const uint32_t *hash)
{
    uint32_t buckets = hash[0], first = hash[1], bloom_words = hash[2];
    const uint32_t *bucket = hash + 4 + bloom_words * (sizeof(ElfW(Addr)) / sizeof *hash);
    const uint32_t *chain = bucket + buckets;
    uint32_t last = 0;

    for (uint32_t at = 0; at < buckets; at++)
        if (bucket[at] > last)
            last = bucket[at];
    if (last < first)
        return first;
    while ((chain[last - first] & 1) == 0)
        last++;
    return (size_t)last + 1;
}

static struct symbols symbols_of(const struct dl_find_object *object)
{
    struct symbols symbols = {0};

    for (const ElfW(Dyn) *entry = object->dlfo_link_map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB)
            symbols.table = (const ElfW(Sym) *)pointee(entry, object);
        else if (entry->d_tag == DT_STRTAB)
            symbols.names = (const char *)pointee(entry, object);
        else if (entry->d_tag == DT_GNU_HASH)
            symbols.count = count_by_gnu_hash((const uint32_t *)pointee(entry, object));
        else if (entry->d_tag == DT_HASH && symbols.count == 0)
            symbols.count = (size_t)((const Elf_Symndx *)pointee(entry, object))[1];
    }
    if (symbols.table == NULL || symbols.names == NULL)
        symbols.count = 0;
    return symbols;
}

/* Where a function begins, counted from the object's base. Of a Thumb function on ARM the lowest bit only says that it is one. */
static uintptr_t beginning_of(const ElfW(Sym) *symbol)
{
#ifdef __arm__
    return symbol->st_value & ~(uintptr_t)1;
#else
    return (uintptr_t)symbol->st_value;
#endif
}

static bool is_in(const ElfW(Sym) *symbol, uintptr_t offset)
{
    uintptr_t begin = beginning_of(symbol);
    int type = ELF64_ST_TYPE(symbol->st_info);

    if (symbol->st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE))
        return false;
    return offset == begin || (offset > begin && offset - begin < symbol->st_size);
}

/* The function that `instruction` belongs to; of several the one that begins last. */
static struct function function_at(uintptr_t instruction, const struct dl_find_object *object)
{
    struct symbols symbols = symbols_of(object);
    uintptr_t base = (uintptr_t)object->dlfo_link_map->l_addr;
    const ElfW(Sym) *nearest = NULL;

    for (size_t at = 0; at < symbols.count; at++) {
        const ElfW(Sym) *symbol = &symbols.table[at];

        if (is_in(symbol, instruction - base) && (nearest == NULL || symbol->st_value > nearest->st_value))
            nearest = symbol;
    }
    if (nearest == NULL)
        return (struct function){0};
    return (struct function){.name = symbols.names + nearest->st_name, .begin = base + beginning_of(nearest)};
}

const char *name_of_function(const struct frame *frame)
{
    struct dl_find_object object;

    return object_at(frame->instruction, &object) == NULL ? NULL : function_at(frame->instruction, &object).name;
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t copy_printable(char *to, const char *text, size_t limit)
{
    size_t length = strnlen(text, limit + 1);

    if (length > limit)
        for (length = limit; length > 0 && is_continuation(text[length]); length--)
            ;
    for (size_t at = 0; at < length; at++)
        to[at] = (unsigned char)text[at] < ' ' || text[at] == 0x7f ? '?' : text[at];
    return length;
}

static void append(struct line *line, const char *text, size_t limit)
{
    line->length += copy_printable(line->text + line->length, text, limit);
}

static void append_number(struct line *line, uintptr_t number, unsigned base)
{
    char digits[sizeof number * CHAR_BIT + 1];
    size_t first = sizeof digits - 1;

    digits[first] = '\0';
    do {
        digits[--first] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    append(line, digits + first, sizeof digits);
}

/* A name says most at its beginning. */
static void append_name(struct line *line, const char *name)
{
    bool too_long = strnlen(name, NAME + 1) > NAME;

    append(line, name, too_long ? NAME - CUT : NAME);
    if (too_long)
        append(line, cut, CUT);
}

/* A path says most at its end. */
static void append_path(struct line *line, const char *path)
{
    size_t length = strlen(path);

    if (length > PATH) {
        append(line, cut, CUT);
        for (path += length - (PATH - CUT); is_continuation(*path); path++)
            ;
    }
    append(line, path, PATH);
}

/* The dynamic linker has no name for the program itself, and argv[0] is whatever its parent liked. */
static void append_program(struct line *line)
{
    static const char gone[] = " (deleted)";
    char path[PATH_MAX];
    ssize_t read = readlink("/proc/self/exe", path, sizeof path - 1);
    size_t length = read < 0 ? 0 : (size_t)read;

    /* The file was replaced after the program had been started, by an upgrade say. */
    if (length >= sizeof gone && memcmp(path + length - (sizeof gone - 1), gone, sizeof gone - 1) == 0)
        length -= sizeof gone - 1;
    path[length] = '\0';
    append_path(line, length > 0 ? path : unknown);
}

static void append_object(struct line *line, const struct link_map *object)
{
    if (object == NULL)
        append(line, unknown, sizeof unknown - 1);
    else if (object->l_name == NULL || *object->l_name == '\0')
        append_program(line);
    else
        append_path(line, object->l_name);
}

size_t write_line(char text[LINE], size_t number, const struct frame *frame)
{
    struct line line = {.text = text};
    struct dl_find_object found;
    const struct link_map *object = object_at(frame->instruction, &found);
    struct function function = {0};

    if (object != NULL)
        function = function_at(frame->instruction, &found);
    /* As in a report: each line but the first one is indented. */
    if (number > 0)
        append(&line, " ", 1);
    append_number(&line, number, 10);
    append(&line, " > 0x", 5);
    append_number(&line, frame->address, 16);
    append(&line, ": ", 2);
    append_name(&line, function.name != NULL ? function.name : unknown);
    append(&line, function.name != NULL ? " 0x" : " 0", 3);
    if (function.name != NULL)
        append_number(&line, frame->address - function.begin, 16);
    append(&line, " ", 1);
    append_object(&line, object);
    text[line.length++] = '\n';
    return line.length;
}
