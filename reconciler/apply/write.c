/* A few groups at a time, one request at a time for each: read again -> intent -> PATCH -> next. Reading back is
 * verify.c's.
 *
 * What is not done here: no request is repeated (base/http repeats only what the server refused to act on),
 * no corrective PATCH is sent, and nothing is decided: the plan says what is ready. */
#include "base/ban.h"

#include "reconciler/apply/work.h"

#include "reconciler/plan/fingerprint.h"

/* The last check before a request is built (I4): the scope is enforced here again, whatever the plan says. */
static int
check_scope(const struct work *w, struct kb_error *err)
{
    const struct apply *a = w->a;
    const struct kb_plan_group *g = &a->plan->groups[w->group];
    const char *name = kb_plan_str(a->plan, g->name);
    if (kb_guard_group_protected(a->rules, name))
        return kb_fail(err, KB_E_BUG, "group %s is protected", name);
    bool managed = false;
    for (uint32_t i = 0; i < a->scope->managed_len && !managed; i++)
        managed = !strcmp(a->scope->managed[i].name, name);
    if (!managed)
        return kb_fail(err, KB_E_BUG, "group %s has no rule", name);
    const char *self =
        a->target->self == KB_NONE ? "" : kb_target_str(a->target, a->target->principals[a->target->self].id);
    for (size_t i = 0; *self && i < w->add_len; i++)
        if (!strcmp(w->add_ids[i], self))
            return kb_fail(err, KB_E_BUG, "the plan for %s names the program itself", name);
    for (size_t i = 0; *self && i < w->remove_len; i++)
        if (!strcmp(w->remove_ids[i], self))
            return kb_fail(err, KB_E_BUG, "the plan for %s names the program itself", name);
    return 0;
}

void
work_fail(struct apply *a, const struct kb_error *why)
{
    kb_error_gather(&a->failed, why);
    kb_http_stop(a->http);
}

/* Five failed writes in a row, or 20 % of at least 10 (interface section 4, write_errors). */
void
work_count(struct apply *a, const struct scim_write *write, bool halved)
{
    a->writes += write->ok || write->sent;
    if (write->ok)
        a->failures_in_a_row = 0;
    if (write->ok || halved)
        return;
    a->write_failures++;
    a->failures_in_a_row++;
    if (a->failures_in_a_row >= a->rules->limits.write_errors ||
        (a->writes >= 10 && a->write_failures * 5 > a->writes))
        a->write_errors = true;
}

static void send_next(struct work *w);
static void after(struct work *w);

/* The POST made it: its id is where the members go. */
static void
take_group(struct work *w, const char *id)
{
    const struct kb_plan_group *g = &w->a->plan->groups[w->group];
    struct kb_error err = {0};
    w->tgroup = kb_target_group_add(w->a->target, id);
    if (w->tgroup != KB_NONE &&
        kb_target_group_set_name(w->a->target, w->tgroup, kb_plan_str(w->a->plan, g->name))) {
        w->a->target->groups[w->tgroup].listed = true; /* the next snapshot knows it */
        return;
    }
    (void) kb_fail(&err, KB_E_NOMEM, "new group");
    work_fail(w->a, &err);
}

static void
on_write(void *userdata, const struct scim_write *write)
{
    struct work *w = userdata;
    struct work_request *r = &w->requests[w->requests_len - 1];
    r->write = *write;
    r->sent = write->ok || write->sent;
    r->halved = write->too_large && !r->create && scim_patch_halve(&w->limits, &r->slice);
    work_count(w->a, write, r->halved);
    if (r->create && write->ok)
        take_group(w, write->id);
    if (r->halved) { /* nothing of it was done: its members go in smaller requests */
        w->removes_sent = r->slice.remove_start;
        w->adds_sent = r->slice.add_start;
    }
    if (write->ok || r->halved)
        send_next(w);
    else
        work_drop_rest(w, false,
                       write->detail[0] ? write->detail : "an earlier request of this group failed");
    after(w);
}

