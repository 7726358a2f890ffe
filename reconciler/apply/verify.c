/* Written groups are read back once all are written, with pauses, until they agree or run.verify_s is over;
 * then each intent gets its one outcome row. A stale reading must not cause a second write: nothing is sent
 * from here. Source: interface.md section 3 (run.verify_s); databricks-api.md 3.7 (reads lag behind writes).
 */
#include "base/ban.h"

#include "reconciler/apply/work.h"

#include "base/clock.h"
#include "reconciler/apply/encode.h"
#include "store/journal.h"
#include "store/ledger.h"
#include "store/runs.h"

static const int64_t pauses_s[] = {1, 2, 5, 15, 45, 60};

static bool
has_sent(const struct work *w)
{
    for (size_t i = 0; i < w->requests_len; i++)
        if (w->requests[i].seq && (w->requests[i].sent || !w->requests[i].write.refused))
            return true;
    return false;
}

static void
on_read(void *userdata, uint32_t tgroup)
{
    struct work *w = userdata;
    const struct kb_target_group *g = &w->a->target->groups[tgroup];
    w->unreadable = !kb_read_ok(&g->read);
    w->agrees = !w->unreadable;
    for (size_t i = 0; i < w->requests_len && w->agrees; i++) {
        const struct work_request *r = &w->requests[i];
        if (r->seq && !r->write.refused && work_missing(w, r, false))
            w->agrees = false;
    }
}

static void
on_pause(void *userdata)
{
    (void) userdata; /* the loop ends when the pause is over */
}

static int
read_back(struct work *works, size_t len, size_t *ret_open, struct kb_error *err)
{
    struct kb_error stopped = {0};
    for (size_t i = 0; i < len; i++) {
        struct work *w = &works[i];
        if (w->agrees || w->tgroup == KB_NONE || !has_sent(w))
            continue;
        int e = scim_read_group(w->a->scim, w->tgroup, on_read, w, err);
        if (e < 0)
            return e;
    }
    if (len && kb_http_run(works[0].a->http, &stopped) < 0)
        works[0].a->stopped = true;
    *ret_open = 0;
    for (size_t i = 0; i < len; i++)
        *ret_open += works[i].tgroup != KB_NONE && has_sent(&works[i]) && !works[i].agrees;
    return 0;
}

/* ---- outcome rows ---- */

static int
add_unverified(struct work *w, const struct work_request *r, const char **ids, size_t *len)
{
    for (size_t i = 0; i < r->slice.add_len; i++)
        if (w->a->plan->ops[w->add_ops[r->slice.add_start + i]].result != KB_RESULT_APPLIED)
            ids[(*len)++] = w->add_ids[r->slice.add_start + i];
    for (size_t i = 0; i < r->slice.remove_len; i++)
        if (w->a->plan->ops[w->remove_ops[r->slice.remove_start + i]].result != KB_RESULT_APPLIED)
            ids[(*len)++] = w->remove_ids[r->slice.remove_start + i];
    return 0;
}

static const char *
result_of(const struct work *w, const struct work_request *r, size_t missing)
{
    if (r->create)
        return r->write.ok            ? "applied"
               : r->write.refused     ? "rejected"
               : w->tgroup != KB_NONE ? "applied"
                                      : "unknown";
    if (!missing && !w->unreadable)
        return "applied";
    return r->write.refused ? "rejected" : r->write.ok ? "unverified" : "unknown";
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
        if (plan->ops[w->remove_ops[r->slice.remove_start + i]].result == KB_RESULT_APPLIED)
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
        n += plan->ops[w->remove_ops[r->slice.remove_start + i]].result == KB_RESULT_APPLIED;
    if (!n || removals_approved(plan, &plan->groups[w->group]))
        return 0;
    return store_removal_add(w->a->store, kb_wall_s(), n, err);
}

