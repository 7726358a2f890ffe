/* Point checks, exact look-ups and paging, against a raw server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "realm.h"

#include <stdio.h>
#include <string.h>

#define GONE "{\"error\":\"User not found\"}"
#define ROLES                                                                    \
    "[{\"id\":\"r-b\",\"name\":\"b\",\"composite\":false,\"clientRole\":false}," \
    "{\"id\":\"r-a\",\"name\":\"a\",\"composite\":false,\"clientRole\":false}]"
#define GROUPS "[{\"id\":\"g-1\",\"name\":\"eng\",\"path\":\"/eng\"}]"
#define VIEWERS \
    "[{\"id\":\"k-1\",\"name\":\"viewer\",\"composite\":false,\"clientRole\":true,\"containerId\":\"c-1\"}]"

static void
checked(void *userdata, struct kc_check *check)
{
    (void) check;
    ++*(unsigned *) userdata;
}

/* Without the catalog: each test says what the user's endpoints answer. */
static void
check(struct bench *b, struct kc_check *check, const char *id, bool client)
{
    static const char *const clients[] = {"c-1"};
    struct kb_error err = {0};
    unsigned done = 0;

    *check = (struct kc_check){.user_id = id, .on_done = checked, .userdata = &done};
    assert_int_equal(kc_check_user(b->kc, check, clients, client ? 1 : 0, &err), 0);
    assert_int_equal(done, 0); /* never from inside */
    assert_int_equal(kb_http_run(b->http, &err), 0);
    assert_int_equal(done, 1);
}

static void
test_check_good(void **state)
{
    struct bench b;
    struct kc_check c;

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/users/" ANA "/role-mappings/realm/composite", 200, ROLES, 0);
    bench_lie(&b, "/users/" ANA "/role-mappings/clients/c-1/composite", 200, VIEWERS, 0);
    bench_lie(&b, "/users/" ANA "/groups", 200, GROUPS, 0);
    bench_lie(&b, "/users/" ANA, 200, USER(ANA, "ana", "true"), 0);
    check(&b, &c, ANA, true);
    assert_int_equal(c.exists, KC_HAS);
    assert_int_equal(c.enabled, KC_HAS);
    assert_true(c.roles_known && c.groups_known && !c.locked_out);
    assert_int_equal(c.role_ids_len, 3);
    assert_string_equal(c.role_ids[0], "k-1");
    assert_string_equal(c.role_ids[1], "r-a");
    assert_string_equal(c.role_ids[2], "r-b");
    assert_int_equal(c.group_ids_len, 1);
    assert_string_equal(c.group_ids[0], "g-1");
    assert_int_equal(c.user, kb_realm_user(&b.realm, ANA));
    assert_string_equal(c.note, "");
    kc_check_done(&c);
    kc_check_done(&c);
    bench_close(&b);
}

