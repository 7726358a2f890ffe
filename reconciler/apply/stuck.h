/* reconciler/apply/stuck.h: pairs of group and member that stay unverified run after run.
 *
 * Why:    a write that the server accepts and does not do would be repeated for ever. After three runs in a
 * row the pair is reported (left_alone.stuck, exit 7) and tried once a day. Owns: stuck_load allocates *ret,
 * texts and all in one piece each; stuck_done frees. Errors: KB_E_STORE, KB_E_NOMEM. Source: interface.md
 * section 7.
 */
#ifndef KB_APPLY_STUCK_H
#define KB_APPLY_STUCK_H

#include "reconciler/apply/apply.h"

/* Ordered for the planner. A store that is NULL has none. */
int stuck_load(struct store *store, struct kb_stuck **ret, size_t *ret_len, struct kb_error *err);
void stuck_done(struct kb_stuck *stuck, size_t len);

/* What this run saw of an operation: unverified counts, applied ends it. In the caller's transaction. */
int stuck_count(struct apply *a, const char *group_id, const struct kb_plan_op *op, struct kb_error *err);

/* Pairs that the plan did not come upon: somebody else settled them, or they are not wanted any more. */
int stuck_forget(struct apply *a, struct kb_error *err);

#endif
