/* argv -> table of commands. */
#include "base/ban.h"

#include "base/secret.h"
#include "reconciler/command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

static const struct {
    command_fn run;
    bool needs_config;
} table[CLI_COMMAND_MAX_] = {
    [CLI_PLAN] = {command_plan, true},       [CLI_SYNC] = {command_sync, true},
    [CLI_APPLY] = {command_apply, true},     [CLI_APPROVE] = {command_approve, true},
    [CLI_EXPLAIN] = {command_explain, true}, [CLI_HISTORY] = {command_history, true},
    [CLI_STATUS] = {command_status, true},   [CLI_AUDIT] = {command_audit, true},
    [CLI_CONFIG] = {command_config, false},
};

static const char *
environment(const char *name)
{
    return getenv(name);
}

/* Which variables could change what the program does behind its back. */
static void
clean_environment(void)
{
    static const char *const bad[] = {"SSLKEYLOGFILE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
                                      "OPENSSL_CONF",  "CURL_HOME",      "NETRC"};
    for (size_t i = 0; i < KB_LEN(bad); i++)
        (void) unsetenv(bad[i]);
}

/* Run by root, the program becomes the owner of the state directory, so that no file in it ends up root's and
 * the scheduler's next run can still write (architecture, section 8). */
static int
become_owner(const char *state_dir, struct kb_error *err)
{
    struct stat st;
    if (geteuid() != 0 || stat(state_dir, &st) < 0 || st.st_uid == 0)
        return 0;
    const struct passwd *pw = getpwuid(st.st_uid);
    int e = pw ? initgroups(pw->pw_name, st.st_gid) : setgroups(0, NULL);
    if (e < 0 || setgid(st.st_gid) < 0 || setuid(st.st_uid) < 0)
        return kb_fail_errno(err, KB_E_STORE, errno, "becoming the owner of %.300s", state_dir);
    return 0;
}

static int
choose_targets(struct command_context *c, struct kb_error *err)
{
    const struct config *config = c->config;
    const char *index = c->cli->target_index  ? c->cli->target_index
                        : c->cli->targets.len ? NULL
                                              : getenv("JOB_COMPLETION_INDEX");
    c->targets = calloc(config->targets_len, sizeof(const struct config_target *));
    if (!c->targets)
        return kb_fail(err, KB_E_NOMEM, "targets");
    if (index && c->cli->targets.len)
        return kb_fail(err, KB_E_USAGE, "--target and --target-index exclude each other");
    if (index) {
        char *end = NULL;
        unsigned long n = strtoul(index, &end, 10);
        if (!*index || *end || strspn(index, "0123456789") != strlen(index) || n >= config->targets_len)
            return kb_fail(err, KB_E_USAGE,
                           "there is no target %.20s; the configuration has %zu, counted from 0", index,
                           config->targets_len);
        c->targets[c->targets_len++] = &config->targets[n];
        return 0;
    }
    for (size_t k = 0; k < c->cli->targets.len; k++) {
        bool known = false;
        for (size_t i = 0; i < config->targets_len; i++)
            known |= !strcmp(config->targets[i].name, c->cli->targets.v[k]);
        if (!known)
            return kb_fail(err, KB_E_USAGE, "there is no target %.64s in %.200s", c->cli->targets.v[k],
                           c->config_path);
    }
    for (size_t i = 0; i < config->targets_len; i++) {
        bool chosen = c->cli->targets.len == 0;
        for (size_t k = 0; k < c->cli->targets.len; k++)
            chosen |= !strcmp(config->targets[i].name, c->cli->targets.v[k]);
        if (chosen)
            c->targets[c->targets_len++] = &config->targets[i];
    }
    return 0;
}

static void
with_config(struct command_context *c)
{
    struct config *config = NULL;
    struct config_errors errors = {0};
    struct kb_error err = {0};
    if (config_load(c->config_path, environment, &config, &errors, &err) < 0) {
        for (size_t i = 0; errors.len > 1 && i < errors.len; i++)
            (void) fprintf(stderr, "%s\n", errors.v[i]);
        outcome_error(&c->outcome, &err, EXIT_CONFIG);
    } else {
        c->config = config;
        enum kb_log_level level = c->cli->verbose ? KB_LOG_DEBUG
                                  : c->cli->quiet ? KB_LOG_ERROR
                                                  : config->log_level;
        kb_log_setup(level, c->cli->log_format, NULL);
        if (choose_targets(c, &err) < 0 || become_owner(config->state_dir, &err) < 0)
            outcome_error(&c->outcome, &err, EXIT_USAGE);
        else
            table[c->cli->command].run(c);
    }
    config_errors_done(&errors);
    free(c->targets);
    config_free(config);
}

static int
help(const struct cli *cli, struct kb_error *err)
{
    enum cli_command command = cli->command == CLI_HELP ? CLI_NONE : cli->command;
    if (cli->command == CLI_HELP && cli->args_len && !cli_command_from_name(cli->args[0], &command))
        return kb_fail(err, KB_E_USAGE, "there is no command %.60s; see keybricks --help", cli->args[0]);
    cli_help(command, stdout);
    return 0;
}

/* A closed standard descriptor would be taken by the next file that is opened. What is written to a closed stdout is an error, as
 * with a full disk. */
static void
open_standard(void)
{
    static const char *const paths[] = {"/dev/null", "/dev/full", "/dev/null"};
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int got = open(paths[fd], fd ? O_WRONLY : O_RDONLY); /* the lowest free number, which is fd */
        if (got != fd)
            _exit(EXIT_ERROR);
    }
}

/* SIGTERM before the loop reads its signalfd must not kill a run that writes: it waits there. */
static void
hold_signals(void)
{
    sigset_t set;
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGINT);
    (void) sigprocmask(SIG_BLOCK, &set, NULL);
}

int
main(int argc, char **argv)
{
    struct cli cli = {0};
    struct kb_error err = {0};
    struct command_context c = {.cli = &cli};
    bool last_line = true;
    open_standard();
    kb_secret_harden_process();
    clean_environment();
    (void) signal(SIGPIPE, SIG_IGN);
    kb_log_setup(KB_LOG_INFO, KB_LOG_TEXT, NULL);
    if (cli_parse(argc, argv, &cli, &err) < 0) {
        outcome_error(&c.outcome, &err, EXIT_USAGE);
    } else if (cli.version) {
        (void) puts("keybricks " KB_VERSION);
        last_line = false;
    } else if (cli.help || cli.command == CLI_HELP) {
        last_line = help(&cli, &err) < 0;
        if (last_line)
            outcome_error(&c.outcome, &err, EXIT_USAGE);
    } else {
        if (cli.command == CLI_SYNC || cli.command == CLI_APPLY)
            hold_signals();
        c.config_path = cli.config ? cli.config : config_default_path(environment);
        if (table[cli.command].needs_config)
            with_config(&c);
        else
            table[cli.command].run(&c);
    }
    if (last_line)
        outcome_print(&c.outcome, cli.log_format, cli.quiet);
    int code = c.outcome.code;
    cli_done(&cli);
    return code;
}
