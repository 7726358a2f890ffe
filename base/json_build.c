#include "base/ban.h"

#include "base/json_build.h"

#include "base/mem.h"
#include "base/str.h"

#include <json-c/json.h>

KB_DEFINE_CLEANUP(tree, struct json_object *, json_object_put)

/* Positions never pass `end`; a byte that the scanner cannot have let through is a bug of ours. */
struct builder {
    const char *p, *end;
    struct kb_buf *scratch;
};

static int build_value(struct builder *b, struct json_object **ret, struct kb_error *err);

static int
no_memory(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory for JSON");
}

static int
not_scanned(struct kb_error *err)
{
    return kb_fail(err, KB_E_BUG, "JSON was built that had not been scanned");
}

/* The next byte that is no blank, '\0' at the end. */
static char
peek(struct builder *b)
{
    while (b->p < b->end && (*b->p == ' ' || *b->p == '\n' || *b->p == '\r' || *b->p == '\t'))
        b->p++;
    return b->p < b->end ? *b->p : '\0';
}

/* ---- strings ---- */

static unsigned
hex4(const char *p)
{
    unsigned unit = 0;

    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char) p[i];
        unit = unit << 4 | ((c & 15) + (c > '9' ? 9 : 0)); /* the letters' low bits count from 1 */
    }
    return unit;
}

static void
add_code_point(struct kb_buf *to, unsigned c)
{
    char u[4];
    size_t n = 0;

    if (c < 0x80) {
        u[n++] = (char) c;
    } else {
        if (c < 0x800) {
            u[n++] = (char) (0xc0 | c >> 6);
        } else {
            if (c < 0x10000) {
                u[n++] = (char) (0xe0 | c >> 12);
            } else {
                u[n++] = (char) (0xf0 | c >> 18);
                u[n++] = (char) (0x80 | (c >> 12 & 0x3f));
            }
            u[n++] = (char) (0x80 | (c >> 6 & 0x3f));
        }
        u[n++] = (char) (0x80 | (c & 0x3f));
    }
    kb_buf_add(to, u, n);
}

/* One escape; p is on the byte behind the backslash. Returns the bytes used, 0: not scanned. */
static size_t
unescape(const char *p, size_t len, struct kb_buf *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *at = *p ? strchr(from, *p) : NULL;
    unsigned c;

    if (at) {
        kb_buf_addc(to, into[at - from]);
        return 1;
    }
    if (*p != 'u' || len < 5)
        return 0;
    c = hex4(p + 1);
    if (c < 0xd800 || c > 0xdbff) {
        add_code_point(to, c);
        return 5;
    }
    if (len < 11)
        return 0;
    add_code_point(to, 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 7) - 0xdc00));
    return 11;
}

/* From p, behind the opening quote, into `scratch`. */
static int
take_escaped(struct builder *b, const char *p, const char **ret, size_t *ret_len, struct kb_error *err)
{
    kb_buf_clear(b->scratch);
    while (p < b->end && *p != '"') {
        const char *plain = p;
        while (p < b->end && *p != '"' && *p != '\\')
            p++;
        kb_buf_add(b->scratch, plain, (size_t) (p - plain));
        if (p < b->end && *p == '\\') {
            size_t used = ++p < b->end ? unescape(p, (size_t) (b->end - p), b->scratch) : 0;
            if (used == 0)
                return not_scanned(err);
            p += used;
        }
    }
    if (p == b->end)
        return not_scanned(err);
    b->p = p + 1;
    *ret = kb_buf_str(b->scratch);
    *ret_len = b->scratch->len;
    return b->scratch->failed ? no_memory(err) : 0;
}

/* The text of a string, at whose opening quote we are. Borrowed from the bytes, or from `scratch` until the
 * next string. */
static int
take_string(struct builder *b, const char **ret, size_t *ret_len, struct kb_error *err)
{
    const char *p, *quote;

    if (peek(b) != '"')
        return not_scanned(err);
    p = b->p + 1;
    quote = memchr(p, '"', (size_t) (b->end - p));
    if (!quote)
        return not_scanned(err);
    if (memchr(p, '\\', (size_t) (quote - p)))
        return take_escaped(b, p, ret, ret_len, err);
    b->p = quote + 1;
    *ret = p;
    *ret_len = (size_t) (quote - p);
    return 0;
}

static int
build_string(struct builder *b, struct json_object **ret, struct kb_error *err)
{
    const char *text = "";
    size_t len = 0;
    int r = take_string(b, &text, &len, err);

    if (r < 0)
        return r;
    *ret = json_object_new_string_len(text, (int) len);
    return *ret ? 0 : no_memory(err);
}

/* ---- numbers and words ---- */

/* Clamps as json-c does; kb_json_i64 refuses what stands at the edge. */
static struct json_object *
new_integer(const char *p, size_t len)
{
    bool negative = *p == '-', over = false;
    uint64_t value = 0;

    for (size_t i = negative; i < len; i++)
        over = over || __builtin_mul_overflow(value, 10u, &value) ||
               __builtin_add_overflow(value, (uint64_t) (p[i] - '0'), &value);
    if (negative)
        return json_object_new_int64(over || value > INT64_MAX ? INT64_MIN : -(int64_t) value);
    if (over)
        value = UINT64_MAX;
    return value > INT64_MAX ? json_object_new_uint64(value) : json_object_new_int64((int64_t) value);
}

