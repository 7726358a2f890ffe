/* The proof for people of a user directory. Keycloak's answers about one person come from its cache, which
 * keeps groups and roles of somebody who left for ever, and loses them all while the directory is down. So the
 * lists decide: read a second time, between good answers of the directory's witness; cached rows that speak for
 * the person count only when no list that the person has left explains them. Source: interface.md section 3
 * "Directories"; keycloak-verified.md section 8. */
#include "base/ban.h"

#include "reconciler/apply/proof.h"

#include "base/mem.h"
#include "reconciler/plan/guards_work.h"
#include "reconciler/plan/reach.h"

const char *
proof_directory(const struct proof *p, const struct kc_check *check)
{
    const struct kb_realm *realm = p->a->realm;
    const struct kb_target *target = p->a->target;
    const struct kb_plan_op *op = &p->a->plan->ops[p->op];
    uint32_t g, principal;

    if (check->user != KB_NONE && realm->users[check->user].directory)
        return kb_realm_str(realm, realm->users[check->user].directory);
    if (op->directory)
        return kb_plan_str(p->a->plan, op->directory);
    g = kb_target_group_named(target, p->managed->name);
    principal = kb_target_principal(target, kb_plan_str(p->a->plan, op->id));
    for (uint32_t i = 0; g != KB_NONE && i < target->groups[g].ledger.len; i++)
        if (target->groups[g].ledger.v[i] == principal && i < target->groups[g].ledger_directory.len)
            return kb_target_str(target, target->groups[g].ledger_directory.v[i]);
    return "";
}

/* ---- the second reading ---- */

static void
gather(const struct apply *a, const struct kb_managed *managed, struct kb_reach *reach)
{
    kb_reach_begin(reach);
    for (uint32_t i = 0; i < managed->bindings_len; i++) {
        const struct kb_binding *b = &a->scope->bindings[managed->bindings_start + i];
        if (b->role != KB_NONE)
            kb_reach_role(reach, b->role);
        else if (b->group != KB_NONE)
            kb_reach_group(reach, b->group, b->rule->subgroups);
    }
}

static bool
wants_lists(const struct proof *p)
{
    const struct question *q = p->question;

    if (!p->managed || !q || !q->answered)
        return false;
    if (q->check.user_id)
        return q->check.exists == KC_HAS && *proof_directory(p, &q->check);
    for (size_t i = 0; i < q->people_len; i++)
        if (q->people[i]->answered && q->people[i]->check.exists == KC_HAS &&
            *proof_directory(p, &q->people[i]->check))
            return true;
    return false;
}

int
proof_read_again(const struct apply *a, const struct proofs *all, struct kb_error *err)
{
    struct kb_reach reach;
    const struct kb_managed *last = NULL;
    int e = kb_reach_init(&reach, a->realm, err);
    if (e < 0)
        return e;
    kc_again_forget(a->kc);
    for (size_t i = 0; e >= 0 && i < all->len; i++) {
        const struct proof *p = &all->v[i];
        if (p->managed == last || !wants_lists(p))
            continue;
        last = p->managed;
        gather(a, p->managed, &reach);
        for (uint32_t k = 0; e >= 0 && k < reach.roles.len; k++)
            e = kc_again_read(a->kc, true, reach.roles.v[k], err);
        for (uint32_t k = 0; e >= 0 && k < reach.groups.len; k++)
            e = kc_again_read(a->kc, false, reach.groups.v[k], err);
    }
    kb_reach_done(&reach);
    if (e >= 0 && last)
        e = kb_http_run(a->http, err);
    if (e >= 0)
        e = kc_witness(a->kc, err);
    return e < 0 ? e : kb_http_run(a->http, err);
}

/* A directory that only went down now, and those that a plan from a file does not know, belong into the report's
 * first lines, too. */
int
proof_name_directories(struct apply *a, struct kb_error *err)
{
    struct kb_plan *plan = a->plan;
    const struct kb_realm *realm = a->realm;
    for (uint32_t i = 0; i < realm->directories_len; i++) {
        const struct kb_directory *d = &realm->directories[i];
        const char *name = kb_realm_directory_name(realm, kb_realm_str(realm, d->id));
        bool known = d->status != KB_DIRECTORY_DOWN;
        for (uint32_t k = 0; k < plan->directories_len && !known; k++)
            known = !strcmp(kb_plan_str(plan, plan->directories[k].name), name);
        if (known)
            continue;
        struct kb_plan_directory row = {.name = kb_pool_adds(&plan->pool, name),
                                        .note = kb_pool_adds(&plan->pool, kb_realm_str(realm, d->note)),
                                        .down = true};
        if (row.name == KB_NONE || row.note == KB_NONE ||
            !kb_grow(&plan->directories, &plan->directories_cap, (size_t) plan->directories_len + 1,
                     sizeof(*plan->directories), UINT32_MAX))
            return kb_fail(err, KB_E_NOMEM, "directories");
        plan->directories[plan->directories_len++] = row;
        plan->source_complete = false;
    }
    return 0;
}

