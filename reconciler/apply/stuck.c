#include "base/ban.h"

#include "reconciler/apply/stuck.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/runs.h"

#define STUCK_MAX (1u << 24)

struct stuck_list {
    struct kb_stuck *v;
    size_t len, cap;
};

/* In the database the sign of the operation stands before the principal's id: an addition that never came
 * says nothing about a removal. */
static void
key_of(const char *principal_id, enum kb_op op, char ret[KB_STUCK_KEY_SIZE])
{
    (void) snprintf(ret, KB_STUCK_KEY_SIZE, "%c%.30s", op == KB_OP_ADD ? '+' : '-', principal_id);
}

static int
on_stuck(void *userdata, const char *group_id, const char *principal_id, int64_t runs, int64_t last_try_s,
         struct kb_error *err)
{
    struct stuck_list *all = userdata;
    if (!kb_grow(&all->v, &all->cap, all->len + 1, sizeof(*all->v), STUCK_MAX))
        return kb_fail(err, KB_E_NOMEM, "stuck pairs");
    struct kb_stuck *s = &all->v[all->len];
    *s = (struct kb_stuck){.runs = runs, .last_try_s = last_try_s};
    (void) snprintf(s->key, sizeof(s->key), "%s", principal_id);
    s->group_id = kb_strndup(group_id, strlen(group_id));
    if (!s->group_id)
        return kb_fail(err, KB_E_NOMEM, "stuck pairs");
    all->len++;
    return 0;
}

int
stuck_load(struct store *store, struct kb_stuck **ret, size_t *ret_len, struct kb_error *err)
{
    struct stuck_list all = {0};
    int e = store ? store_stuck_each(store, on_stuck, &all, err) : 0;
    if (e < 0) {
        stuck_done(all.v, all.len);
        return e;
    }
    *ret = all.v;
    *ret_len = all.len;
    return 0;
}

void
stuck_done(struct kb_stuck *stuck, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free(stuck[i].group_id);
    free(stuck);
}

int
stuck_count(struct apply *a, const char *group_id, const struct kb_plan_op *op, struct kb_error *err)
{
    char key[KB_STUCK_KEY_SIZE];
    key_of(kb_plan_str(a->plan, op->id), op->op, key);
    const struct kb_stuck *known = kb_stuck_find(a->stuck, a->stuck_len, group_id, key);
    if (op->result == KB_RESULT_UNVERIFIED)
        return store_stuck_set(a->store, group_id, key, known ? known->runs + 1 : 1, kb_wall_s(), err);
    bool done = op->result == KB_RESULT_APPLIED || op->result == KB_RESULT_APPLIED_ALREADY;
    return known && done ? store_stuck_set(a->store, group_id, key, 0, 0, err) : 0;
}

int
stuck_forget(struct apply *a, struct kb_error *err)
{
    int e = 0;
    for (size_t i = 0; e >= 0 && i < a->stuck_len && !a->fresh->narrowed; i++) {
        const struct kb_stuck *s = &a->stuck[i];
        uint32_t g = kb_target_group(a->target, s->group_id);
        bool read = g != KB_NONE && a->target->groups[g].from != KB_MEMBERS_NONE;
        bool gone = g == KB_NONE || !a->target->groups[g].listed;
        if (!s->met && (read || gone))
            e = store_stuck_set(a->store, s->group_id, s->key, 0, 0, err);
    }
    return e;
}
