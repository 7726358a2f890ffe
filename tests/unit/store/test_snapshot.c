#include "base/ban.h"

#include "tests/unit/store/place.h"

#include "store/ledger.h"
#include "store/snapshot.h"

#define NOW 1700000000

static uint32_t
add_principal(struct kb_target *target, const char *id, const char *name, enum kb_principal_kind kind)
{
    uint32_t at = kb_target_principal_add(target, id);
    target->principals[at].name = kb_pool_adds(&target->pool, name);
    target->principals[at].kind = (uint8_t) kind;
    target->principals[at].active = true;
    target->principals[at].listed = true;
    return at;
}

static uint32_t
add_group(struct kb_target *target, const char *id, const char *name)
{
    uint32_t at = kb_target_group_add(target, id);
    assert_true(kb_target_group_set_name(target, at, name));
    target->groups[at].listed = true;
    return at;
}

static void
members_now(struct kb_target *target, uint32_t group, size_t len, const uint32_t *members)
{
    struct kb_target_group *g = &target->groups[group];
    g->members.len = 0;
    for (size_t i = 0; i < len; i++)
        assert_true(kb_u32s_add(&g->members, members[i]));
    kb_u32s_sort_unique(&g->members);
    g->from = KB_MEMBERS_NOW;
    g->read.status = KB_READ_COMPLETE;
}

static void
lists_complete(struct kb_target *target)
{
    target->users_read.status = target->services_read.status = target->groups_read.status = KB_READ_COMPLETE;
}

static void
save(struct store *store, const struct kb_target *target)
{
    struct kb_error err = {0};
    if (store_snapshot_save(store, target, NOW, &err) < 0)
        fail_msg("save: %s", err.msg);
}

static void
load(struct store *store, struct kb_target *target, bool everything)
{
    struct kb_error err = {0};
    if (store_snapshot_load(store, target, everything, &err) < 0)
        fail_msg("load: %s", err.msg);
}

/* Members as sorted text of ids, for comparing targets whose indices differ. */
static int
compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
ids_of(const struct kb_target *target, const struct kb_u32s *rows, char *ret, size_t size)
{
    const char *ids[64];
    size_t at = 0;

    assert_true(rows->len <= KB_LEN(ids));
    for (uint32_t i = 0; i < rows->len; i++)
        ids[i] = kb_target_str(target, target->principals[rows->v[i]].id);
    qsort(ids, rows->len, sizeof(*ids), compare_ids);
    ret[0] = '\0';
    for (uint32_t i = 0; i < rows->len; i++)
        at += (size_t) snprintf(ret + at, size - at, "%s ", ids[i]);
}

static void
assert_members(const struct kb_target *target, const char *group_id, const char *want)
{
    char text[1024];
    uint32_t at = kb_target_group(target, group_id);

    assert_int_not_equal(at, KB_NONE);
    ids_of(target, &target->groups[at].members, text, sizeof(text));
    assert_string_equal(text, want);
    for (uint32_t i = 1; i < target->groups[at].members.len; i++)
        assert_true(target->groups[at].members.v[i - 1] < target->groups[at].members.v[i]);
}

/* users 1..4, service 9; groups 100 = {1, 2, 9}, 200 = {} */
static void
small_world(struct kb_target *target)
{
    kb_target_init(target);
    uint32_t p[5];
    p[0] = add_principal(target, "1", "ada@acme.example", KB_PRINCIPAL_USER);
    p[1] = add_principal(target, "2", "bob@acme.example", KB_PRINCIPAL_USER);
    p[2] = add_principal(target, "3", "cyd@acme.example", KB_PRINCIPAL_USER);
    p[3] = add_principal(target, "4", "dag@acme.example", KB_PRINCIPAL_USER);
    p[4] = add_principal(target, "9", "app", KB_PRINCIPAL_SERVICE);
    target->principals[p[3]].active = false;
    target->principals[p[0]].display = kb_pool_adds(&target->pool, "Ada");
    uint32_t g = add_group(target, "100", "ml-engineers");
    target->groups[g].external_id = kb_pool_adds(&target->pool, "x-1");
    target->groups[g].local = true;
    target->groups[g].group_members = 2;
    members_now(target, g, 3, (const uint32_t[]){p[0], p[1], p[4]});
    g = add_group(target, "200", "empty");
    members_now(target, g, 0, NULL);
    lists_complete(target);
}

