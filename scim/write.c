/* PATCH of members, POST of groups and users, and the one look-up that an unknown POST needs. */
#include "base/ban.h"

#include "scim/internal.h"
#include "scim/patch.h"

#include "base/str.h"

static const char content_type[] =
    "application/scim+json; charset=utf-8"; /* names were garbled without it (TF PR#1043) */

struct write_call {
    struct scim *scim;
    bool create;
    bool external; /* PATCH of a group that carries an externalId */
    char *name;    /* POST, look-up: the displayName or userName; NULL for a PATCH */
    scim_write_fn fn;
    void *userdata;
};

/* A 4xx says that the server did not act; 408 does not. 429 is only seen here when the waiting was over. */
static bool
is_refusal(int status)
{
    return status >= 400 && status < 500 && status != 408;
}

static bool
speaks_of_size(const char *detail)
{
    return strstr(detail, "too many") || strstr(detail, "Too many") || strstr(detail, "exceed") ||
           strstr(detail, "too large");
}

/* A group of the account cannot be changed through a workspace (databricks-api.md 1.3 has three answers that say
 * so); no retry helps. */
static const char *
cure(const struct write_call *c, int status, const char *said)
{
    static const char wrong_level[] =
        "; wrong level: this is a group of the account, use level = \"account\" or \"workspace_proxy\"";
    bool workspace = c->scim->level == SCIM_WORKSPACE;
    if (strstr(said, "not supported for current workspace") || strstr(said, "managed in account"))
        return wrong_level;
    if (workspace && status == 500 &&
        strstr(said, "Error in performing the patch operation on group resource"))
        return wrong_level;
    if (c->create && status == 409)
        return "; it exists, but no listing shows it: does automatic identity management own it?";
    if (c->external && (status == 400 || status == 403 || status == 409))
        return "; it carries an externalId and takes no change: automatic identity management owns it, take "
               "it "
               "out of the rules";
    if (status == 403)
        return "; the service principal must be manager of this group or account admin";
    return "";
}

static void
judge(const struct write_call *c, const struct kb_http_reply *reply, struct scim_write *w)
{
    (void) snprintf(w->request_id, sizeof(w->request_id), "%.79s", reply->request_id);
    w->status = reply->status;
    if (reply->error->code) {
        w->sent = reply->sent;
        w->refused = !reply->sent;
        (void) snprintf(w->detail, sizeof(w->detail), "%.255s", reply->error->msg);
        return;
    }
    w->sent = true;
    w->ok = reply->status >= 200 && reply->status < 300;
    if (!w->ok) {
        char said[sizeof(w->detail)];
        scim_error_text(reply->body, reply->body_size, reply->status, said, sizeof(said));
        const char *advice = cure(c, reply->status, reply->body ? reply->body : "");
        (void) snprintf(w->detail, sizeof(w->detail), "%.*s%s",
                        (int) (sizeof(w->detail) - 1 - strlen(advice)), said, advice);
        w->refused = is_refusal(reply->status);
        w->gone = reply->status == 404;
        w->conflict = reply->status == 409;
        w->too_large = reply->status == 413 || (reply->status == 400 && speaks_of_size(w->detail));
        return;
    }
    struct kb_error err = {0};
    if (c->create && scim_decode_created(reply->body, reply->body_size, c->name, w->id, &err) < 0) {
        w->ok = false; /* made, or not: the name is looked up */
        w->id[0] = '\0';
        (void) snprintf(w->detail, sizeof(w->detail), "HTTP %d, but the answer cannot be used: %.180s",
                        reply->status, err.msg);
    }
}

static void
call_free(struct write_call *c)
{
    free(c->name);
    free(c);
}

static void
on_write(void *userdata, const struct kb_http_reply *reply)
{
    struct write_call *c = userdata;
    struct scim_write w = {0};
    judge(c, reply, &w);
    kb_utf8_mend(w.detail); /* it goes into the audit chain, and may have been cut */
    scim_write_fn fn = c->fn;
    void *theirs = c->userdata;
    call_free(c);
    fn(theirs, &w);
}

static int
send_write(struct scim *scim, const char *resource, const char *id /* NULL: POST */, const char *name,
           const char *body, scim_write_fn fn, void *userdata, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(8192);
    struct write_call *c = calloc(1, sizeof(*c));
    if (!c)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a write");
    *c = (struct write_call){.scim = scim, .create = !id, .fn = fn, .userdata = userdata};
    c->name = name ? kb_strndup(name, strlen(name)) : NULL;
    uint32_t group = id ? kb_target_group(scim->target, id) : KB_NONE;
    c->external = group != KB_NONE && scim->target->groups[group].external_id;
    (void) scim_path(scim, resource, id, &target);
    const struct kb_http_request request = {.method = id ? "PATCH" : "POST",
                                            .target = kb_buf_str(&target),
                                            .body = body,
                                            .content_type = content_type,
                                            .class = id ? KB_HTTP_PATCH : KB_HTTP_POST,
                                            .front = true,
                                            .on_reply = on_write,
                                            .userdata = c};
    int e = target.failed || (name && !c->name) ? kb_fail(err, KB_E_NOMEM, "out of memory for a write")
                                                : kb_http_submit(scim->peer, &request, err);
    if (e < 0)
        call_free(c);
    return e;
}

