/* reconciler/plan/planner.h: the truth table of product.md, as a pure function.
 *
 * Why:    all judgement about a membership is made here; the same inputs give the same plan byte for byte.
 * Owns:   the plan is the caller's (kb_plan_done).
 * Before: kb_scope_keep for the name of every target group with ledger rows, so that a group whose glob's
 * role or path has vanished is in the scope; any other group with ledger rows that the scope does not name is
 * listed as released.
 */
#ifndef KB_PLAN_PLANNER_H
#define KB_PLAN_PLANNER_H

#include "model/plan.h"
#include "reconciler/plan/desired.h"
#include "reconciler/plan/recount.h"

struct kb_exception {
    const char *group;     /* displayName */
    const char *principal; /* name in Databricks, or principal id for the 24 h exception of an undo */
    int64_t until_s;       /* exclusive */
    const char *reason;
};

/* An operation that the server accepted in so many runs in a row and did not do. */
#define KB_STUCK_RUNS 3
#define KB_STUCK_AGAIN_S 86400
#define KB_STUCK_KEY_SIZE 32

struct kb_stuck {
    char *group_id;
    char key[KB_STUCK_KEY_SIZE]; /* '+' or '-', then the principal's id */
    int64_t runs, last_try_s;
    bool met; /* set by kb_plan_make: the plan still wants it */
};

/* Sorted by group id, then key, bytewise. NULL: none. */
struct kb_stuck *kb_stuck_find(struct kb_stuck *stuck, size_t len, const char *group_id, const char *key);

struct kb_plan_input {
    const struct kb_rules *rules;
    const struct kb_scope *scope;
    const struct kb_realm *realm;
    const struct kb_target *target;
    const struct kb_desired *desired;
    const char *run_id, *tool;
    int64_t at_s;
    const char *applied_rules_digest; /* of the last successful run, "" none */
    const struct kb_exception *exceptions;
    size_t exceptions_len;
    struct kb_stuck *stuck;
    size_t stuck_len;
    /* Selectors: what they leave out is neither planned nor frozen. NULL: all. */
    const struct kb_strings *groups; /* globs over displayName */
    const struct kb_strings
        *users; /* Keycloak user name, e-mail, id, or name in Databricks; ASCII case aside */
    bool no_removals;
    bool no_ledger;
    bool may_ask;       /* names and organizations of `needs` will be read */
    bool never_applied; /* what the ledger would learn is counted, but not listed */
};

/* What must be read before the plan can be trusted; the caller reads it and plans again. */
struct kb_plan_needs {
    struct kb_u32s target_groups; /* have operations, but their members come from the snapshot */
    char **lookup_ids;            /* Keycloak user ids of removal candidates that no listing explains */
    size_t lookup_len;
    struct kb_u32s names; /* realm users to be added whose name may be another's address */
    bool organizations;   /* nobody holds some group: does the realm have what no list shows? */
    bool witness; /* the lists must be read again between answers of a witness, who was not known before */
};

int kb_plan_make(const struct kb_plan_input *input, struct kb_plan *ret, struct kb_plan_needs *ret_needs,
                 struct kb_error *err);
void kb_plan_needs_done(struct kb_plan_needs *needs);

#endif
