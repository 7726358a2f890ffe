/* model/event.h: one thing that an administrator did to a realm, as the matching needs it.
 *
 * Why:    keycloak/ reads admin events, plan/ says which operation one explains; this is what passes between
 * them. Owns: nothing; texts are borrowed for the call that hands the event over. Units: *_ms Unix
 * milliseconds.
 * Source: keycloak-verified.md section 6 (paths and representations), keycloak-api.md section 5.
 */
#ifndef KB_MODEL_EVENT_H
#define KB_MODEL_EVENT_H

#include <stdbool.h>
#include <stdint.h>

enum kb_event_what {
    KB_EVENT_MEMBER,        /* a user joined or left a group */
    KB_EVENT_ROLE_OF_USER,  /* a role was granted to or taken from a user */
    KB_EVENT_ROLE_OF_GROUP, /* the same of a group */
    KB_EVENT_ROLE_IN_ROLE,  /* a role was put into or taken out of a composite */
    KB_EVENT_ROLE_GONE,     /* a role was deleted, with all that it gave */
    KB_EVENT_GROUP_MOVED,   /* a group got another parent */
    KB_EVENT_USER_ENABLED,  /* a user was written as enabled (gave) or disabled */
    KB_EVENT_USER_GONE,     /* a user was deleted */
    KB_EVENT_WHAT_MAX_
};

struct kb_event {
    int64_t at_ms;
    enum kb_event_what what;
    bool gave;            /* joined, granted, enabled; false: the opposite */
    const char *holder;   /* id of the user or group; of a composite its id or name */
    const char *id;       /* of the role or group that was given; NULL unknown */
    const char *name;     /* of a realm role, or the path of the group; NULL unknown */
    const char *actor;    /* user id of who did it */
    bool actor_elsewhere; /* the actor belongs to another realm: nobody to look up in this one */
};

#endif
