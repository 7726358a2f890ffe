/* Absence needs proof (I2): every ready removal is checked at a second, different endpoint of Keycloak before
 * anything is written.
 *
 * A removal is proven when one of these holds, asked now:
 *   - the user is disabled, and not by a lockout;
 *   - the effective roles and the groups of the user, asked from the user's side, both lack what the rules
 * name;
 *   - the user is gone: Keycloak's own 404, after the realm answered;
 *   - foreign members: nobody of that name exists, or only people who pass one of the above.
 * People of a directory: proof_directory.c. Source: interface.md section 3 "Proof of absence", "Directories". */
#include "base/ban.h"

#include "reconciler/apply/proof.h"

#include "base/log.h"
#include "reconciler/plan/planner.h"

bool
proof_has_id(char *const *ids, size_t len, const char *id)
{
    for (size_t i = 0; i < len; i++)
        if (!strcmp(ids[i], id))
            return true;
    return false;
}

/* Is group `g` the group `top`, or below it? */
static bool
at_or_below(const struct kb_realm *realm, uint32_t g, uint32_t top)
{
    for (unsigned depth = 0; g != KB_NONE && depth < 1000; depth++) {
        if (g == top)
            return true;
        g = realm->groups[g].parent;
    }
    return false;
}

bool
proof_binding_holds(const struct apply *a, const struct kb_binding *b, const struct kc_check *check)
{
    const struct kb_realm *realm = a->realm;
    if (b->role != KB_NONE)
        return proof_has_id(check->role_ids, check->role_ids_len,
                            kb_realm_str(realm, realm->roles[b->role].id));
    for (size_t i = 0; b->group != KB_NONE && i < check->group_ids_len; i++) {
        uint32_t g = kb_realm_group(realm, check->group_ids[i]);
        if (g == b->group || (b->rule->subgroups && at_or_below(realm, g, b->group)))
            return true;
    }
    return false;
}

/* The user's own endpoints show a role or group that the reading of the realm does not have: that reading was short, and a rule whose
 * object it lacks must not be taken for one whose object is gone. */
static bool
reading_is_short(const struct apply *a, const struct kc_check *check)
{
    for (size_t i = 0; i < check->role_ids_len; i++)
        if (kb_realm_role(a->realm, check->role_ids[i]) == KB_NONE)
            return true;
    for (size_t i = 0; i < check->group_ids_len; i++)
        if (kb_realm_group(a->realm, check->group_ids[i]) == KB_NONE)
            return true;
    return false;
}

/* Sets *ret_still when Keycloak says that the person still belongs there; false: it cannot be told. */
static bool
lacks_everything(struct proof *p, const struct kc_check *check, bool *ret_still)
{
    const struct apply *a = p->a;
    *ret_still = false;
    if (!check->roles_known || !check->groups_known)
        return false;
    for (uint32_t i = 0; i < p->managed->bindings_len; i++) {
        if (proof_binding_holds(a, &a->scope->bindings[p->managed->bindings_start + i], check)) {
            *ret_still = true;
            p->by_role = a->scope->bindings[p->managed->bindings_start + i].role != KB_NONE;
            return true;
        }
    }
    return true;
}

static int
judge(struct proof *p, const struct kc_check *check, struct kb_error *err)
{
    const char *directory = proof_directory(p, check);
    bool still = false;
    p->verdict[0] = 0;
    p->contradicted = false;
    if (proof_directory_forbids(p, directory, check->exists == KC_HAS_NOT) || check->exists == KC_HAS_NOT)
        return 0;
    if (check->exists == KC_UNKNOWN)
        (void) snprintf(p->verdict, sizeof(p->verdict),
                        "Keycloak could not say whether the user exists: %.100s", check->note);
    else if (check->locked_out)
        (void) snprintf(p->verdict, sizeof(p->verdict), "locked out, which is no decision about access");
    else if (check->enabled == KC_HAS_NOT)
        return 0;
    else if ((p->contradicted = reading_is_short(p->a, check)))
        (void) snprintf(p->verdict, sizeof(p->verdict),
                        "has a role or group that the reading of the realm lacks");
    else if (*directory)
        return proof_judge_directory(p, check, err);
    else if (!lacks_everything(p, check, &still))
        (void) snprintf(p->verdict, sizeof(p->verdict), "Keycloak could not say what the user has: %.100s",
                        check->note);
    else if ((p->contradicted = still))
        (void) snprintf(p->verdict, sizeof(p->verdict),
                        "contradicted: asked by user, Keycloak says that the person still has it");
    return 0;
}

