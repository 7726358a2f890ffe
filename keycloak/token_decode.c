#include "base/ban.h"

#include "keycloak/token_decode.h"

#include "base/json.h"

#include <json-c/json.h>

/* Roles of realm-management that only read. view-clients shows secrets, but a rule with client_role needs it.
 */
static bool
is_excess(const char *role)
{
    static const char *const reading[] = {"view-", "query-"};

    for (size_t i = 0; i < KB_LEN(reading); i++)
        if (strncmp(role, reading[i], strlen(reading[i])) == 0)
            return false;
    return strncmp(role, "manage-", 7) == 0 || strcmp(role, "realm-admin") == 0 ||
           strcmp(role, "create-client") == 0 || strcmp(role, "impersonation") == 0;
}

static bool
is_management(const char *client)
{
    size_t len = strlen(client);

    return strcmp(client, "realm-management") == 0 || (len > 6 && strcmp(client + len - 6, "-realm") == 0);
}

struct names {
    const char *v[64]; /* realm-management has about 25 */
    size_t len;
};

static void
gather(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->len; i++)
        if (strcmp(names->v[i], name) == 0)
            return;
    if (names->len < KB_LEN(names->v))
        names->v[names->len++] = name;
}

static void
gather_roles(struct names *names, const struct json_object *access, bool (*wanted)(const char *))
{
    const struct json_object *roles = NULL;
    struct kb_error ignored;

    if (kb_json_arr(access, "", "roles", KB_JSON_OPTIONAL, &roles, &ignored) < 0 || !roles)
        return;
    for (size_t i = 0; i < json_object_array_length(roles); i++) {
        struct json_object *role = json_object_array_get_idx(roles, i);
        if (json_object_is_type(role, json_type_string) && wanted(json_object_get_string(role)))
            gather(names, json_object_get_string(role));
    }
}

/* Realm roles of master. */
static bool
is_admin(const char *role)
{
    return strcmp(role, "admin") == 0 || strcmp(role, "create-realm") == 0;
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Calls `each` with the roles of every client that manages a realm. */
static void
each_management(const struct json_object *clients,
                void (*each)(void *userdata, const struct json_object *access), void *userdata)
{
    struct json_object *all = (struct json_object *) (uintptr_t) clients;

    if (!all)
        return;
    struct json_object_iterator it = json_object_iter_begin(all), end = json_object_iter_end(all);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it))
        if (is_management(json_object_iter_peek_name(&it)))
            each(userdata, json_object_iter_peek_value(&it));
}

static void
gather_excess(void *userdata, const struct json_object *access)
{
    gather_roles(userdata, access, is_excess);
}

static bool
is_any(const char *role)
{
    return *role != '\0';
}

static void
gather_any(void *userdata, const struct json_object *access)
{
    gather_roles(userdata, access, is_any);
}

bool
kc_token_names(const char *payload, const char *role)
{
    KB_CLEANUP(json) struct json_object *obj = NULL;
    const struct json_object *clients = NULL;
    struct names names = {.len = 0};
    struct kb_error ignored;

    if (kb_json_parse(payload, strlen(payload), &obj, &ignored) < 0 ||
        kb_json_obj(obj, "", "resource_access", KB_JSON_OPTIONAL, &clients, &ignored) < 0)
        return false;
    each_management(clients, gather_any, &names);
    for (size_t i = 0; i < names.len; i++)
        if (strcmp(names.v[i], role) == 0)
            return true;
    return false;
}

char *
kc_token_excess(const char *payload)
{
    KB_CLEANUP(json) struct json_object *obj = NULL;
    KB_CLEANUP(kb_buf) struct kb_buf text = KB_BUF_INIT(4096);
    const struct json_object *clients = NULL, *realm = NULL;
    const char *issuer = "";
    struct names names = {.len = 0};
    struct kb_error ignored;

    if (kb_json_parse(payload, strlen(payload), &obj, &ignored) < 0 ||
        kb_json_obj(obj, "", "resource_access", KB_JSON_OPTIONAL, &clients, &ignored) < 0 ||
        kb_json_obj(obj, "", "realm_access", KB_JSON_OPTIONAL, &realm, &ignored) < 0 ||
        kb_json_str(obj, "", "iss", KB_JSON_OPTIONAL, &issuer, &ignored) < 0)
        return NULL;
    each_management(clients, gather_excess, &names);
    size_t len = strlen(issuer);
    if (realm && len >= 14 && strcmp(issuer + len - 14, "/realms/master") == 0)
        gather_roles(&names, realm, is_admin);
    qsort(names.v, names.len, sizeof(names.v[0]), compare);
    for (size_t i = 0; i < names.len; i++) {
        kb_buf_adds(&text, i ? ", " : "");
        kb_buf_add_visible(&text, names.v[i]);
    }
    return names.len ? kb_buf_steal(&text) : NULL;
}
