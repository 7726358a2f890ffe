#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/str.h"

#include <string.h>

static int64_t
given(void *userdata)
{
    return *(int64_t *) userdata;
}

static void
given_bytes(void *ret, size_t size, void *userdata)
{
    uint8_t *next = userdata;

    for (size_t i = 0; i < size; i++)
        ((uint8_t *) ret)[i] = (*next)++;
}

static int
restore(void **state)
{
    (void) state;
    kb_clock_set(NULL);
    kb_random_set(NULL, NULL);
    return 0;
}

static void
test_clock_is_replaceable(void **state)
{
    int64_t now = 1999;
    const struct kb_clock clock = {.mono_ms = given, .wall_ms = given, .userdata = &now};
    int64_t real = kb_wall_s();

    (void) state;
    assert_true(real > INT64_C(1600000000) && real < INT64_C(9000000000));
    assert_true(kb_mono_ms() <= kb_mono_ms());
    kb_clock_set(&clock);
    assert_int_equal(kb_mono_ms(), 1999);
    assert_int_equal(kb_wall_ms(), 1999);
    assert_int_equal(kb_wall_s(), 1);
    now = -1;
    assert_int_equal(kb_wall_s(), -1);
    now = -1000;
    assert_int_equal(kb_wall_s(), -1);
    kb_clock_set(NULL);
    assert_true(kb_wall_s() >= real);
}

static void
test_uuid7(void **state)
{
    int64_t now = INT64_C(0x017F22E279B0); /* RFC 9562, appendix A.6 */
    const struct kb_clock clock = {.mono_ms = given, .wall_ms = given, .userdata = &now};
    char a[KB_UUID_SIZE], b[KB_UUID_SIZE];
    uint8_t next = 0;

    (void) state;
    kb_clock_set(&clock);
    kb_random_set(given_bytes, &next);
    kb_uuid7(a);
    assert_string_equal(a, "017f22e2-79b0-7607-8809-0a0b0c0d0e0f");
    next = 255;
    kb_uuid7(a);
    now++;
    kb_random_set(NULL, NULL);
    kb_uuid7(b);
    assert_true(strcmp(a, b) < 0);
    for (int i = 0; i < 200; i++) {
        kb_uuid7(a);
        kb_uuid7(b);
        assert_string_not_equal(a, b);
        assert_int_equal(strlen(a), 36);
        assert_int_equal(a[14], '7');
        assert_non_null(strchr("89ab", a[19]));
    }
}

static void
test_below(void **state)
{
    unsigned seen[7] = {0};

    (void) state;
    assert_int_equal(kb_random_below(1), 0);
    for (int i = 0; i < 7000; i++)
        seen[kb_random_below(7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 700, 1300); /* 9 standard deviations */
    for (int i = 0; i < 100; i++)
        assert_true(kb_random_below((UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
}

/* 0, then 5: with limit 6, the first is below 2^64 mod 6 = 4 and must be thrown away. */
static void
low_then_high(void *ret, size_t size, void *userdata)
{
    uint64_t value = (*(int *) userdata)++ == 0 ? 0 : 5;

    assert_int_equal(size, sizeof(value));
    memcpy(ret, &value, size);
}

static void
test_below_is_unbiased(void **state)
{
    int calls = 0;

    (void) state;
    kb_random_set(low_then_high, &calls);
    assert_int_equal(kb_random_below(6), 5);
    assert_int_equal(calls, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_clock_is_replaceable, restore),
        cmocka_unit_test_teardown(test_uuid7, restore),
        cmocka_unit_test_teardown(test_below, restore),
        cmocka_unit_test_teardown(test_below_is_unbiased, restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
