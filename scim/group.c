/* One group by id: the only place members come from.
 *
 * A member whose principal the listings do not explain is asked by id: the listing may have been short. Unknown is a doubt about the
 * group, not an absence (interface section 3, "A name that cannot be translated"). A group that had members and now reads as empty
 * is read once more before that is believed (reliability F51).
 */
#include "base/ban.h"

#include "scim/internal.h"

#include "base/clock.h"
#include "base/str.h"

#define UNEXPLAINED_MAX 1000 /* more than that in one group: the listing is not believed at all */

struct group_call {
    struct scim *scim;
    uint32_t group;
    struct scim_rows *decoder;
    struct kb_u32s members;  /* principal indices, as they came */
    struct kb_u32s unlisted; /* principal indices to ask for */
    uint32_t nested, rows;
    unsigned open, tries;
    bool again; /* second reading of a group that reads as empty */
    struct kb_error doubt;
    void (*on_done)(void *userdata, uint32_t group);
    void *userdata;
};

static struct kb_target_group *
group_of(const struct group_call *c)
{
    return &c->scim->target->groups[c->group];
}

static void
call_free(struct group_call *c)
{
    scim_rows_free(c->decoder);
    kb_u32s_done(&c->members);
    kb_u32s_done(&c->unlisted);
    free(c);
}

/* ---- members ---- */

static int
add_member(struct group_call *c, uint32_t principal, struct kb_error *err)
{
    if (principal == KB_NONE || !kb_u32s_add(&c->members, principal))
        return kb_fail(err, KB_E_NOMEM, "out of memory for members");
    struct kb_principal *p = &c->scim->target->principals[principal];
    if (p->listed || p->looked_up)
        return 0;
    if (c->unlisted.len >= UNEXPLAINED_MAX)
        return kb_fail(err, KB_E_PROTOCOL, "over %d members are in no listing of users or service principals",
                       UNEXPLAINED_MAX);
    return kb_u32s_add(&c->unlisted, principal) ? 0 : kb_fail(err, KB_E_NOMEM, "out of memory for members");
}

static int
on_member(void *userdata, const struct scim_row *m, struct kb_error *err)
{
    struct group_call *c = userdata;
    struct kb_target *t = c->scim->target;
    c->rows++;
    uint32_t known = kb_target_principal(t, m->id);
    if (m->member == SCIM_MEMBER_GROUP && known != KB_NONE && t->principals[known].listed)
        return kb_fail(err, KB_E_PROTOCOL, "member %s is listed as a principal and here a group", m->id);
    if (m->member == SCIM_MEMBER_GROUP ||
        (m->member == SCIM_MEMBER_UNKNOWN && known == KB_NONE && kb_target_group(t, m->id) != KB_NONE)) {
        c->nested++;
        return 0;
    }
    if (known == KB_NONE) {
        known = kb_target_principal_add(t, m->id);
        if (known != KB_NONE)
            t->principals[known].kind =
                m->member == SCIM_MEMBER_SERVICE ? KB_PRINCIPAL_SERVICE : KB_PRINCIPAL_USER;
    }
    return add_member(c, known, err);
}

static void
on_begin(void *userdata)
{
    struct group_call *c = userdata;
    scim_rows_reset(c->decoder);
    c->members.len = c->unlisted.len = 0;
    c->nested = c->rows = 0;
}

static int
on_data(void *userdata, const char *bytes, size_t size, struct kb_error *err)
{
    struct group_call *c = userdata;
    return scim_rows_feed(c->decoder, bytes, size, err);
}

/* ---- the end ---- */

static void
finish(struct group_call *c, enum kb_read_status status, int http, const char *why)
{
    struct kb_target_group *g = group_of(c);
    scim_read_set(c->scim, &g->read, status, NULL, why);
    g->read.http = (uint16_t) (http > 0 ? http : 0);
    g->read.tries = (uint16_t) c->tries;
    g->read.rows = c->rows;
    if (status == KB_READ_COMPLETE) {
        kb_u32s_sort_unique(&c->members);
        kb_u32s_done(&g->members);
        g->members = c->members;
        c->members = (struct kb_u32s){0};
        g->group_members = c->nested;
        g->read.distinct = g->members.len + c->nested;
        g->from = KB_MEMBERS_NOW;
        g->read_at_s = kb_wall_s();
    } else {
        g->from = KB_MEMBERS_NONE; /* what the snapshot remembers is not what the server would not tell */
    }
    void (*done)(void *, uint32_t) = c->on_done;
    void *userdata = c->userdata;
    uint32_t group = c->group;
    call_free(c);
    done(userdata, group);
}

/* ---- members that no listing explains ---- */

static void
on_lookup(void *userdata, const struct kb_error *doubt)
{
    struct group_call *c = userdata;
    c->open--;
    kb_error_gather(&c->doubt, doubt);
    if (c->open)
        return;
    if (c->doubt.code)
        finish(c, KB_READ_SUSPECT, c->doubt.status, c->doubt.msg);
    else
        finish(c, KB_READ_COMPLETE, 200, NULL);
}

