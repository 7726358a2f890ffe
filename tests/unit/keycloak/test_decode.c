/* keycloak/decode: Keycloak's JSON into rows, and everything that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "keycloak/decode.h"

#include <stdio.h>
#include <string.h>

#define UID "5b0f6c1e-8a4c-4f0e-9b55-1f6f0a6d2c11"

static char got[2048];

static int
grant(void *userdata, const char *client, const char *role, struct kb_error *err)
{
    (void) userdata;
    (void) err;
    size_t len = strlen(got);
    (void) snprintf(got + len, sizeof(got) - len, " +%s%s%s", client ? client : "", client ? ":" : "", role);
    return 0;
}

static const char *
or_dash(const char *s)
{
    return s ? s : "-";
}

/* Writes down what the row holds. */
static int
show(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    size_t len = strlen(got);
    char *at = got + len;
    size_t room = sizeof(got) - len;

    (void) userdata;
    switch (row->kind) {
    case KC_ROW_USER:
        (void) snprintf(at, room, "%s|%s|%s|%s|%s%s%s%s|%s;", row->user.id, row->user.username,
                        or_dash(row->user.email), or_dash(row->user.federation), row->user.enabled ? "e" : "",
                        row->user.email_verified ? "v" : "", row->user.service_account ? "s" : "",
                        row->user.locked_out ? "l" : "", or_dash(row->user.attribute));
        return 0;
    case KC_ROW_ROLE:
        (void) snprintf(at, room, "%s|%s|%s|%s%s;", row->role.id, row->role.name,
                        or_dash(row->role.container), row->role.composite ? "c" : "",
                        row->role.client_role ? "k" : "");
        return 0;
    case KC_ROW_GROUP:
        (void) snprintf(at, room, "%s|%s|%s|%s|%d;", row->group.id, row->group.name, row->group.path,
                        or_dash(row->group.parent), row->group.roles_shown);
        return kc_decode_grants(&row->group, grant, NULL, err);
    case KC_ROW_CLIENT:
        (void) snprintf(at, room, "%s|%s;", row->client.id, row->client.client_id);
        return 0;
    case KC_ROW_COMPONENT:
        (void) snprintf(at, room, "%s|%s|%s;", row->component.id, row->component.name,
                        row->component.off ? "off" : "");
        return 0;
    }
    return kb_fail(err, KB_E_BUG, "a row of no kind");
}

static int
decode(enum kc_row_kind kind, const char *json, size_t size, struct kb_error *err)
{
    const struct kc_row_opts opts = {.kind = kind, .attributes = {"dept", "app"}, .fn = show};

    got[0] = '\0';
    *err = (struct kb_error){0};
    return kc_decode_object(json, size, &opts, err);
}

struct good {
    const char *name;
    enum kc_row_kind kind;
    const char *json, *want;
};

