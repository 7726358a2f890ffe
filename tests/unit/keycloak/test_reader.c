/* The reader of a realm against a raw server: a good reading, and each list with each wrong answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "realm.h"

#include <stdio.h>
#include <string.h>

static bool
has(struct bench *b, const struct kb_u32s *list, const char *user_id)
{
    return kb_u32s_has(list, kb_realm_user(&b->realm, user_id));
}

static void
test_good(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    bench_run(&b);
    assert_int_equal(kc_failed(b.kc, &err), 0);
    assert_int_equal(b.realm.roles_read.status, KB_READ_COMPLETE);
    assert_int_equal(b.realm.roles_read.rows, 2);
    assert_int_equal(b.realm.groups_read.status, KB_READ_COMPLETE);
    assert_int_equal(b.realm.groups_read.count, 2);
    assert_int_equal(b.realm.roles_len, 3); /* the client role came through a composite */
    assert_int_equal(bench_role(&b, "r-a")->children.len, 2);
    assert_int_equal(bench_role(&b, "k-1")->children.len, 1);
    assert_true(bench_role(&b, "k-1")->client_role);
    assert_string_equal(kb_realm_str(&b.realm, bench_role(&b, "k-1")->container), "c-1");
    assert_int_equal(bench_role(&b, "r-b")->children_read.status, KB_READ_NOT_ASKED);
    assert_int_equal(bench_group(&b, "g-2")->parent, kb_realm_group(&b.realm, "g-1"));
    assert_int_equal(bench_group(&b, "g-1")->parent, KB_NONE);
    assert_int_equal(bench_group(&b, "g-1")->roles.len, 1);
    assert_int_equal(bench_group(&b, "g-1")->roles.v[0], kb_realm_role(&b.realm, "r-b"));
    assert_true(b.realm.client_composites_unread); /* nobody asked for the clients */

    assert_int_equal(bench_role(&b, "r-a")->holders_read.status, KB_READ_COMPLETE);
    assert_int_equal(bench_role(&b, "r-a")->holders.len, 2);
    assert_int_equal(bench_role(&b, "r-b")->holders_read.status, KB_READ_COMPLETE);
    assert_int_equal(bench_role(&b, "r-b")->holders.len, 0);
    assert_true(has(&b, &bench_role(&b, "k-1")->holders, BOB));
    assert_int_equal(bench_role(&b, "k-1")->groups_read.status, KB_READ_COMPLETE);
    assert_int_equal(bench_role(&b, "k-1")->groups.len, 1);
    assert_true(has(&b, &bench_group(&b, "g-2")->members, ANA));
    assert_true(has(&b, &bench_group(&b, "g-1")->members, BOT));

    assert_int_equal(bench_user(&b, ANA)->flags, KB_USER_ENABLED | KB_USER_EMAIL_VERIFIED);
    assert_int_equal(bench_user(&b, BOB)->flags, KB_USER_EMAIL_VERIFIED | KB_USER_DISABLED_STORED);
    assert_int_equal(bench_user(&b, BOT)->flags,
                     KB_USER_ENABLED | KB_USER_EMAIL_VERIFIED | KB_USER_SERVICE_ACCOUNT | KB_USER_LOOKED_UP);
    assert_string_equal(kb_realm_str(&b.realm, bench_user(&b, BOT)->attribute), "7");
    assert_int_equal(kb_realm_user(&b.realm, "u-9"), KB_NONE); /* disabled, but in no list */
    assert_string_equal(kb_realm_str(&b.realm, b.realm.issuer) + strlen(wire_url(b.wire)),
                        "/realms/my%20realm");

    /* Nothing asked twice: roles, groups, count, directories, 2 composites, 3 holder lists, 1 list of groups, 2 member lists,
     * the disabled, the service account. */
    assert_int_equal(wire_count(b.wire, NULL, NULL), 14);
    bench_close(&b);
}

