#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

static void
test_captures(void **state)
{
    /* want: captures joined by '|' and closed by '|'; NULL: no match */
    static const struct {
        const char *pattern, *s;
        bool path;
        const char *want;
    } table[] = {
        {"dbx-*", "dbx-admins", false, "admins|"},
        {"dbx-*", "dbx-", false, "|"},
        {"dbx-*", "dbx", false, NULL},
        {"dbx-*", "xdbx-a", false, NULL},
        {"dbx-*", "DBX-a", false, NULL},
        {"a", "a", false, ""},
        {"", "", false, ""},
        {"", "a", false, NULL},
        {"a", "", false, NULL},
        {"*", "", false, "|"},
        {"*", "a/b", false, "a/b|"},
        {"*", "a/b", true, NULL},
        {"**", "a/b", true, "a/b|"},
        {"*-*", "a-b-c", false, "a|b-c|"},
        {"*-*-*", "a-b-c-d", false, "a|b|c-d|"},
        {"*a", "aaa", false, "aa|"},
        {"*ab*", "aabab", false, "a|ab|"},
        {"/teams/*", "/teams/red", true, "red|"},
        {"/teams/*", "/teams/red/blue", true, NULL},
        {"/teams/*", "/teams/", true, "|"},
        {"/teams/**", "/teams/red/blue", true, "red/blue|"},
        {"/**/x", "/a/b/x", true, "a/b|"},
        {"/**/x", "/x", true, NULL},
        {"/*/**", "/a/b/c", true, "a|b/c|"},
        {"/**/*", "/a/b/c", true, "a/b|c|"}, /* "a" would leave "b/c" to the one-level star */
        {"**/*-x", "a-x/b-x", true, "a-x|b|"},
        {"**a*b**c", "a/abzc", true, "a/||z|"},
        {"/a/*b", "/a/xbxb", true, "xbx|"},
        {"?", "a", false, NULL},
        {"[a]", "a", false, NULL},
        {"\\*", "*", false, NULL},
        {"*********", "x", false, "||||x|"},
        {"*-*-*-*-*-*-*-*-*-*", "1-2-3-4-5-6-7-8-9-10", false, "1|2|3|4|5|6|7|8|9|"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_glob_match m = {0};
        bool matched = kb_glob(table[i].pattern, table[i].s, table[i].path, &m);
        char got[256] = "";
        size_t len = 0;

        for (unsigned j = 0; matched && j < m.len; j++)
            len += (size_t) snprintf(got + len, sizeof(got) - len, "%.*s|", (int) m.cap[j].len,
                                     table[i].s + m.cap[j].start);
        if (!table[i].want) {
            if (matched)
                fail_msg("'%s' matched '%s' with %s", table[i].pattern, table[i].s, got);
        } else if (!matched || strcmp(got, table[i].want) != 0) {
            fail_msg("'%s' on '%s': %s, got %s", table[i].pattern, table[i].s, table[i].want,
                     matched ? got : "no match");
        }
        assert_int_equal(kb_glob(table[i].pattern, table[i].s, table[i].path, NULL), matched);
    }
}

/* The definition, by trying everything: the first star as short as possible, then the second, … */
static bool
reference(const char *p, const char *s, bool path, const char *whole, unsigned star, struct kb_glob_match *m)
{
    bool twice;

    if (!*p) {
        m->len = star;
        return !*s;
    }
    if (*p != '*')
        return *p == *s && reference(p + 1, s + 1, path, whole, star, m);
    twice = p[1] == '*';
    for (size_t len = 0;; len++) {
        if (reference(p + 1 + twice, s + len, path, whole, star + 1, m)) {
            m->cap[star].start = (size_t) (s - whole);
            m->cap[star].len = len;
            return true;
        }
        if (!s[len] || (path && !twice && s[len] == '/'))
            return false;
    }
}

/* The n-th string over an alphabet. */
static void
spell(unsigned n, const char *alphabet, char *ret)
{
    unsigned base = (unsigned) strlen(alphabet);

    for (; n; n = (n - 1) / base)
        *ret++ = alphabet[(n - 1) % base];
    *ret = '\0';
}

static void
test_all_short_patterns(void **state)
{
    unsigned matches = 0;

    (void) state;
    for (unsigned i = 0; i < 1365 * 4; i++) {
        char pattern[16];
        spell(i, "*/ab", pattern);
        for (unsigned j = 0; j < 364 * 3; j++) {
            char s[16];
            spell(j, "/ab", s);
            for (int path = 0; path < 2; path++) {
                struct kb_glob_match want = {0}, got = {0};
                bool expected = reference(pattern, s, path, s, 0, &want);
                if (kb_glob(pattern, s, path, &got) != expected)
                    fail_msg("'%s' on '%s' path=%d: want %d", pattern, s, path, expected);
                if (!expected)
                    continue;
                matches++;
                if (got.len != want.len || memcmp(got.cap, want.cap, want.len * sizeof(want.cap[0])) != 0)
                    fail_msg("'%s' on '%s' path=%d: other captures", pattern, s, path);
            }
        }
    }
    assert_true(matches > 10000);
}

static void
test_long_input_ends_soon(void **state)
{
    char s[4001], pattern[601];

    (void) state;
    memset(s, 'a', sizeof(s) - 1);
    s[4000] = '\0';
    for (size_t i = 0; i < 600; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[600] = '\0';
    assert_true(kb_glob(pattern, s, true, NULL));
    pattern[599] = 'b';
    assert_false(kb_glob(pattern, s, true, NULL));
    assert_false(kb_glob(pattern, s, false, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures),
        cmocka_unit_test(test_all_short_patterns),
        cmocka_unit_test(test_long_input_ends_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
