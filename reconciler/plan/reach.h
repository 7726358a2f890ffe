/* reconciler/plan/reach.h: which lists decide who has a role, or who is in a group.
 *
 * Why:    scope (what must be read), desired (who is in it) and reason (why) must follow the same edges; they
 * all ask here. No recursion: composites may be cycles and chains of any depth, the server's parents too.
 * Owns:   struct kb_reach owns its arrays (kb_reach_done) and borrows the realm, whose catalog must not
 * change meanwhile. Source: keycloak-api.md 2.1.
 */
#ifndef KB_PLAN_REACH_H
#define KB_PLAN_REACH_H

#include "base/error.h"
#include "model/realm.h"

/* For each row a run of others: list.v[start[i] .. start[i + 1]). */
struct kb_edges {
    uint32_t *start, *v;
};

/* A walk calls `fn` for each edge of its kind; it is made twice, to count and to place. */
typedef void (*kb_edge_fn)(struct kb_edges *edges, uint32_t from, uint32_t to);
typedef void (*kb_edge_walk_fn)(const struct kb_realm *realm, kb_edge_fn fn, struct kb_edges *edges);

bool kb_edges_make(struct kb_edges *edges, const struct kb_realm *realm, uint32_t rows, kb_edge_walk_fn walk)
    __attribute__((warn_unused_result)); /* false: out of memory */
void kb_edges_done(struct kb_edges *edges);

struct kb_reach {
    const struct kb_realm *realm;
    struct kb_edges parents;  /* role -> roles that contain it */
    struct kb_edges carriers; /* role -> groups that carry it directly */
    struct kb_edges below;    /* group -> its children */

    /* What was gathered since kb_reach_begin, each once, in no particular order. */
    struct kb_u32s roles;  /* whose direct holders count */
    struct kb_u32s groups; /* whose direct members count */

    /* private */
    uint32_t *role_seen, *group_seen, *tree_seen, *queue;
    uint32_t stamp;
};

int kb_reach_init(struct kb_reach *reach, const struct kb_realm *realm, struct kb_error *err);
void kb_reach_done(struct kb_reach *reach);

void kb_reach_begin(struct kb_reach *reach);

/* Up(role), and every group at or below one that carries such a role. */
void kb_reach_role(struct kb_reach *reach, uint32_t role);

/* The group, and with `subgroups` all below it. */
void kb_reach_group(struct kb_reach *reach, uint32_t group, bool subgroups);

#endif