static void
test_with_clients(void **state)
{
    const struct kc_opts opts = {.clients = true};
    struct bench b;

    (void) state;
    bench_open(&b, &opts);
    bench_run(&b);
    assert_int_equal(b.realm.clients_read.status, KB_READ_COMPLETE);
    assert_false(b.realm.client_composites_unread);
    assert_string_equal(kb_realm_str(&b.realm, bench_role(&b, "k-1")->client), "portal");
    assert_int_equal(bench_role(&b, "k-1")->groups_read.status, KB_READ_COMPLETE);
    assert_int_equal(bench_role(&b, "k-1")->groups.len, 1);
    assert_int_equal(wire_count(b.wire, NULL, "/admin/realms/my%20realm/clients/c-1/roles/viewer/groups"), 0);
    assert_int_equal(wire_count(b.wire, NULL, "/admin/realms/my%20realm/roles-by-id/"), 2);
    bench_close(&b);
}

/* ---- each list with each wrong answer ---- */

enum which {
    ROLES,
    GROUPS,
    COUNT,
    COMPOSITES,
    HOLDERS,
    MEMBERS,
    CLIENT_HOLDERS,
    ROLE_GROUPS,
    DISABLED,
    WHICH
};

static const char *const targets[WHICH] = {
    [ROLES] = "/roles?",
    [GROUPS] = "/groups?",
    [COUNT] = "/groups/count",
    [COMPOSITES] = "/roles-by-id/r-a/composites",
    [HOLDERS] = "/roles/a%2Fb/users",
    [MEMBERS] = "/groups/g-2/members",
    [CLIENT_HOLDERS] = "/clients/c-1/roles/viewer/users",
    [ROLE_GROUPS] = "/clients/c-1/roles/viewer/groups",
    [DISABLED] = "/users?enabled=false",
};

static const struct kb_read *
read_of(struct bench *b, enum which which)
{
    switch (which) {
    case ROLES:
        return &b->realm.roles_read;
    case GROUPS:
    case COUNT:
        return &b->realm.groups_read;
    case COMPOSITES:
        return &bench_role(b, "r-a")->children_read;
    case HOLDERS:
        return &bench_role(b, "r-a")->holders_read;
    case MEMBERS:
        return &bench_group(b, "g-2")->members_read;
    case CLIENT_HOLDERS:
        return &bench_role(b, "k-1")->holders_read;
    case ROLE_GROUPS:
        return &bench_role(b, "k-1")->groups_read;
    case DISABLED:
        return &b->realm.disabled_read;
    case WHICH:
        break;
    }
    fail();
    return NULL;
}

static const struct {
    int status;
    const char *body;
    enum kb_read_status want;
    const char *note;
} answers[] = {
    {403, "{\"error\":\"HTTP 403 Forbidden\"}", KB_READ_DENIED, "lacks"},
    {403, "<html>forbidden by a proxy</html>", KB_READ_DENIED, "lacks"},
    {404, "{\"error\":\"Could not find role\"}", KB_READ_GONE, "Could not find role"},
    {404, "{\"error\":\"Could not find group by id\"}", KB_READ_GONE, "404"},
    {404, "{\"error\":\"HTTP 404 Not Found\"}", KB_READ_FAILED, "404"},
    {404, "<html>nothing</html>", KB_READ_FAILED, "not Keycloak's own answer"},
    {404, "", KB_READ_FAILED, "404"},
    {400, "{\"error\":\"missingNormalization\",\"error_description\":\"Request path not normalized\"}",
     KB_READ_FAILED, "missingNormalization: Request path not normalized"},
    {500, "{\"error\":\"unknown_error\"}", KB_READ_FAILED, "500: unknown_error"},
    {503, "", KB_READ_FAILED, "503"},
    {302, "", KB_READ_FAILED, "302"},
    {204, "", KB_READ_FAILED, "204"},
    {200, "", KB_READ_FAILED, ""},
    {200, "<!DOCTYPE html><title>Log in</title>", KB_READ_FAILED, ""},
    {200, "{}", KB_READ_FAILED, ""},
    {200, "null", KB_READ_FAILED, ""},
    {200, "[", KB_READ_FAILED, ""},
    {200, "[{\"id\":\"a\"", KB_READ_FAILED, ""},
    {200, "[{}]", KB_READ_FAILED, "missing"},
    {200, "[7]", KB_READ_FAILED, ""},
    {200, "[]x", KB_READ_FAILED, ""},
    {200, "[{\"id\":\"a\",\"id\":\"b\"}]", KB_READ_FAILED, ""},
};

