/* Admin events: each act an administrator can do, and rows that no server should send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keycloak/event_decode.h"

#include <stdio.h>
#include <string.h>

#define UID "5b0f0000-0000-4000-8000-000000000001"
#define GID "0c6b0000-0000-4000-8000-000000000002"
#define RID "7e000000-0000-4000-8000-000000000003"
#define WHO \
    "\"authDetails\":{\"realmId\":\"R\",\"clientId\":\"c\",\"userId\":\"" UID "\",\"ipAddress\":\"::1\"}"
#define ROW(op, type, path, more)                                                             \
    "[{\"id\":\"e\",\"time\":1767225600123,\"realmId\":\"R\"," WHO ",\"operationType\":\"" op \
    "\",\"resourceType\":\"" type "\",\"resourcePath\":\"" path "\"" more "}]"
#define REP(json) ",\"representation\":\"" json "\""
#define ROLE "[{\\\"id\\\":\\\"" RID "\\\",\\\"name\\\":\\\"ml\\\",\\\"clientRole\\\":false}]"
#define CLIENT_ROLE "[{\\\"id\\\":\\\"" RID "\\\",\\\"name\\\":\\\"ml\\\",\\\"clientRole\\\":true}]"

struct seen {
    unsigned len;
    char text[1024];
};

static void
on_event(void *userdata, const struct kb_event *e)
{
    struct seen *seen = userdata;
    size_t len = strlen(seen->text);

    seen->len++;
    (void) snprintf(seen->text + len, sizeof(seen->text) - len, "%d%c %s %s %s%s;", (int) e->what,
                    e->gave ? '+' : '-', e->holder, e->id ? e->id : "-", e->name ? e->name : "-",
                    e->actor_elsewhere ? " elsewhere" : "");
    assert_int_equal(e->at_ms, 1767225600123);
    assert_string_equal(e->actor, UID);
}

/* Feeds byte by byte as well: the result must not depend on how the bytes are cut. */
static int
decode(const char *json, bool cut, struct seen *seen, uint32_t *rows, uint32_t *bad, bool *bare)
{
    struct kc_event_sink sink = {.fn = on_event, .userdata = seen};
    struct kc_event_rows *page = NULL;
    struct kb_error err = {0};
    size_t len = strlen(json);
    int r = 0;

    *seen = (struct seen){0};
    assert_int_equal(kc_event_rows_new(&sink, &page, &err), 0);
    for (size_t i = 0; cut && r >= 0 && i < len; i++)
        r = kc_event_rows_feed(page, json + i, 1, &err);
    if (!cut)
        r = kc_event_rows_feed(page, json, len, &err);
    if (r >= 0)
        r = kc_event_rows_end(page, rows, bad, &err);
    *bare = sink.bare;
    kc_event_rows_free(page);
    return r;
}

