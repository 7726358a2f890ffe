/* tests/sim/kc_users.c: /users and everything below one user (rules S5, S6, S12, S15, S17). */
#include "tests/sim/kc.h"

#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct filter {
    char *search, *username, *email, *first, *last, *enabled, *verified, *q, *alias;
    bool exact, other; /* other: any filter but search, which lets service accounts in (S15) */
};

static struct filter
filter_of(const struct req *r)
{
    struct filter f = {.search = query_get(r->query, "search"),
                       .username = query_get(r->query, "username"),
                       .email = query_get(r->query, "email"),
                       .first = query_get(r->query, "firstName"),
                       .last = query_get(r->query, "lastName"),
                       .enabled = query_get(r->query, "enabled"),
                       .verified = query_get(r->query, "emailVerified"),
                       .q = query_get(r->query, "q"),
                       .alias = query_get(r->query, "idpAlias"),
                       .exact = kc_flag(r, "exact", false)};
    f.other = f.username != NULL || f.email != NULL || f.first != NULL || f.last != NULL ||
              f.enabled != NULL || f.verified != NULL || f.q != NULL || f.alias != NULL ||
              query_count(r->query, "exact") > 0;
    return f;
}

static void
filter_free(struct filter *f)
{
    free(f->search), free(f->username), free(f->email), free(f->first), free(f->last);
    free(f->enabled), free(f->verified), free(f->q), free(f->alias);
}

static bool
text_ok(const char *have, const char *want, bool exact)
{
    if (want == NULL)
        return true;
    if (have == NULL)
        return false;
    return exact ? strcasecmp(have, want) == 0 : has_infix(have, want);
}

/* search=id:<id> <id> …: keycloak-api.md section 1.1. Otherwise an infix, `*` matching all. */
static bool
search_ok(const struct user *u, const char *search)
{
    if (search == NULL)
        return true;
    if (strncmp(search, "id:", 3) == 0) {
        const char *p = strstr(search + 3, u->id);
        size_t n = strlen(u->id);
        return p != NULL && (p == search + 3 || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' ');
    }
    search += strspn(search, " *");
    return *search == '\0' || has_infix(u->name, search) || has_infix(u->email, search) ||
           has_infix(u->first, search) || has_infix(u->last, search);
}

static bool
matches(const struct user *u, const struct filter *f)
{
    /* S15; 26.3.0 and 26.3.1 showed service accounts everywhere (#41103) */
    bool leak = knobs.kc_version == VERSION(26, 3, 0) || knobs.kc_version == VERSION(26, 3, 1);
    if ((u->service && !f->other && !leak) || !directory_knows((int) (u - W.users)))
        return false;
    if (f->enabled != NULL && (strcmp(f->enabled, "true") == 0) != u->enabled)
        return false;
    if (f->verified != NULL && (strcmp(f->verified, "true") == 0) != u->verified)
        return false;
    return f->alias == NULL && text_ok(u->name, f->username, f->exact) &&
           text_ok(u->email, f->email, f->exact) && text_ok(u->first, f->first, f->exact) &&
           text_ok(u->last, f->last, f->exact) && search_ok(u, f->search) &&
           (f->q == NULL || attrs_query(&u->attrs, f->q));
}

static struct ivec
find_users(const struct filter *f)
{
    struct ivec v = {0};
    if (f->username != NULL && f->exact) { /* the usual look-up must not walk 50,000 rows */
        int u = user_find(f->username);
        if (u >= 0 && matches(&W.users[u], f))
            ivec_push(&v, u);
        return v;
    }
    for (int i = 0; i < W.by_name.n; i++)
        if (matches(&W.users[W.by_name.v[i]], f))
            ivec_push(&v, W.by_name.v[i]);
    return v;
}

static void
list_users(struct req *r, unsigned perm, bool count)
{
    struct filter f = filter_of(r);
    struct shape shape = {
        .brief = kc_flag(r, "briefRepresentation", false), .access = true, .place = PLACE_USERS};
    r->kind = count ? "users_count" : f.other || f.search != NULL ? "users_filter" : "users";
    struct ivec v = {0};
    if ((perm & P_QUERY_USERS) == 0)
        kc_forbidden(r);
    else {
        if (count || (perm & P_VIEW_USERS) != 0)
            v = find_users(&f);
        if (count)
            answer(r, 200, KC_JSON, "%d", v.n); /* the real number, even for who may not see the rows */
        else
            kc_list(r, v.v, v.n, 100, true, kc_user_row, &shape);
    }
    ivec_free(&v);
    filter_free(&f);
}