static void
check_answer(enum which which, size_t i)
{
    struct bench b;
    struct kb_error err = {0};
    const struct kb_read *read;
    enum kb_read_status want = which == COUNT ? KB_READ_SUSPECT : answers[i].want;

    bench_open(&b, NULL);
    bench_lie(&b, targets[which], answers[i].status, answers[i].body, 0);
    bench_run(&b);
    read = read_of(&b, which);
    if (read->status != want || (which != COUNT && !strstr(bench_note(&b, read), answers[i].note)) ||
        !*bench_note(&b, read))
        fail_msg("%s: %d %s: %s '%s'", targets[which], answers[i].status, answers[i].body,
                 kb_read_status_name(read->status), bench_note(&b, read));
    /* The two lists that everything hangs on make the whole worthless; the others only what hangs on them. */
    assert_int_equal(kc_failed(b.kc, &err) < 0, which == ROLES || which == GROUPS);
    assert_int_equal(b.failed, which == ROLES || which == GROUPS);
    if (which == HOLDERS)
        assert_int_equal(bench_role(&b, "r-a")->holders.len, 0);
    if (which == DISABLED)
        assert_false(bench_user(&b, BOB)->flags & KB_USER_DISABLED_STORED);
    if (which == COMPOSITES)
        assert_int_equal(bench_role(&b, "r-a")->children.len, 0);
    bench_close(&b);
}

/* What is only reached through the composite is not there when that is not read. */
static void
test_answers(void **state)
{
    (void) state;
    for (int which = 0; which < WHICH; which++)
        for (size_t i = 0; i < KB_LEN(answers); i++)
            check_answer((enum which) which, i);
}

/* ---- lists that contradict each other ---- */

#define GROUP_1 "{\"id\":\"g-1\",\"name\":\"eng\",\"path\":\"/eng\",\"realmRoles\":[]}"
#define GROUP_2 "{\"id\":\"g-2\",\"name\":\"ml\",\"path\":\"/eng/ml\",\"parentId\":\"g-1\",\"realmRoles\":[]}"

