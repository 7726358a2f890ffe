#include "desired_kit.h"

static const char *
verdict_name(uint8_t verdict)
{
    static const char *const names[] = {
        [KB_MATCHED] = "matched",
        [KB_MATCH_NOT_ASKED] = "not asked",
        [KB_MATCH_EXCLUDED] = "excluded",
        [KB_MATCH_DISABLED] = "disabled",
        [KB_MATCH_LOCKED_OUT] = "locked",
        [KB_MATCH_UNMATCHED] = "unmatched",
        [KB_MATCH_UNVERIFIED] = "unverified",
        [KB_MATCH_NO_KEY] = "no key",
        [KB_MATCH_AMBIGUOUS] = "ambiguous",
        [KB_MATCH_UNKNOWN] = "unknown",
        [KB_MATCH_OFF] = "off",
    };

    return verdict < KB_LEN(names) ? names[verdict] : "?";
}

static char *email_username[] = {(char[]){"email"}, (char[]){"username"}},
            *email_only[] = {(char[]){"email"}},
            *attribute_first[] = {(char[]){"attribute:x"}, (char[]){"email"}},
            *excluded[] = {(char[]){"U1"}, (char[]){"Boss@Acme.example"}, (char[]){"id-7"}};

/* One person "u" (or several), what is said about u, which principal, and whether that one is in doubt. */
static const struct {
    const char *name;
    const char *lines[10];
    struct kb_match match;
    bool exclude;
    const char *verdict;
    const char *principal; /* id, or NULL */
    bool doubtful;
} verdict_table[] = {

#define BY_MAIL                                   \
    {                                             \
        .users = {.v = email_username, .len = 2 } \
    }
#define ONLY_MAIL                             \
    {                                         \
        .users = {.v = email_only, .len = 1 } \
    }
#define VERIFIED                                                              \
    {                                                                         \
        .users = {.v = email_username, .len = 2}, .verified_email_only = true \
    }
#define BY_ATTRIBUTE                               \
    {                                              \
        .users = {.v = attribute_first, .len = 2 } \
    }
#define BY_CLIENT                                                                       \
    {                                                                                   \
        .users = {.v = email_username, .len = 2}, .service = KB_MATCH_SERVICE_CLIENT_ID \
    }
#define OFF                                                                       \
    {                                                                             \
        .users = {.v = email_username, .len = 2}, .service = KB_MATCH_SERVICE_OFF \
    }
    {"by e-mail", {"user|u|u@a", "person|1|u@a"}, BY_MAIL, false, "matched", "1", false},
    {"by e-mail, ASCII case aside", {"user|u|u@a", "person|1|U@A"}, BY_MAIL, false, "matched", "1", false},
    {"by user name when there is no e-mail", {"user|u", "person|1|u"}, BY_MAIL, false, "matched", "1", false},
    {"no second try", {"user|u|u@a", "person|1|u"}, BY_MAIL, false, "unmatched", NULL, false},
    {"nobody", {"user|u|u@a"}, BY_MAIL, false, "unmatched", NULL, false},
    {"a service principal is no person",
     {"user|u|u@a", "sp|1|u@a"},
     BY_MAIL,
     false,
     "unmatched",
     NULL,
     false},
    {"only remembered",
     {"user|u|u@a", "person|1|u@a", "unlisted|1"},
     BY_MAIL,
     false,
     "unmatched",
     NULL,
     false},
    {"no e-mail", {"user|u", "person|1|u"}, ONLY_MAIL, false, "no key", NULL, false},
    {"by attribute",
     {"user|u|u@a", "set|u|attr:x-1", "person|1|X-1"},
     BY_ATTRIBUTE,
     false,
     "matched",
     "1",
     false},
    {"attribute first",
     {"user|u|u@a", "set|u|attr:x-1", "person|1|u@a"},
     BY_ATTRIBUTE,
     false,
     "unmatched",
     NULL,
     false},
    {"no attribute", {"user|u|u@a", "person|1|u@a"}, BY_ATTRIBUTE, false, "matched", "1", false},
    {"Cyrillic a", {"user|u|\xd0\xb0@a", "person|1|a@a"}, BY_MAIL, false, "unmatched", NULL, false},
    {"Kelvin sign", {"user|u|\xe2\x84\xaa@a", "person|1|k@a"}, BY_MAIL, false, "unmatched", NULL, false},
    {"dotted capital I", {"user|u|\xc4\xb0@a", "person|1|i@a"}, BY_MAIL, false, "unmatched", NULL, false},
    {"umlaut in the other case",
     {"user|u|\xc3\xa4@a", "person|1|\xc3\x84@a"},
     BY_MAIL,
     false,
     "unmatched",
     NULL,
     false},
    {"composed and decomposed",
     {"user|u|\xc3\xa9@a", "person|1|e\xcc\x81@a"},
     BY_MAIL,
     false,
     "unmatched",
     NULL,
     false},
    {"zero-width joiner",
     {"user|u|u\xe2\x80\x8d@a", "person|1|u@a"},
     BY_MAIL,
     false,
     "unmatched",
     NULL,
     false},
    {"[ is not {", {"user|u|[@a", "person|1|{@a"}, BY_MAIL, false, "unmatched", NULL, false},
    {"a blank more", {"user|u|u@a ", "person|1|u@a"}, BY_MAIL, false, "unmatched", NULL, false},
    {"two principals",
     {"user|u|u@a", "person|1|u@a", "person|2|U@a"},
     BY_MAIL,
     false,
     "ambiguous",
     "1",
     true},
    {"two users", {"user|u|u@a", "user|v|U@A", "person|1|u@a"}, BY_MAIL, false, "ambiguous", "1", true},
    {"two users by different keys",
     {"user|u|v", "user|v", "person|1|v"},
     BY_MAIL,
     false,
     "ambiguous",
     "1",
     true},
    {"the other user is disabled",
     {"user|u|u@a", "user|v|u@a", "set|v|disabled", "set|v|stored", "person|1|u@a"},
     BY_MAIL,
     false,
     "ambiguous",
     "1",
     true},
    {"this user is disabled",
     {"user|u|u@a", "user|v|u@a", "set|u|disabled", "set|u|stored", "person|1|u@a"},
     BY_MAIL,
     false,
     "ambiguous",
     "1",
     true},
    {"the other user is gone",
     {"user|u|u@a", "user|v|u@a", "set|v|gone", "person|1|u@a"},
     BY_MAIL,
     false,
     "matched",
     "1",
     false},
    {"two users and nobody in the target",
     {"user|u|u@a", "user|v|u@a"},
     BY_MAIL,
     false,
     "ambiguous",
     NULL,
     false},
    {"a principal only remembered makes no two",
     {"user|u|u@a", "person|1|u@a", "person|2|u@a", "unlisted|2"},
     BY_MAIL,
     false,
     "matched",
     "1",
     false},
    {"unverified",
     {"user|u|u@a", "set|u|unverified", "person|1|u@a"},
     VERIFIED,
     false,
     "unverified",
     "1",
     false},
    {"verified", {"user|u|u@a", "person|1|u@a"}, VERIFIED, false, "matched", "1", false},
    {"unverified does not matter for a user name",
     {"user|u", "set|u|unverified", "person|1|u"},
     VERIFIED,
     false,
     "matched",
     "1",
     false},
    {"unverified and nobody asks",
     {"user|u|u@a", "set|u|unverified", "person|1|u@a"},
     BY_MAIL,
     false,
     "matched",
     "1",
     false},
    {"excluded by user name",
     {"user|u", "set|u|name:u1", "person|1|u1"},
     BY_MAIL,
     true,
     "excluded",
     "1",
     true},
    {"excluded by e-mail",
     {"user|u|boss@acme.example", "person|1|boss@acme.example"},
     BY_MAIL,
     true,
     "excluded",
     "1",
     true},
    {"excluded, e-mail is not the key",
     {"user|u|boss@acme.example", "set|u|attr:q", "person|1|q"},
     BY_ATTRIBUTE,
     true,
     "excluded",
     "1",
     true},
    {"excluded and disabled",
     {"user|u", "set|u|name:u1", "set|u|disabled", "set|u|stored", "person|1|u1"},
     BY_MAIL,
     true,
     "excluded",
     "1",
     true},
    {"somebody else is excluded", {"user|u|u@a", "person|1|u@a"}, BY_MAIL, true, "matched", "1", false},
    {"excluded: remembered under another name",
     {"user|u", "set|u|name:u1", "person|1|old", "ledger|90|1|u"},
     BY_MAIL,
     true,
     "excluded",
     NULL,
     true},
    {"stored as disabled",
     {"user|u|u@a", "set|u|disabled", "set|u|stored", "person|1|u@a"},
     BY_MAIL,
     false,
     "disabled",
     "1",
     false},
    {"stored as disabled after the list was read",
     {"user|u|u@a", "set|u|stored", "person|1|u@a"},
     BY_MAIL,
     false,
     "disabled",
     "1",
     false},
    {"locked out",
     {"user|u|u@a", "set|u|disabled", "set|u|stored", "set|u|locked", "person|1|u@a"},
     BY_MAIL,
     false,
     "locked",
     "1",
     true},
    {"a lockout that was lifted",
     {"user|u|u@a", "set|u|locked", "person|1|u@a"},
     BY_MAIL,
     false,
     "matched",
     "1",
     false},
    {"shown disabled, stored flags unread",
     {"user|u|u@a", "set|u|disabled", "person|1|u@a"},
     BY_MAIL,
     false,
     "unknown",
     "1",
     true},
    {"shown disabled, and the record does not make it a decision",
     {"user|u|u@a", "set|u|disabled", "set|u|looked", "person|1|u@a"},
     BY_MAIL,
     false,
     "unknown",
     "1",
     true},
    {"a directory shows disabled",
     {"user|u|u@a", "set|u|disabled", "set|u|ldap", "person|1|u@a"},
     BY_MAIL,
     false,
     "unknown",
     "1",
     true},
    {"a directory shows disabled, twice",
     {"user|u|u@a", "set|u|disabled", "set|u|looked", "set|u|ldap", "person|1|u@a"},
     BY_MAIL,
     false,
     "unknown",
     "1",
     true},
    {"a directory's person disabled in Keycloak",
     {"user|u|u@a", "set|u|disabled", "set|u|stored", "set|u|ldap", "person|1|u@a"},
     BY_MAIL,
     false,
     "disabled",
     "1",
     false},
    {"unknown: remembered under another name",
     {"user|u|u@a", "set|u|disabled", "set|u|ldap", "person|1|old", "ledger|90|1|u"},
     BY_MAIL,
     false,
     "unknown",
     NULL,
     true},
    {"gone", {"user|u|u@a", "set|u|gone", "person|1|u@a"}, BY_MAIL, false, "disabled", NULL, false},
    {"disabled without a key",
     {"user|u", "set|u|disabled", "set|u|stored"},
     ONLY_MAIL,
     false,
     "disabled",
     NULL,
     false},
    {"service account by attribute",
     {"user|u", "set|u|service", "set|u|looked", "set|u|attr:AB-1", "sp|1|ab-1"},
     BY_MAIL,
     false,
     "matched",
     "1",
     false},
    {"service account, attribute not read",
     {"user|u", "set|u|service", "set|u|attr:ab-1", "sp|1|ab-1"},
     BY_MAIL,
     false,
     "unknown",
     NULL,
     false},
    {"service account without the attribute",
     {"user|u", "set|u|service", "set|u|looked", "sp|1|ab-1"},
     BY_MAIL,
     false,
     "no key",
     NULL,
     false},
    {"service account is no person",
     {"user|u|u@a", "set|u|service", "set|u|looked", "set|u|attr:u@a", "person|1|u@a"},
     BY_MAIL,
     false,
     "unmatched",
     NULL,
     false},
    {"service account by client id",
     {"user|u", "set|u|service", "set|u|name:service-account-app", "sp|1|x|App"},
     BY_CLIENT,
     false,
     "matched",
     "1",
     false},
    {"the client id is not the application id",
     {"user|u", "set|u|service", "set|u|name:service-account-app", "sp|1|app|x"},
     BY_CLIENT,
     false,
     "unmatched",
     NULL,
     false},
    {"two service principals of that display name",
     {"user|u", "set|u|service", "set|u|name:service-account-app", "sp|1|x|app", "sp|2|y|app"},
     BY_CLIENT,
     false,
     "ambiguous",
     "1",
     true},
    {"nothing behind the prefix",
     {"user|u", "set|u|service", "set|u|name:service-account-", "sp|1|x"},
     BY_CLIENT,
     false,
     "no key",
     NULL,
     false},
    {"two service accounts of one attribute",
     {"user|u", "set|u|service", "set|u|looked", "set|u|attr:k", "user|v", "set|v|service", "set|v|looked",
      "set|v|attr:K", "sp|1|k"},
     BY_MAIL,
     false,
     "ambiguous",
     "1",
     true},
    {"off",
     {"user|u", "set|u|service", "set|u|looked", "set|u|attr:k", "sp|1|k"},
     OFF,
     false,
     "off",
     NULL,
     false},
    {"off is for service accounts", {"user|u|u@a", "person|1|u@a"}, OFF, false, "matched", "1", false},
};

