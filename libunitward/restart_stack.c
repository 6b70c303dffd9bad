/*
 * Asks for a full restart of a stack: one request on the stack's socket, one line in answer.
 *
 * The request is text: a line that names the protocol, the caller, an empty line, and where the call came from in the lines of
 * a report. The answer is an errno as a decimal number, 0 for success, a space and words for people. The other side is
 * unitward-stack@.service, which systemd starts for the first caller; unitwardd need not run.
 *
 * All of it together takes no longer than UNITWARD_DEADLINE. It is done without memory from the heap, without a lock, without a signal
 * and, beside one connection, without anything that another thread could see. It needs less than 12 KiB of stack.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE

#include "unitward.h"
#include "backtrace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Where the sockets are; a stack's name is its socket's. The tests have a directory of their own. */
#ifndef UNITWARD_SOCKETS
#define UNITWARD_SOCKETS "/run/unitward/stacks"
#endif

/* Until when a call is over, in milliseconds. The other side answers within half of it, a restart script that goes on included. */
#ifndef UNITWARD_DEADLINE
#define UNITWARD_DEADLINE 10000
#endif

/* The longest name of a caller in bytes. */
#define CALLER 256

/* Above this no errno is; the kernel's own limit. */
#define LARGEST_ERRNO 4095

struct connection {
    int socket;
    int64_t deadline;
};

/* What is about to be sent. The restarter reads few large pieces rather than many small ones. */
struct request {
    struct connection connection;
    size_t length;
    char text[4 * LINE];
};

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The rules are systemd's for the instance of a unit. With them a name cannot lead out of the directory. */
static int check_name(const char *stack)
{
    size_t length = stack == NULL ? 0 : strlen(stack);

    if (length == 0 || stack[0] == '.')
        return -EINVAL;
    for (size_t at = 0; at < length; at++) {
        unsigned char byte = (unsigned char)stack[at];
        /* Not isalnum(3): what a letter is does not depend on the caller's locale. */
        bool is_letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';

        if (!is_letter && (byte < '0' || byte > '9') && strchr(":-_.\\", byte) == NULL)
            return -EINVAL;
    }
    return 0;
}

