/* tests/unit/base/test_oom.c: each allocation fails once. Whatever comes out is KB_E_NOMEM or the right
 * result, never a wrong one: json-c 0.16's parser, for instance, turns a string it has no memory for into "".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <json-c/json.h>

static size_t countdown; /* 0: nothing fails; 1: the next one */
static bool failed;

#ifndef __SANITIZE_ADDRESS__ /* which has its own allocator; the scenarios then run once, undisturbed */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
void *aligned_alloc(size_t alignment, size_t size);

static bool
refuse(void)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    failed = true;
    errno = ENOMEM;
    return true;
}

void *
malloc(size_t size)
{
    return refuse() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
    return refuse() ? NULL : __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    return refuse() ? NULL : __libc_memalign(alignment, size);
}
#endif

/* A scenario writes what it saw into `ret`, of static size: the harness itself must not allocate. */
struct seen {
    char text[4096];
};

typedef int (*scenario_fn)(struct seen *ret, struct kb_error *err);

#define DOCUMENT                                                                                             \
    "{\"id\":\"a string that is too long for any inline buffer of json-c, so that it needs memory of its "   \
    "own\","                                                                                                 \
    "\"n\":[1,2.5,18446744073709551615,true,null,\"x\"],\"o\":{\"k\":{\"deep\":\"\\u00e9\"},\"l\":[],\"m\":" \
    "{}}}"

static void
see(struct seen *ret, const char *text)
{
    size_t len = strlen(ret->text);

    (void) snprintf(ret->text + len, sizeof(ret->text) - len, "%s;", text);
}

/* Into the text without any allocation. */
static void
see_tree(struct seen *ret, const struct json_object *obj)
{
    char number[40];

    switch (json_object_get_type(obj)) {
    case json_type_null:
        see(ret, "null");
        break;
    case json_type_boolean:
        see(ret, json_object_get_boolean(obj) ? "true" : "false");
        break;
    case json_type_double:
        (void) snprintf(number, sizeof(number), "%g", json_object_get_double(obj));
        see(ret, number);
        break;
    case json_type_int:
        (void) snprintf(number, sizeof(number), "%llu", (unsigned long long) json_object_get_uint64(obj));
        see(ret, number);
        break;
    case json_type_string:
        see(ret, json_object_get_string((struct json_object *) (uintptr_t) obj));
        break;
    case json_type_array:
        see(ret, "[");
        for (size_t i = 0; i < json_object_array_length(obj); i++)
            see_tree(ret, json_object_array_get_idx(obj, i));
        see(ret, "]");
        break;
    case json_type_object:
    default:
        see(ret, "{");
        for (struct lh_entry *e = json_object_get_object(obj)->head; e; e = e->next) {
            see(ret, e->k);
            see_tree(ret, e->v);
        }
        see(ret, "}");
    }
}

static int
parse(struct seen *ret, struct kb_error *err)
{
    struct json_object *obj = NULL;
    int r = kb_json_parse(DOCUMENT, strlen(DOCUMENT), &obj, err);

    if (r == 0)
        see_tree(ret, obj);
    json_object_put(obj);
    return r;
}

/* An array that grows, keys that are long, more members than json-c's first table holds. */
static int
parse_large(struct seen *ret, struct kb_error *err)
{
    static char text[4096];
    struct json_object *obj = NULL;
    size_t len = 0;
    int r;

    len += (size_t) snprintf(text + len, sizeof(text) - len, "{\"list\":[0");
    for (int i = 1; i < 70; i++)
        len += (size_t) snprintf(text + len, sizeof(text) - len, ",%d", i);
    len += (size_t) snprintf(text + len, sizeof(text) - len, "]");
    for (int i = 0; i < 20; i++)
        len += (size_t) snprintf(text + len, sizeof(text) - len, ",\"%070d\":\"\\n\"", i);
    len += (size_t) snprintf(text + len, sizeof(text) - len, "}");
    r = kb_json_parse(text, len, &obj, err);
    if (r == 0)
        see_tree(ret, obj);
    json_object_put(obj);
    return r;
}

static int
on_element(void *userdata, size_t index, const struct json_object *element, struct kb_error *err)
{
    (void) index;
    (void) err;
    see_tree(userdata, element);
    return 0;
}

static int
feed(struct seen *ret, struct kb_error *err)
{
    static const char text[] = "{\"total\":2,\"R\":[" DOCUMENT ",[" DOCUMENT "]],\"end\":\"x\"}";
    KB_CLEANUP(kb_json_array) struct kb_json_array *a = NULL;
    const struct json_object *outer = NULL;
    bool found = false;
    int r = kb_json_array_new("R", 4096, on_element, ret, &a, err);

    for (size_t at = 0; r == 0 && at < sizeof(text) - 1; at += 40)
        r = kb_json_array_feed(a, text + at, sizeof(text) - 1 - at < 40 ? sizeof(text) - 1 - at : 40, err);
    if (r == 0)
        r = kb_json_array_end(a, &outer, &found, err);
    if (r == 0)
        see_tree(ret, outer);
    return r;
}

