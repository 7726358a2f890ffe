/* reconciler/plan/reason_search.c: best-first search over unfinished paths.
 *
 * A path is a chain of states, each knowing the one before, so paths share their beginnings. What comes out
 * of the heap next is the path with the least length that is still possible (steps so far plus composites to
 * the goal), then the least by bytes; since a longer path never sorts before its beginning, finished paths
 * come out in the order in which they are shown. Simple paths only: going round a cycle explains nothing. The
 * number of states is capped; a realm that reaches the cap gets fewer paths, the best ones.
 */
#include "base/ban.h"

#include "reconciler/plan/reason_search.h"

#include "base/mem.h"

#define STATES_MAX (1u << 16) /* and four a role */

int
kb_search_init(struct kb_search *search, const struct kb_realm *realm, struct kb_error *err)
{
    size_t rows = (size_t) realm->roles_len + 1;

    *search = (struct kb_search){.realm = realm, .goal = KB_NONE};
    search->role_labels = calloc(rows, sizeof(*search->role_labels));
    search->dist = malloc(rows * sizeof(*search->dist));
    search->queue = malloc(rows * sizeof(*search->queue));
    if (!search->role_labels || !search->dist || !search->queue)
        goto fail;
    for (uint32_t i = 0; i < realm->roles_len; i++) {
        const struct kb_role *role = &realm->roles[i];
        if (!role->client_role)
            continue;
        search->role_labels[i] =
            kb_asprintf("%s:%s", kb_realm_str(realm, role->client ? role->client : role->container),
                        kb_realm_str(realm, role->name));
        if (!search->role_labels[i])
            goto fail;
    }
    return 0;
fail:
    kb_search_done(search);
    return kb_fail(err, KB_E_NOMEM, "reasons: out of memory");
}

void
kb_search_done(struct kb_search *search)
{
    for (uint32_t i = 0; search->role_labels && i < search->realm->roles_len; i++)
        free(search->role_labels[i]);
    free(search->role_labels);
    free(search->dist);
    free(search->queue);
    free(search->states);
    free(search->heap);
    *search = (struct kb_search){0};
}

const char *
kb_search_label(const struct kb_search *search, struct kb_step step)
{
    if (!step.role)
        return kb_realm_str(search->realm, search->realm->groups[step.row].path);
    if (search->role_labels[step.row])
        return search->role_labels[step.row];
    return kb_realm_str(search->realm, search->realm->roles[step.row].name);
}

int
kb_step_compare(const struct kb_search *search, struct kb_step a, struct kb_step b)
{
    if (a.role != b.role)
        return a.role ? 1 : -1; /* "group …" sorts before "role …" */
    return a.row == b.row ? 0 : strcmp(kb_search_label(search, a), kb_search_label(search, b));
}

void
kb_search_goal(struct kb_search *search, const struct kb_reach *reach, uint32_t goal)
{
    uint32_t len = 0;

    search->states_len = search->heap_len = 0;
    if (search->goal == goal)
        return;
    search->goal = goal;
    for (uint32_t i = 0; i < search->realm->roles_len; i++)
        search->dist[i] = KB_NONE;
    search->dist[goal] = 0;
    search->queue[len++] = goal;
    for (uint32_t at = 0; at < len; at++) {
        uint32_t role = search->queue[at];
        for (uint32_t i = reach->parents.start[role]; i < reach->parents.start[role + 1]; i++) {
            uint32_t up = reach->parents.v[i];
            if (search->dist[up] != KB_NONE)
                continue;
            search->dist[up] = search->dist[role] + 1;
            search->queue[len++] = up;
        }
    }
}

/* The least number of steps of any path that begins so. */
static uint32_t
estimate(const struct kb_search *search, const struct kb_search_state *state)
{
    return state->final ? state->depth : state->depth + search->dist[state->step.row] - 1;
}

/* The state whose step is the last one; a final state has none of its own. */
static uint32_t
last_step(const struct kb_search *search, uint32_t state)
{
    return search->states[state].final ? search->states[state].before : state;
}

