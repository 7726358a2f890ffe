/* The witness of a directory: what counts as a good answer, who is asked, when a directory is up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "realm.h"

#include <stdio.h>
#include <string.h>

#define CREDENTIALS(id) "/users/" id "/credentials"
#define GONE "{\"error\":\"User not found\"}"
#define DIR_ANA "{\"id\":\"" ANA "\",\"username\":\"ana\",\"enabled\":true,\"federationLink\":\"dir-1\"}"

static int
status_of(const struct bench *b, const char *id)
{
    uint32_t row = kb_realm_directory(&b->realm, id);

    return row == KB_NONE ? -1 : b->realm.directories[row].status;
}

static void
ask(struct bench *b)
{
    struct kb_error err = {0};

    assert_int_equal(kc_witness(b->kc, &err), 0);
    assert_int_equal(kb_http_run(b->http, &err), 0);
}

/* Somebody remembered is asked before the lists, and after them. */
static void
test_answers(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *body;
        int before, after; /* enum kb_directory_status when only that answer is this one */
    } cases[] = {
        {"nothing to show", 200, "[]", KB_DIRECTORY_UP, KB_DIRECTORY_UP},
        {"a password", 200, "[{\"id\":\"c\",\"type\":\"password\"}]", KB_DIRECTORY_UP, KB_DIRECTORY_UP},
        {"down", 500, "{\"error\":\"unknown_error\"}", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"a gateway", 502, "", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"busy", 503, "", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"no right", 403, "{\"error\":\"HTTP 403 Forbidden\"}", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"nowhere", 404, "{\"error\":\"HTTP 404 Not Found\"}", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"no content", 204, "", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"an object", 200, "{}", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"nothing at all", 200, "", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"null", 200, "null", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"a login page", 200, "<html>", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"cut off", 200, "[{\"id\":", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"two documents", 200, "[] []", KB_DIRECTORY_DOWN, KB_DIRECTORY_DOWN},
        {"deleted meanwhile", 404, GONE, KB_DIRECTORY_UNWITNESSED, KB_DIRECTORY_UNWITNESSED},
    };

    (void) state;
    for (size_t i = 0; i < 2 * KB_LEN(cases); i++) {
        struct bench b;
        struct kb_error err = {0};
        bool after = i % 2;
        int want = after ? cases[i / 2].after : cases[i / 2].before;
        bench_open(&b, NULL);
        if (after)
            bench_lie(&b, CREDENTIALS(ANA), 200, "[]", 1);
        bench_lie(&b, CREDENTIALS(ANA), cases[i / 2].status, cases[i / 2].body, 1);
        bench_lie(&b, CREDENTIALS(ANA), 200, "[]", 0);
        assert_int_equal(kc_witness_know(b.kc, ANA, "dir-1", &err), 0);
        bench_run(&b);
        assert_int_not_equal(status_of(&b, "dir-1"), KB_DIRECTORY_UP); /* one answer is not enough */
        ask(&b);
        if (status_of(&b, "dir-1") != want)
            fail_msg("%s, %s: %d", cases[i / 2].name, after ? "after" : "before", status_of(&b, "dir-1"));
        assert_string_equal(kb_realm_directory_name(&b.realm, "dir-1"), "corp");
        assert_int_equal(kb_realm_directory_doubt(&b.realm) == NULL, want == KB_DIRECTORY_UP);
        bench_close(&b);
    }
}

/* A bad answer is not asked a second time, and a directory that was down once stays so. */
static void
test_first_answer_counts(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, CREDENTIALS(ANA), 500, "{}", 1);
    bench_lie(&b, CREDENTIALS(ANA), 200, "[]", 0);
    assert_int_equal(kc_witness_know(b.kc, ANA, "dir-1", &err), 0);
    bench_run(&b);
    ask(&b);
    ask(&b);
    assert_int_equal(status_of(&b, "dir-1"), KB_DIRECTORY_DOWN);
    assert_int_equal(wire_count(b.wire, NULL, "/admin/realms/my%20realm" CREDENTIALS(ANA)), 1);
    assert_non_null(strstr(kb_realm_str(&b.realm, b.realm.directories[0].note), "500"));
    bench_close(&b);
}