static void
explain_members(struct group_call *c)
{
    struct kb_error err = {0};
    kb_u32s_sort_unique(&c->unlisted);
    for (uint32_t i = 0; i < c->unlisted.len && !err.code; i++)
        if (scim_lookup(c->scim, c->unlisted.v[i], on_lookup, c, &err) >= 0)
            c->open++;
    kb_error_gather(&c->doubt, &err);
    if (!c->open)
        finish(c, c->doubt.code ? KB_READ_FAILED : KB_READ_COMPLETE, 200,
               c->doubt.code ? c->doubt.msg : NULL);
}

/* ---- GET /Groups/{id} ---- */

static void on_group(void *userdata, const struct kb_http_reply *reply);

static int
ask_group(struct group_call *c, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(8192);
    (void) scim_path(c->scim, "Groups", kb_target_str(c->scim->target, group_of(c)->id), &target);
    kb_buf_adds(&target, "?attributes=id,displayName,externalId,meta,members");
    const struct kb_http_request request = {.method = "GET",
                                            .target = kb_buf_str(&target),
                                            .class = KB_HTTP_GET,
                                            .front = true,
                                            .on_begin = on_begin,
                                            .on_data = on_data,
                                            .on_reply = on_group,
                                            .userdata = c};
    return target.failed ? kb_fail(err, KB_E_NOMEM, "out of memory for a group")
                         : kb_http_submit(c->scim->peer, &request, err);
}

/* What this reading says of the group is newer than what the listing or the snapshot said: a connector may
 * have taken it over in between. */
static int
keep_group(struct group_call *c, const struct scim_row *row, struct kb_error *err)
{
    struct kb_target *t = c->scim->target;
    struct kb_target_group *g = group_of(c);
    if (strcmp(row->external_id, kb_target_str(t, g->external_id)) != 0) {
        kb_text external = kb_pool_adds(&t->pool, row->external_id);
        if (external == KB_NONE)
            return kb_fail(err, KB_E_NOMEM, "out of memory for a group");
        g->external_id = external;
    }
    g->local = row->local;
    g->account = row->account;
    if (!g->name && !kb_target_group_set_name(t, c->group, row->name))
        return kb_fail(err, KB_E_NOMEM, "out of memory for a group");
    return 0;
}

static int
check_group(struct group_call *c, struct kb_error *err)
{
    struct scim_row row;
    const struct kb_target *t = c->scim->target;
    int e = scim_rows_end_group(c->decoder, &row, err);
    if (e < 0)
        return e;
    struct kb_target_group *g = group_of(c);
    if (strcmp(row.id, kb_target_str(t, g->id)) != 0)
        return kb_fail(err, KB_E_PROTOCOL, "asked for group %s, the answer is about %s",
                       kb_target_str(t, g->id), row.id);
    if (g->name && strcmp(row.name, kb_target_str(t, g->name)) != 0)
        return kb_fail(err, KB_E_PROTOCOL,
                       "the listing calls it \"%.100s\", reading it says \"%.100s\"; renamed just now?",
                       kb_target_str(t, g->name), row.name);
    return keep_group(c, &row, err);
}

/* It had members, and now none: asked once more, since a lie of that kind empties plans (F51). */
static bool
suspiciously_empty(const struct group_call *c)
{
    const struct kb_target_group *g = group_of(c);
    return !c->again && !c->members.len && (g->ledger.len || (g->from != KB_MEMBERS_NONE && g->members.len));
}

static void
on_group(void *userdata, const struct kb_http_reply *reply)
{
    struct group_call *c = userdata;
    struct kb_error err = {0};
    char said[400];
    c->tries += reply->tries;
    if (reply->error->code) {
        finish(c, KB_READ_FAILED, reply->status, reply->error->msg);
    } else if (reply->status != 200) {
        scim_error_text(reply->body, reply->body_size, reply->status, said, sizeof(said));
        /* A 404 of a gateway says nothing about the group. */
        KB_CLEANUP(kb_free) char *own = scim_decode_error(reply->body, reply->body_size);
        enum kb_read_status status = reply->status == 404 && own ? KB_READ_GONE
                                     : reply->status == 403      ? KB_READ_DENIED
                                                                 : KB_READ_FAILED;
        finish(c, status, reply->status, said);
    } else if (check_group(c, &err) < 0) {
        finish(c, KB_READ_FAILED, reply->status, err.msg);
    } else if (suspiciously_empty(c)) {
        c->again = true;
        if (ask_group(c, &err) < 0)
            finish(c, KB_READ_FAILED, 0, err.msg);
    } else {
        explain_members(c);
    }
}

int
scim_read_group(struct scim *scim, uint32_t group, void (*on_done)(void *userdata, uint32_t group),
                void *userdata, struct kb_error *err)
{
    struct group_call *c = calloc(1, sizeof(*c));
    if (!c)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a group");
    *c = (struct group_call){.scim = scim, .group = group, .on_done = on_done, .userdata = userdata};
    group_of(c)->read = (struct kb_read){.status = KB_READ_PENDING, .count = KB_NONE};
    int e = scim_rows_members(on_member, c, &c->decoder, err);
    if (e >= 0)
        e = ask_group(c, err);
    if (e < 0)
        call_free(c);
    return e;
}
