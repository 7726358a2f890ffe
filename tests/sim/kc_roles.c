/* tests/sim/kc_roles.c: /roles, /clients/{uuid}/roles and /roles-by-id (rules S6-S8, S12, S21). */
#include "tests/sim/kc.h"

#include "tests/sim/control.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static int
cmp_role(const void *a, const void *b)
{
    return strcmp(W.roles[*(const int *) a].name, W.roles[*(const int *) b].name);
}

/* S8: unpaged the order is random (a cached hash set); with first and max both given it is by name. `search`
 * is an infix on name or description. Source: keycloak-verified.md section 1, keycloak-api.md section 1.1 */
static void
list_roles(struct req *r, const struct ivec *all)
{
    static _Atomic unsigned turn;
    char *search = query_get(r->query, "search");
    bool paged = query_count(r->query, "first") > 0 && query_count(r->query, "max") > 0;
    struct shape shape = {.brief = kc_flag(r, "briefRepresentation", true)};
    int *v = xalloc((size_t) (all->n + 1) * sizeof *v), n = 0;
    unsigned step = turn++ * 2 + 7, size = (unsigned) all->n;
    for (unsigned g = step; size > 0; g++) { /* a stride without common factor visits each role once */
        unsigned a = g, b = size;
        while (b != 0) {
            unsigned t = a % b;
            a = b;
            b = t;
        }
        step = g;
        if (a == 1)
            break;
    }
    for (unsigned i = 0; i < size; i++) {
        int role = all->v[(size_t) i * step % size];
        if (search == NULL || search[0] == '\0' || has_infix(W.roles[role].name, search) ||
            has_infix(W.roles[role].desc, search))
            v[n++] = role;
    }
    bool searching = search != NULL && search[0] != '\0';
    if (paged || searching || !rule("S8"))
        qsort(v, (size_t) n, sizeof *v, cmp_role);
    kc_list(r, v, n, -1, searching, kc_role_row, &shape);
    free(v);
    free(search);
}

static void
list_composites(struct req *r, unsigned perm, int role, const char *which, bool lone)
{
    struct ivec v = {0};
    for (int i = 0; i < W.roles[role].comps.n; i++) {
        int child = W.roles[role].comps.v[i];
        /* left out without a word: asked of 26.7.4 by tests/e2e/test_facts.py */
        if (W.roles[child].client >= 0 && (perm & P_VIEW_CLIENTS) == 0)
            continue;
        if (which == NULL || (strcmp(which, "realm") == 0 && W.roles[child].client < 0))
            ivec_push(&v, child);
    }
    struct shape shape = {.brief = true};
    if (lone)
        kc_list(r, v.v, v.n, -1, true, kc_role_row, &shape);
    else {
        bool some = false;
        buf_lit(&r->out, "[");
        for (int i = 0; i < v.n; i++) {
            buf_s(&r->out, some ? "," : "");
            some = true;
            kc_role_row(&r->out, v.v[i], &shape);
        }
        buf_lit(&r->out, "]");
        r->status = 200;
        r->ctype = KC_JSON;
    }
    ivec_free(&v);
}

/* S12 switched off: what #42217 would answer, with everybody who holds the role by whatever way. */
static void
effective_users(struct req *r, int role, const struct shape *shape)
{
    struct ivec v = {0}, all = {0};
    for (int i = 0; i < W.by_name.n; i++) {
        all.n = 0;
        user_effective(W.by_name.v[i], &all);
        if (ivec_find(&all, role) >= 0)
            ivec_push(&v, W.by_name.v[i]);
    }
    kc_list(r, v.v, v.n, 100, true, kc_user_row, shape);
    ivec_free(&v), ivec_free(&all);
}

