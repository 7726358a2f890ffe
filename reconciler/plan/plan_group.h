/* reconciler/plan/plan_group.h: one managed group: may it be touched, and what is to be done; part of
 * kb_plan_make. */
#ifndef KB_PLAN_PLAN_GROUP_H
#define KB_PLAN_PLAN_GROUP_H

#include "reconciler/plan/plan_work.h"

/* Appends the group to the plan when it has operations, a tripped member guard or is to be created. */
int kb_plan_group_make(struct kb_plan_work *work, struct kb_plan_job *job);

#endif
