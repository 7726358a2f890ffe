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
#include "reconciler/plan/scope.h"

/* Who is behind a user, judged once for all groups. */
enum kb_match_verdict {
    KB_MATCHED,
    KB_MATCH_NOT_ASKED,
    KB_MATCH_EXCLUDED,   /* exclude.users: left alone in both directions */
    KB_MATCH_DISABLED,   /* disabled, or looked up and gone (KB_USER_GONE): desires nothing */
    KB_MATCH_LOCKED_OUT, /* left alone */
    KB_MATCH_UNMATCHED,  /* no principal of that name */
    KB_MATCH_UNVERIFIED, /* match.verified_email_only */
    KB_MATCH_NO_KEY,     /* no e-mail, no attribute: nothing to compare */
    KB_MATCH_AMBIGUOUS,  /* two users for one principal or two principals for one user */
    KB_MATCH_UNKNOWN,    /* the detail that decides could not be read */
    KB_MATCH_OFF,        /* service accounts with match.service_principals = "off" */
};

struct kb_user_match {
    uint8_t verdict;    /* enum kb_match_verdict */
    uint32_t principal; /* target index of the only candidate, whatever the verdict (the first one for
                           AMBIGUOUS), or KB_NONE */
};

struct kb_desired_group {
    uint32_t managed;     /* scope index, same order */
    struct kb_u32s users; /* realm user indices that hold it effectively, sorted; whatever their verdict */
    struct kb_u32s principals; /* target principal indices, sorted: matched and enabled users only */
    char
        *frozen_note; /* NULL: trusted. Otherwise why nothing may be done: "role X: holders failed (403)" … */
    char *gone_note; /* NULL, or the role or path behind it that the realm does not have */
};

struct kb_desired {
    struct kb_user_match *matches;   /* by realm user index */
    struct kb_desired_group *groups; /* same length and order as scope->managed */
    /* Target principals, sorted, that a user who is excluded, locked out, ambiguous or unknown is or may be
     * (by key, or as the ledger remembers): never removed and never added by anyone, in any group. */
    struct kb_u32s doubtful;
    uint32_t matches_len, groups_len;
    uint32_t users_behind;   /* distinct effective people behind all rules */
    uint32_t objects_behind; /* distinct existing roles and groups behind all rules */
    uint64_t memberships;    /* effective, summed over groups */
};

int kb_desired_make(const struct kb_rules *rules, const struct kb_scope *scope, const struct kb_realm *realm,
                    const struct kb_target *target, struct kb_desired *ret, struct kb_error *err);
void kb_desired_done(struct kb_desired *desired);

/* The key a user is compared by: the first of match.users that is present; NULL when none is. Borrowed from
 * realm. */
const char *kb_match_key(const struct kb_rules *rules, const struct kb_realm *realm,
                         const struct kb_user *user);

#endif
