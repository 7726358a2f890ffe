/* tests/fuzz/fuzz_str.c: text functions on arbitrary bytes. Started by scripts/fuzz.
 * The input is two strings, the first up to a newline. */
#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                              \
    do {                                              \
        if (!(condition)) {                           \
            fprintf(stderr, "not: %s\n", #condition); \
            abort();                                  \
        }                                             \
    } while (0)

static void
check_glob(const char *pattern, const char *s)
{
    for (int path = 0; path < 2; path++) {
        struct kb_glob_match m = {0};
        size_t end = 0;
        if (!kb_glob(pattern, s, path, &m))
            continue;
        CHECK(m.len <= KB_GLOB_CAPTURES);
        for (unsigned i = 0; i < m.len; i++) { /* in order, inside, apart */
            CHECK(m.cap[i].start >= end);
            end = m.cap[i].start + m.cap[i].len;
        }
        CHECK(end <= strlen(s));
    }
    CHECK(kb_glob("*", s, false, NULL));
    CHECK(kb_glob("**", s, true, NULL));
    CHECK(kb_glob("*", s, true, NULL) == !strchr(s, '/'));
}

static void
check_text(const char *s)
{
    struct kb_buf b = KB_BUF_INIT(1 << 20);
    struct kb_error err = {0};
    char time[KB_TIME_SIZE];
    int64_t n;

    if (kb_time_parse(s, &n)) {
        int64_t again;
        CHECK(kb_time_parse(kb_time_format(n, time), &again) && again == n);
    }
    if (kb_parse_i64(s, INT64_MIN, INT64_MAX, &n)) {
        kb_buf_addf(&b, "%lld", (long long) n);
        CHECK(strcmp(kb_buf_str(&b), s) == 0);
        kb_buf_clear(&b);
    }
    kb_buf_add_visible(&b, s);
    CHECK(!b.failed && !kb_has_control(kb_buf_str(&b)) && kb_utf8_valid(b.data, b.len));
    kb_buf_clear(&b);
    kb_buf_add_json(&b, s);
    CHECK(b.failed == !kb_utf8_valid(s, strlen(s)));
    kb_buf_clear(&b);
    kb_buf_add_segment(&b, s);
    CHECK(strspn(kb_buf_str(&b), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%") ==
          b.len);
    kb_buf_done(&b);
    (void) kb_fail(&err, KB_E_BUG, "%s", s);
    CHECK(strlen(err.msg) < sizeof(err.msg) && !kb_has_control(err.msg) &&
          kb_utf8_valid(err.msg, strlen(err.msg)));
    CHECK(kb_display_width(s) <= 2 * strlen(s));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *) data;
    const char *newline = size ? memchr(text, '\n', size) : NULL;
    size_t first = newline ? (size_t) (newline - text) : 0;
    char *pattern = kb_strndup(newline ? text : "", first);
    char *s = newline ? kb_strndup(newline + 1, size - first - 1) : kb_strndup(text, size);

    if (pattern && s && size < 400) {
        check_glob(pattern, s);
        check_text(s);
    }
    free(pattern);
    free(s);
    return 0;
}
