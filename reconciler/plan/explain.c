#include "base/ban.h"

#include "reconciler/plan/explain.h"

#include "base/str.h"
#include "reconciler/plan/reason.h"

#define GROUPS_MAX (1u << 24)

static int
nomem(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "explain: out of memory");
}

static uint8_t
verdict(const struct kb_explain *x)
{
    return x->user < x->desired->matches_len ? x->desired->matches[x->user].verdict
                                             : (uint8_t) KB_MATCH_NOT_ASKED;
}

const char *
kb_explain_verdict(const struct kb_explain *x)
{
    static const char *const names[] = {
        [KB_MATCHED] = "matched",
        [KB_MATCH_NOT_ASKED] = "not_in_keycloak",
        [KB_MATCH_EXCLUDED] = "excluded",
        [KB_MATCH_DISABLED] = "disabled",
        [KB_MATCH_LOCKED_OUT] = "locked_out",
        [KB_MATCH_UNMATCHED] = "unmatched",
        [KB_MATCH_UNVERIFIED] = "unverified",
        [KB_MATCH_NO_KEY] = "no_key",
        [KB_MATCH_AMBIGUOUS] = "ambiguous",
        [KB_MATCH_UNKNOWN] = "unknown",
        [KB_MATCH_OFF] = "off",
    };
    uint8_t v = verdict(x);

    if (v == KB_MATCH_DISABLED && x->realm->users[x->user].flags & KB_USER_GONE)
        return "deleted";
    return v < KB_LEN(names) && names[v] ? names[v] : "unknown";
}

const char *
kb_explain_words(const struct kb_explain *x)
{
    switch ((enum kb_match_verdict) verdict(x)) {
    case KB_MATCHED:
        return "matched";
    case KB_MATCH_NOT_ASKED:
        return "nobody in Keycloak stands for this name: keybricks puts it nowhere";
    case KB_MATCH_EXCLUDED:
        return "exclude.users names this person: left alone in both directions";
    case KB_MATCH_DISABLED:
        return x->realm->users[x->user].flags & KB_USER_GONE ? "deleted in Keycloak: desires nothing"
                                                             : "disabled in Keycloak: desires nothing";
    case KB_MATCH_LOCKED_OUT:
        return "locked out after failed logins: neither added nor removed";
    case KB_MATCH_UNMATCHED:
        return "Databricks has nobody of that name";
    case KB_MATCH_UNVERIFIED:
        return "the e-mail address is not verified, and match.verified_email_only asks for it";
    case KB_MATCH_NO_KEY:
        return "has nothing of what match.users or match.service_principals compares";
    case KB_MATCH_AMBIGUOUS:
        return "two people in Keycloak for one in Databricks, or the other way round: nobody moves";
    case KB_MATCH_UNKNOWN:
        return "what decides about this person could not be read or is in doubt";
    case KB_MATCH_OFF:
        return "a service account, and match.service_principals is off";
    }
    return "unknown";
}

/* ---- one group ---- */

static bool
in_ledger(const struct kb_explain *x, const struct kb_target_group *group)
{
    return x->principal != KB_NONE && kb_u32s_has(&group->ledger, x->principal);
}

static void
look_in_plan(const struct kb_explain *x, const char *name, struct kb_explain_group *g)
{
    const struct kb_plan *plan = x->plan;
    const char *id =
        x->principal == KB_NONE ? NULL : kb_target_str(x->target, x->target->principals[x->principal].id);
    const char *who =
        x->principal == KB_NONE
            ? x->user == KB_NONE ? "" : kb_realm_str(x->realm, x->realm->users[x->user].username)
            : kb_target_str(x->target, x->target->principals[x->principal].name);
    const char *key = x->user == KB_NONE ? NULL : kb_match_key(x->rules, x->realm, &x->realm->users[x->user]);

    for (uint32_t i = 0; id && i < plan->groups_len; i++) {
        const struct kb_plan_group *pg = &plan->groups[i];
        for (uint32_t k = pg->ops_start; k < pg->ops_start + pg->ops_len; k++)
            if (!strcmp(kb_plan_str(plan, pg->name), name) && !strcmp(kb_plan_str(plan, plan->ops[k].id), id))
                g->op = k;
    }
    for (uint32_t i = 0; i < plan->left_len; i++) {
        const struct kb_left_alone *l = &plan->left[i];
        const char *left = kb_plan_str(plan, l->name);
        if (!strcmp(kb_plan_str(plan, l->group), name) && *left &&
            (!kb_ascii_casecmp(left, who) || (key && !kb_ascii_casecmp(left, key))))
            g->note = kb_plan_str(plan, l->note);
    }
}