/* Waits until the socket is ready. Signals do not make it longer. */
static int wait_for(const struct connection *connection, short event)
{
    struct pollfd wanted = {.fd = connection->socket, .events = event};

    for (;;) {
        int64_t left = connection->deadline - now();

        if (left <= 0)
            return -ETIMEDOUT;
        int count = poll(&wanted, 1, (int)left);
        if (count > 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return -errno;
    }
}

/* Where a program has closed its standard output, a new socket would be it, and what others print would be part of the request. */
static int open_socket(void)
{
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int moved;

    if (made < 0 || made > STDERR_FILENO)
        return made < 0 ? -errno : made;
    moved = fcntl(made, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (moved < 0)
        moved = -errno;
    close(made);
    return moved;
}

/*
 * While the queue of those who want to connect is full, connect(2) waits, as long as a send may take. To a socket that does not
 * block it would say EAGAIN, and poll(2) could not tell when to try again.
 */
static int connect_to(const struct connection *connection, const struct sockaddr_un *address)
{
    for (;;) {
        int64_t left = connection->deadline - now();
        struct timeval patience = {.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000 * 1000)};

        if (left <= 0)
            return -ETIMEDOUT;
        if (setsockopt(connection->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
            return -errno;
        if (connect(connection->socket, (const struct sockaddr *)address, sizeof *address) == 0)
            return 0;
        if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
}

static int flush(struct request *request)
{
    const char *text = request->text;

    while (request->length > 0) {
        ssize_t sent = send(request->connection.socket, text, request->length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent >= 0) {
            text += sent;
            request->length -= (size_t)sent;
        } else if (errno == EAGAIN) {
            int error = wait_for(&request->connection, POLLOUT);
            if (error < 0)
                return error;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static void put(struct request *request, const char *text)
{
    request->length += copy_printable(request->text + request->length, text, CALLER);
}

/* Begins with the head, which always fits, and sends the lines as they fill the buffer. */
static int send_request(struct request *request, const char *caller, const struct frame *frames, size_t count)
{
    static const char protocol[] = "unitward-restart-stack 1\ncaller=";
    int error = 0;

    memcpy(request->text, protocol, sizeof protocol - 1);
    request->length = sizeof protocol - 1;
    put(request, caller);
    memcpy(request->text + request->length, "\n\n", 2);
    request->length += 2;
    for (size_t at = 0; at < count && error == 0; at++) {
        if (sizeof request->text - request->length < LINE)
            error = flush(request);
        if (error == 0)
            request->length += write_line(request->text + request->length, at, &frames[at]);
    }
    return error == 0 ? flush(request) : error;
}

/* The errno that a whole answer begins with. */
static int meaning_of(const char *answer)
{
    int number = 0;
    size_t digits = 0;

    for (; answer[digits] >= '0' && answer[digits] <= '9'; digits++)
        if ((number = number * 10 + (answer[digits] - '0')) > LARGEST_ERRNO)
            return -EPROTO;
    return digits > 0 && answer[digits] == ' ' ? -number : -EPROTO;
}

static int read_answer(const struct connection *connection)
{
    /* A number, a space, words that are as long as a line at most. */
    char answer[LINE + 16];
    size_t length = 0;

    while (length < sizeof answer) {
        ssize_t got = recv(connection->socket, answer + length, sizeof answer - length, MSG_DONTWAIT);

        if (got == 0)
            return -ECONNRESET;
        if (got > 0) {
            length += (size_t)got;
            if (memchr(answer, '\n', length) != NULL)
                return meaning_of(answer);
        } else if (errno == EAGAIN) {
            int error = wait_for(connection, POLLIN);
            if (error < 0)
                return error;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return -EPROTO;
}

/* Whom the report names when the caller does not say. */
static const char *name_of_caller(const struct frame *frames, size_t count)
{
    const char *function = count > 0 ? name_of_function(&frames[0]) : NULL;

    return function != NULL && *function != '\0' ? function : program_invocation_short_name;
}

static int talk(const struct connection *connection, const struct sockaddr_un *address, const char *caller)
{
    struct request request = {.connection = *connection};
    struct frame frames[FRAMES];
    size_t count = walk_stack(frames);
    int error = connect_to(connection, address);

    if (error < 0)
        return error;
    if (caller == NULL || *caller == '\0')
        caller = name_of_caller(frames, count);
    error = send_request(&request, caller, frames, count);
    /* Who is refused may be told so before all is read. */
    if (error < 0 && error != -EPIPE && error != -ECONNRESET)
        return error;
    if (error == 0)
        shutdown(connection->socket, SHUT_WR);
    return read_answer(connection);
}

static int ask(const char *stack, const char *caller)
{
    struct connection connection = {.deadline = now() + UNITWARD_DEADLINE};
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = UNITWARD_SOCKETS "/"};
    int result = check_name(stack);

    if (result < 0)
        return result;
    if (strlen(stack) >= sizeof address.sun_path - (sizeof UNITWARD_SOCKETS "/" - 1))
        return -ENAMETOOLONG;
    strcpy(address.sun_path + sizeof UNITWARD_SOCKETS "/" - 1, stack);
    connection.socket = open_socket();
    if (connection.socket < 0)
        return connection.socket;
    result = talk(&connection, &address, caller);
    close(connection.socket);
    return result;
}

/* A thread that is cancelled in the middle would leave the connection behind. */
static int ask_undisturbed(const char *stack, const char *caller)
{
    int saved = errno, cancellation;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
    int result = ask(stack, caller);
    pthread_setcancelstate(cancellation, NULL);
    errno = saved;
    return result;
}

int unitward_restart_stack_from(const char *stack, const char *caller)
{
    return ask_undisturbed(stack, caller);
}

/* For callers that do not use the macro: what takes the function's address, or was not compiled with the header. */
int (unitward_restart_stack)(const char *stack)
{
    return ask_undisturbed(stack, NULL);
}
