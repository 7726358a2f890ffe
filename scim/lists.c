/* The three listings: groups, users, service principals.
 *
 * The first page says how many there are and how many a page holds; the others are asked at once. The reading is believed when the
 * distinct ids are as many as totalResults; otherwise the list is read once more, page after page, and is suspect when they still
 * differ. A list that failed half-way is never "the rest was deleted" (databricks-api.md 3.1, TF PR#3807).
 */
#include "base/ban.h"

#include "scim/internal.h"

#include "base/str.h"

#define PAGE 100
#define PAGES_MAX 100000

struct page {
    struct scim_listing *l;
    int64_t start;
    uint32_t rows;
    uint32_t fresh; /* ids that no page before had */
    struct scim_rows *decoder;
    unsigned attempt;
};

static const char *const resources[SCIM_KIND_MAX_] = {"Groups", "Users", "ServicePrincipals"};
/* Only what is needed: roles and entitlements are expensive for the server (databricks-api.md 3.3). */
static const char *const attributes[SCIM_KIND_MAX_] = {"id,displayName,externalId,meta",
                                                       "id,userName,displayName,active",
                                                       "id,applicationId,displayName,active"};

static void
page_free(struct page *p)
{
    scim_rows_free(p->decoder);
    free(p);
}

/* ---- rows ---- */

static int
put_group(struct scim *scim, const struct scim_row *row, bool *ret_new, struct kb_error *err)
{
    struct kb_target *t = scim->target;
    uint32_t g = kb_target_group_add(t, row->id);
    kb_text external = kb_pool_adds(&t->pool, row->external_id);
    if (g == KB_NONE || external == KB_NONE || !kb_target_group_set_name(t, g, row->name))
        return kb_fail(err, KB_E_NOMEM, "out of memory for groups");
    t->groups[g].external_id = external;
    t->groups[g].local = row->local;
    t->groups[g].account = row->account;
    *ret_new = !t->groups[g].listed;
    t->groups[g].listed = true;
    return 0;
}

int
scim_put_principal(struct scim *scim, enum kb_principal_kind kind, const struct scim_row *row, uint32_t *ret,
                   bool *ret_new, struct kb_error *err)
{
    struct kb_target *t = scim->target;
    uint32_t p = kb_target_principal_add(t, row->id);
    kb_text name = kb_pool_adds(&t->pool, row->name), display = kb_pool_adds(&t->pool, row->display);
    if (p == KB_NONE || name == KB_NONE || display == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "out of memory for principals");
    struct kb_principal *pr = &t->principals[p];
    *ret_new = !pr->listed;
    *pr = (struct kb_principal){.id = pr->id,
                                .name = name,
                                .display = display,
                                .kind = (uint8_t) kind,
                                .active = row->active,
                                .listed = true};
    if (kind == KB_PRINCIPAL_SERVICE && *scim->self_client && !kb_ascii_casecmp(row->name, scim->self_client))
        t->self = p;
    *ret = p;
    return 0;
}

static int
on_row(void *userdata, const struct scim_row *row, struct kb_error *err)
{
    struct page *p = userdata;
    bool fresh = false;
    uint32_t principal;
    if (p->attempt != p->l->attempt)
        return 0; /* an answer of the first attempt that came late */
    int e = p->l->kind == SCIM_GROUPS
                ? put_group(p->l->scim, row, &fresh, err)
                : scim_put_principal(p->l->scim,
                                     p->l->kind == SCIM_USERS ? KB_PRINCIPAL_USER : KB_PRINCIPAL_SERVICE, row,
                                     &principal, &fresh, err);
    p->rows++;
    p->l->distinct += fresh;
    p->fresh += fresh;
    return e;
}

static void
on_begin(void *userdata)
{
    struct page *p = userdata;
    scim_rows_reset(p->decoder);
    p->rows = 0;
}

static int
on_data(void *userdata, const char *bytes, size_t size, struct kb_error *err)
{
    struct page *p = userdata;
    return scim_rows_feed(p->decoder, bytes, size, err);
}

/* ---- pages ---- */

static void on_page(void *userdata, const struct kb_http_reply *reply);

