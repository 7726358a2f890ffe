/* apply FILE: exactly the saved operations, and only where nothing moved.
 *
 * A fresh plan is made from a fresh reading. A saved group goes on when its members are what they were and
 * every saved operation would be planned again now; otherwise that group is refused, saying what moved. The
 * plan that is applied has the saved groups and operations, so it has the saved fingerprints, which is what
 * approvals are bound to. Source: interface.md sections 1 (apply), 5 ("A saved plan is stale when"). */
#include "base/ban.h"

#include "reconciler/run.h"

static const struct kb_plan_group *
group_named(const struct kb_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->groups_len; i++)
        if (!strcmp(kb_plan_str(plan, plan->groups[i].name), name))
            return &plan->groups[i];
    return NULL;
}

static const struct kb_plan_op *
same_op(const struct kb_plan *plan, const struct kb_plan_group *g, const struct kb_plan *saved,
        const struct kb_plan_op *op)
{
    for (uint32_t i = g->ops_start; i < g->ops_start + g->ops_len; i++) {
        const struct kb_plan_op *o = &plan->ops[i];
        if (o->op == op->op && !strcmp(kb_plan_str(plan, o->id), kb_plan_str(saved, op->id)))
            return o;
    }
    return NULL;
}

/* Why the group is left alone in this run, NULL when it is not: a doubt about the present, not a stale plan. */
static const char *
frozen_now(const struct kb_plan *fresh, const char *name)
{
    for (uint32_t i = 0; i < fresh->left_len; i++) {
        const struct kb_left_alone *left = &fresh->left[i];
        if (left->list == KB_LEFT_FROZEN && !strcmp(kb_plan_str(fresh, left->group), name))
            return kb_plan_str(fresh, left->note);
    }
    return NULL;
}

/* NULL: the group may go on; otherwise why it is refused. */
static const char *
moved(const struct run_target *t, const struct kb_plan *saved, const struct kb_plan_group *sg,
      const struct kb_plan_group *fg, char *buf, size_t size)
{
    const struct kb_plan *fresh = &t->plan;
    const char *name = kb_plan_str(saved, sg->name);
    if (!fg) {
        uint32_t g = kb_target_group_named(&t->target, name);
        if (g == KB_NONE && !sg->create)
            return "the group is not in the target any more";
        return "nothing is to be done there any more";
    }
    if (fg->create != sg->create)
        return sg->create ? "somebody has made the group meanwhile"
                          : "the group is not in the target any more";
    if (strcmp(fg->precondition, sg->precondition) != 0) {
        (void) snprintf(buf, size, "its members changed since the plan: %u then, %u now",
                        sg->precondition_members, fg->precondition_members);
        return buf;
    }
    for (uint32_t i = sg->ops_start; i < sg->ops_start + sg->ops_len; i++) {
        const struct kb_plan_op *op = &saved->ops[i];
        const struct kb_plan_op *now = same_op(fresh, fg, saved, op);
        if (op->cause != KB_CAUSE_UNDO && (!now || now->cause != op->cause)) {
            (void) snprintf(buf, size, "Keycloak no longer %s %s",
                            op->op == KB_OP_ADD ? "grants it to" : "withholds it from",
                            kb_plan_str(saved, op->name));
            return buf;
        }
    }
    return NULL;
}

static int
check_whole(const struct run_target *t, const struct kb_plan *saved, struct kb_error *err)
{
    const struct kb_plan *fresh = &t->plan;
    int64_t age = t->run->at_s - saved->at_s, max = t->run->config->rules.limits.plan_max_age_s;
    if (strcmp(kb_plan_str(saved, saved->target_name), t->config->name) != 0 ||
        strcmp(kb_plan_str(saved, saved->target_host), t->config->place) != 0)
        return kb_fail(err, KB_E_STALE, "the plan is for target %s at %s",
                       kb_plan_str(saved, saved->target_name), kb_plan_str(saved, saved->target_host));
    if (strcmp(kb_plan_str(saved, saved->issuer), kb_plan_str(fresh, fresh->issuer)) != 0)
        return kb_fail(err, KB_E_STALE, "the plan was made from realm %s", kb_plan_str(saved, saved->issuer));
    if (strcmp(saved->rules_digest, fresh->rules_digest) != 0)
        return kb_fail(err, KB_E_STALE, "the rules changed since the plan was made; make a new plan");
    if (age > max || age < -300)
        return kb_fail(err, KB_E_STALE, "the plan is %lld s old, over plan_max_age_s = %lld; make a new plan",
                       (long long) age, (long long) max);
    return 0;
}

static int
refuse(struct run_target *t, struct kb_plan *plan, struct kb_plan_group *g, int code, const char *why,
       struct kb_error *err)
{
    kb_text note = kb_pool_adds(&plan->pool, why);
    if (note == KB_NONE ||
        !kb_grow(&plan->left, &plan->left_cap, plan->left_len + 1, sizeof(*plan->left), UINT32_MAX))
        return kb_fail(err, KB_E_NOMEM, "plan");
    plan->left[plan->left_len++] =
        (struct kb_left_alone){.list = KB_LEFT_FROZEN, .group = g->name, .name = 0, .note = note};
    for (uint32_t i = g->ops_start; i < g->ops_start + g->ops_len; i++) {
        plan->ops[i].state = KB_OP_FROZEN;
        plan->ops[i].note = note;
    }
    g->state = KB_OP_FROZEN;
    t->refused += code == EXIT_STALE;
    outcome_add(&t->outcome, code, "%s: %s", kb_plan_str(plan, g->name), why);
    return 0;
}

int
run_saved_plan(struct run_target *t, struct kb_error *err)
{
    int e = check_whole(t, t->run->opts.saved, err);
    if (e < 0)
        return e;
    struct kb_plan plan = *t->run->opts.saved; /* the guards judge it anew */
    *t->run->opts.saved = (struct kb_plan){0};
    for (uint32_t i = 0; e >= 0 && i < plan.groups_len; i++) {
        char buf[400];
        struct kb_plan_group *g = &plan.groups[i];
        const char *name = kb_plan_str(&plan, g->name), *why = frozen_now(&t->plan, name);
        int code = why ? EXIT_PARTIAL : EXIT_STALE;
        if (!why)
            why = moved(t, &plan, g, group_named(&t->plan, name), buf, sizeof(buf));
        if (why)
            e = refuse(t, &plan, g, code, why, err);
        for (uint32_t k = g->ops_start; !why && k < g->ops_start + g->ops_len; k++)
            plan.ops[k].state = KB_OP_READY; /* the guards judge anew: history may have moved since */
    }
    if (e < 0) {
        kb_plan_done(&plan);
        return e;
    }
    kb_plan_recount(&plan);
    t->fresh = t->plan;
    t->plan = plan;
    return 0;
}
