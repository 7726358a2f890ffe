#include "base/ban.h"

#include "keycloak/event_decode.h"

#include "keycloak/decode.h"

#include <json-c/json.h>

struct row {
    const char *operation, *type, *representation;
    char *path;
    bool of_client;
    struct kb_event event;
    struct kc_event_sink *sink;
};

/* 26.4.1 to 26.4.7 wrote doubled slashes (keycloak-api.md section 5); a role named "a//b" is found by its id. */
static char *
copy_path(const char *path)
{
    char *copy = kb_strndup(path, strlen(path)), *to = copy;

    for (const char *from = path; copy && *from; from++)
        if (*from != '/' || to == copy || to[-1] != '/')
            *to++ = *from;
    if (copy)
        *to = '\0';
    return copy;
}

/* "PREFIX…SUFFIX": what is between, cut out of `path`; NULL: it is not so, and path is as it was. */
static char *
between(char *path, const char *prefix, const char *suffix)
{
    size_t len = strlen(path), front = strlen(prefix), back = strlen(suffix);

    if (len <= front + back || strncmp(path, prefix, front) != 0 || strcmp(path + len - back, suffix) != 0)
        return NULL;
    path[len - back] = '\0';
    return path + front;
}

static void
give(struct row *row)
{
    row->sink->fn(row->sink->userdata, &row->event);
}

/* The document in the string; *ret NULL when the realm records none. */
static int
open_representation(const struct row *row, struct json_object **ret, struct kb_error *err)
{
    *ret = NULL;
    if (!row->representation || !*row->representation) {
        row->sink->bare = true;
        return 0;
    }
    return kb_json_parse(row->representation, strlen(row->representation), ret, err);
}

static int
optional_id(const struct json_object *obj, const char **ret, struct kb_error *err)
{
    *ret = NULL;
    if (kb_json_str(obj, "representation", "id", KB_JSON_OPTIONAL, ret, err) < 0)
        return -(int) err->code;
    if (*ret && !kc_id_valid(*ret))
        return kb_fail(err, KB_E_PROTOCOL, "representation.id: not an id of Keycloak's");
    return 0;
}

/* An array of roles, each an event of its own. */
static int
give_roles(struct row *row, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;

    if (open_representation(row, &doc, err) < 0)
        return -(int) err->code;
    if (!doc)
        return 0;
    if (!json_object_is_type(doc, json_type_array))
        return kb_fail(err, KB_E_PROTOCOL, "representation: an array of roles is wanted");
    for (size_t i = 0; i < json_object_array_length(doc); i++) {
        const struct json_object *role = json_object_array_get_idx(doc, i);
        const char *name = NULL;
        bool of_client = row->of_client;
        if (!json_object_is_type(role, json_type_object))
            return kb_fail(err, KB_E_PROTOCOL, "representation[%zu]: a role is wanted", i);
        if (kb_json_str(role, "representation", "name", KB_JSON_REQUIRED, &name, err) < 0 ||
            kb_json_bool(role, "representation", "clientRole", KB_JSON_OPTIONAL, &of_client, err) < 0 ||
            optional_id(role, &row->event.id, err) < 0)
            return -(int) err->code;
        row->event.name = of_client ? NULL : name; /* two clients may have a role of one name */
        give(row);
    }
    return 0;
}

/* users/ID/role-mappings/realm, groups/ID/role-mappings/realm, …/role-mappings/clients/UUID. A role of a client
 * goes by its id, since the name alone says nothing. */
static int
role_mapping(struct row *row, bool of_client, struct kb_error *err)
{
    static const struct {
        const char *prefix;
        enum kb_event_what what;
    } holders[] = {{"users/", KB_EVENT_ROLE_OF_USER}, {"groups/", KB_EVENT_ROLE_OF_GROUP}};

    for (size_t i = 0; i < KB_LEN(holders); i++) {
        char *holder = NULL;
        char *client = of_client ? strstr(row->path, "/role-mappings/clients/") : NULL;
        if (client)
            *client = '\0';
        holder = between(row->path, holders[i].prefix, of_client ? "" : "/role-mappings/realm");
        if (client && !holder)
            *client = '/';
        if (!holder || (of_client && !client) || !kc_id_valid(holder))
            continue;
        row->of_client = of_client;
        row->event.what = holders[i].what;
        row->event.holder = holder;
        return give_roles(row, err);
    }
    return kb_fail(err, KB_E_PROTOCOL, "resourcePath: not one of a role mapping");
}

/* users/UID/groups/GID; the representation is the group. The path says who and where by itself. */
static int
membership(struct row *row, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    char *id = strrchr(row->path, '/'), *holder;
    struct kc_event_sink quiet = *row->sink;

    if (!id || !kc_id_valid(id + 1))
        return kb_fail(err, KB_E_PROTOCOL, "resourcePath: not one of a membership");
    *id++ = '\0';
    holder = between(row->path, "users/", "/groups");
    if (!holder || !kc_id_valid(holder))
        return kb_fail(err, KB_E_PROTOCOL, "resourcePath: not one of a membership");
    row->event.what = KB_EVENT_MEMBER;
    row->event.holder = holder;
    row->event.id = id;
    if (open_representation(row, &doc, err) < 0)
        return -(int) err->code;
    row->sink->bare = quiet.bare; /* it is not needed here */
    if (doc && json_object_is_type(doc, json_type_object) &&
        kb_json_str(doc, "representation", "path", KB_JSON_OPTIONAL, &row->event.name, err) < 0)
        return -(int) err->code;
    give(row);
    return 0;
}

