/* Every guard with a number: one below its limit, at it, one above; percentages of 0, 1 and 2 members. */
#include "tests/unit/plan/guards_bench.h"

enum knob {
    NOTHING,
    REMOVALS_TOTAL,
    REMOVALS_PERCENT,
    GROUP_PERCENT,
    GROUP_SMALL,
    NEVER_EMPTY,
    WINDOW_PERCENT,
    WINDOW_TOTAL,
    ADDITIONS_TOTAL,
    ADDITIONS_PERCENT,
    PRIVILEGED,
    MIN_MEMBERS,
    GROUP_CREATIONS,
    USER_CREATIONS,
    RULES_CHANGE,
    MIN_USERS,
    MIN_GROUPS,
    SHRINK_USERS,
    SHRINK_GROUPS,
    SHRINK_MEMBERSHIPS,
    QUARANTINE,
};

struct limit_case {
    enum knob knob;
    int64_t limit, floor;
    struct shape shape;
    int64_t history, base;  /* removals in the window, dropped groups, last counts, … */
    int id;                 /* the guard that must trip, -1 none */
    int64_t value;          /* as listed */
    unsigned adds, removes; /* held */
};

static const struct limit_case limit_cases[] = {
    {REMOVALS_TOTAL, 3, 0, G(50, 1, 2), 0, 0, -1, 0, 0, 0},
    {REMOVALS_TOTAL, 3, 0, G(50, 1, 3), 0, 0, -1, 0, 0, 0},
    {REMOVALS_TOTAL, 3, 0, G(50, 1, 4), 0, 0, KB_GUARD_MAX_REMOVALS_TOTAL, 4, 0, 4},
    {REMOVALS_TOTAL, 0, 0, G(50, 1, 0), 0, 0, -1, 0, 0, 0},
    {REMOVALS_TOTAL, 0, 0, G(50, 1, 1), 0, 0, KB_GUARD_MAX_REMOVALS_TOTAL, 1, 0, 1},
    /* 10 % of 200 is 20; the value shown is rounded down */
    {REMOVALS_PERCENT, 10, 0, G(200, 0, 19), 0, 0, -1, 0, 0, 0},
    {REMOVALS_PERCENT, 10, 0, G(200, 0, 20), 0, 0, -1, 0, 0, 0},
    {REMOVALS_PERCENT, 10, 0, G(200, 0, 21), 0, 0, KB_GUARD_MAX_REMOVALS_PERCENT, 10, 0, 21},
    {REMOVALS_PERCENT, 10, 0, G(201, 0, 20), 0, 0, -1, 0, 0, 0},
    {REMOVALS_PERCENT, 10, 0, G(199, 0, 20), 0, 0, KB_GUARD_MAX_REMOVALS_PERCENT, 10, 0, 20},
    {REMOVALS_PERCENT, 10, 21, G(200, 0, 21), 0, 0, -1, 0, 0, 0}, /* the floor is inclusive too */
    {REMOVALS_PERCENT, 10, 20, G(200, 0, 21), 0, 0, KB_GUARD_MAX_REMOVALS_PERCENT, 10, 0, 21},
    {REMOVALS_PERCENT, 10, 0, G(1, 0, 1), 0, 0, KB_GUARD_MAX_REMOVALS_PERCENT, 100, 0, 1},
    {REMOVALS_PERCENT, 50, 0, G(2, 0, 1), 0, 0, -1, 0, 0, 0},
    {REMOVALS_PERCENT, 49, 0, G(2, 0, 1), 0, 0, KB_GUARD_MAX_REMOVALS_PERCENT, 50, 0, 1},
    {REMOVALS_PERCENT, 100, 0, G(2, 0, 2), 0, 0, -1, 0, 0, 0},
    {REMOVALS_PERCENT, 0, 0, G(2, 1, 0), 0, 0, -1, 0, 0, 0}, /* holds nothing */
    /* more than 20 members: percent; up to 20: a count */
    {GROUP_PERCENT, 25, 0, G(24, 1, 5), 0, 0, -1, 0, 0, 0},
    {GROUP_PERCENT, 25, 0, G(24, 1, 6), 0, 0, -1, 0, 0, 0},
    {GROUP_PERCENT, 25, 0, G(24, 1, 7), 0, 0, KB_GUARD_GROUP_MAX_REMOVALS_PERCENT, 29, 0, 7},
    {GROUP_PERCENT, 25, 0, G(20, 1, 7), 0, 0, -1, 0, 0, 0},
    {GROUP_PERCENT, 25, 0, G(21, 1, 6), 0, 0, KB_GUARD_GROUP_MAX_REMOVALS_PERCENT, 28, 0, 6},
    {GROUP_SMALL, 5, 0, G(20, 1, 4), 0, 0, -1, 0, 0, 0},
    {GROUP_SMALL, 5, 0, G(20, 1, 5), 0, 0, -1, 0, 0, 0},
    {GROUP_SMALL, 5, 0, G(20, 1, 6), 0, 0, KB_GUARD_GROUP_MAX_REMOVALS_SMALL, 6, 0, 6},
    {GROUP_SMALL, 5, 0, G(21, 1, 6), 0, 0, -1, 0, 0, 0},
    {GROUP_SMALL, 0, 0, G(1, 1, 1), 0, 0, KB_GUARD_GROUP_MAX_REMOVALS_SMALL, 1, 0, 1},
    /* three or more before, nobody after */
    {NEVER_EMPTY, 3, 0, G(2, 0, 2), 0, 0, -1, 0, 0, 0},
    {NEVER_EMPTY, 3, 0, G(3, 0, 3), 0, 0, KB_GUARD_NEVER_EMPTY_FROM, 3, 0, 3},
    {NEVER_EMPTY, 3, 0, G(4, 0, 4), 0, 0, KB_GUARD_NEVER_EMPTY_FROM, 4, 0, 4},
    {NEVER_EMPTY, 3, 0, G(3, 0, 2), 0, 0, -1, 0, 0, 0},
    {NEVER_EMPTY, 3, 0, G(3, 1, 3), 0, 0, -1, 0, 0, 0},
    {NEVER_EMPTY, 1, 0, G(1, 0, 1), 0, 0, KB_GUARD_NEVER_EMPTY_FROM, 1, 0, 1},
    /* base: present plus removed in the window */
    {WINDOW_PERCENT, 20, 0, G(90, 1, 9), 10, 0, -1, 0, 0, 0},
    {WINDOW_PERCENT, 20, 0, G(90, 1, 10), 10, 0, -1, 0, 0, 0},
    {WINDOW_PERCENT, 20, 0, G(90, 1, 11), 10, 0, KB_GUARD_REMOVAL_WINDOW_PERCENT, 21, 0, 11},
    {WINDOW_PERCENT, 20, 21, G(90, 1, 11), 10, 0, -1, 0, 0, 0},
    {WINDOW_PERCENT, 20, 0, G(90, 1, 0), 99, 0, -1, 0, 0, 0}, /* holds nothing */
    {WINDOW_TOTAL, 20, 0, G(90, 1, 9), 10, 0, -1, 0, 0, 0},
    {WINDOW_TOTAL, 20, 0, G(90, 1, 10), 10, 0, -1, 0, 0, 0},
    {WINDOW_TOTAL, 20, 0, G(90, 1, 11), 10, 0, KB_GUARD_REMOVAL_WINDOW_TOTAL, 21, 0, 11},
    {WINDOW_TOTAL, 20, 0, G(90, 1, 0), 99, 0, -1, 0, 0, 0},
    {ADDITIONS_TOTAL, 3, 0, G(50, 2, 1), 0, 0, -1, 0, 0, 0},
    {ADDITIONS_TOTAL, 3, 0, G(50, 3, 1), 0, 0, -1, 0, 0, 0},
    {ADDITIONS_TOTAL, 3, 0, G(50, 4, 1), 0, 0, KB_GUARD_MAX_ADDITIONS_TOTAL, 4, 4, 0},
    {ADDITIONS_PERCENT, 50, 0, G(10, 4, 1), 0, 0, -1, 0, 0, 0},
    {ADDITIONS_PERCENT, 50, 0, G(10, 5, 1), 0, 0, -1, 0, 0, 0},
    {ADDITIONS_PERCENT, 50, 0, G(10, 6, 1), 0, 0, KB_GUARD_MAX_ADDITIONS_PERCENT, 60, 6, 0},
    {ADDITIONS_PERCENT, 50, 6, G(10, 6, 1), 0, 0, -1, 0, 0, 0},
    {ADDITIONS_PERCENT, 50, 0, G(0, 1, 0), 0, 0, KB_GUARD_MAX_ADDITIONS_PERCENT, 100, 1, 0}, /* of nothing */
    {ADDITIONS_PERCENT, 50, 1, G(0, 1, 0), 0, 0, -1, 0, 0, 0},
    {PRIVILEGED, 1, 0, P(5, 0, 1), 0, 0, -1, 0, 0, 0},
    {PRIVILEGED, 1, 0, P(5, 1, 1), 0, 0, -1, 0, 0, 0},
    {PRIVILEGED, 1, 0, P(5, 2, 1), 0, 0, KB_GUARD_PRIVILEGED_ADDITIONS, 2, 2, 0},
    {PRIVILEGED, 0, 0, P(5, 1, 1), 0, 0, KB_GUARD_PRIVILEGED_ADDITIONS, 1, 1, 0},
    {PRIVILEGED, 0, 0, G(5, 9, 1), 0, 0, -1, 0, 0, 0},
    {MIN_MEMBERS, 2, 0, G(4, 0, 1), 0, 0, -1, 0, 0, 0},
    {MIN_MEMBERS, 2, 0, G(4, 0, 2), 0, 0, -1, 0, 0, 0},
    {MIN_MEMBERS, 2, 0, G(4, 0, 3), 0, 0, KB_GUARD_MIN_MEMBERS, 1, 0, 3},
    {MIN_MEMBERS, 2, 0, G(4, 1, 3), 0, 0, -1, 0, 0, 0},
    {MIN_MEMBERS, 5, 0, G(4, 1, 1), 0, 0, -1, 0, 0, 0}, /* too few before, but not fewer */
    {MIN_MEMBERS, 5, 0, G(4, 0, 1), 0, 0, KB_GUARD_MIN_MEMBERS, 3, 0, 1},
    {MIN_MEMBERS, 0, 0, G(1, 0, 1), 0, 0, -1, 0, 0, 0},
    {GROUP_CREATIONS, 1, 0, NEW(2), 0, 0, -1, 0, 0, 0},
    {GROUP_CREATIONS, 0, 0, NEW(2), 0, 0, KB_GUARD_MAX_GROUP_CREATIONS, 1, 2, 0},
    {GROUP_CREATIONS, 0, 0, G(9, 2, 1), 0, 0, -1, 0, 0, 0},
    {USER_CREATIONS, 2, 0, G(9, 3, 1), 1, 0, -1, 0, 0, 0},
    {USER_CREATIONS, 2, 0, G(9, 3, 1), 2, 0, -1, 0, 0, 0},
    {USER_CREATIONS, 2, 0, G(9, 3, 1), 3, 0, KB_GUARD_MAX_USER_CREATIONS, 3, 3, 0},
    {RULES_CHANGE, 20, 0, G(9, 2, 1), 2, 10, -1, 0, 0, 0},
    {RULES_CHANGE, 20, 0, G(9, 2, 1), 3, 10, KB_GUARD_RULES_CHANGE_PERCENT, 30, 0, 1},
    {RULES_CHANGE, 20, 3, G(9, 2, 1), 3, 10, -1, 0, 0, 0},
    {RULES_CHANGE, 20, 0, G(9, 2, 0), 9, 10, -1, 0, 0, 0}, /* holds nothing */
    {RULES_CHANGE, 20, 0, G(9, 2, 1), 0, 0, -1, 0, 0, 0},
    {MIN_USERS, 4, 0, G(9, 2, 1), 0, 0, -1, 0, 0, 0},
    {MIN_USERS, 5, 0, G(9, 2, 1), 0, 0, -1, 0, 0, 0},
    {MIN_USERS, 6, 0, G(9, 2, 1), 0, 0, KB_GUARD_SOURCE_MIN_USERS, 5, 2, 1},
    {MIN_USERS, 6, 0, G(9, 0, 0), 0, 0, -1, 0, 0, 0}, /* holds nothing */
    {MIN_USERS, 1, 0, G(9, 2, 1), 1, 1, -1, 0, 0, 0},
    {MIN_USERS, 1, 0, G(9, 2, 1), 0, 1, KB_GUARD_SOURCE_MIN_USERS, 0, 2, 1}, /* everybody vanished */
    {MIN_GROUPS, 5, 0, G(9, 2, 1), 0, 0, -1, 0, 0, 0},
    {MIN_GROUPS, 6, 0, G(9, 2, 1), 0, 0, KB_GUARD_SOURCE_MIN_GROUPS, 5, 2, 1},
    {MIN_GROUPS, 1, 0, G(9, 2, 1), 0, 1, KB_GUARD_SOURCE_MIN_GROUPS, 0, 2, 1},
    {SHRINK_USERS, 20, 0, G(9, 2, 1), 80, 100, -1, 0, 0, 0},
    {SHRINK_USERS, 20, 0, G(9, 2, 1), 79, 100, KB_GUARD_SOURCE_SHRINK_PERCENT, 21, 2, 1},
    {SHRINK_USERS, 20, 21, G(9, 2, 1), 79, 100, -1, 0, 0, 0},
    {SHRINK_USERS, 20, 0, G(9, 2, 1), 0, 0, -1, 0, 0, 0}, /* nothing remembered */
    {SHRINK_USERS, 20, 0, G(9, 2, 1), 300, 100, -1, 0, 0, 0},
    {SHRINK_GROUPS, 20, 0, G(9, 2, 1), 4, 5, -1, 0, 0, 0},
    {SHRINK_GROUPS, 20, 0, G(9, 2, 1), 3, 5, KB_GUARD_SOURCE_SHRINK_PERCENT, 40, 2, 1},
    {SHRINK_MEMBERSHIPS, 20, 10, G(9, 2, 1), 40, 50, -1, 0, 0, 0},
    {SHRINK_MEMBERSHIPS, 20, 10, G(9, 2, 1), 39, 50, KB_GUARD_SOURCE_SHRINK_PERCENT, 22, 2, 1},
    {SHRINK_MEMBERSHIPS, 20, 10, G(9, 0, 0), 0, 50, -1, 0, 0, 0},
    {QUARANTINE, 3, 0, G(9, 2, 1), 2, 0, -1, 0, 0, 0},
    {QUARANTINE, 3, 0, G(9, 2, 1), 3, 0, KB_GUARD_QUARANTINE, 3, 2, 1},
    {QUARANTINE, 3, 0, G(9, 0, 0), 4, 0, KB_GUARD_QUARANTINE, 4, 0, 0}, /* always */
};