static void
test_good(void **state)
{
    (void) state;

    static const struct {
        const char *json, *want;
        bool bare;
    } table[] = {
        {ROW("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP(ROLE)),
         "1+ " UID " " RID " ml;", false},
        {ROW("DELETE", "REALM_ROLE_MAPPING", "groups/" GID "/role-mappings/realm", REP(ROLE)),
         "2- " GID " " RID " ml;", false},
        {ROW("CREATE", "REALM_ROLE_MAPPING", "users//" UID "/role-mappings//realm", REP(ROLE)),
         "1+ " UID " " RID " ml;", false},
        {ROW("CREATE", "REALM_ROLE_MAPPING", "users/f:ldap:uid=a/b,dc=x/role-mappings/realm", REP(ROLE)),
         "1+ f:ldap:uid=a/b,dc=x " RID " ml;", false},
        {ROW("CREATE", "CLIENT_ROLE_MAPPING", "users/" UID "/role-mappings/clients/c-1", REP(CLIENT_ROLE)),
         "1+ " UID " " RID " -;", false},
        {ROW("CREATE", "CLIENT_ROLE_MAPPING", "groups/" GID "/role-mappings/clients/c-1", REP(ROLE)),
         "2+ " GID " " RID " ml;", false},
        {ROW("CREATE", "GROUP_MEMBERSHIP", "users/" UID "/groups/" GID,
             REP("{\\\"id\\\":\\\"x\\\",\\\"path\\\":\\\"/data/ml\\\"}")),
         "0+ " UID " " GID " /data/ml;", false},
        {ROW("DELETE", "GROUP_MEMBERSHIP", "users/" UID "/groups/" GID, ""), "0- " UID " " GID " -;", false},
        {ROW("CREATE", "REALM_ROLE", "roles/a/b/composites", REP(ROLE)), "3+ a/b " RID " ml;", false},
        {ROW("DELETE", "REALM_ROLE", "roles-by-id/" RID "/composites", REP(ROLE)), "3- " RID " " RID " ml;",
         false},
        {ROW("DELETE", "REALM_ROLE", "roles/ml", ""), "4- ml - ml;", false},
        {ROW("DELETE", "REALM_ROLE", "roles-by-id/" RID, ""), "4- " RID " " RID " -;", false},
        {ROW("UPDATE", "GROUP", "groups/" GID "/children", REP("{\\\"id\\\":\\\"g-9\\\"}")), "5+ g-9 - -;",
         false},
        {ROW("UPDATE", "USER", "users/" UID, REP("{\\\"enabled\\\":false}")), "6- " UID " - -;", false},
        {ROW("UPDATE", "USER", "users/" UID, REP("{\\\"enabled\\\":true}")), "6+ " UID " - -;", false},
        {ROW("DELETE", "USER", "users/" UID, ""), "7- " UID " - -;", false},
        /* nothing that explains a membership */
        {ROW("CREATE", "USER", "users/" UID, REP("{\\\"enabled\\\":true}")), "", false},
        {ROW("UPDATE", "USER", "users/" UID, REP("{\\\"firstName\\\":\\\"x\\\"}")), "", false},
        {ROW("ACTION", "USER", "users/" UID "/reset-password", ""), "", false},
        {ROW("UPDATE", "REALM_ROLE", "roles/ml", REP("{}")), "", false},
        {ROW("CREATE", "GROUP", "groups/" GID "/children", REP("{}")), "", false},
        {ROW("CREATE", "CLIENT", "clients/x", REP("{}")), "", false},
        {ROW("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm",
             REP(ROLE) ",\"error\":\"not allowed\""),
         "", false},
        /* without details */
        {ROW("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", ""), "", true},
        {ROW("UPDATE", "USER", "users/" UID, REP("")), "", true},
        {"[]", "", false},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        for (int cut = 0; cut < 2; cut++) {
            struct seen seen;
            uint32_t rows = 0, bad = 0;
            bool bare;
            if (decode(table[i].json, cut, &seen, &rows, &bad, &bare) < 0 || bad ||
                strcmp(seen.text, table[i].want) != 0 || bare != table[i].bare)
                fail_msg("case %zu: %s: got '%s', bad %u", i, table[i].json, seen.text, bad);
        }
}

/* Each is one row that is counted and passed over; the good row behind it is still there. */
static void
test_bad_rows(void **state)
{
    (void) state;

    static const char *const table[] = {
        "1",
        "null",
        "\"x\"",
        "[]",
        "{}",
        "{\"time\":1767225600123}",
#define BAD(op, type, path, more) ROW(op, type, path, more)
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID, REP(ROLE)),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users//role-mappings/realm", REP(ROLE)),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/a b/role-mappings/realm", REP(ROLE)),
        BAD("CREATE", "REALM_ROLE_MAPPING", "roles/" UID "/role-mappings/realm", REP(ROLE)),
        BAD("CREATE", "REALM_ROLE_MAPPING", "", REP(ROLE)),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP("{}")),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP("[1]")),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP("[{}]")),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP("[{\\\"name\\\":1}]")),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm",
            REP("[{\\\"name\\\":\\\"x\\\",\\\"id\\\":\\\"a b\\\"}]")),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP("not json")),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP("[{")),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP("null")),
        BAD("CREATE", "REALM_ROLE_MAPPING", "users/" UID "/role-mappings/realm", ",\"representation\":7"),
        BAD("CREATE", "CLIENT_ROLE_MAPPING", "users/" UID "/role-mappings/realm", REP(ROLE)),
        BAD("CREATE", "CLIENT_ROLE_MAPPING", "/role-mappings/clients/c-1", REP(ROLE)),
        BAD("CREATE", "GROUP_MEMBERSHIP", "users/" UID "/groups/", ""),
        BAD("CREATE", "GROUP_MEMBERSHIP", "users/" UID "/groups", ""),
        BAD("CREATE", "GROUP_MEMBERSHIP", "users/" UID "/roles/" GID, ""),
        BAD("CREATE", "GROUP_MEMBERSHIP", "groups/" GID, ""),
        BAD("CREATE", "GROUP_MEMBERSHIP", "users/" UID "/groups/" GID, REP("{")),
        BAD("CREATE", "GROUP_MEMBERSHIP", "users/" UID "/groups/" GID, REP("{\\\"path\\\":1}")),
        BAD("CREATE", "GROUP_MEMBERSHIP", "users/" UID "/groups/" GID,
            REP("{\\\"path\\\":\\\"a\\\\u0000b\\\"}")),
        BAD("DELETE", "REALM_ROLE", "roles", ""),
        BAD("DELETE", "REALM_ROLE", "roles/", ""),
        BAD("UPDATE", "GROUP", "groups/" GID "/children", REP("[]")),
        BAD("UPDATE", "GROUP", "groups/" GID "/children", REP("{\\\"id\\\":\\\"a/b\\\"}")),
        BAD("UPDATE", "USER", "users/" UID, REP("{\\\"enabled\\\":\\\"false\\\"}")),
        BAD("UPDATE", "USER", "users/" UID, REP("{\\\"enabled\\\":0}")),
    };

    static const char good[] = ROW("DELETE", "USER", "users/" UID, "");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char json[4096];
        struct seen seen;
        uint32_t rows = 0, bad = 0;
        bool bare;
        size_t len = strlen(table[i]);
        bool row = len > 2 && table[i][0] == '['; /* without its brackets */
        (void) snprintf(json, sizeof(json), "[%.*s,%s", (int) (row ? len - 2 : len), table[i] + (row ? 1 : 0),
                        good + 1);
        if (decode(json, i % 2, &seen, &rows, &bad, &bare) < 0 || rows != 2 || bad != 1 || seen.len != 1)
            fail_msg("case %zu: %s: rows %u bad %u seen %u", i, json, rows, bad, seen.len);
    }
}