static const struct {
    const char *name, *target, *body;
    unsigned times;
    bool roles; /* which record tells */
    enum kb_read_status want;
    const char *note;
    int failed; /* kc_failed */
} contradictions[] = {
    {"count higher", "/groups/count", "{\"count\":3}", 0, false, KB_READ_SUSPECT, "/groups/count says 3", 0},
    {"count lower", "/groups/count", "{\"count\":1}", 0, false, KB_READ_SUSPECT, "also when read again", 0},
    {"count higher once", "/groups/count", "{\"count\":3}", 1, false, KB_READ_COMPLETE, "", 0},
    {"a list shorter once", "/groups?", "[" GROUP_1 "]", 1, false, KB_READ_COMPLETE, "", 0},
    {"a list shorter", "/groups?", "[" GROUP_1 "]", 0, false, KB_READ_SUSPECT, "1 different", 0},
    {"a group twice", "/groups?", "[" GROUP_1 "," GROUP_1 "]", 0, false, KB_READ_SUSPECT,
     "2 rows, 1 different", 0},
    {"a group three times", "/groups?", "[" GROUP_1 "," GROUP_2 "," GROUP_1 "]", 0, false, KB_READ_SUSPECT,
     "3 rows, 2 different", 0},
    {"groups invisible", "/groups?", "[]", 0, false, KB_READ_SUSPECT, "0 rows", -KB_E_HTTP},
    {"groups invisible once", "/groups?", "[]", 1, false, KB_READ_COMPLETE, "", 0},
    {"a parent that is not there", "/groups?",
     "[" GROUP_1 ",{\"id\":\"g-3\",\"name\":\"x\",\"path\":\"/x\",\"parentId\":\"g-9\",\"realmRoles\":[]}]",
     0, false, KB_READ_SUSPECT, "the parent of \"/x\" is missing", 0},
    {"a group below itself", "/groups?",
     "[{\"id\":\"g-1\",\"name\":\"a\",\"path\":\"/a\",\"parentId\":\"g-3\",\"realmRoles\":[]},"
     "{\"id\":\"g-3\",\"name\":\"b\",\"path\":\"/b\",\"parentId\":\"g-1\",\"realmRoles\":[]}]",
     0, false, KB_READ_SUSPECT, "below itself", 0},
    {"a brief list", "/groups?",
     "[{\"id\":\"g-1\",\"name\":\"a\",\"path\":\"/a\"},{\"id\":\"g-3\",\"name\":\"b\",\"path\":\"/b\"}]", 0,
     false, KB_READ_SUSPECT, "without their roles", 0},
    {"a group carries an unknown role", "/groups?",
     "[" GROUP_2 ",{\"id\":\"g-1\",\"name\":\"a\",\"path\":\"/a\",\"realmRoles\":[\"zz\"]}]", 0, true,
     KB_READ_SUSPECT, "\"zz\"", 0},
    {"a composite contains an unknown role", "/roles-by-id/r-a/composites",
     "[{\"id\":\"r-z\",\"name\":\"zz\",\"composite\":false,\"clientRole\":false}]", 0, true, KB_READ_SUSPECT,
     "\"zz\"", 0},

#define UML_10 "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
    {"an unknown role whose name is cut inside a letter", "/roles-by-id/r-a/composites",
     "[{\"id\":\"r-z\",\"name\":\"z" UML_10 UML_10 UML_10 UML_10 UML_10
     "\",\"composite\":false,\"clientRole\":false}]",
     0, true, KB_READ_SUSPECT, "\xc3\xbc?\" is not there", 0},
    {"a role twice", "/roles?",
     "[{\"id\":\"r-b\",\"name\":\"b\",\"composite\":false,\"clientRole\":false},"
     "{\"id\":\"r-b\",\"name\":\"b\",\"composite\":false,\"clientRole\":false}]",
     0, true, KB_READ_SUSPECT, "twice", 0},
    {"two roles of one name", "/roles?",
     "[{\"id\":\"r-b\",\"name\":\"b\",\"composite\":false,\"clientRole\":false},"
     "{\"id\":\"r-x\",\"name\":\"b\",\"composite\":false,\"clientRole\":false}]",
     0, true, KB_READ_SUSPECT, "twice", 0},
    {"a role twice, once", "/roles?",
     "[{\"id\":\"r-b\",\"name\":\"b\",\"composite\":false,\"clientRole\":false},"
     "{\"id\":\"r-b\",\"name\":\"b\",\"composite\":false,\"clientRole\":false}]",
     1, true, KB_READ_COMPLETE, "", 0},
    {"no role at all", "/roles?", "[]", 0, true, KB_READ_FAILED, "every realm has roles", -KB_E_PROTOCOL},
    {"a client role among the roles", "/roles?",
     "[{\"id\":\"k-1\",\"name\":\"b\",\"composite\":false,\"clientRole\":true,\"containerId\":\"c-1\"}]", 0,
     true, KB_READ_FAILED, "client role", -KB_E_PROTOCOL},
    {"no realm", "/roles?", NULL, 0, true, KB_READ_FAILED, "Realm not found.", -KB_E_HTTP},
};