/* A name may stand for several people: the first who speaks against the removal decides. */
static int
judge_name(struct proof *p, const struct question *q, struct kb_error *err)
{
    const struct kc_find *find = &q->find;
    int e = 0;

    if (find->found == KC_UNKNOWN)
        (void) snprintf(p->verdict, sizeof(p->verdict), "Keycloak could not be asked for that name: %.100s",
                        find->note);
    else if (find->found == KC_HAS_NOT || (find->ids_len && q->people_len == find->ids_len))
        p->verdict[0] = 0;
    if (find->found == KC_HAS_NOT)
        (void) proof_any_directory_forbids(p);
    for (size_t i = 0; e >= 0 && i < q->people_len && !p->verdict[0]; i++) {
        if (q->people[i]->answered)
            e = judge(p, &q->people[i]->check, err);
        else
            (void) snprintf(p->verdict, sizeof(p->verdict), "Keycloak did not answer every question");
    }
    return e;
}

static int
judge_answer(struct proof *p, struct kb_error *err)
{
    const struct question *q = p->question;

    if (!q || !q->answered)
        return 0;
    return q->check.user_id ? judge(p, &q->check, err) : judge_name(p, q, err);
}

static const struct kb_managed *
managed_of(const struct apply *a, const char *name)
{
    for (uint32_t i = 0; i < a->scope->managed_len; i++)
        if (!strcmp(a->scope->managed[i].name, name))
            return &a->scope->managed[i];
    return NULL;
}

static int
start(struct proof *p, struct questions *all, struct kb_error *err)
{
    const struct kb_plan *plan = p->a->plan;
    const struct kb_plan_op *op = &plan->ops[p->op];
    (void) snprintf(p->verdict, sizeof(p->verdict), "Keycloak did not answer");
    if (!p->managed) {
        (void) snprintf(p->verdict, sizeof(p->verdict), "the group has no rule");
        return 0;
    }
    enum question_kind kind = op->source_id                      ? QUESTION_USER_ID
                              : op->kind == KB_PRINCIPAL_SERVICE ? QUESTION_SERVICE_NAME
                                                                 : QUESTION_USER_NAME;
    struct question *q = NULL;
    int e = questions_ask(all, kind, kb_plan_str(plan, op->source_id ? op->source_id : op->name), &q, err);
    p->question = q;
    return e;
}

/* ---- what is not proven ---- */

static int
compare_left(const void *a, const void *b, void *pool)
{
    const struct kb_left_alone *x = a, *y = b;
    if (x->list != y->list)
        return x->list < y->list ? -1 : 1;
    int c = strcmp(kb_pool_str(pool, x->group), kb_pool_str(pool, y->group));
    if (!c)
        c = strcmp(kb_pool_str(pool, x->name), kb_pool_str(pool, y->name));
    return c ? c : strcmp(kb_pool_str(pool, x->note), kb_pool_str(pool, y->note));
}

