/* tests/sim/kc_users.c: /users and what is mapped to one of them (rules S5, S6, S12, S15). */
#include "tests/sim/kc.h"

#include <string.h>

struct filter {
    const char *search, *username, *email, *first, *last, *enabled, *verified, *q, *alias;
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

static bool
text_ok(const char *have, const char *want, bool exact)
{
    if (want == NULL || have == NULL)
        return want == NULL;
    return exact ? strcasecmp(have, want) == 0 : has_infix(have, want);
}

/* search=id:<id> <id> …: keycloak-api.md section 1.1. Otherwise an infix, `*` matching all. */
static bool
search_ok(const struct thing *u, const char *search)
{
    if (begins(search, "id:"))
        return strstr(tf(" %s ", search + 3), tf(" %s ", u->id)) != NULL;
    search += strspn(search, " *");
    return *search == '\0' || has_infix(u->name, search) || has_infix(u->email, search) ||
           has_infix(u->first, search) || has_infix(u->last, search);
}

static bool
matches(const struct thing *u, const struct filter *f)
{
    /* S15; 26.3.0 and 26.3.1 showed service accounts everywhere (#41103) */
    bool leak = knobs.kc_version == VERSION(26, 3, 0) || knobs.kc_version == VERSION(26, 3, 1);
    return (!u->service || f->other || leak) && directory_knows(u) &&
           (f->enabled == NULL || (strcmp(f->enabled, "true") == 0) == u->enabled) &&
           (f->verified == NULL || (strcmp(f->verified, "true") == 0) == u->verified) && f->alias == NULL &&
           text_ok(u->name, f->username, f->exact) && text_ok(u->email, f->email, f->exact) &&
           text_ok(u->first, f->first, f->exact) && text_ok(u->last, f->last, f->exact) &&
           (f->search == NULL || search_ok(u, f->search)) && (f->q == NULL || attr_query(u, f->q));
}

void
kc_list_users(struct req *r, struct target *t)
{
    struct filter f = filter_of(r);
    bool count = same(t->arg, "count"), sees = (t->perm & P_VIEW_USERS) != 0;
    struct list v = {0};
    struct thing *one = f.username != NULL && f.exact ? user_find(f.username) : NULL;
    if (!count && (f.other || f.search != NULL))
        r->kind = "users_filter";
    if (f.username != NULL && f.exact) { /* the usual look-up must not walk 50,000 rows */
        if (one != NULL && matches(one, &f) && (count || sees))
            list_pass(&v, one);
    } else
        for (int i = 0; i < W.all[USER].n && (count || sees); i++)
            if (matches(W.all[USER].v[i], &f))
                list_pass(&v, W.all[USER].v[i]);
    if (count)
        answer(r, 200, KC_JSON, "%d", v.n); /* the real number, even for who may not see the rows */
    else
        kc_list(r, &v, 100, true,
                &(struct shape){.flags = kc_brief(r, false) | ACCESS, .place = PLACE_USERS});
}

void
kc_user_groups(struct req *r, struct target *t)
{
    const struct list *shown = directory_groups(t->user);
    struct list v = {0};
    for (int i = 0; i < shown->n; i++)
        list_pass(&v, shown->v[i]);
    list_sort(&v);
    kc_list(r, &v, -1, true, &(struct shape){.flags = kc_brief(r, true) | PLAIN | CLIENTS});
}

/* Of the realm, or of the client that the path names. */
void
kc_mapped_roles(struct req *r, struct target *t)
{
    struct list all = t->arg != NULL ? effective_roles(t->user) : t->user->roles, v = {0};
    for (int i = 0; i < all.n; i++)
        if (all.v[i]->up == t->client)
            list_pass(&v, all.v[i]);
    kc_list(r, &v, -1, true, &(struct shape){.flags = kc_brief(r, true)});
}