static void
test_verdicts(void **state)
{
    static const struct kb_rule rules[RULES_MAX] = {{.object = "a", .group = "g"}};

    (void) state;
    for (size_t i = 0; i < KB_LEN(verdict_table); i++) {
        const char *name = verdict_table[i].name, *want = verdict_table[i].principal;
        const char *lines[14] = {"role|a"};
        struct kb_strings exclude = {.v = excluded, .len = verdict_table[i].exclude ? 3 : 0};
        const struct kb_user_match *match;
        const char *got;
        size_t len = 1;
        uint32_t first;
        struct made m;
        for (size_t k = 0; k < KB_LEN(verdict_table[i].lines) && verdict_table[i].lines[k]; k++)
            lines[len++] = verdict_table[i].lines[k];
        lines[len] = "hold|u|a";
        make(&m, lines, rules, &verdict_table[i].match, exclude);
        match = &m.desired.matches[kit_user(&m.kit, "u")];
        got = match->principal == KB_NONE
                  ? NULL
                  : kb_target_str(&m.kit.target, m.kit.target.principals[match->principal].id);
        if (strcmp(verdict_name(match->verdict), verdict_table[i].verdict) != 0)
            fail_msg("case '%s': %s, not %s", name, verdict_name(match->verdict), verdict_table[i].verdict);
        if (!got != !want || (got && strcmp(got, want) != 0))
            fail_msg("case '%s': principal %s, not %s", name, got ? got : "(none)", want ? want : "(none)");
        first = kb_target_principal(&m.kit.target, "1");
        if (kb_u32s_has(&m.desired.doubtful, first) != verdict_table[i].doubtful)
            fail_msg("case '%s': in doubt: %d", name, !verdict_table[i].doubtful);
        assert_int_equal(m.desired.groups[0].users.len, 1);
        assert_int_equal(m.desired.groups[0].principals.len, match->verdict == KB_MATCHED);
        done(&m);
    }
}

