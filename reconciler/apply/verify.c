/* Written groups are read back once all are written, with pauses, until they agree or run.verify_s is over;
 * then each intent gets its one outcome row. A stale reading must not cause a second write: nothing is sent
 * from here.
 *
 * Two readings must agree where one did not: a cache that showed the old state once may show it again. Where
 * the first reading shows what was asked for, it is believed, since only the write itself can have made it so.
 * Source: interface.md section 3 (run.verify_s); databricks-api.md 3.7 (reads lag behind writes, and flip back).
 */
#include "base/ban.h"

#include "reconciler/apply/work.h"

static const int64_t pauses_s[] = {1, 2, 5, 15, 45, 60};

bool
work_agrees(const struct work *w)
{
    return w->agreed > 0 && (w->agreed > 1 || !w->doubted);
}

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
    bool agrees = kb_read_ok(&w->a->target->groups[tgroup].read);
    w->unreadable = !agrees;
    for (size_t i = 0; i < w->requests_len && agrees; i++) {
        const struct work_request *r = &w->requests[i];
        agrees = !r->seq || r->write.refused || !work_missing(w, r, false);
    }
    w->agreed = agrees ? w->agreed + 1 : 0;
    w->doubted |= !agrees;
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
        if (work_agrees(w) || w->tgroup == KB_NONE || !has_sent(w))
            continue;
        int e = scim_read_group(w->a->scim, w->tgroup, on_read, w, err);
        if (e < 0)
            return e;
    }
    if (len && kb_http_run(works[0].a->http, &stopped) < 0)
        works[0].a->stopped = true;
    *ret_open = 0;
    for (size_t i = 0; i < len; i++)
        *ret_open += works[i].tgroup != KB_NONE && has_sent(&works[i]) && !work_agrees(&works[i]);
    return 0;
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
        if (!w->create || !w->requests_len || !w->requests[0].seq || w->tgroup != KB_NONE ||
            w->requests[0].write.refused)
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
work_pause(struct apply *a, size_t round, int64_t *waited_s, int64_t limit_s, bool *ret_over,
           struct kb_error *err)
{
    int64_t pause_s = pauses_s[round < KB_LEN(pauses_s) ? round : KB_LEN(pauses_s) - 1];
    struct kb_error stopped = {0};
    *ret_over = a->stopped || a->failed.code || *waited_s + pause_s > limit_s;
    if (*ret_over)
        return 0;
    int e = kb_http_after(a->http, pause_s * 1000, on_pause, NULL, err);
    if (e >= 0 && kb_http_run(a->http, &stopped) < 0)
        a->stopped = true;
    *waited_s += pause_s;
    return e;
}

int
work_verify(struct apply *a, struct work *works, size_t len, struct kb_error *err)
{
    size_t open = 0;
    int64_t waited_s = 0;
    bool over = false;
    int e = look_for_created(works, len, err);
    for (size_t round = 0; e >= 0 && !over; round++) {
        e = read_back(works, len, &open, err);
        if (e >= 0 && open)
            e = work_pause(a, round, &waited_s, a->verify_s, &over, err);
        over = over || !open;
    }
    for (size_t i = 0; e >= 0 && i < len; i++) {
        if (has_sent(&works[i]) && works[i].tgroup != KB_NONE && !works[i].agreed)
            a->target->groups[works[i].tgroup].from = KB_MEMBERS_NONE; /* no snapshot of a doubtful reading */
        e = work_outcomes(&works[i], err);
    }
    return e;
}
