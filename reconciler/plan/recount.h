/* reconciler/plan/recount.h: what follows from the states of a plan's operations.
 *
 * Why:    guards, proofs and apply change states; group states, summary and cost must never be older than
 * these. Planner and guards both need it, so it stands by itself.
 * Counts: summary.foreign and summary.unmatched count (group, person) pairs; a foreign member that is to be
 * removed counts as foreign too. summary.adopt and removals_left_out are the planner's and
 * stay. Source: interface.md sections 5 and 7.
 */
#ifndef KB_PLAN_RECOUNT_H
#define KB_PLAN_RECOUNT_H

#include "model/plan.h"

#define KB_PATCH_OPS_MAX 50u     /* operations of one PATCH */
#define KB_PATCH_MEMBERS_MAX 50u /* members of one add operation */

/* After states changed (guards, proofs, a narrowed selection): recomputes states and `after` of groups,
 * summary and cost. Fingerprints are computed by kb_plan_make and do not depend on states. */
void kb_plan_recount(struct kb_plan *plan);

/* PATCH requests of one group: a removal is one operation, an add operation carries up to 50 members. */
uint32_t kb_patch_requests(uint32_t adds, uint32_t removes);

#endif
