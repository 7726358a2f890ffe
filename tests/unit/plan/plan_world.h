/* tests/unit/plan/plan_world.h: a small realm, scope and target, put together by hand, for the planner's
 * tests.
 *
 * Why: the planner is tested alone: what matching and the resolution of roles would say is written down here.
 * Rows are added in the order of the calls, so a test may shuffle them.
 */
#ifndef KB_TEST_PLAN_WORLD_H
#define KB_TEST_PLAN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "reconciler/plan/file.h"
#include "reconciler/plan/guards.h"
#include "reconciler/plan/planner.h"

#include <stdio.h>
#include <string.h>

#define WORLD_GROUPS_MAX 16

struct world {
    struct kb_rules rules;
    struct kb_rule rule; /* behind every binding */
    struct kb_scope scope;
    struct kb_realm realm;
    struct kb_target target;
    struct kb_desired desired;
    struct kb_plan_input in;
    struct kb_plan plan;
    struct kb_plan_needs needs;
    struct kb_error err;
};

static inline void
world_init(struct world *w)
{
    *w = (struct world){0};
    kb_target_init(&w->target);
    w->target.name = kb_pool_adds(&w->target.pool, "acme");
    w->target.level = kb_pool_adds(&w->target.pool, "account");
    w->target.host = kb_pool_adds(&w->target.pool, "https://accounts.example");
    w->target.users_read.status = w->target.services_read.status = w->target.groups_read.status =
        KB_READ_COMPLETE;
    w->realm.issuer = kb_pool_adds(&w->realm.pool, "https://sso.example/realms/acme");
    memcpy(w->rules.digest, "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 72);
    w->rule = (struct kb_rule){.number = 1, .kind = KB_RULE_ROLE, .object = "r", .group = "g"};
    w->scope.managed = calloc(WORLD_GROUPS_MAX, sizeof(*w->scope.managed));
    w->desired.groups = calloc(WORLD_GROUPS_MAX, sizeof(*w->desired.groups));
    w->desired.matches = calloc(4096, sizeof(*w->desired.matches));
    assert_true(w->scope.managed && w->desired.groups && w->desired.matches);
    w->in = (struct kb_plan_input){.run_id = "0198c0de-0000-7000-8000-000000000001",
                                   .tool = "keybricks 1.0.0",
                                   .at_s = 1795413600,
                                   .applied_rules_digest = ""};
}

static inline void
world_forget(struct world *w)
{
    kb_plan_done(&w->plan);
    kb_plan_needs_done(&w->needs);
    w->plan = (struct kb_plan){0};
}

static inline void
world_done(struct world *w)
{
    world_forget(w);
    kb_scope_done(&w->scope);
    kb_desired_done(&w->desired);
    kb_realm_done(&w->realm);
    kb_target_done(&w->target);
}

static inline uint32_t
world_principal(struct world *w, const char *id, const char *name)
{
    uint32_t p = kb_target_principal_add(&w->target, id);

    assert_int_not_equal(p, KB_NONE);
    w->target.principals[p].name = kb_pool_adds(&w->target.pool, name);
    w->target.principals[p].active = w->target.principals[p].listed = true;
    return p;
}

/* An enabled user who is the principal (KB_NONE: nobody in the target). */
static inline uint32_t
world_user(struct world *w, const char *id, const char *email, uint32_t principal)
{
    uint32_t u = kb_realm_user_add(&w->realm, id);

    assert_int_not_equal(u, KB_NONE);
    w->realm.users[u].email = w->realm.users[u].username = kb_pool_adds(&w->realm.pool, email);
    w->realm.users[u].flags = KB_USER_ENABLED;
    w->desired.matches[u] = (struct kb_user_match){
        .verdict = principal == KB_NONE ? KB_MATCH_UNMATCHED : KB_MATCHED, .principal = principal};
    w->desired.matches_len = w->realm.users_len;
    return u;
}

/* The user belongs to a directory of this enum kb_directory_status. */
static inline void
world_directory(struct world *w, uint32_t user, int status)
{
    uint32_t d = kb_realm_directory_add(&w->realm, "ldap");

    assert_int_not_equal(d, KB_NONE);
    w->realm.directories[d].status = (uint8_t) status;
    w->realm.directories[d].name = kb_pool_adds(&w->realm.pool, "corp");
    w->realm.directories[d].listed = true;
    w->realm.users[user].directory = w->realm.directories[d].id;
}

/* Managed groups must be added sorted by name. */
static inline uint32_t
world_managed(struct world *w, const char *name)
{
    uint32_t m = w->scope.managed_len++;

    (void) snprintf(w->scope.managed[m].name, sizeof(w->scope.managed[m].name), "%s", name);
    w->desired.groups[m].managed = m;
    w->desired.groups_len = w->scope.managed_len;
    return m;
}

static inline uint32_t
world_group(struct world *w, const char *id, const char *name)
{
    uint32_t g = kb_target_group_add(&w->target, id);

    assert_int_not_equal(g, KB_NONE);
    assert_true(kb_target_group_set_name(&w->target, g, name));
    w->target.groups[g].listed = true;
    w->target.groups[g].from = KB_MEMBERS_NOW;
    w->target.groups[g].read.status = KB_READ_COMPLETE;
    return g;
}

static inline void
world_hold(struct world *w, uint32_t managed, uint32_t user)
{
    struct kb_desired_group *group = &w->desired.groups[managed];

    assert_true(kb_u32s_add(&group->users, user));
    kb_u32s_sort_unique(&group->users);
    if (w->desired.matches[user].verdict == KB_MATCHED) {
        assert_true(kb_u32s_add(&group->principals, w->desired.matches[user].principal));
        kb_u32s_sort_unique(&group->principals);
    }
}

static inline void
world_member(struct world *w, uint32_t group, uint32_t principal)
{
    assert_true(kb_u32s_add(&w->target.groups[group].members, principal));
    kb_u32s_sort_unique(&w->target.groups[group].members);
}

static inline void
world_ledger(struct world *w, uint32_t group, uint32_t principal, const char *user_id)
{
    struct kb_target_group *g = &w->target.groups[group];
    uint32_t at = 0;

    while (at < g->ledger.len && g->ledger.v[at] < principal)
        at++;
    assert_true(kb_u32s_add(&g->ledger, 0) && kb_u32s_add(&g->ledger_user, 0));
    for (uint32_t i = g->ledger.len - 1; i > at; i--) {
        g->ledger.v[i] = g->ledger.v[i - 1];
        g->ledger_user.v[i] = g->ledger_user.v[i - 1];
    }
    g->ledger.v[at] = principal;
    g->ledger_user.v[at] = kb_pool_adds(&w->target.pool, user_id);
}

static inline void
world_plan(struct world *w)
{
    world_forget(w);
    w->in.rules = &w->rules;
    w->in.scope = &w->scope;
    w->in.realm = &w->realm;
    w->in.target = &w->target;
    w->in.desired = &w->desired;
    if (kb_plan_make(&w->in, &w->plan, &w->needs, &w->err) < 0)
        fail_msg("kb_plan_make: %s", w->err.msg);
}

static inline const char *
world_group_id(const struct world *w, uint32_t group)
{
    return kb_target_str(&w->target, w->target.groups[group].id);
}

static inline const char *
world_principal_id(const struct world *w, uint32_t principal)
{
    return kb_target_str(&w->target, w->target.principals[principal].id);
}

static inline const char *
world_str(const struct world *w, kb_text text)
{
    return kb_plan_str(&w->plan, text);
}

/* Entries of one list; *ret_first the first of them. */
static inline unsigned
world_left(const struct world *w, enum kb_left list, const struct kb_left_alone **ret_first)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < w->plan.left_len; i++) {
        if (w->plan.left[i].list == list && !count++ && ret_first)
            *ret_first = &w->plan.left[i];
    }
    return count;
}

#endif