static const struct {
    const char *name;
    int status;
    const char *body;
    enum kc_answer exists, enabled;
    bool locked_out;
    const char *note;
} users[] = {
    {"gone", 404, GONE, KC_HAS_NOT, KC_UNKNOWN, false, ""},
    {"another 404", 404, "{\"error\":\"HTTP 404 Not Found\"}", KC_UNKNOWN, KC_UNKNOWN, false, "404"},
    {"a 404 of a proxy", 404, "User not found", KC_UNKNOWN, KC_UNKNOWN, false, "404"},
    {"an HTML 404", 404, "<html>User not found</html>", KC_UNKNOWN, KC_UNKNOWN, false, "404"},
    {"no realm", 404, "{\"error\":\"Realm not found.\"}", KC_UNKNOWN, KC_UNKNOWN, false, "404"},
    {"gone, says a 200", 200, GONE, KC_UNKNOWN, KC_UNKNOWN, false, "missing"},
    {"gone, says a 500", 500, GONE, KC_UNKNOWN, KC_UNKNOWN, false, "500"},
    {"forbidden", 403, "{}", KC_UNKNOWN, KC_UNKNOWN, false, "view-users"},
    {"disabled", 200, USER(ANA, "ana", "false"), KC_HAS, KC_HAS_NOT, false, ""},
    {"locked out", 200,
     "{\"id\":\"" ANA
     "\",\"username\":\"ana\",\"enabled\":false,\"attributes\":{\"disabledReason\":[\"x\"]}}",
     KC_HAS, KC_UNKNOWN, true, "locked out"},
    {"somebody else", 200, USER(BOB, "bob", "false"), KC_UNKNOWN, KC_UNKNOWN, false, "another user"},
    {"a list", 200, "[" USER(ANA, "ana", "false") "]", KC_UNKNOWN, KC_UNKNOWN, false, ""},
    {"nothing", 200, "", KC_UNKNOWN, KC_UNKNOWN, false, ""},
    {"HTML", 200, "<html>", KC_UNKNOWN, KC_UNKNOWN, false, ""},
    {"enabled as a text", 200, "{\"id\":\"" ANA "\",\"username\":\"ana\",\"enabled\":\"false\"}", KC_UNKNOWN,
     KC_UNKNOWN, false, "enabled"},
    {"no enabled", 200, "{\"id\":\"" ANA "\",\"username\":\"ana\"}", KC_UNKNOWN, KC_UNKNOWN, false,
     "enabled"},
};

static void
test_check_user(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(users); i++) {
        struct bench b;
        struct kc_check c;
        bench_open(&b, NULL);
        bench_lie(&b, "/users/" ANA, users[i].status, users[i].body, 0);
        check(&b, &c, ANA, false);
        if (c.exists != users[i].exists || c.enabled != users[i].enabled ||
            c.locked_out != users[i].locked_out || !strstr(c.note, users[i].note))
            fail_msg("%s: %d %d %d '%s'", users[i].name, c.exists, c.enabled, c.locked_out, c.note);
        assert_false(c.roles_known || c.groups_known);
        assert_int_equal(c.user != KB_NONE, users[i].exists == KC_HAS);
        if (users[i].exists == KC_HAS_NOT)
            assert_true(b.realm.users[kb_realm_user(&b.realm, ANA)].flags & KB_USER_GONE);
        else if (users[i].exists == KC_UNKNOWN)
            assert_int_equal(kb_realm_user(&b.realm, ANA), KB_NONE);
        assert_int_equal(wire_count(b.wire, NULL, NULL), 1);
        kc_check_done(&c);
        bench_close(&b);
    }
}

static void
test_check_lists(void **state)
{
    static const struct {
        const char *target;
        int status;
        const char *body;
        bool roles, groups;
    } cases[] = {
        {"/users/" ANA "/role-mappings/realm", 403, "{}", false, true},
        {"/users/" ANA "/role-mappings/realm", 404, GONE, false, true},
        {"/users/" ANA "/role-mappings/realm", 200, "<html>", false, true},
        {"/users/" ANA "/role-mappings/realm", 200, "{}", false, true},
        {"/users/" ANA "/role-mappings/realm", 200, "", false, true},
        {"/users/" ANA "/role-mappings/realm", 200, "[{\"id\":\"r-a\"}]", false, true},
        {"/users/" ANA "/role-mappings/clients", 403, "{}", false, true},
        {"/users/" ANA "/role-mappings/clients", 500, "{}", false, true},
        {"/users/" ANA "/groups", 403, "{}", true, false},
        {"/users/" ANA "/groups", 200, "[{}]", true, false},
        {"/users/" ANA "/groups", 200, "null", true, false},
        {"/nothing", 200, "", true, true},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        struct kc_check c;
        bench_open(&b, NULL);
        bench_lie(&b, cases[i].target, cases[i].status, cases[i].body, 0);
        bench_lie(&b, "/users/" ANA "/role-mappings", 200, "[]", 0);
        bench_lie(&b, "/users/" ANA "/groups", 200, "[]", 0);
        bench_lie(&b, "/users/" ANA, 200, USER(ANA, "ana", "true"), 0);
        check(&b, &c, ANA, true);
        if (c.roles_known != cases[i].roles || c.groups_known != cases[i].groups ||
            (c.note[0] != '\0') == (cases[i].roles && cases[i].groups))
            fail_msg("%s %d: %d %d '%s'", cases[i].target, cases[i].status, c.roles_known, c.groups_known,
                     c.note);
        kc_check_done(&c);
        bench_close(&b);
    }
}

