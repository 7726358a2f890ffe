/* tests/sim/kc_events.c: admin events (rule S22): recorded while the knob `events` is on, newest first.
 *
 * Recorded: what edits do to roles of users and groups, memberships, composites, enabled, users and roles that go. Not
 * recorded, as at the server: what goes along with a deleted group, role or user. Every edit is somebody's: its field
 * `by`, a user name, else an administrator of another realm. Source: keycloak-verified.md section 6. */
#include "tests/sim/kc.h"

#include <string.h>

static struct event {
    int64_t ms;
    const char *type;
    char *json;
} * events;

static int nevents, capevents;

void
event_add(const char *operation, const char *type, const char *path, const char *representation,
          const char *by)
{
    const struct thing *u = user_find(by);
    struct buf b = {0};
    if (!knobs.events)
        return;
    buf_f(&b,
          "{'id':'e-%d','time':%l,'realmId':%q,'authDetails':{'realmId':%q,'clientId':'admin-cli-id',"
          "'userId':%q,'ipAddress':'127.0.0.1'},'operationType':%q,'resourceType':%q,'resourcePath':%q",
          nevents, clock_unix_ms(), W.realm, u == NULL ? "master-id" : W.realm,
          u == NULL ? "0adadada-0000-4000-8000-000000000001" : u->id, operation, type, path);
    buf_opt(&b, "representation", knobs.events_details ? representation : NULL);
    buf_s(&b, "}");
    events = xgrow(events, nevents + 1, &capevents, sizeof *events);
    events[nevents++] = (struct event){clock_unix_ms(), keep(type), b.p};
}

void
event_role(const char *operation, const char *type, const char *path, const struct thing *role,
           const char *by)
{
    struct buf b = {0};
    kc_row(&b, role, &(struct shape){.flags = BRIEF});
    event_add(operation, type, path, tf("[%s]", b.p), by);
    buf_free(&b);
}

void
kc_admin_events(struct req *r, struct target *t)
{
    int64_t from = req_int(r, "dateFrom", 0), to = req_int(r, "dateTo", INT64_MAX);
    int64_t first = req_int(r, "first", 0), max = req_int(r, "max", 100), at = 0;
    const char *asked = tf("&%s&", r->query); /* resourceTypes is repeatable; none at all means every type */
    (void) t;
    answer(r, 200, KC_JSON, "[");
    for (int i = nevents - 1; i >= 0; i--) {
        bool type = strstr(asked, "&resourceTypes=") == NULL ||
                    strstr(asked, tf("&resourceTypes=%s&", events[i].type)) != NULL;
        if (events[i].ms < from || events[i].ms > to || !type || at++ < first || at > first + max)
            continue;
        buf_sep(&r->out);
        buf_s(&r->out, events[i].json);
    }
    buf_s(&r->out, "]");
    r->chunked = true;
}

void
kc_events_config(struct req *r, struct target *t)
{
    (void) t;
    answer(r, 200, KC_JSON,
           "{'eventsEnabled':false,'eventsListeners':['jboss-logging'],'enabledEventTypes':[],'"
           "adminEventsEnabled':%b,"
           "'adminEventsDetailsEnabled':%b}",
           knobs.events, knobs.events_details);
}
