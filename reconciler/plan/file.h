/* reconciler/plan/file.h: the plan as a document, and back.
 *
 * Why:    schema keybricks.plan/1 in RFC 8785 form; a saved plan is input from outside and is parsed as such.
 * Errors: reading: KB_E_USAGE (not a plan file), KB_E_STALE (altered: digest does not fit), KB_E_IO.
 * Source: interface.md section 5.
 */
#ifndef KB_PLAN_FILE_H
#define KB_PLAN_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/plan.h"

#define KB_PLAN_FILE_SIZE_MAX (256u << 20)

/* Writes the document (with fingerprint and digest, which are also set in the plan) and a final LF. */
int kb_plan_write(struct kb_plan *plan, struct kb_buf *ret, struct kb_error *err);
int kb_plan_read(const char *bytes, size_t size, struct kb_plan *ret, struct kb_error *err);

/* Sets the groups' fingerprints and the plan's; called by the planner. */
int kb_plan_fingerprint(struct kb_plan *plan, struct kb_error *err);

/* "4c7e-19b2-a0d3-77f1" of "sha256:4c7e19b2a0d377f1…", for people. */
void kb_fingerprint_short(const char *digest, char ret[20]);

/* Reasons of one operation as a canonical JSON array: what the ledger keeps; and back into a plan (removals).
 */
int kb_reasons_write(const struct kb_plan *plan, const struct kb_plan_op *op, struct kb_buf *ret,
                     struct kb_error *err);
/* The same for the ledger, in place of what is in `ret`: hostile path names could make the reasons longer than
 * KB_REASONS_SIZE_MAX; then the shortest paths are kept (op->reasons_len). */
#define KB_REASONS_SIZE_MAX (60u << 10)

int kb_reasons_record(const struct kb_plan *plan, struct kb_plan_op *op, struct kb_buf *ret,
                      struct kb_error *err);
int kb_reasons_read(struct kb_plan *plan, struct kb_plan_op *op, const char *json, size_t size,
                    struct kb_error *err);

#endif