static void
one_user(struct req *r, int u)
{
    struct shape shape = {.place = PLACE_SINGLE};
    r->kind = "user";
    kc_user_row(&r->out, u, &shape);
    r->out.len--; /* reopen the object */
    buf_lit(&r->out,
            ",\"federatedIdentities\":[],\"access\":{\"view\":true,\"manage\":false,\"mapRoles\":false,"
            "\"manageGroupMembership\":false,\"impersonate\":false}}");
    r->status = 200;
    r->ctype = KC_JSON;
}

static void
user_groups(struct req *r, int u)
{
    struct shape shape = {.brief = kc_flag(r, "briefRepresentation", true), .clients = true};
    struct ivec v = {0};
    for (int i = 0; i < directory_groups(u)->n; i++)
        ivec_push(&v, directory_groups(u)->v[i]);
    groups_sort(&v);
    r->kind = "user_groups";
    kc_list(r, v.v, v.n, -1, true, kc_group_plain_row, &shape);
    ivec_free(&v);
}

/* client -1: realm roles, otherwise those of one client */
static void
mapped_roles(struct req *r, int u, int client, bool composite)
{
    struct ivec all = {0}, v = {0};
    if (composite)
        user_effective(u, &all);
    else
        for (int i = 0; i < W.users[u].roles.n; i++)
            ivec_push(&all, W.users[u].roles.v[i]);
    for (int i = 0; i < all.n; i++)
        if (W.roles[all.v[i]].client == client)
            ivec_push(&v, all.v[i]);
    struct shape shape = {.brief = kc_flag(r, "briefRepresentation", true)};
    r->kind = composite ? "user_effective" : "user_roles";
    kc_list(r, v.v, v.n, -1, true, kc_role_row, &shape);
    ivec_free(&all);
    ivec_free(&v);
}

static void
role_mappings(struct req *r, unsigned perm, int u, int at)
{
    int left = r->nseg - at; /* seg[at] = "role-mappings" */
    const char *kind = left > 1 ? r->seg[at + 1] : "";
    if (strcmp(kind, "realm") == 0 && left == 2)
        mapped_roles(r, u, -1, false);
    else if (strcmp(kind, "realm") == 0 && left == 3 && strcmp(r->seg[at + 2], "composite") == 0)
        mapped_roles(r, u, -1, true);
    else if (strcmp(kind, "clients") == 0 && left >= 3) {
        int c = map_get(&W.client_id, r->seg[at + 2]);
        if ((perm & P_VIEW_CLIENTS) == 0)
            kc_forbidden(r);
        else if (c < 0)
            kc_error(r, 404, "Client not found");
        else if (left == 3)
            mapped_roles(r, u, c, false);
        else if (left == 4 && strcmp(r->seg[at + 3], "composite") == 0)
            mapped_roles(r, u, c, true);
        else
            kc_not_found(r);
    } else
        kc_not_found(r);
}

void
kc_users(struct req *r, unsigned perm, int at)
{
    int left = r->nseg - at;
    if (left == 1 || (left == 2 && strcmp(r->seg[at + 1], "count") == 0)) {
        list_users(r, perm, left == 2);
        return;
    }
    int u = map_get(&W.user_id, r->seg[at + 1]);
    const char *what = left > 2 ? r->seg[at + 2] : "";
    r->kind = "user";
    if (u < 0 && (perm & P_QUERY_USERS) != 0)
        kc_error(r, 404, "User not found"); /* 403 for who may not ask: keycloak-verified.md section 3 */
    else if (u < 0 || (perm & P_VIEW_USERS) == 0)
        kc_forbidden(r);
    else if ((!directory_knows(u) && !W.users[u].cached) ||
             (directory_down(u) && strcmp(what, "credentials") == 0)) {
        r->kind = left == 2 ? "user" : what[0] == 'c' ? "credentials" : "other";
        answer(
            r, 500, "application/json",
            "{\"error\":\"unknown_error\",\"error_description\":\"For more on this error consult the server "
            "log.\"}");
    } else if (left == 2)
        one_user(r, u);
    else if (strcmp(what, "role-mappings") == 0)
        role_mappings(r, perm, u, at + 2);
    else if (left == 3 && strcmp(what, "groups") == 0)
        user_groups(r, u);
    else if (left == 4 && strcmp(what, "groups") == 0 && strcmp(r->seg[at + 3], "count") == 0) {
        r->kind = "user_groups_count";
        answer(r, 200, KC_JSON, "{\"count\":%d}", directory_live_groups(u));
    } else if (left == 3 && strcmp(what, "credentials") == 0) {
        r->kind = "credentials";
        answer(r, 200, KC_JSON, "[]");
    } else if (left == 3 && strcmp(what, "federated-identity") == 0)
        answer(r, 200, KC_JSON, "[]");
    else
        kc_not_found(r);
}
