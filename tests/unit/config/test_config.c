/* Configurations: the good, and each kind of mistake with its line and cure. The bad table is the longer one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "reconciler/config/config.h"
#include "reconciler/config/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KC                                                                                                   \
    "keycloak = { url = \"https://sso.acme.example/\"; realm = \"acme\"; client_id = \"kb\"; secret_file = " \
    "\"/s\"; };\n"
#define TARGET                                                                                               \
    "{ name = \"acme\"; level = \"account\"; host = \"https://accounts.example\"; account_id = \"a\"; auth " \
    "= \"oauth_m2m\"; client_id = \"c\"; secret_file = \"/d\"; }"
#define TARGETS "targets = ( " TARGET " );\n"
#define RULES "rules = ( { role = \"r\"; group = \"g\"; } );\n"
#define TOP "version = 1;\nstate_dir = \"/tmp/x\";\n"
#define GOOD TOP KC TARGETS RULES

static char path[64];

static const char *
no_env(const char *name)
{
    (void) name;
    return NULL;
}

static int
load(const char *text, struct config **ret, struct config_errors *errors)
{
    struct kb_error err = {0};
    assert_int_equal(kb_file_write_atomic(path, text, strlen(text), 0600, &err), 0);
    return config_load(path, no_env, ret, errors, &err);
}

static const struct {
    const char *name, *text, *want[3]; /* each must stand in some error */
} bad[] = {
    {"empty file", "", {"version is missing", "keycloak.url is missing", "targets is missing"}},
    {"version", "version = 2;\n" KC TARGETS RULES, {":1: version must be 1"}},
    {"syntax", "version = ;\n", {":1: syntax error"}},
    {"trailing comma",
     TOP KC TARGETS "rules = ( { role = \"r\";\n group = \"g\"; },\n );\n",
     {"ends in a comma"}},
    {"duplicate key", "version = 1;\nversion = 1;\n", {":2: duplicate"}},
    {"nul byte is cut by the test, binary text", "\x01\x02", {"syntax error"}},
    {"unknown key",
     GOOD "snapshot = { max_agee_s = 1; };\n",
     {"unknown key snapshot.max_agee_s; did you mean snapshot.max_age_s"}},
    {"unknown key in a rule",
     TOP KC TARGETS "rules = ( { role = \"r\"; group = \"g\"; creat = true; } );\n",
     {"rule 1: unknown key creat; did you mean create"}},
    {"key in the wrong group",
     GOOD "run = { page_size = 5; };\n",
     {"unknown key run.page_size; did you mean keycloak.page_size"}},
    {"wrong type",
     GOOD "snapshot = { max_age_s = \"1\"; };\n",
     {"snapshot.max_age_s must be a whole number"}},
    {"float for int", GOOD "snapshot = { max_age_s = 1.5; };\n", {"must be a whole number"}},
    {"group expected", GOOD "snapshot = 5;\n", {"snapshot must be a group"}},
    {"out of range low", GOOD "run = { tries = 0; };\n", {"run.tries must lie between 1 and 10"}},
    {"out of range high", GOOD "guards = { max_removals_percent = 101; };\n", {"must lie between 0 and 100"}},
    {"over nine digits", GOOD "guards = { max_removals_total = 3000000000; };\n", {"more than nine digits"}},
    {"negative", GOOD "guards = { max_removals_total = -1; };\n", {"must lie between 0"}},
    {"leading zero", GOOD "run = { tries = 05; };\n", {"leading zero"}},
    {"hex", GOOD "run = { tries = 0x5; };\n", {"hexadecimal"}},
    {"include", "@include \"x\"\n" GOOD, {"@include is not supported"}},
    {"source_min 0", GOOD "guards = { source_min_users = 0; };\n", {"source_min_users must lie between 1"}},
    {"http url",
     TOP "keycloak = { url = \"http://sso.acme.example\"; realm = \"a\"; client_id = \"k\"; secret_file = "
         "\"/s\"; };\n" TARGETS RULES,
     {"keycloak.url", "https URL"}},
    {"http localhost by name",
     TOP "keycloak = { url = \"http://localhost:1\"; realm = \"a\"; client_id = \"k\"; secret_file = \"/s\"; "
         "};\n" TARGETS RULES,
     {"https URL"}},
    {"http 127 evil",
     TOP "keycloak = { url = \"http://127.0.0.1.evil\"; realm = \"a\"; client_id = \"k\"; secret_file = "
         "\"/s\"; };\n" TARGETS RULES,
     {"https URL"}},
    {"user in url",
     TOP "keycloak = { url = \"https://u:p@sso\"; realm = \"a\"; client_id = \"k\"; secret_file = \"/s\"; "
         "};\n" TARGETS RULES,
     {"https URL"}},
    {"two secrets",
     TOP "keycloak = { url = \"https://s\"; realm = \"a\"; client_id = \"k\"; secret_file = \"/s\"; "
         "secret_env = \"S\"; };\n" TARGETS RULES,
     {"exactly one of secret_file"}},
    {"no secret",
     TOP "keycloak = { url = \"https://s\"; realm = \"a\"; client_id = \"k\"; };\n" TARGETS RULES,
     {"exactly one of secret_file"}},
    {"jwt with a secret",
     TOP "keycloak = { url = \"https://s\"; realm = \"a\"; client_id = \"k\"; secret_file = \"/s\"; auth = "
         "\"private_key_jwt\"; };\n" TARGETS RULES,
     {"takes no secret_file", "key_file is missing"}},
    {"control in text",
     TOP "keycloak = { url = \"https://s\"; realm = \"a\\x07\"; client_id = \"k\"; secret_file = \"/s\"; "
         "};\n" TARGETS RULES,
     {"control or invisible"}},
    {"enum",
     TOP KC "targets = ( { name = \"a\"; level = \"acount\"; host = \"https://h\"; auth = \"token\"; "
            "token_file = \"/t\"; } );\n" RULES,
     {"did you mean \"account\""}},
    {"target name",
     TOP KC "targets = ( { name = \"a/b\"; level = \"workspace\"; host = \"https://h\"; auth = \"token\"; "
            "token_file = \"/t\"; } );\n" RULES,
     {"letters, digits"}},
    {"targets twice",
     TOP KC "targets = ( " TARGET ", " TARGET " );\n" RULES,
     {"has a target of that name already"}},
    {"account id",
     TOP KC "targets = ( { name = \"a\"; level = \"account\"; host = \"https://h\"; auth = \"oauth_m2m\"; "
            "client_id = \"c\"; secret_file = \"/t\"; } );\n" RULES,
     {"account_id is missing"}},
    {"2.1 at workspace",
     TOP KC "targets = ( { name = \"a\"; level = \"workspace\"; scim_version = \"2.1\"; host = "
            "\"https://h\"; auth = \"token\"; token_file = \"/t\"; } );\n" RULES,
     {"only at account level"}},
    {"proxy level wants service principals off",
     TOP KC "targets = ( { name = \"a\"; level = \"workspace_proxy\"; host = \"https://h\"; auth = "
            "\"token\"; token_file = \"/t\"; } );\n" RULES,
     {"match.service_principals = \"off\""}},
    {"pat at account",
     TOP KC "targets = ( { name = \"a\"; level = \"account\"; account_id = \"x\"; host = \"https://h\"; auth "
            "= \"token\"; token_file = \"/t\"; } );\n" RULES,
     {"works only with scim_version"}},
    {"rate",
     TOP KC "targets = ( { name = \"a\"; level = \"workspace\"; host = \"https://h\"; auth = \"token\"; "
            "token_file = \"/t\"; rate = { get = 0.001; }; } );\n" RULES,
     {"target 1: rate.get must lie between 0.01"}},
    {"no rule kind", TOP KC TARGETS "rules = ( { group = \"g\"; } );\n", {"exactly one of role, path"}},
    {"two rule kinds",
     TOP KC TARGETS "rules = ( { role = \"r\"; path = \"/p\"; group = \"g\"; } );\n",
     {"there are 2"}},
    {"no group", TOP KC TARGETS "rules = ( { role = \"r\"; } );\n", {"rule 1: group is missing"}},
    {"protected group",
     TOP KC TARGETS "rules = ( { role = \"r\"; group = \"Admins\"; } );\n",
     {"is protected"}},
    {"own protected group",
     TOP KC TARGETS "rules = ( { role = \"r\"; group = \"g\"; } );\nprotect = { groups = [ \"G\" ]; };\n",
     {"is protected"}},
    {"glob without use",
     TOP KC TARGETS "rules = ( { role_glob = \"r-*\"; group = \"g\"; } );\n",
     {"a glob without {1}"}},
    {"use without glob",
     TOP KC TARGETS "rules = ( { role = \"r\"; group = \"{1}\"; } );\n",
     {"needs role_glob"}},
    {"second capture missing",
     TOP KC TARGETS "rules = ( { role_glob = \"r-*\"; group = \"{2}\"; } );\n",
     {"has 1 *"}},
    {"glob without star",
     TOP KC TARGETS "rules = ( { role_glob = \"r\"; group = \"x{1}\"; } );\n",
     {"has no *"}},
    {"path without slash",
     TOP KC TARGETS "rules = ( { path = \"p\"; group = \"g\"; } );\n",
     {"starts with /"}},
    {"client role",
     TOP KC TARGETS "rules = ( { client_role = \"portal\"; group = \"g\"; } );\n",
     {"client:role"}},
    {"subgroups of a role",
     TOP KC TARGETS "rules = ( { role = \"r\"; group = \"g\"; subgroups = true; } );\n",
     {"subgroups belongs to path"}},
    {"rules disagree",
     TOP KC TARGETS
     "rules = ( { role = \"r\"; group = \"g\"; create = true; },\n { role = \"q\"; group = \"g\"; } );\n",
     {"rules 1 (line", "disagree about create"}},
    {"foreign",
     TOP KC TARGETS "rules = ( { role = \"r\"; group = \"g\"; foreign = \"keep\"; } );\n",
     {"\"report\" or \"remove\""}},
    {"unknown target",
     TOP KC TARGETS "rules = ( { role = \"r\"; group = \"g\"; targets = [ \"zz\" ]; } );\n",
     {"there is no target \"zz\""}},
    {"ephemeral wants foreign",
     GOOD "state = \"ephemeral\";\n",
     {"rule 1: foreign = \"report\" or \"remove\" must be said"}},
    {"match", GOOD "match = { users = [ \"mail\" ]; };\n", {"match.users: \"mail\""}},
    {"match empty", GOOD "match = { users = [ ]; };\n", {"match.users is empty"}},
    {"match sp", GOOD "match = { service_principals = \"attribute\"; };\n", {"match.service_principals"}},
    {"relative state_dir",
     "version = 1;\nstate_dir = \"x\";\n" KC TARGETS RULES,
     {"must be an absolute path"}},
    {"no state_dir anywhere", "version = 1;\n" KC TARGETS RULES, {"state_dir is missing"}},
    {"notify", GOOD "notify = { on = [ \"held\" ]; };\n", {"notify.on is not built yet"}},
    {"webhook",
     GOOD "notify = { webhook_url_file = \"\"; };\n",
     {"notify.webhook_url_file is not built yet"}},
    {"days",
     GOOD "credentials = { warn_days = 75; max_days = 90; };\n",
     {"credentials.warn_days is not built yet", "credentials.max_days is not built yet"}},
    {"signers",
     GOOD "approvals = { allowed_signers = \"/x\"; dir = \"/x\"; };\n",
     {"approvals.allowed_signers is not built yet", "approvals.dir is not built yet"}},
    {"two approvers", GOOD "approvals = { required = 2; };\n", {"approvals.required = 2 is not built yet"}},
    {"metrics", GOOD "metrics = { file = \"/x\"; };\n", {"metrics.file is not built yet"}},
    {"sandbox", GOOD "sandbox = \"require\";\n", {"sandbox = \"require\" is not built yet"}},
    {"protection off", GOOD "guards = { self_check = false; };\n", {"cannot be switched off"}},
    {"many at once",
     "version = 3;\nkeycloak = { url = 5; };\nfoo = 1;\n",
     {"version must be 1", "keycloak.url must be a URL", "unknown key foo"}},
};

