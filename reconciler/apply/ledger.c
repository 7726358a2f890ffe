/* What the truth table says about the ledger without any request: adopt who is already there, forget who is
 * already gone. */
#include "base/ban.h"

#include "reconciler/apply/apply.h"

#include "base/clock.h"
#include "reconciler/apply/encode.h"
#include "reconciler/apply/stuck.h"
#include "store/journal.h"
#include "store/ledger.h"

/* A reading may show what was before our own last write for minutes, also when a newer one did not
 * (databricks-api.md 3.7). Forgetting on its word that a member is ours would make a leaver a stranger. */
#define SETTLED_S 600

static int
put(struct apply *a, const struct kb_plan_ledger *l, struct kb_error *err)
{
    const struct kb_target *t = a->target;
    uint32_t g = kb_target_group(t, kb_plan_str(a->fresh, l->group_id));
    uint32_t p = kb_target_principal(t, kb_plan_str(a->fresh, l->principal_id));
    if (g == KB_NONE || p == KB_NONE)
        return kb_fail(err, KB_E_BUG, "adopting a membership that the target does not have");
    const struct kb_principal *pr = &t->principals[p];
    const char *user_id = kb_plan_str(a->fresh, l->source_id);
    uint32_t user = kb_realm_user(a->realm, user_id);
    struct store_ledger_row row = {
        .group_id = kb_target_str(t, t->groups[g].id),
        .group_name = kb_target_str(t, t->groups[g].name),
        .principal_id = kb_target_str(t, pr->id),
        .principal_name = kb_target_str(t, pr->name),
        .kind = pr->kind == KB_PRINCIPAL_USER ? "user" : "service_principal",
        .user_id = user_id,
        .directory = user == KB_NONE ? "" : kb_realm_str(a->realm, a->realm->users[user].directory),
        .reason_json = kb_plan_str(a->fresh, l->reason_json),
        .at_s = kb_wall_s(),
    };
    return store_ledger_put(a->store, &row, err);
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

/* One adopt row for each group: plan->ledger is grouped by group. */
static int
adopt_and_clean(struct apply *a, const char **ids, struct kb_error *err)
{
    const struct kb_plan *plan = a->fresh;
    size_t n = 0;
    int e = 0;
    for (uint32_t i = 0; e >= 0 && i < plan->ledger_len; i++) {
        const struct kb_plan_ledger *l = &plan->ledger[i];
        const char *group = kb_plan_str(plan, l->group_id);
        if (l->what == KB_LEDGER_CLEAN) {
            e = store_ledger_drop_old(a->store, group, kb_plan_str(plan, l->principal_id),
                                      kb_wall_s() - SETTLED_S, err);
        } else {
            e = put(a, l, err);
            ids[n++] = kb_plan_str(plan, l->principal_id);
        }
        bool last =
            i + 1 == plan->ledger_len || strcmp(kb_plan_str(plan, plan->ledger[i + 1].group_id), group) != 0;
        if (e >= 0 && last && n)
            e = members_row(a, "adopt", group, ids, n, err);
        if (last)
            n = 0;
    }
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

int
apply_ledger(struct apply *a, struct kb_error *err)
{
    const char **ids = calloc((size_t) a->fresh->ledger_len + a->fresh->ops_len + 1, sizeof(*ids));
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
    }
    free(ids);
    return e;
}
