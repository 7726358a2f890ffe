/* reconciler/plan/match_near.h: whom an unmatched user could be taken for; part of kb_matches_make.
 *
 * Seekers first, then everybody that they are compared with. Owns: a zeroed struct is empty; near_done. Texts
 * are borrowed until then. False: out of memory.
 */
#ifndef KB_PLAN_MATCH_NEAR_H
#define KB_PLAN_MATCH_NEAR_H

#include "base/buf.h"
#include "model/pool.h"
#include "reconciler/plan/near.h"

struct near_one { /* somebody with that fold; id NULL: nobody */
    const char *key, *id;
};

struct near_fold {
    kb_text text; /* 'u' or 's' (people and service accounts never meet), then the fold */
    struct near_one principal;
    struct near_one users[2]; /* the first two keys that differ: one is not the seeker's own */
};

struct near_seeker {
    const char *key;
    uint32_t user, fold;
};

struct near {
    struct kb_pool pool;
    struct kb_buf buf;
    struct near_fold *folds;
    struct near_seeker *seekers;
    struct kb_index index; /* of folds, by text */
    size_t folds_cap, seekers_cap;
    uint32_t folds_len, seekers_len;
};

void near_init(struct near *near);
void near_done(struct near *near);

bool near_seek(struct near *near, bool service, uint32_t user, const char *key);
bool near_offer_principal(struct near *near, bool service, const struct near_one *one);
bool near_offer_user(struct near *near, bool service, const struct near_one *one);
bool near_take(const struct near *near, struct kb_near **ret, uint32_t *ret_len);

#endif
