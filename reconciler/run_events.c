/* Who granted it, and when: admin events for the operations of a plan. Judged before and shown after, the plan is
 * the same whatever is found here. */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/str.h"
#include "reconciler/plan/event_match.h"

#define DAYS 30
#define ACTORS_MAX 200 /* people whose names are asked for; the others keep their ids */

static void
on_event(void *userdata, const struct kb_event *event)
{
    kb_event_match_take(userdata, event);
}

static bool
enough(void *userdata)
{
    return kb_event_match_open(userdata) == 0;
}

static void
read_events(struct run *run, struct kc_events *events)
{
    struct kb_error err = {0};
    if (run->events == KC_EVENTS_OFF || run->events == KC_EVENTS_DENIED) {
        events->end = run->events;
        return;
    }
    if (kc_read_events(run->kc, events, &err) >= 0)
        (void) kb_http_run(run->http,
                           &err); /* stopped: what waits was answered so, and the run itself goes on */
    else
        (void) snprintf(events->why, sizeof(events->why), "%.200s", err.msg);
    if (events->end == KC_EVENTS_OPEN)
        events->end = KC_EVENTS_FAILED;
    run->events = events->end;
}

/* The realm knows most of them already; of the others one request each, if view-users allows. */
static void
name_actors(struct run *run, struct kb_event_actor *actors, size_t len, struct kc_actor *names)
{
    struct kb_error err = {0};
    size_t asked = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t user = actors[i].elsewhere ? KB_NONE : kb_realm_user(&run->realm, actors[i].id);
        names[i].id = actors[i].id;
        if (user != KB_NONE && run->realm.users[user].username)
            actors[i].name = kb_realm_str(&run->realm, run->realm.users[user].username);
        else if (actors[i].used && !actors[i].elsewhere && asked < ACTORS_MAX)
            asked += kc_name_actor(run->kc, &names[i], &err) >= 0;
    }
    if (asked)
        (void) kb_http_run(run->http, &err);
    for (size_t i = 0; i < len; i++)
        if (names[i].name)
            actors[i].name = names[i].name;
}

static void
what_is_missing(const struct kc_events *events, const struct kb_event_match *match, struct kb_buf *b)
{
    uint32_t asked = kb_event_match_asked(match), open = kb_event_match_open(match);
    char at[KB_TIME_SIZE];
    kb_buf_addf(b, "%u of %u changes have one; ", asked - open, asked);
    if (events->end == KC_EVENTS_CUT)
        kb_buf_addf(b, "the newest %u events reach back to %s", events->rows,
                    kb_time_format(events->oldest_ms / 1000, at));
    else
        kb_buf_addf(b, "the others are older than %d days or not recorded", DAYS);
    if (events->bare)
        kb_buf_adds(b, "; the realm records no details, so roles are not named");
    if (events->bad)
        kb_buf_addf(b, "; %u events cannot be understood", events->bad);
}

static int
note(const struct kc_events *events, const struct kb_event_match *match, struct kb_plan *plan,
     struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(1024);
    if (events->end == KC_EVENTS_OFF)
        kb_buf_adds(&b, "off in this realm; since when and by whom is not known");
    else if (events->end == KC_EVENTS_DENIED)
        kb_buf_adds(&b, "not readable: the account lacks view-events of realm-management");
    else if (events->end == KC_EVENTS_FAILED)
        kb_buf_addf(&b, "not read: %s", events->why);
    else if (kb_event_match_open(match))
        what_is_missing(events, match, &b);
    plan->events_note = kb_pool_adds(&plan->pool, kb_buf_str(&b));
    return b.failed || plan->events_note == KB_NONE ? kb_fail(err, KB_E_NOMEM, "admin events") : 0;
}

int
run_events(struct run_target *t, struct kb_plan *plan, struct kb_error *err)
{
    KB_CLEANUP(kb_event_match) struct kb_event_match *match = NULL;
    struct kc_events events = {
        .from_ms = (t->run->at_s - DAYS * INT64_C(86400)) * 1000, .on_event = on_event, .enough = enough};
    size_t len = 0;
    int e = kb_event_match_new(plan, &t->run->realm, &match, err);
    if (e < 0 || !kb_event_match_asked(match))
        return e;
    events.userdata = match;
    read_events(t->run, &events);
    kc_events_done(&events);
    struct kb_event_actor *actors = kb_event_match_actors(match, &len);
    struct kc_actor *names = calloc(len + 1, sizeof(*names));
    if (!names)
        return kb_fail(err, KB_E_NOMEM, "admin events");
    name_actors(t->run, actors, len, names);
    e = kb_event_match_write(match, err);
    for (size_t i = 0; i < len; i++)
        kc_actor_done(&names[i]);
    free(names);
    return e < 0 ? e : note(&events, match, plan, err);
}
