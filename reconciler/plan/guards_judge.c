#include "base/ban.h"

/* Every guard is asked, every tripped one is listed. Two passes: first the guards that count what the plan
 * holds; then never_empty_from and min_members, on what is left when the operations that the first ones hold
 * are not made (three administrators replaced by three others, additions held: nobody may go). */

#include "base/mem.h"
#include "reconciler/plan/guards_rows.h"
#include "reconciler/plan/recount.h"

#define NOTE_SIZE_MAX 4096u
#define VERDICTS_MAX (1u << 26)

struct verdict {
    uint32_t group; /* index + 1; 0: run */
    struct kb_plan_guard guard;
};

struct judge {
    struct kb_guard_work work;
    struct verdict *verdicts;
    size_t len, cap;
    struct kb_guard_group *groups; /* parallel to plan->groups */
    struct kb_error *err;
};

static int
nomem(struct judge *j)
{
    return kb_fail(j->err, KB_E_NOMEM, "guards: out of memory");
}

static uint32_t
find_managed(const struct kb_scope *scope, const char *name)
{
    uint32_t low = 0, high = scope ? scope->managed_len : 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int c = strcmp(scope->managed[middle].name, name);
        if (!c)
            return middle;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return KB_NONE;
}

/* Nothing is held yet; what apply or a proof has frozen stays so and is not counted. */
static void
reset(struct judge *j)
{
    struct kb_plan *plan = j->work.plan;

    for (uint32_t g = 0; g < plan->groups_len; g++) {
        struct kb_plan_group *group = &plan->groups[g];
        struct kb_guard_group *view = &j->groups[g];
        view->group = group;
        view->managed = find_managed(j->work.in->scope, kb_plan_str(plan, group->name));
        if (group->create_state == KB_OP_HELD)
            group->create_state = KB_OP_READY;
        j->work.creates += group->create && group->create_state == KB_OP_READY;
        for (uint32_t i = 0; i < group->ops_len; i++) {
            struct kb_plan_op *op = &plan->ops[group->ops_start + i];
            op->held_by = 0;
            if (op->state == KB_OP_FROZEN)
                continue;
            op->state = KB_OP_READY;
            view->adds += op->op == KB_OP_ADD;
            view->removes += op->op == KB_OP_REMOVE;
        }
        j->work.adds += view->adds;
        j->work.removes += view->removes;
    }
}

static bool
is_held_by(const struct judge *j, const struct kb_guard_row *row, const struct kb_guard_group *view,
           const struct kb_plan_op *op)
{
    if (op->state == KB_OP_FROZEN || !(row->holds & (op->op == KB_OP_ADD ? KB_HOLD_ADDS : KB_HOLD_REMOVALS)))
        return false;
    return !row->holds_op || row->holds_op(&j->work, view, op);
}

/* A creation goes with the additions; a row that picks single operations leaves it alone. */
static bool
holds_creation(const struct kb_guard_row *row, const struct kb_plan_group *group)
{
    return row->holds & KB_HOLD_ADDS && !row->holds_op && group->create &&
           group->create_state != KB_OP_FROZEN;
}

static int64_t
count_held(const struct judge *j, const struct kb_guard_row *row, const struct kb_guard_group *view)
{
    int64_t count = holds_creation(row, view->group);

    for (uint32_t i = 0; i < view->group->ops_len; i++)
        count += is_held_by(j, row, view, &j->work.plan->ops[view->group->ops_start + i]);
    return count;
}

static void
hold(struct judge *j, enum kb_guard_id id, const struct kb_guard_row *row, uint32_t g)
{
    struct kb_plan_group *group = &j->work.plan->groups[g];

    if (holds_creation(row, group))
        group->create_state = KB_OP_HELD;
    for (uint32_t i = 0; i < group->ops_len; i++) {
        struct kb_plan_op *op = &j->work.plan->ops[group->ops_start + i];
        if (!is_held_by(j, row, &j->groups[g], op))
            continue;
        op->state = KB_OP_HELD;
        op->held_by |= 1u << id;
    }
}

