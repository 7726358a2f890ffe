#include "base/ban.h"

#include "reconciler/plan/reason.h"

#include "reconciler/plan/reason_search.h"

#define REASONS_MAX (1u << 28)
#define LOOK_BACK 32u /* neighbours in a plan have the same texts */

/* A path that may be shown: a run of struct finder.steps. */
struct found {
    unsigned rule; /* number */
    bool is_path;
    const char *object;
    size_t start;
    uint32_t len;
};

struct kb_reason_index {
    const struct kb_scope *scope;
    const struct kb_realm *realm;
    struct kb_reach reach;
    struct kb_edges roles_of;  /* user -> roles he holds directly */
    struct kb_edges groups_of; /* user -> groups he is in directly */
    struct kb_edges carried;   /* group -> roles it carries directly */
    struct kb_search search;

    /* Of the question at hand. */
    struct found best[KB_REASON_PATHS_MAX + 1];
    unsigned best_len;
    struct kb_step *steps;
    size_t steps_len, steps_cap;
};

static void
walk_holders(const struct kb_realm *realm, kb_edge_fn fn, struct kb_edges *edges)
{
    for (uint32_t role = 0; role < realm->roles_len; role++) {
        const struct kb_u32s *holders = &realm->roles[role].holders;
        for (uint32_t i = 0; i < holders->len; i++)
            fn(edges, holders->v[i], role);
    }
}

static void
walk_members(const struct kb_realm *realm, kb_edge_fn fn, struct kb_edges *edges)
{
    for (uint32_t group = 0; group < realm->groups_len; group++) {
        const struct kb_u32s *members = &realm->groups[group].members;
        for (uint32_t i = 0; i < members->len; i++)
            fn(edges, members->v[i], group);
    }
}

static void
walk_carried(const struct kb_realm *realm, kb_edge_fn fn, struct kb_edges *edges)
{
    for (uint32_t group = 0; group < realm->groups_len; group++) {
        const struct kb_u32s *roles = &realm->groups[group].roles;
        for (uint32_t i = 0; i < roles->len; i++)
            fn(edges, group, roles->v[i]);
    }
    for (uint32_t role = 0; role < realm->roles_len; role++) {
        const struct kb_u32s *groups = &realm->roles[role].groups;
        for (uint32_t i = 0; i < groups->len; i++)
            fn(edges, groups->v[i], role);
    }
}

int
kb_reason_index_new(const struct kb_scope *scope, const struct kb_realm *realm, struct kb_reason_index **ret,
                    struct kb_error *err)
{
    KB_CLEANUP(kb_reason_index) struct kb_reason_index *index = calloc(1, sizeof(*index));
    int r;

    if (!index)
        return kb_fail(err, KB_E_NOMEM, "reasons: out of memory");
    index->scope = scope;
    index->realm = realm;
    r = kb_reach_init(&index->reach, realm, err);
    if (r >= 0)
        r = kb_search_init(&index->search, realm, err);
    if (r < 0)
        return r;
    if (!kb_edges_make(&index->roles_of, realm, realm->users_len, walk_holders) ||
        !kb_edges_make(&index->groups_of, realm, realm->users_len, walk_members) ||
        !kb_edges_make(&index->carried, realm, realm->groups_len, walk_carried))
        return kb_fail(err, KB_E_NOMEM, "reasons: out of memory");
    *ret = kb_steal(&index);
    return 0;
}

void
kb_reason_index_free(struct kb_reason_index *index)
{
    if (!index)
        return;
    kb_reach_done(&index->reach);
    kb_edges_done(&index->roles_of);
    kb_edges_done(&index->groups_of);
    kb_edges_done(&index->carried);
    kb_search_done(&index->search);
    free(index->steps);
    free(index);
}

static int
fail_nomem(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "reasons: out of memory");
}

/* The order in which paths are shown: shortest first, then bytewise by object and via, then by rule. */
static int
compare(const struct kb_reason_index *index, const struct found *a, const struct found *b)
{
    int c;

    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    c = strcmp(a->object, b->object);
    for (uint32_t i = 0; !c && i < a->len; i++)
        c = kb_step_compare(&index->search, index->steps[a->start + i], index->steps[b->start + i]);
    if (!c && a->rule != b->rule)
        c = a->rule < b->rule ? -1 : 1;
    return c;
}

