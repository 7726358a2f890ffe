/* One request: a list that is decoded while it arrives (with paging where the configuration asks for it), or
 * one object. What the server does wrong ends in a record here, never in an empty list. */
#include "base/ban.h"

#include "base/mem.h"
#include "base/str.h"
#include "keycloak/internal.h"

#include <stdarg.h>

static void
call_free(struct kc_call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        call->kc->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    kc_rows_free(call->rows);
    free(call->paging);
    free(call->what);
    free(call);
}

static struct kc_call *
call_new(struct kc *kc)
{
    struct kc_call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->kc = kc;
    call->next = kc->calls;
    if (kc->calls)
        kc->calls->prev = call;
    kc->calls = call;
    return call;
}

void
kc_calls_free(struct kc *kc)
{
    while (kc->calls)
        call_free(kc->calls);
}

static void note_text(struct kc *kc, struct kb_read *read, enum kb_read_status status, const char *fmt,
                      va_list args) __attribute__((format(printf, 4, 0)));

static void
note_text(struct kc *kc, struct kb_read *read, enum kb_read_status status, const char *fmt, va_list args)
{
    char text[KC_NOTE_SIZE];
    kb_text note;

    (void) vsnprintf(text, sizeof(text), fmt, args);
    kb_utf8_mend(text); /* names are cut */
    read->status = (uint8_t) status;
    note = kb_pool_adds(&kc->realm->pool, text);
    read->note = note == KB_NONE ? 0 : note; /* the status says enough */
}

void
kc_note(struct kc *kc, struct kb_read *read, enum kb_read_status status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    note_text(kc, read, status, fmt, args);
    va_end(args);
}

void
kc_suspect(struct kc *kc, struct kb_read *read, const char *fmt, ...)
{
    va_list args;

    if (!kb_read_ok(read))
        return;
    va_start(args, fmt);
    note_text(kc, read, KB_READ_SUSPECT, fmt, args);
    va_end(args);
}

static int
no_memory(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory for a request to Keycloak");
}

/* ---- what an answer means ---- */

/* "GET /path" of a target: the query may hold names of people. */
static char *
what_of(const char *target)
{
    static const char prefix[] = "/admin/realms/";
    size_t len = strcspn(target, "?");
    const char *path = target;

    if (strncmp(path, prefix, sizeof(prefix) - 1) == 0) {
        const char *below = strchr(path + sizeof(prefix) - 1, '/');
        if (below && below < target + len)
            path = below;
    }
    return kb_asprintf("GET %.*s", (int) (len - (size_t) (path - target)), path);
}

static bool
is_gone(const struct kc_refusal *refusal)
{
    static const char *const bodies[] = {"Could not find role", "Could not find role with id",
                                         "Could not find group by id", "User not found",
                                         "Could not find client"};

    for (size_t i = 0; i < KB_LEN(bodies); i++)
        if (strcmp(refusal->error, bodies[i]) == 0)
            return true;
    return false;
}

static void
judge_401(struct kc *kc, const char *what, char note[KC_NOTE_SIZE])
{
    struct kb_error err;

    (void) kb_fail(&err, KB_E_AUTH,
                   "%.100s: 401 although the token is new: Keycloak 26.8.2 and later want the client scope "
                   "kc-admin-api (assign it to the client, set keycloak.scope); or the server calls itself "
                   "by another host name than keycloak.url; or the service account was disabled meanwhile",
                   what);
    err.status = 401;
    kc_fatal(kc, &err);
    (void) snprintf(note, KC_NOTE_SIZE, "%s", err.msg);
}

