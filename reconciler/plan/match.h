/* reconciler/plan/match.h: who of the realm is who in the target.
 *
 * Why:    a wrong match lets somebody in; a missing one may throw somebody out. Judged once for all groups.
 * Owns:   struct kb_matches owns its arrays (kb_matches_done). Source: interface.md section 3 "Identity",
 * "Disabled"; keycloak-api.md 2.4, 2.5; keycloak-verified.md (lockouts).
 */
#ifndef KB_PLAN_MATCH_H
#define KB_PLAN_MATCH_H

#include "base/error.h"
#include "model/realm.h"
#include "model/rules.h"
#include "model/target.h"
#include "reconciler/plan/near.h"

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

struct kb_matches {
    struct kb_user_match *v; /* by realm user index */
    struct kb_near *near;    /* sorted by user */
    struct kb_u32s doubtful; /* see struct kb_desired */
    uint32_t near_len;
};

int kb_matches_make(const struct kb_rules *rules, const struct kb_realm *realm,
                    const struct kb_target *target, struct kb_matches *ret, struct kb_error *err);
void kb_matches_done(struct kb_matches *matches);

/* The key a user is compared by: the first of match.users that is present; NULL when none is. Borrowed from
 * realm. */
const char *kb_match_key(const struct kb_rules *rules, const struct kb_realm *realm,
                         const struct kb_user *user);

/* The same for a service account; NULL also when its attribute was not read. */
const char *kb_match_service_key(const struct kb_rules *rules, const struct kb_realm *realm,
                                 const struct kb_user *user);

/* The user name stands in for an e-mail address and looks like one: it may be the address of somebody else,
 * whom no list shows. False once that was asked (KB_USER_NAME_ASKED). */
bool kb_match_may_be_another(const struct kb_rules *rules, const struct kb_realm *realm,
                             const struct kb_user *user);

#endif
