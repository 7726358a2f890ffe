/* keycloak/events.h: reads admin events, newest first, until somebody has seen enough; and names who did them.
 *
 * Why:    "since when, and by whom" is asked for the operations of a plan only. Nothing depends on the answer:
 * each request is sent once, and what goes wrong is a sentence, never an error of the run. Owns: struct
 * kc_events and kc_actor are the caller's, must not move until their requests are answered, and borrow their
 * inputs as long. Flow: kc_read_events or kc_name_actor, then kb_http_run. Errors: < 0 only for our own
 * failures, then nothing was sent.
 * Source: keycloak-api.md section 5, keycloak-verified.md section 6; view-events of realm-management.
 */
#ifndef KB_KEYCLOAK_EVENTS_H
#define KB_KEYCLOAK_EVENTS_H

#include "keycloak/event_decode.h"
#include "keycloak/reader.h"

#define KC_EVENTS_PAGE 500u
#define KC_EVENTS_PAGES_MAX 20u

enum kc_events_end {
    KC_EVENTS_OPEN,   /* not over yet */
    KC_EVENTS_ALL,    /* down to from_ms */
    KC_EVENTS_ENOUGH, /* `enough` said so */
    KC_EVENTS_CUT,    /* KC_EVENTS_PAGES_MAX pages: there are older ones */
    KC_EVENTS_OFF,    /* the realm records none */
    KC_EVENTS_DENIED, /* 403 */
    KC_EVENTS_FAILED, /* anything else; also when the run was stopped */
};

struct kc_events {
    int64_t from_ms; /* Unix milliseconds */
    void (*on_event)(void *userdata, const struct kb_event *event);
    bool (*enough)(void *userdata); /* asked after each page */
    void *userdata;

    enum kc_events_end end; /* out */
    char why[256];          /* out: of FAILED, for people */
    uint32_t rows, bad;     /* out: that came, of these not understood */
    int64_t oldest_ms;      /* out: of those that were understood, 0 none */
    bool bare;              /* out: the realm records no details, so roles are not named */

    /* private */
    struct kc *kc;
    struct kc_event_rows *page;
    struct kc_event_sink sink;
    uint32_t pages;
};

int kc_read_events(struct kc *kc, struct kc_events *events, struct kb_error *err);
void kc_events_done(struct kc_events *events);

struct kc_actor {
    const char *id;
    char *name; /* out: user name, NULL unknown; freed by kc_actor_done */
};

/* GET /users/{id}: 403, 404 or whatever leaves the name unknown. */
int kc_name_actor(struct kc *kc, struct kc_actor *actor, struct kb_error *err);
void kc_actor_done(struct kc_actor *actor);

#endif
