/*
 * The floor: how fast a runtime can possibly be driven.
 *
 * Plays the daemon's side of docs/runtime-interface.md with nothing else in the way: listens on a Unix socket, starts the runtime, loads a function,
 * then keeps one request on each connection until all are answered, and prints one line:
 *
 *     requests=100000 connections=1 bytes=12 rps=41000 p50_us=22.1 p99_us=40.3 max_us=310.0 hello_ms=18.2 ready_ms=2.1
 *
 * Build:  cc -O2 -Wall -Wextra -o floor floor.c
 * Run:    floor [-c connections] [-w requests] [-n requests] [-s bytes] [-x] FOLDER COMMAND [ARGUMENT ...]
 *         FOLDER is the function's code; the socket's path is appended to COMMAND. With -x the answer must equal the request's body.
 *         -w requests come first and are not counted. The socket is made in $TMPDIR, else in /tmp.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 12, PIECE = 65536, MAX_CONNECTIONS = 1000 };
enum { REQUEST = 1, BODY = 2, LOAD = 4, HELLO = 16, RESPONSE = 17, READY = 18, FAILURE = 19 };
enum { MORE = 1 };

static char socket_path[108];
static pid_t runtime;

struct connection {
    int fd;
    size_t sent;          /* bytes of the message that are on their way */
    size_t have;          /* bytes in the buffer */
    size_t answered;      /* bytes of the answer's body so far */
    uint64_t begun;       /* nanoseconds */
    uint8_t buffer[2 * (HEADER + 2 * PIECE)];
};

static void clean(void)
{
    if (runtime > 0) { kill(runtime, SIGKILL); waitpid(runtime, NULL, 0); }
    unlink(socket_path);
}

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint8_t *frame(uint8_t *at, int type, int flags, const void *head, size_t head_size, const void *body, size_t body_size)
{
    uint32_t size = (uint32_t)(head_size + body_size), heads = (uint32_t)head_size;
    memcpy(at, &size, 4);
    at[4] = (uint8_t)type; at[5] = (uint8_t)flags; at[6] = at[7] = 0;
    memcpy(at + 8, &heads, 4);
    memcpy(at + HEADER, head, head_size);
    if (body_size > 0) memcpy(at + HEADER + head_size, body, body_size);
    return at + HEADER + size;
}

static uint32_t u32(const uint8_t *at) { uint32_t value; memcpy(&value, at, 4); return value; }

/* One whole frame into the connection's buffer, for the few frames before the requests. */
static int read_frame(struct connection *c)
{
    size_t want = HEADER;
    for (c->have = 0; c->have < want;) {
        ssize_t n = recv(c->fd, c->buffer + c->have, want - c->have, 0);
        if (n <= 0) fail("the runtime closed the connection", n < 0 ? strerror(errno) : "end of stream");
        c->have += (size_t)n;
        if (want == HEADER && c->have == HEADER) want += u32(c->buffer);
        if (want > HEADER + 2 * PIECE) fail("a frame is too large", "contract broken");
    }
    c->have = 0;
    if (c->buffer[4] == FAILURE) {
        c->buffer[want] = 0;
        fail("the function cannot be loaded", (char *)c->buffer + HEADER);
    }
    return c->buffer[4];
}

static void send_all(int fd, const uint8_t *from, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, from, size, MSG_NOSIGNAL);
        if (n < 0) fail("send", strerror(errno));
        from += n; size -= (size_t)n;
    }
}

