/* reconciler/plan/plan_rows.h: the truth table of one group; part of kb_plan_make. */
#ifndef KB_PLAN_PLAN_ROWS_H
#define KB_PLAN_PLAN_ROWS_H

#include "reconciler/plan/plan_work.h"

/* Appends the group's operations (unsorted) to plan->ops, its ledger rows and its people left alone. */
int kb_plan_rows(struct kb_plan_work *work, struct kb_plan_job *job);

#endif