static int
ask(struct scim_listing *l, int64_t start, bool front, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(8192);
    struct page *p = calloc(1, sizeof(*p));
    if (!p)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a listing");
    *p = (struct page){.l = l, .start = start, .attempt = l->attempt};
    int e = scim_rows_list(l->kind, on_row, p, &p->decoder, err);
    (void) scim_path(l->scim, resources[l->kind], NULL, &target);
    kb_buf_addf(&target, "?attributes=%s&startIndex=%lld&count=%d", attributes[l->kind], (long long) start,
                PAGE);
    if (e >= 0 && target.failed)
        e = kb_fail(err, KB_E_NOMEM, "out of memory for a listing");
    const struct kb_http_request request = {.method = "GET",
                                            .target = kb_buf_str(&target),
                                            .class = KB_HTTP_LIST,
                                            .front = front,
                                            .on_begin = on_begin,
                                            .on_data = on_data,
                                            .on_reply = on_page,
                                            .userdata = p};
    if (e >= 0)
        e = kb_http_submit(l->scim->peer, &request, err);
    if (e < 0) {
        page_free(p);
        return e;
    }
    l->open++;
    return 0;
}

static void
end_listing(struct scim_listing *l)
{
    struct scim *scim = l->scim;
    struct kb_read *read = scim_listing_read(scim, l->kind);
    l->ended = true;
    read->rows = l->rows;
    read->distinct = l->distinct;
    read->count = l->total >= 0 ? (uint32_t) l->total : KB_NONE;
    if (--scim->open_listings == 0 && scim->on_lists)
        scim->on_lists(scim->userdata);
}

static void
fail_listing(struct scim_listing *l, enum kb_read_status status, const struct kb_http_reply *reply,
             const struct kb_error *why)
{
    if (!l->failed) {
        scim_read_set(l->scim, scim_listing_read(l->scim, l->kind), status, reply, why->msg);
        kb_error_gather(&l->scim->failed, why);
    }
    l->failed = true;
    if (!l->open && !l->ended)
        end_listing(l);
}

static void
unlist(struct scim_listing *l)
{
    struct kb_target *t = l->scim->target;
    enum kb_principal_kind kind = l->kind == SCIM_USERS ? KB_PRINCIPAL_USER : KB_PRINCIPAL_SERVICE;
    for (uint32_t i = 0; l->kind == SCIM_GROUPS && i < t->groups_len; i++)
        t->groups[i].listed = false;
    for (uint32_t i = 0; l->kind != SCIM_GROUPS && i < t->principals_len; i++)
        if (t->principals[i].kind == kind)
            t->principals[i].listed = false;
}

static int
read_again(struct scim_listing *l, struct kb_error *err)
{
    unlist(l);
    l->attempt = 1;
    l->rows = l->distinct = 0;
    l->next = 1;
    return ask(l, 1, true, err);
}

/* All pages of this attempt have answered. */
static void
settle(struct scim_listing *l)
{
    struct kb_error err = {0};
    if (l->failed) {
        end_listing(l);
    } else if (l->distinct == l->total) {
        scim_read_set(l->scim, scim_listing_read(l->scim, l->kind), KB_READ_COMPLETE, NULL, NULL);
        end_listing(l);
    } else if (l->attempt == 0) {
        if (read_again(l, &err) < 0)
            fail_listing(l, KB_READ_FAILED, NULL, &err);
    } else {
        (void) kb_fail(&err, KB_E_PROTOCOL, "%s: %u different ids came, but totalResults is %lld, twice",
                       resources[l->kind], l->distinct, (long long) l->total);
        fail_listing(l, KB_READ_SUSPECT, NULL, &err);
    }
}

/* Attempt 0: the first page tells the rest. */
static int
ask_rest(struct scim_listing *l, const struct page *p, struct kb_error *err)
{
    l->stride = p->rows;
    if (l->total / (p->rows ? p->rows : 1) > PAGES_MAX)
        return kb_fail(err, KB_E_PROTOCOL, "%s: %lld rows in pages of %u are too many", resources[l->kind],
                       (long long) l->total, p->rows);
    int e = 0;
    for (int64_t start = 1 + p->rows; p->rows && e >= 0 && start <= l->total; start += p->rows)
        e = ask(l, start, true, err);
    return e;
}

