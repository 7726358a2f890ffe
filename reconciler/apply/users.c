/* POST /Users for people who were planned as "new:…" (match.missing_users = "create"): one after the other,
 * before the groups. Whoever was made gets a real id in the plan; the memberships of the others are left out. */
#include "base/ban.h"

#include "reconciler/apply/work.h"

#include "base/clock.h"
#include "reconciler/apply/encode.h"
#include "store/journal.h"

struct making {
    struct apply *a;
    uint32_t *ops; /* one for each person */
    size_t len, next;
    int64_t seq; /* of the intent in flight */
    char name[64];
};

static void make_next(struct making *m);

static bool
is_wanted(const struct kb_plan *plan, const struct kb_plan_op *op)
{
    return op->state == KB_OP_READY && kb_principal_is_new(kb_plan_str(plan, op->id));
}

static size_t
collect(const struct kb_plan *plan, uint32_t *ops)
{
    size_t len = 0;
    for (uint32_t i = 0; i < plan->ops_len; i++) {
        bool seen = !is_wanted(plan, &plan->ops[i]);
        for (size_t k = 0; k < len && !seen; k++)
            seen = !strcmp(kb_plan_str(plan, plan->ops[ops[k]].id), kb_plan_str(plan, plan->ops[i].id));
        if (!seen)
            ops[len++] = i;
    }
    return len;
}

static int
intent(struct making *m, const char *id, struct kb_error *err)
{
    struct apply *a = m->a;
    const struct encode_ids none = {NULL, 0};
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(4096);
    (void) snprintf(m->name, sizeof(m->name), "%.40s-%u", a->run_id, ++a->requests);
    encode_intent(&body, m->name, "POST", id, none, none);
    if (body.failed)
        return kb_fail(err, KB_E_NOMEM, "intent row");
    int e = store_begin(a->store, err);
    if (e < 0)
        return e;
    e = store_journal_append(a->store, kb_wall_s(), a->run_id, "intent", kb_buf_str(&body), &m->seq, err);
    if (e >= 0)
        e = store_intent_open(a->store, m->seq, "", id, kb_buf_str(&body), err);
    if (e >= 0)
        e = store_commit(a->store, err);
    if (e < 0)
        store_rollback(a->store);
    return e;
}

/* Not for an answer that was lost: the next run looks whether the user is there. */
static int
outcome(const struct making *m, const char *id, const struct scim_write *write, struct kb_error *err)
{
    struct apply *a = m->a;
    const struct encode_outcome o = {.intent = m->seq,
                                     .request = m->name,
                                     .method = "POST",
                                     .group = id,
                                     .result = write->ok ? "applied" : "rejected",
                                     .request_id = write->request_id,
                                     .detail = write->ok ? "" : write->detail,
                                     .status = write->status};
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(4096);
    int64_t seq;
    encode_outcome(&body, &o);
    if (body.failed)
        return kb_fail(err, KB_E_NOMEM, "outcome row");
    int e = store_begin(a->store, err);
    if (e < 0)
        return e;
    e = store_journal_append(a->store, kb_wall_s(), a->run_id, "outcome", kb_buf_str(&body), &seq, err);
    if (e >= 0)
        e = store_intent_close(a->store, m->seq, err);
    if (e >= 0)
        e = store_commit(a->store, err);
    if (e < 0)
        store_rollback(a->store);
    return e;
}

/* All operations for this person. `note`: they are left out. */
static int
settle(struct apply *a, const char *id, kb_text made, const char *why, struct kb_error *err)
{
    struct kb_plan *plan = a->plan;
    kb_text note = why ? kb_pool_adds(&plan->pool, why) : 0;
    if (note == KB_NONE || made == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "new user");
    for (uint32_t i = 0; i < plan->ops_len; i++) {
        struct kb_plan_op *op = &plan->ops[i];
        if (!is_wanted(plan, op) || strcmp(kb_plan_str(plan, op->id), id) != 0)
            continue;
        op->note = note;
        if (!why) {
            op->id = made;
        } else {
            op->state = KB_OP_FROZEN;
            op->result = KB_RESULT_DROPPED;
        }
    }
    return 0;
}

static int
take(struct apply *a, const char *symbol, const char *id, struct kb_error *err)
{
    struct kb_target *t = a->target;
    uint32_t p = kb_target_principal_add(t, id), from = kb_target_principal(t, symbol);
    if (p == KB_NONE || from == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "new user");
    kb_text own = t->principals[p].id;
    t->principals[p] = t->principals[from];
    t->principals[p].id = own;
    t->principals[p].listed = true;
    t->principals[from].listed = false;
    return settle(a, symbol, kb_pool_adds(&a->plan->pool, id), NULL, err);
}

static void
on_made(void *userdata, const struct scim_write *write)
{
    struct making *m = userdata;
    struct kb_error err = {0};
    KB_CLEANUP(kb_free) char *symbol = NULL;
    const char *id = kb_plan_str(m->a->plan, m->a->plan->ops[m->ops[m->next++]].id);
    char note[320];
    work_count(m->a, write, false);
    symbol = kb_strndup(id, strlen(id));
    int e = symbol ? 0 : kb_fail(&err, KB_E_NOMEM, "new user");
    if (e >= 0 && (write->ok || write->refused))
        e = outcome(m, symbol, write, &err);
    (void) snprintf(note, sizeof(note), "the user was not created: %.255s", write->detail);
    if (e >= 0)
        e = write->ok ? take(m->a, symbol, write->id, &err) : settle(m->a, symbol, 0, note, &err);
    if (e < 0)
        work_fail(m->a, &err);
    else
        make_next(m);
}

/* The name comes from the reading of this run, not from a plan file. */
static void
make_next(struct making *m)
{
    struct apply *a = m->a;
    struct kb_error err = {0};
    if (m->next == m->len || kb_http_stopped(a->http) || a->failed.code || a->write_errors)
        return;
    const char *id = kb_plan_str(a->plan, a->plan->ops[m->ops[m->next]].id);
    uint32_t p = kb_target_principal(a->target, id);
    int e = p == KB_NONE ? kb_fail(&err, KB_E_BUG, "a new user whom this run does not know")
                         : intent(m, id, &err);
    if (e >= 0)
        e = scim_create_user(a->scim, kb_target_str(a->target, a->target->principals[p].name),
                             kb_target_str(a->target, a->target->principals[p].display), on_made, m, &err);
    if (e < 0)
        work_fail(a, &err);
}

int
work_users(struct apply *a, struct kb_error *err)
{
    struct making m = {.a = a, .ops = calloc((size_t) a->plan->ops_len + 1, sizeof(*m.ops))};
    struct kb_error stopped = {0};
    if (!m.ops)
        return kb_fail(err, KB_E_NOMEM, "new users");
    m.len = collect(a->plan, m.ops);
    int e = 0;
    if (m.len) {
        make_next(&m);
        a->stopped = kb_http_run(a->http, &stopped) < 0;
    }
    for (; e >= 0 && m.next < m.len; m.next++) { /* stopped before */
        KB_CLEANUP(kb_free)
        char *id = kb_asprintf("%s", kb_plan_str(a->plan, a->plan->ops[m.ops[m.next]].id));
        e = id ? settle(a, id, 0, "the user was not created: the run was stopped before", err)
               : kb_fail(err, KB_E_NOMEM, "new users");
    }
    free(m.ops);
    return e;
}