static bool
is_approved(const struct judge *j, enum kb_guard_id id, const struct kb_plan_group *group)
{
    const struct kb_guard_input *in = j->work.in;
    const struct kb_plan *plan = j->work.plan;

    for (size_t i = 0; i < in->approvals_len; i++) {
        struct kb_approval *approval = &in->approvals[i];
        if (strcmp(approval->guard, kb_guard_name(id)) != 0 || approval->expires_s <= in->at_s ||
            strcmp(approval->group, group ? kb_plan_str(plan, group->name) : "") != 0 ||
            strcmp(approval->fingerprint, group ? group->fingerprint : plan->fingerprint) != 0)
            continue;
        approval->used = true;
        return true;
    }
    return false;
}

static int
add_verdict(struct judge *j, uint32_t group, const struct kb_plan_guard *guard)
{
    if (!kb_grow(&j->verdicts, &j->cap, j->len + 1, sizeof(*j->verdicts), VERDICTS_MAX))
        return nomem(j);
    j->verdicts[j->len++] = (struct verdict){.group = group, .guard = *guard};
    return 0;
}

/* The verdict that the plan brought along. */
static bool
kept_verdict(const struct judge *j, uint32_t start, uint32_t len, struct kb_plan_guard *guard)
{
    for (uint32_t i = 0; i < len; i++) {
        const struct kb_plan_guard *old = &j->work.plan->guards[start + i];
        if (old->id == guard->id) {
            *guard = *old;
            return old->tripped;
        }
    }
    return false;
}

static bool
stays(const struct judge *j, const struct kb_guard_row *row)
{
    const struct kb_guard_input *in = j->work.in;

    return (!row->run && !row->group) || (row->needs_source && (!in->desired || !in->realm || !in->scope));
}

static int
set_note(struct judge *j, struct kb_plan_guard *guard)
{
    if (j->work.note->failed) /* longer than a note may be: the numbers say enough */
        kb_buf_clear(j->work.note);
    guard->note = kb_pool_adds(&j->work.plan->pool, kb_buf_str(j->work.note));
    return guard->note == KB_NONE ? nomem(j) : 0;
}

static int
judge_run_guard(struct judge *j, enum kb_guard_id id)
{
    const struct kb_guard_row *row = kb_guard_row(id);
    struct kb_plan *plan = j->work.plan;
    struct kb_plan_guard guard = {.id = (uint8_t) id, .scope = KB_SCOPE_RUN, .percent = row->percent};
    int64_t held = row->always;
    int r = 0;

    for (uint32_t g = 0; !held && g < plan->groups_len; g++)
        held += count_held(j, row, &j->groups[g]);
    if (!held)
        return 0;
    if (stays(j, row)) {
        guard.tripped = kept_verdict(j, 0, plan->run_guards_len, &guard);
    } else {
        kb_buf_clear(j->work.note);
        guard.tripped = row->run(&j->work, &guard);
        r = guard.tripped ? set_note(j, &guard) : 0;
    }
    if (r < 0 || !guard.tripped)
        return r;
    guard.approved = is_approved(j, id, NULL);
    for (uint32_t g = 0; !guard.approved && g < plan->groups_len; g++)
        hold(j, id, row, g);
    return add_verdict(j, 0, &guard);
}

