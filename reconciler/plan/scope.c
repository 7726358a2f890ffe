/* reconciler/plan/scope.c: rules and catalog in, managed groups and their bindings out.
 *
 * First every (rule, object) pair is found, in the order of the rules; a managed group is made when it is
 * named for the first time. Then both arrays are sorted, so that the order of the server's answers shows
 * nowhere. A glob that fits nothing makes nothing; a name that fits nothing makes a gone binding.
 */
#include "base/ban.h"

#include "reconciler/plan/scope.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "reconciler/plan/reach.h"

#include <assert.h>

#define MANAGED_MAX (1u << 20)
#define BINDINGS_MAX (1u << 22)

struct builder {
    const struct kb_rules *rules;
    const char *target;
    struct kb_realm *realm;
    struct kb_scope *scope;
    struct kb_index by_name; /* of scope->managed while it is not sorted */
    uint32_t *by_path;       /* group indices sorted by path */
    struct kb_error *err;
};

static const char *
managed_name(const void *table, uint32_t row)
{
    const struct kb_scope *scope = table;

    return scope->managed[row].name;
}

/* The first rule of a group speaks for it; every other must say the same. Source: interface.md section 3. */
static int
check_agreement(const struct builder *b, const struct kb_managed *m, const struct kb_rule *first,
                const struct kb_rule *rule)
{
    const char *what = NULL;

    if (first->create != rule->create)
        what = "create";
    else if (first->privileged != rule->privileged)
        what = "privileged";
    else if (first->min_members != rule->min_members)
        what = "min_members";
    else if (first->foreign != rule->foreign)
        what = "foreign";
    else if (first->adopt_external != rule->adopt_external)
        what = "adopt_external";
    if (!what)
        return 0;
    return kb_fail(b->err, KB_E_CONFIG, "rules in lines %u and %u disagree about \"%s\" of group \"%.255s\"",
                   first->line, rule->line, what, m->name);
}

/* Finds or makes the managed group of that name. While groups are not sorted, bindings_start is the first
 * binding, whose rule speaks for the group. */
static int
manage(struct builder *b, const struct kb_rule *rule, const char *name, uint32_t *ret)
{
    struct kb_scope *scope = b->scope;
    uint32_t row = kb_index_find(&b->by_name, managed_name, scope, name);

    if (row != KB_NONE) {
        *ret = row;
        return check_agreement(b, &scope->managed[row],
                               scope->bindings[scope->managed[row].bindings_start].rule, rule);
    }
    row = scope->managed_len;
    if (!kb_grow(&scope->managed, &scope->managed_cap, (size_t) row + 1, sizeof(*scope->managed),
                 MANAGED_MAX))
        return kb_fail(b->err, KB_E_NOMEM, "out of memory, or over %u managed groups", MANAGED_MAX);
    scope->managed[row] = (struct kb_managed){
        .create = rule->create,
        .privileged = rule->privileged,
        .adopt_external = rule->adopt_external,
        .min_members = rule->min_members,
        .foreign = rule->foreign,
        .bindings_start = scope->bindings_len,
    };
    memcpy(scope->managed[row].name, name, strlen(name) + 1);
    if (!kb_index_add(&b->by_name, managed_name, scope, row))
        return kb_fail(b->err, KB_E_NOMEM, "managed groups: out of memory");
    scope->managed_len++;
    *ret = row;
    return 0;
}

/* `object` is what the rule's glob matched, or the rule's own object. */
static int
bind(struct builder *b, const struct kb_rule *rule, const char *object, const struct kb_glob_match *match,
     struct kb_binding binding)
{
    struct kb_scope *scope = b->scope;
    char name[256];
    int r;