int
scim_patch_send(struct scim *scim, const char *group_id, const char *body, scim_write_fn fn, void *userdata,
                struct kb_error *err)
{
    if (!kb_is_digits(group_id, 1, 19))
        return kb_fail(err, KB_E_BUG, "a group id is not 1 to 19 digits; nothing is sent");
    /* Whoever calls: what is not exactly allowed does not leave (reliability F83). */
    int e = scim_patch_check(body, strlen(body), SCIM_PATCH_ANY, SCIM_PATCH_ANY, err);
    if (e < 0)
        return e;
    return send_write(scim, "Groups", group_id, NULL, body, fn, userdata, err);
}

int
scim_create_group(struct scim *scim, const char *display_name, scim_write_fn fn, void *userdata,
                  struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(8192);
    kb_buf_adds(&body, "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"displayName\":");
    kb_buf_add_json(&body, display_name);
    kb_buf_addc(&body, '}');
    if (body.failed)
        return kb_fail(err, KB_E_BUG, "a group name cannot be written as JSON");
    return send_write(scim, "Groups", NULL, display_name, kb_buf_str(&body), fn, userdata, err);
}

int
scim_create_user(struct scim *scim, const char *user_name, const char *display_name, scim_write_fn fn,
                 void *userdata, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(16384);
    kb_buf_adds(&body, "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":");
    kb_buf_add_json(&body, user_name);
    if (display_name && *display_name) {
        kb_buf_adds(&body, ",\"displayName\":");
        kb_buf_add_json(&body, display_name);
    }
    kb_buf_addc(&body, '}');
    if (body.failed)
        return kb_fail(err, KB_E_BUG, "a user name cannot be written as JSON");
    return send_write(scim, "Users", NULL, user_name, kb_buf_str(&body), fn, userdata, err);
}

/* ---- after a POST whose answer was lost ---- */

struct found {
    const char *name;
    struct scim_write *write;
    unsigned exact, rows;
};

static int
on_found_row(void *userdata, const struct scim_row *row, struct kb_error *err)
{
    struct found *f = userdata;
    (void) err;
    f->rows++;
    if (!strcmp(row->name, f->name)) { /* the filter compares without case (databricks-api.md 3.4) */
        f->exact++;
        (void) snprintf(f->write->id, sizeof(f->write->id), "%s", row->id);
    }
    return 0;
}

static void
on_find(void *userdata, const struct kb_http_reply *reply)
{
    struct write_call *c = userdata;
    struct scim_write w = {0};
    struct kb_error err = {0};
    struct scim_rows *rows = NULL;
    int64_t total = 0, start = 0;
    bool has;
    struct found f = {c->name, &w, 0, 0};
    judge(c, reply, &w);
    if (w.ok) {
        int e = scim_rows_list(SCIM_GROUPS, on_found_row, &f, &rows, &err);
        if (e >= 0)
            e = scim_rows_feed(rows, reply->body, reply->body_size, &err);
        if (e >= 0)
            e = scim_rows_end_list(rows, &total, &start, &has, &err);
        scim_rows_free(rows);
        if (e >= 0 && f.rows != total)
            e = kb_fail(&err, KB_E_PROTOCOL, "%u rows came, totalResults is %lld", f.rows, (long long) total);
        if (e >= 0 && f.exact > 1)
            e = kb_fail(&err, KB_E_PROTOCOL, "%u groups have this name", f.exact);
        w.ok = e >= 0; /* none: a certain answer, too */
        if (!w.ok || !f.exact)
            w.id[0] = '\0';
        if (!w.ok)
            (void) snprintf(w.detail, sizeof(w.detail), "looking for the group: %.220s", err.msg);
    }
    kb_utf8_mend(w.detail);
    scim_write_fn fn = c->fn;
    void *theirs = c->userdata;
    call_free(c);
    fn(theirs, &w);
}

int
scim_find_group(struct scim *scim, const char *display_name, scim_write_fn fn, void *userdata,
                struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(16384);
    KB_CLEANUP(kb_buf) struct kb_buf filter = KB_BUF_INIT(8192);
    struct write_call *c = calloc(1, sizeof(*c));
    if (!c)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a look-up");
    *c = (struct write_call){.scim = scim, .fn = fn, .userdata = userdata};
    c->name = kb_strndup(display_name, strlen(display_name));
    kb_buf_adds(&filter, "displayName eq ");
    kb_buf_add_json(&filter, display_name); /* double quotes, backslash escapes (databricks-api.md 3.4) */
    (void) scim_path(scim, "Groups", NULL, &target);
    kb_buf_adds(&target, "?attributes=id,displayName&count=100&filter=");
    kb_buf_add_segment(&target, kb_buf_str(&filter));
    const struct kb_http_request request = {.method = "GET",
                                            .target = kb_buf_str(&target),
                                            .class = KB_HTTP_LIST,
                                            .front = true,
                                            .on_reply = on_find,
                                            .userdata = c};
    int e = !c->name || target.failed || filter.failed
                ? kb_fail(err, KB_E_NOMEM, "out of memory for a look-up")
                : kb_http_submit(scim->peer, &request, err);
    if (e < 0)
        call_free(c);
    return e;
}
