#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"

#include <string.h>

static void
test_grow(void **state)
{
    uint64_t *array = NULL;
    size_t cap = 0;

    (void) state;
    for (size_t i = 0; i < 1000; i++) {
        assert_true(kb_grow(&array, &cap, i + 1, sizeof(*array), 1000));
        assert_true(cap >= i + 1 && cap <= 1000);
        array[i] = i;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_true(array[i] == i);
    assert_false(kb_grow(&array, &cap, 1001, sizeof(*array), 1000));
    assert_int_equal(cap, 1000);
    assert_true(array[999] == 999);
    assert_true(kb_grow(&array, &cap, 0, sizeof(*array), 1000));
    free(array);
}

static void
test_grow_does_not_wrap(void **state)
{
    char *array = NULL;
    size_t cap = 0;

    (void) state;
    assert_false(kb_grow(&array, &cap, SIZE_MAX / 2, 16, SIZE_MAX));
    assert_false(kb_grow(&array, &cap, SIZE_MAX, 2, SIZE_MAX));
    assert_null(array);
    assert_int_equal(cap, 0);
    assert_true(kb_grow(&array, &cap, 3, 1, 3));
    assert_int_equal(cap, 3);
    free(array);
}

static void
test_strings(void **state)
{
    static const char open[3] = {'a', 'b', 'c'}; /* not terminated */
    char *s = kb_strndup(open, 3);

    (void) state;
    assert_string_equal(s, "abc");
    free(s);
    s = kb_strndup("abc\0def", 7);
    assert_string_equal(s, "abc");
    free(s);
    s = kb_strndup("abc", 0);
    assert_string_equal(s, "");
    free(s);
    s = kb_asprintf("%s=%05d", "n", 42);
    assert_string_equal(s, "n=00042");
    free(s);
}

static void
test_steal(void **state)
{
    KB_CLEANUP(kb_free) char *s = kb_strndup("x", 1);
    KB_CLEANUP(kb_free) char *t = kb_steal(&s);

    (void) state;
    assert_null(s);
    assert_string_equal(t, "x");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_grow_does_not_wrap),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_steal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