/* Somebody of a directory: the cached answers, and the live number of groups, also when shown disabled
 * (keycloak-verified.md section 8). */
static void
test_check_directory(void **state)
{
    static const char *const enabled[] = {"true", "false"};

    (void) state;
    for (size_t i = 0; i < KB_LEN(enabled); i++) {
        struct bench b;
        struct kc_check c;
        char user[256];
        (void) snprintf(user, sizeof(user),
                        "{\"id\":\"" ANA "\",\"username\":\"ana\",\"enabled\":%s,\"federationLink\":\"d\"}",
                        enabled[i]);
        bench_open(&b, NULL);
        bench_lie(&b, "/users/" ANA "/role-mappings", 200, ROLES, 0);
        bench_lie(&b, "/users/" ANA "/groups/count", i ? 500 : 200, "{\"count\":2}", 0);
        bench_lie(&b, "/users/" ANA "/groups", 200, "[]", 0);
        bench_lie(&b, "/users/" ANA, 200, user, 0);
        check(&b, &c, ANA, false);
        assert_int_equal(c.enabled, i ? KC_UNKNOWN : KC_HAS);
        assert_true(c.roles_known && c.groups_known);
        assert_int_equal(c.role_ids_len, 2);
        assert_int_equal(c.groups_count, i ? KB_NONE : 2);
        kc_check_done(&c);
        bench_close(&b);
    }
}

/* Shown disabled, while the list of the stored flag, read before, does not know it. */
static void
test_check_flicker(void **state)
{
    struct bench b;
    struct kc_check c;

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/users?enabled=false", 200, "[]", 0);
    bench_lie(&b, "/users/" BOB, 200, USER(BOB, "bob", "false"), 0);
    bench_run(&b);
    check(&b, &c, BOB, false);
    assert_int_equal(c.enabled, KC_UNKNOWN);
    assert_non_null(strstr(c.note, "not in the list of disabled users"));
    kc_check_done(&c);
    bench_close(&b);
}

static void
test_check_bad_id(void **state)
{
    static const char *const ids[] = {"", "..", "a/b", "a b", "x\n", "f:", "f:c:"};
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    for (size_t i = 0; i < KB_LEN(ids); i++) {
        struct kc_check c = {.user_id = ids[i], .on_done = checked};
        assert_int_equal(kc_check_user(b.kc, &c, NULL, 0, &err), -KB_E_BUG);
        assert_int_equal(kc_lookup_user(b.kc, ids[i], &err), 0);
    }
    assert_int_equal(kb_http_run(b.http, &err), 0);
    assert_int_equal(wire_count(b.wire, NULL, NULL), 0);
    assert_int_equal(b.realm.users_len, 0);
    bench_close(&b);
}

/* ---- look-up ---- */