static void
turn(struct bench *b, const struct limit_case *c)
{
    struct kb_limits *l = &b->limits;
    struct kb_history *h = &b->history;

    switch (c->knob) {
    case REMOVALS_TOTAL:
        l->max_removals_total = c->limit;
        break;
    case REMOVALS_PERCENT:
        l->max_removals_percent = c->limit;
        l->max_removals_floor = c->floor;
        break;
    case GROUP_PERCENT:
        l->group_max_removals_percent = c->limit;
        break;
    case GROUP_SMALL:
        l->group_max_removals_small = c->limit;
        break;
    case NEVER_EMPTY:
        l->never_empty_from = c->limit;
        break;
    case WINDOW_PERCENT:
        l->removal_window_percent = c->limit;
        l->removal_window_floor = c->floor;
        h->window_removals = c->history;
        break;
    case WINDOW_TOTAL:
        l->removal_window_total = c->limit;
        h->window_removals = c->history;
        break;
    case ADDITIONS_TOTAL:
        l->max_additions_total = c->limit;
        break;
    case ADDITIONS_PERCENT:
        l->max_additions_percent = c->limit;
        l->max_additions_floor = c->floor;
        break;
    case PRIVILEGED:
        l->privileged_additions = c->limit;
        break;
    case MIN_MEMBERS:
        b->scope.managed[0].min_members = (unsigned) c->limit;
        break;
    case GROUP_CREATIONS:
        l->max_group_creations = c->limit;
        break;
    case USER_CREATIONS:
        l->max_user_creations = c->limit;
        make_new(b, (uint32_t) c->history);
        break;
    case RULES_CHANGE:
        l->rules_change_percent = c->limit;
        l->rules_change_floor = c->floor;
        h->managed_dropped = c->history;
        h->managed_last = c->base;
        break;
    case MIN_USERS:
        l->source_min_users = c->limit;
        if (c->base)
            b->desired.users_behind = (uint32_t) c->history;
        break;
    case MIN_GROUPS:
        l->source_min_groups = c->limit;
        if (c->base)
            b->desired.objects_behind = (uint32_t) c->history;
        break;
    case SHRINK_USERS:
        h->now_users = c->history;
        h->last_users = c->base;
        break;
    case SHRINK_GROUPS:
        h->now_groups = c->history;
        h->last_groups = c->base;
        break;
    case SHRINK_MEMBERSHIPS:
        h->now_memberships = c->history;
        h->last_memberships = c->base;
        break;
    case QUARANTINE:
        l->quarantine = c->limit;
        h->failed_in_a_row = c->history;
        break;
    case NOTHING:
        break;
    }
    if (c->knob >= SHRINK_USERS && c->knob <= SHRINK_MEMBERSHIPS) {
        l->source_shrink_percent = c->limit;
        l->source_shrink_floor = c->floor;
    }
}

