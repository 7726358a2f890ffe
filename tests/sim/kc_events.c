/* tests/sim/kc_events.c: admin events (rule S22): recorded while the knob `events` is on, newest first.
 *
 * Recorded: what edits do to roles of users and groups, memberships, composites, enabled, users and roles that go.
 * Not recorded, as at the server: what goes along with a deleted group, role or user. Every edit is somebody's: its
 * field `by`, a user name, else an administrator of another realm. Source: keycloak-verified.md section 6. */
#include "tests/sim/kc.h"

#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>

static struct {
    int64_t ms;
    const char *type;
    char *json;
} * events;

static int nevents, capevents;

void
event_add(const char *operation, const char *type, const char *path, const char *representation,
          const char *by)
{
    if (!knobs.events)
        return;
    int u = by == NULL ? -1 : user_find(by);
    struct buf b = {0};
    buf_f(&b, "{\"id\":\"e-%d\",\"time\":%lld,\"realmId\":", nevents, (long long) clock_unix_ms());
    buf_json(&b, W.realm);
    buf_lit(&b, ",\"authDetails\":{\"realmId\":");
    buf_json(&b, u < 0 ? "master-id" : W.realm);
    buf_lit(&b, ",\"clientId\":\"admin-cli-id\"");
    buf_key(&b, "userId", u < 0 ? "0adadada-0000-4000-8000-000000000001" : W.users[u].id);
    buf_lit(&b, ",\"ipAddress\":\"127.0.0.1\"}");
    buf_key(&b, "operationType", operation);
    buf_key(&b, "resourceType", type);
    buf_key(&b, "resourcePath", path);
    if (representation != NULL && knobs.events_details)
        buf_key(&b, "representation", representation);
    buf_lit(&b, "}");
    events = xgrow(events, nevents + 1, &capevents, sizeof *events);
    events[nevents].ms = clock_unix_ms();
    events[nevents].type = type;
    events[nevents++].json = b.p;
}

void
event_roles(const char *operation, const char *type, const char *path, int role, const char *by)
{
    struct shape brief = {.brief = true};
    struct buf b = {0};
    buf_lit(&b, "[");
    kc_role_row(&b, role, &brief);
    buf_lit(&b, "]");
    event_add(operation, type, path, b.p, by);
    buf_free(&b);
}

/* Repeatable: no resourceTypes at all means every type. */
static bool
type_asked(const char *query, const char *type)
{
    static const char key[] = "resourceTypes=";
    size_t n = strlen(type);
    bool any = false;
    for (const char *p = query; p != NULL && (p = strstr(p, key)) != NULL; p += sizeof key - 1) {
        const char *v = p + sizeof key - 1;
        any = true;
        if (strncmp(v, type, n) == 0 && (v[n] == '\0' || v[n] == '&'))
            return true;
    }
    return !any;
}

static int64_t
number(const struct req *r, const char *name, int64_t def)
{
    char *v = query_get(r->query, name);
    int64_t n = v == NULL ? def : strtoll(v, NULL, 10);
    free(v);
    return n;
}

void
kc_admin_events(struct req *r, unsigned perm)
{
    r->kind = "admin_events";
    if ((perm & P_VIEW_EVENTS) == 0) {
        kc_forbidden(r);
        return;
    }
    int64_t from = number(r, "dateFrom", 0), first = number(r, "first", 0), max = number(r, "max", 100);
    int64_t to = number(r, "dateTo", INT64_MAX), at = 0;
    buf_lit(&r->out, "[");
    for (int i = nevents - 1; i >= 0; i--) {
        if (events[i].ms < from || events[i].ms > to || !type_asked(r->query, events[i].type) ||
            at++ < first || at > first + max)
            continue;
        if (at > first + 1)
            buf_lit(&r->out, ",");
        buf_s(&r->out, events[i].json);
    }
    buf_lit(&r->out, "]");
    r->status = 200;
    r->ctype = KC_JSON;
    r->chunked = true;
}

void
kc_events_config(struct req *r, unsigned perm)
{
    r->kind = "events_config";
    if ((perm & P_VIEW_EVENTS) == 0)
        kc_forbidden(r);
    else
        answer(r, 200, KC_JSON,
               "{\"eventsEnabled\":false,\"eventsListeners\":[\"jboss-logging\"],\"enabledEventTypes\":[],"
               "\"adminEventsEnabled\":%s,\"adminEventsDetailsEnabled\":%s}",
               knobs.events ? "true" : "false", knobs.events_details ? "true" : "false");
}