static void
test_contradictions(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(contradictions); i++) {
        struct bench b;
        struct kb_error err = {0};
        const char *body = contradictions[i].body;
        bench_open(&b, NULL);
        bench_lie(&b, contradictions[i].target, body ? 200 : 404,
                  body ? body : "{\"error\":\"Realm not found.\"}", contradictions[i].times);
        bench_run(&b);
        const struct kb_read *read = contradictions[i].roles ? &b.realm.roles_read : &b.realm.groups_read;
        int failed = kc_failed(b.kc, &err);
        if (read->status != contradictions[i].want || !strstr(bench_note(&b, read), contradictions[i].note) ||
            failed != contradictions[i].failed)
            fail_msg("%s: %s '%s', %d '%s'", contradictions[i].name, kb_read_status_name(read->status),
                     bench_note(&b, read), failed, err.msg);
        bench_close(&b);
    }
}

/* Without view-clients Keycloak leaves client roles out without a word; with it, empty is a contradiction. */
static void
test_empty_composite(void **state)
{
    static const struct {
        const char *token;
        enum kb_read_status want;
    } cases[] = {
        {NULL, KB_READ_COMPLETE},
        /* {"resource_access":{"realm-management":{"roles":["view-users"]}}} */
        {"e30.eyJyZXNvdXJjZV9hY2Nlc3MiOnsicmVhbG0tbWFuYWdlbWVudCI6eyJyb2xlcyI6WyJ2aWV3LXVzZXJzIl19fX0.x",
         KB_READ_COMPLETE},
        /* the same with view-clients */
        {"e30.eyJyZXNvdXJjZV9hY2Nlc3MiOnsicmVhbG0tbWFuYWdlbWVudCI6eyJyb2xlcyI6WyJ2aWV3LWNsaWVudHMiXX19fQ.x",
         KB_READ_SUSPECT},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        bench_open_as(&b, NULL, cases[i].token);
        bench_lie(&b, "/roles-by-id/r-a/composites", 200, "[]", 0);
        bench_run(&b);
        assert_int_equal(bench_role(&b, "r-a")->children_read.status, cases[i].want);
        assert_true(b.realm.client_composites_unread);
        bench_close(&b);
    }
}

/* ---- names, disabled, details ---- */

static void
test_unaddressable_role(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    b.hostile = true;
    bench_run(&b);
    assert_int_equal(kc_failed(b.kc, &err), 0);
    assert_int_equal(bench_role(&b, "r-c")->holders_read.status, KB_READ_FAILED);
    assert_non_null(strstr(bench_note(&b, &bench_role(&b, "r-c")->holders_read), "URL"));
    assert_int_equal(bench_role(&b, "r-a")->holders_read.status, KB_READ_COMPLETE);
    bench_close(&b);
}

static void
test_locked_out(void **state)
{
    struct bench b;

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/users?enabled=false", 200,
              "[{\"id\":\"" BOB
              "\",\"username\":\"bob\",\"enabled\":false,\"attributes\":{\"disabledReason\":"
              "[\"permanentLockout\"]}}]",
              0);
    bench_run(&b);
    assert_true(bench_user(&b, BOB)->flags & KB_USER_LOCKED_OUT);
    assert_true(bench_user(&b, BOB)->flags & KB_USER_DISABLED_STORED);
    bench_close(&b);

    /* Shown disabled, but not stored so: a directory, or a lockout. */
    bench_open(&b, NULL);
    bench_lie(&b, "/users?enabled=false", 200, "[]", 0);
    bench_run(&b);
    assert_false(bench_user(&b, BOB)->flags &
                 (KB_USER_DISABLED_STORED | KB_USER_LOCKED_OUT | KB_USER_ENABLED));
    bench_close(&b);
}

