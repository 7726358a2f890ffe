#include "base/ban.h"

#include "keycloak/decode.h"

#include "base/str.h"

#include <json-c/json.h>

static const char service_prefix[] = "service-account-"; /* keycloak-api.md 1.4 */

static bool
is_alnum(char c)
{
    c = kb_ascii_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static size_t
word_len(const char *s)
{
    size_t len = 0;

    if (!is_alnum(s[0]))
        return 0;
    while (is_alnum(s[len]) || s[len] == '-' || s[len] == '_' || s[len] == '.')
        len++;
    return len;
}

bool
kc_id_valid(const char *id)
{
    size_t len = word_len(id);

    if (id[len] == '\0')
        return len > 0 && len <= 36;
    return kc_id_component(id, NULL);
}

bool
kc_id_component(const char *id, char *ret)
{
    size_t len;

    if (id[0] != 'f' || id[1] != ':' || strlen(id) >= KC_ID_SIZE || kb_has_control(id))
        return false;
    len = word_len(id + 2);
    if (len == 0 || len > 36 || id[2 + len] != ':' || id[3 + len] == '\0')
        return false;
    if (ret) {
        memcpy(ret, id + 2, len);
        ret[len] = '\0';
    }
    return true;
}

static int
get_id(const struct json_object *obj, const char *key, enum kb_json_need need, const char **ret,
       struct kb_error *err)
{
    const char *id = NULL;

    *ret = NULL;
    if (kb_json_str(obj, "", key, need, &id, err) < 0)
        return -(int) err->code;
    if (!id || (!*id && need == KB_JSON_OPTIONAL))
        return 0;
    if (!kc_id_valid(id))
        return kb_fail(err, KB_E_PROTOCOL, "%s: not an id of Keycloak's", key);
    *ret = id;
    return 0;
}

/* Optional: "" comes back as NULL. Required: must not be empty. */
static int
get_text(const struct json_object *obj, const char *key, enum kb_json_need need, const char **ret,
         struct kb_error *err)
{
    const char *text = NULL;

    *ret = NULL;
    if (kb_json_str(obj, "", key, need, &text, err) < 0)
        return -(int) err->code;
    if (!text)
        return 0;
    if (strlen(text) >= KC_TEXT_SIZE)
        return kb_fail(err, KB_E_PROTOCOL, "%s: longer than %d bytes", key, KC_TEXT_SIZE);
    if (*text)
        *ret = text;
    else if (need == KB_JSON_REQUIRED)
        return kb_fail(err, KB_E_PROTOCOL, "%s: empty", key);
    return 0;
}

/* The elements must be strings whatever is wanted of them: a list with something else in it is not believed.
 */
static int
get_values(const struct json_object *attributes, const char *name, const char **ret_only, size_t *ret_len,
           struct kb_error *err)
{
    const struct json_object *values = NULL;

    *ret_only = NULL;
    *ret_len = 0;
    if (kb_json_arr(attributes, "attributes", name, KB_JSON_OPTIONAL, &values, err) < 0)
        return -(int) err->code;
    if (!values)
        return 0;
    *ret_len = json_object_array_length(values);
    for (size_t i = 0; i < *ret_len; i++) {
        struct json_object *value = json_object_array_get_idx(values, i);
        const char *text;
        if (!json_object_is_type(value, json_type_string))
            return kb_fail(err, KB_E_PROTOCOL, "attributes.%s[%zu]: a string is wanted", name, i);
        text = json_object_get_string(value);
        if (strlen(text) != (size_t) json_object_get_string_len(value))
            return kb_fail(err, KB_E_PROTOCOL, "attributes.%s[%zu]: a NUL inside the string", name, i);
        if (strlen(text) >= KC_TEXT_SIZE)
            return kb_fail(err, KB_E_PROTOCOL, "attributes.%s[%zu]: longer than %d bytes", name, i,
                           KC_TEXT_SIZE);
        if (*ret_len == 1 && *text)
            *ret_only = text;
    }
    return 0;
}

int
kc_decode_user(const struct json_object *obj, const struct kc_attributes *names, struct kc_user_row *ret,
               struct kb_error *err)
{
    const struct json_object *attributes = NULL;
    const char *reason, *name;
    size_t len;

    *ret = (struct kc_user_row){0};
    if (get_id(obj, "id", KB_JSON_REQUIRED, &ret->id, err) < 0 ||
        get_text(obj, "username", KB_JSON_REQUIRED, &ret->username, err) < 0 ||
        get_text(obj, "email", KB_JSON_OPTIONAL, &ret->email, err) < 0 ||
        get_id(obj, "federationLink", KB_JSON_OPTIONAL, &ret->federation, err) < 0 ||
        kb_json_bool(obj, "", "enabled", KB_JSON_REQUIRED, &ret->enabled, err) < 0 ||
        kb_json_bool(obj, "", "emailVerified", KB_JSON_OPTIONAL, &ret->email_verified, err) < 0 ||
        kb_json_obj(obj, "", "attributes", KB_JSON_OPTIONAL, &attributes, err) < 0)
        return -(int) err->code;
    ret->service_account = strncmp(ret->username, service_prefix, sizeof(service_prefix) - 1) == 0;
    if (!attributes)
        return 0;
    if (get_values(attributes, "disabledReason", &reason, &len, err) < 0)
        return -(int) err->code;
    ret->locked_out = len > 0;
    name = ret->service_account ? names->of_services : names->of_people;
    if (name && get_values(attributes, name, &ret->attribute, &len, err) < 0)
        return -(int) err->code;
    return 0;
}

int
kc_decode_role(const struct json_object *obj, struct kc_role_row *ret, struct kb_error *err)
{
    *ret = (struct kc_role_row){0};
    if (get_id(obj, "id", KB_JSON_REQUIRED, &ret->id, err) < 0 ||
        get_text(obj, "name", KB_JSON_REQUIRED, &ret->name, err) < 0 ||
        get_text(obj, "containerId", KB_JSON_OPTIONAL, &ret->container, err) < 0 ||
        kb_json_bool(obj, "", "composite", KB_JSON_REQUIRED, &ret->composite, err) < 0 ||
        kb_json_bool(obj, "", "clientRole", KB_JSON_REQUIRED, &ret->client_role, err) < 0)
        return -(int) err->code;
    /* The container becomes a path segment only for client roles; a realm's is an internal name. */
    if (ret->client_role && (!ret->container || !kc_id_valid(ret->container)))
        return kb_fail(err, KB_E_PROTOCOL, "containerId: not an id of Keycloak's");
    return 0;
}

static int
give_names(const struct json_object *names, const char *at, const char *client, kc_grant_fn fn,
           void *userdata, struct kb_error *err)
{
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        struct json_object *value = json_object_array_get_idx(names, i);
        const char *name;
        if (!json_object_is_type(value, json_type_string))
            return kb_fail(err, KB_E_PROTOCOL, "%s[%zu]: a string is wanted", at, i);
        name = json_object_get_string(value);
        if (strlen(name) != (size_t) json_object_get_string_len(value))
            return kb_fail(err, KB_E_PROTOCOL, "%s[%zu]: a NUL inside the string", at, i);
        if (!*name || strlen(name) >= KC_TEXT_SIZE)
            return kb_fail(err, KB_E_PROTOCOL, "%s[%zu]: empty or too long", at, i);
        if (fn(userdata, client, name, err) < 0)
            return -(int) err->code;
    }
    return 0;
}