static void
test_lookup(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/users/" ANA, 404, GONE, 0);
    bench_lie(&b, "/users/" BOB, 200, USER(BOB, "bob", "false"), 0);
    bench_lie(&b, "/users/f%3Ad%3Ajoe", 500, "{\"error\":\"unknown_error\"}", 0);
    assert_int_equal(kc_lookup_user(b.kc, ANA, &err), 0);
    assert_int_equal(kc_lookup_user(b.kc, BOB, &err), 0);
    assert_int_equal(kc_lookup_user(b.kc, BOT, &err), 0);
    assert_int_equal(kc_lookup_user(b.kc, "f:d:joe", &err), 0);
    assert_int_equal(kb_http_run(b.http, &err), 0);
    assert_int_equal(b.realm.users[kb_realm_user(&b.realm, ANA)].flags, KB_USER_GONE);
    assert_int_equal(b.realm.users[kb_realm_user(&b.realm, BOB)].flags,
                     KB_USER_EMAIL_VERIFIED | KB_USER_DISABLED_STORED | KB_USER_LOOKED_UP);
    assert_true(b.realm.users[kb_realm_user(&b.realm, BOT)].flags & KB_USER_LOOKED_UP);
    assert_int_equal(kb_realm_user(&b.realm, "f:d:joe"), KB_NONE);
    bench_close(&b);
}

/* ---- find ---- */

static void
found(void *userdata, struct kc_find *find)
{
    (void) find;
    ++*(unsigned *) userdata;
}

static const struct {
    const char *name;
    bool service;
    const char *target; /* a lie, NULL: none */
    int status;
    const char *body;
    const char *target2, *body2;
    enum kc_answer want;
    size_t ids;
    const char *note;
} finds[] = {
    {"ana@x.example", false, "/users?briefRepresentation=true&exact=true&max=-1&email=ana%40x.example", 200,
     "[" USER(ANA, "ana", "true") "]", "/users?briefRepresentation=true&exact", "[]", KC_HAS, 1, ""},
    {"ANA", false, "/users?briefRepresentation=true&exact=true&max=-1&username=ANA", 200,
     "[" USER(ANA, "ana", "true") "]", "/users?briefRepresentation=true&exact",
     "[" USER(ANA, "ANA", "true") "]", KC_UNKNOWN, 1, "not asked for"},
    {"nobody", false, "/users?briefRepresentation=true&exact", 200, "[]", NULL, NULL, KC_HAS_NOT, 0, ""},
    {"nobody", false, "/users?briefRepresentation=true&exact", 200, "[]",
     "/users?briefRepresentation=true&max=1", "[]", KC_UNKNOWN, 0, "sees nobody"},
    {"nobody", false, "/users?briefRepresentation=true&exact", 403, "{}", NULL, NULL, KC_UNKNOWN, 0,
     "view-users"},
    {"nobody", false, "/users?briefRepresentation=true&exact", 200, "<html>", NULL, NULL, KC_UNKNOWN, 0, ""},
    {"nobody", false, "/users?briefRepresentation=true&exact", 404, "{}", NULL, NULL, KC_UNKNOWN, 0, "404"},
    {"nobody", false, "/users?briefRepresentation=true&exact", 200,
     "[" USER(ANA, "ana", "true") "," USER(BOB, "bob", "true") "]", NULL, NULL, KC_UNKNOWN, 0,
     "not asked for"},
    {"7", true, "/users?briefRepresentation=false&max=-1&q=app%3A7", 200,
     "[{\"id\":\"" BOT
     "\",\"username\":\"service-account-bot\",\"enabled\":true,\"attributes\":{\"app\":[\"7\"]}}]",
     NULL, NULL, KC_HAS, 1, ""},
    {"7", true, "/users?briefRepresentation=false&max=-1&q=", 200, "[]", NULL, NULL, KC_HAS_NOT, 0, ""},
    {"aB", true, "/users?briefRepresentation=false&max=-1&q=app%3AAB", 200,
     "[{\"id\":\"" BOT
     "\",\"username\":\"service-account-bot\",\"enabled\":true,\"attributes\":{\"app\":[\"AB\"]}}]",
     "/users?briefRepresentation=false&max=-1&q=", "[]", KC_HAS, 1, ""},
    /* A query that is not understood lists everybody. */
    {"7", true, "/users?briefRepresentation=false&max=-1&q=", 200, "[" USER(ANA, "ana", "true") "]", NULL,
     NULL, KC_UNKNOWN, 0, "not asked for"},
    {"7", true, "/users?briefRepresentation=false&max=-1&q=", 200,
     "[{\"id\":\"" BOT
     "\",\"username\":\"service-account-bot\",\"enabled\":true,\"attributes\":{\"app\":[\"7\",\"8\"]}}]",
     NULL, NULL, KC_UNKNOWN, 0, "not asked for"},
    {"a\"b", true, NULL, 0, NULL, NULL, NULL, KC_UNKNOWN, 0, "cannot be written"},
};