/* ---- verdicts ---- */

bool
proof_directory_forbids(struct proof *p, const char *directory, bool gone)
{
    const struct kb_realm *realm = p->a->realm;
    if (!*directory || kb_realm_directory_up(realm, directory) ||
        (gone && kb_realm_directory_removed(realm, directory)))
        return false;
    (void) snprintf(p->verdict, sizeof(p->verdict), "directory %.120s is down",
                    kb_realm_directory_name(realm, directory));
    return true;
}

bool
proof_any_directory_forbids(struct proof *p)
{
    const char *name = kb_realm_directory_doubt(p->a->realm);
    if (name)
        (void) snprintf(p->verdict, sizeof(p->verdict), "directory %.120s is down", name);
    return name;
}

static void
say(struct proof *p, const char *what)
{
    (void) snprintf(p->verdict, sizeof(p->verdict), "%s", what);
}

/* Only the directory shows the person disabled: the live number of groups and the shown ones must agree, or
 * the answers are those of an outage that 26.4.0 has kept. */
static void
judge_disabled(struct proof *p, const struct kc_check *check)
{
    const struct kb_user *user = &p->a->realm->users[check->user];
    /* The person's own record comes from a cache that does not learn of it; the lists ask the directory, and were
     * read again after it (26.4.0, 26.7.4: tests/e2e/test_unimported.py). */
    if (user->flags & KB_USER_ENABLED)
        say(p, "contradicted: Keycloak shows the person enabled again");
    else if (!check->groups_known || check->groups_count == KB_NONE)
        (void) snprintf(p->verdict, sizeof(p->verdict), "Keycloak could not say what the user has: %.100s",
                        check->note);
    else if (check->groups_count != check->group_ids_len)
        (void) snprintf(
            p->verdict, sizeof(p->verdict),
            "disabled in the directory, but Keycloak shows %zu of its %u groups: old answers, or groups "
            "of organizations",
            check->group_ids_len, check->groups_count);
    else if (check->enabled == KC_HAS)
        p->stale = kb_realm_str(p->a->realm, user->directory);
}

/* "" when every list behind the group was read again and lacks the person. */
static void
judge_lists(struct proof *p, uint32_t user, const struct kb_reach *reach)
{
    for (int role = 0; role < 2; role++) {
        const struct kb_u32s *rows = role ? &reach->roles : &reach->groups;
        for (uint32_t i = 0; i < rows->len; i++) {
            const struct kb_u32s *again = kc_again(p->a->kc, role, rows->v[i]);
            if (!again)
                say(p, "the lists behind the group could not be read a second time");
            else if (kb_u32s_has(again, user))
                say(p, "contradicted: a second reading of the lists has the person");
            if (p->verdict[0])
                return;
        }
    }
}

/* A group that gives the role, that the cache still shows, and whose list lacks the person: the cause of a role
 * that the cache shows, too. */
static bool
explained(const struct apply *a, const struct kc_check *check, const struct kb_reach *gives)
{
    for (uint32_t i = 0; i < gives->groups.len; i++)
        if (proof_has_id(check->group_ids, check->group_ids_len,
                         kb_realm_str(a->realm, a->realm->groups[gives->groups.v[i]].id)))
            return true;
    return false;
}

/* What the cache shows, now that the lists say otherwise. */
static void
judge_cached(struct proof *p, const struct kc_check *check, struct kb_reach *reach)
{
    const struct apply *a = p->a;
    if (!check->roles_known || !check->groups_known) {
        (void) snprintf(p->verdict, sizeof(p->verdict), "Keycloak could not say what the user has: %.100s",
                        check->note);
        return;
    }
    for (uint32_t i = 0; i < p->managed->bindings_len; i++) {
        const struct kb_binding *b = &a->scope->bindings[p->managed->bindings_start + i];
        if (!proof_binding_holds(a, b, check))
            continue;
        p->stale = kb_realm_str(a->realm, a->realm->users[check->user].directory);
        if (b->role == KB_NONE)
            continue;
        kb_reach_begin(reach);
        kb_reach_role(reach, b->role);
        if (explained(a, check, reach))
            continue;
        p->by_role = true;
        say(p, "contradicted: asked by user, Keycloak says that the person still has it");
        return;
    }
}

