/* One outcome row for each intent, written when the group was read back, and what follows from it: ledger,
 * stuck pairs, window of removals. An intent whose outcome is not known stays open: the next run resolves it
 * by reading before it does anything else. Source: interface.md section 6; docs/decisions/0005. */
#include "base/ban.h"

#include "reconciler/apply/work.h"

#include "base/clock.h"
#include "reconciler/apply/encode.h"
#include "reconciler/apply/stuck.h"
#include "store/journal.h"
#include "store/ledger.h"
#include "store/runs.h"

static bool
is_done(const struct kb_plan_op *op)
{
    return op->result == KB_RESULT_APPLIED || op->result == KB_RESULT_APPLIED_ALREADY;
}

static size_t
unverified(const struct work *w, const struct work_request *r, const char **ids)
{
    const struct kb_plan_op *ops = w->a->plan->ops;
    size_t len = 0;
    for (size_t i = r->slice.add_start; i < r->slice.add_start + r->slice.add_len; i++)
        if (!is_done(&ops[w->add_ops[i]]))
            ids[len++] = w->add_ids[i];
    for (size_t i = r->slice.remove_start; i < r->slice.remove_start + r->slice.remove_len; i++)
        if (!is_done(&ops[w->remove_ops[i]]))
            ids[len++] = w->remove_ids[i];
    return len;
}

/* NULL: not known. */
static const char *
result_of(const struct work *w, const struct work_request *r, size_t missing)
{
    if (r->create)
        return r->write.ok || (w->tgroup != KB_NONE && !r->write.refused) ? "applied"
               : r->write.refused                                         ? "rejected"
                                                                          : NULL;
    if (r->halved)
        return "rejected";
    if (!w->unreadable && !missing)
        return r->write.refused ? "applied_already" : "applied";
    if (r->write.refused)
        return "rejected";
    return r->write.ok && !w->unreadable && !w->a->stopped ? "unverified" : NULL;
}

/* Ledger: an addition that was refused was never ours; a removal that reads back is over. What is unverified
 * stays in the ledger, so that a leaver whose addition shows up late is still known as ours. */
static int
settle_ledger(struct work *w, const struct work_request *r, struct kb_error *err)
{
    const struct kb_plan *plan = w->a->plan;
    const char *group = work_group_id(w);
    int e = 0;
    for (size_t i = 0; e >= 0 && i < r->slice.add_len; i++)
        if (plan->ops[w->add_ops[r->slice.add_start + i]].result == KB_RESULT_REJECTED)
            e = store_ledger_drop(w->a->store, group, w->add_ids[r->slice.add_start + i], err);
    for (size_t i = 0; e >= 0 && i < r->slice.remove_len; i++)
        if (is_done(&plan->ops[w->remove_ops[r->slice.remove_start + i]]))
            e = store_ledger_drop(w->a->store, group, w->remove_ids[r->slice.remove_start + i], err);
    return e;
}

/* Removals that an approval let through do not count for the window (interface, removal_window). */
static bool
removals_approved(const struct kb_plan *plan, const struct kb_plan_group *g)
{
    for (uint32_t i = 0; i < plan->run_guards_len; i++)
        if (plan->guards[i].tripped && plan->guards[i].approved)
            return true;
    for (uint32_t i = g->guards_start; i < g->guards_start + g->guards_len; i++)
        if (plan->guards[i].tripped && plan->guards[i].approved)
            return true;
    return false;
}

static int
count_window(struct work *w, const struct work_request *r, struct kb_error *err)
{
    const struct kb_plan *plan = w->a->plan;
    int64_t n = 0;
    for (size_t i = 0; i < r->slice.remove_len; i++)
        n += is_done(&plan->ops[w->remove_ops[r->slice.remove_start + i]]);
    if (!n || removals_approved(plan, &plan->groups[w->group]))
        return 0;
    return store_removal_add(w->a->store, kb_wall_s(), n, err);
}

static int
count_stuck(const struct work *w, const uint32_t *ops, size_t start, size_t len, struct kb_error *err)
{
    int e = 0;
    for (size_t i = start; e >= 0 && i < start + len; i++)
        e = stuck_count(w->a, work_group_id(w), &w->a->plan->ops[ops[i]], err);
    return e;
}

static int
outcome_row(struct work *w, const struct work_request *r, const char *result, struct kb_error *err)
{
    const char **ids = calloc(r->slice.add_len + r->slice.remove_len + 1, sizeof(*ids));
    if (!ids)
        return kb_fail(err, KB_E_NOMEM, "outcome row");
    const char *id = work_group_id(w);
    struct encode_outcome o = {
        .intent = r->seq,
        .request = r->name,
        .method = r->create ? "POST" : "PATCH",
        .group = *id ? id : kb_plan_str(w->a->plan, w->a->plan->groups[w->group].name),
        .result = result,
        .request_id = r->write.request_id,
        .detail = r->write.ok ? "" : r->write.detail,
        .status = r->write.status,
        .add = {w->add_ids + r->slice.add_start, r->slice.add_len},
        .remove = {w->remove_ids + r->slice.remove_start, r->slice.remove_len},
        .unverified = {ids, r->halved ? 0 : unverified(w, r, ids)},
    };
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
    encode_outcome(&body, &o);
    free(ids);
    if (body.failed)
        return kb_fail(err, KB_E_NOMEM, "outcome row");
    int64_t seq;
    int e =
        store_journal_append(w->a->store, kb_wall_s(), w->a->run_id, "outcome", kb_buf_str(&body), &seq, err);
    return e < 0 ? e : store_intent_close(w->a->store, r->seq, err);
}

static int
outcome(struct work *w, const struct work_request *r, struct kb_error *err)
{
    size_t missing = r->halved ? 0 : work_missing(w, r, true);
    const char *result = result_of(w, r, missing);
    if (!result)
        return 0;
    if (r->create && !strcmp(result, "applied"))
        w->a->plan->groups[w->group].made = true;
    int e = outcome_row(w, r, result, err);
    if (e < 0 || r->halved)
        return e;
    e = settle_ledger(w, r, err);
    if (e >= 0)
        e = count_window(w, r, err);
    if (e >= 0)
        e = count_stuck(w, w->add_ops, r->slice.add_start, r->slice.add_len, err);
    if (e >= 0)
        e = count_stuck(w, w->remove_ops, r->slice.remove_start, r->slice.remove_len, err);
    return e;
}

int
work_outcomes(struct work *w, struct kb_error *err)
{
    if (!w->requests_len)
        return 0;
    int e = store_begin(w->a->store, err);
    if (e < 0)
        return e;
    for (size_t i = 0; e >= 0 && i < w->requests_len; i++)
        if (w->requests[i].seq)
            e = outcome(w, &w->requests[i], err);
    if (e >= 0)
        e = store_commit(w->a->store, err);
    if (e < 0)
        store_rollback(w->a->store);
    return e;
}
