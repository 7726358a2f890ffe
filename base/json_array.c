/* base/json_array.c: an array that is decoded while it arrives.
 *
 * One pass. An element is built from the fed buffer when the element lies whole in it, otherwise
 * from `side`. With a key, the bytes of the object around the array are kept in `outer`, the array replaced
 * by null, and parsed at the end. The result, errors included, does not depend on how the bytes are cut:
 * every limit is checked at the same byte.
 */
#include "base/ban.h"

#include "base/json.h"

#include "base/json_build.h"
#include "base/json_scan.h"

#include <limits.h>

#define ARRAY_PLACEHOLDER "null"

enum place { AT_ROOT, IN_OUTER, IN_LIST, BEHIND };

struct kb_json_array {
    char *key; /* NULL: the document is the array */
    size_t element_max;
    kb_json_element_fn fn;
    void *userdata;
    struct kb_buf side, outer, scratch;

    struct kb_scan scan;
    enum place place;
    size_t index, offset;
    bool in_element;
    size_t key_start;   /* in `outer`, of the key being read */
    bool wanted, found; /* the last key is ours; it was there */
    bool outer_high;    /* seen before the array */
    struct json_object *outer_obj;
    struct kb_error failure; /* code KB_OK: none; sticky */
};

int
kb_json_array_new(const char *key, size_t element_max, kb_json_element_fn fn, void *userdata,
                  struct kb_json_array **ret, struct kb_error *err)
{
    KB_CLEANUP(kb_json_array) struct kb_json_array *a = NULL;

    if (element_max == 0 || element_max > INT_MAX / 2)
        return kb_fail(err, KB_E_BUG, "a JSON element cannot have %zu bytes", element_max);
    a = calloc(1, sizeof(*a));
    if (!a)
        return kb_fail(err, KB_E_NOMEM, "out of memory for JSON");
    a->element_max = element_max;
    a->fn = fn;
    a->userdata = userdata;
    a->key = key ? kb_strndup(key, strlen(key)) : NULL;
    kb_buf_init(&a->side, element_max);
    kb_buf_init(&a->outer, element_max + sizeof(ARRAY_PLACEHOLDER));
    if (key && !a->key)
        return kb_fail(err, KB_E_NOMEM, "out of memory for JSON");
    kb_json_array_reset(a);
    *ret = kb_steal(&a);
    return 0;
}

void
kb_json_array_reset(struct kb_json_array *a)
{
    json_object_put(a->outer_obj);
    a->outer_obj = NULL;
    kb_buf_clear(&a->side);
    kb_buf_clear(&a->outer);
    a->scan = (struct kb_scan) KB_SCAN_INIT;
    a->place = AT_ROOT;
    a->index = a->offset = a->key_start = 0;
    a->in_element = a->wanted = a->found = a->outer_high = false;
    a->failure.code = KB_OK;
}

void
kb_json_array_free(struct kb_json_array *a)
{
    if (!a)
        return;
    json_object_put(a->outer_obj);
    kb_buf_done(&a->side);
    kb_buf_done(&a->outer);
    kb_buf_done(&a->scratch);
    free(a->key);
    free(a);
}

static int
no_memory(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory for JSON");
}

/* Builds the element of `len` bytes and gives it away. */
static int
deliver(struct kb_json_array *a, const char *bytes, size_t len, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *obj = NULL;
    int r = kb_json_build(bytes, len, a->scan.high, &a->scratch, &obj, err);

    if (r < 0)
        return kb_fail_prefix(err, "%s[%zu]", a->key ? a->key : "", a->index);
    return a->fn(a->userdata, a->index++, obj, err);
}

/* The key just read, with its quotes at the end of `outer`: is it ours? An escaped spelling is the same key.
 */
static int
look_at_key(struct kb_json_array *a, struct kb_error *err)
{
    const char *raw = a->outer.data + a->key_start;
    size_t len = a->outer.len - a->key_start;
    KB_CLEANUP(json) struct json_object *text = NULL;

    if (memchr(raw, '\\', len)) {
        int r = kb_json_build(raw, len, true, &a->scratch, &text, err);
        if (r < 0)
            return r;
        a->wanted = strcmp(json_object_get_string(text), a->key) == 0;
    } else {
        a->wanted = len - 2 == strlen(a->key) && memcmp(raw + 1, a->key, len - 2) == 0;
    }
    if (a->wanted && a->found)
        return kb_fail(err, KB_E_PROTOCOL, "%s: the same key twice in one object", a->key);
    return 0;
}

static const char *
kind(char c)
{
    switch (c) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a string";
    case 'n':
        return "null";
    case 't':
    case 'f':
        return "a truth value";
    case '<':
        return "'<' (HTML or XML?)";
    case '\xef':
        return "a byte order mark";
    default:
        return c == '-' || (c >= '0' && c <= '9') ? "a number" : "something that is not JSON";
    }
}

/* The root value begins with `c`. */
static int
begin_root(struct kb_json_array *a, char c, struct kb_error *err)
{
    char wanted = a->key ? '{' : '[';

    if (c != wanted)
        return kb_fail(err, KB_E_PROTOCOL, "%s where %s is wanted", kind(c), kind(wanted));
    a->place = a->key ? IN_OUTER : IN_LIST;
    a->scan.watch = 1;
    return 0;
}