/* Takes the frames in the buffer; 1 when the answer is complete. */
static int take(struct connection *c, const uint8_t *expected, size_t expected_size)
{
    size_t at = 0;
    int done = 0;
    while (!done && c->have - at >= HEADER) {
        const uint8_t *f = c->buffer + at;
        size_t size = u32(f), head = u32(f + 8);
        if (size > 2 * PIECE || head > size) fail("frame", "contract broken");
        if (c->have - at < HEADER + size) break;
        if (f[4] == FAILURE) { fprintf(stderr, "%.*s\n", (int)size, (const char *)f + HEADER); fail("the function failed", "see above"); }
        if (f[4] != RESPONSE && f[4] != BODY) fail("frame", "neither RESPONSE nor BODY");
        if (expected && (c->answered + size - head > expected_size || memcmp(f + HEADER + head, expected + c->answered, size - head) != 0))
            fail("the answer", "differs from the request's body");
        c->answered += size - head;
        done = !(f[5] & MORE);
        at += HEADER + size;
    }
    c->have -= at;
    if (c->have > 0) memmove(c->buffer, c->buffer + at, c->have);
    if (done && expected && c->answered != expected_size) fail("the answer", "is shorter than the request's body");
    return done;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    long connections = 1, warmup = 0, requests = 100000, bytes = 12;
    int check = 0;
    for (int option; (option = getopt(argc, argv, "+c:w:n:s:x")) != -1;)
        switch (option) {
            case 'c': connections = atol(optarg); break;
            case 'w': warmup = atol(optarg); break;
            case 'n': requests = atol(optarg); break;
            case 's': bytes = atol(optarg); break;
            case 'x': check = 1; break;
            default: return 2;
        }
    if (argc - optind < 2 || connections < 1 || connections > MAX_CONNECTIONS || requests < connections || warmup < 0 || bytes < 0) {
        fprintf(stderr, "usage: floor [-c connections] [-w requests] [-n requests] [-s bytes] [-x] FOLDER COMMAND [ARGUMENT ...]\n");
        return 2;
    }
    char folder[4096];
    if (!realpath(argv[optind], folder)) fail(argv[optind], strerror(errno));

    /* 1. Listen, start the runtime. */
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *temporary = getenv("TMPDIR");
    int path_size = snprintf(socket_path, sizeof socket_path, "%s/stint-floor-%d", temporary && *temporary ? temporary : "/tmp", (int)getpid());
    if (path_size < 0 || (size_t)path_size >= sizeof socket_path) fail("TMPDIR", "its path is too long for a socket");
    memcpy(address.sun_path, socket_path, sizeof address.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, MAX_CONNECTIONS) < 0) fail(socket_path, strerror(errno));
    atexit(clean);
    uint64_t started = now();
    runtime = fork();
    if (runtime == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(open("/dev/null", O_RDONLY), 0);
        char **command = calloc((size_t)(argc - optind + 1), sizeof *command);
        for (int i = optind + 1; i < argc; i++) command[i - optind - 1] = argv[i];
        command[argc - optind - 1] = socket_path;
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }

    /* 2. HELLO, LOAD, HELLO on the other connections, READY. */
    struct connection *all = calloc((size_t)connections, sizeof *all);
    if (!all) fail("memory", strerror(errno));
    all[0].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (read_frame(&all[0]) != HELLO) fail("the first frame", "is not HELLO");
    uint64_t greeted = now();
    char head[8192];
    uint8_t small[8300];
    int head_size = snprintf(head, sizeof head, "%s%c%ld", folder, 0, connections);
    send_all(all[0].fd, small, (size_t)(frame(small, LOAD, 0, head, (size_t)head_size, NULL, 0) - small));
    for (long i = 1; i < connections; i++) {
        all[i].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (read_frame(&all[i]) != HELLO) fail("a further connection's first frame", "is not HELLO");
    }
    if (read_frame(&all[0]) != READY) fail("the answer to LOAD", "is not READY");
    uint64_t ready = now();

    /* 3. The message: REQUEST, and BODY frames when it is large. All requests are the same bytes. */
    static const char fields[] = "POST\0/\0\0" "0123456789abcdef\0" "60000\0Host\0localhost:8000\0User-Agent\0curl/8.5.0\0Accept\0*/*\0"
        "Content-Length\0" "12\0Content-Type\0text/plain";
    uint8_t *body = malloc((size_t)bytes + 1), *message = malloc((size_t)bytes + (size_t)(bytes / PIECE + 2) * HEADER + sizeof fields);
    if (!body || !message) fail("memory", strerror(errno));
    for (long i = 0; i < bytes; i++) body[i] = (uint8_t)('a' + i % 26);
    uint8_t *end = message;
    long at = 0;
    do {
        long piece = bytes - at > PIECE ? PIECE : bytes - at;
        end = frame(end, at == 0 ? REQUEST : BODY, at + piece < bytes ? MORE : 0, fields, at == 0 ? sizeof fields - 1 : 0, body + at, (size_t)piece);
        at += piece;
    } while (at < bytes);
    size_t message_size = (size_t)(end - message);

    /* 4. Requests. One connection and a small message: plain send and recv. Else epoll, reading while there is still something to write. */
    int plain = connections == 1 && bytes <= PIECE;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    long all_requests = warmup + requests;
    uint32_t *times = calloc((size_t)all_requests, sizeof *times);
    if (!times) fail("memory", strerror(errno));
    long begun = 0, finished = 0;
    uint64_t first = now();
    for (long i = 0; i < connections && !plain; i++) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)i };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event) < 0) fail("epoll_ctl", strerror(errno));
        all[i].begun = now();
        begun++;
    }
    while (finished < all_requests) {
        struct epoll_event events[64];
        int count = 1;
        if (plain) { all[0].begun = now(); send_all(all[0].fd, message, message_size); events[0].data.u32 = 0; }
        else if ((count = epoll_wait(epoll, events, 64, -1)) < 0) fail("epoll_wait", strerror(errno));
        for (int i = 0; i < count; i++) {
            struct connection *c = &all[events[i].data.u32];
            for (int idle = 0; !idle;) {
                idle = 1;
                while (!plain && c->begun != 0 && c->sent < message_size) {
                    ssize_t n = send(c->fd, message + c->sent, message_size - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
                    if (n < 0) { if (errno == EAGAIN) break; fail("send", strerror(errno)); }
                    c->sent += (size_t)n;
                }
                ssize_t n = recv(c->fd, c->buffer + c->have, sizeof c->buffer - c->have, plain ? 0 : MSG_DONTWAIT);
                if (n == 0) fail("the runtime", "closed the connection");
                if (n < 0) { if (errno == EAGAIN) break; fail("recv", strerror(errno)); }
                idle = 0;
                c->have += (size_t)n;
                if (!take(c, check ? body : NULL, (size_t)bytes)) continue;
                uint64_t end_time = now();
                times[finished++] = (uint32_t)(end_time - c->begun);
                if (finished == warmup) first = end_time;
                c->sent = c->answered = 0;
                c->begun = 0;
                if (plain) break;
                if (begun < all_requests) { begun++; c->begun = end_time; }
            }
        }
    }
    double seconds = (double)(now() - first) / 1e9;
    times += warmup;
    qsort(times, (size_t)requests, sizeof *times, by_value);
    printf("requests=%ld connections=%ld bytes=%ld rps=%.0f p50_us=%.1f p99_us=%.1f max_us=%.1f hello_ms=%.1f ready_ms=%.1f\n", requests, connections, bytes,
           (double)requests / seconds, times[requests / 2] / 1e3, times[requests * 99 / 100] / 1e3, times[requests - 1] / 1e3,
           (double)(greeted - started) / 1e6, (double)(ready - greeted) / 1e6);
    return 0;
}
