/* model/known.h: which role or group each rule meant for each managed group when nothing was missing.
 *
 * Why:    a name that is gone says nothing; the id behind it tells that the object was renamed, or that a glob
 * lost one of several (interface.md section 3 "Scope over time", guard source_object_gone).
 * Owns:   its rows and texts (kb_known_done); a zeroed struct is empty. store/ keeps it, plan/ reads it.
 */
#ifndef KB_MODEL_KNOWN_H
#define KB_MODEL_KNOWN_H

#include "model/pool.h"
#include "model/rules.h"

struct kb_known_object {
    kb_text managed; /* name of the managed group */
    kb_text rule;    /* kb_rule_text */
    kb_text id;      /* Keycloak's, of the role or group */
    kb_text name;    /* role, client:role or path, then */
    const struct kb_rule
        *now; /* the configuration's rule of that text, NULL: it has none (kb_known_resolve) */
};

struct kb_known {
    struct kb_pool pool;
    struct kb_known_object *v; /* sorted by managed, rule, id when kb_known_sort was called */
    uint32_t len;
    size_t cap;
};

void kb_known_done(struct kb_known *known);
/* False: out of memory. */
bool kb_known_add(struct kb_known *known, const char *managed, const char *rule, const char *id,
                  const char *name) __attribute__((warn_unused_result));
/* Sets `now` for a target's rules. False: out of memory. */
bool kb_known_resolve(struct kb_known *known, const struct kb_rules *rules, const char *target)
    __attribute__((warn_unused_result));
void kb_known_sort(struct kb_known *known); /* and drops equal rows */
bool kb_known_equal(const struct kb_known *a, const struct kb_known *b);
/* The first row of a managed group, len when there is none. */
uint32_t kb_known_first(const struct kb_known *known, const char *managed);

static inline const char *
kb_known_str(const struct kb_known *known, kb_text text)
{
    return kb_pool_str(&known->pool, text);
}

#endif
