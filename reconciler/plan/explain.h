/* reconciler/plan/explain.h: is this person in that group, and why or why not?
 *
 * Why:    `explain` answers from the same realm, rules, matching, reasons and plan as `plan` does; here is the
 * only judgement of its own: putting their answers about one person side by side. Pure. Owns: struct kb_explain
 * is the caller's (kb_explain_done); it borrows everything it was made from. kb_explain.paths holds one
 * addition a group that counts the person, with its reasons, so that admin events can be matched to it.
 */
#ifndef KB_PLAN_EXPLAIN_H
#define KB_PLAN_EXPLAIN_H

#include "model/plan.h"
#include "reconciler/plan/desired.h"

enum kb_present { KB_PRESENT_UNKNOWN, KB_PRESENT_NO, KB_PRESENT_YES };

struct kb_explain_group {
    uint32_t managed; /* scope index */
    uint32_t group;   /* target index, KB_NONE: not in Databricks */
    bool holds;       /* some path leads from the person to the group, whoever he is in Databricks */
    bool desired;     /* holds, and matched: Keycloak asks for the membership */
    bool ledger;
    uint8_t present;    /* enum kb_present */
    const char *frozen; /* why nothing is done in this group, NULL */
    const char *note;   /* what the plan says of the person in this group where it leaves him alone, NULL */
    uint32_t path;      /* into paths.ops, KB_NONE */
    uint32_t op;        /* into plan.ops, KB_NONE: the plan does nothing */
};

struct kb_explain {
    const struct kb_rules *rules;
    const struct kb_scope *scope;
    const struct kb_realm *realm;
    const struct kb_target *target;
    const struct kb_desired *desired;
    const struct kb_plan *plan;
    uint32_t user, principal; /* KB_NONE unknown */

    struct kb_plan paths;
    struct kb_explain_group *groups; /* those asked for: all, or where something is to be said */
    uint32_t groups_len, others;     /* others: managed groups that were left out */
};

/* `group`: only that managed group (scope index); KB_NONE: every one where the person is desired, present, in
 * the ledger or in the plan. The first seven fields are filled by the caller. */
int kb_explain_make(struct kb_explain *x, uint32_t group, struct kb_error *err);
void kb_explain_done(struct kb_explain *x);

/* "matched", "disabled", …; and in words. */
const char *kb_explain_verdict(const struct kb_explain *x);
const char *kb_explain_words(const struct kb_explain *x);

/* Rows whose name, e-mail or id is `key`, ASCII case aside. False: out of memory. */
bool kb_explain_users(const struct kb_realm *realm, const char *key, struct kb_u32s *ret);
bool kb_explain_principals(const struct kb_target *target, const char *key, struct kb_u32s *ret);

/* The name nearest to `key` on either side, NULL. Borrowed. */
int kb_explain_nearest(const struct kb_realm *realm, const struct kb_target *target, const char *key,
                       const char **ret, struct kb_error *err);

#endif