static int
outcome(struct work *w, struct work_request *r, struct kb_error *err)
{
    size_t missing = work_missing(w, r, !w->unreadable);
    if (w->unreadable) { /* nothing is known of this group: every member of the slice is in doubt */
        for (size_t i = 0; i < r->slice.add_len; i++)
            w->a->plan->ops[w->add_ops[r->slice.add_start + i]].result = KB_RESULT_UNKNOWN;
        for (size_t i = 0; i < r->slice.remove_len; i++)
            w->a->plan->ops[w->remove_ops[r->slice.remove_start + i]].result = KB_RESULT_UNKNOWN;
    }
    const char *result = result_of(w, r, missing);
    if (!strcmp(result, "unknown") && !r->create)
        return 0; /* the intent stays open: the next run resolves it by reading before it does anything else
                   */
    const char **ids = calloc(r->slice.add_len + r->slice.remove_len + 1, sizeof(*ids));
    if (!ids)
        return kb_fail(err, KB_E_NOMEM, "outcome row");
    size_t ids_len = 0;
    (void) add_unverified(w, r, ids, &ids_len);
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
        .unverified = {ids, ids_len},
    };
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
    encode_outcome(&body, &o);
    free(ids);
    if (body.failed)
        return kb_fail(err, KB_E_NOMEM, "outcome row");
    int64_t seq;
    int e =
        store_journal_append(w->a->store, kb_wall_s(), w->a->run_id, "outcome", kb_buf_str(&body), &seq, err);
    if (e >= 0)
        e = store_intent_close(w->a->store, r->seq, err);
    if (e >= 0)
        e = settle_ledger(w, r, err);
    if (e >= 0)
        e = count_window(w, r, err);
    return e;
}

static int
outcomes(struct work *w, struct kb_error *err)
{
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

/* A POST whose answer was lost may have made the group: look before saying anything. */
static void
on_found(void *userdata, const struct scim_write *found)
{
    struct work *w = userdata;
    if (!found->ok || !found->id[0])
        return;
    uint32_t g = kb_target_group_add(w->a->target, found->id);
    if (g != KB_NONE &&
        kb_target_group_set_name(w->a->target, g, kb_plan_str(w->a->plan, w->a->plan->groups[w->group].name)))
        w->tgroup = g;
}

static int
look_for_created(struct work *works, size_t len, struct kb_error *err)
{
    bool asked = false;
    for (size_t i = 0; i < len; i++) {
        struct work *w = &works[i];
        const struct work_request *r = &w->requests[0];
        if (!r->create || !r->seq || w->tgroup != KB_NONE || r->write.refused)
            continue;
        int e = scim_find_group(w->a->scim, kb_plan_str(w->a->plan, w->a->plan->groups[w->group].name),
                                on_found, w, err);
        if (e < 0)
            return e;
        asked = true;
    }
    struct kb_error stopped = {0};
    if (asked && kb_http_run(works[0].a->http, &stopped) < 0)
        works[0].a->stopped = true;
    return 0;
}

int
work_verify(struct apply *a, struct work *works, size_t len, struct kb_error *err)
{
    size_t open = 0;
    int64_t waited_s = 0;
    int e = look_for_created(works, len, err);
    for (size_t round = 0; e >= 0; round++) {
        e = read_back(works, len, &open, err);
        int64_t pause_s = pauses_s[round < KB_LEN(pauses_s) ? round : KB_LEN(pauses_s) - 1];
        if (e < 0 || !open || a->stopped || a->failed.code || waited_s + pause_s > a->verify_s)
            break;
        struct kb_error stopped = {0};
        e = kb_http_after(a->http, pause_s * 1000, on_pause, NULL, err);
        if (e >= 0 && kb_http_run(a->http, &stopped) < 0)
            a->stopped = true;
        waited_s += pause_s;
    }
    for (size_t i = 0; e >= 0 && i < len; i++)
        if (has_sent(&works[i]) || works[i].requests[0].seq)
            e = outcomes(&works[i], err);
    return e;
}