/* Both principals of an ambiguous name are in doubt, not only the first. */
static void
test_both_in_doubt(void **state)
{
    static const char *const lines[] = {"role|a",       "user|u|u@a",   "hold|u|a",   "person|1|u@a",
                                        "person|2|U@a", "person|3|v@a", "user|v|v@a", NULL};
    static const struct kb_rule rules[RULES_MAX] = {{.object = "a", .group = "g"}};
    struct made m;

    (void) state;
    make(&m, lines, rules, NULL, (struct kb_strings){0});
    assert_int_equal(m.desired.doubtful.len, 2);
    assert_int_equal(m.desired.doubtful.v[0], 0);
    assert_int_equal(m.desired.doubtful.v[1], 1);
    done(&m);
}

/* When a user name may be the e-mail address of somebody who was not read. */
static const struct {
    const char *keys[3];
    const char *username, *email, *attribute;
    unsigned flags;
    bool want;
} namesakes[] = {
    {{"email", "username"}, "u@a", NULL, NULL, 0, true},
    {{"email", "username"}, "u@a", NULL, NULL, KB_USER_LOOKED_UP, true},
    {{"attribute:x", "email", "username"}, "u@a", NULL, NULL, 0, true},
    {{"email", "attribute:x", "username"}, "u@a", NULL, NULL, 0, true},
    {{"email", "attribute:x", "username"}, "u@a", NULL, "v", 0, false},
    {{"attribute:x", "email", "username"}, "u@a", NULL, "v", 0, false},
    {{"email", "username"}, "u@a", NULL, NULL, KB_USER_NAME_ASKED, false},
    {{"email", "username"}, "service-account-u@a", NULL, NULL, KB_USER_SERVICE_ACCOUNT, false},
    {{"email", "username"}, "u@a", "w@a", NULL, 0, false},
    {{"email", "username"}, "u", NULL, NULL, 0, false},
    {{"email", "username"}, NULL, NULL, NULL, 0, false},
    {{"username", "email"}, "u@a", NULL, NULL, 0, false}, /* everybody's key is the user name */
    {{"username"}, "u@a", NULL, NULL, 0, false},
    {{"email"}, "u@a", NULL, NULL, 0, false},
    {{NULL}, "u@a", NULL, NULL, 0, false},
};

static void
test_may_be_another(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(namesakes); i++) {
        char *keys[3];
        struct kb_rules rules = {.match.users = {.v = keys}};
        struct kb_realm realm = {0};
        struct kb_user user = {.flags = (uint16_t) namesakes[i].flags};

        while (rules.match.users.len < 3 && namesakes[i].keys[rules.match.users.len]) {
            keys[rules.match.users.len] = strdup(namesakes[i].keys[rules.match.users.len]);
            rules.match.users.len++;
        }
        user.username = namesakes[i].username ? kb_pool_adds(&realm.pool, namesakes[i].username) : 0;
        user.email = namesakes[i].email ? kb_pool_adds(&realm.pool, namesakes[i].email) : 0;
        user.attribute = namesakes[i].attribute ? kb_pool_adds(&realm.pool, namesakes[i].attribute) : 0;
        if (kb_match_may_be_another(&rules, &realm, &user) != namesakes[i].want)
            fail_msg("case %zu: not %d", i, namesakes[i].want);
        for (size_t k = 0; k < rules.match.users.len; k++)
            free(keys[k]);
        kb_realm_done(&realm);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_both_in_doubt),
        cmocka_unit_test(test_may_be_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
