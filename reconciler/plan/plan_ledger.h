/* reconciler/plan/plan_ledger.h: facts for the ledger that need no request; part of kb_plan_make. */
#ifndef KB_PLAN_PLAN_LEDGER_H
#define KB_PLAN_PLAN_LEDGER_H

#include "reconciler/plan/plan_work.h"

/* Already there and desired: the ledger learns who; by which paths is found when it is written. */
int kb_ledger_adopt(struct kb_plan_work *work, const struct kb_plan_job *job, uint32_t principal,
                    uint32_t user);

/* Neither desired nor there: the ledger forgets. `managed`: KB_NONE for a group that is gone. */
int kb_ledger_clean(struct kb_plan_work *work, uint32_t managed, uint32_t group, uint32_t principal);

/* By group id, and by principal id within a group. */
void kb_ledger_sort(struct kb_plan *plan, const struct kb_target *target);

#endif