/* The value of our key begins with `c`. */
static int
begin_list(struct kb_json_array *a, char c, struct kb_error *err)
{
    if (c != '[')
        return kb_fail(err, KB_E_PROTOCOL, "%s: %s where an array is wanted", a->key, kind(c));
    kb_buf_adds(&a->outer, ARRAY_PLACEHOLDER);
    if (a->outer.failed)
        return no_memory(err);
    a->outer_high = a->scan.high;
    a->wanted = false;
    a->found = true;
    a->place = IN_LIST;
    a->scan.watch = 2;
    return 0;
}

static void
end_list(struct kb_json_array *a)
{
    if (!a->key) {
        a->place = BEHIND;
        return;
    }
    a->scan.high = a->outer_high;
    a->place = IN_OUTER;
    a->scan.watch = 1;
}

/* What an event means where we are; `piece` are the bytes read since the last event, *p is behind them. */
static int
take_event(struct kb_json_array *a, enum kb_scan_event event, const char *piece, const char *p,
           struct kb_error *err)
{
    int r = 0;

    switch (event) {
    case KB_SCAN_BEGIN:
        if (a->place == AT_ROOT)
            return begin_root(a, *p, err);
        if (a->place == IN_OUTER)
            return a->wanted ? begin_list(a, *p, err) : 0;
        a->in_element = true;
        a->scan.high = false;
        return 0;
    case KB_SCAN_END:
        if (!a->in_element)
            return 0;
        a->in_element = false;
        r = a->side.len ? deliver(a, a->side.data, a->side.len, err)
                        : deliver(a, piece, (size_t) (p - piece), err);
        kb_buf_clear(&a->side);
        return r;
    case KB_SCAN_KEY_BEGIN:
        a->key_start = a->outer.len;
        return 0;
    case KB_SCAN_KEY_END:
        return look_at_key(a, err);
    case KB_SCAN_CLOSE:
        if (a->place == IN_LIST)
            end_list(a);
        else
            a->place = BEHIND;
        return 0;
    case KB_SCAN_MORE:
    case KB_SCAN_ERROR:
    default:
        return 0;
    }
}

static int
refuse_byte(const struct kb_json_array *a, struct kb_error *err)
{
    int r = kb_fail(err, KB_E_PROTOCOL, "not JSON: %s at byte %zu", a->scan.error, a->offset - 1);

    return a->in_element ? kb_fail_prefix(err, "%s[%zu]", a->key ? a->key : "", a->index) : r;
}

/* One step of the scanner; moves *p. The bytes read are kept where that is needed. */
static int
step(struct kb_json_array *a, const char **p, const char *end, struct kb_error *err)
{
    const char *piece = *p;
    struct kb_buf *keep = a->in_element ? &a->side : a->place == IN_OUTER ? &a->outer : NULL;
    size_t room =
        keep ? a->element_max - (keep->len < a->element_max ? keep->len : a->element_max) + 1 : SIZE_MAX;
    enum kb_scan_event event;

    if ((size_t) (end - piece) > room)
        end = piece + room;
    event = kb_scan_run(&a->scan, p, end);
    a->offset += (size_t) (*p - piece);
    if (event == KB_SCAN_ERROR)
        return refuse_byte(a, err);
    if ((size_t) (*p - piece) >= room && a->in_element)
        return kb_fail(err, KB_E_PROTOCOL, "%s[%zu]: larger than %zu bytes", a->key ? a->key : "", a->index,
                       a->element_max);
    if ((size_t) (*p - piece) >= room)
        return kb_fail(err, KB_E_PROTOCOL, "the object around \"%s\" is larger than %zu bytes", a->key,
                       a->element_max);
    /* an element that lies whole in the fed bytes is not copied */
    if (keep && (keep == &a->outer || keep->len || event != KB_SCAN_END)) {
        kb_buf_add(keep, piece, (size_t) (*p - piece));
        if (keep->failed)
            return no_memory(err);
    }
    return take_event(a, event, piece, *p, err);
}

int
kb_json_array_feed(struct kb_json_array *a, const char *bytes, size_t len, struct kb_error *err)
{
    const char *p = bytes, *end = len ? bytes + len : bytes;
    int r = 0;

    if (a->failure.code != KB_OK) {
        *err = a->failure;
        return -(int) err->code;
    }
    while (p < end && r >= 0)
        r = step(a, &p, end, err);
    if (r < 0) {
        a->failure = *err;
        return r;
    }
    return 0;
}

/* Parses what stood around the array. */
static int
build_outer(struct kb_json_array *a, struct kb_error *err)
{
    int r = kb_json_build(kb_buf_str(&a->outer), a->outer.len, a->scan.high, &a->scratch, &a->outer_obj, err);

    if (r < 0) {
        a->failure = *err;
        return r;
    }
    if (a->found)
        json_object_object_del(a->outer_obj, a->key);
    return 0;
}

int
kb_json_array_end(struct kb_json_array *a, const struct json_object **ret_outer, bool *ret_found,
                  struct kb_error *err)
{
    if (a->failure.code != KB_OK) {
        *err = a->failure;
        return -(int) err->code;
    }
    if (a->place != BEHIND)
        return kb_fail(err, KB_E_PROTOCOL,
                       a->offset ? "not JSON: it ends too early, after %zu bytes" : "not JSON: empty",
                       a->offset);
    if (a->key && !a->outer_obj) {
        int r = build_outer(a, err);
        if (r < 0)
            return r;
    }
    if (ret_outer)
        *ret_outer = a->outer_obj;
    if (ret_found)
        *ret_found = a->key ? a->found : true;
    return 0;
}
