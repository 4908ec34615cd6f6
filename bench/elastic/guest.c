/*
 * A guest for bench/containers that costs as little as an HTTP server can: answers every request with "x", keeps connections open, one process for each connection.
 *
 * Build:  cc -O2 -Wall -Wextra -static -o guest guest.c
 * Run:    guest [PORT]                       default 8080
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Type: text/plain\r\n\r\nx";

/* Heads are short and come whole in this bench; bodies are read and forgotten. */
static void serve(int fd)
{
    static char buffer[65536];
    size_t have = 0;
    for (;;) {
        ssize_t n = read(fd, buffer + have, sizeof buffer - 1 - have);
        if (n <= 0) _exit(0);
        have += (size_t)n;
        buffer[have] = 0;
        char *end;
        while ((end = strstr(buffer, "\r\n\r\n")) != NULL) {
            const char *length = strcasestr(buffer, "content-length:");
            size_t whole = (size_t)(end + 4 - buffer) + (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
            if (have < whole) break;
            if (write(fd, answer, sizeof answer - 1) < 0) _exit(0);
            memmove(buffer, buffer + whole, have - whole + 1);
            have -= whole;
        }
        if (have == sizeof buffer - 1) _exit(1);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(argc > 1 ? (unsigned short)atoi(argv[1]) : 8080), .sin_addr.s_addr = INADDR_ANY };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    signal(SIGCHLD, SIG_IGN);
    signal(SIGINT, _exit);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 128) < 0) return 1;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (fork() == 0) { close(listener); serve(fd); }
        close(fd);
    }
}