static void
test_bad(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(bad); i++) {
        struct config *config = NULL;
        struct config_errors errors = {0};
        if (load(bad[i].text, &config, &errors) != -KB_E_CONFIG)
            fail_msg("case '%s' was accepted", bad[i].name);
        assert_null(config);
        for (size_t k = 0; k < KB_LEN(bad[i].want) && bad[i].want[k]; k++) {
            bool found = false;
            for (size_t e = 0; e < errors.len; e++)
                found |= strstr(errors.v[e], bad[i].want[k]) != NULL;
            if (!found)
                fail_msg("case '%s': no error says '%s'; the first is '%s'", bad[i].name, bad[i].want[k],
                         errors.len ? errors.v[0] : "-");
        }
        config_errors_done(&errors);
    }
}

static void
test_good(void **state)
{
    (void) state;
    struct config *c = NULL;
    struct config_errors errors = {0};
    assert_int_equal(load(GOOD
                          "match = { service_principals = \"client_id\"; users = [ \"attribute:upn\" ]; };\n",
                          &c, &errors),
                     0);
    assert_string_equal(c->keycloak.url, "https://sso.acme.example");
    assert_int_equal(c->keycloak.concurrency, 4);
    assert_int_equal(c->snapshot_max_age_s, 3600);
    assert_int_equal(c->rules.rules_len, 1);
    assert_int_equal(c->rules.rules[0].foreign, KB_FOREIGN_REPORT);
    assert_true(c->rules.limits.first_run);
    assert_int_equal(c->rules.limits.max_removals_total, 100);
    assert_int_equal(c->rules.match.service, KB_MATCH_SERVICE_CLIENT_ID);
    assert_string_equal(c->rules.match.user_attribute, "upn");
    assert_true(c->targets[0].rate[KB_HTTP_PATCH] == 2.0);
    config_free(c);
    config_errors_done(&errors);
}

