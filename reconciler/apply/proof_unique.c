/* Nobody else has that name: asked when the reading of the realm has a hole.
 *
 * Whether two people stand behind one name is judged among all who were read (interface.md section 3, "Identity"). When a list failed,
 * the other one may stand in it, and somebody who is ambiguous looks as if he were not. So each ready operation of such a run asks Keycloak
 * for the name itself. A complete reading asks nothing. */
#include "base/ban.h"

#include "reconciler/apply/proof.h"

static bool
reading_has_a_hole(const struct apply *a)
{
    return a->fresh->source_lists != a->fresh->source_lists_ok;
}

int
proof_unique_ask(struct apply *a, struct questions *questions, struct proofs *ret, struct kb_error *err)
{
    const struct kb_plan *plan = a->plan;
    if (!reading_has_a_hole(a))
        return 0;
    ret->v = calloc((size_t) plan->ops_len + 1, sizeof(*ret->v));
    if (!ret->v)
        return kb_fail(err, KB_E_NOMEM, "proofs");
    int e = 0;
    for (uint32_t i = 0; e >= 0 && i < plan->ops_len; i++) {
        const struct kb_plan_op *op = &plan->ops[i];
        bool service = op->kind == KB_PRINCIPAL_SERVICE;
        /* A client's id is unique in a realm; an undo and a foreign member have no person of Keycloak behind them. */
        if (op->state != KB_OP_READY || !op->source_id ||
            (service && a->rules->match.service != KB_MATCH_SERVICE_ATTRIBUTE))
            continue;
        struct proof *p = &ret->v[ret->len++];
        *p = (struct proof){.a = a, .op = i};
        struct question *q = NULL;
        e = questions_ask(questions, service ? QUESTION_ONLY_SERVICE : QUESTION_ONLY_USER,
                          kb_plan_str(plan, op->name), &q, err);
        p->question = q;
    }
    return e;
}

void
proof_unique_judge(struct proofs *all)
{
    for (size_t i = 0; i < all->len; i++) {
        struct proof *p = &all->v[i];
        const struct kc_find *find = &p->question->find;
        const struct kb_plan_op *op = &p->a->plan->ops[p->op];
        bool self = proof_has_id(find->ids, find->ids_len, kb_plan_str(p->a->plan, op->source_id));
        if (!p->question->answered || find->found == KC_UNKNOWN)
            (void) snprintf(
                p->verdict, sizeof(p->verdict),
                "a list of the realm failed, and Keycloak could not say who else has that name: %.60s",
                find->note);
        else if (find->ids_len > (self ? 1 : 0))
            (void) snprintf(p->verdict, sizeof(p->verdict),
                            "a list of the realm failed, and another user of Keycloak has that name, too");
        else if (op->op == KB_OP_ADD && !self)
            (void) snprintf(p->verdict, sizeof(p->verdict),
                            "a list of the realm failed, and Keycloak does not find the user by that name");
    }
}
