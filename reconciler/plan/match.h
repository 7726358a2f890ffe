/* reconciler/plan/match.h: who of the realm is who in the target.
 *
 * Why:    a wrong match lets somebody in; a missing one may throw somebody out. Judged once for all groups.
 * Owns:   struct kb_matches owns its arrays (kb_matches_done). Source: interface.md section 3 "Identity",
 * "Disabled"; keycloak-api.md 2.4, 2.5; keycloak-verified.md (lockouts).
 */
#ifndef KB_PLAN_MATCH_H
#define KB_PLAN_MATCH_H

#include "reconciler/plan/desired.h"

struct kb_matches {
    struct kb_user_match *v; /* by realm user index */
    struct kb_u32s doubtful; /* see struct kb_desired */
};

int kb_matches_make(const struct kb_rules *rules, const struct kb_realm *realm,
                    const struct kb_target *target, struct kb_matches *ret, struct kb_error *err);
void kb_matches_done(struct kb_matches *matches);

#endif
