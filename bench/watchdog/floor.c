/* The least that a process per request can cost here: pipe, fork or posix_spawn, exec, write, read to the end, wait; no HTTP.
   floor PROGRAM THREADS SECONDS fork|spawn  prints calls per second. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static const char *program;
static double seconds;
static int spawns;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void call(void)
{
    int in[2], out[2], status;
    char *arguments[] = {(char *)program, NULL}, buffer[4096];
    pid_t child;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) exit(1);
    if (write(in[1], "hello", 5) != 5) exit(1);
    close(in[1]);
    if (spawns) {
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, in[0], 0);
        posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        if (posix_spawn(&child, program, &actions, NULL, arguments, environ)) exit(1);
        posix_spawn_file_actions_destroy(&actions);
    } else if ((child = fork()) == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execv(program, arguments);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    while (read(out[0], buffer, sizeof buffer) > 0) {}
    close(out[0]);
    if (waitpid(child, &status, 0) != child || status != 0) exit(1);
}

static void *run(void *calls)
{
    for (double end = now() + seconds; now() < end;) {
        call();
        ++*(long *)calls;
    }
    return NULL;
}

int main(int count, char **words)
{
    if (count != 5) return 2;
    program = words[1];
    int threads = atoi(words[2]);
    seconds = atof(words[3]);
    spawns = !strcmp(words[4], "spawn");
    pthread_t *thread = calloc(threads, sizeof *thread);
    long *calls = calloc(threads, sizeof *calls), total = 0;
    double began = now();
    for (int i = 0; i < threads; i++) pthread_create(&thread[i], NULL, run, &calls[i]);
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        total += calls[i];
    }
    printf("%.0f\n", total / (now() - began));
    return 0;
}