static void
test_workspace_rates_and_integers(void **state)
{
    (void) state;
    struct config *c = NULL;
    struct config_errors errors = {0};
    assert_int_equal(load(TOP KC "targets = ( { name = \"w\"; level = \"workspace\"; host = \"https://h\"; "
                                 "auth = \"token\"; token_file = \"/t\"; rate = { get = 7; }; } );\n"
                                 "rules = ( { role = \"r\"; group = \"g\"; privileged = true; } );\n",
                          &c, &errors),
                     0);
    assert_true(c->targets[0].rate[KB_HTTP_GET] == 7.0);
    assert_true(c->targets[0].rate[KB_HTTP_PATCH] > 0.15 && c->targets[0].rate[KB_HTTP_PATCH] < 0.17);
    assert_int_equal(c->rules.rules[0].min_members, 2);
    config_free(c);
    config_errors_done(&errors);
}

/* Comments and order of keys do not change what decides a plan; a rule does. */
static void
test_digest(void **state)
{
    (void) state;
    static const char *const texts[] = {GOOD, "# a comment\n" GOOD,
                                        TOP KC TARGETS "rules = ( { group = \"g\"; role = \"r\"; } );\n",
                                        TOP KC TARGETS "rules = ( { group = \"g\"; role = \"r2\"; } );\n",
                                        GOOD "exclude = { users = [ \"x\" ]; };\n"};
    char digest[KB_LEN(texts)][72];
    for (size_t i = 0; i < KB_LEN(texts); i++) {
        struct config *c = NULL;
        struct config_errors errors = {0};
        assert_int_equal(load(texts[i], &c, &errors), 0);
        memcpy(digest[i], c->rules.digest, sizeof(digest[i]));
        config_free(c);
        config_errors_done(&errors);
    }
    assert_string_equal(digest[0], digest[1]);
    assert_string_equal(digest[0], digest[2]);
    assert_string_not_equal(digest[0], digest[3]);
    assert_string_not_equal(digest[0], digest[4]);
}