static void
test_limits(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(limit_cases); i++) {
        const struct limit_case *c = &limit_cases[i];
        const struct kb_plan_guard *guard;
        struct bench b;
        bench_init(&b);
        add_group(&b, &c->shape);
        turn(&b, c);
        judge(&b);
        guard = c->id < 0 ? NULL : listed(&b, (enum kb_guard_id) c->id);
        if (b.plan.guards_len != (c->id >= 0))
            fail_msg("case %zu: %u guards tripped, the first is %s", i, b.plan.guards_len,
                     b.plan.guards_len ? kb_guard_name(b.plan.guards[0].id) : "none");
        if (c->id >= 0 && (!guard || !guard->tripped || guard->value != c->value || guard->limit != c->limit))
            fail_msg("case %zu: %s not listed, or value %lld limit %lld", i,
                     kb_guard_name((enum kb_guard_id) c->id), guard ? (long long) guard->value : -1,
                     guard ? (long long) guard->limit : -1);
        if (held(&b, KB_OP_ADD) != c->adds || held(&b, KB_OP_REMOVE) != c->removes ||
            b.plan.summary.held != c->adds + c->removes)
            fail_msg("case %zu: +%u -%u held", i, held(&b, KB_OP_ADD), held(&b, KB_OP_REMOVE));
        assert_int_equal(b.plan.groups[0].state, c->adds + c->removes ? KB_OP_HELD : KB_OP_READY);
        for (uint32_t k = 0; k < b.plan.ops_len; k++) {
            const struct kb_plan_op *op = &b.plan.ops[k];
            assert_int_equal(op->held_by, op->state == KB_OP_HELD ? 1u << (unsigned) c->id : 0);
        }
        bench_done(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_limits)};

    return cmocka_run_group_tests_name("guards: limits", tests, NULL, NULL);
}