int
proof_judge_directory(struct proof *p, const struct kc_check *check, struct kb_error *err)
{
    struct kb_reach reach;
    if (p->a->plan->ops[p->op].cause == KB_CAUSE_DISABLED_IN_DIRECTORY) {
        judge_disabled(p, check);
        return 0;
    }
    int e = kb_reach_init(&reach, p->a->realm, err);
    if (e < 0)
        return e;
    gather(p->a, p->managed, &reach);
    judge_lists(p, check->user, &reach);
    if (!p->verdict[0])
        judge_cached(p, check, &reach);
    kb_reach_done(&reach);
    return 0;
}

/* ---- guard directory_contradicted_percent ---- */

static bool
is_approved(struct apply *a)
{
    for (size_t i = 0; i < a->approvals_len; i++) {
        struct kb_approval *approval = &a->approvals[i];
        if (strcmp(approval->guard, kb_guard_name(KB_GUARD_DIRECTORY_CONTRADICTED_PERCENT)) != 0 ||
            *approval->group || strcmp(approval->fingerprint, a->plan->fingerprint) != 0)
            continue;
        approval->used = true;
        return true;
    }
    return false;
}

static int64_t
people_of(const struct kb_realm *realm, const char *directory)
{
    int64_t people = 0;
    for (uint32_t i = 0; i < realm->users_len; i++)
        people += realm->users[i].username && !(realm->users[i].flags & KB_USER_GONE) &&
                  !strcmp(kb_realm_str(realm, realm->users[i].directory), directory);
    return people;
}

/* Among the guards of the run, in the order of their table. */
static int
add_guard(struct kb_plan *plan, const struct kb_plan_guard *guard, struct kb_error *err)
{
    uint32_t at = 0;
    while (at < plan->run_guards_len && plan->guards[at].id < guard->id)
        at++;
    if (!kb_grow(&plan->guards, &plan->guards_cap, (size_t) plan->guards_len + 1, sizeof(*plan->guards),
                 UINT32_MAX))
        return kb_fail(err, KB_E_NOMEM, "guards");
    memmove(&plan->guards[at + 1], &plan->guards[at], (plan->guards_len - at) * sizeof(*plan->guards));
    plan->guards[at] = *guard;
    plan->guards_len++;
    plan->run_guards_len++;
    for (uint32_t g = 0; g < plan->groups_len; g++)
        plan->groups[g].guards_start += plan->groups[g].guards_len > 0;
    return 0;
}

static int
trip(struct apply *a, const struct proofs *all, const bool *over, int64_t value, struct kb_error *err)
{
    struct kb_plan_guard guard = {.id = KB_GUARD_DIRECTORY_CONTRADICTED_PERCENT,
                                  .scope = KB_SCOPE_RUN,
                                  .percent = true,
                                  .tripped = true,
                                  .approved = is_approved(a),
                                  .limit = a->rules->limits.directory_contradicted_percent,
                                  .value = value};
    for (size_t i = 0; !guard.approved && i < all->len; i++) {
        struct kb_plan_op *op = &a->plan->ops[all->v[i].op];
        if (!over[i] || op->state != KB_OP_READY)
            continue;
        op->state = KB_OP_HELD;
        op->held_by |= 1u << guard.id;
    }
    int e = add_guard(a->plan, &guard, err);
    kb_plan_recount(a->plan);
    return e;
}

int
proof_guard_contradicted(struct apply *a, const struct proofs *all, struct kb_error *err)
{
    const struct kb_limits *limits = &a->rules->limits;
    KB_CLEANUP(kb_free) bool *over = calloc(all->len + 1, sizeof(*over));
    int64_t worst = -1;
    if (!over)
        return kb_fail(err, KB_E_NOMEM, "guards");
    for (size_t i = 0; i < all->len; i++) {
        const char *directory = all->v[i].stale;
        int64_t value = 0, base;
        if (!directory || all->v[i].verdict[0])
            continue;
        for (size_t k = 0; k < all->len; k++)
            value += all->v[k].stale && !all->v[k].verdict[0] && !strcmp(all->v[k].stale, directory);
        base = people_of(a->realm, directory);
        over[i] = kb_guard_exceeds(value, base, limits->directory_contradicted_percent,
                                   limits->directory_contradicted_floor);
        int64_t percent = value * 100 / (base > 0 ? base : 1);
        if (over[i] && percent > worst)
            worst = percent;
    }
    return worst < 0 ? 0 : trip(a, all, over, worst, err);
}
