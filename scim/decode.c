#include "base/ban.h"

#include "scim/decode.h"

#include "base/json.h"
#include "base/str.h"

#define ELEMENT_MAX (4u << 20)

static const char ID[] = "id", DISPLAY_NAME[] = "displayName", EXTERNAL_ID[] = "externalId", META[] = "meta",
                  RESOURCE_TYPE[] = "resourceType", USER_NAME[] = "userName",
                  APPLICATION_ID[] = "applicationId", ACTIVE[] = "active", VALUE[] = "value", REF[] = "$ref",
                  TYPE[] = "type", TOTAL[] = "totalResults", START[] = "startIndex";

/* All SCIM ids are decimal numbers sent as JSON strings (databricks-api.md section 2). */
static int
get_id(const struct json_object *obj, const char *key, const char **ret, struct kb_error *err)
{
    if (!obj)
        return kb_fail(err, KB_E_PROTOCOL, "null where an object is due");
    int e = kb_json_str(obj, "", key, KB_JSON_REQUIRED, ret, err);
    if (e >= 0 && !kb_is_digits(*ret, 1, SCIM_ID_MAX))
        return kb_fail(err, KB_E_PROTOCOL, "%s is not a number of 1 to %d digits", key, SCIM_ID_MAX);
    return e;
}

static int
get_name(const struct json_object *obj, const char *key, const char **ret, struct kb_error *err)
{
    int e = kb_json_str(obj, "", key, KB_JSON_REQUIRED, ret, err);
    return e >= 0 && !**ret ? kb_fail(err, KB_E_PROTOCOL, "%s is empty", key) : e;
}

static int
decode_group(const struct json_object *obj, struct scim_row *ret, struct kb_error *err)
{
    const struct json_object *meta = NULL;
    const char *type = "";
    *ret = (struct scim_row){.active = true, .display = "", .external_id = ""};
    int e = get_id(obj, ID, &ret->id, err);
    if (e >= 0)
        e = get_name(obj, DISPLAY_NAME, &ret->name, err);
    if (e >= 0)
        e = kb_json_str(obj, "", EXTERNAL_ID, KB_JSON_OPTIONAL, &ret->external_id, err);
    if (e >= 0)
        e = kb_json_obj(obj, "", META, KB_JSON_OPTIONAL, &meta, err);
    if (e >= 0 && meta)
        e = kb_json_str(meta, META, RESOURCE_TYPE, KB_JSON_OPTIONAL, &type, err);
    ret->local = !strcmp(type, "WorkspaceGroup");
    ret->account = !strcmp(type, "Group");
    return e;
}

static int
decode_principal(const struct json_object *obj, const char *name_key, struct scim_row *ret,
                 struct kb_error *err)
{
    *ret = (struct scim_row){.active = true, .display = "", .external_id = ""};
    int e = get_id(obj, ID, &ret->id, err);
    if (e >= 0)
        e = get_name(obj, name_key, &ret->name, err);
    if (e >= 0)
        e = kb_json_str(obj, "", DISPLAY_NAME, KB_JSON_OPTIONAL, &ret->display, err);
    if (e >= 0)
        e = kb_json_bool(obj, "", ACTIVE, KB_JSON_OPTIONAL, &ret->active, err);
    return e;
}

static int
decode_user(const struct json_object *obj, struct scim_row *ret, struct kb_error *err)
{
    return decode_principal(obj, USER_NAME, ret, err);
}

static int
decode_service(const struct json_object *obj, struct scim_row *ret, struct kb_error *err)
{
    return decode_principal(obj, APPLICATION_ID, ret, err);
}