enum kb_read_status
kc_judge(struct kc *kc, const char *what, const char *needs, const struct kb_http_reply *reply,
         char note[KC_NOTE_SIZE])
{
    struct kc_refusal refusal;
    struct kb_error err;
    bool own = kc_decode_refusal(reply->body ? reply->body : "", reply->body_size, &refusal);

    /* base/http's words for a 401 of the API, not of the token endpoint. */
    if (reply->status == 401 &&
        (reply->error->code == KB_OK || strstr(reply->error->msg, "also with a new token"))) {
        judge_401(kc, what, note);
        return KB_READ_FAILED;
    }
    if (reply->error->code != KB_OK) {
        if (reply->error->code == KB_E_AUTH || reply->error->code == KB_E_NOMEM)
            kc_fatal(kc, reply->error);
        kb_error_gather(&kc->broken, reply->error);
        /* What base/http says names the request, what a decoder says does not. */
        if (strstr(reply->error->msg, "GET http"))
            (void) snprintf(note, KC_NOTE_SIZE, "%s", reply->error->msg);
        else
            (void) snprintf(note, KC_NOTE_SIZE, "%.200s: %s", what, reply->error->msg);
        return KB_READ_FAILED;
    }
    if (reply->status == 403) {
        (void) snprintf(note, KC_NOTE_SIZE, "%.200s: 403: the account lacks %s of realm-management", what,
                        needs);
        return KB_READ_DENIED;
    }
    if (reply->status == 404 && own && is_gone(&refusal)) {
        (void) snprintf(note, KC_NOTE_SIZE, "%.200s: 404: %s", what, refusal.error);
        return KB_READ_GONE;
    }
    if (reply->status == 404 && own && strcmp(refusal.error, "Realm not found.") == 0) {
        (void) kb_fail(&err, KB_E_HTTP, "the realm \"%s\" does not exist at %s", kc->realm_name,
                       kc->base_url);
        err.status = 404;
        kc_fatal(kc, &err);
    }
    (void) snprintf(note, KC_NOTE_SIZE, "%.200s: %d%s%s%s%s", what, reply->status,
                    own && refusal.error[0] ? ": " : "", own ? refusal.error : ": not Keycloak's own answer",
                    own && refusal.description[0] ? ": " : "", own ? refusal.description : "");
    return KB_READ_FAILED;
}

/* ---- lists ---- */

static int list_send(struct kc_call *call, bool front, struct kb_error *err);

static int
list_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    struct kc_call *call = userdata;
    struct kc_paging *paging = call->paging;

    if (++call->page_rows > KC_ROWS_MAX)
        return kb_fail(err, KB_E_PROTOCOL, "more than %u rows", KC_ROWS_MAX);
    if (paging) {
        (void) snprintf(paging->page_last, sizeof(paging->page_last), "%s", row->id);
        if (paging->overlap && call->page_rows == 1) {
            paging->moved = strcmp(row->id, paging->last) != 0;
            return 0; /* it was there on the page before */
        }
        if (paging->moved)
            return 0;
    }
    return call->list->row(call, row, err);
}

static void
list_begin(void *userdata)
{
    struct kc_call *call = userdata;

    if (call->rows)
        kc_rows_reset(call->rows);
    call->page_rows = 0;
    if (call->paging)
        call->paging->moved = false;
    call->list->reset(call);
}

static int
list_open(struct kc_call *call, struct kb_error *err)
{
    struct kc_row_opts opts = {.kind = call->list->kind,
                               .attributes = {call->kc->user_attribute, call->kc->service_attribute},
                               .fn = list_row,
                               .userdata = call};

    return call->rows ? 0 : kc_rows_new(&opts, &call->rows, err);
}

static int
list_data(void *userdata, const char *bytes, size_t size, struct kb_error *err)
{
    struct kc_call *call = userdata;

    /* Made with the first bytes, since thousands of lists may wait in the queue. */
    if (list_open(call, err) < 0)
        return -(int) err->code;
    return kc_rows_feed(call->rows, bytes, size, err);
}

static void
list_finish(struct kc_call *call, enum kb_read_status status)
{
    struct kb_read *read = call->list->read(call);

    read->status = (uint8_t) status;
    if (status != KB_READ_COMPLETE) {
        call->start = 0;
        call->list->reset(call);
    }
    call->list->end(call);
    call_free(call);
}

static void
list_failed(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc_endpoint endpoint = {0};
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);
    char note[KC_NOTE_SIZE];

    call->list->endpoint(call, &endpoint);
    bool built = kc_endpoint_build(&target, call->kc->realm_name, &endpoint);
    KB_CLEANUP(kb_free) char *what = built ? what_of(kb_buf_str(&target)) : NULL;
    enum kb_read_status status = kc_judge(call->kc, what ? what : "a list", call->list->needs, reply, note);
    kc_note(call->kc, call->list->read(call), status, "%s", note);
    list_finish(call, status);
}

