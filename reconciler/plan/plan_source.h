/* reconciler/plan/plan_source.h: what a plan says of its source and target; part of kb_plan_make. */
#ifndef KB_PLAN_PLAN_SOURCE_H
#define KB_PLAN_PLAN_SOURCE_H

#include "reconciler/plan/plan_work.h"

/* Names, counts, digests; not what follows from the operations. */
int kb_plan_describe(struct kb_plan_work *work);

#endif
