#include "base/ban.h"

#include "tests/unit/scim/account.h"

#include "base/mem.h"

#define PAGE_SIZE (256 * 1024)
#define PAGES 64

static char pages[PAGES][PAGE_SIZE];

static void
answer(struct wire_answer *ret, int status, const char *headers, const char *body)
{
    int n = snprintf(ret->bytes, sizeof(ret->bytes), "HTTP/1.1 %d Said\r\n%sContent-Length: %zu\r\n\r\n",
                     status, headers ? headers : "", strlen(body));
    ret->size = (size_t) n;
    ret->more = body;
    ret->more_size = strlen(body);
}

static size_t
query_number(const char *target, const char *key, size_t fallback)
{
    const char *at = strstr(target, key);
    return at ? strtoul(at + strlen(key), NULL, 10) : fallback;
}

static void
list(struct account *a, struct listing *l, const char *target, struct wire_answer *ret)
{
    unsigned number = ++l->pages;
    char *text = pages[a->buffer++ % PAGES];
    size_t start = query_number(target, "startIndex=", 1), count = query_number(target, "count=", 10000);
    bool lies = l->total >= 0 && (l->lie_until == 0 || number <= l->lie_until);
    size_t at = 0;

    size_t says = start;
    if (l->ignore_start)
        start = 1;
    if (l->clamp && count > l->clamp)
        count = l->clamp;
    if (l->overlap && start > 1)
        start--;
    if (l->short_page == number && count)
        count--;
    at += (size_t) snprintf(
        text, PAGE_SIZE, "{\"schemas\":[\"x\"],\"totalResults\":%lld,\"startIndex\":%zu,\"itemsPerPage\":0",
        (long long) (lies ? l->total : (int64_t) l->len), says);
    size_t sent = 0;
    if (!l->never_key && !(l->without_key && start > l->len)) {
        at += (size_t) snprintf(text + at, PAGE_SIZE - at, ",\"Resources\":[");
        for (size_t i = start; i <= l->len && sent < count; i++, sent++)
            at += (size_t) snprintf(text + at, PAGE_SIZE - at, "%s%s", sent ? "," : "", l->items[i - 1]);
        at += (size_t) snprintf(text + at, PAGE_SIZE - at, "]");
    }
    (void) snprintf(text + at, PAGE_SIZE - at, "}");
    answer(ret, 200, "Content-Type: text/plain\r\n", text);
}

static void
handle(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    struct account *a = userdata;
    const char *base = strstr(request->target, "/scim/v2");
    char path[512];

    (void) snprintf(path, sizeof(path), "%s", base ? base + strlen("/scim/v2") : request->target);
    path[strcspn(path, "?")] = '\0';
    for (size_t i = 0; i < a->says_len; i++) {
        struct say *s = &a->says[i];
        if (strcmp(s->method, request->method) != 0 || strcmp(s->path, path) != 0)
            continue;
        unsigned number = s->seen++;
        if (number < s->from || (s->count && number >= s->from + s->count))
            continue;
        answer(ret, s->status, s->headers, s->body);
        return;
    }
    if (strcmp(request->method, "GET") == 0 && strcmp(path, "/Users") == 0)
        list(a, &a->users, request->target, ret);
    else if (strcmp(request->method, "GET") == 0 && strcmp(path, "/ServicePrincipals") == 0)
        list(a, &a->services, request->target, ret);
    else if (strcmp(request->method, "GET") == 0 && strcmp(path, "/Groups") == 0)
        list(a, &a->groups, request->target, ret);
    else
        answer(ret, 404, "",
               "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"detail\":\"Not found.\","
               "\"status\":\"404\"}");
}

static void
lists_done(void *userdata)
{
    ((struct account *) userdata)->lists_called++;
}

void
account_start(struct account *a, const struct scim_opts *opts)
{
    struct scim_opts plain = {
        .level = SCIM_ACCOUNT, .account_id = "acc-1", .version = "2.0", .self_client = ""};
    struct kb_error err = {0};

    if (!a->users.items && !a->users.total)
        a->users.total = -1;
    if (!a->services.items && !a->services.total)
        a->services.total = -1;
    if (!a->groups.items && !a->groups.total)
        a->groups.total = -1;
    a->wire = wire_start(handle, a);
    assert_non_null(a->wire);
    a->http = reader_open(NULL);
    struct kb_http_peer_opts peer = reader_peer_opts(wire_url(a->wire));
    peer.writable = true;
    a->peer = reader_peer(a->http, &peer);
    kb_target_init(&a->target);
    if (opts)
        plain = *opts;
    plain.on_lists = lists_done;
    plain.userdata = a;
    if (scim_new(a->peer, &plain, &a->target, &a->scim, &err) < 0)
        fail_msg("scim_new: %s", err.msg);
}

void
account_stop(struct account *a)
{
    kb_http_free(a->http);
    scim_free(a->scim);
    kb_target_done(&a->target);
    wire_stop(a->wire);
    reader_clock_stop();
}

void
account_run(struct account *a)
{
    struct kb_error err = {0};
    if (kb_http_run(a->http, &err) < 0)
        fail_msg("run: %s", err.msg);
}

void
account_lists(struct account *a)
{
    struct kb_error err = {0};
    if (scim_read_lists(a->scim, true, &err) < 0)
        fail_msg("lists: %s", err.msg);
    account_run(a);
    assert_int_equal(a->lists_called, 1);
}

void
account_group_done(void *userdata, uint32_t group)
{
    (void) group;
    ++*(unsigned *) userdata;
}

void
account_group(struct account *a, const char *id)
{
    struct kb_error err = {0};
    unsigned done = 0;
    uint32_t group = kb_target_group_add(&a->target, id);

    if (scim_read_group(a->scim, group, account_group_done, &done, &err) < 0)
        fail_msg("group: %s", err.msg);
    account_run(a);
    assert_int_equal(done, 1);
}

unsigned
account_count(struct account *a, const char *path)
{
    char target[256];
    (void) snprintf(target, sizeof(target), BASE "%s", path);
    return wire_count(a->wire, "GET", target);
}

struct kb_target_group *
account_the_group(struct account *a, const char *id)
{
    uint32_t at = kb_target_group(&a->target, id);
    assert_int_not_equal(at, KB_NONE);
    return &a->target.groups[at];
}

const char *
account_note(struct account *a, const struct kb_read *read)
{
    return kb_target_str(&a->target, read->note);
}
