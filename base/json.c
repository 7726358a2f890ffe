/* base/json.c: whole documents, and typed getters. */
#include "base/ban.h"

#include "base/json.h"

#include "base/json_build.h"
#include "base/json_scan.h"

#include <json-c/json.h>

int
kb_json_parse(const char *bytes, size_t len, struct json_object **ret, struct kb_error *err)
{
    struct kb_scan scan = KB_SCAN_INIT;
    KB_CLEANUP(kb_buf) struct kb_buf scratch = KB_BUF_INIT(0);
    const char *p = bytes, *begin = bytes, *end = len ? bytes + len : bytes, *last = end;
    struct json_object *obj = NULL;
    enum kb_scan_event event;
    int r;

    if (len == 0)
        return kb_fail(err, KB_E_PROTOCOL, "not JSON: empty");
    do {
        event = kb_scan_run(&scan, &p, end);
        if (event == KB_SCAN_BEGIN)
            begin = p;
        else if (event == KB_SCAN_END)
            last = p;
    } while (event != KB_SCAN_MORE && event != KB_SCAN_ERROR);
    if (event == KB_SCAN_ERROR)
        return kb_fail(err, KB_E_PROTOCOL, "not JSON: %s at byte %zu", scan.error, (size_t) (p - bytes) - 1);
    if (!kb_scan_complete(&scan))
        return kb_fail(err, KB_E_PROTOCOL, "not JSON: it ends too early, after %zu bytes", len);
    r = kb_json_build(begin, (size_t) (last - begin), scan.high, &scratch, &obj, err);
    if (r < 0)
        return r;
    if (!obj)
        return kb_fail(err, KB_E_PROTOCOL, "null where a document is wanted");
    *ret = obj;
    return 0;
}

/* ---- getters ---- */

static const char *
kind(const struct json_object *obj)
{
    switch (json_object_get_type(obj)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "a truth value";
    case json_type_double:
        return "a fraction";
    case json_type_int:
        return "a number";
    case json_type_object:
        return "an object";
    case json_type_array:
        return "an array";
    case json_type_string:
        return "a string";
    default:
        return "something unknown";
    }
}

/* "a.b: " stands in front of each message; `at` may be "". */
#define AT_FORMAT "%s%s%s"
#define AT_ARGS(at, key) (at), *(at) ? "." : "", (key)

/* 1: *ret holds a value of the wanted type. 0: absent or null, and that is fine. */
static int
get(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
    enum json_type type, const char *wanted, struct json_object **ret, struct kb_error *err)
{
    struct json_object *value = NULL;

    if (!json_object_is_type(obj, json_type_object))
        return kb_fail(err, KB_E_PROTOCOL, "%s: %s where an object is wanted", *at ? at : "document",
                       kind(obj));
    if (!json_object_object_get_ex(obj, key, &value))
        return need == KB_JSON_OPTIONAL
                   ? 0
                   : kb_fail(err, KB_E_PROTOCOL, AT_FORMAT ": missing", AT_ARGS(at, key));
    if (!value)
        return need == KB_JSON_OPTIONAL ? 0
                                        : kb_fail(err, KB_E_PROTOCOL, AT_FORMAT ": null where %s is wanted",
                                                  AT_ARGS(at, key), wanted);
    if (!json_object_is_type(value, type))
        return kb_fail(err, KB_E_PROTOCOL, AT_FORMAT ": %s where %s is wanted", AT_ARGS(at, key), kind(value),
                       wanted);
    *ret = value;
    return 1;
}

int
kb_json_str(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
            const char **ret, struct kb_error *err)
{
    struct json_object *value = NULL;
    const char *text;
    int r = get(obj, at, key, need, json_type_string, "a string", &value, err);

    if (r <= 0)
        return r;
    text = json_object_get_string(value);
    if (strlen(text) != (size_t) json_object_get_string_len(value))
        return kb_fail(err, KB_E_PROTOCOL, AT_FORMAT ": a NUL inside the string", AT_ARGS(at, key));
    *ret = text;
    return 0;
}

int
kb_json_i64(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
            int64_t *ret, struct kb_error *err)
{
    struct json_object *value = NULL;
    int r = get(obj, at, key, need, json_type_int, "a whole number", &value, err);
    int64_t number;

    if (r <= 0)
        return r;
    number = json_object_get_int64(value);
    /* json-c clamps; what lies at the edge may have been anything beyond it */
    if (number == INT64_MIN || (number == INT64_MAX && json_object_get_uint64(value) != (uint64_t) INT64_MAX))
        return kb_fail(err, KB_E_PROTOCOL, AT_FORMAT ": a number beyond 64 bits", AT_ARGS(at, key));
    *ret = number;
    return 0;
}

int
kb_json_bool(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
             bool *ret, struct kb_error *err)
{
    struct json_object *value = NULL;
    int r = get(obj, at, key, need, json_type_boolean, "true or false", &value, err);

    if (r > 0)
        *ret = json_object_get_boolean(value);
    return r < 0 ? r : 0;
}

int
kb_json_obj(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
            const struct json_object **ret, struct kb_error *err)
{
    struct json_object *value = NULL;
    int r = get(obj, at, key, need, json_type_object, "an object", &value, err);

    if (r > 0)
        *ret = value;
    return r < 0 ? r : 0;
}

int
kb_json_arr(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
            const struct json_object **ret, struct kb_error *err)
{
    struct json_object *value = NULL;
    int r = get(obj, at, key, need, json_type_array, "an array", &value, err);

    if (r > 0)
        *ret = value;
    return r < 0 ? r : 0;
}
