/* reconciler/plan/desired.h: the set of (managed group, principal) that realm and rules ask for.
 *
 * Why:    the only place that decides who belongs where. Pure.
 * Owns:   struct kb_desired owns its arrays (kb_desired_done); it borrows realm, target, rules, scope.
 * Doubts: a group is frozen unless all of this is KB_READ_COMPLETE: groups_read; for a group that a role
 * decides also roles_read, children_read of every composite realm role (a client role's may be denied),
 * holders_read of every role in Up and groups_read of the client roles among them, clients_read for a
 * client_role rule (else not asked or denied is fine); members_read of every group that counts. Source:
 * interface.md section 3 "Identity", "Disabled"; keycloak-api.md 2.1.
 */
#ifndef KB_PLAN_DESIRED_H
#define KB_PLAN_DESIRED_H

#include "model/target.h"
#include "reconciler/plan/match.h"
#include "reconciler/plan/scope.h"

struct kb_desired_group {
    uint32_t managed;     /* scope index, same order */
    struct kb_u32s users; /* realm user indices that hold it effectively, sorted; whatever their verdict */
    struct kb_u32s principals; /* target principal indices, sorted: matched and enabled users only */
    char
        *frozen_note; /* NULL: trusted. Otherwise why nothing may be done: "role X: holders failed (403)" … */
    char *gone_note; /* NULL, or the role or path behind it that is missing (gone.h) */
};

struct kb_desired {
    struct kb_user_match *matches;   /* by realm user index */
    struct kb_near *near;            /* see struct kb_matches; kb_match_near finds one */
    struct kb_desired_group *groups; /* same length and order as scope->managed */
    /* Target principals, sorted, that a user who is excluded, locked out, ambiguous or unknown is or may be
     * (by key, or as the ledger remembers): never removed and never added by anyone, in any group. */
    struct kb_u32s doubtful;
    uint32_t matches_len, groups_len, near_len;
    uint32_t users_behind;   /* distinct effective people behind all rules */
    uint32_t objects_behind; /* distinct existing roles and groups behind all rules */
    uint64_t memberships;    /* effective, summed over groups */
};

int kb_desired_make(const struct kb_rules *rules, const struct kb_scope *scope, const struct kb_realm *realm,
                    const struct kb_target *target, struct kb_desired *ret, struct kb_error *err);
void kb_desired_done(struct kb_desired *desired);

#endif
