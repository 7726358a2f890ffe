/* reconciler/report/explain.h: the answer of `explain`, on a terminal and as JSON (keybricks.explain/1).
 * Owns: the caller owns the buffer. Source: interface.md section 1; docs/manual.md, "Why is somebody in a group?". */
#ifndef KB_REPORT_EXPLAIN_H
#define KB_REPORT_EXPLAIN_H

#include "base/buf.h"
#include "reconciler/plan/explain.h"

/* What only the ledger knows about each row of explain->groups. */
struct report_ledger {
    int64_t at_s;      /* 0: not in the ledger */
    char *reason_json; /* "" unknown */
};

void report_explain_text(const struct kb_explain *x, const struct report_ledger *ledger, struct kb_buf *b);

/* One element of "people". */
void report_explain_json(const struct kb_explain *x, const struct report_ledger *ledger, struct kb_buf *b);

#endif
