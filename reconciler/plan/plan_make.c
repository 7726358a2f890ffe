#include "base/ban.h"

/* kb_plan_make: which groups there are to plan, each planned by itself (plan_group.c, plan_rows.c), all put
 * in order. Nothing of the result depends on the order in which the servers answered: everything that is
 * listed is sorted by its texts. */

#include "base/mem.h"
#include "reconciler/plan/file.h"
#include "reconciler/plan/plan_directory.h"
#include "reconciler/plan/plan_group.h"
#include "reconciler/plan/plan_ledger.h"
#include "reconciler/plan/plan_left.h"
#include "reconciler/plan/plan_source.h"

static bool
in_scope(const struct kb_plan_work *work, const char *name)
{
    const struct kb_scope *scope = work->in->scope;
    uint32_t low = 0, high = scope->managed_len;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int c = strcmp(scope->managed[middle].name, name);
        if (!c)
            return true;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* A group that Databricks itself says is gone: nothing to remove any more. */
static int
clean_group(struct kb_plan_work *work, uint32_t g)
{
    const struct kb_u32s *ledger = &work->in->target->groups[g].ledger;

    for (uint32_t i = 0; i < ledger->len; i++) {
        int r = kb_ledger_clean(work, KB_NONE, g, ledger->v[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int
release(struct kb_plan_work *work, const char *name, bool listed)
{
    kb_text text = kb_pool_adds(&work->plan->pool, name);

    return kb_left_add(work, KB_LEFT_RELEASED, text, 0,
                       listed ? "no rule names it any more; its members stay until keybricks release"
                              : "no rule names it any more, and it is in no list of Databricks");
}

/* Groups with ledger rows that the scope does not name. (One whose glob's role or path has vanished is in the
 * scope: kb_scope_keep.) */
static int
unnamed_groups(struct kb_plan_work *work)
{
    const struct kb_target *target = work->in->target;

    for (uint32_t g = 0; g < target->groups_len; g++) {
        const struct kb_target_group *group = &target->groups[g];
        const char *name = kb_target_str(target, group->name);
        int r = 0;
        if (!group->ledger.len || !kb_plan_group_selected(work, name))
            continue;
        if (!group->listed && group->read.status == KB_READ_GONE)
            r = work->in->users ? 0 : clean_group(work, g);
        else if (!in_scope(work, name))
            r = release(work, name, group->listed);
        if (r < 0)
            return r;
    }
    return 0;
}

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
sort_needs(struct kb_plan_needs *needs)
{
    size_t kept = 0;

    kb_u32s_sort_unique(&needs->target_groups);
    kb_u32s_sort_unique(&needs->names);
    if (needs->lookup_len)
        qsort(needs->lookup_ids, needs->lookup_len, sizeof(*needs->lookup_ids), compare_texts);
    for (size_t i = 0; i < needs->lookup_len; i++) {
        if (kept && !strcmp(needs->lookup_ids[kept - 1], needs->lookup_ids[i]))
            free(needs->lookup_ids[i]);
        else
            needs->lookup_ids[kept++] = needs->lookup_ids[i];
    }
    needs->lookup_len = kept;
}

static int
make(struct kb_plan_work *work)
{
    const struct kb_scope *scope = work->in->scope;
    int r;

    if (work->in->desired->groups_len != scope->managed_len)
        return kb_fail(work->err, KB_E_BUG, "plan: scope and desired do not belong together");
    r = kb_plan_work_init(work);
    if (r >= 0)
        r = kb_plan_describe(work);
    for (uint32_t m = 0; r >= 0 && m < scope->managed_len; m++) { /* sorted by name */
        struct kb_plan_job job = {
            .managed = m, .rule = &scope->managed[m], .desired = &work->in->desired->groups[m]};
        if (kb_plan_group_selected(work, scope->managed[m].name))
            r = kb_plan_group_make(work, &job);
    }
    if (r >= 0)
        r = unnamed_groups(work);
    if (r < 0)
        return r;
    r = kb_directory_describe(work);
    if (r < 0)
        return r;
    kb_left_sort(work->plan);
    kb_ledger_sort(work->plan, work->in->target);
    sort_needs(work->needs);
    kb_plan_recount(work->plan);
    return kb_plan_fingerprint(work->plan, work->err);
}

int
kb_plan_make(const struct kb_plan_input *input, struct kb_plan *ret, struct kb_plan_needs *ret_needs,
             struct kb_error *err)
{
    struct kb_plan plan = {0};
    struct kb_plan_needs needs = {0};
    struct kb_plan_work work = {.in = input, .plan = &plan, .needs = &needs, .err = err};
    int r = make(&work);

    kb_plan_work_done(&work);
    if (r < 0) {
        kb_plan_done(&plan);
        kb_plan_needs_done(&needs);
        return r;
    }
    *ret = plan;
    *ret_needs = needs;
    return 0;
}

void
kb_plan_needs_done(struct kb_plan_needs *needs)
{
    for (size_t i = 0; i < needs->lookup_len; i++)
        free(needs->lookup_ids[i]);
    free(needs->lookup_ids);
    kb_u32s_done(&needs->target_groups);
    kb_u32s_done(&needs->names);
    *needs = (struct kb_plan_needs){0};
}
