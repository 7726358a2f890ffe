/* The command line: what is understood, and what is refused with which words. */
#include "reconciler/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 20

static unsigned
count(const char *const *words)
{
    unsigned n = 0;
    while (n < WORDS_MAX && words[n])
        n++;
    return n;
}

/* argv as main gets it: writable, ended by NULL. */
static int
parse(const char *const *words, struct cli *ret, struct kb_error *err)
{
    char *argv[WORDS_MAX + 2] = {(char *) (uintptr_t) "keybricks"};
    unsigned n = count(words);
    for (unsigned i = 0; i < n; i++)
        argv[i + 1] = (char *) (uintptr_t) words[i];
    *ret = (struct cli){0};
    *err = (struct kb_error){0};
    return cli_parse((int) n + 1, argv, ret, err);
}

static void
add_list(char *b, size_t size, const char *name, const struct kb_strings *list)
{
    for (size_t i = 0; i < list->len; i++) {
        size_t len = strlen(b);
        (void) snprintf(b + len, size - len, " %s=%s", name, list->v[i]);
    }
}

static void
add_text(char *b, size_t size, const char *name, const char *value)
{
    size_t len = strlen(b);
    if (value)
        (void) snprintf(b + len, size - len, " %s=%s", name, value);
}

static void
add_flag(char *b, size_t size, const char *name, bool value)
{
    if (value)
        add_text(b, size, "flag", name);
}

/* Everything that was set, as one line, in a fixed order. */
static void
show(const struct cli *c, char *b, size_t size)
{
    (void) snprintf(b, size, "%u", (unsigned) c->command);
    for (unsigned i = 0; i < c->args_len; i++)
        add_text(b, size, "arg", c->args[i]);
    add_text(b, size, "config", c->config);
    add_list(b, size, "target", &c->targets);
    add_text(b, size, "index", c->target_index);
    add_text(b, size, "log", c->log_format ? c->log_format == KB_LOG_JSON ? "json" : "logfmt" : NULL);
    add_flag(b, size, "verbose", c->verbose);
    add_flag(b, size, "quiet", c->quiet);
    add_flag(b, size, "help", c->help);
    add_flag(b, size, "version", c->version);
    add_text(b, size, "format", c->format);
    add_text(b, size, "output", c->output);
    add_text(b, size, "save", c->save);
    add_list(b, size, "group", &c->groups);
    add_list(b, size, "user", &c->users);
    add_text(b, size, "refresh", c->refresh);
    add_flag(b, size, "no-removals", c->no_removals);
    add_flag(b, size, "exit-code", c->exit_code);
    add_flag(b, size, "mask-users", c->mask_users);
    add_flag(b, size, "dry-run", c->dry_run);
    add_list(b, size, "guard", &c->guards);
    add_text(b, size, "reason", c->reason);
    add_text(b, size, "expires", c->expires);
    add_text(b, size, "expect", c->expect);
}