int
kc_decode_group(const struct json_object *obj, struct kc_group_row *ret, struct kb_error *err)
{
    const struct json_object *roles = NULL;

    *ret = (struct kc_group_row){.source = obj};
    if (get_id(obj, "id", KB_JSON_REQUIRED, &ret->id, err) < 0 ||
        get_text(obj, "name", KB_JSON_REQUIRED, &ret->name, err) < 0 ||
        get_text(obj, "path", KB_JSON_REQUIRED, &ret->path, err) < 0 ||
        get_id(obj, "parentId", KB_JSON_OPTIONAL, &ret->parent, err) < 0 ||
        kb_json_arr(obj, "", "realmRoles", KB_JSON_OPTIONAL, &roles, err) < 0)
        return -(int) err->code;
    ret->roles_shown = roles != NULL;
    return 0;
}

int
kc_decode_grants(const struct kc_group_row *group, kc_grant_fn fn, void *userdata, struct kb_error *err)
{
    const struct json_object *obj = group->source, *realm_roles = NULL, *client_roles = NULL;

    if (kb_json_arr(obj, "", "realmRoles", KB_JSON_OPTIONAL, &realm_roles, err) < 0 ||
        kb_json_obj(obj, "", "clientRoles", KB_JSON_OPTIONAL, &client_roles, err) < 0)
        return -(int) err->code;
    if (realm_roles && give_names(realm_roles, "realmRoles", NULL, fn, userdata, err) < 0)
        return -(int) err->code;
    if (!client_roles)
        return 0;
    struct json_object_iterator it = json_object_iter_begin((struct json_object *) (uintptr_t) client_roles);
    struct json_object_iterator end = json_object_iter_end((struct json_object *) (uintptr_t) client_roles);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        const char *client = json_object_iter_peek_name(&it);
        const struct json_object *names = json_object_iter_peek_value(&it);
        if (!names)
            continue;
        if (!*client || strlen(client) >= KC_TEXT_SIZE)
            return kb_fail(err, KB_E_PROTOCOL, "clientRoles: a client without a usable name");
        if (!json_object_is_type(names, json_type_array))
            return kb_fail(err, KB_E_PROTOCOL, "clientRoles.%.100s: an array is wanted", client);
        if (give_names(names, "clientRoles", client, fn, userdata, err) < 0)
            return -(int) err->code;
    }
    return 0;
}

