/* tests/bench/launch.c: starts commands at the same time and says how long they took and what they held.
 *
 * Why:    ru_maxrss of a child counts what its parent held when it forked, so a Python that holds a world would
 * measure itself; this parent holds nothing. Usage: bench-launch RUNS -- COMMAND ARG... [-- COMMAND ARG...]
 * A line of JSON a run; what the commands print goes to stderr. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define COMMANDS_MAX 8

extern char **environ;

struct command {
    char **argv;
    pid_t pid;
    int status;
    struct rusage use;
};

static void
die(const char *what, int error)
{
    (void) fprintf(stderr, "bench-launch: %s: %s\n", what, strerror(error));
    exit(70);
}

static double
seconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        die("clock", errno);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double
cpu(const struct rusage *use)
{
    return (double) (use->ru_utime.tv_sec + use->ru_stime.tv_sec) +
           (double) (use->ru_utime.tv_usec + use->ru_stime.tv_usec) / 1e6;
}

static void
run(struct command *commands, size_t len, const posix_spawn_file_actions_t *actions)
{
    double start = seconds();
    for (size_t i = 0; i < len; i++) {
        int error =
            posix_spawnp(&commands[i].pid, commands[i].argv[0], actions, NULL, commands[i].argv, environ);
        if (error != 0)
            die(commands[i].argv[0], error);
    }
    for (size_t i = 0; i < len; i++)
        if (wait4(commands[i].pid, &commands[i].status, 0, &commands[i].use) < 0)
            die("wait4", errno);
    printf("{\"wall_s\":%.6f,\"commands\":[", seconds() - start);
    for (size_t i = 0; i < len; i++)
        printf("%s{\"exit\":%d,\"cpu_s\":%.6f,\"rss_kib\":%ld}", i ? "," : "",
               WIFEXITED(commands[i].status) ? WEXITSTATUS(commands[i].status)
                                             : 128 + WTERMSIG(commands[i].status),
               cpu(&commands[i].use), commands[i].use.ru_maxrss);
    printf("]}\n");
}

int
main(int argc, char **argv)
{
    struct command commands[COMMANDS_MAX] = {0};
    size_t len = 0;
    long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 0;

    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        argv[i] = NULL;
        if (len < COMMANDS_MAX)
            commands[len++].argv = argv + i + 1;
    }
    if (runs < 1 || len == 0) {
        (void) fprintf(stderr, "usage: bench-launch RUNS -- COMMAND ARG... [-- COMMAND ARG...]\n");
        return 64;
    }
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, 2, 1);
    if (error != 0)
        die("posix_spawn", error);
    while (runs-- > 0)
        run(commands, len, &actions);
    (void) posix_spawn_file_actions_destroy(&actions);
    return 0;
}
