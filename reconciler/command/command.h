/* reconciler/command/command.h: one file a command: gathers, calls, prints; no judgement.
 * Errors: what happened stands in the outcome; main prints its last line. */
#ifndef KB_COMMAND_COMMAND_H
#define KB_COMMAND_COMMAND_H

#include "reconciler/cli.h"
#include "reconciler/config/config.h"
#include "reconciler/outcome.h"

struct command_context {
    const struct cli *cli;
    const struct config *config; /* NULL for commands that need none */
    const char *config_path;
    const struct config_target **targets; /* the chosen ones */
    size_t targets_len;
    struct outcome outcome;
};

typedef void (*command_fn)(struct command_context *c);

void command_plan(struct command_context *c); /* also sync --dry-run */
void command_sync(struct command_context *c);
void command_apply(struct command_context *c);
void command_approve(struct command_context *c);
void command_explain(struct command_context *c);
void command_history(struct command_context *c);
void command_status(struct command_context *c);
void command_audit(struct command_context *c);
void command_config(struct command_context *c); /* loads the file itself: it must show all errors */

/* ---- shared by commands (common.c) ---- */

struct store;
int command_store(const struct command_context *c, const struct config_target *t, int mode,
                  struct store **ret, struct kb_error *err);

/* Whole buffer to stdout; a broken pipe is the reader's business, a full disk is not. */
void command_print(struct command_context *c, const char *bytes, size_t size);

/* Reads a plan file; KB_E_USAGE, KB_E_STALE, KB_E_IO. */
struct kb_plan;
int command_read_plan(const char *path, struct kb_plan *ret, struct kb_error *err);

#endif