static void
test_everything(void **state)
{
    struct place *p = *state;
    struct kb_target target, again;

    struct store *store = place_open(p, STORE_WRITE);
    small_world(&target);
    save(store, &target);
    store_close(store);
    store = place_open(p, STORE_READ);
    kb_target_init(&again);
    load(store, &again, true);
    assert_int_equal(again.principals_len, 5);
    assert_int_equal(again.groups_len, 2);
    assert_members(&again, "100", "1 2 9 ");
    assert_members(&again, "200", "");
    struct kb_target_group *g = &again.groups[kb_target_group_named(&again, "ml-engineers")];
    assert_int_equal(g->from, KB_MEMBERS_SNAPSHOT);
    assert_int_equal(g->read_at_s, NOW);
    assert_int_equal(g->group_members, 2);
    assert_true(g->listed);
    assert_true(g->local);
    assert_string_equal(kb_target_str(&again, g->external_id), "x-1");
    const struct kb_principal *ada = &again.principals[kb_target_principal(&again, "1")];
    assert_string_equal(kb_target_str(&again, ada->name), "ada@acme.example");
    assert_string_equal(kb_target_str(&again, ada->display), "Ada");
    assert_true(ada->listed && ada->active);
    assert_false(again.principals[kb_target_principal(&again, "4")].active);
    assert_int_equal(again.principals[kb_target_principal(&again, "9")].kind, KB_PRINCIPAL_SERVICE);
    assert_true(kb_read_ok(&again.users_read) && kb_read_ok(&again.services_read) &&
                kb_read_ok(&again.groups_read));
    kb_target_done(&target);
    kb_target_done(&again);
    store_close(store);
}

static void
test_never_listed(void **state)
{
    struct place *p = *state;
    struct kb_target target;

    struct store *store = place_open(p, STORE_WRITE);
    kb_target_init(&target);
    load(store, &target, true);
    assert_int_equal(target.users_read.status, KB_READ_FAILED); /* not: complete and empty */
    assert_int_not_equal(target.users_read.note, 0);
    kb_target_done(&target);
    store_close(store);
}

/* What this run has read wins; what it lists not is not brought back; members unknown to the listing come as
 * principals that are not listed. */
static void
test_partial(void **state)
{
    struct place *p = *state;
    struct kb_target target, run;

    struct store *store = place_open(p, STORE_WRITE);
    small_world(&target);
    save(store, &target);
    kb_target_init(&run);
    uint32_t two = add_principal(&run, "2", "bob@acme.example", KB_PRINCIPAL_USER);
    uint32_t hundred = add_group(&run, "100", "ml-engineers");
    load(store, &run, false);
    assert_int_equal(run.groups_len, 1);
    assert_int_equal(run.principals_len, 3);
    assert_members(&run, "100", "1 2 9 ");
    assert_true(run.principals[two].listed);
    assert_false(run.principals[kb_target_principal(&run, "1")].listed);
    assert_string_equal(kb_target_str(&run, run.principals[kb_target_principal(&run, "9")].name), "app");
    assert_int_equal(run.principals[kb_target_principal(&run, "9")].kind, KB_PRINCIPAL_SERVICE);
    members_now(&run, hundred, 1, &two);
    load(store, &run, false);
    assert_int_equal(run.groups[hundred].from, KB_MEMBERS_NOW);
    assert_members(&run, "100", "2 ");
    kb_target_done(&target);
    kb_target_done(&run);
    store_close(store);
}

static void
test_difference(void **state)
{
    struct place *p = *state;
    struct kb_target target, again;

    struct store *store = place_open(p, STORE_WRITE);
    small_world(&target);
    save(store, &target);
    int64_t writes = place_number(p, "SELECT count(*) FROM member");
    assert_int_equal(writes, 3);
    /* member 1 leaves, 4 comes; group 200 was not read this time; user 3 left the listing; a rename */
    uint32_t g = kb_target_group(&target, "100");
    members_now(&target, g, 3,
                (const uint32_t[]){kb_target_principal(&target, "2"), kb_target_principal(&target, "9"),
                                   kb_target_principal(&target, "4")});
    target.groups[kb_target_group(&target, "200")].from = KB_MEMBERS_NONE;
    target.principals[kb_target_principal(&target, "3")].listed = false;
    assert_true(kb_target_group_set_name(&target, kb_target_group(&target, "200"), "renamed"));
    save(store, &target);
    kb_target_init(&again);
    load(store, &again, true);
    assert_members(&again, "100", "2 4 9 ");
    assert_false(again.principals[kb_target_principal(&again, "3")].listed);
    assert_int_not_equal(kb_target_group_named(&again, "renamed"), KB_NONE);
    assert_int_equal(again.groups[kb_target_group(&again, "200")].from, KB_MEMBERS_SNAPSHOT);
    kb_target_done(&again);

    /* An incomplete listing, a group read with doubt: nothing is forgotten, nothing is believed. */
    struct kb_target poor;
    kb_target_init(&poor);
    g = add_group(&poor, "100", "ml-engineers");
    members_now(&poor, g, 0, NULL);
    poor.groups[g].read.status = KB_READ_SUSPECT;
    poor.users_read.status = KB_READ_FAILED;
    poor.groups_read.status = KB_READ_SUSPECT;
    save(store, &poor);
    kb_target_init(&again);
    load(store, &again, true);
    assert_members(&again, "100", "2 4 9 ");
    assert_true(again.principals[kb_target_principal(&again, "1")].listed);
    assert_true(again.groups[kb_target_group(&again, "200")].listed);
    kb_target_done(&again);

    /* A complete listing without the group: its members go. */
    poor.groups[g].listed = false;
    poor.groups_read.status = KB_READ_COMPLETE;
    save(store, &poor);
    assert_int_equal(place_number(p, "SELECT count(*) FROM member"), 0);
    assert_int_equal(place_number(p, "SELECT count(*) FROM target_group"), 0);
    kb_target_done(&poor);
    kb_target_done(&target);
    store_close(store);
}

