/* keycloak/decode.h: Keycloak's JSON into plain rows. Pure: no model, no network.
 *
 * Owns:   nothing; every string of a row is borrowed from the JSON object, until that is freed.
 * Errors: KB_E_PROTOCOL with the JSON path; the row is then unusable. A field that decides who is who (id,
 * username, enabled, composite, …) must be there with the right type; absent, null and empty are the same for
 * the others, since minor releases change that (keycloak-api.md section 8, 16). Unknown keys are ignored.
 * Source: keycloak-api.md section 3; keycloak-verified.md sections 0, 1, 8.
 */
#ifndef KB_KEYCLOAK_DECODE_H
#define KB_KEYCLOAK_DECODE_H

#include "base/json.h"

#include <stdint.h>

#define KC_ID_SIZE 256    /* with NUL */
#define KC_TEXT_SIZE 4096 /* of a name or path; Keycloak's columns hold 255 characters */

/* An id as Keycloak writes them: a UUID; any plain word of at most 36 characters (realms imported with ids of
 * their own; the column's width); or f:COMPONENT:EXTERNAL of a directory that is not imported. */
bool kc_id_valid(const char *id);

/* The component of an f: id into ret (KC_ID_SIZE); false for every other id. */
bool kc_id_component(const char *id, char *ret);

struct kc_user_row {
    const char *id, *username;
    const char *email;      /* NULL: none, or hidden */
    const char *federation; /* federationLink, NULL: none */
    bool enabled, email_verified;
    bool service_account;  /* the name says so; there is no other sign (keycloak-verified.md section 1) */
    bool locked_out;       /* attribute disabledReason is there */
    const char *attribute; /* the one value of the attribute asked for; NULL: none or several */
};

/* Names of attributes, NULL: none is wanted. */
struct kc_attributes {
    const char *of_people, *of_services;
};

int kc_decode_user(const struct json_object *obj, const struct kc_attributes *names, struct kc_user_row *ret,
                   struct kb_error *err);

struct kc_role_row {
    const char *id, *name;
    const char *container; /* containerId: the client's uuid for a client role; NULL: none */
    bool composite, client_role;
};

int kc_decode_role(const struct json_object *obj, struct kc_role_row *ret, struct kb_error *err);

struct kc_group_row {
    const char *id, *name, *path;
    const char *parent; /* NULL at top level */
    bool roles_shown;   /* realmRoles is there: a full representation */
    const void *source; /* private, for kc_decode_grants */
};

int kc_decode_group(const struct json_object *obj, struct kc_group_row *ret, struct kb_error *err);

/* Called for each role that the group carries directly: client (its clientId) NULL for a realm role. */
typedef int (*kc_grant_fn)(void *userdata, const char *client, const char *role, struct kb_error *err);

int kc_decode_grants(const struct kc_group_row *group, kc_grant_fn fn, void *userdata, struct kb_error *err);

struct kc_client_row {
    const char *id, *client_id;
};

/* Reads nothing else: the row may hold the client's secret. */
int kc_decode_client(const struct json_object *obj, struct kc_client_row *ret, struct kb_error *err);

/* A user directory (user storage provider). Reads nothing else: the row may hold secrets. */
struct kc_component_row {
    const char *id, *name;
    bool off; /* config.enabled is "false": its people are shown disabled and without groups */
};

int kc_decode_component(const struct json_object *obj, struct kc_component_row *ret, struct kb_error *err);

/* GET /users/{id}/credentials: nothing in it is wanted but that it is an array. */
int kc_decode_credentials(const char *body, size_t size, struct kb_error *err);

/* GET /admin/realms/{realm}: organizationsEnabled; absent (too few rights, an older server) leaves *ret. */
int kc_decode_organizations(const char *body, size_t size, bool *ret, struct kb_error *err);

/* ---- whole answers: a list while it arrives, and one object ---- */

enum kc_row_kind { KC_ROW_USER, KC_ROW_ROLE, KC_ROW_GROUP, KC_ROW_CLIENT, KC_ROW_COMPONENT };

struct kc_row {
    enum kc_row_kind kind;
    const char *id;

    union {
        struct kc_user_row user;
        struct kc_role_row role;
        struct kc_group_row group;
        struct kc_client_row client;
        struct kc_component_row component;
    };
};

/* Borrowed for the call. < 0 (err set) refuses the answer. */
typedef int (*kc_row_fn)(void *userdata, const struct kc_row *row, struct kb_error *err);

struct kc_row_opts {
    enum kc_row_kind kind;
    struct kc_attributes attributes; /* of users; borrowed */
    kc_row_fn fn;
    void *userdata;
};

struct kc_rows; /* a list that is fed; owned: kc_rows_free */

int kc_rows_new(const struct kc_row_opts *opts, struct kc_rows **ret, struct kb_error *err);
void kc_rows_reset(struct kc_rows *rows); /* from the first byte again */
int kc_rows_feed(struct kc_rows *rows, const char *bytes, size_t size, struct kb_error *err);
int kc_rows_end(struct kc_rows *rows, struct kb_error *err); /* the list must be complete */
void kc_rows_free(struct kc_rows *rows);
KB_DEFINE_CLEANUP(kc_rows, struct kc_rows *, kc_rows_free)

int kc_decode_list(const char *body, size_t size, const struct kc_row_opts *opts, struct kb_error *err);
int kc_decode_object(const char *body, size_t size, const struct kc_row_opts *opts, struct kb_error *err);

/* {"count":N} of groups; a bare number of users. */
int kc_decode_group_count(const char *body, size_t size, uint32_t *ret, struct kb_error *err);
int kc_decode_user_count(const char *body, size_t size, uint32_t *ret, struct kb_error *err);

/* The two error families: {"error":…,"error_description":…} and {"errorMessage":…}. Texts are cut to the
 * buffers and made visible; "" when absent. False: the body is no JSON object, so it is not Keycloak's. */
struct kc_refusal {
    char error[200], description[200];
};

bool kc_decode_refusal(const char *body, size_t size, struct kc_refusal *ret);

#endif
