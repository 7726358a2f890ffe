/* reconciler/cli.h: the command line, parsed and checked; one table says which option belongs to which
 * command.
 *
 * Owns:   struct cli owns its lists (cli_done); strings are argv's.
 * Errors: KB_E_USAGE (exit 64) with the nearest option or command.
 * Source: interface.md section 1.
 */
#ifndef KB_CLI_H
#define KB_CLI_H

#include "base/error.h"
#include "base/log.h"
#include "model/rules.h"

enum cli_command {
    CLI_NONE,
    CLI_PLAN,
    CLI_SYNC,
    CLI_APPLY,
    CLI_APPROVE,
    CLI_EXPLAIN,
    CLI_HISTORY,
    CLI_STATUS,
    CLI_AUDIT,
    CLI_CONFIG,
    CLI_HELP,
    CLI_COMMAND_MAX_
};

#define CLI_ARGS_MAX 8

struct cli {
    enum cli_command command;
    const char *args[CLI_ARGS_MAX]; /* words behind the command */
    unsigned args_len;
    const char *config;
    struct kb_strings targets; /* borrowed texts, list owned */
    const char *target_index;
    enum kb_log_format log_format;
    bool verbose, quiet, help, version;
    const char *format, *output, *save, *refresh, *reason, *expires, *expect;
    struct kb_strings groups, users, guards;
    bool no_removals, exit_code, mask_users, dry_run;
};

int cli_parse(int argc, char **argv, struct cli *ret, struct kb_error *err);
void cli_done(struct cli *cli);

/* The usage text of one command, of all for CLI_NONE. */
void cli_help(enum cli_command command, FILE *out);
bool cli_command_from_name(const char *name, enum cli_command *ret);

#endif