static int
leave_out(struct apply *a, const struct proof *p, uint32_t group, struct kb_error *err)
{
    struct kb_plan *plan = a->plan;
    struct kb_plan_op *op = &plan->ops[p->op];
    if (op->state == KB_OP_FROZEN) /* for another reason, which stands there */
        return 0;
    kb_text note = kb_pool_adds(&plan->pool, p->verdict);
    if (note == KB_NONE ||
        !kb_grow(&plan->left, &plan->left_cap, plan->left_len + 1, sizeof(*plan->left), UINT32_MAX))
        return kb_fail(err, KB_E_NOMEM, "plan");
    op->state = KB_OP_FROZEN;
    op->note = note;
    plan->left[plan->left_len++] = (struct kb_left_alone){
        .list = KB_LEFT_UNPROVEN, .group = plan->groups[group].name, .name = op->name, .note = note};
    a->unproven++;
    return 0;
}

/* A list that hides one person may hide others, or be of another moment: nothing of the group is done. */
static int
freeze(struct apply *a, uint32_t group, struct kb_error *err)
{
    static const char why[] = "a person's own record contradicts the lists that decide this group";
    struct kb_plan *plan = a->plan;
    const struct kb_plan_group *g = &plan->groups[group];
    kb_text note = kb_pool_adds(&plan->pool, why);

    for (uint32_t i = 0; i < plan->left_len; i++)
        if (plan->left[i].list == KB_LEFT_FROZEN && plan->left[i].group == g->name)
            return 0;
    if (note == KB_NONE ||
        !kb_grow(&plan->left, &plan->left_cap, plan->left_len + 1, sizeof(*plan->left), UINT32_MAX))
        return kb_fail(err, KB_E_NOMEM, "plan");
    for (uint32_t i = g->ops_start; i < g->ops_start + g->ops_len; i++) {
        if (plan->ops[i].state == KB_OP_READY) {
            plan->ops[i].state = KB_OP_FROZEN;
            plan->ops[i].note = note;
        }
    }
    plan->left[plan->left_len++] =
        (struct kb_left_alone){.list = KB_LEFT_FROZEN, .group = g->name, .note = note};
    return 0;
}

/* Without view-clients the lists cannot show who holds a role through a client's role, and the second endpoint
 * can: such a removal is no doubt but an error of the lists that is expected, and the person stays without a
 * word about them (interface, "Client roles"). */
static bool
explained(const struct apply *a, const struct proof *p)
{
    return p->by_role && a->realm->client_composites_unread;
}

/* Takes the operations marked in `gone` out of the plan, and groups of which nothing is left. */
static void
take_out(struct kb_plan *plan, const bool *gone)
{
    uint32_t ops = 0, groups = 0;

    for (uint32_t g = 0; g < plan->groups_len; g++) {
        struct kb_plan_group group = plan->groups[g];
        uint32_t start = ops, end = group.ops_start + group.ops_len;
        for (uint32_t i = group.ops_start; i < end; i++)
            if (!gone[i])
                plan->ops[ops++] = plan->ops[i];
        group.ops_start = start;
        group.ops_len = ops - start;
        if (group.ops_len || group.guards_len || group.create)
            plan->groups[groups++] = group;
    }
    plan->ops_len = ops;
    plan->groups_len = groups;
}

static uint32_t
group_of(const struct kb_plan *plan, uint32_t op)
{
    for (uint32_t g = 0; g < plan->groups_len; g++)
        if (op >= plan->groups[g].ops_start && op < plan->groups[g].ops_start + plan->groups[g].ops_len)
            return g;
    return 0;
}

static int
collect_clients(const struct apply *a, struct questions *all)
{
    all->clients = calloc((size_t) a->scope->bindings_len + 1, sizeof(*all->clients));
    if (!all->clients)
        return -1;
    for (uint32_t i = 0; i < a->scope->bindings_len; i++) {
        uint32_t role = a->scope->bindings[i].role;
        if (role == KB_NONE || !a->realm->roles[role].client_role)
            continue;
        const char *uuid = kb_realm_str(a->realm, a->realm->roles[role].container);
        bool known = false;
        for (size_t k = 0; k < all->clients_len; k++)
            known |= !strcmp(all->clients[k], uuid);
        if (!known)
            all->clients[all->clients_len++] = uuid;
    }
    return 0;
}