static void
test_bad_heads(void **state)
{
    (void) state;

    static const struct {
        const char *from, *to;
    } table[] = {
        {"1767225600123", "\"1767225600123\""},
        {"1767225600123", "-1"},
        {"1767225600123", "0"},
        {"1767225600123", "999"},
        {"1767225600123", "253402300800000"},
        {"1767225600123", "9223372036854775807"},
        {"1767225600123", "1.5"},
        {"1767225600123", "null"},
        {"\"userId\":\"" UID "\"", "\"userId\":\"\""},
        {"\"userId\":\"" UID "\"", "\"userId\":\"../x\""},
        {"\"userId\":\"" UID "\"", "\"user\":\"x\""},
        {"\"authDetails\"", "\"auth\""},
        {"\"operationType\":\"DELETE\"", "\"operationType\":null"},
        {"\"resourceType\":\"USER\"", "\"resourceType\":[]"},
        {"\"resourcePath\":\"users", "\"resource\":\"users"},
        {"\"realmId\":\"R\",\"auth", "\"realmId\":{},\"auth"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        static const char good[] = ROW("DELETE", "USER", "users/" UID, "");
        char json[4096];
        struct seen seen;
        uint32_t rows = 0, bad = 0;
        bool bare;
        const char *at = strstr(good, table[i].from);
        assert_non_null(at);
        (void) snprintf(json, sizeof(json), "%.*s%s%s", (int) (at - good), good, table[i].to,
                        at + strlen(table[i].from));
        if (decode(json, i % 2, &seen, &rows, &bad, &bare) < 0 || rows != 1 || bad != 1 || seen.len)
            fail_msg("case %zu: %s: rows %u bad %u", i, json, rows, bad);
    }
}

static void
test_bad_pages(void **state)
{
    (void) state;

    static const char *const table[] = {"",      "{}",  "null", "7",      "[",     "[{}",
                                        "[{},]", "[]]", "[] x", "<html>", "[\xff]"};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct seen seen;
        uint32_t rows = 0, bad = 0;
        bool bare;
        if (decode(table[i], i % 2, &seen, &rows, &bad, &bare) >= 0)
            fail_msg("page '%s' was taken", table[i]);
    }
}

