/* tests/fuzz/part_json.c: whatever the bytes are, the JSON reader is safe, agrees with json-c where it
 * accepts, and does not care how the bytes are cut. */
#include "base/json.h"
#include "tests/fuzz/fuzz.h"

#include <json-c/json.h>

#define DIE(...)                      \
    do {                              \
        fprintf(stderr, __VA_ARGS__); \
        abort();                      \
    } while (0)

static bool
same(struct json_object *a, struct json_object *b)
{
    return strcmp(json_object_to_json_string_ext(a, JSON_C_TO_STRING_PLAIN),
                  json_object_to_json_string_ext(b, JSON_C_TO_STRING_PLAIN)) == 0;
}

/* json-c accepts more than we do, never less, and means the same by it. */
static void
check_document(const char *text, size_t len)
{
    struct json_object *ours = NULL, *theirs;
    struct json_tokener *tok;
    struct kb_buf first = KB_BUF_INIT(1 << 20), second = KB_BUF_INIT(1 << 20);
    struct kb_error err = {0};

    if (kb_json_parse(text, len, &ours, &err) < 0) {
        if (err.code != KB_E_PROTOCOL)
            DIE("unexpected: %s\n", err.msg);
        return;
    }
    tok = json_tokener_new_ex(40);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    theirs = json_tokener_parse_ex(tok, text, (int) len);
    if (json_tokener_get_error(tok) == json_tokener_continue)
        theirs = json_tokener_parse_ex(tok, "", 1);
    if (json_tokener_get_error(tok) != json_tokener_success)
        DIE("json-c refuses it: %s\n", json_tokener_error_desc(json_tokener_get_error(tok)));
    /* json-c takes escaped U+1D8xx, U+2D8xx, … for surrogates */
    if (!same(ours, theirs) &&
        !strstr(json_object_to_json_string_ext(theirs, JSON_C_TO_STRING_PLAIN), "\xef\xbf\xbd"))
        DIE("json-c reads something else\n");
    if (kb_json_canonical(ours, &first, &err) == 0) {
        struct json_object *back = NULL;
        if (kb_json_parse(first.data, first.len, &back, &err) < 0 ||
            kb_json_canonical(back, &second, &err) < 0 || strcmp(first.data, second.data) != 0)
            DIE("the canonical form is not stable: %s\n", first.data);
        json_object_put(back);
    }
    kb_buf_done(&first);
    kb_buf_done(&second);
    json_object_put(theirs);
    json_object_put(ours);
    json_tokener_free(tok);
}

static int
on_element(void *userdata, size_t index, const struct json_object *element, struct kb_error *err)
{
    struct kb_buf *seen = userdata;

    (void) err;
    kb_buf_addf(
        seen, "%zu %s\n", index,
        json_object_to_json_string_ext((struct json_object *) (uintptr_t) element, JSON_C_TO_STRING_PLAIN));
    return 0;
}

static void
trace(const char *key, const char *text, size_t len, size_t piece, struct kb_buf *seen)
{
    struct kb_json_array *a = NULL;
    const struct json_object *outer = NULL;
    struct kb_error err = {0};
    bool found = false;
    int r = kb_json_array_new(key, 64, on_element, seen, &a, &err);

    for (size_t at = 0; at < len && r == 0; at += piece)
        r = kb_json_array_feed(a, text + at, len - at < piece ? len - at : piece, &err);
    if (r == 0)
        r = kb_json_array_end(a, &outer, &found, &err);
    if (r < 0)
        kb_buf_addf(seen, "%d %s\n", r, err.msg);
    else
        kb_buf_addf(seen, "%d %s\n", found,
                    outer ? json_object_to_json_string((struct json_object *) (uintptr_t) outer) : "");
    kb_json_array_free(a);
}

static void
check_array(const char *key, const char *text, size_t len)
{
    struct kb_buf whole = KB_BUF_INIT(1 << 20);

    trace(key, text, len, len + 1, &whole);
    for (size_t piece = 1; piece < 20; piece += piece < 4 ? 1 : 5) {
        struct kb_buf cut = KB_BUF_INIT(1 << 20);
        trace(key, text, len, piece, &cut);
        if (strcmp(kb_buf_str(&whole), kb_buf_str(&cut)) != 0)
            DIE("in pieces of %zu:\n%s\ninstead of\n%s\n", piece, kb_buf_str(&cut), kb_buf_str(&whole));
        kb_buf_done(&cut);
    }
    kb_buf_done(&whole);
}

int
fuzz_json(const uint8_t *data, size_t size)
{
    const char *text = (const char *) data;

    check_document(text, size);
    check_array(NULL, text, size);
    check_array("R", text, size);
    return 0;
}