/* `type` is often missing, so the kind comes from the $ref ("Users/1", or a whole URL); databricks-api.md 2.2. */
static enum scim_member_kind
member_kind(const char *ref, const char *type, const char *id)
{
    static const struct {
        const char *collection, *type;
        enum scim_member_kind kind;
    } kinds[] = {{"Users/", "User", SCIM_MEMBER_USER},
                 {"ServicePrincipals/", "ServicePrincipal", SCIM_MEMBER_SERVICE},
                 {"Groups/", "Group", SCIM_MEMBER_GROUP}};

    size_t len = strlen(ref), id_len = strlen(id);
    for (size_t i = 0; i < KB_LEN(kinds); i++) {
        size_t c = strlen(kinds[i].collection);
        if (len >= c + id_len && !strcmp(ref + len - id_len, id) &&
            !strncmp(ref + len - id_len - c, kinds[i].collection, c) &&
            (len == c + id_len || ref[len - id_len - c - 1] == '/'))
            return kinds[i].kind;
        if (!*ref && !strcmp(type, kinds[i].type))
            return kinds[i].kind;
    }
    return SCIM_MEMBER_UNKNOWN;
}

static int
decode_member(const struct json_object *obj, struct scim_row *ret, struct kb_error *err)
{
    const char *ref = "", *type = "";
    *ret = (struct scim_row){.name = "", .display = "", .external_id = ""};
    int e = get_id(obj, VALUE, &ret->id, err);
    if (e >= 0)
        e = kb_json_str(obj, "members", REF, KB_JSON_OPTIONAL, &ref, err);
    if (e >= 0)
        e = kb_json_str(obj, "members", TYPE, KB_JSON_OPTIONAL, &type, err);
    if (e < 0)
        return e;
    ret->member = member_kind(ref, type, ret->id);
    if (ret->member == SCIM_MEMBER_UNKNOWN &&
        (strstr(ref, "Users/") || strstr(ref, "Groups/") || strstr(ref, "ServicePrincipals/")))
        return kb_fail(err, KB_E_PROTOCOL, "value is %s, $ref is about another", ret->id);
    return 0;
}

static int
decode_list(const struct json_object *outer, int64_t *ret_total, int64_t *ret_start, struct kb_error *err)
{
    *ret_start = 0;
    int e = kb_json_i64(outer, "", TOTAL, KB_JSON_REQUIRED, ret_total, err);
    if (e >= 0 && (*ret_total < 0 || *ret_total > 10000000))
        return kb_fail(err, KB_E_PROTOCOL, "totalResults is %lld", (long long) *ret_total);
    return e < 0 ? e : kb_json_i64(outer, "", START, KB_JSON_OPTIONAL, ret_start, err);
}

/* ---- rows while they arrive ---- */

typedef int (*decode_fn)(const struct json_object *obj, struct scim_row *ret, struct kb_error *err);

struct scim_rows {
    struct kb_json_array *array;
    const char *what; /* for messages */
    decode_fn decode;
    scim_row_fn fn;
    void *userdata;
};

static const decode_fn decoders[SCIM_KIND_MAX_] = {decode_group, decode_user, decode_service};

static int
on_element(void *userdata, size_t index, const struct json_object *element, struct kb_error *err)
{
    struct scim_rows *rows = userdata;
    struct scim_row row;
    int e = rows->decode(element, &row, err);
    return e < 0 ? kb_fail_prefix(err, "%s[%zu]", rows->what, index) : rows->fn(rows->userdata, &row, err);
}

static int
rows_new(const char *key, decode_fn decode, scim_row_fn fn, void *userdata, struct scim_rows **ret,
         struct kb_error *err)
{
    struct scim_rows *rows = calloc(1, sizeof(*rows));
    if (!rows)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a listing");
    *rows = (struct scim_rows){.what = key, .decode = decode, .fn = fn, .userdata = userdata};
    int e = kb_json_array_new(key, ELEMENT_MAX, on_element, rows, &rows->array, err);
    if (e < 0)
        free(rows);
    else
        *ret = rows;
    return e;
}

int
scim_rows_list(enum scim_kind kind, scim_row_fn fn, void *userdata, struct scim_rows **ret,
               struct kb_error *err)
{
    return rows_new("Resources", decoders[kind], fn, userdata, ret, err);
}

int
scim_rows_members(scim_row_fn fn, void *userdata, struct scim_rows **ret, struct kb_error *err)
{
    return rows_new("members", decode_member, fn, userdata, ret, err);
}