static void
test_unlisted_member(void **state)
{
    struct place *p = *state;
    struct kb_target target, again;

    struct store *store = place_open(p, STORE_WRITE);
    small_world(&target);
    uint32_t stranger = add_principal(&target, "7", "gil@acme.example", KB_PRINCIPAL_USER);
    target.principals[stranger].listed = false;
    members_now(&target, kb_target_group(&target, "200"), 1, &stranger);
    save(store, &target);
    kb_target_init(&again);
    load(store, &again, true);
    assert_members(&again, "200", "7 ");
    assert_false(again.principals[kb_target_principal(&again, "7")].listed);
    kb_target_done(&target);
    kb_target_done(&again);
    store_close(store);
}

/* Random worlds: what was saved last is what is loaded, whatever was there before. */
static void
test_random(void **state)
{
    struct place *p = *state;
    struct store *store = place_open(p, STORE_WRITE);
    unsigned seed = 20261124;

    for (int round = 0; round < 60; round++) {
        struct kb_target target, again;
        char id[24], name[32], want[1024], got[1024];
        kb_target_init(&target);
        lists_complete(&target);
        for (int i = 0; i < 30; i++)
            if (rand_r(&seed) % 4) {
                (void) snprintf(id, sizeof(id), "%d", 1000 + i);
                (void) snprintf(name, sizeof(name), "u%d-%d", i, rand_r(&seed) % 2);
                (void) add_principal(&target, id, name,
                                     rand_r(&seed) % 5 ? KB_PRINCIPAL_USER : KB_PRINCIPAL_SERVICE);
            }
        for (int i = 0; i < 8; i++)
            if (rand_r(&seed) % 3) {
                uint32_t members[30];
                size_t len = 0;
                (void) snprintf(id, sizeof(id), "%d", 1 + i);
                uint32_t g = add_group(&target, id, id);
                for (uint32_t k = 0; k < target.principals_len; k++)
                    if (rand_r(&seed) % 2)
                        members[len++] = k;
                members_now(&target, g, len, members);
            }
        save(store, &target);
        kb_target_init(&again);
        load(store, &again, true);
        uint32_t listed = 0;
        for (uint32_t i = 0; i < again.groups_len; i++)
            listed += again.groups[i].listed;
        assert_int_equal(listed, target.groups_len);
        for (uint32_t i = 0; i < target.groups_len; i++) {
            ids_of(&target, &target.groups[i].members, want, sizeof(want));
            ids_of(
                &again,
                &again.groups[kb_target_group(&again, kb_target_str(&target, target.groups[i].id))].members,
                got, sizeof(got));
            assert_string_equal(want, got);
        }
        for (uint32_t i = 0; i < target.principals_len; i++) {
            const struct kb_principal *a = &target.principals[i];
            const struct kb_principal *b =
                &again.principals[kb_target_principal(&again, kb_target_str(&target, a->id))];
            assert_string_equal(kb_target_str(&target, a->name), kb_target_str(&again, b->name));
            assert_int_equal(a->kind, b->kind);
            assert_true(b->listed);
        }
        kb_target_done(&target);
        kb_target_done(&again);
    }
    store_close(store);
    store_close(place_open(p, STORE_WRITE)); /* the sums of all rows agree */
}

/* ---- ledger ---- */