static int
judge_group_guard(struct judge *j, enum kb_guard_id id, uint32_t g)
{
    const struct kb_guard_row *row = kb_guard_row(id);
    struct kb_plan *plan = j->work.plan;
    const struct kb_plan_group *group = &plan->groups[g];
    struct kb_plan_guard guard = {.id = (uint8_t) id, .scope = row->scope, .percent = row->percent};
    bool member = row->scope == KB_SCOPE_MEMBER;
    int r = 0;

    if (!member && !count_held(j, row, &j->groups[g]))
        return 0;
    if (stays(j, row)) {
        guard.tripped = kept_verdict(j, group->guards_start, group->guards_len, &guard);
    } else {
        kb_buf_clear(j->work.note);
        guard.tripped = row->group(&j->work, &j->groups[g], &guard);
        r = guard.tripped ? set_note(j, &guard) : 0;
    }
    if (r < 0 || !guard.tripped)
        return r;
    guard.approved = !member && is_approved(j, id, group);
    if (!guard.approved && !member)
        hold(j, id, row, g);
    return add_verdict(j, g + 1, &guard);
}

static void
count_what_is_left(struct judge *j)
{
    const struct kb_plan *plan = j->work.plan;

    for (uint32_t g = 0; g < plan->groups_len; g++) {
        const struct kb_plan_group *group = &plan->groups[g];
        j->groups[g].left = group->before;
        for (uint32_t i = 0; i < group->ops_len; i++) {
            const struct kb_plan_op *op = &plan->ops[group->ops_start + i];
            if (op->state == KB_OP_READY)
                j->groups[g].left += op->op == KB_OP_ADD ? 1 : -1;
        }
    }
}

static int
judge_all(struct judge *j)
{
    int r = 0;

    for (unsigned id = 0; r >= 0 && id < KB_GUARD_MAX_; id++) {
        const struct kb_guard_row *row = kb_guard_row(id);
        if (row->scope == KB_SCOPE_RUN)
            r = judge_run_guard(j, id);
        for (uint32_t g = 0;
             r >= 0 && row->scope != KB_SCOPE_RUN && !row->last && g < j->work.plan->groups_len; g++)
            r = judge_group_guard(j, id, g);
    }
    if (r < 0)
        return r;
    count_what_is_left(j);
    for (unsigned id = 0; r >= 0 && id < KB_GUARD_MAX_; id++) {
        for (uint32_t g = 0; r >= 0 && kb_guard_row(id)->last && g < j->work.plan->groups_len; g++)
            r = judge_group_guard(j, id, g);
    }
    return r;
}

static int
compare_verdicts(const void *a, const void *b)
{
    const struct verdict *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->guard.id > y->guard.id) - (x->guard.id < y->guard.id);
}

static int
publish(struct judge *j)
{
    struct kb_plan *plan = j->work.plan;

    if (!kb_grow(&plan->guards, &plan->guards_cap, j->len ? j->len : 1, sizeof(*plan->guards), VERDICTS_MAX))
        return nomem(j);
    if (j->len)
        qsort(j->verdicts, j->len, sizeof(*j->verdicts), compare_verdicts);
    plan->guards_len = plan->run_guards_len = 0;
    for (uint32_t g = 0; g < plan->groups_len; g++)
        plan->groups[g].guards_start = plan->groups[g].guards_len = 0;
    for (size_t i = 0; i < j->len; i++) {
        uint32_t g = j->verdicts[i].group;
        if (!g)
            plan->run_guards_len++;
        else if (!plan->groups[g - 1].guards_len++)
            plan->groups[g - 1].guards_start = plan->guards_len;
        plan->guards[plan->guards_len++] = j->verdicts[i].guard;
    }
    return 0;
}

int
kb_guards_judge(const struct kb_guard_input *input, struct kb_plan *plan, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf note = KB_BUF_INIT(NOTE_SIZE_MAX);
    struct judge j = {.work = {.in = input, .plan = plan, .note = &note}, .err = err};
    int r;

    j.groups = calloc((size_t) plan->groups_len + 1, sizeof(*j.groups));
    if (!j.groups)
        return nomem(&j);
    reset(&j);
    r = judge_all(&j);
    if (r >= 0)
        r = publish(&j);
    free(j.verdicts);
    free(j.groups);
    kb_plan_recount(plan);
    return r;
}
