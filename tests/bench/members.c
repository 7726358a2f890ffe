/* tests/bench/members.c: who is in which managed group, at size; started by members.py under callgrind.
 *
 * measured_sort() and measured_members() are what callgrind counts: a qsort of 1,000,000 32-bit integers, and scope
 * and desired of a realm with as many direct memberships. What comes out is compared with a slow answer. A world
 * of our own, so that a failure is an assertion.
 */
#include "base/ban.h"

#include "base/mem.h"
#include "reconciler/plan/desired.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define USERS 50000u
#define GROUPS 2000u
#define TREE 10u /* groups of one tree: a top, three below it, two below each of those */
#define ROLES 500u
#define MEMBERS 350u /* of a group */
#define HOLDERS 600u /* of a role: GROUPS * MEMBERS + ROLES * HOLDERS = 1,000,000 */
#define ROW_SIZE (USERS / 8)

static uint64_t random_state = 20261124;

/* xorshift64*: the same world everywhere. */
static uint32_t
pick(uint32_t below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t) ((random_state * 0x2545f4914f6cdd1dull) >> 33) % below;
}

static int
compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return (x > y) - (x < y);
}

void measured_sort(uint32_t *v, size_t len);
int measured_members(const struct kb_rules *rules, struct kb_realm *realm, const struct kb_target *target,
                     struct kb_scope *scope, struct kb_desired *ret, struct kb_error *err);

__attribute__((noinline)) void
measured_sort(uint32_t *v, size_t len)
{
    qsort(v, len, sizeof(*v), compare);
}

__attribute__((noinline)) int
measured_members(const struct kb_rules *rules, struct kb_realm *realm, const struct kb_target *target,
                 struct kb_scope *scope, struct kb_desired *ret, struct kb_error *err)
{
    int r = kb_scope_resolve(rules, "acme", realm, scope, err);

    return r < 0 ? r : kb_desired_make(rules, scope, realm, target, ret, err);
}

/* `len` different users. */
static void
fill(struct kb_u32s *ret, uint32_t len)
{
    uint32_t step = pick(USERS / len - 1) + 1, user = pick(USERS);

    for (uint32_t i = 0; i < len; i++, user = (user + step) % USERS)
        assert(kb_u32s_add(ret, user));
}

static void
make_people(struct kb_realm *realm, struct kb_target *target)
{
    char text[64];

    for (uint32_t i = 0; i < USERS; i++) {
        (void) snprintf(text, sizeof(text), "%08" PRIx32 "-0000-4000-8000-000000000000", i * 2654435761u);
        uint32_t user = kb_realm_user_add(realm, text), principal;
        (void) snprintf(text, sizeof(text), "person.%" PRIu32 "@acme.example", i);
        realm->users[user].username = realm->users[user].email = kb_pool_adds(&realm->pool, text);
        realm->users[user].flags = KB_USER_ENABLED | KB_USER_EMAIL_VERIFIED;
        (void) snprintf(text, sizeof(text), "%" PRIu32, 1000000u + i);
        principal = kb_target_principal_add(target, text);
        (void) snprintf(text, sizeof(text), "Person.%" PRIu32 "@acme.example", i);
        target->principals[principal].name = kb_pool_adds(&target->pool, text);
        target->principals[principal].listed = target->principals[principal].active = true;
    }
}

static void
make_roles(struct kb_realm *realm, struct kb_read complete)
{
    char text[64];

    for (uint32_t i = 0; i < ROLES; i++) {
        (void) snprintf(text, sizeof(text), "role-id-%" PRIu32, i);
        uint32_t row = kb_realm_role_add(realm, text);
        (void) snprintf(text, sizeof(text), "role-%" PRIu32, i);
        assert(kb_realm_role_set_name(realm, row, text, false));
        realm->roles[row].holders_read = complete;
        fill(&realm->roles[row].holders, HOLDERS);
    }
    for (uint32_t i = 0; i < ROLES; i += 5) { /* one in five contains two others, now and then in a circle */
        realm->roles[i].composite = true;
        realm->roles[i].children_read = complete;
        for (int k = 0; k < 2; k++)
            assert(kb_u32s_add(&realm->roles[i].children, pick(ROLES)));
    }
}

