/* base/json_canonical.c: RFC 8785 text of a tree, without floats.
 *
 * Integers beyond 2^53 - 1 are refused like floats: RFC 8785 would write them as IEEE doubles, so that two
 * programs would disagree about the bytes.
 */
#include "base/ban.h"

#include "base/json.h"

#include "base/str.h"

#include <json-c/json.h>

#define DEPTH_MAX 64
#define SAFE_INTEGER_MAX ((INT64_C(1) << 53) - 1)

static int write_value(const struct json_object *obj, unsigned depth, struct kb_buf *ret,
                       struct kb_error *err);

struct member {
    const char *key;
    const struct json_object *value;
};

/* UTF-16 order of well-formed UTF-8 (RFC 8785 section 3.2.3): bytes, but code points above U+FFFF, which are
 * surrogates D800.. there, come before U+E000..U+FFFF. */
static int
compare_keys(const void *a, const void *b)
{
    const uint8_t *x = (const uint8_t *) ((const struct member *) a)->key;
    const uint8_t *y = (const uint8_t *) ((const struct member *) b)->key;

    while (*x && *x == *y)
        x++, y++;
    if (*x == *y)
        return 0;
    if (*x >= 0xee && *y >= 0xee && (*x >= 0xf0) != (*y >= 0xf0))
        return *x >= 0xf0 ? -1 : 1;
    return *x < *y ? -1 : 1;
}

static int
write_text(const char *text, size_t len, struct kb_buf *ret, struct kb_error *err)
{
    if (strlen(text) != len || !kb_utf8_valid(text, len))
        return kb_fail(err, KB_E_BUG, "a string in a document of ours is not text");
    kb_buf_add_json(ret, text);
    return 0;
}

static int
write_members(const struct member *members, size_t len, unsigned depth, struct kb_buf *ret,
              struct kb_error *err)
{
    int r = 0;

    kb_buf_addc(ret, '{');
    for (size_t i = 0; i < len && r == 0; i++) {
        if (i)
            kb_buf_addc(ret, ',');
        r = write_text(members[i].key, strlen(members[i].key), ret, err);
        if (r == 0) {
            kb_buf_addc(ret, ':');
            r = write_value(members[i].value, depth + 1, ret, err);
        }
    }
    kb_buf_addc(ret, '}');
    return r;
}

static int
write_object(const struct json_object *obj, unsigned depth, struct kb_buf *ret, struct kb_error *err)
{
    size_t len = (size_t) json_object_object_length(obj), n = 0;
    KB_CLEANUP(kb_free) struct member *members = calloc(len + 1, sizeof(*members));
    struct json_object_iterator it = json_object_iter_begin((struct json_object *) (uintptr_t) obj);
    struct json_object_iterator end = json_object_iter_end(obj);

    if (!members)
        return kb_fail(err, KB_E_NOMEM, "out of memory for JSON");
    for (; n < len && !json_object_iter_equal(&it, &end); json_object_iter_next(&it), n++) {
        members[n].key = json_object_iter_peek_name(&it);
        members[n].value = json_object_iter_peek_value(&it);
    }
    qsort(members, n, sizeof(*members), compare_keys);
    return write_members(members, n, depth, ret, err);
}

static int
write_array(const struct json_object *obj, unsigned depth, struct kb_buf *ret, struct kb_error *err)
{
    size_t len = json_object_array_length(obj);
    int r = 0;

    kb_buf_addc(ret, '[');
    for (size_t i = 0; i < len && r == 0; i++) {
        if (i)
            kb_buf_addc(ret, ',');
        r = write_value(json_object_array_get_idx(obj, i), depth + 1, ret, err);
    }
    kb_buf_addc(ret, ']');
    return r;
}

static int
write_integer(const struct json_object *obj, struct kb_buf *ret, struct kb_error *err)
{
    int64_t number = json_object_get_int64(obj);

    if (number > SAFE_INTEGER_MAX || number < -SAFE_INTEGER_MAX)
        return kb_fail(err, KB_E_BUG, "a number beyond 2^53 in a document of ours");
    kb_buf_addf(ret, "%lld", (long long) number);
    return 0;
}

static int
write_value(const struct json_object *obj, unsigned depth, struct kb_buf *ret, struct kb_error *err)
{
    if (depth > DEPTH_MAX)
        return kb_fail(err, KB_E_BUG, "a document of ours is nested too deeply");
    switch (json_object_get_type(obj)) {
    case json_type_null:
        kb_buf_adds(ret, "null");
        return 0;
    case json_type_boolean:
        kb_buf_adds(ret, json_object_get_boolean(obj) ? "true" : "false");
        return 0;
    case json_type_int:
        return write_integer(obj, ret, err);
    case json_type_string:
        return write_text(json_object_get_string((struct json_object *) (uintptr_t) obj),
                          (size_t) json_object_get_string_len(obj), ret, err);
    case json_type_array:
        return write_array(obj, depth, ret, err);
    case json_type_object:
        return write_object(obj, depth, ret, err);
    case json_type_double:
    default:
        return kb_fail(err, KB_E_BUG, "a fraction in a document of ours");
    }
}

int
kb_json_canonical(const struct json_object *obj, struct kb_buf *ret, struct kb_error *err)
{
    int r = write_value(obj, 1, ret, err);

    if (r < 0)
        return r;
    return ret->failed ? kb_fail(err, KB_E_NOMEM, "out of memory for JSON, or over %zu bytes", ret->max) : 0;
}
