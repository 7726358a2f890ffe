/* tests/sim/control.h: what a test may turn: knobs, edits of the world, and the paths below /_sim/.
 *
 * Why:       rule 43: where the real behaviour is unknown or differs, a knob chooses; the default is the likeliest.
 * Errors:    the answer of an edit, a knob or a world is NULL, or what was wrong with it; edits before the bad one stay
 * done.
 * Threads:   edits and knobs take world_lock for writing.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "tests/sim/world.h"

enum patch_reply { REPLY_204, REPLY_200_EMPTY, REPLY_200_OBJECT, REPLY_200_FULL };

enum unknown_id { UNKNOWN_DROP, UNKNOWN_400, UNKNOWN_404 };

enum { RATE_GET, RATE_LIST, RATE_PATCH, RATE_POST, RATE_KINDS };

#define VERSION(major, minor, patch) ((major) *10000 + (minor) *100 + (patch))

enum place { PLACE_NONE, PLACE_SINGLE, PLACE_USERS, PLACE_ALL };

struct knobs {
    int latency_ms;
    int token_life_s, dbx_token_life_s;
    int patch_reply, unknown_id; /* enums above */
    int readd, reremove;         /* rule 16: 1 refuses */
    int post_status;             /* 201 or 200 */
    int page_max;                /* Databricks clamps count to this */
    int dbx_expired_status;      /* 401 or 403 */
    int items_per_page;          /* -1: the truth, otherwise this */
    int workspace_member_status; /* 400 or 500: rule 29 */
    int kc_version;              /* as VERSION makes it */
    int lockout_shows;           /* S16: enum place up to which a lockout shows as enabled:false */
    bool list_members, resources_missing, filter_strict, wrong_urn_empties, extra_keys, events,
        events_details;
    bool kc_admin_api, not_found_variant;
    bool aim;                 /* automatic identity management: rule 30 */
    bool post_members_fail;   /* rule 21 */
    bool token_lightweight;   /* Keycloak's tokens have neither sub nor aud */
    bool cycles_400;          /* rule 39 */
    bool escape_slashes;      /* S14: paths show a slash of a name as ~/ */
    double rate[RATE_KINDS];  /* requests a second, 0: no limit */
    const char *content_type; /* of Databricks answers */
    const char *retry_after;  /* "seconds", "none", or the text to send */
    const char *workspace_id; /* unified host: what X-Databricks-Workspace-Id must say; NULL: not asked */
    const char *rules_off;    /* ",S7,14,": rules that are not obeyed */
    const char *token_aud;    /* audience of Keycloak's tokens */
    /* the federation policy; NULL: not checked, but a subject is always that of the client's account */
    const char *fed_audience, *fed_subject, *fed_issuer;
    bool fed_account_policy; /* true: client_id must be absent */
};

extern struct knobs knobs;

bool rule(const char *number); /* is it obeyed? "S7" or "14"; README.md lists them */
void knobs_default(void);
const char *knobs_set(json_object *o);
const char *edit_apply(json_object *list);
/* rules: the world's own, libconfig text, or NULL */
const char *world_load(json_object *o, const char **rules);

/* kc_events.c: an admin event, if they are recorded; by: who did it, NULL an administrator of another realm */
void event_add(const char *operation, const char *type, const char *path, const char *representation,
               const char *by);
void event_role(const char *operation, const char *type, const char *path, const struct thing *role,
                const char *by);

#endif
