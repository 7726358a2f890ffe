/* What the truth table says about the ledger without any request: adopt who is already there, forget who is
 * already gone. */
#include "base/ban.h"

#include "reconciler/apply/apply.h"

#include "base/clock.h"
#include "reconciler/apply/encode.h"
#include "reconciler/apply/stuck.h"
#include "reconciler/plan/file.h"
#include "reconciler/plan/reason.h"
#include "store/journal.h"
#include "store/ledger.h"

/* A reading may show what was before our own last write for minutes, also when a newer one did not
 * (databricks-api.md 3.7). Forgetting on its word that a member is ours would make a leaver a stranger. */
#define SETTLED_S 600

#define SCRATCH_REASONS_MAX 4096u /* then the scratch plan starts anew */
#define REASONS_BUF_SIZE_MAX (4u << 20)

/* Reasons are found and written row by row: those of a whole account would not fit into memory. */
struct adopter {
    struct apply *a;
    struct kb_reason_index *index; /* made with the first row */
    struct kb_plan paths;          /* of the row at hand */
    struct kb_buf json;
    const char **ids; /* of the group at hand */
};

static int
find_reasons(struct adopter *ad, uint32_t managed, uint32_t user, struct kb_error *err)
{
    struct apply *a = ad->a;
    struct kb_plan_op op = {0};
    int e = 0;
    if (ad->paths.reasons_len > SCRATCH_REASONS_MAX) {
        kb_plan_done(&ad->paths);
        ad->paths = (struct kb_plan){0};
    }
    kb_buf_clear(&ad->json);
    if (!ad->index)
        e = kb_reason_index_new(a->scope, a->realm, &ad->index, err);
    if (e >= 0)
        e = kb_reason_find(ad->index, managed, user, &ad->paths, &op.reasons_start, &op.reasons_len, err);
    return e < 0 ? e : kb_reasons_record(&ad->paths, &op, &ad->json, err);
}

static int
put(struct adopter *ad, const struct kb_plan_ledger_group *g, const struct kb_plan_ledger *l,
    struct kb_error *err)
{
    const struct kb_target *t = ad->a->target;
    const struct kb_realm *realm = ad->a->realm;
    int e = find_reasons(ad, g->managed, l->user, err);
    if (e < 0)
        return e;
    const struct kb_principal *pr = &t->principals[l->principal];
    struct store_ledger_row row = {
        .group_id = kb_target_str(t, t->groups[g->group].id),
        .group_name = kb_target_str(t, t->groups[g->group].name),
        .principal_id = kb_target_str(t, pr->id),
        .principal_name = kb_target_str(t, pr->name),
        .kind = pr->kind == KB_PRINCIPAL_USER ? "user" : "service_principal",
        .user_id = kb_realm_str(realm, realm->users[l->user].id),
        .directory = kb_realm_str(realm, realm->users[l->user].directory),
        .reason_json = kb_buf_str(&ad->json),
        .at_s = kb_wall_s(),
    };
    return store_ledger_put(ad->a->store, &row, err);
}

static int
members_row(struct apply *a, const char *kind, const char *group, const char **ids, size_t len,
            struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(8 << 20);
    int64_t seq;
    encode_members(&body, group, (struct encode_ids){ids, len});
    if (body.failed)
        return kb_fail(err, KB_E_NOMEM, "%s row", kind);
    return store_journal_append(a->store, kb_wall_s(), a->run_id, kind, kb_buf_str(&body), &seq, err);
}

static int
adopt_and_clean_group(struct adopter *ad, const struct kb_plan_ledger_group *g, struct kb_error *err)
{
    const struct kb_target *t = ad->a->target;
    const char *group = kb_target_str(t, t->groups[g->group].id);
    size_t n = 0;
    int e = 0;
    for (uint32_t i = g->start; e >= 0 && i < g->start + g->len; i++) {
        const struct kb_plan_ledger *l = &ad->a->fresh->ledger[i];
        const char *id = kb_target_str(t, t->principals[l->principal].id);
        if (l->user == KB_NONE) {
            e = store_ledger_drop_old(ad->a->store, group, id, kb_wall_s() - SETTLED_S, err);
        } else {
            e = put(ad, g, l, err);
            ad->ids[n++] = id;
        }
    }
    return e < 0 || !n ? e : members_row(ad->a, "adopt", group, ad->ids, n, err);
}

static int
adopt_and_clean(struct apply *a, const char **ids, struct kb_error *err)
{
    const struct kb_plan *plan = a->fresh;
    struct adopter ad = {.a = a, .json = KB_BUF_INIT(REASONS_BUF_SIZE_MAX), .ids = ids};
    int e = 0;
    for (uint32_t i = 0; e >= 0 && i < plan->ledger_groups_len; i++)
        e = adopt_and_clean_group(&ad, &plan->ledger_groups[i], err);
    kb_reason_index_free(ad.index);
    kb_plan_done(&ad.paths);
    kb_buf_done(&ad.json);
    return e;
}

static int
drift_rows(struct apply *a, const char **ids, struct kb_error *err)
{
    const struct kb_plan *plan = a->fresh;
    int e = 0;
    for (uint32_t g = 0; e >= 0 && g < plan->groups_len; g++) {
        const struct kb_plan_group *pg = &plan->groups[g];
        size_t n = 0;
        for (uint32_t i = pg->ops_start; i < pg->ops_start + pg->ops_len; i++)
            if (plan->ops[i].cause == KB_CAUSE_DRIFT_REMOVED)
                ids[n++] = kb_plan_str(plan, plan->ops[i].id);
        if (n)
            e = members_row(a, "drift", kb_plan_str(plan, pg->id), ids, n, err);
    }
    return e;
}

static size_t
longest_group(const struct kb_plan *plan)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < plan->ledger_groups_len; i++)
        longest = plan->ledger_groups[i].len > longest ? plan->ledger_groups[i].len : longest;
    for (uint32_t i = 0; i < plan->groups_len; i++)
        longest = plan->groups[i].ops_len > longest ? plan->groups[i].ops_len : longest;
    return longest;
}

int
apply_ledger(struct apply *a, struct kb_error *err)
{
    const char **ids = calloc(longest_group(a->fresh) + 1, sizeof(*ids));
    if (!ids)
        return kb_fail(err, KB_E_NOMEM, "ledger");
    int e = store_begin(a->store, err);
    if (e >= 0) {
        e = adopt_and_clean(a, ids, err);
        if (e >= 0)
            e = stuck_forget(a, err);
        if (e >= 0)
            e = drift_rows(a, ids, err);
        if (e >= 0)
            e = store_commit(a->store, err);
        if (e < 0)
            store_rollback(a->store);
        store_rest(a->store);
    }
    free(ids);
    return e;
}
