/* tests/sim/control.h: what a test may turn: knobs, edits, the world at the start, and the paths below /_sim/.
 *
 * Why:       rule 43: where the real behaviour is unknown or differs, a knob chooses; the default is the likeliest.
 * Errors:    NULL, or what was wrong; edits before the bad one stay done.
 * Threads:   edits and knobs take world_lock for writing.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "tests/sim/world.h"

enum { REPLY_204, REPLY_200_EMPTY, REPLY_200_OBJECT, REPLY_200_FULL };

enum { UNKNOWN_DROP, UNKNOWN_400, UNKNOWN_404 };

enum { RATE_GET, RATE_LIST, RATE_PATCH, RATE_POST, RATE_KINDS };

#define VERSION(major, minor, patch) ((major) *10000 + (minor) *100 + (patch))

enum place { PLACE_NONE, PLACE_SINGLE, PLACE_USERS, PLACE_ALL };

/* Each knob once, with its normal state; README.md says what they mean. A CHOICE is the number of one of its words. */
#define KNOBS(NUMBER, FLAG, TEXT, CHOICE)                                      \
    NUMBER(latency_ms, 0)                                                      \
    NUMBER(token_life_s, 300)                                                  \
    NUMBER(dbx_token_life_s, 3600)                                             \
    NUMBER(post_status, 201)                                                   \
    NUMBER(page_max, 100)                                                      \
    NUMBER(dbx_expired_status, 401)                                            \
    NUMBER(items_per_page, -1)                                                 \
    NUMBER(workspace_member_status, 400)                                       \
    CHOICE(lockout_shows, PLACE_NONE, "none single lists all")                 \
    CHOICE(patch_reply, REPLY_200_OBJECT, "204 200-empty 200-object 200-full") \
    CHOICE(unknown_id, UNKNOWN_DROP, "drop 400 404")                           \
    CHOICE(readd, 0, "ok 400 409")                                             \
    CHOICE(reremove, 0, "ok 400 409")                                          \
    FLAG(list_members, false)                                                  \
    FLAG(resources_missing, false)                                             \
    FLAG(filter_strict, true)                                                  \
    FLAG(wrong_urn_empties, false)                                             \
    FLAG(extra_keys, true)                                                     \
    FLAG(events, false)                                                        \
    FLAG(events_details, true)                                                 \
    FLAG(kc_admin_api, false)                                                  \
    FLAG(not_found_variant, false)                                             \
    FLAG(fed_account_policy, false)                                            \
    FLAG(aim, false)                                                           \
    FLAG(post_members_fail, false)                                             \
    FLAG(token_lightweight, false)                                             \
    FLAG(cycles_400, false)                                                    \
    FLAG(escape_slashes, false)                                                \
    TEXT(workspace_id, NULL)                                                   \
    TEXT(content_type, NULL)                                                   \
    TEXT(retry_after, NULL)                                                    \
    TEXT(token_aud, "realm-management")                                        \
    TEXT(fed_audience, NULL)                                                   \
    TEXT(fed_subject, NULL)                                                    \
    TEXT(fed_issuer, NULL)

struct knobs {
    KNOBS(SLOT_INT_FIELD, SLOT_FLAG_FIELD, SLOT_TEXT_FIELD, SLOT_INT_FIELD)
    int kc_version;          /* as VERSION makes it */
    double rate[RATE_KINDS]; /* requests a second, 0: no limit */
    const char *rules_off;   /* ",S7,14,": rules that are not obeyed */
};

extern struct knobs knobs;

bool rule(const char *number); /* is it obeyed? "S7" or "14"; README.md lists them */
void knobs_default(void);
const char *knobs_set(json_object *o);
const char *edit_apply(json_object *list);
/* rules: the world's own, libconfig text, or NULL */
const char *world_load(json_object *o, const char **rules);

/* ---- load.c: things told in JSON, for worlds by hand, edits and POST. With world_lock held for writing. ---- */

extern const char *problem;        /* the first thing that was wrong; passes with the request */
void *fail_text(const char *text); /* notes it; NULL, as what is `need`ed and not there */
#define fail(...) fail_text(tf(__VA_ARGS__))

/* Sets the fields that o has and x can have; null takes a text away. */
void fields_set(struct thing *x, json_object *o);
/* A new thing as o tells it; o may be just its name. */
struct thing *thing_told(enum kind kind, json_object *o, const char *name, struct thing *up, bool local);
bool wants_local(json_object *o, bool def); /* its "level" */
void permissions_set(json_object *list);
struct thing *need(enum kind kind, const char *name, const struct thing *client); /* client: of a role */
struct thing *need_role(const char *cid, const char *name);                       /* cid NULL: of the realm */
/* By name; of any kind when kind is KINDS; groups of the other level too. */
struct thing *need_dbx(enum kind kind, const char *name, bool local);

/* ---- company.c: a made-up company of a given size, and the configuration that fits the running simulator ---- */

enum start_state { START_DRIFT, START_EMPTY, START_IN_SYNC };

struct company {
    int users, groups, roles, memberships;
    enum start_state start;
    bool local; /* the Databricks groups are workspace groups */
};

struct config_out {
    const char *dir, *kc_url, *dbx_url, *rules; /* rules NULL: those of company_make */
    const char *kc_ca, *dbx_ca;                 /* certificate files, or NULL */
    bool local;
};

void company_make(const struct company *c);
const char *config_write(const struct config_out *c);

/* kc_events.c: an admin event, if they are recorded; by: who did it, NULL an administrator of another realm */
void event_add(const char *operation, const char *type, const char *path, const char *representation,
               const char *by);
void event_role(const char *operation, const char *type, const char *path, const struct thing *role,
                const char *by);

#endif