static const struct good goods[] = {
    {"brief user", KC_ROW_USER,
     "{\"id\":\"" UID
     "\",\"username\":\"ana\",\"firstName\":\"A\",\"lastName\":\"L\",\"email\":\"a@x.example\","
     "\"emailVerified\":true,\"enabled\":true,\"createdTimestamp\":1751328000123,\"access\":{\"manage\":"
     "false}}",
     UID "|ana|a@x.example|-|ev|-;"},
    {"no e-mail", KC_ROW_USER, "{\"id\":\"" UID "\",\"username\":\"ana\",\"enabled\":false}",
     UID "|ana|-|-||-;"},
    {"null and empty are absent", KC_ROW_USER,
     "{\"id\":\"" UID "\",\"username\":\"ana\",\"enabled\":true,\"email\":\"\",\"emailVerified\":null,"
     "\"federationLink\":null,\"attributes\":null}",
     UID "|ana|-|-|e|-;"},
    {"federated", KC_ROW_USER,
     "{\"id\":\"" UID "\",\"username\":\"ana\",\"enabled\":true,\"federationLink\":\"c-1\"}",
     UID "|ana|-|c-1|e|-;"},
    {"not imported", KC_ROW_USER,
     "{\"id\":\"f:" UID ":uid=ana,ou=p/x\",\"username\":\"ana\",\"enabled\":true}",
     "f:" UID ":uid=ana,ou=p/x|ana|-|-|e|-;"},
    {"locked out", KC_ROW_USER,
     "{\"id\":\"" UID "\",\"username\":\"ana\",\"enabled\":false,\"attributes\":{\"disabledReason\":"
     "[\"permanentLockout\"]}}",
     UID "|ana|-|-|l|-;"},
    {"an empty reason is none", KC_ROW_USER,
     "{\"id\":\"" UID "\",\"username\":\"ana\",\"enabled\":false,\"attributes\":{\"disabledReason\":[]}}",
     UID "|ana|-|-||-;"},
    {"attribute of people", KC_ROW_USER,
     "{\"id\":\"" UID
     "\",\"username\":\"ana\",\"enabled\":true,\"attributes\":{\"dept\":[\"ml\"],\"app\":[\"z\"]}}",
     UID "|ana|-|-|e|ml;"},
    {"attribute of service accounts", KC_ROW_USER,
     "{\"id\":\"" UID
     "\",\"username\":\"service-account-bot\",\"enabled\":true,\"attributes\":{\"dept\":[\"ml\"],"
     "\"app\":[\"z\"]}}",
     UID "|service-account-bot|-|-|es|z;"},
    {"two values are none", KC_ROW_USER,
     "{\"id\":\"" UID "\",\"username\":\"ana\",\"enabled\":true,\"attributes\":{\"dept\":[\"ml\",\"bi\"]}}",
     UID "|ana|-|-|e|-;"},
    {"an empty value is none", KC_ROW_USER,
     "{\"id\":\"" UID "\",\"username\":\"ana\",\"enabled\":true,\"attributes\":{\"dept\":[\"\"]}}",
     UID "|ana|-|-|e|-;"},
    {"attributes of others may be anything", KC_ROW_USER,
     "{\"id\":\"" UID "\",\"username\":\"ana\",\"enabled\":true,\"attributes\":{\"x\":7}}",
     UID "|ana|-|-|e|-;"},
    {"a prefix is not a name", KC_ROW_USER,
     "{\"id\":\"" UID "\",\"username\":\"service-accountant\",\"enabled\":true}",
     UID "|service-accountant|-|-|e|-;"},
    {"realm role", KC_ROW_ROLE,
     "{\"id\":\"" UID
     "\",\"name\":\"a/b;c%\",\"composite\":true,\"clientRole\":false,\"containerId\":\"My Realm\"}",
     UID "|a/b;c%|My Realm|c;"},
    {"client role", KC_ROW_ROLE,
     "{\"id\":\"r-1\",\"name\":\"viewer\",\"composite\":false,\"clientRole\":true,\"containerId\":\"c-1\","
     "\"attributes\":{}}",
     "r-1|viewer|c-1|k;"},
    {"role without container", KC_ROW_ROLE,
     "{\"id\":\"r-1\",\"name\":\"v\",\"composite\":false,\"clientRole\":false}", "r-1|v|-|;"},
    {"group", KC_ROW_GROUP,
     "{\"id\":\"g-1\",\"name\":\"ml/ops\",\"path\":\"/eng/ml/ops\",\"parentId\":\"g-0\",\"subGroups\":[],"
     "\"realmRoles\":[\"dbx-ml\",\"x y\"],\"clientRoles\":{\"portal\":[\"viewer\"],\"o\":null,\"p\":[]}}",
     "g-1|ml/ops|/eng/ml/ops|g-0|1; +dbx-ml +x y +portal:viewer"},
    {"brief group", KC_ROW_GROUP, "{\"id\":\"g-1\",\"name\":\"ml\",\"path\":\"/ml\"}", "g-1|ml|/ml|-|0;"},
    {"group, nulls", KC_ROW_GROUP,
     "{\"id\":\"g-1\",\"name\":\"ml\",\"path\":\"/"
     "ml\",\"parentId\":null,\"realmRoles\":null,\"clientRoles\":null}",
     "g-1|ml|/ml|-|0;"},
    {"client with a secret", KC_ROW_CLIENT,
     "{\"id\":\"c-1\",\"clientId\":\"portal\",\"secret\":\"s3cret\",\"attributes\":{\"a\":\"b\"}}",
     "c-1|portal;"},
};

static void
test_good(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(goods); i++) {
        struct kb_error err;
        if (decode(goods[i].kind, goods[i].json, strlen(goods[i].json), &err) < 0)
            fail_msg("'%s': %s", goods[i].name, err.msg);
        if (strcmp(got, goods[i].want) != 0)
            fail_msg("'%s': got %s", goods[i].name, got);
    }
}