static void
test_good(void **state)
{
    static const struct {
        const char *name;
        const char *words[WORDS_MAX];
        enum cli_command command;
        const char *want; /* behind the command's number */
    } cases[] = {
        {"a command alone", {"plan"}, CLI_PLAN, ""},
        {"options before it", {"-c", "f", "--target", "a", "sync"}, CLI_SYNC, " config=f target=a"},
        {"options behind it", {"sync", "-c", "f", "--target", "a"}, CLI_SYNC, " config=f target=a"},
        {"options around it",
         {"-v", "plan", "--exit-code", "-c", "f"},
         CLI_PLAN,
         " config=f flag=verbose flag=exit-code"},
        {"the command's own options before it",
         {"--dry-run", "--no-removals", "sync"},
         CLI_SYNC,
         " flag=no-removals flag=dry-run"},
        {"an option between command and word",
         {"approve", "--guard", "max_removals_total", "p.plan", "--reason", "it is agreed"},
         CLI_APPROVE,
         " arg=p.plan guard=max_removals_total reason=it is agreed"},
        {"a short option with its value attached", {"-cf", "plan"}, CLI_PLAN, " config=f"},
        {"short options in one word", {"-vcf", "plan"}, CLI_PLAN, " config=f flag=verbose"},
        {"=", {"plan", "--format=json", "--save=x y"}, CLI_PLAN, " format=json save=x y"},
        {"a value that looks like an option", {"plan", "--save", "-x"}, CLI_PLAN, " save=-x"},
        {"a value with =", {"plan", "--user=a=b"}, CLI_PLAN, " user=a=b"},
        {"an unambiguous beginning",
         {"plan", "--exit", "--no-rem"},
         CLI_PLAN,
         " flag=no-removals flag=exit-code"},
        {"a whole name that another begins with",
         {"plan", "--target", "a", "--target-index", "0"},
         CLI_PLAN,
         " target=a index=0"},
        {"lists repeat, in order",
         {"--target", "b", "plan", "--group", "z*", "--target", "a", "--group", "a*", "--user", "u", "--user",
          "u"},
         CLI_PLAN,
         " target=b target=a group=z* group=a* user=u user=u"},
        {"guards repeat",
         {"approve", "p", "--guard", "a", "--guard", "b"},
         CLI_APPROVE,
         " arg=p guard=a guard=b"},
        {"the last of what does not repeat",
         {"plan", "--format", "text", "--format", "json"},
         CLI_PLAN,
         " format=json"},
        {"flags repeat", {"-q", "-q", "plan", "-v", "-v"}, CLI_PLAN, " flag=verbose flag=quiet"},
        {"log format logfmt", {"plan", "--log-format", "logfmt"}, CLI_PLAN, " log=logfmt"},
        {"log format json", {"--log-format", "json", "plan"}, CLI_PLAN, " log=json"},
        {"log format text", {"--log-format", "json", "--log-format", "text", "plan"}, CLI_PLAN, ""},
        {"a word behind --", {"apply", "--", "--strange.plan"}, CLI_APPLY, " arg=--strange.plan"},
        {"the command behind --", {"-c", "f", "--", "apply", "-q"}, CLI_APPLY, " arg=-q config=f"},
        {"-- with nothing behind it", {"plan", "--"}, CLI_PLAN, ""},
        {"a file called -", {"apply", "-"}, CLI_APPLY, " arg=-"},
        {"a file called plan", {"apply", "plan"}, CLI_APPLY, " arg=plan"},
        {"history of all", {"history"}, CLI_HISTORY, ""},
        {"history of one", {"history", "0198"}, CLI_HISTORY, " arg=0198"},
        {"audit verify", {"audit", "verify", "--expect", "7:ab"}, CLI_AUDIT, " arg=verify expect=7:ab"},
        {"config show", {"config", "show"}, CLI_CONFIG, " arg=show"},
        {"status as json", {"status", "--format", "json"}, CLI_STATUS, " format=json"},
        {"help", {"help"}, CLI_HELP, ""},
        {"help of a command", {"help", "plan"}, CLI_HELP, " arg=plan"},
        {"--help without a command", {"--help"}, CLI_NONE, " flag=help"},
        {"-h of a command, whatever else is missing", {"apply", "-h"}, CLI_APPLY, " flag=help"},
        {"--version", {"--version"}, CLI_NONE, " flag=version"},
        {"everything of plan",
         {"plan", "--output", "o", "--save", "s", "--refresh", "never", "--mask-users", "--format", "csv",
          "--user", "u", "--no-removals"},
         CLI_PLAN,
         " format=csv output=o save=s user=u refresh=never flag=no-removals flag=mask-users"},
        {"everything of approve",
         {"approve", "p", "--guard", "g", "--group", "a b", "--reason", "ten letters", "--expires", "2d"},
         CLI_APPROVE,
         " arg=p group=a b guard=g reason=ten letters expires=2d"},
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cli cli;
        struct kb_error err;
        char got[1000], want[1000];
        if (parse(cases[i].words, &cli, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.msg);
        show(&cli, got, sizeof(got));
        (void) snprintf(want, sizeof(want), "%u%s", (unsigned) cases[i].command, cases[i].want);
        if (strcmp(got, want) != 0)
            fail_msg("%s:\nwanted %s\ngot    %s", cases[i].name, want, got);
        cli_done(&cli);
    }
}

static void
test_bad(void **state)
{
    static const struct {
        const char *name;
        const char *words[WORDS_MAX];
        const char *want;
    } cases[] = {
        {"nothing", {NULL}, "which command? see keybricks --help"},
        {"options only", {"-v", "-c", "f"}, "which command? see keybricks --help"},
        {"-- only", {"--"}, "which command? see keybricks --help"},
        {"an unknown command", {"frobnicate"}, "unknown command frobnicate; see keybricks --help"},
        {"a command mistyped", {"pln"}, "unknown command pln; did you mean plan; see keybricks --help"},
        {"a command in capitals", {"PLAN"}, "unknown command PLAN; see keybricks --help"},
        {"an empty command", {""}, "unknown command ; see keybricks --help"},
        {"a command mistyped behind --",
         {"--", "aply"},
         "unknown command aply; did you mean apply; see keybricks --help"},
        {"a command that begins like one",
         {"synchronize"},
         "unknown command synchronize; see keybricks --help"},
        {"a hostile command", {"\033[2J\xe2\x80\xae"}, "unknown command ?[2J?; see keybricks --help"},
        {"a command that is no UTF-8", {"pl\xff"}, "unknown command pl?; see keybricks --help"},
        {"a very long command",
         {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
         "unknown command xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; see keybricks "
         "--help"},
        {"an unknown option", {"plan", "--frobnicate"}, "unknown option --frobnicate; see keybricks --help"},
        {"an option mistyped",
         {"plan", "--exitcode"},
         "unknown option --exitcode; did you mean --exit-code; see keybricks --help"},
        {"an option mistyped, with a value",
         {"plan", "--gruop", "x"},
         "unknown option --gruop; did you mean --group; see keybricks --help"},
        {"an option mistyped before the command",
         {"--targt", "x", "plan"},
         "unknown option --targt; did you mean --target; see keybricks --help"},
        {"a beginning of two options", {"plan", "--re", "x"}, "unknown option --re; see keybricks --help"},
        {"a hostile option", {"plan", "--\033]0;x\a"}, "unknown option --?]0;x?; see keybricks --help"},
        {"an unknown letter", {"plan", "-x"}, "unknown option -x; see keybricks --help"},
        {"an unknown letter before a known one", {"-xv", "plan"}, "unknown option -x; see keybricks --help"},
        {"an unknown letter behind a known one", {"-vx", "plan"}, "unknown option -x; see keybricks --help"},
        {"a hostile letter", {"-\033", "plan"}, "unknown option -?; see keybricks --help"},
        {"half a letter", {"-\xc3\xa4", "plan"}, "unknown option -?; see keybricks --help"},
        {"no --force", {"sync", "--force"}, "unknown option --force; see keybricks --help"},
        {"a long option with one dash", {"plan", "-save", "x"}, "unknown option -s; see keybricks --help"},
        {"a flag with a value", {"plan", "--no-removals=no"}, "--no-removals takes no value"},
        {"a flag with a letter and a value", {"plan", "--verbose=3"}, "--verbose takes no value"},
        {"a flag with an empty value", {"plan", "--exit-code="}, "--exit-code takes no value"},
        {"a missing value at the end", {"plan", "--group"}, "--group needs a value"},
        {"a missing value of a letter", {"plan", "-c"}, "--config needs a value"},
        {"a missing value behind another letter", {"plan", "-vc"}, "--config needs a value"},
        {"a missing value of a beginning", {"plan", "--target-in"}, "--target-index needs a value"},
        {"an empty value", {"plan", "--group", ""}, "--group needs a value"},
        {"an empty value behind =", {"plan", "--save="}, "--save needs a value"},
        {"an empty configuration", {"-c", "", "plan"}, "--config needs a value"},
        {"an unknown log format", {"--log-format", "xml", "plan"}, "--log-format is text, logfmt or json"},
        {"a log format in capitals",
         {"--log-format", "JSON", "plan"},
         "--log-format is text, logfmt or json"},
        {"--format of sync",
         {"sync", "--format", "json"},
         "--format does not belong to sync; see keybricks help sync"},
        {"--save of sync",
         {"sync", "--save", "x"},
         "--save does not belong to sync; see keybricks help sync"},
        {"--dry-run of apply",
         {"apply", "p", "--dry-run"},
         "--dry-run does not belong to apply; see keybricks help apply"},
        {"--dry-run of plan",
         {"--dry-run", "plan"},
         "--dry-run does not belong to plan; see keybricks help plan"},
        {"--group of apply",
         {"apply", "p", "--group", "x"},
         "--group does not belong to apply; see keybricks help apply"},
        {"--no-removals of apply",
         {"apply", "p", "--no-removals"},
         "--no-removals does not belong to apply; see keybricks help apply"},
        {"--user of approve",
         {"approve", "p", "--user", "x"},
         "--user does not belong to approve; see keybricks help approve"},
        {"--guard of apply",
         {"apply", "p", "--guard", "x"},
         "--guard does not belong to apply; see keybricks help apply"},
        {"--exit-code of sync",
         {"sync", "--exit-code"},
         "--exit-code does not belong to sync; see keybricks help sync"},
        {"--mask-users of history",
         {"history", "--mask-users"},
         "--mask-users does not belong to history; see keybricks help history"},
        {"--expect of status",
         {"status", "--expect", "1:a"},
         "--expect does not belong to status; see keybricks help status"},
        {"another command's option before the command",
         {"--expires", "1h", "status"},
         "--expires does not belong to status; see keybricks help status"},
        {"an option of another command is wrong before its words are",
         {"apply", "--save", "x"},
         "--save does not belong to apply; see keybricks help apply"},
        {"a word too many for plan", {"plan", "x"}, "keybricks plan: unexpected word x"},
        {"a word too many for sync", {"sync", "sync"}, "keybricks sync: unexpected word sync"},
        {"two plan files", {"apply", "a", "b"}, "keybricks apply: unexpected word b"},
        {"two plan files behind --", {"apply", "--", "a", "-b"}, "keybricks apply: unexpected word -b"},
        {"a guard without --guard",
         {"approve", "p", "max_removals_total"},
         "keybricks approve: unexpected word max_removals_total"},
        {"help of two commands", {"help", "plan", "sync"}, "keybricks help: unexpected word sync"},
        {"many words", {"plan", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, "too many words"},
        {"many words behind --",
         {"plan", "--", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
         "too many words"},
        {"apply without a file", {"apply"}, "keybricks apply needs PLANFILE"},
        {"approve without a file", {"approve", "--guard", "g"}, "keybricks approve needs PLANFILE"},
        {"a wrong option beside --help",
         {"--help", "--frobnicate"},
         "unknown option --frobnicate; see keybricks --help"},
        {"a wrong command beside --version",
         {"--version", "frobnicate"},
         "unknown command frobnicate; see keybricks --help"},
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cli cli;
        struct kb_error err;
        int r = parse(cases[i].words, &cli, &err);
        if (r != -KB_E_USAGE || err.code != KB_E_USAGE || strcmp(err.msg, cases[i].want) != 0)
            fail_msg("%s: %d\nwanted %s\ngot    %s", cases[i].name, r, cases[i].want, err.msg);
        cli_done(&cli);
    }
}

/* What --help prints can be typed. */
static void
test_help_names_every_command_and_option(void **state)
{
    char *all = NULL, *one = NULL;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    (void) state;
    assert_non_null(f);
    cli_help(CLI_NONE, f);
    assert_int_equal(fclose(f), 0);
    for (unsigned c = CLI_NONE + 1; c < CLI_COMMAND_MAX_; c++) {
        enum cli_command again;
        char name[40] = "", *colon;
        unsigned options = 0;
        f = open_memstream(&one, &size);
        assert_non_null(f);
        cli_help((enum cli_command) c, f);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(sscanf(one, "keybricks %39[a-z-]", name), 1);
        if (!cli_command_from_name(name, &again) || again != (enum cli_command) c)
            fail_msg("help of command %u calls it %s", c, name);
        colon = strstr(all, name);
        if (!colon)
            fail_msg("--help does not name %s", name);
        for (const char *p = one; (p = strstr(p, " --")); p++) {
            char option[60] = "--";
            const char *words[] = {name, option, NULL};
            struct cli cli;
            struct kb_error err;
            assert_int_equal(sscanf(p, " --%57[a-z-]", option + 2), 1);
            (void) parse(words, &cli, &err);
            if (strstr(err.msg, "unknown option") || strstr(err.msg, "does not belong"))
                fail_msg("help of %s names %s: %s", name, option, err.msg);
            cli_done(&cli);
            options++;
        }
        assert_true(options >= 8);
        free(one);
        one = NULL;
    }
    free(all);
}

static void
test_names(void **state)
{
    enum cli_command got = CLI_SYNC;
    (void) state;
    assert_true(cli_command_from_name("plan", &got));
    assert_int_equal(got, CLI_PLAN);
    assert_false(cli_command_from_name("", &got)); /* CLI_NONE has no name */
    assert_false(cli_command_from_name("pla", &got));
    assert_false(cli_command_from_name("plans", &got));
    assert_int_equal(got, CLI_PLAN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_help_names_every_command_and_option),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
