#include "base/ban.h"

#include "reconciler/cli.h"

#include "base/mem.h"
#include "base/str.h"

#include <getopt.h>

#define IN(command) (1u << CLI_##command)
#define ALL (~0u)
#define SELECTORS (IN(PLAN) | IN(SYNC))

/* clang-format off */
enum option_id {
    O_CONFIG = 'c',
    O_VERBOSE = 'v',
    O_QUIET = 'q',
    O_HELP = 'h',
    O_VERSION = 256,
    O_TARGET,
    O_TARGET_INDEX,
    O_LOG_FORMAT,
    O_FORMAT,
    O_OUTPUT,
    O_SAVE,
    O_GROUP,
    O_USER,
    O_REFRESH,
    O_NO_REMOVALS,
    O_EXIT_CODE,
    O_MASK_USERS,
    O_DRY_RUN,
    O_GUARD,
    O_REASON,
    O_EXPIRES,
    O_EXPECT,
};

static const struct {
    const char *name, *value; /* value NULL: none */
    int id;
    unsigned commands;
    const char *help;
} options[] = {
    {"config", "FILE", O_CONFIG, ALL, "configuration; default $KEYBRICKS_CONFIG, ./keybricks.conf, /etc/keybricks/keybricks.conf"},
    {"target", "NAME", O_TARGET, ALL, "only this target (repeatable); default: all, in the order of the file"},
    {"target-index", "N", O_TARGET_INDEX, ALL, "only target N, from 0; also read from $JOB_COMPLETION_INDEX"},
    {"log-format", "FORMAT", O_LOG_FORMAT, ALL, "text, logfmt or json"},
    {"verbose", NULL, O_VERBOSE, ALL, "debug log, and ids in reports"},
    {"quiet", NULL, O_QUIET, ALL, "nothing on success, so that cron sends no mail"},
    {"help", NULL, O_HELP, ALL, "this text"},
    {"version", NULL, O_VERSION, ALL, "version"},
    {"format", "FORMAT", O_FORMAT, IN(PLAN) | IN(EXPLAIN) | IN(STATUS), "text or json"},
    {"output", "FILE", O_OUTPUT, IN(PLAN), "write the report there instead of to stdout"},
    {"save", "FILE", O_SAVE, IN(PLAN), "keep the plan for `keybricks apply FILE` (one target only)"},
    {"group", "GLOB", O_GROUP, SELECTORS | IN(APPROVE), "only Databricks groups of that name (repeatable)"},
    {"user", "KEY", O_USER, SELECTORS, "only this person: user name, e-mail, id, or name in Databricks (repeatable)"},
    {"refresh", "WHEN", O_REFRESH, SELECTORS, "auto (default), always, or never: no request to Databricks, snapshot only"},
    {"no-removals", NULL, O_NO_REMOVALS, SELECTORS, "plan and apply additions only"},
    {"exit-code", NULL, O_EXIT_CODE, IN(PLAN), "2 when changes are pending, 3 when a guard is tripped"},
    {"mask-users", NULL, O_MASK_USERS, IN(PLAN), "mask names and e-mail addresses"},
    {"dry-run", NULL, O_DRY_RUN, IN(SYNC), "the same as plan"},
    {"guard", "NAME", O_GUARD, IN(APPROVE), "the guard to pass (repeatable)"},
    {"reason", "TEXT", O_REASON, IN(APPROVE), "why, at least 10 characters"},
    {"expires", "TIME", O_EXPIRES, IN(APPROVE), "how long it holds: 30m, 1h (default), 2d"},
    {"expect", "SIZE:HASH", O_EXPECT, IN(AUDIT), "a checkpoint that must lie on the chain"},
};

static const struct {
    const char *name, *args, *help;
    unsigned args_min, args_max;
} commands[CLI_COMMAND_MAX_] = {
    [CLI_NONE] = {"", "", "", 0, 0},
    [CLI_PLAN] = {"plan", "", "read, compare, print what would change; writes nothing to Databricks", 0, 0},
    [CLI_SYNC] = {"sync", "", "plan, guards, apply: what a scheduler starts", 0, 0},
    [CLI_APPLY] = {"apply", "PLANFILE", "apply exactly a saved plan; a group that moved since is refused", 1, 1},
    [CLI_APPROVE] = {"approve", "PLANFILE", "let one plan through named guards, once", 1, 1},
    [CLI_EXPLAIN] = {"explain", "USER [GROUP]", "every path by which the user is, or is not, desired in the group", 1, 2},
    [CLI_HISTORY] = {"history", "[RUN]", "runs with counts and outcome; one run with each request", 0, 1},
    [CLI_STATUS] = {"status", "", "last success, what is held, whether it is fresh; 0, 3, 7 or 8", 0, 0},
    [CLI_AUDIT] = {"audit", "verify", "check the audit chain from the first row to the last", 1, 1},
    [CLI_CONFIG] = {"config", "check|show|example|table", "check the configuration, show it with defaults, print an example", 1, 1},
    [CLI_HELP] = {"help", "[COMMAND]", "this text, or that of one command", 0, 1},
};

