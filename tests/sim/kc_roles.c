/* tests/sim/kc_roles.c: /roles, /roles-by-id, /clients, the realm itself and its components (rules S6-S8, S12, S20, S24). */
#include "tests/sim/kc.h"

#include <stdatomic.h>
#include <string.h>

/* S8: unpaged the order is random (a cached hash set); with first and max both given it is by name. `search` is an infix
 * on name or description. Source: keycloak-verified.md section 1, keycloak-api.md section 1.1 */
void
kc_list_roles(struct req *r, struct target *t)
{
    static _Atomic uint64_t turn;
    const struct list *all = t->client == NULL ? &W.all[ROLE] : &t->client->roles;
    const char *search = query_get(r->query, "search");
    bool searching = search != NULL && search[0] != '\0';
    bool paged = query_count(r->query, "first") > 0 && query_count(r->query, "max") > 0;
    struct rng rng = {++turn};
    struct list v = {0};
    for (int i = 0; i < all->n; i++)
        if (!searching || has_infix(all->v[i]->name, search) || has_infix(all->v[i]->desc, search))
            list_pass(&v, all->v[i]);
    for (int i = v.n - 1; i > 0; i--) {
        int k = rng_below(&rng, i + 1);
        struct thing *x = v.v[i];
        v.v[i] = v.v[k];
        v.v[k] = x;
    }
    if (paged || searching || !rule("S8"))
        list_sort(&v);
    kc_list(r, &v, -1, searching, &(struct shape){.flags = kc_brief(r, true)});
}

/* Only the form by id obeys first and max. */
void
kc_composites(struct req *r, struct target *t)
{
    bool by_id = strstr(t->arg, "by id") != NULL, realm = begins(t->arg, "realm");
    struct list v = {0};
    for (int i = 0; i < t->role->roles.n; i++) {
        struct thing *child = t->role->roles.v[i];
        /* client roles are left out without a word: asked of 26.7.4 by tests/e2e/test_facts.py */
        if (child->up == NULL || (!realm && (t->perm & P_VIEW_CLIENTS) != 0))
            list_pass(&v, child);
    }
    if (!by_id)
        r->query = tsub("", 0);
    kc_list(r, &v, -1, true, &(struct shape){.flags = BRIEF});
}

/* S12 switched off: what #42217 would answer, with everybody who holds the role by whatever way. */
static struct list
effective_users(const struct thing *role)
{
    struct list v = {0};
    for (int i = 0; i < W.all[USER].n; i++) {
        struct list roles = effective_roles(W.all[USER].v[i]);
        if (list_has(&roles, role))
            list_pass(&v, W.all[USER].v[i]);
    }
    return v;
}

/* S5: with the right to see the realm but not the users, the holders are an empty list with 200. */
void
kc_role_users(struct req *r, struct target *t)
{
    struct list v = {0};
    if ((t->perm & P_VIEW_USERS) != 0)
        v = rule("S12") ? t->role->members : effective_users(t->role);
    kc_list(r, &v, 100, true, &(struct shape){.flags = kc_brief(r, false) | ACCESS, .place = PLACE_ALL});
}

void
kc_role_groups(struct req *r, struct target *t)
{
    char *max = strstr(r->query, "max=");
    if (max != NULL && (knobs.kc_version == VERSION(26, 7, 0) || knobs.kc_version == VERSION(26, 7, 1)))
        memcpy(max, "100=", 4); /* S20: the parameter was named so by accident (#51449) */
    kc_list(r, &t->role->groups, 100, true, &(struct shape){.flags = kc_brief(r, true) | PLAIN | CLIENTS});
}

void
kc_list_clients(struct req *r, struct target *t)
{
    const char *cid = query_get(r->query, "clientId");
    bool search = kc_flag(r, "search", false);
    struct list v = {0};
    for (int i = 0; i < W.all[CLIENT].n && (t->perm & P_VIEW_CLIENTS) != 0; i++) {
        struct thing *c = W.all[CLIENT].v[i];
        if (cid == NULL || (search ? has_infix(c->name, cid) : strcmp(c->name, cid) == 0))
            list_pass(&v, c);
    }
    kc_list(r, &v, -1, true, &(struct shape){0});
}

void
kc_service_account(struct req *r, struct target *t)
{
    if (t->client->up != NULL)
        kc_one(r, t->client->up, 0);
    else
        kc_error(r, 400, tf("Service account not enabled for the client '%s'", t->client->name));
}

void
kc_client_secret(struct req *r, struct target *t)
{
    answer(r, 200, KC_JSON, "{'type':'secret','value':%q}",
           same(t->client->name, W.kc_client) ? W.kc_secret : "sim-client-secret");
}

void
kc_rotated_secret(struct req *r, struct target *t)
{
    if (W.kc_rotated != NULL && same(t->client->name, W.kc_client))
        answer(r, 200, KC_JSON, "{'type':'secret','value':%q}", W.kc_rotated);
    else
        kc_error(r, 404, "Client does not have a rotated secret");
}

void
kc_realm(struct req *r, struct target *t)
{
    answer(r, 200, KC_JSON, "{'id':%q,'realm':%q,'enabled':true", W.realm, W.realm);
    if ((t->perm & P_VIEW_REALM) != 0) {
        buf_f(
            &r->out,
            ",'notBefore':%l,'accessTokenLifespan':%d,'duplicateEmailsAllowed':true,'adminEventsEnabled':%b,"
            "'adminEventsDetailsEnabled':%b",
            W.not_before, knobs.token_life_s, knobs.events, knobs.events_details);
        if (W.default_role != NULL) {
            buf_s(&r->out, ",\"defaultRole\":");
            kc_row(&r->out, W.default_role, &(struct shape){.flags = BRIEF});
        }
    }
    buf_s(&r->out, "}");
}

/* The user directories by name. Source: keycloak-verified.md section 8 */
void
kc_components(struct req *r, struct target *t)
{
    (void) t;
    answer(r, 200, KC_JSON, "[");
    for (int i = 0; i < W.all[DIRECTORY].n; i++) {
        buf_sep(&r->out);
        buf_f(&r->out,
              "{'id':%q,'name':%q,'providerId':'ldap','providerType':'org.keycloak.storage."
              "UserStorageProvider',"
              "'parentId':%q,'config':{}}",
              W.all[DIRECTORY].v[i]->id, W.all[DIRECTORY].v[i]->name, W.realm);
    }
    buf_s(&r->out, "]");
}