    if (!kb_rule_group_name(rule, object, match, name) || !*name)
        return kb_fail(b->err, KB_E_CONFIG,
                       "rule in line %u: \"%.200s\" gives a group name that is empty or over 255 bytes",
                       rule->line, object);
    r = manage(b, rule, name, &binding.managed);
    if (r < 0)
        return r;
    if (!kb_grow(&scope->bindings, &scope->bindings_cap, (size_t) scope->bindings_len + 1,
                 sizeof(*scope->bindings), BINDINGS_MAX))
        return kb_fail(b->err, KB_E_NOMEM, "out of memory, or over %u rules filled in", BINDINGS_MAX);
    binding.rule = rule;
    scope->bindings[scope->bindings_len++] = binding;
    return 0;
}

static bool
listed(const struct kb_strings *patterns, const char *s, bool path)
{
    for (size_t i = 0; i < patterns->len; i++) {
        if (!strcmp(patterns->v[i], s) || kb_glob(patterns->v[i], s, path, NULL))
            return true;
    }
    return false;
}

static int
bind_role(struct builder *b, const struct kb_rule *rule)
{
    uint32_t role = kb_realm_role_named(b->realm, rule->object);

    return bind(b, rule, rule->object, NULL,
                (struct kb_binding){.role = role, .group = KB_NONE, .gone = role == KB_NONE});
}

static int
bind_client_role(struct builder *b, const struct kb_rule *rule)
{
    const struct kb_realm *realm = b->realm;
    uint32_t role = KB_NONE;

    for (uint32_t i = 0; i < realm->roles_len && role == KB_NONE; i++) {
        const struct kb_role *r = &realm->roles[i];
        if (r->client_role && r->client && !strcmp(kb_realm_str(realm, r->client), rule->client) &&
            !strcmp(kb_realm_str(realm, r->name), rule->object))
            role = i;
    }
    return bind(b, rule, rule->object, NULL,
                (struct kb_binding){.role = role, .group = KB_NONE, .gone = role == KB_NONE});
}

static int
bind_role_glob(struct builder *b, const struct kb_rule *rule)
{
    for (uint32_t i = 0; i < b->realm->roles_len; i++) {
        const struct kb_role *role = &b->realm->roles[i];
        const char *name = kb_realm_str(b->realm, role->name);
        struct kb_glob_match match;
        int r;
        if (role->client_role || !role->name || !kb_glob(rule->object, name, false, &match) ||
            listed(&b->rules->exclude_roles, name, false))
            continue;
        r = bind(b, rule, name, &match, (struct kb_binding){.role = i, .group = KB_NONE});
        if (r < 0)
            return r;
    }
    return 0;
}

static const char *
path_at(const struct builder *b, uint32_t place)
{
    return kb_realm_str(b->realm, b->realm->groups[b->by_path[place]].path);
}

/* The group that was bound last. */
static void
mark_ambiguous(struct builder *b)
{
    assert(b->scope->bindings_len > 0);
    b->scope->managed[b->scope->bindings[b->scope->bindings_len - 1].managed].ambiguous_path = true;
}

