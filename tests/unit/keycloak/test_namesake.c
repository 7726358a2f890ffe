/* What is asked once it matters. Whose e-mail address is this user name? Found people get into the realm; an answer
 * that cannot be used leaves the name in doubt. And: does the realm have organizations? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "realm.h"

#include "base/mem.h"

#include <string.h>

#define NAME "eve@x.example"
#define EVE "{\"id\":\"u-eve\",\"username\":\"" NAME "\",\"enabled\":true}"
#define BRIEF "/users?briefRepresentation=true&exact=true&max=-1&email=eve%40x.example"
#define OTHER(rest) "[{\"id\":\"u-2\",\"username\":\"other\",\"enabled\":true" rest "}]"

static const struct {
    int status;
    const char *body;
    bool asked;
    const char *email; /* of u-2 afterwards; NULL: not in the realm */
} answers[] = {
    {200, "[]", true, NULL},
    {200, "[" EVE "]", true, NULL},
    {200, OTHER(",\"email\":\"eve@x.example\""), true, NAME},
    {200, OTHER(",\"email\":\"EVE@x.example\""), true, NULL},
    {200, OTHER(""), true, NAME}, /* hidden by the user profile */
    {200, "[{\"id\":\"u-2\",\"username\":\"service-account-x\",\"enabled\":true}]", true, NULL},
    {200, OTHER(",\"email\":\"somebody@x.example\""), false, NULL},
    {200, "{}", false, NULL},
    {200, "", false, NULL},
    {200, "[", false, NULL},
    {200, "<html>", false, NULL},
    {200, "[{\"id\":\"u-2\"}]", false, NULL},
    {204, "", false, NULL},
    {401, "{}", false, NULL},
    {403, "{}", false, NULL},
    {404, "{\"error\":\"HTTP 404 Not Found\"}", false, NULL},
    {500, "{\"error\":\"unknown_error\"}", false, NULL},
};

static uint32_t
add_eve(struct bench *b)
{
    uint32_t eve = kb_realm_user_add(&b->realm, "u-eve");

    assert_int_not_equal(eve, KB_NONE);
    b->realm.users[eve].username = kb_pool_adds(&b->realm.pool, NAME);
    b->realm.users[eve].flags = KB_USER_ENABLED;
    return eve;
}

static void
test_answers(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(answers); i++) {
        struct bench b;
        struct kb_error err = {0};
        uint32_t eve, other;

        bench_open(&b, NULL);
        bench_lie(&b, BRIEF, answers[i].status, answers[i].body, 0);
        eve = add_eve(&b);
        assert_int_equal(kc_read_namesakes(b.kc, eve, &err), 0);
        assert_int_equal(kb_http_run(b.http, &err), 0);
        other = kb_realm_user(&b.realm, "u-2");
        if (answers[i].asked != !!(b.realm.users[eve].flags & KB_USER_NAME_ASKED))
            fail_msg("case %zu: asked is not %d", i, answers[i].asked);
        if (answers[i].email &&
            (other == KB_NONE ||
             strcmp(kb_realm_str(&b.realm, b.realm.users[other].email), answers[i].email) != 0))
            fail_msg("case %zu: u-2 is not in the realm with %s", i, answers[i].email);
        bench_close(&b);
    }
}

/* Matching by an attribute: the other one's key may be that. */
static void
test_attribute(void **state)
{
    const struct kc_opts opts = {.user_attribute = "dbx"};
    struct bench b;
    struct kb_error err = {0};
    uint32_t eve, other;

    (void) state;
    bench_open(&b, &opts);
    bench_lie(&b, "/users?briefRepresentation=false&exact=true&max=-1&email=eve%40x.example", 200,
              OTHER(",\"email\":\"" NAME "\",\"attributes\":{\"dbx\":[\"seven\"]}"), 0);
    eve = add_eve(&b);
    assert_int_equal(kc_read_namesakes(b.kc, eve, &err), 0);
    assert_int_equal(kb_http_run(b.http, &err), 0);
    other = kb_realm_user(&b.realm, "u-2");
    assert_int_not_equal(other, KB_NONE);
    assert_string_equal(kb_realm_str(&b.realm, b.realm.users[other].attribute), "seven");
    assert_true(b.realm.users[eve].flags & KB_USER_NAME_ASKED);
    bench_close(&b);
}

static const struct {
    int status;
    const char *body;
    bool on;
} settings[] = {
    {200, "{\"realm\":\"my realm\",\"organizationsEnabled\":true}", true},
    {200, "{\"realm\":\"my realm\",\"organizationsEnabled\":false}", false},
    {200, "{\"realm\":\"my realm\"}", false}, /* too few rights, or an older server */
    {200, "{\"organizationsEnabled\":\"true\"}", false},
    {200, "{\"organizationsEnabled\":1}", false},
    {200, "[]", false},
    {200, "", false},
    {200, "<html>", false},
    {403, "{\"organizationsEnabled\":true}", false},
    {500, "{}", false},
};

/* Asked for a line of the report: whatever comes, the reading goes on. */
static void
test_organizations(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(settings); i++) {
        struct bench b;
        struct kb_error err = {0};

        bench_open(&b, NULL);
        bench_lie(&b, "", settings[i].status, settings[i].body, 0);
        assert_int_equal(kc_read_organizations(b.kc, &err), 0);
        assert_int_equal(kb_http_run(b.http, &err), 0);
        assert_true(b.realm.organizations_asked);
        if (b.realm.organizations != settings[i].on)
            fail_msg("case %zu: organizations are not %d", i, settings[i].on);
        bench_close(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_attribute),
                                       cmocka_unit_test(test_organizations)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