static void
test_nobody_disabled(void **state)
{
    struct bench b;

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/roles/a%2Fb/users", 200, "[" USER(ANA, "ana", "true") "]", 0);
    bench_lie(&b, "/clients/c-1/roles/viewer/users", 200, "[]", 0);
    bench_run(&b);
    assert_int_equal(b.realm.disabled_read.status, KB_READ_NOT_ASKED);
    bench_close(&b);
}

static void
test_directory_and_hidden_email(void **state)
{
    struct bench b;

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/groups/g-1/members", 200,
              "[{\"id\":\"" ANA "\",\"username\":\"ana\",\"enabled\":true,\"federationLink\":\"dir-1\"},"
              "{\"id\":\"f:dir-2:joe\",\"username\":\"joe\",\"enabled\":true}]",
              0);
    bench_run(&b);
    assert_string_equal(kb_realm_str(&b.realm, bench_user(&b, ANA)->directory), "dir-1");
    assert_string_equal(kb_realm_str(&b.realm, bench_user(&b, ANA)->email), "ana@x.example");
    assert_string_equal(kb_realm_str(&b.realm, bench_user(&b, "f:dir-2:joe")->directory), "dir-2");
    assert_int_equal(bench_user(&b, "f:dir-2:joe")->email, 0);
    bench_close(&b);
}

static void
test_duplicates_are_counted(void **state)
{
    struct bench b;

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/groups/g-1/members", 200, "[" USER(ANA, "ana", "true") "," USER(ANA, "ana", "true") "]",
              0);
    bench_run(&b);
    assert_int_equal(bench_group(&b, "g-1")->members_read.status, KB_READ_COMPLETE);
    assert_int_equal(bench_group(&b, "g-1")->members_read.rows, 2);
    assert_int_equal(bench_group(&b, "g-1")->members_read.distinct, 1);
    assert_int_equal(bench_group(&b, "g-1")->members.len, 1);
    bench_close(&b);
}

static void
test_full_representation(void **state)
{
    const struct kc_opts opts = {.user_attribute = "dept"};
    struct bench b;

    (void) state;
    bench_open(&b, &opts);
    bench_lie(
        &b, "/groups/g-1/members?briefRepresentation=false&max=-1", 200,
        "[{\"id\":\"" ANA "\",\"username\":\"ana\",\"enabled\":true,\"attributes\":{\"dept\":[\"ml\"]}}]", 0);
    bench_run(&b);
    assert_int_equal(bench_group(&b, "g-1")->members_read.status, KB_READ_COMPLETE);
    assert_string_equal(kb_realm_str(&b.realm, bench_user(&b, ANA)->attribute), "ml");
    assert_int_equal(
        wire_count(b.wire, NULL, "/admin/realms/my%20realm/roles/b/users?briefRepresentation=false"), 1);
    bench_close(&b);
}

/* Freed in the middle: what waits is freed with it. */
static void
test_abandoned(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    assert_int_equal(kc_read_catalog(b.kc, &err), 0);
    assert_int_equal(kc_failed(b.kc, &err), -KB_E_STOPPED);
    kb_http_free(b.http);
    b.http = NULL;
    kc_free(b.kc);
    wire_stop(b.wire);
    kb_realm_done(&b.realm);
}

static void
test_bad_realm_name(void **state)
{
    struct kb_realm realm = {0};
    const struct kc_opts opts = {0};
    struct kb_error err = {0};
    struct kc *kc = NULL;

    (void) state;
    assert_int_equal(kc_new(NULL, "http://127.0.0.1:1", "..", &opts, &realm, &kc, &err), -KB_E_CONFIG);
    assert_null(kc);
    kb_realm_done(&realm);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_with_clients),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_empty_composite),
        cmocka_unit_test(test_unaddressable_role),
        cmocka_unit_test(test_locked_out),
        cmocka_unit_test(test_nobody_disabled),
        cmocka_unit_test(test_directory_and_hidden_email),
        cmocka_unit_test(test_duplicates_are_counted),
        cmocka_unit_test(test_full_representation),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_bad_realm_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
