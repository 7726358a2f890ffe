/* reconciler/plan/guards_work.h: what a guard looks at while it is asked; for guards_*.c only. */
#ifndef KB_PLAN_GUARDS_WORK_H
#define KB_PLAN_GUARDS_WORK_H

#include "base/buf.h"
#include "reconciler/plan/guards.h"

enum kb_hold { KB_HOLD_ADDS = 1, KB_HOLD_REMOVALS = 2, KB_HOLD_ALL = 3 }; /* creations go with additions */

struct kb_guard_work {
    const struct kb_guard_input *in;
    struct kb_plan *plan;
    int64_t adds, removes, creates; /* of the whole plan, but what is frozen */
    struct kb_buf *note;            /* for people; empty when the row is asked */
};

/* One group as a guard sees it. */
struct kb_guard_group {
    const struct kb_plan_group *group;
    uint32_t managed; /* scope index, KB_NONE: no scope, or not in it */
    int64_t adds, removes;
    int64_t left; /* members, if what the other guards hold is not made */
};

/* Inclusive limits, integers only. */
static inline bool
kb_guard_exceeds(int64_t value, int64_t base, int64_t percent, int64_t floor)
{
    return value * 100 > percent * base && value > floor;
}

#endif
