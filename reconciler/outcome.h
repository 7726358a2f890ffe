/* reconciler/outcome.h: how a run ended: exit code, one sentence, counts.
 *
 * Why:    with several causes the most serious wins, in one place, in the order of the contract.
 * Source: interface.md section 2.
 */
#ifndef KB_OUTCOME_H
#define KB_OUTCOME_H

#include "base/error.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

enum exit_code {
    EXIT_OK = 0,
    EXIT_ERROR = 1,
    EXIT_CHANGES = 2,
    EXIT_HELD = 3,
    EXIT_SOURCE = 4,
    EXIT_TARGET = 5,
    EXIT_STALE = 6,
    EXIT_PARTIAL = 7,
    EXIT_STATE = 8,
    EXIT_USAGE = 64,
    EXIT_BUSY = 75,
    EXIT_CONFIG = 78,
};

struct outcome {
    int code;
    char sentence[400]; /* of the most serious cause, the first of equals */
    bool counted;       /* there was a plan */
    uint64_t add, remove, held, frozen, writes;
};

const char *exit_name(int code); /* "ok", "held", …; "?" for others */

/* Keeps the more serious of the two. */
void outcome_add(struct outcome *o, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void outcome_merge(struct outcome *o, const struct outcome *other);

/* The exit code of an error; `side` is EXIT_SOURCE or EXIT_TARGET for what a server caused. */
int outcome_code(const struct kb_error *err, int side);
void outcome_error(struct outcome *o, const struct kb_error *err, int side);

/* The last line on stderr. */
void outcome_print(const struct outcome *o, enum kb_log_format format, bool quiet);

#endif
