#include "base/ban.h"

#include "reconciler/plan/recount.h"

#include "model/target.h"

uint32_t
kb_patch_requests(uint32_t adds, uint32_t removes)
{
    uint64_t ops = (uint64_t) removes + ((uint64_t) adds + KB_PATCH_MEMBERS_MAX - 1) / KB_PATCH_MEMBERS_MAX;

    return (uint32_t) ((ops + KB_PATCH_OPS_MAX - 1) / KB_PATCH_OPS_MAX);
}

static void
count_group(struct kb_plan *plan, struct kb_plan_group *group)
{
    uint32_t all[KB_OP_MAX_] = {0}, ready[KB_OP_MAX_] = {0};
    bool creates;

    group->state = group->create ? group->create_state : KB_OP_READY;
    for (uint32_t i = 0; i < group->ops_len; i++) {
        const struct kb_plan_op *op = &plan->ops[group->ops_start + i];
        all[op->op]++;
        if (op->state == KB_OP_READY)
            ready[op->op]++;
        else if (op->state == KB_OP_HELD)
            plan->summary.held++;
        if (op->state > group->state)
            group->state = op->state;
        if (op->cause == KB_CAUSE_DRIFT_REMOVED)
            plan->summary.drift++;
        if (op->cause == KB_CAUSE_FOREIGN)
            plan->summary.foreign++;
    }
    group->after = group->before + all[KB_OP_ADD] - all[KB_OP_REMOVE];
    plan->summary.add += ready[KB_OP_ADD];
    plan->summary.remove += ready[KB_OP_REMOVE];

    creates = group->create && group->state == KB_OP_READY;
    if (creates) {
        plan->summary.create_groups++;
        plan->cost.post++;
    }
    if (ready[KB_OP_ADD] || ready[KB_OP_REMOVE]) {
        plan->cost.patch += kb_patch_requests(ready[KB_OP_ADD], ready[KB_OP_REMOVE]);
        if (!group->create)
            plan->cost.get++;
    }
    if (creates || ready[KB_OP_ADD] || ready[KB_OP_REMOVE])
        plan->summary.ready_writes++;
}

static bool
is_left_frozen(const struct kb_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->left_len; i++) {
        if (plan->left[i].list == KB_LEFT_FROZEN && !strcmp(kb_plan_str(plan, plan->left[i].group), name))
            return true;
    }
    return false;
}

static void
count_left(struct kb_plan *plan)
{
    const char *last = NULL;

    for (uint32_t i = 0; i < plan->left_len; i++) {
        const struct kb_left_alone *left = &plan->left[i];
        const char *name = kb_plan_str(plan, left->group);
        if (left->list == KB_LEFT_FOREIGN)
            plan->summary.foreign++;
        else if (left->list == KB_LEFT_UNMATCHED)
            plan->summary.unmatched++;
        else if (left->list == KB_LEFT_AMBIGUOUS)
            plan->summary.ambiguous++;
        else if (left->list == KB_LEFT_FROZEN && (!last || strcmp(last, name) != 0)) {
            plan->summary.frozen++;
            last = name;
        }
    }
    /* apply freezes groups whose operations stay in the plan */
    for (uint32_t i = 0; i < plan->groups_len; i++) {
        if (plan->groups[i].state == KB_OP_FROZEN &&
            !is_left_frozen(plan, kb_plan_str(plan, plan->groups[i].name)))
            plan->summary.frozen++;
    }
}

/* Distinct people in ready operations that Databricks does not have yet. */
static void
count_new_users(struct kb_plan *plan)
{
    plan->summary.create_users = 0;
    for (uint32_t i = 0; i < plan->ops_len; i++) {
        const struct kb_plan_op *op = &plan->ops[i];
        bool seen = op->state != KB_OP_READY || !kb_principal_is_new(kb_plan_str(plan, op->id));
        for (uint32_t k = 0; k < i && !seen; k++)
            seen = plan->ops[k].state == KB_OP_READY &&
                   !strcmp(kb_plan_str(plan, plan->ops[k].id), kb_plan_str(plan, op->id));
        plan->summary.create_users += !seen;
    }
    plan->cost.post = plan->summary.create_users;
}

void
kb_plan_recount(struct kb_plan *plan)
{
    plan->summary.add = plan->summary.remove = plan->summary.held = 0;
    plan->summary.drift = plan->summary.foreign = plan->summary.unmatched = plan->summary.ambiguous = 0;
    plan->summary.create_groups = plan->summary.frozen = plan->summary.ready_writes = 0;
    plan->cost.get = plan->cost.patch = 0;
    count_new_users(plan);
    for (uint32_t i = 0; i < plan->groups_len; i++)
        count_group(plan, &plan->groups[i]);
    count_left(plan);
}
