/* reconciler/plan/guards_rows.h: the table of guards; used by guards_judge.c only.
 *
 * Why:    what a guard compares, with which arithmetic and what it holds stand in one row, so that a new
 * guard is a row and one function. Source: interface.md section 4.
 */
#ifndef KB_PLAN_GUARDS_ROWS_H
#define KB_PLAN_GUARDS_ROWS_H

#include "reconciler/plan/guards_work.h"

struct kb_guard_row {
    uint8_t scope; /* enum kb_guard_scope */
    bool percent;
    uint8_t holds;     /* bits of enum kb_hold */
    bool always;       /* trips also when it holds nothing */
    bool last;         /* judged on what the others leave over */
    bool needs_source; /* without realm and scope (a plan from a file) the file's verdict stays */
    /* Sets limit and value; true: over the limit. Both NULL: somebody else trips it (member guards the
     * planner, write_errors and directory_contradicted_percent apply), its verdict stays. */
    bool (*run)(const struct kb_guard_work *work, struct kb_plan_guard *guard);
    bool (*group)(const struct kb_guard_work *work, const struct kb_guard_group *group,
                  struct kb_plan_guard *guard);
    /* NULL: every operation of its kind. */
    bool (*holds_op)(const struct kb_guard_work *work, const struct kb_guard_group *group,
                     const struct kb_plan_op *op);
};

const struct kb_guard_row *kb_guard_row(enum kb_guard_id id);

#endif
