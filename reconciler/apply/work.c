#include "base/ban.h"

#include "reconciler/apply/work.h"

#include "base/clock.h"
#include "reconciler/apply/encode.h"
#include "reconciler/plan/file.h"
#include "store/journal.h"
#include "store/ledger.h"
#include "store/runs.h"
#include "store/snapshot.h"

static size_t
ready_ops(const struct kb_plan *plan, const struct kb_plan_group *g, enum kb_op op)
{
    size_t n = 0;
    for (uint32_t i = g->ops_start; i < g->ops_start + g->ops_len; i++)
        n += plan->ops[i].op == op && plan->ops[i].state == KB_OP_READY;
    return n;
}

static void
collect(const struct kb_plan *plan, const struct kb_plan_group *g, enum kb_op op, const char **ids,
        uint32_t *ops)
{
    size_t n = 0;
    for (uint32_t i = g->ops_start; i < g->ops_start + g->ops_len; i++) {
        if (plan->ops[i].op != op || plan->ops[i].state != KB_OP_READY)
            continue;
        ids[n] = kb_plan_str(plan, plan->ops[i].id);
        ops[n++] = i;
    }
}

int
work_new(struct apply *a, uint32_t group, struct work *ret, struct kb_error *err)
{
    const struct kb_plan_group *g = &a->plan->groups[group];
    struct work w = {.a = a,
                     .group = group,
                     .tgroup = KB_NONE,
                     .create = g->create,
                     .limits = {SCIM_OPS_MAX, SCIM_MEMBERS_MAX},
                     .unreadable = true};
    w.add_len = ready_ops(a->plan, g, KB_OP_ADD);
    w.remove_len = ready_ops(a->plan, g, KB_OP_REMOVE);
    w.add_ids = calloc(w.add_len + 1, sizeof(*w.add_ids));
    w.remove_ids = calloc(w.remove_len + 1, sizeof(*w.remove_ids));
    w.add_ops = calloc(w.add_len + 1, sizeof(*w.add_ops));
    w.remove_ops = calloc(w.remove_len + 1, sizeof(*w.remove_ops));
    if (!w.add_ids || !w.remove_ids || !w.add_ops || !w.remove_ops) {
        work_done(&w);
        return kb_fail(err, KB_E_NOMEM, "writes of group");
    }
    collect(a->plan, g, KB_OP_ADD, w.add_ids, w.add_ops);
    collect(a->plan, g, KB_OP_REMOVE, w.remove_ids, w.remove_ops);
    if (!g->create)
        w.tgroup = kb_target_group(a->target, kb_plan_str(a->plan, g->id));
    *ret = w;
    return 0;
}

void
work_done(struct work *w)
{
    free(w->add_ids);
    free(w->remove_ids);
    free(w->add_ops);
    free(w->remove_ops);
    free(w->requests);
    *w = (struct work){0};
}

const char *
work_group_id(const struct work *w)
{
    return w->tgroup == KB_NONE ? "" : kb_target_str(w->a->target, w->a->target->groups[w->tgroup].id);
}

/* ---- intent ---- */

static int
put_ledger(struct work *w, uint32_t op_index, struct kb_error *err)
{
    const struct kb_plan *plan = w->a->plan;
    const struct kb_plan_op *op = &plan->ops[op_index];
    struct kb_plan_op kept = *op;
    KB_CLEANUP(kb_buf) struct kb_buf reason = KB_BUF_INIT(4 << 20);
    int r = kb_reasons_record(plan, &kept, &reason, err);
    if (r < 0)
        return r;
    struct store_ledger_row row = {
        .group_id = work_group_id(w),
        .group_name = kb_plan_str(plan, plan->groups[w->group].name),
        .principal_id = kb_plan_str(plan, op->id),
        .principal_name = kb_plan_str(plan, op->name),
        .kind = op->kind == KB_PRINCIPAL_USER ? "user" : "service_principal",
        .user_id = kb_plan_str(plan, op->source_id),
        .directory = kb_plan_str(plan, op->directory),
        .reason_json = kb_buf_str(&reason),
        .at_s = kb_wall_s(),
    };
    return store_ledger_put(w->a->store, &row, err);
}

/* An approval is spent with the first intent that it let through (interface, section 4). */
static int
consume_approvals(struct work *w, struct kb_error *err)
{
    struct apply *a = w->a;
    const char *group = kb_plan_str(a->plan, a->plan->groups[w->group].name);
    for (size_t i = 0; i < a->approvals_len; i++) {
        struct kb_approval *p = &a->approvals[i];
        if (!p->used || (*p->group && strcmp(p->group, group) != 0))
            continue;
        int r = store_approval_consume(a->store, p->seq, a->run_id, err);
        if (r < 0)
            return r;
        p->used = false;
    }
    return 0;
}