static void
look(const struct kb_explain *x, uint32_t managed, struct kb_explain_group *g)
{
    const struct kb_desired_group *d = &x->desired->groups[managed];
    const char *name = x->scope->managed[managed].name;

    *g = (struct kb_explain_group){.managed = managed,
                                   .group = kb_target_group_named(x->target, name),
                                   .frozen = d->frozen_note,
                                   .path = KB_NONE,
                                   .op = KB_NONE};
    g->holds = x->user != KB_NONE && kb_u32s_has(&d->users, x->user);
    g->desired = g->holds && verdict(x) == KB_MATCHED && kb_u32s_has(&d->principals, x->principal);
    g->present = KB_PRESENT_NO;
    if (g->group != KB_NONE) {
        const struct kb_target_group *group = &x->target->groups[g->group];
        g->ledger = in_ledger(x, group);
        if (group->from == KB_MEMBERS_NONE)
            g->present = KB_PRESENT_UNKNOWN;
        else if (x->principal != KB_NONE && kb_u32s_has(&group->members, x->principal))
            g->present = KB_PRESENT_YES;
    }
    look_in_plan(x, name, g);
}

static int
find_paths(struct kb_explain *x, struct kb_reason_index *index, struct kb_explain_group *g,
           struct kb_error *err)
{
    struct kb_plan_op op = {.op = KB_OP_ADD, .cause = KB_CAUSE_GRANTED};
    int r;

    if (!g->holds)
        return 0;
    op.source_id = kb_pool_adds(&x->paths.pool, kb_realm_str(x->realm, x->realm->users[x->user].id));
    if (op.source_id == KB_NONE || !kb_grow(&x->paths.ops, &x->paths.ops_cap, (size_t) x->paths.ops_len + 1,
                                            sizeof(*x->paths.ops), GROUPS_MAX))
        return nomem(err);
    r = kb_reason_find(index, g->managed, x->user, &x->paths, &op.reasons_start, &op.reasons_len, err);
    if (r < 0)
        return r;
    g->path = x->paths.ops_len;
    x->paths.ops[x->paths.ops_len++] = op;
    return 0;
}

int
kb_explain_make(struct kb_explain *x, uint32_t group, struct kb_error *err)
{
    KB_CLEANUP(kb_reason_index) struct kb_reason_index *index = NULL;
    int r = kb_reason_index_new(x->scope, x->realm, &index, err);

    if (r < 0)
        return r;
    x->groups = calloc((size_t) x->scope->managed_len + 1, sizeof(*x->groups));
    if (!x->groups)
        return nomem(err);
    for (uint32_t m = 0; r >= 0 && m < x->scope->managed_len; m++) {
        struct kb_explain_group *g = &x->groups[x->groups_len];
        if (group != KB_NONE && m != group)
            continue;
        look(x, m, g);
        if (group == KB_NONE && !g->holds && !g->ledger && g->op == KB_NONE && !g->note &&
            g->present != KB_PRESENT_YES) {
            x->others++;
            continue;
        }
        x->groups_len++;
        r = find_paths(x, index, g, err);
    }
    return r;
}

void
kb_explain_done(struct kb_explain *x)
{
    kb_plan_done(&x->paths);
    free(x->groups);
    x->groups = NULL;
}

/* ---- who is meant ---- */

static bool
is(const char *key, const char *text)
{
    return *text && !kb_ascii_casecmp(key, text);
}

bool
kb_explain_users(const struct kb_realm *realm, const char *key, struct kb_u32s *ret)
{
    for (uint32_t i = 0; i < realm->users_len; i++) {
        const struct kb_user *u = &realm->users[i];
        bool fits = is(key, kb_realm_str(realm, u->id)) || is(key, kb_realm_str(realm, u->username)) ||
                    is(key, kb_realm_str(realm, u->email));
        if (fits && !kb_u32s_add(ret, i))
            return false;
    }
    return true;
}

bool
kb_explain_principals(const struct kb_target *target, const char *key, struct kb_u32s *ret)
{
    for (uint32_t i = 0; i < target->principals_len; i++) {
        const struct kb_principal *p = &target->principals[i];
        bool fits = is(key, kb_target_str(target, p->id)) || is(key, kb_target_str(target, p->name));
        if (fits && !kb_u32s_add(ret, i))
            return false;
    }
    return true;
}

int
kb_explain_nearest(const struct kb_realm *realm, const struct kb_target *target, const char *key,
                   const char **ret, struct kb_error *err)
{
    size_t len = 0, cap = (size_t) realm->users_len * 2 + target->principals_len;
    KB_CLEANUP(kb_free) const char **names = calloc(cap + 1, sizeof(*names));

    *ret = NULL;
    if (!names)
        return nomem(err);
    for (uint32_t i = 0; i < realm->users_len; i++) {
        names[len++] = kb_realm_str(realm, realm->users[i].username);
        names[len++] = kb_realm_str(realm, realm->users[i].email);
    }
    for (uint32_t i = 0; i < target->principals_len; i++)
        names[len++] = kb_target_str(target, target->principals[i].name);
    *ret = kb_nearest(key, names, len);
    return 0;
}
