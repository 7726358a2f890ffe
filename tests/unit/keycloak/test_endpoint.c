/* keycloak/endpoint: names become URLs here and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "keycloak/endpoint.h"

#include <stdio.h>
#include <string.h>

/* What keycloak-verified.md section 3 saw working, and what must not come out raw. */
static const struct {
    const char *name, *want;
} names[] = {
    {"dbx-ml", "dbx-ml"},
    {"a/b", "a%2Fb"},
    {"a//b", "a%2F%2Fb"},
    {"a;b", "a%3Bb"},
    {"a b", "a%20b"},
    {"100%", "100%25"},
    {"a%2Fb", "a%252Fb"},
    {"q?x", "q%3Fx"},
    {"h#x", "h%23x"},
    {"plus+x", "plus%2Bx"},
    {"back\\slash", "back%5Cslash"},
    {"\xC3\xBC\xC3\x9F", "%C3%BC%C3%9F"},
    {"...", "..."},
    {"../admin", "..%2Fadmin"},
    {"a&b=c", "a%26b%3Dc"},
    {"\"<>^`{|}", "%22%3C%3E%5E%60%7B%7C%7D"},
    {"\x01\x1f\x7f", "%01%1F%7F"},
    {"line\r\nHost: evil", "line%0D%0AHost%3A%20evil"},
    {"user@host:1", "user%40host%3A1"},
    {"~_-.9Az", "~_-.9Az"},
    {"\xff\xfe", "%FF%FE"},
};

static void
test_names(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(names); i++) {
        struct kb_buf b = KB_BUF_INIT(KC_TARGET_SIZE);
        char want[256];
        const struct kc_endpoint users = {{"roles", names[i].name, "users"}, "max=-1"};
        (void) snprintf(want, sizeof(want), "/admin/realms/%s/roles/%s/users?max=-1", names[i].want,
                        names[i].want);
        if (!kc_endpoint_build(&b, names[i].name, &users) || strcmp(kb_buf_str(&b), want) != 0)
            fail_msg("'%s': got '%s'", names[i].name, kb_buf_str(&b));
        kb_buf_done(&b);
    }
}

static void
test_not_addressable(void **state)
{
    static const char *const bad[] = {"", ".", ".."};

    (void) state;
    for (size_t i = 0; i < KB_LEN(bad); i++) {
        struct kb_buf b = KB_BUF_INIT(KC_TARGET_SIZE);
        const struct kc_endpoint inside = {{"roles", bad[i], "users"}, NULL}, whole = {{"roles"}, NULL};
        assert_false(kc_endpoint_build(&b, "acme", &inside));
        kb_buf_clear(&b);
        assert_false(kc_endpoint_build(&b, bad[i], &whole));
        kb_buf_done(&b);
    }
}

static void
test_too_long(void **state)
{
    struct kb_buf b = KB_BUF_INIT(64);
    char name[100];
    const struct kc_endpoint endpoint = {{"roles", name}, NULL};

    (void) state;
    memset(name, '/', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(kc_endpoint_build(&b, "acme", &endpoint));
    kb_buf_done(&b);
}

static void
test_all_segments(void **state)
{
    struct kb_buf b = KB_BUF_INIT(KC_TARGET_SIZE);
    const struct kc_endpoint endpoint = {{"users", "f:c:x y", "role-mappings", "clients", "u", "composite"},
                                         NULL};

    (void) state;
    assert_true(kc_endpoint_build(&b, "acme", &endpoint));
    assert_string_equal(kb_buf_str(&b),
                        "/admin/realms/acme/users/f%3Ac%3Ax%20y/role-mappings/clients/u/composite");
    kb_buf_done(&b);
}

static void
test_params(void **state)
{
    struct kb_buf b = KB_BUF_INIT(KC_TARGET_SIZE);

    (void) state;
    kb_buf_adds(&b, "/users");
    kc_endpoint_param(&b, "username", "a&exact=false b+c\xC3\xA4");
    kc_endpoint_param(&b, "max", "-1");
    assert_string_equal(kb_buf_str(&b), "/users?username=a%26exact%3Dfalse%20b%2Bc%C3%A4&max=-1");
    kb_buf_done(&b);
}

static const struct {
    const char *key, *value, *want; /* NULL: refused */
} terms[] = {
    {"app", "5b1d0d4e-0000-4000-8000-0000000000aa", "app:5b1d0d4e-0000-4000-8000-0000000000aa"},
    {"app", "a b", "app:\"a b\""},
    {"my key", "x", "\"my key\":x"},
    {"app", "a:b", "app:\"a:b\""},
    {"app", "a'b", "app:\"a'b\""},
    {"app", "\xC3\xBC", "app:\"\xC3\xBC\""},
    {"app", "", NULL},
    {"", "x", NULL},
    {"app", "a\"b", NULL},
    {"app", "a\\b", NULL},
    {"a\"b", "x", NULL},
    {"app", "a\nb", NULL},
    {"app", "a\x7f", NULL},
    {"app", "zero\xE2\x80\x8Bwidth", NULL},
};

static void
test_query_terms(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(terms); i++) {
        struct kb_buf b = KB_BUF_INIT(1024);
        bool ok = kc_endpoint_query_term(&b, terms[i].key, terms[i].value);
        if (ok != (terms[i].want != NULL) || (ok && strcmp(kb_buf_str(&b), terms[i].want) != 0))
            fail_msg("case %zu: %d '%s'", i, ok, kb_buf_str(&b));
        kb_buf_done(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_not_addressable),
        cmocka_unit_test(test_too_long), cmocka_unit_test(test_all_segments),
        cmocka_unit_test(test_params),   cmocka_unit_test(test_query_terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