static void
test_find(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(finds); i++) {
        struct bench b;
        struct kb_error err = {0};
        unsigned done = 0;
        struct kc_find find = {.name = finds[i].name, .on_done = found, .userdata = &done};
        bench_open(&b, NULL);
        if (finds[i].target)
            bench_lie(&b, finds[i].target, finds[i].status, finds[i].body, 0);
        if (finds[i].target2)
            bench_lie(&b, finds[i].target2, 200, finds[i].body2, 0);
        assert_int_equal(kc_find_user(b.kc, &find, finds[i].service, &err), 0);
        assert_int_equal(done, 0);
        assert_int_equal(kb_http_run(b.http, &err), 0);
        assert_int_equal(done, 1);
        if (find.found != finds[i].want || find.ids_len != finds[i].ids || !strstr(find.note, finds[i].note))
            fail_msg("case %zu '%s': %d, %zu ids, '%s'", i, finds[i].name, find.found, find.ids_len,
                     find.note);
        kc_find_done(&find);
        bench_close(&b);
    }
}

static void
test_find_account(void **state)
{
    const struct kc_opts opts = {0};
    struct bench b;
    struct kb_error err = {0};
    unsigned done = 0;
    struct kc_find find = {.name = "bot", .on_done = found, .userdata = &done};

    (void) state;
    bench_open(&b, &opts);
    bench_lie(&b, "/users?briefRepresentation=true&exact=true&max=-1&username=service-account-bot", 200,
              "[" USER(BOT, "service-account-bot", "true") "]", 0);
    assert_int_equal(kc_find_user(b.kc, &find, true, &err), 0);
    assert_int_equal(kb_http_run(b.http, &err), 0);
    assert_int_equal(find.found, KC_HAS);
    kc_find_done(&find);
    find.name = "";
    assert_int_equal(kc_find_user(b.kc, &find, false, &err), -KB_E_BUG);
    bench_close(&b);
}

/* ---- paging ---- */

#define U(n) "{\"id\":\"u-" #n "\",\"username\":\"n" #n "\",\"enabled\":true}"

struct page {
    const char *target, *body;
    unsigned times;
};