bool
cli_command_from_name(const char *name, enum cli_command *ret)
{
    for (unsigned i = CLI_NONE + 1; i < CLI_COMMAND_MAX_; i++) {
        if (!strcmp(commands[i].name, name)) {
            *ret = (enum cli_command) i;
            return true;
        }
    }
    return false;
}

static int
add(struct kb_strings *list, char *value, struct kb_error *err)
{
    char **grown = realloc(list->v, (list->len + 1) * sizeof(*grown));
    if (!grown)
        return kb_fail(err, KB_E_NOMEM, "command line");
    list->v = grown;
    list->v[list->len++] = value;
    return 0;
}

static int
set_log_format(struct cli *cli, const char *value, struct kb_error *err)
{
    static const char *const names[] = {"text", "logfmt", "json"};
    for (unsigned i = 0; i < KB_LEN(names); i++) {
        if (!strcmp(names[i], value)) {
            cli->log_format = (enum kb_log_format) i;
            return 0;
        }
    }
    return kb_fail(err, KB_E_USAGE, "--log-format is text, logfmt or json");
}

static int
set_option(struct cli *cli, int id, char *value, struct kb_error *err)
{
    switch (id) {
    case O_CONFIG: cli->config = value; break;
    case O_VERBOSE: cli->verbose = true; break;
    case O_QUIET: cli->quiet = true; break;
    case O_HELP: cli->help = true; break;
    case O_VERSION: cli->version = true; break;
    case O_TARGET: return add(&cli->targets, value, err);
    case O_TARGET_INDEX: cli->target_index = value; break;
    case O_LOG_FORMAT: return set_log_format(cli, value, err);
    case O_FORMAT: cli->format = value; break;
    case O_OUTPUT: cli->output = value; break;
    case O_SAVE: cli->save = value; break;
    case O_GROUP: return add(&cli->groups, value, err);
    case O_USER: return add(&cli->users, value, err);
    case O_REFRESH: cli->refresh = value; break;
    case O_NO_REMOVALS: cli->no_removals = true; break;
    case O_EXIT_CODE: cli->exit_code = true; break;
    case O_MASK_USERS: cli->mask_users = true; break;
    case O_DRY_RUN: cli->dry_run = true; break;
    case O_GUARD: return add(&cli->guards, value, err);
    case O_REASON: cli->reason = value; break;
    case O_EXPIRES: cli->expires = value; break;
    case O_EXPECT: cli->expect = value; break;
    default: return kb_fail(err, KB_E_BUG, "option %d", id);
    }
    return 0;
}

/* The table's name of an option, NULL when `id` is none. */
static const char *
option_name(int id)
{
    for (size_t i = 0; i < KB_LEN(options); i++)
        if (options[i].id == id)
            return options[i].name;
    return NULL;
}

/* getopt's '?': a long option that there is not (optopt 0), one that takes no value and got one (optopt: its
 * id), or a letter in a word that getopt may not have left yet (optopt: the letter). */
static int
unknown_option(const char *word, struct kb_error *err)
{
    if (optopt && option_name(optopt))
        return kb_fail(err, KB_E_USAGE, "--%s takes no value", option_name(optopt));
    if (optopt)
        return kb_fail(err, KB_E_USAGE, "unknown option -%c; see keybricks --help", optopt);
    const char *names[KB_LEN(options)];
    for (size_t i = 0; i < KB_LEN(options); i++)
        names[i] = options[i].name;
    const char *near = kb_nearest(word + strspn(word, "-"), names, KB_LEN(names));
    return kb_fail(err, KB_E_USAGE, "unknown option %.60s%s%s; see keybricks --help", word, near ? "; did you mean --" : "", near ? near : "");
}

static int
set_command(struct cli *cli, const char *word, struct kb_error *err)
{
    if (cli_command_from_name(word, &cli->command))
        return 0;
    const char *names[CLI_COMMAND_MAX_];
    for (size_t i = 0; i < CLI_COMMAND_MAX_; i++)
        names[i] = commands[i].name;
    const char *near = kb_nearest(word, names, CLI_COMMAND_MAX_);
    return kb_fail(err, KB_E_USAGE, "unknown command %.60s%s%s; see keybricks --help", word, near ? "; did you mean " : "", near ? near : "");
}

static int
word(struct cli *cli, const char *text, struct kb_error *err)
{
    if (cli->command == CLI_NONE)
        return set_command(cli, text, err);
    if (cli->args_len == CLI_ARGS_MAX)
        return kb_fail(err, KB_E_USAGE, "too many words");
    cli->args[cli->args_len++] = text;
    return 0;
}