/* Keeps the best KB_REASON_PATHS_MAX; two that read the same are one. */
static void
keep(struct kb_reason_index *index, const struct found *found)
{
    unsigned at = index->best_len;

    while (at > 0) {
        int c = compare(index, found, &index->best[at - 1]);
        if (!c)
            return;
        if (c > 0)
            break;
        at--;
    }
    memmove(&index->best[at + 1], &index->best[at], (index->best_len - at) * sizeof(*index->best));
    index->best[at] = *found;
    if (index->best_len < KB_REASON_PATHS_MAX)
        index->best_len++;
}

static bool
add_steps(struct kb_reason_index *index, const struct kb_step *steps, uint32_t len, struct found *ret)
{
    if (!kb_grow(&index->steps, &index->steps_cap, index->steps_len + len, sizeof(*index->steps),
                 REASONS_MAX))
        return false;
    if (len)
        memcpy(index->steps + index->steps_len, steps, len * sizeof(*steps));
    ret->start = index->steps_len;
    ret->len = len;
    index->steps_len += len;
    return true;
}

/* Is `group` below or the same as `top`? A circle of parents, which only a broken server can send, ends. */
static bool
is_below(const struct kb_realm *realm, uint32_t group, uint32_t top)
{
    for (uint32_t i = 0; group != KB_NONE && i <= realm->groups_len; i++) {
        if (group == top)
            return true;
        group = realm->groups[group].parent;
    }
    return false;
}

static int
find_by_group(struct kb_reason_index *index, const struct kb_binding *binding, uint32_t user,
              struct kb_error *err)
{
    const struct kb_edges *groups_of = &index->groups_of;

    for (uint32_t i = groups_of->start[user]; i < groups_of->start[user + 1]; i++) {
        struct kb_step own = {.row = groups_of->v[i]};
        struct found found = {.rule = binding->rule->number,
                              .is_path = true,
                              .object =
                                  kb_realm_str(index->realm, index->realm->groups[binding->group].path)};
        bool direct = own.row == binding->group;
        if (!direct && !(binding->rule->subgroups && is_below(index->realm, own.row, binding->group)))
            continue;
        if (!add_steps(index, &own, !direct, &found))
            return fail_nomem(err);
        keep(index, &found);
    }
    return 0;
}

static bool
start_search(struct kb_reason_index *index, uint32_t user)
{
    const struct kb_edges *roles_of = &index->roles_of, *groups_of = &index->groups_of;

    for (uint32_t i = roles_of->start[user]; i < roles_of->start[user + 1]; i++) {
        if (!kb_search_start(&index->search, KB_NONE, KB_NONE, roles_of->v[i]))
            return false;
    }
    for (uint32_t i = groups_of->start[user]; i < groups_of->start[user + 1]; i++) {
        uint32_t own = groups_of->v[i], up = own;
        for (uint32_t depth = 0; up != KB_NONE && depth <= index->realm->groups_len; depth++) {
            for (uint32_t k = index->carried.start[up]; k < index->carried.start[up + 1]; k++) {
                if (!kb_search_start(&index->search, own, up, index->carried.v[k]))
                    return false;
            }
            up = index->realm->groups[up].parent;
        }
    }
    return true;
}

/* The steps of a path, which states give from the end. */
static bool
take_path(struct kb_reason_index *index, uint32_t state, struct found *ret)
{
    const struct kb_search_state *states = index->search.states;
    uint32_t len = state == KB_NONE ? 0 : states[state].depth;

    if (!kb_grow(&index->steps, &index->steps_cap, index->steps_len + len, sizeof(*index->steps),
                 REASONS_MAX))
        return false;
    ret->start = index->steps_len;
    ret->len = len;
    for (uint32_t i = len; i > 0; i--) {
        index->steps[ret->start + i - 1] = states[state].step;
        state = states[state].before;
    }
    index->steps_len += len;
    return true;
}

static int
find_by_role(struct kb_reason_index *index, const struct kb_binding *binding, uint32_t user,
             struct kb_error *err)
{
    struct found found = {
        .rule = binding->rule->number,
        .object = kb_search_label(&index->search, (struct kb_step){.row = binding->role, .role = true})};
    struct found before = found;
    uint32_t state;
    int r;