int
kc_decode_client(const struct json_object *obj, struct kc_client_row *ret, struct kb_error *err)
{
    *ret = (struct kc_client_row){0};
    if (get_id(obj, "id", KB_JSON_REQUIRED, &ret->id, err) < 0 ||
        get_text(obj, "clientId", KB_JSON_REQUIRED, &ret->client_id, err) < 0)
        return -(int) err->code;
    return 0;
}

int
kc_decode_component(const struct json_object *obj, struct kc_component_row *ret, struct kb_error *err)
{
    const struct json_object *config = NULL, *enabled = NULL;
    const char *word;

    *ret = (struct kc_component_row){0};
    if (get_id(obj, "id", KB_JSON_REQUIRED, &ret->id, err) < 0 ||
        get_text(obj, "name", KB_JSON_REQUIRED, &ret->name, err) < 0 ||
        kb_json_obj(obj, "", "config", KB_JSON_OPTIONAL, &config, err) < 0 ||
        (config && kb_json_arr(config, "config", "enabled", KB_JSON_OPTIONAL, &enabled, err) < 0))
        return -(int) err->code;
    if (!enabled || json_object_array_length(enabled) == 0)
        return 0;
    word = json_object_get_string(json_object_array_get_idx(enabled, 0));
    ret->off = !word || strcmp(word, "true") != 0;
    return 0;
}

static int
ignore(void *userdata, size_t index, const struct json_object *element, struct kb_error *err)
{
    (void) userdata;
    (void) index;
    (void) element;
    (void) err;
    return 0;
}

int
kc_decode_credentials(const char *body, size_t size, struct kb_error *err)
{
    KB_CLEANUP(kb_json_array) struct kb_json_array *array = NULL;

    if (kb_json_array_new(NULL, (size_t) 1024 * 1024, ignore, NULL, &array, err) < 0 ||
        kb_json_array_feed(array, body, size, err) < 0 || kb_json_array_end(array, NULL, NULL, err) < 0)
        return -(int) err->code;
    return 0;
}

int
kc_decode_organizations(const char *body, size_t size, bool *ret, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *obj = NULL;

    if (kb_json_parse(body, size, &obj, err) < 0 ||
        kb_json_bool(obj, "", "organizationsEnabled", KB_JSON_OPTIONAL, ret, err) < 0)
        return -(int) err->code;
    return 0;
}

int
kc_decode_group_count(const char *body, size_t size, uint32_t *ret, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *obj = NULL;
    int64_t count = 0;

    if (kb_json_parse(body, size, &obj, err) < 0 ||
        kb_json_i64(obj, "", "count", KB_JSON_REQUIRED, &count, err) < 0)
        return -(int) err->code;
    if (count < 0 || count > INT32_MAX)
        return kb_fail(err, KB_E_PROTOCOL, "count: out of range");
    *ret = (uint32_t) count;
    return 0;
}

int
kc_decode_user_count(const char *body, size_t size, uint32_t *ret, struct kb_error *err)
{
    int64_t count = 0;
    char text[16] = "";

    if (size > 0 && size < sizeof(text))
        memcpy(text, body, size);
    if (strlen(text) != size || !kb_parse_i64(text, 0, INT32_MAX, &count))
        return kb_fail(err, KB_E_PROTOCOL, "not the number of users");
    *ret = (uint32_t) count;
    return 0;
}

static void
get_visible(const struct json_object *obj, const char *key, char *ret, size_t size)
{
    struct kb_error ignored;
    const char *text = NULL;
    KB_CLEANUP(kb_buf) struct kb_buf visible = KB_BUF_INIT(KC_TEXT_SIZE * 8);

    ret[0] = '\0';
    if (kb_json_str(obj, "", key, KB_JSON_OPTIONAL, &text, &ignored) < 0 || !text)
        return;
    kb_buf_add_visible(&visible, text);
    (void) snprintf(ret, size, "%s", kb_buf_str(&visible));
    kb_utf8_mend(ret);
}

bool
kc_decode_refusal(const char *body, size_t size, struct kc_refusal *ret)
{
    KB_CLEANUP(json) struct json_object *obj = NULL;
    struct kb_error ignored;

    *ret = (struct kc_refusal){0};
    if (size == 0 || kb_json_parse(body, size, &obj, &ignored) < 0 ||
        !json_object_is_type(obj, json_type_object))
        return false;
    get_visible(obj, "error", ret->error, sizeof(ret->error));
    get_visible(obj, "error_description", ret->description, sizeof(ret->description));
    if (!ret->error[0])
        get_visible(obj, "errorMessage", ret->error, sizeof(ret->error));
    return true;
}