/* Who is gone is no witness; the next one is. */
static void
test_next_one_is_asked(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, CREDENTIALS(ANA), 404, GONE, 0);
    bench_lie(&b, CREDENTIALS(BOB), 200, "[]", 0);
    assert_int_equal(kc_witness_know(b.kc, ANA, "dir-1", &err), 0);
    assert_int_equal(kc_witness_know(b.kc, BOB, "dir-1", &err), 0);
    assert_int_equal(kc_witness_know(b.kc, "local", "", &err), 0);
    assert_int_equal(kc_witness_know(b.kc, "no/id", "dir-9", &err), 0);
    bench_run(&b);
    ask(&b);
    assert_int_equal(status_of(&b, "dir-1"), KB_DIRECTORY_UP);
    assert_int_equal(b.realm.directories_len, 1);
    bench_close(&b);
}

/* One person's 500: the directory's, or that of somebody whom it has deleted and the cache still knows? */
static void
test_a_deleted_one_is_no_outage(void **state)
{
    static const struct {
        const char *name;
        int first, other, again; /* of ANA, BOB, ANA; 0: not asked */
        int status;              /* enum kb_directory_status at the end */
        unsigned ana, bob;       /* questions until then, the one after the lists included */
    } cases[] = {
        {"up", 200, 0, 0, KB_DIRECTORY_UP, 2, 0},
        {"deleted there", 500, 200, 500, KB_DIRECTORY_UP, 2, 2},
        {"forgotten here meanwhile", 500, 200, 404, KB_DIRECTORY_UP, 2, 2},
        {"down", 500, 500, 0, KB_DIRECTORY_DOWN, 1, 1},
        {"came back between two questions", 500, 200, 200, KB_DIRECTORY_DOWN, 2, 1},
        {"and then a gateway", 500, 200, 502, KB_DIRECTORY_DOWN, 2, 1},
        {"the other one is gone", 500, 404, 0, KB_DIRECTORY_DOWN, 1, 1},
        {"the other one may not be seen", 500, 403, 0, KB_DIRECTORY_DOWN, 1, 1},
        {"a gateway", 502, 0, 0, KB_DIRECTORY_DOWN, 1, 0},
        {"no right", 403, 0, 0, KB_DIRECTORY_DOWN, 1, 0},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        struct kb_error err = {0};

        bench_open(&b, NULL);
        bench_lie(&b, CREDENTIALS(ANA), cases[i].first, cases[i].first == 200 ? "[]" : GONE, 1);
        if (cases[i].other)
            bench_lie(&b, CREDENTIALS(BOB), cases[i].other, cases[i].other == 200 ? "[]" : GONE, 1);
        if (cases[i].again)
            bench_lie(&b, CREDENTIALS(ANA), cases[i].again, cases[i].again == 200 ? "[]" : GONE, 1);
        bench_lie(&b, CREDENTIALS(BOB), 200, "[]", 0);
        bench_lie(&b, CREDENTIALS(ANA), 200, "[]", 0);
        assert_int_equal(kc_witness_know(b.kc, ANA, "dir-1", &err), 0);
        assert_int_equal(kc_witness_know(b.kc, BOB, "dir-1", &err), 0);
        bench_run(&b);
        ask(&b);
        if (status_of(&b, "dir-1") != cases[i].status)
            fail_msg("%s: %d", cases[i].name, status_of(&b, "dir-1"));
        if (wire_count(b.wire, NULL, "/admin/realms/my%20realm" CREDENTIALS(ANA)) != cases[i].ana ||
            wire_count(b.wire, NULL, "/admin/realms/my%20realm" CREDENTIALS(BOB)) != cases[i].bob)
            fail_msg("%s: asked %u and %u times", cases[i].name,
                     wire_count(b.wire, NULL, "/admin/realms/my%20realm" CREDENTIALS(ANA)),
                     wire_count(b.wire, NULL, "/admin/realms/my%20realm" CREDENTIALS(BOB)));
        bench_close(&b);
    }
}

