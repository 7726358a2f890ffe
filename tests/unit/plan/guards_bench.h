/* tests/unit/plan/guards_bench.h: a plan as the guards see it, counts only, with limits that nothing reaches.
 * Why: a test then sets the one limit it is about, and a guard that trips beside it is an error. */
#ifndef KB_TEST_GUARDS_BENCH_H
#define KB_TEST_GUARDS_BENCH_H

#include "tests/unit/plan/plan_world.h"

#define GROUPS_MAX 4

/* A plan as the guards see it: counts only. */
struct shape {
    const char *name;
    uint32_t before, adds, removes;
    bool create, privileged;
};

struct bench {
    struct kb_limits limits;
    struct kb_history history;
    struct kb_rules rules;
    struct kb_scope scope;
    struct kb_desired desired;
    struct kb_realm realm;
    struct kb_guard_input in;
    struct kb_plan plan;
    struct kb_error err;
};

/* Nothing trips with these: a test sets the one it is about. */
static inline void
bench_init(struct bench *b)
{
    *b = (struct bench){0};
    b->limits = (struct kb_limits){.source_shrink_percent = 100,
                                   .max_removals_total = 100000,
                                   .max_removals_percent = 100,
                                   .max_removals_floor = 100000,
                                   .group_max_removals_percent = 100,
                                   .group_max_removals_small = 100,
                                   .never_empty_from = 100000,
                                   .removal_window_percent = 100,
                                   .removal_window_total = 100000,
                                   .removal_window_floor = 100000,
                                   .max_additions_total = 100000,
                                   .max_additions_percent = 100,
                                   .max_additions_floor = 100000,
                                   .privileged_additions = 100000,
                                   .max_group_creations = 100,
                                   .max_user_creations = 100,
                                   .rules_change_percent = 100,
                                   .source_object_gone = true,
                                   .directory_disabled_percent = 100,
                                   .undo_of_granted = true,
                                   .quarantine = 3};
    b->history = (struct kb_history){.any_success = true, .first_apply_done = true};
    b->desired.users_behind = b->desired.objects_behind = 5;
    b->scope.managed = calloc(GROUPS_MAX, sizeof(*b->scope.managed));
    b->desired.groups = calloc(GROUPS_MAX, sizeof(*b->desired.groups));
    b->desired.matches = calloc(64, sizeof(*b->desired.matches));
    assert_true(b->scope.managed && b->desired.groups && b->desired.matches);
    b->in = (struct kb_guard_input){.limits = &b->limits,
                                    .history = &b->history,
                                    .rules = &b->rules,
                                    .desired = &b->desired,
                                    .realm = &b->realm,
                                    .scope = &b->scope,
                                    .self_id = "",
                                    .at_s = 1000};
}

static inline void
bench_done(struct bench *b)
{
    kb_plan_done(&b->plan);
    kb_scope_done(&b->scope);
    kb_desired_done(&b->desired);
    kb_realm_done(&b->realm);
}

static inline void
add_op(struct kb_plan *plan, struct kb_plan_group *group, enum kb_op what)
{
    assert_true(kb_grow(&plan->ops, &plan->ops_cap, plan->ops_len + 1u, sizeof(*plan->ops), 1u << 20));
    plan->ops[plan->ops_len++] = (struct kb_plan_op){
        .op = (uint8_t) what, .cause = what == KB_OP_ADD ? KB_CAUSE_GRANTED : KB_CAUSE_REVOKED};
    group->ops_len++;
}

static inline void
add_group(struct bench *b, const struct shape *shape)
{
    struct kb_plan *plan = &b->plan;
    struct kb_managed *managed = &b->scope.managed[b->scope.managed_len];
    struct kb_plan_group *group;

    (void) snprintf(managed->name, sizeof(managed->name), "%s", shape->name);
    managed->privileged = shape->privileged;
    b->desired.groups_len = ++b->scope.managed_len;
    assert_true(
        kb_grow(&plan->groups, &plan->groups_cap, plan->groups_len + 1u, sizeof(*plan->groups), GROUPS_MAX));
    group = &plan->groups[plan->groups_len++];
    *group = (struct kb_plan_group){.name = kb_pool_adds(&plan->pool, shape->name),
                                    .id = shape->create ? 0 : kb_pool_adds(&plan->pool, "900"),
                                    .create = shape->create,
                                    .privileged = shape->privileged,
                                    .before = shape->before,
                                    .ops_start = plan->ops_len};
    (void) snprintf(group->fingerprint, sizeof(group->fingerprint), "group %s", shape->name);
    (void) snprintf(plan->fingerprint, sizeof(plan->fingerprint), "plan");
    plan->target_memberships += shape->before;
    for (uint32_t i = 0; i < shape->adds; i++)
        add_op(plan, group, KB_OP_ADD);
    for (uint32_t i = 0; i < shape->removes; i++)
        add_op(plan, group, KB_OP_REMOVE);
}

/* The first additions are for people whom Databricks does not have yet. */
static inline void
make_new(struct bench *b, uint32_t users)
{
    b->plan.summary.create_users = users;
    for (uint32_t i = 0; i < b->plan.ops_len && users; i++) {
        char id[32];
        if (b->plan.ops[i].op != KB_OP_ADD)
            continue;
        (void) snprintf(id, sizeof(id), "new:%u", users--);
        b->plan.ops[i].id = kb_pool_adds(&b->plan.pool, id);
    }
    assert_int_equal(users, 0);
}

static inline void
judge(struct bench *b)
{
    if (kb_guards_judge(&b->in, &b->plan, &b->err) < 0)
        fail_msg("kb_guards_judge: %s", b->err.msg);
}

/* The guard as listed, run or of one group; NULL. */
static inline const struct kb_plan_guard *
listed(const struct bench *b, enum kb_guard_id id)
{
    for (uint32_t i = 0; i < b->plan.guards_len; i++) {
        if (b->plan.guards[i].id == id)
            return &b->plan.guards[i];
    }
    return NULL;
}

static inline unsigned
held(const struct bench *b, enum kb_op what)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < b->plan.ops_len; i++)
        count += b->plan.ops[i].op == what && b->plan.ops[i].state == KB_OP_HELD;
    return count;
}

#define G(before, adds, removes)                 \
    {                                            \
        "g", before, adds, removes, false, false \
    }
#define P(before, adds, removes)                \
    {                                           \
        "g", before, adds, removes, false, true \
    }
#define NEW(adds)                    \
    {                                \
        "g", 0, adds, 0, true, false \
    }

#endif