static const struct {
    const char *name;
    struct page pages[7];
    enum kb_read_status want;
    uint32_t rows, members;
    unsigned requests;
    const char *note;
} walks[] = {
    {"empty", {{"first=0&max=3", "[]", 0}}, KB_READ_COMPLETE, 0, 0, 1, ""},
    {"one short page",
     {{"first=0&max=3", "[" U(1) "," U(2) "]", 0}, {"first=3&max=3", "[]", 0}},
     KB_READ_COMPLETE,
     2,
     2,
     2,
     ""},
    {"exactly one page",
     {{"first=0&max=3", "[" U(1) "," U(2) "," U(3) "]", 0},
      {"first=2&max=3", "[" U(3) "]", 0},
      {"first=5&max=3", "[]", 0}},
     KB_READ_COMPLETE,
     3,
     3,
     3,
     ""},
    {"five rows",
     {{"first=0&max=3", "[" U(1) "," U(2) "," U(3) "]", 0},
      {"first=2&max=3", "[" U(3) "," U(4) "," U(5) "]", 0},
      {"first=4&max=3", "[" U(5) "]", 0},
      {"first=7&max=3", "[]", 0}},
     KB_READ_COMPLETE,
     5,
     5,
     4,
     ""},
    {"a short page in the middle",
     {{"first=0&max=3", "[" U(1) "," U(2) "]", 0},
      {"first=3&max=3", "[" U(4) "," U(5) "," U(6) "]", 0},
      {"first=5&max=3", "[" U(6) "]", 0},
      {"first=8&max=3", "[]", 0}},
     KB_READ_COMPLETE,
     5,
     5,
     4,
     ""},
    {"somebody left between the pages, once",
     {{"first=0&max=3", "[" U(1) "," U(2) "," U(3) "]", 1},
      {"first=2&max=3", "[" U(4) "," U(5) "]", 1},
      {"first=0&max=3", "[" U(2) "," U(3) "," U(4) "]", 0},
      {"first=2&max=3", "[" U(4) "," U(5) "]", 0},
      {"first=5&max=3", "[]", 0}},
     KB_READ_COMPLETE,
     4,
     4,
     5,
     ""},
    {"the last row left, once",
     {{"first=0&max=3", "[" U(1) "," U(2) "," U(3) "]", 1},
      {"first=2&max=3", "[]", 1},
      {"first=0&max=3", "[" U(1) "," U(2) "]", 0},
      {"first=3&max=3", "[]", 0}},
     KB_READ_COMPLETE,
     2,
     2,
     4,
     ""},
    {"the same page again and again",
     {{"first=", "[" U(1) "," U(2) "," U(3) "]", 0}},
     KB_READ_SUSPECT,
     0,
     0,
     8,
     "moved"},
    {"more than asked for",
     {{"first=", "[" U(1) "," U(2) "," U(3) "," U(4) "]", 0}},
     KB_READ_FAILED,
     0,
     0,
     1,
     "at most 3"},
    {"a page that is none",
     {{"first=0&max=3", "[" U(1) "," U(2) "," U(3) "]", 0}, {"first=2&max=3", "<html>", 0}},
     KB_READ_FAILED,
     3,
     0,
     2,
     ""},
};

static void
test_paging(void **state)
{
    const struct kc_opts opts = {.page_size = 3};

    (void) state;
    for (size_t i = 0; i < KB_LEN(walks); i++) {
        static const char base[] = "/groups/g-1/members?briefRepresentation=true&";
        char targets[7][128];
        struct bench b;
        bench_open(&b, &opts);
        for (size_t k = 0; k < KB_LEN(walks[i].pages) && walks[i].pages[k].target; k++) {
            (void) snprintf(targets[k], sizeof(targets[k]), "%s%s", base, walks[i].pages[k].target);
            bench_lie(&b, targets[k], 200, walks[i].pages[k].body, walks[i].pages[k].times);
        }
        bench_run(&b);
        const struct kb_realm_group *group = &b.realm.groups[kb_realm_group(&b.realm, "g-1")];
        const struct kb_read *read = &group->members_read;
        unsigned requests = wire_count(b.wire, NULL, "/admin/realms/my%20realm/groups/g-1/members");
        if (read->status != walks[i].want || group->members.len != walks[i].members ||
            requests != walks[i].requests || !strstr(kb_realm_str(&b.realm, read->note), walks[i].note) ||
            (read->status == KB_READ_COMPLETE && read->rows != walks[i].rows))
            fail_msg("%s: %s, %u rows, %u members, %u requests, '%s'", walks[i].name,
                     kb_read_status_name(read->status), read->rows, group->members.len, requests,
                     kb_realm_str(&b.realm, read->note));
        bench_close(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_good),    cmocka_unit_test(test_check_user),
        cmocka_unit_test(test_check_lists),   cmocka_unit_test(test_check_directory),
        cmocka_unit_test(test_check_flicker), cmocka_unit_test(test_check_bad_id),
        cmocka_unit_test(test_lookup),        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_account),  cmocka_unit_test(test_paging),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