static void
make_groups(struct kb_realm *realm, struct kb_read complete)
{
    static const uint32_t parents[TREE] = {KB_NONE, 0, 0, 0, 1, 1, 2, 2, 3, 3};
    char text[128];

    for (uint32_t i = 0; i < GROUPS; i++) {
        uint32_t parent = parents[i % TREE];
        (void) snprintf(text, sizeof(text), "group-id-%" PRIu32, i);
        uint32_t row = kb_realm_group_add(realm, text);
        struct kb_realm_group *group = &realm->groups[row];
        group->parent = parent == KB_NONE ? KB_NONE : row - i % TREE + parent;
        (void) snprintf(text, sizeof(text), "%s/g%" PRIu32,
                        parent == KB_NONE ? "" : kb_realm_str(realm, realm->groups[group->parent].path), i);
        group->path = kb_pool_adds(&realm->pool, text);
        group->members_read = complete;
        fill(&group->members, MEMBERS);
        assert(kb_u32s_add(&group->roles, pick(ROLES)));
    }
}

/* Does the role lead to `goal`? */
static bool
leads_to(const struct kb_realm *realm, uint32_t role, uint32_t goal, bool *seen)
{
    bool found = role == goal;

    seen[role] = true;
    for (uint32_t i = 0; !found && i < realm->roles[role].children.len; i++) {
        uint32_t child = realm->roles[role].children.v[i];
        found = !seen[child] && leads_to(realm, child, goal, seen);
    }
    return found;
}

static void
mark(uint8_t *row, const struct kb_u32s *users)
{
    for (uint32_t i = 0; i < users->len; i++)
        row[users->v[i] / 8] |= (uint8_t) (1u << users->v[i] % 8);
}

/* How many people have the role in the end, the slow way. */
static uint32_t
count_slowly(const struct kb_realm *realm, uint32_t goal, uint8_t *row)
{
    bool gives[ROLES];
    uint32_t count = 0;

    memset(row, 0, ROW_SIZE);
    for (uint32_t r = 0; r < ROLES; r++) {
        bool seen[ROLES] = {false};
        gives[r] = leads_to(realm, r, goal, seen);
        if (gives[r])
            mark(row, &realm->roles[r].holders);
    }
    for (uint32_t g = 0; g < GROUPS; g++) {
        bool given = false;
        for (uint32_t up = g; !given && up != KB_NONE; up = realm->groups[up].parent)
            given = gives[realm->groups[up].roles.v[0]];
        if (given)
            mark(row, &realm->groups[g].members);
    }
    for (size_t i = 0; i < ROW_SIZE; i++)
        count += (uint32_t) __builtin_popcount(row[i]);
    return count;
}

static void
check(const struct kb_realm *realm, const struct kb_scope *scope, const struct kb_desired *desired)
{
    static uint8_t row[ROW_SIZE];

    assert(desired->groups_len == ROLES);
    for (uint32_t i = 0; i < ROLES; i++) {
        uint32_t role = scope->bindings[scope->managed[i].bindings_start].role;
        assert(!desired->groups[i].frozen_note && !desired->groups[i].gone_note);
        assert(desired->groups[i].users.len == count_slowly(realm, role, row));
        assert(desired->groups[i].principals.len == desired->groups[i].users.len);
    }
}

int
main(void)
{
    static char email[] = "email", *keys[] = {email};
    struct kb_rule rule = {.number = 1, .kind = KB_RULE_ROLE_GLOB, .object = "*", .group = "{1}"};
    const struct kb_rules rules = {.rules = &rule, .rules_len = 1, .match = {.users = {.v = keys, .len = 1}}};
    const struct kb_read complete = {.status = KB_READ_COMPLETE, .http = 200};
    struct kb_realm realm = {.roles_read = complete, .groups_read = complete, .clients_read = complete};
    struct kb_target target;
    struct kb_scope scope = {0};
    struct kb_desired desired = {0};
    struct kb_error err = {0};
    size_t len = GROUPS * MEMBERS + ROLES * HOLDERS;
    KB_CLEANUP(kb_free) uint32_t *numbers = malloc(len * sizeof(*numbers));

    assert(numbers && len == 1000000);
    for (size_t i = 0; i < len; i++)
        numbers[i] = pick(UINT32_MAX);
    kb_target_init(&target);
    make_people(&realm, &target);
    make_roles(&realm, complete);
    make_groups(&realm, complete);
    measured_sort(numbers, len);
    for (size_t i = 1; i < len; i++)
        assert(numbers[i - 1] <= numbers[i]);
    assert(measured_members(&rules, &realm, &target, &scope, &desired, &err) == 0);
    check(&realm, &scope, &desired);
    printf("%zu %u %u %u %" PRIu64 "\n", len, GROUPS, ROLES, USERS, desired.memberships);
    kb_desired_done(&desired);
    kb_scope_done(&scope);
    kb_target_done(&target);
    kb_realm_done(&realm);
    return 0;
}