/* ---- each field missing, null, of each other type, empty, with a NUL inside ---- */

struct field {
    enum kc_row_kind kind;
    const char *key, *good; /* its JSON value */
    bool required;
    bool empty_ok; /* "" counts as absent (or as any text) */
};

static const struct field fields[] = {
    {KC_ROW_USER, "id", "\"u-1\"", true, false},
    {KC_ROW_USER, "username", "\"ana\"", true, false},
    {KC_ROW_USER, "email", "\"a@x\"", false, true},
    {KC_ROW_USER, "federationLink", "\"c-1\"", false, true},
    {KC_ROW_USER, "enabled", "true", true, false},
    {KC_ROW_USER, "emailVerified", "true", false, false},
    {KC_ROW_USER, "attributes", "{\"dept\":[\"x\"]}", false, false},
    {KC_ROW_ROLE, "id", "\"r-1\"", true, false},
    {KC_ROW_ROLE, "name", "\"r\"", true, false},
    {KC_ROW_ROLE, "containerId", "\"c-1\"", false, true},
    {KC_ROW_ROLE, "composite", "false", true, false},
    {KC_ROW_ROLE, "clientRole", "false", true, false},
    {KC_ROW_GROUP, "id", "\"g-1\"", true, false},
    {KC_ROW_GROUP, "name", "\"g\"", true, false},
    {KC_ROW_GROUP, "path", "\"/g\"", true, false},
    {KC_ROW_GROUP, "parentId", "\"g-0\"", false, true},
    {KC_ROW_GROUP, "realmRoles", "[\"a\"]", false, false},
    {KC_ROW_GROUP, "clientRoles", "{\"c\":[\"a\"]}", false, false},
    {KC_ROW_CLIENT, "id", "\"c-1\"", true, false},
    {KC_ROW_CLIENT, "clientId", "\"portal\"", true, false},
};

/* The object of this kind with `field` replaced by `value`; NULL: left out. */
static size_t
compose(char *ret, size_t size, const struct field *field, const char *value)
{
    size_t len = 0;

    ret[len++] = '{';
    for (size_t i = 0; i < KB_LEN(fields); i++) {
        const struct field *f = &fields[i];
        const char *v = f == field ? value : f->good;
        if (f->kind != field->kind || !v)
            continue;
        len += (size_t) snprintf(ret + len, size - len, "%s\"%s\":%s", len > 1 ? "," : "", f->key, v);
    }
    ret[len++] = '}';
    ret[len] = '\0';
    return len;
}

static void
expect(const struct field *field, const char *value, bool fine)
{
    char json[1024];
    struct kb_error err;
    size_t len = compose(json, sizeof(json), field, value);
    int r = decode(field->kind, json, len, &err);

    if ((r >= 0) != fine)
        fail_msg("%s: %s: %s", json, fine ? "refused" : "taken", fine ? err.msg : got);
    if (r < 0) {
        assert_int_equal(err.code, KB_E_PROTOCOL);
        if (value && !strstr(err.msg, field->key) && !strstr(err.msg, "a NUL in a string"))
            fail_msg("%s: the message does not name the field: %s", json, err.msg);
    }
}

static void
test_fields(void **state)
{
    static const char *const types[] = {"\"x\"", "7", "1.5", "true", "[]", "[7]", "{}"};

    (void) state;
    for (size_t i = 0; i < KB_LEN(fields); i++) {
        const struct field *f = &fields[i];
        expect(f, f->good, true);
        expect(f, NULL, !f->required);
        expect(f, "null", !f->required);
        for (size_t k = 0; k < KB_LEN(types); k++) {
            char first = types[k][0], want = f->good[0];
            bool same = first == want || (want == 'f' && first == 't');
            bool poison = strcmp(types[k], "[7]") == 0;
            expect(f, types[k], same && !poison);
        }
        if (f->good[0] == '"') {
            expect(f, "\"\"", f->empty_ok);
            expect(f, "\"a\\u0000b\"", false);
        }
    }
}

struct bad {
    const char *name;
    enum kc_row_kind kind;
    const char *json;
};

#define USER(rest) "{\"id\":\"u-1\",\"username\":\"ana\",\"enabled\":true" rest "}"
#define GROUP(rest) "{\"id\":\"g-1\",\"name\":\"g\",\"path\":\"/g\"" rest "}"
#define LONG_32 "0123456789abcdef0123456789abcdef"

