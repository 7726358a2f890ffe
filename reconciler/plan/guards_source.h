/* reconciler/plan/guards_source.h: guards that look at the realm; rows of guards_rows.c. */
#ifndef KB_PLAN_GUARDS_SOURCE_H
#define KB_PLAN_GUARDS_SOURCE_H

#include "reconciler/plan/guards.h"

struct kb_guard_work;
struct kb_guard_group;

bool kb_guard_min_users(const struct kb_guard_work *work, struct kb_plan_guard *guard);
bool kb_guard_min_groups(const struct kb_guard_work *work, struct kb_plan_guard *guard);
bool kb_guard_canary(const struct kb_guard_work *work, struct kb_plan_guard *guard);
bool kb_guard_shrink(const struct kb_guard_work *work, struct kb_plan_guard *guard);
bool kb_guard_directory_disabled(const struct kb_guard_work *work, struct kb_plan_guard *guard);

/* An undo that puts back whom Keycloak does not grant, or takes out whom it grants. */
bool kb_guard_contradicts(const struct kb_guard_work *work, const struct kb_guard_group *group,
                          const struct kb_plan_op *op);

#endif
