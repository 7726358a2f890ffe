#include "base/ban.h"

#include "base/json_parse.h"

#include "base/json.h"
#include "base/json_scan.h"
#include "base/str.h"

#include <json-c/json.h>
#include <limits.h>

KB_DEFINE_CLEANUP(tokener, struct json_tokener *, json_tokener_free)

struct json_tokener *
kb_json_tokener_new(void)
{
    /* json-c counts a scalar as a level; the scanner has counted before */
    struct json_tokener *tok = json_tokener_new_ex(KB_JSON_DEPTH_MAX + 2);

    if (tok)
        json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    return tok;
}

/* Members of all objects in the tree. Recursion is bounded: the scanner has checked the depth. */
static size_t
count_members(const struct json_object *obj)
{
    size_t count = 0;

    if (json_object_is_type(obj, json_type_object)) {
        const struct lh_entry *e = json_object_get_object(obj)->head;
        for (; e; e = e->next)
            count += 1 + count_members((const struct json_object *) e->v);
    } else if (json_object_is_type(obj, json_type_array)) {
        size_t len = json_object_array_length(obj);
        for (size_t i = 0; i < len; i++)
            count += count_members(json_object_array_get_idx(obj, i));
    }
    return count;
}

int
kb_json_build(struct json_tokener *tok, const char *bytes, size_t len, size_t keys, bool high,
              struct json_object **ret, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *obj = NULL;
    enum json_tokener_error why;

    if (len > INT_MAX - 1)
        return kb_fail(err, KB_E_PROTOCOL, "larger than 2 GiB");
    if (high && !kb_utf8_valid(bytes, len))
        return kb_fail(err, KB_E_PROTOCOL, "invalid UTF-8");
    json_tokener_reset(tok);
    obj = json_tokener_parse_ex(tok, bytes, (int) len);
    why = json_tokener_get_error(tok);
    if (why == json_tokener_continue) { /* a number or word ends only with the byte behind it */
        obj = json_tokener_parse_ex(tok, "", 1);
        why = json_tokener_get_error(tok);
    }
    if (!obj && bytes[0] != 'n' && (why == json_tokener_success || why == json_tokener_continue))
        return kb_fail(err, KB_E_NOMEM, "out of memory for JSON"); /* the syntax is known to be right */
    if (why != json_tokener_success)
        return kb_fail(err, KB_E_PROTOCOL, "json-c: %s", json_tokener_error_desc(why));
    if (keys != count_members(obj))
        return kb_fail(err, KB_E_PROTOCOL, "the same key twice in one object");
    *ret = kb_steal(&obj);
    return 0;
}

int
kb_json_parse(const char *bytes, size_t len, struct json_object **ret, struct kb_error *err)
{
    struct kb_scan scan = KB_SCAN_INIT;
    KB_CLEANUP(tokener) struct json_tokener *tok = NULL;
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
    tok = kb_json_tokener_new();
    if (!tok)
        return kb_fail(err, KB_E_NOMEM, "out of memory for JSON");
    r = kb_json_build(tok, begin, (size_t) (last - begin), scan.keys, scan.high, &obj, err);
    if (r < 0)
        return r;
    if (!obj)
        return kb_fail(err, KB_E_PROTOCOL, "null where a document is wanted");
    *ret = obj;
    return 0;
}
