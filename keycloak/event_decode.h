/* keycloak/event_decode.h: one row of GET /admin-events into what it says about roles, groups and users.
 *
 * Why:    who did what stands in three places: the operation, the path of the resource, and a JSON document
 * inside a string. Pure: no network. Owns: nothing; events are borrowed by the callback for the call.
 * Errors: KB_E_PROTOCOL: the row is not what Keycloak promises, nothing of it was given out or only its first
 * parts; the caller counts it and goes on, since events only explain. KB_E_NOMEM.
 * Source: keycloak-verified.md section 6; keycloak-api.md section 5.
 */
#ifndef KB_KEYCLOAK_EVENT_DECODE_H
#define KB_KEYCLOAK_EVENT_DECODE_H

#include "base/json.h"
#include "model/event.h"

struct kc_event_sink {
    void (*fn)(void *userdata, const struct kb_event *event);
    void *userdata;
    bool bare; /* out: a row that needs its representation has none: the realm records no details */
};

/* A row about something else, or one that failed at the server, gives nothing. */
int kc_decode_event(const struct json_object *obj, struct kc_event_sink *sink, struct kb_error *err);

/* A page of rows while it arrives; owned: kc_event_rows_free. A row that cannot be understood is counted and
 * passed over; a page that is no list of rows is KB_E_PROTOCOL. */
struct kc_event_rows;

int kc_event_rows_new(struct kc_event_sink *sink, struct kc_event_rows **ret, struct kb_error *err);
void kc_event_rows_reset(struct kc_event_rows *rows); /* from the first byte again */
int kc_event_rows_feed(struct kc_event_rows *rows, const char *bytes, size_t size, struct kb_error *err);
int kc_event_rows_end(struct kc_event_rows *rows, uint32_t *ret_rows, uint32_t *ret_bad,
                      struct kb_error *err);
void kc_event_rows_free(struct kc_event_rows *rows);

/* {"adminEventsEnabled":…,"adminEventsDetailsEnabled":…} of GET /events/config. */
int kc_decode_events_config(const char *body, size_t size, bool *ret_on, bool *ret_details,
                            struct kb_error *err);

/* The user name of GET /users/{id}; the caller frees. The row must be about `id`. */
int kc_decode_username(const char *body, size_t size, const char *id, char **ret, struct kb_error *err);

#endif