    kb_search_goal(&index->search, &index->reach, binding->role);
    if (!start_search(index, user))
        return fail_nomem(err);
    for (unsigned n = 0; n < KB_REASON_PATHS_MAX;) {
        r = kb_search_next(&index->search, &state, err);
        if (r <= 0)
            return r;
        if (!take_path(index, state, &found))
            return fail_nomem(err);
        if (n > 0 && !compare(index, &before, &found)) /* two groups of the same path */
            continue;
        before = found;
        keep(index, &found);
        n++;
    }
    return 0;
}

/* Neighbours say the same words: looked for in the plan before they are stored again. */
static kb_text
object_text(struct kb_plan *plan, const char *s)
{
    for (uint32_t i = 0; i < LOOK_BACK && i < plan->reasons_len; i++) {
        kb_text text = plan->reasons[plan->reasons_len - 1 - i].object;
        if (!strcmp(kb_plan_str(plan, text), s))
            return text;
    }
    return kb_pool_adds(&plan->pool, s);
}

static kb_text
via_text(struct kb_plan *plan, const char *what, const char *s)
{
    KB_CLEANUP(kb_free) char *made = NULL;
    size_t len = strlen(what);

    for (uint32_t i = 0; i < LOOK_BACK && i < plan->via_len; i++) {
        const char *old = kb_plan_str(plan, plan->via[plan->via_len - 1 - i]);
        if (!strncmp(old, what, len) && !strcmp(old + len, s))
            return plan->via[plan->via_len - 1 - i];
    }
    made = kb_asprintf("%s%s", what, s);
    return made ? kb_pool_adds(&plan->pool, made) : KB_NONE;
}

static bool
write_reason(const struct kb_reason_index *index, const struct found *found, struct kb_plan *plan)
{
    struct kb_reason reason = {.rule = found->rule,
                               .object = object_text(plan, found->object),
                               .is_path = found->is_path,
                               .via_start = plan->via_len,
                               .via_len = found->len};

    if (reason.object == KB_NONE ||
        !kb_grow(&plan->reasons, &plan->reasons_cap, (size_t) plan->reasons_len + 1, sizeof(*plan->reasons),
                 REASONS_MAX) ||
        !kb_grow(&plan->via, &plan->via_cap, (size_t) plan->via_len + found->len, sizeof(*plan->via),
                 REASONS_MAX))
        return false;
    for (uint32_t i = 0; i < found->len; i++) {
        struct kb_step step = index->steps[found->start + i];
        kb_text text = via_text(plan, step.role ? "role " : "group ", kb_search_label(&index->search, step));
        if (text == KB_NONE)
            return false;
        plan->via[plan->via_len++] = text;
    }
    plan->reasons[plan->reasons_len++] = reason;
    return true;
}

int
kb_reason_find(struct kb_reason_index *index, uint32_t managed, uint32_t user, struct kb_plan *plan,
               uint32_t *ret_start, uint32_t *ret_len, struct kb_error *err)
{
    const struct kb_managed *m = &index->scope->managed[managed];
    uint32_t start = plan->reasons_len;

    index->best_len = 0;
    index->steps_len = 0;
    for (uint32_t i = 0; i < m->bindings_len; i++) {
        const struct kb_binding *binding = &index->scope->bindings[m->bindings_start + i];
        int r = 0;
        if (binding->role != KB_NONE)
            r = find_by_role(index, binding, user, err);
        else if (binding->group != KB_NONE)
            r = find_by_group(index, binding, user, err);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < index->best_len; i++) {
        if (!write_reason(index, &index->best[i], plan))
            return fail_nomem(err);
    }
    *ret_start = start;
    *ret_len = plan->reasons_len - start;
    return 0;
}

int
kb_reason_add(const struct kb_scope *scope, const struct kb_realm *realm, uint32_t managed, uint32_t user,
              struct kb_plan *plan, uint32_t *ret_start, uint32_t *ret_len, struct kb_error *err)
{
    KB_CLEANUP(kb_reason_index) struct kb_reason_index *index = NULL;
    int r = kb_reason_index_new(scope, realm, &index, err);

    return index ? kb_reason_find(index, managed, user, plan, ret_start, ret_len, err) : r;
}
