/* reconciler/plan/plan_ledger.h: facts for the ledger that need no request; part of kb_plan_make. */
#ifndef KB_PLAN_PLAN_LEDGER_H
#define KB_PLAN_PLAN_LEDGER_H

#include "reconciler/plan/plan_work.h"

/* Already there and desired: the ledger learns who, and by which paths. */
int kb_ledger_adopt(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text group_id,
                    uint32_t principal, uint32_t user);

/* Neither desired nor there: the ledger forgets. */
int kb_ledger_clean(struct kb_plan_work *work, kb_text group_id, uint32_t principal);

void kb_ledger_sort(struct kb_plan *plan); /* by group id, principal id */

#endif