static int
canonical(struct seen *ret, struct kb_error *err)
{
    static const char text[] =
        "{\"b\":[1,2,{\"z\":1,\"y\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}],\"a\":{}}";
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(4096);
    KB_CLEANUP(json) struct json_object *obj = NULL;
    int r = kb_json_parse(text, sizeof(text) - 1, &obj, err);

    if (r == 0)
        r = kb_json_canonical(obj, &b, err);
    if (r == 0)
        see(ret, kb_buf_str(&b));
    return r;
}

static int
buffer(struct seen *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(4096);
    KB_CLEANUP(kb_free) char *s = NULL;

    for (int i = 0; i < 40; i++) {
        kb_buf_addf(&b, "%d ", i);
        kb_buf_add_visible(&b, "\x1b");
        kb_buf_add_json(&b, "\n");
    }
    s = kb_buf_steal(&b);
    if (!s)
        return kb_fail(err, KB_E_NOMEM, "x");
    see(ret, s);
    return 0;
}

static int
digest(struct seen *ret, struct kb_error *err)
{
    char text[KB_DIGEST_SIZE];
    struct kb_hash h;

    kb_hash_init(&h);
    kb_hash_adds(&h, "abc");
    if (!kb_hash_final_digest(&h, text))
        return kb_fail(err, KB_E_NOMEM, "x");
    see(ret, text);
    return 0;
}

static int
secret(struct seen *ret, struct kb_error *err)
{
    const struct kb_secret_source source = {.file = scratch_path("s")};
    KB_CLEANUP(kb_secret) struct kb_secret *s = NULL, *copy = NULL;
    size_t size;
    int r = kb_secret_read(&source, &s, err);

    if (r < 0)
        return r;
    (void) kb_secret_bytes(s, &size);
    r = kb_secret_new(kb_secret_bytes(s, NULL), size, &copy, err);
    if (r == 0)
        see(ret, kb_secret_bytes(copy, NULL));
    return r;
}

static int
files(struct seen *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(4096);
    int r = kb_file_write_atomic(scratch_path("f"), "content", 7, 0600, err);

    if (r < 0 && err->sub == ENOMEM) /* said by the file's function, with errno */
        err->code = KB_E_NOMEM;
    if (r == 0)
        r = kb_file_read(scratch_path("f"), &b, err);
    if (r == 0)
        see(ret, kb_buf_str(&b));
    return r;
}

static void
never_wrong(scenario_fn scenario)
{
    struct seen want = {0};
    struct kb_error err = {0};
    size_t at = 0;

    /* first: libraries set themselves up */
    assert_int_equal(scenario(&want, &err), 0);
    do {
        struct seen got = {0};
        int r;
        failed = false;
        countdown = ++at;
        r = scenario(&got, &err);
        countdown = 0;
        if (r == 0 ? strcmp(got.text, want.text) != 0 : err.code != KB_E_NOMEM)
            fail_msg("allocation %zu: %d (%s) '%s' instead of '%s'", at, r, r ? err.msg : "", got.text,
                     want.text);
        assert_true(at < 10000);
    } while (failed);
#ifndef __SANITIZE_ADDRESS__
    assert_true(at > 1);
#endif
}

#define SCENARIO(name)                    \
    static void test_##name(void **state) \
    {                                     \
        (void) state;                     \
        never_wrong(name);                \
    }
SCENARIO(parse)
SCENARIO(parse_large)
SCENARIO(feed)
SCENARIO(canonical)
SCENARIO(buffer)
SCENARIO(digest)
SCENARIO(files)

static void
test_secret(void **state)
{
    (void) state;
    (void) scratch_write("s", "the secret\n", 11, 0600);
    never_wrong(secret);
}

/* The log cannot return an error: a line comes out all the same. */
static void
test_log(void **state)
{
    (void) state;
    for (size_t at = 1; at < 10; at++) {
        char text[4096] = "";
        FILE *stream = fmemopen(text, sizeof(text), "w");
        assert_non_null(stream);
        (void) setvbuf(stream, NULL, _IONBF, 0);
        kb_log_setup(KB_LOG_INFO, KB_LOG_LOGFMT, stream);
        countdown = at;
        KB_LOG(KB_LOG_INFO, "some_event", (KB_F("a", "x y"), KB_F("b", "z")), "%s", "message");
        countdown = 0;
        (void) fclose(stream);
        if (!strstr(text, "event=some_event"))
            fail_msg("allocation %zu: '%s'", at, text);
        assert_non_null(strchr(text, '\n'));
    }
    kb_log_setup(KB_LOG_INFO, KB_LOG_TEXT, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_large),
        cmocka_unit_test(test_feed),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_digest),
        cmocka_unit_test_setup_teardown(test_files, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_secret, scratch_make, scratch_remove),
        cmocka_unit_test(test_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
