/* reconciler/plan/reason.h: why is this user in that group? Every path: rule, role, composite chain, group
 * path.
 *
 * Why:    plan and `explain` answer with the same code. Computed for the operations of a plan only, not for
 * everybody. Form:   via goes from the user to the rule's object, outermost first: the user's own group when
 * it lies below the one that carries the role, the group that carries it, that role, the roles between it and
 * the rule's role. None: the user holds the role, or is in the group, directly. Limits: at most
 * KB_REASON_PATHS_MAX paths a person and group, shortest first, then bytewise by object, via, rule. Owns:
 * struct kb_reason_index is the caller's (kb_reason_index_free); it borrows scope and realm, which must not
 * change meanwhile.
 */
#ifndef KB_PLAN_REASON_H
#define KB_PLAN_REASON_H

#include "base/mem.h"
#include "model/plan.h"
#include "reconciler/plan/desired.h"

#define KB_REASON_PATHS_MAX 16

/* The realm turned round: what each user is in. Made once for many questions; 4 bytes a membership. */
struct kb_reason_index;

int kb_reason_index_new(const struct kb_scope *scope, const struct kb_realm *realm,
                        struct kb_reason_index **ret, struct kb_error *err);
void kb_reason_index_free(struct kb_reason_index *index);
KB_DEFINE_CLEANUP(kb_reason_index, struct kb_reason_index *, kb_reason_index_free)

/* Appends reasons to plan->reasons and plan->via; sets *ret_start, *ret_len (0: not in the group). Asking
 * group by group is cheapest. */
int kb_reason_find(struct kb_reason_index *index, uint32_t managed, uint32_t user, struct kb_plan *plan,
                   uint32_t *ret_start, uint32_t *ret_len, struct kb_error *err);

/* One question alone: makes and frees an index. */
int kb_reason_add(const struct kb_scope *scope, const struct kb_realm *realm, uint32_t managed, uint32_t user,
                  struct kb_plan *plan, uint32_t *ret_start, uint32_t *ret_len, struct kb_error *err);

#endif
