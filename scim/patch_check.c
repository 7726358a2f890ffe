/* The second look at a PATCH before it leaves: parses the bytes again, knowing nothing of how they were made. A remove without filter
 * or a replace of members would empty a group (RFC 7644 3.5.2.2; reliability F83), so whatever is not exactly allowed is refused. */
#include "base/ban.h"

#include "scim/patch.h"

#include "base/json.h"
#include "base/str.h"

static const char urn[] = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
static const char filter_head[] = "members[value eq \"", filter_tail[] = "\"]";

static int
no(struct kb_error *err, const char *why)
{
    return kb_fail(err, KB_E_BUG, "a PATCH body is not what it may be: %s; nothing is sent", why);
}

static int
check_remove(const struct json_object *op, size_t *removes, struct kb_error *err)
{
    const char *path = NULL;
    char id[24] = "";
    if (json_object_object_length(op) != 2)
        return no(err, "a remove has more than op and path");
    if (kb_json_str(op, "", "path", KB_JSON_REQUIRED, &path, err) < 0)
        return no(err, "a remove without path");
    size_t len = strlen(path), h = sizeof(filter_head) - 1, t = sizeof(filter_tail) - 1;
    if (len <= h + t || len > h + t + 19 || strncmp(path, filter_head, h) != 0 ||
        strcmp(path + len - t, filter_tail) != 0)
        return no(err, "a remove without a filter for one member");
    memcpy(id, path + h, len - h - t);
    if (!kb_is_digits(id, 1, 19))
        return no(err, "a remove for something that is no id");
    ++*removes;
    return 0;
}

static int
check_add(const struct json_object *op, size_t *adds, struct kb_error *err)
{
    const struct json_object *value = NULL;
    const char *path = NULL;
    if (json_object_object_length(op) != 3)
        return no(err, "an add is op, path and value");
    if (kb_json_str(op, "", "path", KB_JSON_REQUIRED, &path, err) < 0 || strcmp(path, "members") != 0)
        return no(err, "an add to something else than members");
    if (kb_json_arr(op, "", "value", KB_JSON_REQUIRED, &value, err) < 0)
        return no(err, "an add without a list of members");
    size_t n = json_object_array_length(value);
    if (!n || n > SCIM_MEMBERS_MAX)
        return no(err, "an add of none or too many members");
    for (size_t i = 0; i < n; i++) {
        const struct json_object *m = json_object_array_get_idx(value, i);
        const char *id = NULL;
        if (!json_object_is_type(m, json_type_object) || json_object_object_length(m) != 1 ||
            kb_json_str(m, "", "value", KB_JSON_REQUIRED, &id, err) < 0 || !kb_is_digits(id, 1, 19))
            return no(err, "an add of something that is no id");
    }
    *adds += n;
    return 0;
}

static int
check_schemas(const struct json_object *doc, struct kb_error *err)
{
    const struct json_object *schemas = NULL;
    if (kb_json_arr(doc, "", "schemas", KB_JSON_REQUIRED, &schemas, err) < 0 ||
        json_object_array_length(schemas) != 1)
        return no(err, "not one schema");
    struct json_object *s = json_object_array_get_idx(schemas, 0);
    if (!json_object_is_type(s, json_type_string) || strcmp(json_object_get_string(s), urn) != 0)
        return no(err, "another schema than PatchOp");
    return 0;
}

int
scim_patch_check(const char *body, size_t size, size_t removes, size_t adds, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    const struct json_object *ops = NULL;
    size_t seen_removes = 0, seen_adds = 0;
    if (kb_json_parse(body, size, &doc, err) < 0 || !json_object_is_type(doc, json_type_object) ||
        json_object_object_length(doc) != 2)
        return no(err, "not an object of schemas and Operations");
    int e = check_schemas(doc, err);
    if (e >= 0 && kb_json_arr(doc, "", "Operations", KB_JSON_REQUIRED, &ops, err) < 0)
        e = no(err, "no Operations");
    if (e < 0)
        return e;
    size_t n = json_object_array_length(ops);
    if (!n || n > SCIM_OPS_MAX)
        return no(err, "none or too many operations");
    for (size_t i = 0; e >= 0 && i < n; i++) {
        const struct json_object *op = json_object_array_get_idx(ops, i);
        const char *name = NULL;
        if (!json_object_is_type(op, json_type_object) ||
            kb_json_str(op, "", "op", KB_JSON_REQUIRED, &name, err) < 0)
            return no(err, "an operation without op");
        if (!strcmp(name, "remove") && seen_adds)
            return no(err, "a removal behind an addition");
        if (!strcmp(name, "remove"))
            e = check_remove(op, &seen_removes, err);
        else
            e = !strcmp(name, "add") ? check_add(op, &seen_adds, err)
                                     : no(err, "another op than add or remove");
    }
    if (e >= 0 && ((removes != SCIM_PATCH_ANY && seen_removes != removes) ||
                   (adds != SCIM_PATCH_ANY && seen_adds != adds)))
        return no(err, "it does not carry what was planned");
    return e;
}