static int
make_proofs(struct apply *a, struct proofs *all, struct kb_error *err)
{
    struct kb_plan *plan = a->plan;
    all->v = calloc((size_t) plan->ops_len + 1, sizeof(*all->v));
    if (!all->v || collect_clients(a, &all->questions) < 0)
        return kb_fail(err, KB_E_NOMEM, "proofs");
    for (uint32_t g = 0; g < plan->groups_len; g++) {
        const struct kb_plan_group *pg = &plan->groups[g];
        const struct kb_managed *managed = managed_of(a, kb_plan_str(plan, pg->name));
        for (uint32_t i = pg->ops_start; i < pg->ops_start + pg->ops_len; i++) {
            const struct kb_plan_op *op = &plan->ops[i];
            if (op->op == KB_OP_REMOVE && op->state == KB_OP_READY && op->cause != KB_CAUSE_UNDO)
                all->v[all->len++] = (struct proof){.a = a, .op = i, .managed = managed};
        }
    }
    return 0;
}

static int
leave_out_all(struct apply *a, const struct proofs *all, struct kb_error *err)
{
    uint32_t unproven = a->unproven, contradicted = a->contradicted;
    KB_CLEANUP(kb_free) bool *gone = calloc((size_t) a->plan->ops_len + 1, sizeof(*gone));
    int e = 0;

    if (!gone)
        return kb_fail(err, KB_E_NOMEM, "proofs");
    for (size_t i = 0; e >= 0 && i < all->len; i++) {
        struct proof *p = &all->v[i];
        if (!p->verdict[0])
            continue;
        if (explained(a, p)) {
            gone[p->op] = true;
            a->contradicted++;
        } else {
            e = leave_out(a, p, group_of(a->plan, p->op), err);
        }
    }
    for (size_t i = 0; e >= 0 && i < all->len; i++)
        if (all->v[i].contradicted && !explained(a, &all->v[i]))
            e = freeze(a, group_of(a->plan, all->v[i].op), err);
    if (e < 0 || (a->unproven == unproven && a->contradicted == contradicted))
        return e;
    if (a->contradicted != contradicted) {
        take_out(a->plan, gone);
        KB_LOG(
            KB_LOG_WARN, "removals_dropped", (KB_FN("removals", a->contradicted - contradicted)),
            "%u removals dropped: asked by user, Keycloak says that the person still has the role; without "
            "view-clients its lists do not show it",
            a->contradicted - contradicted);
    }
    if (a->plan->left_len)
        qsort_r(a->plan->left, a->plan->left_len, sizeof(*a->plan->left), compare_left, &a->plan->pool);
    kb_plan_recount(a->plan);
    return 0;
}

int
apply_prove(struct apply *a, struct kb_error *err)
{
    struct proofs all = {.questions.kc = a->kc}, unique = {0};
    int e = make_proofs(a, &all, err);
    for (size_t i = 0; e >= 0 && i < all.len; i++)
        e = start(&all.v[i], &all.questions, err);
    if (e >= 0)
        e = proof_unique_ask(a, &all.questions, &unique, err);
    if (e >= 0 && (all.len || unique.len))
        e = kb_http_run(a->http, err);
    if (e >= 0 && all.questions.failed.code) {
        *err = all.questions.failed;
        e = -(int) err->code;
    }
    if (e >= 0 && all.len)
        e = proof_read_again(a, &all, err);
    if (e >= 0)
        e = proof_name_directories(a, err);
    for (size_t i = 0; e >= 0 && i < all.len; i++)
        e = judge_answer(&all.v[i], err);
    if (e >= 0)
        e = proof_guard_contradicted(a, &all, err);
    if (e >= 0) /* before the proofs are acted on: they renumber the operations */
        proof_unique_judge(&unique);
    if (e >= 0)
        e = leave_out_all(a, &unique, err);
    if (e >= 0)
        e = leave_out_all(a, &all, err);
    questions_done(&all.questions);
    free(unique.v);
    free(all.v);
    return e;
}
