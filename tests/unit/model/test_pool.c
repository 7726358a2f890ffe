#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
test_texts_stay(void **state)
{
    struct kb_pool pool = {0};
    kb_text texts[3000];
    char s[512];

    (void) state;
    assert_string_equal(kb_pool_str(&pool, 0), "");
    for (unsigned i = 0; i < KB_LEN(texts); i++) { /* over several chunks */
        memset(s, 'x', sizeof(s));
        snprintf(s + i % 400, 32, "-%u", i);
        texts[i] = kb_pool_adds(&pool, s);
        assert_true(texts[i] != KB_NONE && texts[i] != 0);
    }
    assert_true(pool.chunks_len > 1);
    for (unsigned i = 0; i < KB_LEN(texts); i++) {
        memset(s, 'x', sizeof(s));
        snprintf(s + i % 400, 32, "-%u", i);
        assert_string_equal(kb_pool_str(&pool, texts[i]), s);
    }
    assert_int_equal(kb_pool_adds(&pool, NULL), 0);
    assert_int_equal(kb_pool_adds(&pool, ""), 0);
    kb_pool_done(&pool);
    kb_pool_done(&pool);
}

static void
test_text_limits(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        int nul_at; /* -1: none */
        bool fine;
    } table[] = {
        {"longest", 65536, -1, true},
        {"one too long", 65537, -1, false},
        {"far too long", 1 << 20, -1, false},
        {"starts with NUL", 5, 0, false},
        {"NUL inside", 9, 4, false},
        {"ends with NUL", 5, 4, false},
        {"NUL far behind", 65536, 65535, false},
    };

    KB_CLEANUP(kb_free) char *s = malloc(1 << 20);

    (void) state;
    assert_non_null(s);
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_pool pool = {0};
        kb_text t;
        memset(s, 'a', 1 << 20);
        if (table[i].nul_at >= 0)
            s[table[i].nul_at] = '\0';
        t = kb_pool_add(&pool, s, table[i].len);
        if ((t != KB_NONE) != table[i].fine)
            fail_msg("case '%s': text %u", table[i].name, t);
        if (table[i].fine)
            assert_int_equal(strlen(kb_pool_str(&pool, t)), table[i].len);
        kb_pool_done(&pool);
    }
}

static const char *
key_of(const void *table, uint32_t row)
{
    return ((char *const *) table)[row];
}

static void
test_index(void **state)
{
    enum { ROWS = 5000 };

    static char *keys[ROWS + 2];
    struct kb_index index = {0};
    char absent[32];

    (void) state;
    assert_int_equal(kb_index_find(&index, key_of, keys, "k1"), KB_NONE);
    for (uint32_t i = 0; i < ROWS; i++) {
        keys[i] = kb_asprintf("k%u%s", i, i % 3 ? "" : "-and a longer tail");
        assert_non_null(keys[i]);
        assert_true(kb_index_add(&index, key_of, keys, i));
        if (i == 10) { /* equal keys: the first stays the first, also after growing */
            keys[ROWS] = kb_asprintf("k7");
            assert_true(kb_index_add(&index, key_of, keys, ROWS));
        }
    }
    for (uint32_t i = 0; i < ROWS; i++)
        assert_int_equal(kb_index_find(&index, key_of, keys, keys[i]), i);
    for (uint32_t i = 0; i < ROWS; i++) {
        snprintf(absent, sizeof(absent), "K%u", i);
        assert_int_equal(kb_index_find(&index, key_of, keys, absent), KB_NONE);
    }
    assert_int_equal(kb_index_find(&index, key_of, keys, ""), KB_NONE);
    kb_index_done(&index);
    for (uint32_t i = 0; i <= ROWS; i++)
        free(keys[i]);
}

static void
test_hash_folded(void **state)
{
    char a[40], b[40];

    (void) state;
    for (unsigned c = 1; c < 256;
         c += c == 31 ? 2 : 1) { /* each byte, at each place of a word and of the rest */
        for (unsigned at = 0; at < 19; at++) {
            memset(a, 'k', 19), a[19] = '\0';
            memcpy(b, a, sizeof(b));
            a[at] = (char) c;
            b[at] = (char) (c >= 'A' && c <= 'Z' ? c + 32 : c >= 'a' && c <= 'z' ? c - 32 : c);
            assert_int_equal(kb_hash_folded(a), kb_hash_folded(b));
            b[at] = (char) (c ^ 0x20); /* a letter's other case, and nothing else's */
            assert_int_equal(kb_hash_folded(a) == kb_hash_folded(b), (c | 32) >= 'a' && (c | 32) <= 'z');
            b[at] = (char) (c ^ 0x80);
            if (c != 0x80 && kb_hash_folded(a) == kb_hash_folded(b)) /* 2^-32 by chance, always by mistake */
                fail_msg("byte %u folds into %u", c, c ^ 0x80);
        }
    }
    assert_int_not_equal(kb_hash_folded("@"), kb_hash_folded("`"));
    assert_int_not_equal(kb_hash_folded("["), kb_hash_folded("{"));
    assert_int_not_equal(kb_hash_folded(""), kb_hash_folded("a"));
}

static void
test_u32s(void **state)
{
    static const uint32_t lens[] = {0, 1, 2, 3, 127, 128, 129, 5000};
    static const uint32_t masks[] = {0, 1, 0xff, 0xff00, 0xffff, 0xffffff, UINT32_MAX};
    uint32_t random = 12345;

    (void) state;
    for (size_t l = 0; l < KB_LEN(lens); l++) {
        for (size_t m = 0; m < KB_LEN(masks); m++) {
            struct kb_u32s a = {0}, b = {0};
            for (uint32_t i = 0; i < lens[l]; i++) {
                random = random * 1664525u + 1013904223u;
                assert_true(kb_u32s_add(&a, (random ^ random >> 16) & masks[m]));
                assert_true(kb_u32s_add(&b, a.v[i]));
            }
            kb_u32s_sort_unique(&a);
            for (uint32_t i = 1; i < a.len; i++)
                assert_true(a.v[i - 1] < a.v[i]);
            for (uint32_t i = 0; i < b.len; i++)
                assert_true(kb_u32s_has(&a, b.v[i]));
            for (uint32_t i = 0; i < a.len; i++) {
                uint32_t j = 0;
                while (j < b.len && b.v[j] != a.v[i])
                    j++;
                assert_true(j < b.len);
            }
            if (masks[m] != UINT32_MAX)
                assert_false(kb_u32s_has(&a, UINT32_MAX));
            kb_u32s_done(&a);
            kb_u32s_done(&b);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_stay),  cmocka_unit_test(test_text_limits), cmocka_unit_test(test_index),
        cmocka_unit_test(test_hash_folded), cmocka_unit_test(test_u32s),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
