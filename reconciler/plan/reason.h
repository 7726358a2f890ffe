/* reconciler/plan/reason.h: why is this user in that group? Every path: rule, role, composite chain, group
 * path.
 *
 * Why:    plan and `explain` answer with the same code. Computed for the operations of a plan only, not for
 * everybody. Limits: at most KB_REASON_PATHS_MAX paths a person and group, shortest first, then bytewise.
 */
#ifndef KB_PLAN_REASON_H
#define KB_PLAN_REASON_H

#include "model/plan.h"
#include "reconciler/plan/desired.h"

#define KB_REASON_PATHS_MAX 16

/* Appends reasons to plan->reasons and plan->via; sets *ret_start, *ret_len. */
int kb_reason_add(const struct kb_scope *scope, const struct kb_realm *realm, uint32_t managed, uint32_t user,
                  struct kb_plan *plan, uint32_t *ret_start, uint32_t *ret_len, struct kb_error *err);

#endif
