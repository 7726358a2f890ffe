#include "base/ban.h"

#include "reconciler/plan/plan_ledger.h"

#include "base/mem.h"

#define LEDGER_MAX (1u << 28)

static int
add_row(struct kb_plan_work *work, struct kb_plan_ledger_group group, struct kb_plan_ledger row)
{
    struct kb_plan *plan = work->plan;
    struct kb_plan_ledger_group *last =
        plan->ledger_groups_len ? &plan->ledger_groups[plan->ledger_groups_len - 1] : NULL;

    if (!kb_grow(&plan->ledger, &plan->ledger_cap, (size_t) plan->ledger_len + 1, sizeof(*plan->ledger),
                 LEDGER_MAX))
        return kb_plan_nomem(work);
    if (!last || last->group != group.group) {
        if (!kb_grow(&plan->ledger_groups, &plan->ledger_groups_cap, (size_t) plan->ledger_groups_len + 1,
                     sizeof(*plan->ledger_groups), LEDGER_MAX))
            return kb_plan_nomem(work);
        group.start = plan->ledger_len;
        last = &plan->ledger_groups[plan->ledger_groups_len++];
        *last = group;
    }
    plan->ledger[plan->ledger_len++] = row;
    last->len++;
    return 0;
}

int
kb_ledger_adopt(struct kb_plan_work *work, const struct kb_plan_job *job, uint32_t principal, uint32_t user)
{
    work->plan->summary.adopt++;
    if (work->in->never_applied)
        return 0;
    return add_row(work, (struct kb_plan_ledger_group){.group = job->group, .managed = job->managed},
                   (struct kb_plan_ledger){principal, user});
}

int
kb_ledger_clean(struct kb_plan_work *work, uint32_t managed, uint32_t group, uint32_t principal)
{
    if (work->in->never_applied)
        return 0;
    return add_row(work, (struct kb_plan_ledger_group){.group = group, .managed = managed},
                   (struct kb_plan_ledger){principal, KB_NONE});
}

static int
compare_groups(const void *a, const void *b, void *userdata)
{
    const struct kb_plan_ledger_group *x = a, *y = b;
    const struct kb_target *target = userdata;

    return strcmp(kb_target_str(target, target->groups[x->group].id),
                  kb_target_str(target, target->groups[y->group].id));
}

static int
compare_rows(const void *a, const void *b, void *userdata)
{
    const struct kb_plan_ledger *x = a, *y = b;
    const struct kb_target *target = userdata;

    return strcmp(kb_target_str(target, target->principals[x->principal].id),
                  kb_target_str(target, target->principals[y->principal].id));
}

void
kb_ledger_sort(struct kb_plan *plan, const struct kb_target *target)
{
    void *userdata = (void *) (uintptr_t) target;

    if (plan->ledger_groups_len)
        qsort_r(plan->ledger_groups, plan->ledger_groups_len, sizeof(*plan->ledger_groups), compare_groups,
                userdata);
    for (uint32_t i = 0; i < plan->ledger_groups_len; i++)
        qsort_r(plan->ledger + plan->ledger_groups[i].start, plan->ledger_groups[i].len,
                sizeof(*plan->ledger), compare_rows, userdata);
}
