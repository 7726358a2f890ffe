/* match.missing_users = "create": people who hold a managed group and whom Databricks does not know get a
 * principal that does not exist yet, so that plan, guards, approvals and report treat them like others
 * (docs/decisions/0009). */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/str.h"
#include "reconciler/plan/match.h"

#define NAME_MAX_LEN 255

/* Databricks wants an e-mail address as userName (databricks-api.md 2.3). */
static bool
is_address(const char *key)
{
    const char *at = strchr(key, '@');
    return at && at != key && at[1] && !strchr(at + 1, '@') && strlen(key) <= NAME_MAX_LEN &&
           !strchr(key, ' ') && !kb_has_control(key);
}

static bool
holds_a_group(const struct kb_desired *desired, uint32_t user)
{
    for (uint32_t g = 0; g < desired->groups_len; g++)
        if (kb_u32s_has(&desired->groups[g].users, user))
            return true;
    return false;
}

static int
add_user(struct run_target *t, uint32_t user, const char *key, struct kb_error *err)
{
    const struct kb_realm *realm = &t->run->realm;
    const struct kb_user *u = &realm->users[user];
    struct kb_target *target = &t->target;
    KB_CLEANUP(kb_free) char *id = kb_asprintf("%s%s", KB_PRINCIPAL_NEW, kb_realm_str(realm, u->id));
    if (!id)
        return kb_fail(err, KB_E_NOMEM, "new user");
    uint32_t p = kb_target_principal_add(target, id);
    kb_text name = kb_pool_adds(&target->pool, key);
    if (p == KB_NONE || name == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "new user");
    struct kb_principal *pr = &target->principals[p];
    pr->name = name;
    pr->kind = KB_PRINCIPAL_USER;
    pr->active = pr->listed = true;
    return 0;
}

/* Only with a listing of this run: the snapshot may lack somebody who is there. */
int
run_users_new(struct run_target *t, bool *ret_added, struct kb_error *err)
{
    const struct run *run = t->run;
    int e = 0;
    *ret_added = false;
    if (!run->config->rules.match.create_missing_users || run->opts.refresh == RUN_REFRESH_NEVER)
        return 0;
    for (uint32_t u = 0; e >= 0 && u < t->desired.matches_len; u++) {
        const struct kb_user *user = &run->realm.users[u];
        const char *key = kb_match_key(&run->config->rules, &run->realm, user);
        if (t->desired.matches[u].verdict != KB_MATCH_UNMATCHED || user->flags & KB_USER_SERVICE_ACCOUNT ||
            !key || !is_address(key) || !holds_a_group(&t->desired, u) ||
            kb_match_near(t->desired.near, t->desired.near_len,
                          u)) /* looks like somebody: a person decides */
            continue;
        e = add_user(t, u, key, err);
        *ret_added = true;
    }
    return e;
}

void
run_users_forget(struct run_target *t)
{
    for (uint32_t p = 0; p < t->target.principals_len; p++)
        if (kb_principal_is_new(kb_target_str(&t->target, t->target.principals[p].id)))
            t->target.principals[p].listed = false;
}