/* The one in question stays there while others turn out to be gone. */
static void
test_others_who_are_gone_are_passed_over(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, CREDENTIALS(ANA), 500, "{}", 0);
    bench_lie(&b, CREDENTIALS("u-3"), 404, GONE, 0);
    bench_lie(&b, CREDENTIALS("u-4"), 404, GONE, 0);
    bench_lie(&b, CREDENTIALS(BOB), 200, "[]", 0);
    assert_int_equal(kc_witness_know(b.kc, ANA, "dir-1", &err), 0);
    assert_int_equal(kc_witness_know(b.kc, "u-3", "dir-1", &err), 0);
    assert_int_equal(kc_witness_know(b.kc, "u-4", "dir-1", &err), 0);
    assert_int_equal(kc_witness_know(b.kc, BOB, "dir-1", &err), 0);
    bench_run(&b);
    ask(&b);
    assert_int_equal(status_of(&b, "dir-1"), KB_DIRECTORY_UP);
    assert_int_equal(wire_count(b.wire, NULL, "/admin/realms/my%20realm" CREDENTIALS(ANA)), 2);
    bench_close(&b);
}

/* Nobody was remembered: good answers after the lists say nothing about them, so they are read again. */
static void
test_unknown_until_read_again(void **state)
{
    struct bench b;
    struct kb_error err = {0};
    unsigned before;

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/groups/g-2/members", 200, "[]", 1);
    bench_lie(&b, "/groups/g-2/members", 200, "[" DIR_ANA "]", 0);
    bench_lie(&b, "/groups/g-1/members", 200, "[" DIR_ANA "]", 0);
    bench_lie(&b, CREDENTIALS(ANA), 200, "[]", 0);
    bench_run(&b);
    ask(&b);
    assert_int_equal(status_of(&b, "dir-1"), KB_DIRECTORY_UNWITNESSED);
    assert_int_equal(bench_group(&b, "g-2")->members.len, 0);
    before = wire_count(b.wire, NULL, NULL);
    assert_int_equal(kc_reread_lists(b.kc, &err), 0);
    assert_int_equal(kb_http_run(b.http, &err), 0);
    assert_int_equal(status_of(&b, "dir-1"), KB_DIRECTORY_UNWITNESSED);
    ask(&b);
    assert_int_equal(status_of(&b, "dir-1"), KB_DIRECTORY_UP);
    assert_int_equal(bench_group(&b, "g-2")->members.len, 1);
    assert_true(kb_read_ok(&bench_group(&b, "g-2")->members_read));
    assert_true(wire_count(b.wire, NULL, NULL) > before + 4);
    bench_close(&b);
}

/* A directory that nobody in the lists belongs to: somebody of it is looked for. */
static void
test_search(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/users?briefRepresentation=true&max=1000", 200, "[" DIR_ANA "]", 0);
    bench_lie(&b, CREDENTIALS(ANA), 200, "[]", 0);
    bench_run(&b);
    ask(&b);
    assert_string_equal(kb_realm_directory_doubt(&b.realm), "corp");
    assert_int_equal(kc_witness_search(b.kc, &err), 0);
    assert_int_equal(kb_http_run(b.http, &err), 0);
    ask(&b);
    assert_int_equal(kc_reread_lists(b.kc, &err), 0);
    assert_int_equal(kb_http_run(b.http, &err), 0);
    ask(&b);
    assert_int_equal(status_of(&b, "dir-1"), KB_DIRECTORY_UP);
    assert_null(kb_realm_directory_doubt(&b.realm));
    bench_close(&b);
}

