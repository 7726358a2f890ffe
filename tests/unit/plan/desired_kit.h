/* tests/unit/plan/desired_kit.h: scope and desired made of realm_kit's lines. */
#ifndef KB_TESTS_PLAN_DESIRED_KIT_H
#define KB_TESTS_PLAN_DESIRED_KIT_H

#include "realm_kit.h"

#include "reconciler/plan/desired.h"

#define RULES_MAX 4

struct made {
    struct kit kit;
    struct kb_rule list[RULES_MAX];
    struct kb_rules rules;
    struct kb_scope scope;
    struct kb_desired desired;
};

static inline void
make(struct made *m, const char *const *lines, const struct kb_rule *rules, const struct kb_match *match,
     struct kb_strings exclude)
{
    struct kb_error err = {0};

    *m = (struct made){0};
    memcpy(m->list, rules, sizeof(m->list));
    m->rules = kit_rules(m->list, RULES_MAX);
    if (match)
        m->rules.match = *match;
    m->rules.exclude_users = exclude;
    kit_make(&m->kit, lines);
    if (kb_scope_resolve(&m->rules, "acme", &m->kit.realm, &m->scope, &err) != 0 ||
        kb_desired_make(&m->rules, &m->scope, &m->kit.realm, &m->kit.target, &m->desired, &err) != 0)
        fail_msg("%s", err.msg);
}

static inline void
done(struct made *m)
{
    kb_desired_done(&m->desired);
    kb_scope_done(&m->scope);
    kit_done(&m->kit);
}

#endif
