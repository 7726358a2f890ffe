/* reconciler/plan/reason_search.h: the best paths from a user to one role.
 *
 * Why:    composites may make more paths than atoms, but only KB_REASON_PATHS_MAX are shown: so the search
 * finds them in order and stops. Owns: struct kb_search is reason.c's; states and heap are used again and
 * again.
 */
#ifndef KB_PLAN_REASON_SEARCH_H
#define KB_PLAN_REASON_SEARCH_H

#include "reconciler/plan/reach.h"

/* One place of a path: a group or a role of the realm. */
struct kb_step {
    uint32_t row;
    bool role;
};

struct kb_search_state {
    uint32_t before; /* state, KB_NONE: the user */
    uint32_t depth;  /* steps up to and with this one */
    struct kb_step step;
    bool final; /* arrived: has no step of its own */
};

struct kb_search {
    const struct kb_realm *realm;
    char **role_labels; /* by role: "client:role", NULL for a realm role */

    uint32_t goal;   /* role */
    uint32_t *dist;  /* by role: composites between it and the goal, KB_NONE: does not lead there */
    uint32_t *queue; /* room for all roles */

    struct kb_search_state *states;
    uint32_t *heap; /* states, the best first */
    uint32_t states_len, heap_len;
    size_t states_cap, heap_cap;
};

int kb_search_init(struct kb_search *search, const struct kb_realm *realm, struct kb_error *err);
void kb_search_done(struct kb_search *search);

const char *kb_search_label(const struct kb_search *search,
                            struct kb_step step); /* group path or role name */
int kb_step_compare(const struct kb_search *search, struct kb_step a, struct kb_step b); /* as texts */

/* Forgets all states and turns to another goal. */
void kb_search_goal(struct kb_search *search, const struct kb_reach *reach, uint32_t goal);

/* The user has that role; `own` (KB_NONE: no group) is where he is a member, `carrier` the group that gives
 * it. A role that does not lead to the goal is ignored. False: out of memory. */
bool kb_search_start(struct kb_search *search, uint32_t own, uint32_t carrier, uint32_t role)
    __attribute__((warn_unused_result));

/* The next path: its last state (KB_NONE in *ret_state: no step at all). 1 found, 0 no more, < 0 out of
 * memory. */
int kb_search_next(struct kb_search *search, uint32_t *ret_state, struct kb_error *err);

#endif
