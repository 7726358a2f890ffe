/* A principal by name. The filter compares without letter case, so twins come too; rows of another name mean that
 * the server did not understand the filter, and that nothing it said counts. */
#include "base/ban.h"

#include "scim/internal.h"

#include "base/str.h"

#define NAME_MAX_LEN 255

struct find_call {
    struct scim *scim;
    enum kb_principal_kind kind;
    bool by_display;
    char *name;
    struct scim_rows *rows;
    uint32_t found;
    scim_find_fn fn;
    void *userdata;
};

static void
call_free(struct find_call *c)
{
    scim_rows_free(c->rows);
    free(c->name);
    free(c);
}

bool
scim_can_find(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@_+-";
    size_t len = strlen(name);
    return len > 0 && len <= NAME_MAX_LEN && strspn(name, plain) == len;
}

static int
on_row(void *userdata, const struct scim_row *row, struct kb_error *err)
{
    struct find_call *c = userdata;
    bool fresh = false;
    uint32_t p = KB_NONE;
    if (kb_ascii_casecmp(c->by_display ? row->display : row->name, c->name) != 0)
        return kb_fail(err, KB_E_PROTOCOL,
                       "asked for one name, another one came: the filter is not understood");
    int e = scim_put_principal(c->scim, c->kind, row, &p, &fresh, err);
    if (e >= 0) {
        c->scim->target->principals[p].named = true;
        c->found++;
    }
    return e;
}

static void
read_answer(struct find_call *c, const struct kb_http_reply *reply, struct kb_error *doubt)
{
    int64_t total = 0, start = 0;
    bool found = false;
    int e = scim_rows_feed(c->rows, reply->body, reply->body_size, doubt);
    if (e >= 0)
        e = scim_rows_end_list(c->rows, &total, &start, &found, doubt);
    if (e >= 0 && c->found != total)
        (void) kb_fail(doubt, KB_E_PROTOCOL, "%u rows came, totalResults is %lld", c->found,
                       (long long) total);
}

static void
on_find(void *userdata, const struct kb_http_reply *reply)
{
    struct find_call *c = userdata;
    struct kb_error doubt = {0};
    char said[400];
    if (reply->error->code) {
        doubt = *reply->error;
    } else if (reply->status != 200) {
        scim_error_text(reply->body, reply->body_size, reply->status, said, sizeof(said));
        (void) kb_fail(&doubt, KB_E_HTTP, "%s", said);
        doubt.status = reply->status;
    } else {
        read_answer(c, reply, &doubt);
    }
    scim_find_fn fn = c->fn;
    void *theirs = c->userdata;
    uint32_t found = c->found;
    call_free(c);
    fn(theirs, found, &doubt);
}

static int
ask(struct find_call *c, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(8192);
    KB_CLEANUP(kb_buf) struct kb_buf filter = KB_BUF_INIT(2048);
    bool service = c->kind == KB_PRINCIPAL_SERVICE;
    const char *attribute = !service ? "userName" : c->by_display ? "displayName" : "applicationId";
    kb_buf_addf(&filter, "%s eq \"%s\"", attribute, c->name);
    (void) scim_path(c->scim, service ? "ServicePrincipals" : "Users", NULL, &target);
    kb_buf_addf(&target, "?attributes=id,%s,displayName,active&startIndex=1&count=100&filter=",
                service ? "applicationId" : "userName");
    kb_buf_add_segment(&target, kb_buf_str(&filter));
    const struct kb_http_request request = {.method = "GET",
                                            .target = kb_buf_str(&target),
                                            .class = KB_HTTP_LIST,
                                            .front = true,
                                            .on_reply = on_find,
                                            .userdata = c};
    return target.failed || filter.failed ? kb_fail(err, KB_E_NOMEM, "out of memory for a look-up")
                                          : kb_http_submit(c->scim->peer, &request, err);
}

int
scim_find_people(struct scim *scim, enum kb_principal_kind kind, bool by_display, const char *name,
                 scim_find_fn fn, void *userdata, struct kb_error *err)
{
    if (!scim_can_find(name))
        return kb_fail(err, KB_E_BUG, "a name that a filter cannot ask for");
    struct find_call *c = calloc(1, sizeof(*c));
    if (!c)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a look-up");
    *c = (struct find_call){
        .scim = scim, .kind = kind, .by_display = by_display, .fn = fn, .userdata = userdata};
    c->name = kb_strndup(name, strlen(name));
    int e = c->name ? scim_rows_list(kind == KB_PRINCIPAL_SERVICE ? SCIM_SERVICES : SCIM_USERS, on_row, c,
                                     &c->rows, err)
                    : kb_fail(err, KB_E_NOMEM, "out of memory for a look-up");
    if (e >= 0)
        e = ask(c, err);
    if (e < 0)
        call_free(c);
    return e;
}