static const struct bad bads[] = {
    {"the same key twice", KC_ROW_USER, USER(",\"id\":\"u-2\"")},
    {"enabled twice", KC_ROW_USER, USER(",\"enabled\":false")},
    {"an array for a user", KC_ROW_USER, "[]"},
    {"a text for a user", KC_ROW_USER, "\"u-1\""},
    {"null", KC_ROW_USER, "null"},
    {"nothing", KC_ROW_USER, ""},
    {"HTML", KC_ROW_USER, "<!DOCTYPE html><html></html>"},
    {"something behind", KC_ROW_USER, USER("") " {}"},
    {"cut off", KC_ROW_USER, "{\"id\":\"u-1\",\"username\":\"ana\",\"enabled\":true"},
    {"an error with 200", KC_ROW_USER, "{\"error\":\"unknown_error\"}"},
    {"single quotes", KC_ROW_USER, "{'id':'u-1','username':'ana','enabled':true}"},
    {"a lone surrogate", KC_ROW_USER, "{\"id\":\"u-1\",\"username\":\"\\ud800\",\"enabled\":true}"},
    {"not UTF-8", KC_ROW_USER, "{\"id\":\"u-1\",\"username\":\"\xff\",\"enabled\":true}"},
    {"an id with a slash", KC_ROW_USER, "{\"id\":\"a/b\",\"username\":\"ana\",\"enabled\":true}"},
    {"an id of dots", KC_ROW_USER, "{\"id\":\"..\",\"username\":\"ana\",\"enabled\":true}"},
    {"an id with a blank", KC_ROW_USER, "{\"id\":\"u 1\",\"username\":\"ana\",\"enabled\":true}"},
    {"an id with a line break", KC_ROW_USER, "{\"id\":\"f:c:a\\nb\",\"username\":\"ana\",\"enabled\":true}"},
    {"an id of 37 characters", KC_ROW_USER,
     "{\"id\":\"" LONG_32 "01234\",\"username\":\"ana\",\"enabled\":true}"},
    {"f: without a component", KC_ROW_USER, "{\"id\":\"f::x\",\"username\":\"ana\",\"enabled\":true}"},
    {"f: without an external id", KC_ROW_USER, "{\"id\":\"f:c:\",\"username\":\"ana\",\"enabled\":true}"},
    {"f: alone", KC_ROW_USER, "{\"id\":\"f:\",\"username\":\"ana\",\"enabled\":true}"},
    {"attribute as a text", KC_ROW_USER, USER(",\"attributes\":{\"dept\":\"ml\"}")},
    {"attribute with a number in it", KC_ROW_USER, USER(",\"attributes\":{\"dept\":[\"ml\",7]}")},
    {"attribute with null in it", KC_ROW_USER, USER(",\"attributes\":{\"dept\":[null]}")},
    {"attribute with NUL", KC_ROW_USER, USER(",\"attributes\":{\"dept\":[\"m\\u0000l\"]}")},
    {"reason as a text", KC_ROW_USER, USER(",\"attributes\":{\"disabledReason\":\"x\"}")},
    {"client role without container", KC_ROW_ROLE,
     "{\"id\":\"r-1\",\"name\":\"r\",\"composite\":false,\"clientRole\":true}"},
    {"client role in a container with a slash", KC_ROW_ROLE,
     "{\"id\":\"r-1\",\"name\":\"r\",\"composite\":false,\"clientRole\":true,\"containerId\":\"../x\"}"},
    {"role name as a number", KC_ROW_GROUP, GROUP(",\"realmRoles\":[7]")},
    {"role name null", KC_ROW_GROUP, GROUP(",\"realmRoles\":[null]")},
    {"role name empty", KC_ROW_GROUP, GROUP(",\"realmRoles\":[\"\"]")},
    {"role name with NUL", KC_ROW_GROUP, GROUP(",\"realmRoles\":[\"a\\u0000\"]")},
    {"role as an object", KC_ROW_GROUP, GROUP(",\"realmRoles\":[{\"name\":\"a\"}]")},
    {"client roles as a list", KC_ROW_GROUP, GROUP(",\"clientRoles\":[\"a\"]")},
    {"client roles of a client as a text", KC_ROW_GROUP, GROUP(",\"clientRoles\":{\"c\":\"a\"}")},
    {"client roles of no client", KC_ROW_GROUP, GROUP(",\"clientRoles\":{\"\":[\"a\"]}")},
    {"client role name as a number", KC_ROW_GROUP, GROUP(",\"clientRoles\":{\"c\":[1]}")},
    {"the same client twice", KC_ROW_GROUP, GROUP(",\"clientRoles\":{\"c\":[\"a\"],\"c\":[\"b\"]}")},
};