static void
test_example_is_valid_and_show_hides_passwords(void **state)
{
    (void) state;
    struct kb_buf b = KB_BUF_INIT(1 << 20);
    struct config *c = NULL;
    struct config_errors errors = {0};
    assert_int_equal(config_example(&b), 0);
    kb_buf_adds(&b, "state_dir = \"/tmp/x\";\n");
    assert_int_equal(load(kb_buf_str(&b), &c, &errors), 0);
    config_free(c);
    kb_buf_clear(&b);
    assert_int_equal(load(TOP "keycloak = { url = \"https://s\"; realm = \"a\"; client_id = \"k\"; "
                              "secret_file = \"/s\"; proxy = \"http://u:hunter2@p:1\"; };\n" TARGETS RULES,
                          &c, &errors),
                     0);
    assert_int_equal(config_show(c, &b), 0);
    assert_null(strstr(kb_buf_str(&b), "hunter2"));
    assert_non_null(strstr(kb_buf_str(&b), "guards.max_removals_total = 100;  # default"));
    assert_non_null(strstr(kb_buf_str(&b), "keycloak.realm = \"a\";  # line 3"));
    config_free(c);
    config_errors_done(&errors);
    kb_buf_done(&b);
}

static void
test_missing_file(void **state)
{
    (void) state;
    struct config *c = NULL;
    struct config_errors errors = {0};
    struct kb_error err = {0};
    assert_int_equal(config_load("/nonexistent/keybricks.conf", no_env, &c, &errors, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "there is no such file"));
}