static void
put(struct store *store, const char *group, const char *principal, const char *user, const char *directory,
    const char *reason)
{
    struct kb_error err = {0};
    const struct store_ledger_row row = {.group_id = group,
                                         .group_name = "name of group",
                                         .principal_id = principal,
                                         .principal_name = "name of principal",
                                         .kind = "user",
                                         .user_id = user,
                                         .directory = directory,
                                         .reason_json = reason,
                                         .at_s = NOW};
    if (store_ledger_put(store, &row, &err) < 0)
        fail_msg("put: %s", err.msg);
}

static int
see_user(void *userdata, const char *user_id, const char *directory, struct kb_error *err)
{
    (void) err;
    (void) snprintf((char *) userdata + strlen(userdata), 200 - strlen(userdata), "%s@%s ", user_id,
                    directory);
    return 0;
}

static void
test_ledger(void **state)
{
    struct place *p = *state;
    struct kb_error err = {0};
    struct kb_target target, run;
    KB_CLEANUP(kb_buf) struct kb_buf reason = KB_BUF_INIT(1000);
    char text[1024], users[200] = "";

    struct store *store = place_open(p, STORE_WRITE);
    small_world(&target);
    save(store, &target);
    put(store, "100", "2", "kc-bob", "", "[\"why\"]");
    put(store, "100", "1", "kc-ada", "ldap", "");
    put(store, "300", "55", "", "", "[\"why\"]");
    put(store, "100", "1", "kc-ada", "ldap2", "[\"now\"]"); /* replaced, not doubled */
    store_close(store);

    store = place_open(p, STORE_WRITE);
    kb_target_init(&run);
    (void) add_principal(&run, "2", "bob@acme.example", KB_PRINCIPAL_USER);
    (void) add_group(&run, "100", "ml-engineers");
    assert_int_equal(store_ledger_load(store, &run, &err), 0);
    assert_int_equal(run.groups_len, 2);
    const struct kb_target_group *g = &run.groups[kb_target_group(&run, "100")];
    ids_of(&run, &g->ledger, text, sizeof(text));
    assert_string_equal(text, "1 2 ");
    assert_int_equal(g->ledger_user.len, 2);
    for (uint32_t i = 0; i < 2; i++) {
        bool bob = strcmp(kb_target_str(&run, run.principals[g->ledger.v[i]].id), "2") == 0;
        assert_string_equal(kb_target_str(&run, g->ledger_user.v[i]), bob ? "kc-bob" : "kc-ada");
    }
    assert_true(g->ledger.v[0] < g->ledger.v[1]);
    const struct kb_target_group *gone = &run.groups[kb_target_group(&run, "300")];
    assert_false(gone->listed);
    assert_string_equal(kb_target_str(&run, gone->name), "name of group");
    ids_of(&run, &gone->ledger, text, sizeof(text));
    assert_string_equal(text, "55 ");
    assert_false(run.principals[gone->ledger.v[0]].listed);
    assert_int_equal(gone->ledger_user.v[0], 0);
    kb_target_done(&run);

    assert_int_equal(store_ledger_reason(store, "100", "1", &reason, &err), 0);
    assert_string_equal(kb_buf_str(&reason), "[\"now\"]");
    assert_int_equal(store_ledger_reason(store, "100", "55", &reason, &err), 0);
    assert_string_equal(kb_buf_str(&reason), "");
    assert_int_equal(store_ledger_users_each(store, see_user, users, &err), 0);
    assert_string_equal(users, "@ kc-ada@ldap2 kc-bob@ ");

    /* A group that is gone from the target keeps its ledger rows and its name. */
    kb_target_init(&run);
    run.groups_read.status = KB_READ_COMPLETE;
    save(store, &run);
    assert_int_equal(place_number(p, "SELECT count(*) FROM ledger"), 3);
    assert_int_equal(place_number(p, "SELECT count(*) FROM member"), 0);
    assert_int_equal(place_number(p, "SELECT count(*) FROM target_group"), 2);
    kb_target_done(&run);

    assert_int_equal(store_ledger_drop(store, "100", "2", &err), 0);
    assert_int_equal(store_ledger_drop(store, "100", "2", &err), 0);
    assert_int_equal(place_number(p, "SELECT count(*) FROM ledger"), 2);
    assert_int_equal(store_ledger_release(store, "100", &err), 0);
    assert_int_equal(place_number(p, "SELECT count(*) FROM ledger"), 1);
    const struct store_ledger_row odd = {.group_id = "1",
                                         .group_name = "",
                                         .principal_id = "1",
                                         .principal_name = "",
                                         .kind = "group",
                                         .user_id = "",
                                         .directory = "",
                                         .reason_json = ""};
    assert_int_equal(store_ledger_put(store, &odd, &err), -KB_E_BUG);
    kb_target_done(&target);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_never_listed, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_partial, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_difference, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_unlisted_member, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_random, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_ledger, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