static void
restart(struct kc_call *call)
{
    struct kc_paging *paging = call->paging;
    struct kb_read *read = call->list->read(call);
    unsigned restarts = paging->restarts + 1;

    *paging = (struct kc_paging){.restarts = restarts};
    call->start = 0;
    call->list->reset(call);
    read->rows = 0;
}

/* True: there is another page to ask for. A short page is not proof of the end, an empty one is
 * (keycloak-api.md 1.2); a full page is followed by one that starts with its last row. */
static bool
page_next(struct kc_call *call, struct kb_read *read, enum kb_read_status *ret)
{
    struct kc_paging *paging = call->paging;
    unsigned size = call->kc->page_size;

    *ret = KB_READ_COMPLETE;
    if (call->page_rows > size) {
        kc_note(call->kc, read, KB_READ_FAILED, "the server gave %u rows where at most %u were asked for",
                call->page_rows, size);
        *ret = KB_READ_FAILED;
        return false;
    }
    if (paging->moved || (paging->overlap && call->page_rows == 0)) {
        if (paging->restarts < KC_RESTARTS_MAX) {
            restart(call);
            return true;
        }
        kc_note(call->kc, read, KB_READ_SUSPECT, "rows moved between its pages, %u times",
                paging->restarts + 1);
        *ret = KB_READ_SUSPECT;
        return false;
    }
    read->rows += call->page_rows - (paging->overlap ? 1 : 0);
    if (call->page_rows == 0 || paging->first > INT32_MAX - size)
        return false;
    call->start += call->page_rows - (paging->overlap ? 1 : 0);
    paging->overlap = call->page_rows == size;
    paging->first += paging->overlap ? size - 1 : size;
    memcpy(paging->last, paging->page_last, sizeof(paging->last));
    return true;
}

static void
list_reply(void *userdata, const struct kb_http_reply *reply)
{
    struct kc_call *call = userdata;
    struct kb_read *read = call->list->read(call);
    struct kb_error err = {0};
    struct kb_http_reply wrong = *reply;
    enum kb_read_status status = KB_READ_COMPLETE;

    read->http = (uint16_t) reply->status;
    read->tries = (uint16_t) (read->tries + reply->tries);
    if (reply->error->code != KB_OK || reply->status != 200) {
        list_failed(call, reply);
        return;
    }
    if (list_open(call, &err) < 0 || kc_rows_end(call->rows, &err) < 0) {
        wrong.error = &err;
        list_failed(call, &wrong);
        return;
    }
    read->pages++;
    if (!call->paging)
        read->rows += call->page_rows;
    else if (page_next(call, read, &status)) {
        kc_rows_reset(call->rows);
        if (list_send(call, true, &err) >= 0)
            return;
        kc_fatal(call->kc, &err);
        kc_note(call->kc, read, KB_READ_FAILED, "%s", err.msg);
        status = KB_READ_FAILED;
    }
    /* The decoder is not needed any more while the list waits for others. */
    kc_rows_free(kb_steal(&call->rows));
    list_finish(call, status);
}

static int
list_target(struct kc_call *call, struct kb_buf *ret, struct kb_error *err)
{
    struct kc_endpoint endpoint = {0};
    char number[16];

    call->list->endpoint(call, &endpoint);
    if (!kc_endpoint_build(ret, call->kc->realm_name, &endpoint))
        return ret->failed ? no_memory(err)
                           : kb_fail(err, KB_E_PROTOCOL,
                                     "the name cannot stand in a URL path, Keycloak answers it with 400");
    if (!call->list->paged)
        return 0;
    if (call->paging) {
        (void) snprintf(number, sizeof(number), "%u", call->paging->first);
        kc_endpoint_param(ret, "first", number);
        (void) snprintf(number, sizeof(number), "%u", call->kc->page_size);
        kc_endpoint_param(ret, "max", number);
    } else {
        kc_endpoint_param(ret, "max", "-1");
    }
    return ret->failed ? no_memory(err) : 0;
}