static int
send_create(struct work *w, struct work_request *r, struct kb_error *err)
{
    const char *name = kb_plan_str(w->a->plan, w->a->plan->groups[w->group].name);
    r->create = true;
    int e = work_intent(w, r, err);
    return e < 0 ? e : scim_create_group(w->a->scim, name, on_write, w, err);
}

static int
send_patch(struct work *w, struct work_request *r, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
    r->slice = scim_patch_next(w->removes_sent, w->remove_len, w->adds_sent, w->add_len, &w->limits);
    int e = scim_patch_slice(w->remove_ids, w->add_ids, &r->slice, &w->limits, &body, err);
    if (e >= 0)
        e = scim_patch_check(kb_buf_str(&body), body.len, r->slice.remove_len, r->slice.add_len, err);
    if (e >= 0)
        e = work_intent(w, r, err);
    if (e >= 0) {
        w->removes_sent = r->slice.remove_start + r->slice.remove_len;
        w->adds_sent = r->slice.add_start + r->slice.add_len;
        e = scim_patch_send(w->a->scim, work_group_id(w), kb_buf_str(&body), on_write, w, err);
    }
    return e;
}

static void
send_next(struct work *w)
{
    struct apply *a = w->a;
    bool create = w->create && !w->requests_len;
    if (!create && w->removes_sent == w->remove_len && w->adds_sent == w->add_len) {
        w->ended = true;
        return;
    }
    if (kb_http_stopped(a->http) || a->failed.code || a->write_errors) {
        work_drop_rest(w, a->write_errors,
                       a->write_errors ? "guard write_errors" : "the run was stopped before this was sent");
        return;
    }
    struct kb_error err = {0};
    int e = 0;
    if (!kb_grow(&w->requests, &w->requests_cap, w->requests_len + 1, sizeof(*w->requests), 1 << 24))
        e = kb_fail(&err, KB_E_NOMEM, "a write");
    if (e >= 0) {
        struct work_request *r = &w->requests[w->requests_len++];
        *r = (struct work_request){0};
        e = create ? send_create(w, r, &err) : send_patch(w, r, &err);
    }
    if (e < 0) {
        work_drop_rest(w, false, err.msg);
        work_fail(a, &err);
    }
}

/* ---- read again just before the first write ---- */

static int
group_digest(const struct kb_target *target, const struct kb_target_group *g, char ret[KB_DIGEST_SIZE],
             struct kb_error *err)
{
    const char **ids = calloc((size_t) g->members.len + 1, sizeof(*ids));
    bool ok = ids != NULL;
    for (uint32_t i = 0; ok && i < g->members.len; i++)
        ids[i] = kb_target_str(target, target->principals[g->members.v[i]].id);
    ok = ok && kb_members_digest(ids, g->members.len, ret);
    free(ids);
    return ok ? 0 : kb_fail(err, KB_E_NOMEM, "digest of a group's members");
}

/* A connector may have taken it over since the listing. */
static bool
taken_over(const struct work *w, const struct kb_target_group *g)
{
    const struct apply *a = w->a;
    const char *name = kb_plan_str(a->plan, a->plan->groups[w->group].name);
    for (uint32_t i = 0; g->external_id && i < a->scope->managed_len; i++)
        if (!strcmp(a->scope->managed[i].name, name))
            return !a->scope->managed[i].adopt_external;
    return false;
}

static void
on_read(void *userdata, uint32_t tgroup)
{
    struct work *w = userdata;
    struct apply *a = w->a;
    const struct kb_target_group *g = &a->target->groups[tgroup];
    const struct kb_plan_group *pg = &a->plan->groups[w->group];
    struct kb_error err = {0};
    char digest[KB_DIGEST_SIZE];
    if (!kb_read_ok(&g->read)) {
        work_drop_rest(w, false, "the group could not be read again before writing");
    } else if (taken_over(w, g)) {
        a->moved++;
        work_drop_rest(w, false, "owned by another provisioner since the plan was made");
    } else if (group_digest(a->target, g, digest, &err) < 0) {
        work_fail(a, &err);
        work_drop_rest(w, false, err.msg);
    } else if (strcmp(digest, pg->precondition) != 0) {
        char note[160];
        (void) snprintf(note, sizeof(note), "the group moved since the plan: %u members then, %u now",
                        pg->precondition_members, g->members.len);
        a->moved++;
        work_drop_rest(w, false, note);
    } else {
        send_next(w);
    }
    after(w);
}

