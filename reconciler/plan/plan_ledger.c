#include "base/ban.h"

/* A first run adopts every membership there is, so each row may cost only its five numbers: ids are in the
 * plan once a principal and user, and the reasons of a group's members are mostly the same few texts. */

#include "reconciler/plan/plan_ledger.h"

#include "base/mem.h"
#include "reconciler/plan/file.h"

#define LEDGER_MAX (1u << 28)
#define REASON_SIZE_MAX (64u << 10) /* of a text in the pool */
#define SCRATCH_REASONS_MAX 4096u   /* then the scratch plan starts anew */
#define REASON_BUF_SIZE_MAX (4u << 20)

static const char *
reason_key(const void *table, uint32_t row)
{
    const struct kb_plan_work *work = table;

    return kb_plan_str(work->plan, work->reasons_seen[row]);
}

static kb_text
keep_reason(struct kb_plan_work *work, const char *json)
{
    uint32_t row = kb_index_find(&work->reason_index, reason_key, work, json);
    kb_text text;

    if (row != KB_NONE)
        return work->reasons_seen[row];
    text = kb_pool_adds(&work->plan->pool, json);
    if (text == KB_NONE || !kb_grow(&work->reasons_seen, &work->reasons_seen_cap, work->reasons_seen_len + 1,
                                    sizeof(*work->reasons_seen), LEDGER_MAX))
        return KB_NONE;
    work->reasons_seen[work->reasons_seen_len] = text;
    if (!kb_index_add(&work->reason_index, reason_key, work, (uint32_t) work->reasons_seen_len))
        return KB_NONE;
    work->reasons_seen_len++;
    return text;
}

/* Hostile path names could make the reasons longer than a text may be: then the shortest paths are kept. */
static int
write_reasons(struct kb_plan_work *work, struct kb_plan_op *op, struct kb_buf *ret)
{
    int r;

    do {
        kb_buf_clear(ret);
        r = kb_reasons_write(&work->scratch, op, ret, work->err);
    } while (r >= 0 && ret->len > REASON_SIZE_MAX && op->reasons_len-- > 0);
    return r;
}

static int
reason_json(struct kb_plan_work *work, const struct kb_plan_job *job, uint32_t user, kb_text *ret)
{
    KB_CLEANUP(kb_buf) struct kb_buf json = KB_BUF_INIT(REASON_BUF_SIZE_MAX);
    struct kb_plan_op op = {0};
    int r;

    if (work->scratch.reasons_len > SCRATCH_REASONS_MAX) {
        kb_plan_done(&work->scratch);
        work->scratch = (struct kb_plan){0};
    }
    r = kb_plan_reasons(work);
    if (r >= 0)
        r = kb_reason_find(work->reasons, job->managed, user, &work->scratch, &op.reasons_start,
                           &op.reasons_len, work->err);
    if (r >= 0)
        r = write_reasons(work, &op, &json);
    if (r < 0)
        return r;
    *ret = keep_reason(work, kb_buf_str(&json));
    return *ret == KB_NONE ? kb_plan_nomem(work) : 0;
}

static int
add_row(struct kb_plan_work *work, struct kb_plan_ledger row)
{
    struct kb_plan *plan = work->plan;

    if (row.group_id == KB_NONE || row.principal_id == KB_NONE || row.source_id == KB_NONE ||
        !kb_grow(&plan->ledger, &plan->ledger_cap, (size_t) plan->ledger_len + 1, sizeof(*plan->ledger),
                 LEDGER_MAX))
        return kb_plan_nomem(work);
    plan->ledger[plan->ledger_len++] = row;
    return 0;
}

int
kb_ledger_adopt(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text group_id,
                uint32_t principal, uint32_t user)
{
    struct kb_plan_ledger row = {.what = KB_LEDGER_ADOPT, .group_id = group_id};
    int r;

    work->plan->summary.adopt++;
    if (work->in->never_applied)
        return 0;
    row.principal_id = kb_plan_principal_text(work, principal, KB_PART_ID);
    row.source_id = kb_plan_user_text(work, user);
    r = reason_json(work, job, user, &row.reason_json);
    return r < 0 ? r : add_row(work, row);
}

int
kb_ledger_clean(struct kb_plan_work *work, kb_text group_id, uint32_t principal)
{
    struct kb_plan_ledger row = {.what = KB_LEDGER_CLEAN, .group_id = group_id};

    if (work->in->never_applied)
        return 0;
    row.principal_id = kb_plan_principal_text(work, principal, KB_PART_ID);
    return add_row(work, row);
}

static int
compare_rows(const void *a, const void *b, void *userdata)
{
    const struct kb_plan_ledger *x = a, *y = b;
    const struct kb_plan *plan = userdata;
    int c = x->group_id == y->group_id
                ? 0
                : strcmp(kb_plan_str(plan, x->group_id), kb_plan_str(plan, y->group_id));

    return c ? c : strcmp(kb_plan_str(plan, x->principal_id), kb_plan_str(plan, y->principal_id));
}

void
kb_ledger_sort(struct kb_plan *plan)
{
    if (plan->ledger_len)
        qsort_r(plan->ledger, plan->ledger_len, sizeof(*plan->ledger), compare_rows, plan);
}