/* Every group with that path is bound: two of them are told apart by nothing that the rule says. */
static int
bind_path(struct builder *b, const struct kb_rule *rule)
{
    uint32_t low = 0, high = b->realm->groups_len, first;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (strcmp(path_at(b, mid), rule->object) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    first = low;
    for (; low < b->realm->groups_len && !strcmp(path_at(b, low), rule->object); low++) {
        int r =
            bind(b, rule, rule->object, NULL, (struct kb_binding){.role = KB_NONE, .group = b->by_path[low]});
        if (r < 0)
            return r;
        if (low > first)
            mark_ambiguous(b);
    }
    if (low > first)
        return 0;
    return bind(b, rule, rule->object, NULL,
                (struct kb_binding){.role = KB_NONE, .group = KB_NONE, .gone = true});
}

static int
bind_path_glob(struct builder *b, const struct kb_rule *rule)
{
    for (uint32_t i = 0; i < b->realm->groups_len; i++) {
        const char *path = path_at(b, i);
        struct kb_glob_match match;
        int r;
        if (!*path || !kb_glob(rule->object, path, true, &match) ||
            listed(&b->rules->exclude_paths, path, true))
            continue;
        r = bind(b, rule, path, &match, (struct kb_binding){.role = KB_NONE, .group = b->by_path[i]});
        if (r < 0)
            return r;
        if (i > 0 && !strcmp(path_at(b, i - 1), path)) /* not excluded either: the same text */
            mark_ambiguous(b);
    }
    return 0;
}

static int
bind_rule(struct builder *b, const struct kb_rule *rule)
{
    switch (rule->kind) {
    case KB_RULE_ROLE:
        return bind_role(b, rule);
    case KB_RULE_ROLE_GLOB:
        return bind_role_glob(b, rule);
    case KB_RULE_PATH:
        return bind_path(b, rule);
    case KB_RULE_PATH_GLOB:
        return bind_path_glob(b, rule);
    case KB_RULE_CLIENT_ROLE:
        return bind_client_role(b, rule);
    case KB_RULE_KIND_MAX_:
        break;
    }
    return kb_fail(b->err, KB_E_BUG, "rule in line %u has no kind", rule->line);
}

static int
compare_paths(const void *a, const void *b, void *userdata)
{
    const struct kb_realm *realm = userdata;
    const struct kb_realm_group *x = &realm->groups[*(const uint32_t *) a];
    const struct kb_realm_group *y = &realm->groups[*(const uint32_t *) b];
    int c = strcmp(kb_realm_str(realm, x->path), kb_realm_str(realm, y->path));

    return c ? c : strcmp(kb_realm_str(realm, x->id), kb_realm_str(realm, y->id));
}

static int
sort_paths(struct builder *b)
{
    uint32_t len = b->realm->groups_len;

    b->by_path = malloc(((size_t) len + 1) * sizeof(*b->by_path));
    if (!b->by_path)
        return kb_fail(b->err, KB_E_NOMEM, "groups by path: out of memory");
    for (uint32_t i = 0; i < len; i++)
        b->by_path[i] = i;
    qsort_r(b->by_path, len, sizeof(*b->by_path), compare_paths, b->realm);
    return 0;
}

static int
compare_managed(const void *a, const void *b, void *userdata)
{
    const struct kb_scope *scope = userdata;

    return strcmp(scope->managed[*(const uint32_t *) a].name, scope->managed[*(const uint32_t *) b].name);
}

static const char *
binding_id(const struct kb_realm *realm, const struct kb_binding *binding)
{
    if (binding->role != KB_NONE)
        return kb_realm_str(realm, realm->roles[binding->role].id);
    return binding->group != KB_NONE ? kb_realm_str(realm, realm->groups[binding->group].id) : "";
}

/* By managed group, rule, and id: row numbers depend on the order of answers. */
static int
compare_bindings(const void *a, const void *b, void *userdata)
{
    const struct kb_binding *x = a, *y = b;
    const struct kb_realm *realm = userdata;

    if (x->managed != y->managed)
        return x->managed < y->managed ? -1 : 1;
    if (x->rule->number != y->rule->number)
        return x->rule->number < y->rule->number ? -1 : 1;
    return strcmp(binding_id(realm, x), binding_id(realm, y));
}

/* Sorts both arrays and sets each group's run of bindings. */
static int
arrange(struct kb_scope *scope, struct kb_realm *realm, struct kb_error *err)
{
    size_t len = scope->managed_len;
    KB_CLEANUP(kb_free) uint32_t *from = malloc((len + 1) * sizeof(*from)); /* new place -> old */
    KB_CLEANUP(kb_free) uint32_t *to = malloc((len + 1) * sizeof(*to));
    KB_CLEANUP(kb_free) struct kb_managed *old = malloc((len + 1) * sizeof(*old));

    if (!from || !to || !old)
        return kb_fail(err, KB_E_NOMEM, "managed groups: out of memory");
    for (uint32_t i = 0; i < len; i++)
        from[i] = i;
    qsort_r(from, len, sizeof(*from), compare_managed, scope);
    if (len)
        memcpy(old, scope->managed, len * sizeof(*old));
    for (uint32_t i = 0; i < len; i++) {
        scope->managed[i] = old[from[i]];
        to[from[i]] = i;
    }
    for (uint32_t i = 0; i < scope->bindings_len; i++)
        scope->bindings[i].managed = to[scope->bindings[i].managed];
    if (scope->bindings_len)
        qsort_r(scope->bindings, scope->bindings_len, sizeof(*scope->bindings), compare_bindings, realm);
    for (uint32_t i = 0, b = 0; i < len; i++) {
        scope->managed[i].bindings_start = b;
        while (b < scope->bindings_len && scope->bindings[b].managed == i)
            b++;
        scope->managed[i].bindings_len = b - scope->managed[i].bindings_start;
    }
    return 0;
}

static int
mark_wanted(const struct kb_scope *scope, struct kb_realm *realm, struct kb_error *err)
{
    struct kb_reach reach;
    int r = kb_reach_init(&reach, realm, err);

    if (r < 0)
        return r;
    for (uint32_t i = 0; i < scope->bindings_len; i++) {
        const struct kb_binding *binding = &scope->bindings[i];
        if (binding->role != KB_NONE)
            kb_reach_role(&reach, binding->role);
        else if (binding->group != KB_NONE)
            kb_reach_group(&reach, binding->group, binding->rule->subgroups);
    }
    for (uint32_t i = 0; i < reach.roles.len; i++)
        realm->roles[reach.roles.v[i]].wanted = true;
    for (uint32_t i = 0; i < reach.groups.len; i++)
        realm->groups[reach.groups.v[i]].wanted = true;
    kb_reach_done(&reach);
    return 0;
}

int
kb_scope_resolve(const struct kb_rules *rules, const char *target, struct kb_realm *realm,
                 struct kb_scope *ret, struct kb_error *err)
{
    struct kb_scope scope = {0};
    struct builder b = {.rules = rules, .target = target, .realm = realm, .scope = &scope, .err = err};
    int r = sort_paths(&b);

    for (size_t i = 0; r >= 0 && i < rules->rules_len; i++) {
        if (kb_rule_for_target(&rules->rules[i], target))
            r = bind_rule(&b, &rules->rules[i]);
    }
    kb_index_done(&b.by_name);
    free(b.by_path);
    if (r >= 0)
        r = arrange(&scope, realm, err);
    if (r >= 0)
        r = mark_wanted(&scope, realm, err);
    if (r < 0) {
        kb_scope_done(&scope);
        return r;
    }
    *ret = scope;
    return 0;
}

void
kb_scope_done(struct kb_scope *scope)
{
    free(scope->managed);
    free(scope->bindings);
    *scope = (struct kb_scope){0};
}

/* ---- Scope over time ---- */

/* Reads a group name backwards: which object would the glob have to match for this name to come out? False
 * when none would. Where the name does not tell (a star without {n}) the answer is yes: a group that stays
 * managed is written to by nobody, and a person hears of it. */
static bool
could_name(const struct kb_rules *rules, const struct kb_rule *rule, const char *name)
{
    KB_CLEANUP(kb_buf) struct kb_buf pattern = KB_BUF_INIT(4096), object = KB_BUF_INIT(65536);
    bool path = rule->kind == KB_RULE_PATH_GLOB;
    unsigned where[10] = {0}, stars = 0,
             star = 0; /* where[n]: place of {n} among the pattern's stars, from 1 */
    struct kb_glob_match match;
    char again[256];

    for (const char *p = rule->group; *p; p++) {
        if (p[0] == '{' && p[1] >= '1' && p[1] <= '9' && p[2] == '}') {
            kb_buf_addc(&pattern, '*');
            stars++;
            if (!where[p[1] - '0'])
                where[p[1] - '0'] = stars;
            p += 2;
        } else {
            stars += *p == '*';
            kb_buf_addc(&pattern, *p);
        }
    }
    if (pattern.failed)
        return true;
    if (!kb_glob(kb_buf_str(&pattern), name, false, &match))
        return false;
    for (const char *p = rule->object; *p; p++) {
        if (*p != '*') {
            kb_buf_addc(&object, *p);
            continue;
        }
        p += p[1] == '*';
        if (++star > 9 || !where[star] || where[star] > match.len)
            return true;
        kb_buf_add(&object, name + match.cap[where[star] - 1].start, match.cap[where[star] - 1].len);
    }
    if (object.failed)
        return true;
    if (listed(path ? &rules->exclude_paths : &rules->exclude_roles, kb_buf_str(&object), path))
        return false;
    /* "{1}-{2}" of "a-b-c" can be cut in two ways: only a cut that leads back proves or refutes anything. */
    return stars > 1 ||
           (kb_glob(rule->object, kb_buf_str(&object), path, &match) &&
            kb_rule_group_name(rule, kb_buf_str(&object), &match, again) && !strcmp(again, name));
}

static int
insert_gone(struct kb_scope *scope, const struct kb_rule *rule, const char *name, uint32_t at,
            struct kb_error *err)
{
    uint32_t start = at < scope->managed_len ? scope->managed[at].bindings_start : scope->bindings_len;

    if (!kb_grow(&scope->managed, &scope->managed_cap, (size_t) scope->managed_len + 1,
                 sizeof(*scope->managed), MANAGED_MAX) ||
        !kb_grow(&scope->bindings, &scope->bindings_cap, (size_t) scope->bindings_len + 1,
                 sizeof(*scope->bindings), BINDINGS_MAX))
        return kb_fail(err, KB_E_NOMEM, "managed groups: out of memory");
    memmove(scope->managed + at + 1, scope->managed + at,
            (scope->managed_len - at) * sizeof(*scope->managed));
    memmove(scope->bindings + start + 1, scope->bindings + start,
            (scope->bindings_len - start) * sizeof(*scope->bindings));
    scope->managed[at] = (struct kb_managed){
        .create = rule->create,
        .privileged = rule->privileged,
        .adopt_external = rule->adopt_external,
        .min_members = rule->min_members,
        .foreign = rule->foreign,
        .bindings_start = start,
        .bindings_len = 1,
    };
    memcpy(scope->managed[at].name, name, strlen(name) + 1);
    scope->bindings[start] =
        (struct kb_binding){.rule = rule, .managed = at, .role = KB_NONE, .group = KB_NONE, .gone = true};
    scope->managed_len++;
    scope->bindings_len++;
    for (uint32_t i = at + 1; i < scope->managed_len; i++)
        scope->managed[i].bindings_start++;
    for (uint32_t i = start + 1; i < scope->bindings_len; i++)
        scope->bindings[i].managed++;
    return 1;
}

int
kb_scope_keep(const struct kb_rules *rules, const char *target, const char *name, struct kb_scope *scope,
              struct kb_error *err)
{
    uint32_t low = 0, high = scope->managed_len;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (strcmp(scope->managed[mid].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < scope->managed_len && !strcmp(scope->managed[low].name, name))
        return 1;
    if (strlen(name) >= sizeof(scope->managed->name)) /* no rule can make it */
        return 0;
    for (size_t i = 0; i < rules->rules_len; i++) {
        const struct kb_rule *rule = &rules->rules[i];
        if ((rule->kind == KB_RULE_ROLE_GLOB || rule->kind == KB_RULE_PATH_GLOB) &&
            kb_rule_for_target(rule, target) && could_name(rules, rule, name))
            return insert_gone(scope, rule, name, low, err);
    }
    return 0;
}