static int
parse_words(int argc, char **argv, struct cli *cli, uint32_t *ret_used, struct kb_error *err)
{
    struct option longs[KB_LEN(options) + 1] = {0};
    for (size_t i = 0; i < KB_LEN(options); i++)
        longs[i] = (struct option){options[i].name, options[i].value ? required_argument : no_argument, NULL, options[i].id};
    opterr = 0;
    optind = 0; /* glibc: from the start, also after a scan that ended early */
    for (;;) {
        int index = -1;
        int id = getopt_long(argc, argv, "-:c:vqh", longs, &index); /* '-': words come as option 1, so options may stand anywhere */
        int e = 0;
        if (id == -1)
            break;
        if (id == '?')
            return unknown_option(argv[optind - 1], err);
        if (id == ':' || (id != 1 && optarg && !*optarg)) /* an unset variable of a script, most likely */
            return kb_fail(err, KB_E_USAGE, "--%s needs a value", option_name(id == ':' ? optopt : id));
        e = id == 1 ? word(cli, optarg, err) : set_option(cli, id, optarg, err);
        for (size_t i = 0; id != 1 && i < KB_LEN(options); i++)
            if (options[i].id == id)
                *ret_used |= 1u << i;
        if (e < 0)
            return e;
    }
    for (; optind < argc; optind++) { /* behind "--" */
        int e = word(cli, argv[optind], err);
        if (e < 0)
            return e;
    }
    return 0;
}

int
cli_parse(int argc, char **argv, struct cli *ret, struct kb_error *err)
{
    _Static_assert(KB_LEN(options) <= 32, "one bit an option");
    uint32_t used = 0;
    int e = parse_words(argc, argv, ret, &used, err);
    if (e < 0)
        return e;
    if (ret->help || ret->version)
        return 0;
    if (ret->command == CLI_NONE)
        return kb_fail(err, KB_E_USAGE, "which command? see keybricks --help");
    for (size_t i = 0; i < KB_LEN(options); i++)
        if ((used & 1u << i) && !(options[i].commands & 1u << ret->command))
            return kb_fail(err, KB_E_USAGE, "--%s does not belong to %s; see keybricks help %s", options[i].name, commands[ret->command].name,
                           commands[ret->command].name);
    if (ret->args_len < commands[ret->command].args_min)
        return kb_fail(err, KB_E_USAGE, "keybricks %s needs %s", commands[ret->command].name, commands[ret->command].args);
    if (ret->args_len > commands[ret->command].args_max)
        return kb_fail(err, KB_E_USAGE, "keybricks %s: unexpected word %.60s", commands[ret->command].name, ret->args[ret->args_len - 1]);
    return 0;
}

void
cli_done(struct cli *cli)
{
    free(cli->targets.v);
    free(cli->groups.v);
    free(cli->users.v);
    free(cli->guards.v);
    *cli = (struct cli){0};
}

static void
help_options(enum cli_command command, bool common, FILE *out)
{
    for (size_t i = 0; i < KB_LEN(options); i++) {
        bool everywhere = options[i].commands == ALL;
        if (everywhere != common || !(options[i].commands & 1u << command))
            continue;
        char left[40];
        bool brief = options[i].id < 256;
        (void) snprintf(left, sizeof(left), "%s%c%s--%s%s%s", brief ? "-" : " ", brief ? (char) options[i].id : ' ', brief ? ", " : "  ",
                        options[i].name, options[i].value ? " " : "", options[i].value ? options[i].value : "");
        (void) fprintf(out, "  %-24s %s\n", left, options[i].help);
    }
}

void
cli_help(enum cli_command command, FILE *out)
{
    if (command != CLI_NONE) {
        (void) fprintf(out, "keybricks %s%s%s: %s\n\n", commands[command].name, *commands[command].args ? " " : "", commands[command].args,
                       commands[command].help);
        help_options(command, false, out);
        (void) fputs("\ncommon options\n", out);
        help_options(command, true, out);
        return;
    }
    (void) fputs("keybricks [-c FILE] [--target NAME]... [options] COMMAND [options]\n\n"
                 "Reads realm roles and group memberships from Keycloak, compares them with Databricks groups, shows the\n"
                 "difference as a plan, and applies exactly that.\n\n",
                 out);
    for (unsigned i = CLI_NONE + 1; i < CLI_COMMAND_MAX_; i++) {
        char left[48];
        (void) snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].args);
        (void) fprintf(out, "  %-32s %s\n", left, commands[i].help);
    }
    (void) fputs("\noptions of every command\n", out);
    help_options(CLI_PLAN, true, out);
    (void) fputs("\nexit codes\n"
                 "  0 ok   1 error   2 changes   3 held   4 source   5 target   6 stale   7 partial   8 state\n"
                 "  64 usage   75 busy   78 config\n\n"
                 "keybricks help COMMAND shows the options of a command.\n",
                 out);
}