static bool
better(const struct kb_search *search, uint32_t a, uint32_t b)
{
    const struct kb_search_state *states = search->states;
    uint32_t x = estimate(search, &states[a]), y = estimate(search, &states[b]);
    uint32_t depth_a = states[a].depth, depth_b = states[b].depth;
    int order = 0;

    if (x != y)
        return x < y;
    a = last_step(search, a);
    b = last_step(search, b);
    for (uint32_t i = depth_a; i > depth_b; i--)
        a = states[a].before;
    for (uint32_t i = depth_b; i > depth_a; i--)
        b = states[b].before;
    for (; a != b;
         a = states[a].before, b = states[b].before) { /* the difference nearest to the user counts */
        int c = kb_step_compare(search, states[a].step, states[b].step);
        order = c ? c : order;
    }
    return order ? order < 0 : depth_a < depth_b;
}

static bool
add_state(struct kb_search *search, struct kb_search_state state, uint32_t *ret)
{
    size_t max = STATES_MAX + 4 * (size_t) search->realm->roles_len;

    if (search->states_len >= max) {
        *ret = KB_NONE;
        return true;
    }
    if (!kb_grow(&search->states, &search->states_cap, (size_t) search->states_len + 1,
                 sizeof(*search->states), max))
        return false;
    state.depth = (state.before == KB_NONE ? 0 : search->states[state.before].depth) + !state.final;
    *ret = search->states_len++;
    search->states[*ret] = state;
    return true;
}

static bool
push(struct kb_search *search, struct kb_search_state state)
{
    uint32_t row, at;

    if (!add_state(search, state, &row))
        return false;
    if (row == KB_NONE)
        return true;
    if (!kb_grow(&search->heap, &search->heap_cap, (size_t) search->heap_len + 1, sizeof(*search->heap),
                 UINT32_MAX))
        return false;
    at = search->heap_len++;
    for (; at > 0 && better(search, row, search->heap[(at - 1) / 2]); at = (at - 1) / 2)
        search->heap[at] = search->heap[(at - 1) / 2];
    search->heap[at] = row;
    return true;
}

static uint32_t
pop(struct kb_search *search)
{
    uint32_t top = search->heap[0], last = search->heap[--search->heap_len], at = 0;

    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= search->heap_len)
            break;
        if (child + 1 < search->heap_len && better(search, search->heap[child + 1], search->heap[child]))
            child++;
        if (!better(search, search->heap[child], last))
            break;
        search->heap[at] = search->heap[child];
        at = child;
    }
    search->heap[at] = last;
    return top;
}

/* From `before` on to a role that leads to the goal, or is it. */
static bool
push_role(struct kb_search *search, uint32_t before, uint32_t role)
{
    if (role == search->goal)
        return push(search, (struct kb_search_state){.before = before, .final = true});
    return push(search, (struct kb_search_state){.before = before, .step = {.row = role, .role = true}});
}

bool
kb_search_start(struct kb_search *search, uint32_t own, uint32_t carrier, uint32_t role)
{
    uint32_t groups[2] = {own != carrier ? own : KB_NONE, carrier}, before = KB_NONE;

    if (search->dist[role] == KB_NONE)
        return true;
    for (size_t i = 0; i < KB_LEN(groups); i++) {
        uint32_t state;
        if (groups[i] == KB_NONE)
            continue;
        if (!add_state(search, (struct kb_search_state){.before = before, .step = {.row = groups[i]}},
                       &state))
            return false;
        if (state == KB_NONE)
            return true;
        before = state;
    }
    return push_role(search, before, role);
}

static bool
visited(const struct kb_search *search, uint32_t state, uint32_t role)
{
    for (; state != KB_NONE; state = search->states[state].before) {
        if (search->states[state].step.role && search->states[state].step.row == role)
            return true;
    }
    return false;
}

int
kb_search_next(struct kb_search *search, uint32_t *ret_state, struct kb_error *err)
{
    while (search->heap_len) {
        uint32_t state = pop(search);
        const struct kb_u32s *children;
        if (search->states[state].final) {
            *ret_state = search->states[state].before;
            return 1;
        }
        children = &search->realm->roles[search->states[state].step.row].children;
        for (uint32_t i = 0; i < children->len; i++) {
            if (search->dist[children->v[i]] == KB_NONE || visited(search, state, children->v[i]))
                continue;
            if (!push_role(search, state, children->v[i]))
                return kb_fail(err, KB_E_NOMEM, "reasons: out of memory");
        }
    }
    return 0;
}
