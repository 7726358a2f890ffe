#include "base/ban.h"

#include "keycloak/events.h"

#include "keycloak/internal.h"

#include <inttypes.h>

static int
get(struct kc *kc, const char *target, struct kb_http_request *request, struct kb_error *err)
{
    request->method = "GET";
    request->target = target;
    request->class = KB_HTTP_GET;
    request->once = true;
    return kb_http_submit(kc->peer, request, err);
}

/* True: a 200. Otherwise the reading is over, and the reason stands in it. */
static bool
answered(struct kc_events *events, const struct kb_http_reply *reply)
{
    if (reply->error->code == KB_OK && reply->status == 200)
        return true;
    if (reply->error->code == KB_OK && reply->status == 403) {
        events->end = KC_EVENTS_DENIED;
        return false;
    }
    events->end = KC_EVENTS_FAILED;
    if (reply->error->code == KB_OK)
        (void) snprintf(events->why, sizeof(events->why), "Keycloak answers %d", reply->status);
    else
        (void) snprintf(events->why, sizeof(events->why), "%.*s", (int) sizeof(events->why) - 1,
                        reply->error->msg);
    return false;
}

static void
failed(struct kc_events *events, const struct kb_error *err)
{
    events->end = KC_EVENTS_FAILED;
    (void) snprintf(events->why, sizeof(events->why), "%.*s", (int) sizeof(events->why) - 1, err->msg);
}

/* ---- pages ---- */

static void
on_event(void *userdata, const struct kb_event *event)
{
    struct kc_events *events = userdata;

    if (!events->oldest_ms || event->at_ms < events->oldest_ms)
        events->oldest_ms = event->at_ms;
    if (event->at_ms >= events->from_ms)
        events->on_event(events->userdata, event);
}

static void
on_begin(void *userdata)
{
    struct kc_events *events = userdata;

    kc_event_rows_reset(events->page);
}

static int
on_data(void *userdata, const char *bytes, size_t size, struct kb_error *err)
{
    struct kc_events *events = userdata;

    return kc_event_rows_feed(events->page, bytes, size, err);
}

static int ask_page(struct kc_events *events, struct kb_error *err);

static void
on_page(void *userdata, const struct kb_http_reply *reply)
{
    struct kc_events *events = userdata;
    struct kb_error err = {0};
    uint32_t rows = 0, bad = 0;

    if (!answered(events, reply))
        return;
    if (kc_event_rows_end(events->page, &rows, &bad, &err) < 0) {
        failed(events, &err);
        return;
    }
    events->rows += rows;
    events->bad += bad;
    events->pages++;
    events->bare = events->bare || events->sink.bare;
    if (rows < KC_EVENTS_PAGE)
        events->end = KC_EVENTS_ALL;
    else if (events->enough(events->userdata))
        events->end = KC_EVENTS_ENOUGH;
    else if (events->pages == KC_EVENTS_PAGES_MAX)
        events->end = KC_EVENTS_CUT;
    else if (ask_page(events, &err) < 0)
        failed(events, &err);
}

/* Newest first is the server's order. Events that come in meanwhile push older ones to the next page, where they
 * are seen twice; none is missed. */
static int
ask_page(struct kc_events *events, struct kb_error *err)
{
    static const char types[] = "resourceTypes=REALM_ROLE_MAPPING&resourceTypes=CLIENT_ROLE_MAPPING"
                                "&resourceTypes=GROUP_MEMBERSHIP&resourceTypes=REALM_ROLE"
                                "&resourceTypes=GROUP&resourceTypes=USER";
    const struct kc_endpoint endpoint = {{"admin-events"}, types};
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);
    struct kb_http_request request = {
        .on_begin = on_begin, .on_data = on_data, .on_reply = on_page, .userdata = events};

    if (!kc_endpoint_build(&target, events->kc->realm_name, &endpoint))
        return kb_fail(err, KB_E_NOMEM, "out of memory for a request to Keycloak");
    kb_buf_addf(&target, "&dateFrom=%" PRId64 "&first=%u&max=%u", events->from_ms,
                events->pages * KC_EVENTS_PAGE, KC_EVENTS_PAGE);
    kc_event_rows_reset(events->page);
    return get(events->kc, kb_buf_str(&target), &request, err);
}

/* ---- are they recorded at all? An empty list would not tell. ---- */

static void
on_config(void *userdata, const struct kb_http_reply *reply)
{
    struct kc_events *events = userdata;
    struct kb_error err = {0};
    bool on = false, details = true;

    if (!answered(events, reply))
        return;
    if (kc_decode_events_config(reply->body, reply->body_size, &on, &details, &err) < 0) {
        failed(events, &err);
        return;
    }
    events->bare = !details;
    if (!on)
        events->end = KC_EVENTS_OFF;
    else if (ask_page(events, &err) < 0)
        failed(events, &err);
}

int
kc_read_events(struct kc *kc, struct kc_events *events, struct kb_error *err)
{
    const struct kc_endpoint endpoint = {{"events", "config"}, NULL};
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);
    struct kb_http_request request = {.on_reply = on_config, .userdata = events};

    events->kc = kc;
    events->sink = (struct kc_event_sink){.fn = on_event, .userdata = events};
    if (!kc_endpoint_build(&target, kc->realm_name, &endpoint))
        return kb_fail(err, KB_E_NOMEM, "out of memory for a request to Keycloak");
    if (kc_event_rows_new(&events->sink, &events->page, err) < 0)
        return -(int) err->code;
    return get(kc, kb_buf_str(&target), &request, err);
}

void
kc_events_done(struct kc_events *events)
{
    kc_event_rows_free(events->page);
    events->page = NULL;
}

/* ---- who was it? ---- */

static void
on_actor(void *userdata, const struct kb_http_reply *reply)
{
    struct kc_actor *actor = userdata;
    struct kb_error err = {0};

    if (reply->error->code == KB_OK && reply->status == 200)
        (void) kc_decode_username(reply->body, reply->body_size, actor->id, &actor->name, &err);
}

int
kc_name_actor(struct kc *kc, struct kc_actor *actor, struct kb_error *err)
{
    const struct kc_endpoint endpoint = {{"users", actor->id}, NULL};
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);
    struct kb_http_request request = {.on_reply = on_actor, .userdata = actor};

    if (!kc_endpoint_build(&target, kc->realm_name, &endpoint))
        return kb_fail(err, KB_E_NOMEM, "out of memory for a request to Keycloak");
    return get(kc, kb_buf_str(&target), &request, err);
}

void
kc_actor_done(struct kc_actor *actor)
{
    free(actor->name);
    actor->name = NULL;
}