int
scim_rows_feed(struct scim_rows *rows, const char *bytes, size_t size, struct kb_error *err)
{
    return kb_json_array_feed(rows->array, bytes, size, err);
}

void
scim_rows_reset(struct scim_rows *rows)
{
    kb_json_array_reset(rows->array);
}

void
scim_rows_free(struct scim_rows *rows)
{
    if (!rows)
        return;
    kb_json_array_free(rows->array);
    free(rows);
}

int
scim_rows_end_list(struct scim_rows *rows, int64_t *ret_total, int64_t *ret_start, bool *ret_found,
                   struct kb_error *err)
{
    const struct json_object *outer = NULL;
    int e = kb_json_array_end(rows->array, &outer, ret_found, err);
    return e < 0 ? e : decode_list(outer, ret_total, ret_start, err);
}

int
scim_rows_end_group(struct scim_rows *rows, struct scim_row *ret, struct kb_error *err)
{
    const struct json_object *outer = NULL;
    int e = kb_json_array_end(rows->array, &outer, NULL, err);
    return e < 0 ? e : decode_group(outer, ret, err);
}

int
scim_decode_one(enum scim_kind kind, const char *body, size_t size, scim_row_fn fn, void *userdata,
                struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    struct scim_row row;
    int e = kb_json_parse(body, size, &doc, err);
    if (e >= 0)
        e = decoders[kind](doc, &row, err);
    return e < 0 ? e : fn(userdata, &row, err);
}

int
scim_decode_created(const char *body, size_t size, const char *name, char ret[24], struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    const char *id = NULL, *said = NULL;
    int e = kb_json_parse(body, size, &doc, err);
    if (e >= 0)
        e = get_id(doc, ID, &id, err);
    if (e >= 0)
        e = kb_json_str(doc, "", USER_NAME, KB_JSON_OPTIONAL, &said, err);
    if (e >= 0 && !said)
        e = kb_json_str(doc, "", DISPLAY_NAME, KB_JSON_OPTIONAL, &said, err);
    if (e >= 0 && said && kb_ascii_casecmp(said, name) != 0)
        return kb_fail(err, KB_E_PROTOCOL, "asked for \"%.100s\", \"%.100s\" was made", name, said);
    if (e >= 0)
        (void) snprintf(ret, 24, "%s", id);
    return e;
}

/* SCIM detail, platform message, OAuth error_description, API 1.2 error: the first that is a text and says something. */
char *
scim_decode_error(const char *body, size_t size)
{
    static const char *const keys[] = {"detail", "message", "error_description", "error"};
    KB_CLEANUP(json) struct json_object *doc = NULL;
    struct kb_error err = {0};
    if (kb_json_parse(body, size, &doc, &err) < 0 || !json_object_is_type(doc, json_type_object))
        return NULL;
    for (size_t i = 0; i < KB_LEN(keys); i++) {
        const char *s = NULL;
        if (kb_json_str(doc, "", keys[i], KB_JSON_OPTIONAL, &s, &err) >= 0 && s && *s &&
            strcmp(s, "null") != 0)
            return kb_strndup(s, strlen(s));
    }
    return NULL;
}

char *
scim_decode_claim(const char *payload, const char *name)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    KB_CLEANUP(kb_buf) struct kb_buf text = KB_BUF_INIT(4096);
    struct kb_error err = {0};
    struct json_object *claim = NULL;
    if (!payload || kb_json_parse(payload, strlen(payload), &doc, &err) < 0 ||
        !json_object_is_type(doc, json_type_object) || !json_object_object_get_ex(doc, name, &claim))
        return NULL;
    if (json_object_is_type(claim, json_type_string))
        kb_buf_adds(&text, json_object_get_string(claim));
    for (size_t i = 0; json_object_is_type(claim, json_type_array) && i < json_object_array_length(claim);
         i++) {
        struct json_object *one = json_object_array_get_idx(claim, i);
        kb_buf_adds(&text, i ? ", " : "");
        kb_buf_adds(&text, json_object_is_type(one, json_type_string) ? json_object_get_string(one) : "?");
    }
    return text.len && !text.failed ? kb_buf_steal(&text) : NULL;
}