/* roles/NAME/composites, roles-by-id/ID/composites; DELETE of roles/NAME or roles-by-id/ID. */
static int
realm_role(struct row *row, struct kb_error *err)
{
    char *holder = between(row->path, "roles-by-id/", "/composites");

    if (!holder)
        holder = between(row->path, "roles/", "/composites");
    if (holder) {
        row->event.what = KB_EVENT_ROLE_IN_ROLE;
        row->event.holder = holder;
        return give_roles(row, err);
    }
    if (strcmp(row->operation, "DELETE") != 0)
        return 0; /* made, or described anew */
    row->event.what = KB_EVENT_ROLE_GONE;
    row->event.id = between(row->path, "roles-by-id/", "");
    row->event.name = row->event.id ? NULL : between(row->path, "roles/", "");
    if (!row->event.id && !row->event.name)
        return kb_fail(err, KB_E_PROTOCOL, "resourcePath: not one of a role");
    row->event.holder = row->event.id ? row->event.id : row->event.name;
    give(row);
    return 0;
}

/* An existing group put below another one: UPDATE groups/PARENT/children with the group. */
static int
group(struct row *row, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;

    if (strcmp(row->operation, "UPDATE") != 0 || !between(row->path, "groups/", "/children"))
        return 0;
    if (open_representation(row, &doc, err) < 0)
        return -(int) err->code;
    if (!doc)
        return 0;
    if (!json_object_is_type(doc, json_type_object))
        return kb_fail(err, KB_E_PROTOCOL, "representation: a group is wanted");
    if (optional_id(doc, &row->event.holder, err) < 0)
        return -(int) err->code;
    if (!row->event.holder)
        return 0;
    row->event.what = KB_EVENT_GROUP_MOVED;
    row->event.gave = true;
    give(row);
    return 0;
}

/* users/ID: UPDATE with the whole user, DELETE. */
static int
user(struct row *row, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    char *holder = between(row->path, "users/", "");
    const char *key = "enabled";
    struct json_object *there = NULL;
    bool gone = !strcmp(row->operation, "DELETE");

    if (!holder || !kc_id_valid(holder))
        return 0; /* credentials, consents, … below the user */
    row->event.holder = holder;
    row->event.what = gone ? KB_EVENT_USER_GONE : KB_EVENT_USER_ENABLED;
    row->event.gave = false;
    if (gone) {
        give(row);
        return 0;
    }
    if (open_representation(row, &doc, err) < 0)
        return -(int) err->code;
    if (!doc || !json_object_is_type(doc, json_type_object) || !json_object_object_get_ex(doc, key, &there) ||
        !there)
        return 0; /* the flag was not written */
    if (kb_json_bool(doc, "representation", key, KB_JSON_REQUIRED, &row->event.gave, err) < 0)
        return -(int) err->code;
    give(row);
    return 0;
}

static int
head(const struct json_object *obj, struct row *row, struct kb_error *err)
{
    const struct json_object *who = NULL;
    const char *realm = NULL, *own = NULL, *error = NULL, *path = NULL;

    if (!json_object_is_type(obj, json_type_object))
        return kb_fail(err, KB_E_PROTOCOL, "an event is wanted");
    if (kb_json_str(obj, "", "error", KB_JSON_OPTIONAL, &error, err) < 0 ||
        kb_json_i64(obj, "", "time", KB_JSON_REQUIRED, &row->event.at_ms, err) < 0 ||
        kb_json_str(obj, "", "operationType", KB_JSON_REQUIRED, &row->operation, err) < 0 ||
        kb_json_str(obj, "", "resourceType", KB_JSON_REQUIRED, &row->type, err) < 0 ||
        kb_json_str(obj, "", "resourcePath", KB_JSON_REQUIRED, &path, err) < 0 ||
        kb_json_str(obj, "", "realmId", KB_JSON_OPTIONAL, &own, err) < 0 ||
        kb_json_str(obj, "", "representation", KB_JSON_OPTIONAL, &row->representation, err) < 0 ||
        kb_json_obj(obj, "", "authDetails", KB_JSON_REQUIRED, &who, err) < 0 ||
        kb_json_str(who, "authDetails", "userId", KB_JSON_REQUIRED, &row->event.actor, err) < 0 ||
        kb_json_str(who, "authDetails", "realmId", KB_JSON_OPTIONAL, &realm, err) < 0)
        return -(int) err->code;
    if (!kc_id_valid(row->event.actor))
        return kb_fail(err, KB_E_PROTOCOL, "authDetails.userId: not an id of Keycloak's");
    if (row->event.at_ms < 1000 || row->event.at_ms / 1000 > INT64_C(253402300799))
        return kb_fail(err, KB_E_PROTOCOL, "time: not a time");
    row->event.actor_elsewhere = realm && own && strcmp(realm, own) != 0;
    row->event.gave = !strcmp(row->operation, "CREATE");
    if (error && *error)
        return 0;
    row->path = copy_path(path);
    return row->path ? 0 : kb_fail(err, KB_E_NOMEM, "out of memory for an admin event");
}