static int
intent_rows(struct work *w, struct work_request *r, struct kb_error *err)
{
    struct apply *a = w->a;
    const char *name = kb_plan_str(a->plan, a->plan->groups[w->group].name);
    const char *id = work_group_id(w);
    struct encode_ids add = {w->add_ids + r->slice.add_start, r->slice.add_len};
    struct encode_ids remove = {w->remove_ids + r->slice.remove_start, r->slice.remove_len};
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
    (void) snprintf(r->name, sizeof(r->name), "%.40s-%u", a->run_id, ++a->requests);
    encode_intent(&body, r->name, r->create ? "POST" : "PATCH", *id ? id : name, add, remove);
    if (body.failed)
        return kb_fail(err, KB_E_NOMEM, "intent row");
    int e = store_journal_append(a->store, kb_wall_s(), a->run_id, "intent", kb_buf_str(&body), &r->seq, err);
    if (e >= 0)
        e = store_intent_open(a->store, r->seq, id, name, kb_buf_str(&body), err);
    if (e >= 0 && *id) /* from now on what the snapshot remembers of this group is doubtful */
        e = store_snapshot_doubt(a->store, id, err);
    for (size_t i = 0; e >= 0 && i < r->slice.add_len; i++)
        e = put_ledger(w, w->add_ops[r->slice.add_start + i], err);
    if (e >= 0)
        e = consume_approvals(w, err);
    return e;
}

int
work_intent(struct work *w, struct work_request *r, struct kb_error *err)
{
    int e = store_begin(w->a->store, err);
    if (e < 0)
        return e;
    e = intent_rows(w, r, err);
    if (e >= 0)
        e = store_commit(w->a->store, err);
    if (e < 0) {
        store_rollback(w->a->store);
        r->seq = 0;
    }
    return e;
}

/* ---- what a reading says ---- */

static bool
present(const struct work *w, const char *principal_id)
{
    if (w->tgroup == KB_NONE)
        return false;
    uint32_t p = kb_target_principal(w->a->target, principal_id);
    return p != KB_NONE && kb_u32s_has(&w->a->target->groups[w->tgroup].members, p);
}

/* Why a write that the server accepted is not to be seen. */
static const char *
unverified_note(const struct kb_plan_op *op, const struct work_request *r, char *buf, size_t size)
{
    if (r->write.detail[0])
        return r->write.detail;
    (void) snprintf(buf, size,
                    op->op == KB_OP_ADD
                        ? "HTTP %d, but the member is not there: Databricks drops an id that it "
                          "does not know without a word"
                        : "HTTP %d, but the member is still there",
                    r->write.status);
    return buf;
}

static void
settle_op(const struct work *w, uint32_t op_index, const struct work_request *r, bool as_asked)
{
    struct kb_plan *plan = w->a->plan;
    struct kb_plan_op *op = &plan->ops[op_index];
    char buf[160];
    if (!w->unreadable && as_asked) { /* the server may refuse what is so already (databricks-api.md 3.5) */
        op->result = (uint8_t) (r->write.refused ? KB_RESULT_APPLIED_ALREADY : KB_RESULT_APPLIED);
        return;
    }
    op->result = (uint8_t) (r->write.refused                 ? KB_RESULT_REJECTED
                            : w->unreadable || w->a->stopped ? KB_RESULT_UNKNOWN
                            : r->write.ok                    ? KB_RESULT_UNVERIFIED
                                                             : KB_RESULT_UNKNOWN);
    const char *why = w->unreadable && !r->write.refused ? "the group could not be read back"
                                                         : unverified_note(op, r, buf, sizeof(buf));
    kb_text note = kb_pool_adds(&plan->pool, why);
    op->note = note == KB_NONE ? 0 : note;
}

size_t
work_missing(const struct work *w, const struct work_request *r, bool settle)
{
    size_t missing = 0;
    for (size_t i = r->slice.add_start; i < r->slice.add_start + r->slice.add_len; i++) {
        bool as_asked = present(w, w->add_ids[i]);
        missing += !as_asked;
        if (settle)
            settle_op(w, w->add_ops[i], r, as_asked);
    }
    for (size_t i = r->slice.remove_start; i < r->slice.remove_start + r->slice.remove_len; i++) {
        bool as_asked = !present(w, w->remove_ids[i]);
        missing += !as_asked;
        if (settle)
            settle_op(w, w->remove_ops[i], r, as_asked);
    }
    return missing;
}

static void
drop(struct kb_plan *plan, const uint32_t *ops, size_t from, size_t to, bool held, kb_text note)
{
    for (size_t i = from; i < to; i++) {
        plan->ops[ops[i]].result = KB_RESULT_DROPPED;
        if (held)
            plan->ops[ops[i]].state = KB_OP_HELD;
        plan->ops[ops[i]].note = note;
    }
}

void
work_drop_rest(struct work *w, bool held, const char *note)
{
    struct kb_plan *plan = w->a->plan;
    kb_text text = kb_pool_adds(&plan->pool, note);
    if (text == KB_NONE)
        text = 0;
    drop(plan, w->remove_ops, w->removes_sent, w->remove_len, held, text);
    drop(plan, w->add_ops, w->adds_sent, w->add_len, held, text);
    w->removes_sent = w->remove_len;
    w->adds_sent = w->add_len;
    w->ended = true;
}