static int
list_send(struct kc_call *call, bool front, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);

    if (list_target(call, &target, err) < 0)
        return -(int) err->code;
    struct kb_http_request request = {.method = "GET",
                                      .target = kb_buf_str(&target),
                                      .class = KB_HTTP_LIST,
                                      .front = front,
                                      .on_begin = list_begin,
                                      .on_data = list_data,
                                      .on_reply = list_reply,
                                      .userdata = call};
    return kb_http_submit(call->kc->peer, &request, err);
}

int
kc_list_submit(struct kc *kc, const struct kc_list *list, uint32_t row, bool front, struct kb_error *err)
{
    struct kc_call *call = call_new(kc);
    struct kb_read *read;

    if (!call)
        return no_memory(err);
    call->list = list;
    call->row = row;
    read = list->read(call);
    *read = (struct kb_read){.status = KB_READ_PENDING, .count = KB_NONE, .tries = read->tries};
    if (list->paged && kc->page_size) {
        call->paging = calloc(1, sizeof(*call->paging));
        if (!call->paging) {
            call_free(call);
            return no_memory(err);
        }
    }
    if (list_send(call, front, err) >= 0)
        return 0;
    if (err->code != KB_E_PROTOCOL) {
        call_free(call);
        return -(int) err->code;
    }
    kc_note(kc, read, KB_READ_FAILED, "%s", err->msg);
    list_finish(call, KB_READ_FAILED);
    return 0;
}

void
kc_list_follow(struct kc *kc, const struct kc_list *list, uint32_t row)
{
    struct kb_error err = {0};

    if (kc_list_submit(kc, list, row, true, &err) >= 0)
        return;
    struct kc_call gone = {.kc = kc, .list = list, .row = row};
    kc_fatal(kc, &err);
    kc_note(kc, list->read(&gone), KB_READ_FAILED, "%s", err.msg);
    list->end(&gone);
}

/* ---- single objects ---- */

static void
get_reply(void *userdata, const struct kb_http_reply *reply)
{
    struct kc_call *call = userdata;

    call->on_reply(call, reply);
    call_free(call);
}

static int
get_target(struct kc *kc, const char *target, uint32_t row, bool once, kc_reply_fn on_reply, void *userdata,
           struct kb_error *err)
{
    struct kc_call *call = call_new(kc);

    if (!call)
        return no_memory(err);
    call->row = row;
    call->on_reply = on_reply;
    call->userdata = userdata;
    call->what = what_of(target);
    struct kb_http_request request = {.method = "GET",
                                      .target = target,
                                      .class = KB_HTTP_GET,
                                      .front = true,
                                      .once = once,
                                      .on_reply = get_reply,
                                      .userdata = call};
    if (call->what && kb_http_submit(kc->peer, &request, err) >= 0)
        return 0;
    if (!call->what)
        (void) no_memory(err);
    call_free(call);
    return -(int) err->code;
}

int
kc_get_target(struct kc *kc, const char *target, uint32_t row, kc_reply_fn on_reply, void *userdata,
              struct kb_error *err)
{
    return get_target(kc, target, row, false, on_reply, userdata, err);
}

static int
get(struct kc *kc, const struct kc_endpoint *endpoint, uint32_t row, bool once, kc_reply_fn on_reply,
    void *userdata, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);

    if (!kc_endpoint_build(&target, kc->realm_name, endpoint))
        return target.failed ? no_memory(err)
                             : kb_fail(err, KB_E_BUG, "a path of Keycloak's that cannot be written");
    return get_target(kc, kb_buf_str(&target), row, once, on_reply, userdata, err);
}

int
kc_get(struct kc *kc, const struct kc_endpoint *endpoint, uint32_t row, kc_reply_fn on_reply, void *userdata,
       struct kb_error *err)
{
    return get(kc, endpoint, row, false, on_reply, userdata, err);
}

int
kc_get_once(struct kc *kc, const struct kc_endpoint *endpoint, uint32_t row, kc_reply_fn on_reply,
            void *userdata, struct kb_error *err)
{
    return get(kc, endpoint, row, true, on_reply, userdata, err);
}