static int
body(struct row *row, struct kb_error *err)
{
    bool create_or_delete = !strcmp(row->operation, "CREATE") || !strcmp(row->operation, "DELETE");

    if (!strcmp(row->type, "GROUP"))
        return group(row, err);
    if (!strcmp(row->type, "USER"))
        return strcmp(row->operation, "UPDATE") != 0 && strcmp(row->operation, "DELETE") != 0
                   ? 0
                   : user(row, err);
    if (!create_or_delete)
        return 0;
    if (!strcmp(row->type, "REALM_ROLE_MAPPING"))
        return role_mapping(row, false, err);
    if (!strcmp(row->type, "CLIENT_ROLE_MAPPING"))
        return role_mapping(row, true, err);
    if (!strcmp(row->type, "GROUP_MEMBERSHIP"))
        return membership(row, err);
    return !strcmp(row->type, "REALM_ROLE") ? realm_role(row, err) : 0;
}

int
kc_decode_event(const struct json_object *obj, struct kc_event_sink *sink, struct kb_error *err)
{
    struct row row = {.sink = sink};
    int r = head(obj, &row, err);

    if (r >= 0 && row.path)
        r = body(&row, err);
    free(row.path);
    return r;
}

/* ---- a page ---- */

/* An event of a user holds all of his attributes. */
#define ELEMENT_SIZE_MAX ((size_t) 4 * 1024 * 1024)

struct kc_event_rows {
    struct kc_event_sink *sink;
    struct kb_json_array *array;
    uint32_t len, bad;
};

static int
on_row(void *userdata, size_t index, const struct json_object *element, struct kb_error *err)
{
    struct kc_event_rows *rows = userdata;
    struct kb_error why = {0};

    (void) index;
    rows->len++;
    if (element && kc_decode_event(element, rows->sink, &why) >= 0)
        return 0;
    if (why.code == KB_E_NOMEM)
        return kb_fail(err, KB_E_NOMEM, "%s", why.msg);
    rows->bad++;
    return 0;
}

int
kc_event_rows_new(struct kc_event_sink *sink, struct kc_event_rows **ret, struct kb_error *err)
{
    struct kc_event_rows *rows = calloc(1, sizeof(*rows));

    if (!rows)
        return kb_fail(err, KB_E_NOMEM, "out of memory for admin events");
    rows->sink = sink;
    if (kb_json_array_new(NULL, ELEMENT_SIZE_MAX, on_row, rows, &rows->array, err) < 0) {
        free(rows);
        return -(int) err->code;
    }
    *ret = rows;
    return 0;
}

void
kc_event_rows_reset(struct kc_event_rows *rows)
{
    kb_json_array_reset(rows->array);
    rows->len = rows->bad = 0;
}

int
kc_event_rows_feed(struct kc_event_rows *rows, const char *bytes, size_t size, struct kb_error *err)
{
    return kb_json_array_feed(rows->array, bytes, size, err);
}

int
kc_event_rows_end(struct kc_event_rows *rows, uint32_t *ret_rows, uint32_t *ret_bad, struct kb_error *err)
{
    *ret_rows = rows->len;
    *ret_bad = rows->bad;
    return kb_json_array_end(rows->array, NULL, NULL, err);
}

void
kc_event_rows_free(struct kc_event_rows *rows)
{
    if (rows)
        kb_json_array_free(rows->array);
    free(rows);
}

/* ---- single objects ---- */

int
kc_decode_events_config(const char *body_bytes, size_t size, bool *ret_on, bool *ret_details,
                        struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;

    if (kb_json_parse(body_bytes, size, &doc, err) < 0)
        return -(int) err->code;
    if (!json_object_is_type(doc, json_type_object))
        return kb_fail(err, KB_E_PROTOCOL, "an object is wanted");
    if (kb_json_bool(doc, "", "adminEventsEnabled", KB_JSON_REQUIRED, ret_on, err) < 0)
        return -(int) err->code;
    return kb_json_bool(doc, "", "adminEventsDetailsEnabled", KB_JSON_OPTIONAL, ret_details, err);
}

int
kc_decode_username(const char *body_bytes, size_t size, const char *id, char **ret, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    struct kc_user_row row = {0};
    const struct kc_attributes none = {0};

    if (kb_json_parse(body_bytes, size, &doc, err) < 0 || kc_decode_user(doc, &none, &row, err) < 0)
        return -(int) err->code;
    if (strcmp(row.id, id) != 0)
        return kb_fail(err, KB_E_PROTOCOL, "the answer is about another user");
    *ret = kb_strndup(row.username, strlen(row.username));
    return *ret ? 0 : kb_fail(err, KB_E_NOMEM, "out of memory for a user name");
}