/* The list of directories itself: switched off, unreadable, without the one that the ledger knows. */
static void
test_components(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *body;
        bool up, removed, doubt;
    } cases[] = {
        {"switched off", 200, "[{\"id\":\"dir-1\",\"name\":\"corp\",\"config\":{\"enabled\":[\"false\"]}}]",
         false, false, true},
        {"switched on", 200, "[{\"id\":\"dir-1\",\"name\":\"corp\",\"config\":{\"enabled\":[\"true\"]}}]",
         true, false, false},
        {"removed", 200, "[]", true, true, false},
        {"no right", 403, "{}", true, false, true},
        {"no name", 200, "[{\"id\":\"dir-1\"}]", true, false, true},
        {"a number", 200, "[{\"id\":\"dir-1\",\"name\":\"corp\",\"config\":7}]", true, false, true},
        {"cut off", 200, "[{\"id\":\"dir-1\"", true, false, true},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        struct kb_error err = {0};
        bench_open(&b, NULL);
        bench_lie(&b, "/components", cases[i].status, cases[i].body, 0);
        bench_lie(&b, CREDENTIALS(ANA), 200, "[]", 0);
        assert_int_equal(kc_witness_know(b.kc, ANA, "dir-1", &err), 0);
        bench_run(&b);
        ask(&b);
        if (kb_realm_directory_up(&b.realm, "dir-1") != cases[i].up ||
            kb_realm_directory_removed(&b.realm, "dir-1") != cases[i].removed ||
            (kb_realm_directory_doubt(&b.realm) != NULL) != cases[i].doubt)
            fail_msg("%s: %d %d", cases[i].name, kb_realm_directory_up(&b.realm, "dir-1"),
                     kb_realm_directory_removed(&b.realm, "dir-1"));
        assert_int_equal(kc_failed(b.kc, &err), 0);
        bench_close(&b);
    }
}

/* A second reading is kept apart, each list read once; what is not complete is not there. */
static void
test_again(void **state)
{
    struct bench b;
    struct kb_error err = {0};
    uint32_t eng, ml, role;

    (void) state;
    bench_open(&b, NULL);
    bench_run(&b);
    eng = kb_realm_group(&b.realm, "g-1");
    ml = kb_realm_group(&b.realm, "g-2");
    role = kb_realm_role(&b.realm, "r-a");
    assert_null(kc_again(b.kc, false, ml));
    bench_lie(&b, "/groups/g-1/members", 500, "{}", 0);
    bench_lie(&b, "/groups/g-2/members", 200, "[" USER(BOB, "bob", "true") "]", 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kc_again_read(b.kc, false, eng, &err), 0);
        assert_int_equal(kc_again_read(b.kc, false, ml, &err), 0);
        assert_int_equal(kc_again_read(b.kc, true, role, &err), 0);
    }
    unsigned before = wire_count(b.wire, NULL, NULL);
    assert_int_equal(kb_http_run(b.http, &err), 0);
    assert_int_equal(wire_count(b.wire, NULL, NULL), before + 3);
    assert_null(kc_again(b.kc, false, eng));
    assert_int_equal(kc_again(b.kc, false, ml)->v[0], kb_realm_user(&b.realm, BOB));
    assert_int_equal(kc_again(b.kc, true, role)->len, 2);
    assert_int_equal(bench_group(&b, "g-2")->members.v[0], kb_realm_user(&b.realm, ANA));
    kc_again_forget(b.kc);
    assert_null(kc_again(b.kc, false, ml));
    bench_close(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_first_answer_counts),
        cmocka_unit_test(test_next_one_is_asked),
        cmocka_unit_test(test_a_deleted_one_is_no_outage),
        cmocka_unit_test(test_others_who_are_gone_are_passed_over),
        cmocka_unit_test(test_unknown_until_read_again),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_components),
        cmocka_unit_test(test_again),
    };

    return cmocka_run_group_tests_name("keycloak_witness", tests, NULL, NULL);
}