static void
test_elsewhere(void **state)
{
    static const char json[] =
        "[{\"time\":1767225600123,\"realmId\":\"other\"," WHO
        ",\"operationType\":\"DELETE\",\"resourceType\":\"USER\",\"resourcePath\":\"users/" UID "\"}]";
    struct seen seen;
    uint32_t rows, bad;
    bool bare;

    (void) state;
    assert_int_equal(decode(json, false, &seen, &rows, &bad, &bare), 0);
    assert_string_equal(seen.text, "7- " UID " - - elsewhere;");
}

static void
test_config(void **state)
{
    (void) state;

    static const struct {
        const char *json;
        bool good, on, details;
    } table[] = {
        {"{\"adminEventsEnabled\":true,\"adminEventsDetailsEnabled\":true}", true, true, true},
        {"{\"adminEventsEnabled\":true,\"adminEventsDetailsEnabled\":false,\"x\":[]}", true, true, false},
        {"{\"adminEventsEnabled\":false}", true, false, false},
        {"{}", false, false, false},
        {"[]", false, false, false},
        {"true", false, false, false},
        {"", false, false, false},
        {"{\"adminEventsEnabled\":\"true\"}", false, false, false},
        {"{\"adminEventsEnabled\":null}", false, false, false},
        {"{\"adminEventsEnabled\":true,\"adminEventsDetailsEnabled\":1}", false, false, false},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct kb_error err = {0};
        bool on = false, details = false;
        int r = kc_decode_events_config(table[i].json, strlen(table[i].json), &on, &details, &err);
        if ((r >= 0) != table[i].good || (r >= 0 && (on != table[i].on || details != table[i].details)))
            fail_msg("case '%s'", table[i].json);
    }
}

static void
test_username(void **state)
{
    (void) state;

    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"id\":\"u-1\"}",
                                      "{\"id\":\"u-2\",\"username\":\"x\",\"enabled\":true}",
                                      "{\"id\":\"u-1\",\"username\":\"\",\"enabled\":true}"};
    static const char good[] = "{\"id\":\"u-1\",\"username\":\"p.okafor\",\"enabled\":true}";
    struct kb_error err = {0};
    char *name = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (kc_decode_username(bad[i], strlen(bad[i]), "u-1", &name, &err) >= 0)
            fail_msg("'%s' was taken", bad[i]);
    assert_null(name);
    assert_int_equal(kc_decode_username(good, strlen(good), "u-1", &name, &err), 0);
    assert_string_equal(name, "p.okafor");
    free(name);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_bad_rows),  cmocka_unit_test(test_bad_heads),
        cmocka_unit_test(test_bad_pages), cmocka_unit_test(test_elsewhere), cmocka_unit_test(test_config),
        cmocka_unit_test(test_username),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