static int
build_number(struct builder *b, struct json_object **ret, struct kb_error *err)
{
    size_t len = 0, max = (size_t) (b->end - b->p);
    bool whole = true;

    for (; len < max; len++) {
        char c = b->p[len];
        if (c == '.' || c == 'e' || c == 'E')
            whole = false;
        else if (c != '-' && c != '+' && (c < '0' || c > '9'))
            break;
    }
    if (whole) {
        *ret = new_integer(b->p, len);
    } else {
        kb_buf_clear(b->scratch);
        kb_buf_add(b->scratch, b->p, len);
        if (b->scratch->failed)
            return no_memory(err);
        *ret = json_object_new_double_s(strtod(b->scratch->data, NULL), b->scratch->data);
    }
    b->p += len;
    return *ret ? 0 : no_memory(err);
}

static int
build_word(struct builder *b, struct json_object **ret, struct kb_error *err)
{
    size_t len = *b->p == 'f' ? 5 : 4;

    if ((size_t) (b->end - b->p) < len)
        return not_scanned(err);
    if (*b->p != 'n') {
        *ret = json_object_new_boolean(*b->p == 't');
        if (!*ret)
            return no_memory(err);
    }
    b->p += len;
    return 0;
}

/* ---- containers ---- */

static int
build_member(struct builder *b, struct json_object *obj, struct kb_error *err)
{
    KB_CLEANUP(tree) struct json_object *value = NULL;
    KB_CLEANUP(kb_free) char *long_key = NULL;
    char short_key[64];
    const char *key = "";
    size_t len = 0;
    int before = json_object_object_length(obj), r = take_string(b, &key, &len, err);

    if (r < 0)
        return r;
    /* a copy, because it must be terminated, and the value may use `scratch` too */
    if (len < sizeof(short_key)) {
        memcpy(short_key, key, len);
        short_key[len] = '\0';
        key = short_key;
    } else {
        long_key = kb_strndup(key, len);
        if (!long_key)
            return no_memory(err);
        key = long_key;
    }
    if (peek(b) != ':')
        return not_scanned(err);
    b->p++;
    r = build_value(b, &value, err);
    if (r < 0)
        return r;
    if (json_object_object_add(obj, key, value) < 0)
        return no_memory(err);
    (void) kb_steal(&value);
    if (json_object_object_length(obj) == before)
        return kb_fail(err, KB_E_PROTOCOL, "the same key twice in one object: \"%.100s\"", key);
    /* json-c does not look whether its copy of the key succeeded */
    return json_object_get_object(obj)->tail->k ? 0 : no_memory(err);
}

/* '{' or '[' up to its counterpart. */
static int
build_container(struct builder *b, struct json_object *container, char close, struct kb_error *err)
{
    b->p++;
    if (peek(b) == close) {
        b->p++;
        return 0;
    }
    for (;;) {
        KB_CLEANUP(tree) struct json_object *value = NULL;
        char c;
        int r = close == '}' ? build_member(b, container, err) : build_value(b, &value, err);
        if (r < 0)
            return r;
        if (close == ']') {
            if (json_object_array_add(container, value) < 0)
                return no_memory(err);
            (void) kb_steal(&value);
        }
        c = peek(b);
        if (c != ',' && c != close)
            return not_scanned(err);
        b->p++;
        if (c == close)
            return 0;
    }
}

static int
build_value(struct builder *b, struct json_object **ret, struct kb_error *err)
{
    KB_CLEANUP(tree) struct json_object *container = NULL;
    char c = peek(b);
    int r;

    switch (c) {
    case '"':
        return build_string(b, ret, err);
    case 't':
    case 'f':
    case 'n':
        return build_word(b, ret, err);
    case '{':
        container = json_object_new_object();
        break;
    case '[':
        container = json_object_new_array();
        break;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? build_number(b, ret, err) : not_scanned(err);
    }
    if (!container)
        return no_memory(err);
    r = build_container(b, container, c == '{' ? '}' : ']', err);
    if (r == 0)
        *ret = kb_steal(&container);
    return r;
}

int
kb_json_build(const char *bytes, size_t len, bool high, struct kb_buf *scratch, struct json_object **ret,
              struct kb_error *err)
{
    struct builder b = {.p = bytes, .end = bytes + len, .scratch = scratch};
    KB_CLEANUP(tree) struct json_object *obj = NULL;
    int r;

    if (len > INT32_MAX)
        return kb_fail(err, KB_E_PROTOCOL, "larger than 2 GiB");
    if (high && !kb_utf8_valid(bytes, len))
        return kb_fail(err, KB_E_PROTOCOL, "invalid UTF-8");
    scratch->max = len;
    r = build_value(&b, &obj, err);
    if (r == 0 && peek(&b))
        r = not_scanned(err);
    if (r == 0)
        *ret = kb_steal(&obj);
    return r;
}
