/* reconciler/plan/guards.h: limits that hold a plan or a part of it until a person decides.
 *
 * Why:    one table (id, scope, unit, what it holds, evaluate); a new guard is a row. Pure: history comes as
 * numbers. Source: interface.md section 4.
 */
#ifndef KB_PLAN_GUARDS_H
#define KB_PLAN_GUARDS_H

#include "model/plan.h"
#include "model/rules.h"
#include "reconciler/plan/desired.h"

/* What the store remembers, as numbers. Zero is "nothing remembered". */
struct kb_history {
    bool any_success;      /* a successful run for this target exists (or the first apply that wrote) */
    bool first_apply_done; /* ends guard first_run */
    int64_t last_users, last_groups, last_memberships; /* behind the rules that are in both runs, then */
    int64_t now_users, now_groups, now_memberships;    /* behind the rules that are in both runs, now */
    int64_t window_removals; /* applied within removal_window_hours without an approval */
    int64_t managed_dropped,
        managed_last; /* managed groups dropped since the last successful run, and how many there were */
    int64_t failed_in_a_row; /* whoever lets a run leave the quarantine passes 0 and false here */
    bool quarantined;
};

struct kb_approval {
    int64_t seq;             /* audit row */
    const char *guard;       /* key of section 4 */
    const char *group;       /* "" for a run guard */
    const char *fingerprint; /* the plan's, or the group's for a group guard */
    int64_t expires_s;
    bool used; /* set when it let something through in this run */
};

struct kb_guard_input {
    const struct kb_limits *limits;
    const struct kb_history *history;
    const struct kb_rules *rules;
    const struct kb_desired
        *desired; /* NULL for a plan from a file: what depends on it keeps the file's verdict */
    const struct kb_realm *realm; /* canaries; NULL as above */
    const struct kb_scope *scope; /* gone objects, min_members; NULL as above */
    const char *self_id;          /* own principal id, "" unknown */
    struct kb_approval *approvals;
    size_t approvals_len;
    bool saved_plan; /* apply of a saved plan passes first_run */
    bool ephemeral;  /* limits halve (interface, state) */
    int64_t at_s;
};

/* Fills plan->guards, sets held states, recounts. Every tripped guard is listed, not only the first. */
int kb_guards_judge(const struct kb_guard_input *input, struct kb_plan *plan, struct kb_error *err);

/* The last check before a request is built: is this group or member protected? (I4) */
bool kb_guard_group_protected(const struct kb_rules *rules, const char *name);

#endif
