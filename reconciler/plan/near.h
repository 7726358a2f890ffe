/* reconciler/plan/near.h: who could be taken for whom, as kb_matches_make found it. */
#ifndef KB_PLAN_NEAR_H
#define KB_PLAN_NEAR_H

#include <stdbool.h>
#include <stdint.h>

/* An unmatched user whose key looks like somebody else's (model/near.h): reported, never granted. */
struct kb_near {
    uint32_t user;        /* realm user index */
    bool principal;       /* the other one is a principal of the target, else a user of the realm */
    const char *own;      /* this user's key */
    const char *key, *id; /* the other one's; all borrowed from target or realm */
};

/* NULL: nobody looks like this user. */
const struct kb_near *kb_match_near(const struct kb_near *near, uint32_t near_len, uint32_t user);

#endif