/* "a.b.c = ( 1 )" as libconfig writes it. */
static void
add_wrong(struct kb_buf *b, const char *key)
{
    unsigned depth = 0;
    for (const char *dot; (dot = strchr(key, '.')); key = dot + 1, depth++)
        kb_buf_addf(b, "%.*s = { ", (int) (dot - key), key);
    kb_buf_addf(b, "%s = ( 1 ); ", key);
    while (depth--)
        kb_buf_adds(b, "}; ");
}

/* A list of a number is no value of any key. Each is refused by name, and the checks that come after it live with
 * what is not there. */
static void
test_wrong_type_of_each_key(void **state)
{
    (void) state;
    for (size_t i = 0; i < config_options_len; i++) {
        const struct option *o = &config_options[i];
        KB_CLEANUP(kb_buf) struct kb_buf text = KB_BUF_INIT(65536);
        bool top = !strcmp(o->key, "version") || !strcmp(o->key, "state_dir");
        bool file = o->section == OPT_IN_FILE;
        kb_buf_adds(&text, file && top ? "" : TOP);
        kb_buf_adds(&text, file && !strncmp(o->key, "keycloak.", 9) ? "" : KC);
        kb_buf_adds(&text, o->section == OPT_IN_TARGET ? "" : TARGETS);
        kb_buf_adds(&text, o->section == OPT_IN_RULE ? "" : RULES);
        kb_buf_adds(&text, file ? "" : o->section == OPT_IN_TARGET ? "targets = ( { " : "rules = ( { ");
        add_wrong(&text, o->key);
        kb_buf_adds(&text, file ? "" : "} );\n");
        assert_false(text.failed);
        struct config *config = NULL;
        struct config_errors errors = {0};
        if (load(text.data, &config, &errors) != -KB_E_CONFIG)
            fail_msg("%s = ( 1 ) was accepted", o->key);
        bool named = false;
        for (size_t e = 0; e < errors.len; e++)
            named |= strstr(errors.v[e], o->key) != NULL;
        if (!named)
            fail_msg("%s: no error names it; the first is '%s'", o->key, errors.len ? errors.v[0] : "-");
        config_errors_done(&errors);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),          cmocka_unit_test(test_wrong_type_of_each_key),
        cmocka_unit_test(test_good),         cmocka_unit_test(test_workspace_rates_and_integers),
        cmocka_unit_test(test_digest),       cmocka_unit_test(test_example_is_valid_and_show_hides_passwords),
        cmocka_unit_test(test_missing_file),
    };
    (void) snprintf(path, sizeof(path), "/tmp/kb-config-%d.conf", (int) getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void) unlink(path);
    return failed;
}