static void
test_bad(void **state)
{
    (void) state;
    assert_true(KB_LEN(bads) > KB_LEN(goods));
    for (size_t i = 0; i < KB_LEN(bads); i++) {
        struct kb_error err;
        if (decode(bads[i].kind, bads[i].json, strlen(bads[i].json), &err) >= 0)
            fail_msg("'%s' was taken: %s", bads[i].name, got);
        assert_int_equal(err.code, KB_E_PROTOCOL);
    }
}

static void
test_long_name(void **state)
{
    static char json[KC_TEXT_SIZE + 100];
    struct kb_error err;
    int len;

    (void) state;
    len = snprintf(json, sizeof(json), "{\"id\":\"u-1\",\"enabled\":true,\"username\":\"%0*d\"}",
                   KC_TEXT_SIZE - 1, 0);
    assert_int_equal(decode(KC_ROW_USER, json, (size_t) len, &err), 0);
    len = snprintf(json, sizeof(json), "{\"id\":\"u-1\",\"enabled\":true,\"username\":\"%0*d\"}",
                   KC_TEXT_SIZE, 0);
    assert_int_equal(decode(KC_ROW_USER, json, (size_t) len, &err), -KB_E_PROTOCOL);
}

/* ---- lists ---- */

static void
test_list(void **state)
{
    const struct kc_row_opts opts = {.kind = KC_ROW_CLIENT, .fn = show};
    static const char two[] = "[{\"id\":\"a\",\"clientId\":\"x\"},{\"id\":\"b\",\"clientId\":\"y\"}]";
    static const char *const wrong[] = {"",
                                        "{}",
                                        "null",
                                        "[",
                                        "[{\"id\":\"a\",\"clientId\":\"x\"}",
                                        "[{\"id\":\"a\",\"clientId\":\"x\"},]",
                                        "[null]",
                                        "[[]]",
                                        "[] []",
                                        "[{\"id\":\"a\",\"clientId\":\"x\"}{}]",
                                        "<html>"};
    struct kb_error err = {0};
    struct kc_rows *rows = NULL;

    (void) state;
    got[0] = '\0';
    assert_int_equal(kc_decode_list(two, sizeof(two) - 1, &opts, &err), 0);
    assert_string_equal(got, "a|x;b|y;");
    got[0] = '\0';
    assert_int_equal(kc_decode_list("[]", 2, &opts, &err), 0);
    assert_string_equal(got, "");
    for (size_t i = 0; i < KB_LEN(wrong); i++)
        assert_int_equal(kc_decode_list(wrong[i], strlen(wrong[i]), &opts, &err), -KB_E_PROTOCOL);

    /* Byte by byte, and from the first byte again. */
    got[0] = '\0';
    assert_int_equal(kc_rows_new(&opts, &rows, &err), 0);
    assert_int_equal(kc_rows_feed(rows, two, 40, &err), 0);
    kc_rows_reset(rows);
    got[0] = '\0';
    for (size_t i = 0; i + 1 < sizeof(two); i++)
        assert_int_equal(kc_rows_feed(rows, two + i, 1, &err), 0);
    assert_int_equal(kc_rows_end(rows, &err), 0);
    assert_string_equal(got, "a|x;b|y;");
    kc_rows_free(rows);
}

/* ---- ids, counts, refusals ---- */

static void
test_ids(void **state)
{
    char component[KC_ID_SIZE], longest[KC_ID_SIZE + 2];

    (void) state;
    assert_true(kc_id_valid(UID));
    assert_true(kc_id_valid("g-1"));
    assert_true(kc_id_valid("f:" UID ":a b/\xC3\xBC:c"));
    assert_false(kc_id_valid(""));
    assert_false(kc_id_valid("-a"));
    assert_false(kc_id_valid("."));
    assert_false(kc_id_valid("a:b"));
    assert_false(kc_id_valid("F:c:x"));
    assert_true(kc_id_component("f:c-1:x:y", component));
    assert_string_equal(component, "c-1");
    assert_false(kc_id_component(UID, component));
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "f:c:", 4);
    longest[KC_ID_SIZE - 1] = '\0';
    assert_true(kc_id_valid(longest));
    longest[KC_ID_SIZE - 1] = 'x';
    longest[KC_ID_SIZE] = '\0';
    assert_false(kc_id_valid(longest));
}

