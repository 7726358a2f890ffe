/* reconciler/plan/scope.h: which roles and groups the rules name, and which lists must be read for them.
 *
 * Why:    the reader needs to know what to read, the planner what each managed group depends on; both ask
 * here, so they cannot disagree. Pure: no clock, no network, no database, no log. Owns:   struct kb_scope
 * owns its arrays (kb_scope_done); it borrows rules and realm. Source: interface.md section 3 (rules),
 * keycloak-api.md 2.1 (effective role members), 1.5 (cheapest complete pull).
 */
#ifndef KB_PLAN_SCOPE_H
#define KB_PLAN_SCOPE_H

#include "base/error.h"
#include "model/known.h"
#include "model/realm.h"
#include "model/rules.h"

/* One (rule, object) pair: this role or group decides members of that managed group. */
struct kb_binding {
    const struct kb_rule *rule;
    uint32_t managed; /* index into kb_scope.managed */
    uint32_t role;    /* realm role index or KB_NONE */
    uint32_t group;   /* realm group index or KB_NONE */
    bool gone; /* the rule names an object that the realm does not have (role and group KB_NONE); when the
                  catalog was not read completely that is a doubt: see kb_desired_group.frozen_note */
};

struct kb_managed {
    char name[256]; /* Databricks displayName */
    bool create, privileged, adopt_external;
    unsigned min_members;
    enum kb_foreign foreign;
    uint32_t bindings_start, bindings_len; /* bindings are sorted by managed group */
    bool ambiguous_path; /* a rule's path fits several realm groups (names with '/'): frozen */
};

struct kb_scope {
    struct kb_managed *managed; /* sorted by name, bytewise */
    struct kb_binding *bindings;
    uint32_t managed_len, bindings_len;
    size_t managed_cap, bindings_cap;
    const struct kb_known *known; /* what was bound before; NULL: nothing is remembered */
};

/* Needs roles, groups and composites in the realm. Sets role->wanted and group->wanted of what must be read:
 * for a role R every role in Up(R) and every group at or below one that carries such a role; for a path the
 * group, with subgroups its descendants. `target` picks the rules; several calls (one a target) add up in
 * `wanted`. KB_E_CONFIG: a group named by two rules that disagree after {n} was filled in, or a name that is
 * empty or too long. exclude.roles and exclude.paths are exact names or globs and take effect on globs only:
 * a rule that names its role or path means it. */
int kb_scope_resolve(const struct kb_rules *rules, const char *target, struct kb_realm *realm,
                     struct kb_scope *ret, struct kb_error *err);
void kb_scope_done(struct kb_scope *scope);

/* "Scope over time": a group of the target that still has ledger rows and that a glob rule would name again
 * if its role or path came back stays managed, with a gone binding, so that guard source_object_gone decides.
 * Returns 1 when `name` is managed now (before or by this call), 0 when no rule names it: it is released. */
int kb_scope_keep(const struct kb_rules *rules, const char *target, const char *name, struct kb_scope *scope,
                  struct kb_error *err);

#endif