/* S5: with the right to see the realm but not the users, the holders are an empty list with 200. */
static void
role_users(struct req *r, unsigned perm, int role)
{
    struct shape shape = {
        .brief = kc_flag(r, "briefRepresentation", false), .access = true, .place = PLACE_ALL};
    r->kind = "role_users";
    if ((perm & P_QUERY_USERS) == 0)
        kc_forbidden(r);
    else if ((perm & P_VIEW_USERS) == 0)
        kc_list(r, NULL, 0, 100, true, kc_user_row, &shape);
    else if (!rule("S12"))
        effective_users(r, role, &shape);
    else
        kc_list(r, W.roles[role].users.v, W.roles[role].users.n, 100, true, kc_user_row, &shape);
}

static void
role_groups(struct req *r, unsigned perm, int role)
{
    struct shape shape = {.brief = kc_flag(r, "briefRepresentation", true), .clients = true};
    r->kind = "role_groups";
    char *max = strstr(r->query, "max=");
    if (max != NULL && (knobs.kc_version == VERSION(26, 7, 0) || knobs.kc_version == VERSION(26, 7, 1)))
        memcpy(max, "100=", 4); /* S20: the parameter was named so by accident (#51449) */
    if ((perm & P_QUERY_GROUPS) == 0)
        kc_forbidden(r);
    else
        kc_list(r, W.roles[role].groups.v, W.roles[role].groups.n, 100, true, kc_group_plain_row, &shape);
}

void
kc_roles(struct req *r, unsigned perm, int client, int at)
{
    int left = r->nseg - at;
    const struct ivec *all = client < 0 ? &W.realm_roles : &W.clients[client].roles;
    r->kind = client < 0 ? "roles" : "client_roles";
    if ((perm & (client < 0 ? P_VIEW_REALM : P_VIEW_CLIENTS)) == 0) {
        kc_forbidden(r);
        return;
    }
    if (left == 1) {
        list_roles(r, all);
        return;
    }
    int role = role_find(client, r->seg[at + 1]);
    const char *what = left > 2 ? r->seg[at + 2] : "";
    /* A raw slash in a name makes a path that does not exist, and the role is not looked for. Source: asked of
     * 26.7.4 by tests/e2e/test_agreement.py. */
    if (left > 2 && strcmp(what, "users") != 0 && strcmp(what, "groups") != 0 &&
        strcmp(what, "composites") != 0)
        kc_not_found(r);
    else if (role < 0)
        kc_error(r, 404, "Could not find role");
    else if (left == 2) {
        r->kind = "role";
        struct shape full = {0};
        kc_one(r, role, kc_role_row, &full);
    } else if (left == 3 && strcmp(what, "users") == 0)
        role_users(r, perm, role);
    else if (left == 3 && strcmp(what, "groups") == 0)
        role_groups(r, perm, role);
    else if (strcmp(what, "composites") == 0 &&
             (left == 3 || (left == 4 && strcmp(r->seg[at + 3], "realm") == 0))) {
        r->kind = "composites";
        list_composites(r, perm, role, left == 4 ? "realm" : NULL, false);
    } else
        kc_not_found(r);
}

void
kc_roles_by_id(struct req *r, unsigned perm, int at)
{
    int left = r->nseg - at;
    int role = left > 1 ? map_get(&W.role_id, r->seg[at + 1]) : -1;
    r->kind = "role_by_id";
    if (left < 2)
        kc_not_found(r);
    else if (role < 0)
        (perm & (P_VIEW_REALM | P_VIEW_CLIENTS)) == 0 ? kc_forbidden(r)
                                                      : kc_error(r, 404, "Could not find role with id");
    else if ((perm & (W.roles[role].client < 0 ? P_VIEW_REALM : P_VIEW_CLIENTS)) == 0)
        kc_forbidden(r);
    else if (left == 2) {
        struct shape full = {0};
        kc_one(r, role, kc_role_row, &full);
    } else if (strcmp(r->seg[at + 2], "composites") == 0 &&
               (left == 3 || (left == 4 && strcmp(r->seg[at + 3], "realm") == 0))) {
        r->kind = "composites_by_id";
        list_composites(r, perm, role, left == 4 ? "realm" : NULL, true);
    } else
        kc_not_found(r); /* there is no /roles-by-id/{id}/users: keycloak-verified.md section 1 */
}