static int
start(struct work *w, struct kb_error *err)
{
    int e = check_scope(w, err);
    if (e < 0)
        return e;
    if (w->create) {
        send_next(w);
        return 0;
    }
    if (w->tgroup == KB_NONE) {
        work_drop_rest(w, false, "the group is not in the target any more");
        w->a->moved++;
        return 0;
    }
    return scim_read_group(w->a->scim, w->tgroup, on_read, w, err);
}

/* Begins the next groups while there is room. */
static void
pump(struct apply *a)
{
    struct kb_error err = {0};
    while (a->works_next < a->works_len && (!a->in_flight || a->in_flight < a->parallel)) {
        struct work *w = &a->works[a->works_next++];
        if (kb_http_stopped(a->http) || a->failed.code || a->write_errors)
            send_next(w); /* says why not */
        else if (start(w, &err) < 0) {
            work_drop_rest(w, false, err.msg);
            work_fail(a, &err);
        }
        a->in_flight += !w->ended;
    }
}

/* A step of this group is over; when it was the last one, there is room for another group. */
static void
after(struct work *w)
{
    if (!w->ended)
        return;
    w->a->in_flight--;
    pump(w->a);
}

static int
make_works(struct apply *a, struct work **ret, size_t *ret_len, struct kb_error *err)
{
    struct work *works = calloc(a->plan->groups_len + 1, sizeof(*works));
    if (!works)
        return kb_fail(err, KB_E_NOMEM, "writes");
    size_t n = 0;
    int e = 0;
    for (uint32_t i = 0; i < a->plan->groups_len && e >= 0; i++) {
        const struct kb_plan_group *g = &a->plan->groups[i];
        e = work_new(a, i, &works[n], err);
        if (e < 0)
            break;
        bool create_held = g->create && g->state != KB_OP_READY;
        bool nothing = !g->create && !works[n].add_len && !works[n].remove_len;
        if (create_held || nothing)
            work_done(&works[n]);
        else
            n++;
    }
    *ret = works;
    *ret_len = n;
    return e;
}

static void
count_results(struct apply *a)
{
    for (uint32_t i = 0; i < a->plan->ops_len; i++) {
        const struct kb_plan_op *op = &a->plan->ops[i];
        switch ((enum kb_result) op->result) {
        case KB_RESULT_APPLIED:
        case KB_RESULT_APPLIED_ALREADY:
            *(op->op == KB_OP_ADD ? &a->added : &a->removed) += 1;
            break;
        case KB_RESULT_REJECTED:
            a->rejected++;
            break;
        case KB_RESULT_UNVERIFIED:
        case KB_RESULT_UNKNOWN:
            a->unverified++;
            break;
        case KB_RESULT_DROPPED:
            *(op->state == KB_OP_HELD ? &a->held_back : &a->dropped) += 1;
            break;
        case KB_RESULT_NONE:
        case KB_RESULT_MAX_:
            break;
        }
    }
}

int
apply_write(struct apply *a, struct kb_error *err)
{
    struct work *works = NULL;
    size_t len = 0;
    int e = work_users(a, err);
    if (e >= 0)
        e = make_works(a, &works, &len, err);
    if (e >= 0) {
        struct kb_error stopped = {0};
        a->works = works;
        a->works_len = len;
        pump(a);
        a->stopped = kb_http_run(a->http, &stopped) < 0;
        for (size_t i = 0; i < len; i++)
            if (!works[i].ended)
                work_drop_rest(&works[i], false, "the run was stopped before this was sent");
        e = work_verify(a, works, len, err);
    }
    if (e >= 0 && a->failed.code) {
        *err = a->failed;
        e = -(int) a->failed.code;
    }
    count_results(a);
    for (size_t i = 0; i < len; i++)
        work_done(&works[i]);
    free(works);
    a->works = NULL;
    return e;
}