static void
test_counts(void **state)
{
    static const char *const bad_groups[] = {"",
                                             "7",
                                             "{}",
                                             "{\"count\":\"7\"}",
                                             "{\"count\":-1}",
                                             "{\"count\":7.0}",
                                             "{\"count\":null}",
                                             "{\"count\":2147483648}",
                                             "{\"count\":7",
                                             "[7]",
                                             "<html>"};
    static const char *const bad_users[] = {
        "",   "-1", "x",          "7.0", "{\"count\":7}", "07",
        " 7", "7 ", "2147483648", "[7]", "null",          "99999999999999999999"};
    struct kb_error err = {0};
    uint32_t count = 5;

    (void) state;
    assert_int_equal(kc_decode_group_count("{\"count\":200}", 13, &count, &err), 0);
    assert_int_equal(count, 200);
    assert_int_equal(kc_decode_user_count("2000", 4, &count, &err), 0);
    assert_int_equal(count, 2000);
    for (size_t i = 0; i < KB_LEN(bad_groups); i++)
        if (kc_decode_group_count(bad_groups[i], strlen(bad_groups[i]), &count, &err) >= 0)
            fail_msg("groups: %s was taken", bad_groups[i]);
    for (size_t i = 0; i < KB_LEN(bad_users); i++)
        if (kc_decode_user_count(bad_users[i], strlen(bad_users[i]), &count, &err) >= 0)
            fail_msg("users: %s was taken", bad_users[i]);
    assert_int_equal(count, 2000);
    assert_true(kc_decode_user_count("7\0", 2, &count, &err) < 0); /* found by tests/fuzz */
    assert_true(kc_decode_user_count("7\0garbage", 9, &count, &err) < 0);
    assert_int_equal(count, 2000);
}

/* A server's words are cut to fit, but never inside a letter: they go on into JSON. Found by tests/fuzz. */
static void
test_long_refusal(void **state)
{
    char body[1024];
    struct kc_refusal refusal;

    (void) state;
    for (size_t lead = 0; lead < 4; lead++) {
        size_t len = (size_t) snprintf(body, sizeof(body), "{\"errorMessage\":\"%.*s", (int) lead, "aaaa");
        for (size_t i = 0; i < 100; i++)
            len += (size_t) snprintf(body + len, sizeof(body) - len, "\xf0\x9f\x98\x80");
        len += (size_t) snprintf(body + len, sizeof(body) - len, "\"}");
        assert_true(kc_decode_refusal(body, len, &refusal));
        assert_int_equal(strlen(refusal.error), sizeof(refusal.error) - 1);
        assert_true(kb_utf8_valid(refusal.error, strlen(refusal.error)));
    }
}

static void
test_refusals(void **state)
{
    static const struct {
        const char *body, *error, *description;
        bool own;
    } cases[] = {
        {"{\"error\":\"User not found\"}", "User not found", "", true},
        {"{\"error\":\"e\",\"error_description\":\"d\"}", "e", "d", true},
        {"{\"errorMessage\":\"m\"}", "m", "", true},
        {"{\"error\":7}", "", "", true},
        {"{\"error\":\"a\\u001b[2Jb\"}", "a\\x1B[2Jb", "", true},
        {"{}", "", "", true},
        {"[]", "", "", false},
        {"\"User not found\"", "", "", false},
        {"User not found", "", "", false},
        {"<html>User not found</html>", "", "", false},
        {"", "", "", false},
        {"{\"error\":\"User not found\"", "", "", false},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct kc_refusal refusal;
        bool own = kc_decode_refusal(cases[i].body, strlen(cases[i].body), &refusal);
        if (own != cases[i].own || strcmp(refusal.error, cases[i].error) != 0 ||
            strcmp(refusal.description, cases[i].description) != 0)
            fail_msg("%s: %d '%s' '%s'", cases[i].body, own, refusal.error, refusal.description);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_fields),
        cmocka_unit_test(test_bad),          cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_list),         cmocka_unit_test(test_ids),
        cmocka_unit_test(test_counts),       cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
