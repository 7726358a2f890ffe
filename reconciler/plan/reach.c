#include "base/ban.h"

#include "reconciler/plan/reach.h"

#include "base/mem.h"

static void
count_edge(struct kb_edges *edges, uint32_t from, uint32_t to)
{
    (void) to;
    edges->start[from + 1]++;
}

/* start[from + 1] is the next free place of `from` while placing, and its end afterwards. */
static void
place_edge(struct kb_edges *edges, uint32_t from, uint32_t to)
{
    edges->v[edges->start[from + 1]++] = to;
}

static void
walk_parents(const struct kb_realm *realm, kb_edge_fn fn, struct kb_edges *edges)
{
    for (uint32_t role = 0; role < realm->roles_len; role++) {
        const struct kb_u32s *children = &realm->roles[role].children;
        for (uint32_t i = 0; i < children->len; i++)
            fn(edges, children->v[i], role);
    }
}

static void
walk_carriers(const struct kb_realm *realm, kb_edge_fn fn, struct kb_edges *edges)
{
    for (uint32_t group = 0; group < realm->groups_len; group++) {
        const struct kb_u32s *roles = &realm->groups[group].roles;
        for (uint32_t i = 0; i < roles->len; i++)
            fn(edges, roles->v[i], group);
    }
    for (uint32_t role = 0; role < realm->roles_len; role++) {
        const struct kb_u32s *groups = &realm->roles[role].groups;
        for (uint32_t i = 0; i < groups->len; i++)
            fn(edges, role, groups->v[i]);
    }
}

static void
walk_below(const struct kb_realm *realm, kb_edge_fn fn, struct kb_edges *edges)
{
    for (uint32_t group = 0; group < realm->groups_len; group++) {
        if (realm->groups[group].parent != KB_NONE)
            fn(edges, realm->groups[group].parent, group);
    }
}

bool
kb_edges_make(struct kb_edges *edges, const struct kb_realm *realm, uint32_t rows, kb_edge_walk_fn walk)
{
    uint32_t sum = 0;

    edges->start = calloc((size_t) rows + 2, sizeof(*edges->start));
    if (!edges->start)
        return false;
    walk(realm, count_edge, edges);
    for (uint32_t row = 0; row <= rows; row++) { /* counts to first places */
        uint32_t n = edges->start[row + 1];
        edges->start[row + 1] = sum;
        sum += n;
    }
    edges->v = malloc(sum ? sum * sizeof(*edges->v) : 1);
    if (!edges->v)
        return false;
    walk(realm, place_edge, edges);
    return true;
}

void
kb_edges_done(struct kb_edges *edges)
{
    free(edges->start);
    free(edges->v);
    *edges = (struct kb_edges){0};
}

static bool
make_rows(uint32_t **seen, struct kb_u32s *list, uint32_t rows)
{
    *seen = calloc((size_t) rows + 1, sizeof(**seen));
    list->v = malloc(((size_t) rows + 1) * sizeof(*list->v));
    list->cap = rows + 1;
    return *seen && list->v;
}

int
kb_reach_init(struct kb_reach *reach, const struct kb_realm *realm, struct kb_error *err)
{
    *reach = (struct kb_reach){.realm = realm};
    reach->tree_seen = calloc((size_t) realm->groups_len + 1, sizeof(*reach->tree_seen));
    reach->queue = malloc(((size_t) realm->groups_len + 1) * sizeof(*reach->queue));
    if (!reach->tree_seen || !reach->queue ||
        !make_rows(&reach->role_seen, &reach->roles, realm->roles_len) ||
        !make_rows(&reach->group_seen, &reach->groups, realm->groups_len) ||
        !kb_edges_make(&reach->parents, realm, realm->roles_len, walk_parents) ||
        !kb_edges_make(&reach->carriers, realm, realm->roles_len, walk_carriers) ||
        !kb_edges_make(&reach->below, realm, realm->groups_len, walk_below)) {
        kb_reach_done(reach);
        return kb_fail(err, KB_E_NOMEM, "roles and groups: out of memory");
    }
    kb_reach_begin(reach);
    return 0;
}

void
kb_reach_done(struct kb_reach *reach)
{
    kb_edges_done(&reach->parents);
    kb_edges_done(&reach->carriers);
    kb_edges_done(&reach->below);
    kb_u32s_done(&reach->roles);
    kb_u32s_done(&reach->groups);
    free(reach->role_seen);
    free(reach->group_seen);
    free(reach->tree_seen);
    free(reach->queue);
    *reach = (struct kb_reach){0};
}

void
kb_reach_begin(struct kb_reach *reach)
{
    reach->stamp++;
    reach->roles.len = reach->groups.len = 0;
}

/* The lists hold each row at most once and have room for all rows. */
static void
gather(struct kb_u32s *list, uint32_t *seen, uint32_t stamp, uint32_t row)
{
    if (seen[row] == stamp)
        return;
    seen[row] = stamp;
    list->v[list->len++] = row;
}

/* A tree is walked once a stamp. A group may stand in the list already as a rule's own, without subgroups,
 * and must still be walked from: hence a queue beside the list. */
static void
gather_tree(struct kb_reach *reach, uint32_t top)
{
    uint32_t len = 0;

    if (reach->tree_seen[top] == reach->stamp)
        return;
    reach->tree_seen[top] = reach->stamp;
    reach->queue[len++] = top;
    for (uint32_t at = 0; at < len; at++) {
        uint32_t group = reach->queue[at];
        gather(&reach->groups, reach->group_seen, reach->stamp, group);
        for (uint32_t i = reach->below.start[group]; i < reach->below.start[group + 1]; i++) {
            uint32_t child = reach->below.v[i];
            if (reach->tree_seen[child] == reach->stamp)
                continue;
            reach->tree_seen[child] = reach->stamp;
            reach->queue[len++] = child;
        }
    }
}

/* The list of roles is its own queue: what stands in it already was followed when it came. */
void
kb_reach_role(struct kb_reach *reach, uint32_t role)
{
    uint32_t at = reach->roles.len;

    gather(&reach->roles, reach->role_seen, reach->stamp, role);
    for (; at < reach->roles.len; at++) {
        uint32_t up = reach->roles.v[at];
        for (uint32_t i = reach->parents.start[up]; i < reach->parents.start[up + 1]; i++)
            gather(&reach->roles, reach->role_seen, reach->stamp, reach->parents.v[i]);
        for (uint32_t i = reach->carriers.start[up]; i < reach->carriers.start[up + 1]; i++)
            gather_tree(reach, reach->carriers.v[i]);
    }
}

void
kb_reach_group(struct kb_reach *reach, uint32_t group, bool subgroups)
{
    if (subgroups)
        gather_tree(reach, group);
    else
        gather(&reach->groups, reach->group_seen, reach->stamp, group);
}