static int
follow(struct scim_listing *l, const struct page *p, struct kb_error *err)
{
    if (p->attempt != l->attempt)
        return 0;
    if (l->attempt == 0)
        return p->start == 1 ? ask_rest(l, p, err) : 0;
    /* A page that brings nobody new: the server ignores startIndex (reliability F46). */
    if (p->fresh == 0 || l->distinct == l->total)
        return 0;
    l->next += p->rows;
    return l->next > PAGES_MAX * (int64_t) PAGE
               ? kb_fail(err, KB_E_PROTOCOL, "%s: the pages do not end", resources[l->kind])
               : ask(l, l->next, true, err);
}

static int
read_page(struct scim_listing *l, struct page *p, struct kb_error *err)
{
    bool found = false;
    int64_t total = 0, start = 0;
    int e = scim_rows_end_list(p->decoder, &total, &start, &found, err);
    if (e < 0)
        return kb_fail_prefix(err, "GET %s", resources[l->kind]);
    if (p->rows && start && start != p->start)
        return kb_fail(err, KB_E_PROTOCOL, "GET %s: asked from %lld, the answer starts at %lld",
                       resources[l->kind], (long long) p->start, (long long) start);
    if (p->start == 1 && total > 0 && !found)
        return kb_fail(err, KB_E_PROTOCOL, "GET %s: totalResults is %lld, but Resources is missing",
                       resources[l->kind], (long long) total);
    l->total = total;
    l->rows += p->rows;
    return follow(l, p, err);
}

/* 403 names what the account lacks; everything else what the server said. */
static void
refused(struct scim_listing *l, const struct kb_http_reply *reply, struct kb_error *err)
{
    char said[400];
    scim_error_text(reply->body, reply->body_size, reply->status, said, sizeof(said));
    (void) kb_fail(err, KB_E_HTTP, "GET %s: %s%s", resources[l->kind], said,
                   reply->status == 403
                       ? "; the service principal needs account admin (or workspace admin at workspace level)"
                   : reply->status == 404 ? "; is the host, level and account_id right?"
                   : reply->status == 401
                       ? "; is the credential of this level, and not a workspace token at account level?"
                       : "");
    err->status = reply->status;
}

static void
on_page(void *userdata, const struct kb_http_reply *reply)
{
    struct page *p = userdata;
    struct scim_listing *l = p->l;
    struct kb_read *read = scim_listing_read(l->scim, l->kind);
    struct kb_error err = {0};
    int e = 0;
    l->open--;
    read->pages++;
    read->tries = (uint16_t) (read->tries + reply->tries);
    if (reply->status > 0)
        read->http = (uint16_t) reply->status;
    enum kb_read_status status = KB_READ_FAILED;
    if (reply->error->code) {
        err = *reply->error;
        e = -1;
    } else if (reply->status != 200) {
        refused(l, reply, &err);
        status = reply->status == 403 ? KB_READ_DENIED : KB_READ_FAILED;
        e = -1;
    } else {
        e = read_page(l, p, &err);
    }
    page_free(p);
    if (e < 0)
        fail_listing(l, status, NULL, &err);
    else if (!l->open && !l->ended)
        settle(l);
}

static int
read_lists(struct scim *scim, const bool wanted[SCIM_KIND_MAX_], struct kb_error *err)
{
    for (unsigned k = 0; k < SCIM_KIND_MAX_; k++)
        scim->open_listings += wanted[k];
    for (unsigned k = 0; k < SCIM_KIND_MAX_; k++) {
        if (!wanted[k])
            continue;
        struct scim_listing *l = &scim->listings[k];
        *l = (struct scim_listing){.scim = scim, .kind = (enum scim_kind) k, .total = -1};
        unlist(l);
        scim_listing_read(scim, l->kind)->status = KB_READ_PENDING;
        int e = ask(l, 1, false, err);
        if (e < 0)
            return e;
    }
    return 0;
}

int
scim_read_lists(struct scim *scim, bool principals, struct kb_error *err)
{
    const bool wanted[SCIM_KIND_MAX_] = {true, principals, principals && scim->level != SCIM_PROXY};
    return read_lists(scim, wanted, err);
}

int
scim_read_people(struct scim *scim, struct kb_error *err)
{
    const bool wanted[SCIM_KIND_MAX_] = {false, true, scim->level != SCIM_PROXY};
    return read_lists(scim, wanted, err);
}

uint32_t
scim_list_pages(uint32_t rows)
{
    return rows ? (rows - 1) / PAGE + 1 : 1;
}
