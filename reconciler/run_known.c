/* Which roles and groups the rules meant: read before the plan is made, kept when nothing of them is missing or
 * when a person let the change through (guard source_object_gone). Until then the old names stay, so that the
 * guard does not forget between two runs what it waits for. */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/mem.h"
#include "reconciler/plan/gone.h"
#include "store/known.h"

int
run_known_load(struct run_target *t, struct kb_error *err)
{
    int e = t->store ? store_known_load(t->store, &t->known, err) : 0;
    if (e >= 0 && !kb_known_resolve(&t->known, &t->run->config->rules, t->config->name))
        e = kb_fail(err, KB_E_NOMEM, "remembered roles and groups: out of memory");
    t->scope.known = &t->known;
    return e;
}

static const struct kb_plan_group *
planned(const struct kb_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->groups_len; i++)
        if (!strcmp(kb_plan_str(plan, plan->groups[i].name), name))
            return &plan->groups[i];
    return NULL;
}

static bool
let_through(const struct kb_plan *plan, const struct kb_plan_group *group)
{
    for (uint32_t i = 0; group && i < group->guards_len; i++) {
        const struct kb_plan_guard *g = &plan->guards[group->guards_start + i];
        if (g->id == KB_GUARD_SOURCE_OBJECT_GONE && g->approved)
            return true;
    }
    return false;
}

/* Nothing is missing, or what is missing changes nothing any more, or somebody approved. */
static bool
settled(const struct run_target *t, uint32_t managed)
{
    const struct kb_desired_group *d = &t->desired.groups[managed];
    const char *name = t->scope.managed[managed].name;
    const struct kb_plan *now = t->run->opts.command == RUN_APPLY ? &t->fresh : &t->plan;
    if (d->frozen_note || t->scope.managed[managed].ambiguous_path)
        return false;
    if (!d->gone_note || let_through(&t->plan, planned(&t->plan, name)))
        return true;
    for (uint32_t i = 0; i < now->left_len; i++)
        if ((now->left[i].list == KB_LEFT_UNPROVEN || now->left[i].list == KB_LEFT_FROZEN) &&
            !strcmp(kb_plan_str(now, now->left[i].group), name))
            return false;
    const struct kb_plan_group *group = planned(now, name);
    return !group || !group->ops_len;
}

static bool
keep_old(const struct run_target *t, const char *name, struct kb_known *ret)
{
    const struct kb_known *old = &t->known;
    for (uint32_t i = kb_known_first(old, name);
         i < old->len && !strcmp(kb_known_str(old, old->v[i].managed), name); i++)
        if (!kb_known_add(ret, name, kb_known_str(old, old->v[i].rule), kb_known_str(old, old->v[i].id),
                          kb_known_str(old, old->v[i].name)))
            return false;
    return true;
}

int
run_known_save(struct run_target *t, struct kb_error *err)
{
    const struct run_opts *o = &t->run->opts;
    struct kb_known now = {0};
    int e = 0;
    if (!t->scope.known || t->desired.groups_len != t->scope.managed_len || o->groups.len || o->users.len ||
        o->no_removals)
        return 0;
    for (uint32_t i = 0; e >= 0 && i < t->scope.managed_len; i++) {
        if (settled(t, i))
            e = kb_gone_remember(&t->scope, &t->run->realm, i, &now, err);
        else if (!keep_old(t, t->scope.managed[i].name, &now))
            e = kb_fail(err, KB_E_NOMEM, "remembered roles and groups: out of memory");
    }
    kb_known_sort(&now);
    if (e >= 0 && !kb_known_equal(&now, &t->known))
        e = store_known_save(t->store, &now, err);
    kb_known_done(&now);
    return e;
}
