/* tests/unit/plan/test_near.c: near-duplicates are nobody's match, and are told (tests/data/identity/pairs.tsv).
 *
 * A second implementation of the folding: tests/property/near_model.py.
 */
#include "realm_kit.h"

#include "base/file.h"
#include "model/near.h"
#include "reconciler/plan/match.h"

#define NAME_SIZE 600

/* \uXXXX and \UXXXXXXXX, as in the table. */
static void
unescape(const char *s, char *ret)
{
    size_t len = 0;

    while (*s && len < NAME_SIZE - 8) {
        unsigned long c;
        char digits[9] = "";
        size_t wide = s[1] == 'u' ? 4 : 8;
        if (*s != '\\') {
            ret[len++] = *s++;
            continue;
        }
        memcpy(digits, s + 2, wide);
        c = strtoul(digits, NULL, 16);
        s += 2 + wide;
        if (c < 0x80) {
            ret[len++] = (char) c;
            continue;
        }
        if (c < 0x800) {
            ret[len++] = (char) (0xc0 | c >> 6);
        } else {
            ret[len++] = (char) (c < 0x10000 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
            if (c >= 0x10000)
                ret[len++] = (char) (0x80 | (c >> 12 & 0x3f));
            ret[len++] = (char) (0x80 | (c >> 6 & 0x3f));
        }
        ret[len++] = (char) (0x80 | (c & 0x3f));
    }
    ret[len] = '\0';
}

/* One user, one principal, in one or two rows of `kit` (users and principals may be added before). */
static struct kb_matches
match(struct kit *kit, const char *user, const char *principal)
{
    static char email[] = "email";
    static char *users[] = {email};
    const struct kb_rules rules = {.match = {.users = {.v = users, .len = 1}}};
    struct kb_matches ret;
    struct kb_error err = {0};
    uint32_t row;

    kit_line(kit, "user|u");
    kit->realm.users[kit_user(kit, "u")].email = kit_text(&kit->realm.pool, user);
    row = kb_target_principal_add(&kit->target, "1");
    assert_int_not_equal(row, KB_NONE);
    kit->target.principals[row].name = kit_text(&kit->target.pool, principal);
    kit->target.principals[row].listed = true;
    if (kb_matches_make(&rules, &kit->realm, &kit->target, &ret, &err) != 0)
        fail_msg("%s", err.msg);
    return ret;
}

static const char *
verdict(const char *user, const char *principal)
{
    struct kit kit;
    struct kb_matches matches;
    const struct kb_near *near;
    const char *ret = "?";

    kit_make(&kit, (const char *const[]){NULL});
    matches = match(&kit, user, principal);
    near = kb_match_near(matches.near, matches.near_len, 0);
    if (matches.v[0].verdict == KB_MATCHED && !near)
        ret = "same";
    else if (matches.v[0].verdict == KB_MATCH_UNMATCHED)
        ret = near ? "near" : "different";
    if (near) { /* by whom, and never as a candidate */
        assert_true(near->principal && !strcmp(near->id, "1") && !strcmp(near->key, principal));
        assert_string_equal(near->own, user);
        assert_int_equal(matches.v[0].principal, KB_NONE);
    }
    kb_matches_done(&matches);
    kit_done(&kit);
    return ret;
}

static void
test_pairs(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf table = KB_BUF_INIT(1 << 20);
    char path[1024], one[NAME_SIZE], other[NAME_SIZE], *at;
    const char *root = getenv("KB_TEST_DATA");
    unsigned rows = 0, near = 0;
    struct kb_error err = {0};

    (void) state;
    if (!root)
        fail_msg("KB_TEST_DATA must name tests/data (meson test sets it)");
    (void) snprintf(path, sizeof(path), "%s/identity/pairs.tsv", root);
    if (kb_file_read(path, &table, &err) < 0)
        fail_msg("%s", err.msg);
    for (char *line = strtok_r(table.data, "\n", &at); line; line = strtok_r(NULL, "\n", &at)) {
        char *fields, *want = strtok_r(line, "\t", &fields), *a = strtok_r(NULL, "\t", &fields),
                      *b = strtok_r(NULL, "\t", &fields), *about = strtok_r(NULL, "\t", &fields);
        if (*line == '#')
            continue;
        assert_true(want && a && b && about);
        unescape(a, one);
        unescape(b, other);
        if (strcmp(verdict(one, other), want) != 0 || strcmp(verdict(other, one), want) != 0)
            fail_msg("%s (%s, %s): wanted %s, got %s and %s", about, a, b, want, verdict(one, other),
                     verdict(other, one));
        rows++;
        near += !strcmp(want, "near");
    }
    assert_true(rows >= 60 && near >= 50);
}

/* What is no name has no fold, and nobody is like it. */
static const struct {
    const char *name;
    bool fine;
} fold_table[] = {
    {"a", true},
    {"", false},
    {" ", false},
    {"\xe2\x80\x8b", false},                        /* a zero-width space alone */
    {"a\xff", false},                               /* no UTF-8 */
    {"a\xc0\x80", false},                           /* overlong */
    {"a\xed\xa0\x80", false},                       /* a surrogate */
    {"a\xf4\x90\x80\x80", false},                   /* beyond Unicode */
    {"a\xe2\x82", false},                           /* cut */
    {"\xef\xb7\xba\xef\xb7\xba\xef\xb7\xba", true}, /* the ligature that grows most */
};

static void
test_folds(void **state)
{
    char name[600];

    (void) state;
    for (size_t i = 0; i < KB_LEN(fold_table); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(4096);
        if (kb_near_fold(fold_table[i].name, &b) != fold_table[i].fine)
            fail_msg("row %zu", i);
        assert_true(!b.failed && (b.len > 0) == fold_table[i].fine);
    }
    for (size_t len = 511; len <= 514; len++) { /* names have an end */
        KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(4096);
        memset(name, 'a', len);
        name[len] = '\0';
        assert_int_equal(kb_near_fold(name, &b), len <= 512);
        assert_int_equal(b.len, len <= 512 ? len : 0);
    }
    for (size_t i = 0; i < 170; i++) /* and room for what grows most */
        memcpy(name + 3 * i, "\xef\xb7\xba", 4);
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(16384);
    assert_true(kb_near_fold(name, &b) && !b.failed && b.len > 5000);
}

static const struct {
    const char *here, *there, *want;
} difference_table[] = {
    {"\xd0\xb0"
     "da",
     "ada", "U+0430 here, U+0061 there"},
    {"ADa\xe2\x80\x8b", "adA", "U+200B here, the end there"},
    {"ada", "ada ", "the end here, U+0020 there"},
    {"x\xf0\x9d\x90\x9d", "xd", "U+1D41D here, U+0064 there"},
    {"a", "A", "the end here, the end there"},
    {"", "", "the end here, the end there"},
    {"x\xff", "xy", "the end here, U+0079 there"},
};

static void
test_differences(void **state)
{
    char buf[KB_NEAR_DIFFERENCE_SIZE];

    (void) state;
    for (size_t i = 0; i < KB_LEN(difference_table); i++)
        assert_string_equal(kb_near_difference(difference_table[i].here, difference_table[i].there, buf),
                            difference_table[i].want);
}

/* Lines of realm_kit; then user "u" with `mail`, principal "1" called `name`; whom u is like, "" nobody. */
static const struct {
    const char *about, *lines[5], *mail, *name, *want;
} others_table[] = {
    {"a principal", {NULL}, "ad\xd0\xb0@a", "ada@a", "principal 1"},
    {"whom somebody else has", {"user|v|ada@a"}, "ad\xd0\xb0@a", "ada@a", "principal 1"},
    {"another user, nobody has an account", {"user|v|ada@a"}, "ad\xd0\xb0@a", "x@a", "user v"},
    {"a disabled user", {"user|v|ada@a", "set|v|disabled"}, "ad\xd0\xb0@a", "x@a", "user v"},
    {"somebody who is gone is nobody", {"user|v|ada@a", "set|v|gone"}, "ad\xd0\xb0@a", "x@a", ""},
    {"the first of several by name",
     {"person|7|\xd0\xb0"
      "d\xd0\xb0@a",
      "person|8|ada\xe2\x80\x8b@a"},
     "ad\xd0\xb0@a",
     "Ada@a",
     "principal 1"},
    {"the first of several by name, later in the list",
     {"person|7|ADA@a"},
     "ad\xd0\xb0@a",
     "x@a",
     "principal 7"},
    {"not oneself", {"user|v|aad@a"}, "ad\xd0\xb0@a", "x@a", ""},
    {"not oneself, though first by name", {"user|v|ad\xd0\xb0@a "}, "ada@a", "x@a", "user v"},
    {"only remembered", {"person|7|ada@a", "unlisted|7"}, "ad\xd0\xb0@a", "x@a", ""},
    {"a service principal is no person", {"sp|7|ada@a"}, "ad\xd0\xb0@a", "x@a", ""},
    {"a service account is no person", {"user|v|ada@a", "set|v|service"}, "ad\xd0\xb0@a", "x@a", ""},
    {"whom a principal fits is told nothing",
     {"person|7|\xd0\xb0"
      "da@a"},
     "ada@a",
     "ada@a",
     ""},
};

static void
test_others(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(others_table); i++) {
        struct kit kit;
        struct kb_matches matches;
        const struct kb_near *near;
        char got[64] = "";
        kit_make(&kit, others_table[i].lines);
        matches = match(&kit, others_table[i].mail, others_table[i].name);
        near = kb_match_near(matches.near, matches.near_len, kit_user(&kit, "u"));
        if (near)
            (void) snprintf(got, sizeof(got), "%s %s", near->principal ? "principal" : "user", near->id);
        if (strcmp(got, others_table[i].want) != 0)
            fail_msg("%s: wanted \"%s\", got \"%s\"", others_table[i].about, others_table[i].want, got);
        kb_matches_done(&matches);
        kit_done(&kit);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs), cmocka_unit_test(test_folds),
                                       cmocka_unit_test(test_differences), cmocka_unit_test(test_others)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
