/* tests/sim/kc.c: the Keycloak half: paths, rights, and the rows of every list; see kc.h. */
#include "tests/sim/kc.h"

#include <stdlib.h>
#include <string.h>

void
kc_error(struct req *r, int status, const char *message)
{
    const char *accept = req_header(r, "Accept");
    if (accept != NULL && strstr(accept, "text/html") != NULL) /* keycloak-verified.md section 3 */
        answer(r, status, "text/html;charset=UTF-8",
               "<!DOCTYPE html><html><body><h1>We are sorry...</h1><p>%s</p></body></html>", message);
    else
        answer(r, status, "application/json", "{'error':%q}", message);
}

void
kc_not_found(struct req *r)
{
    kc_error(r, 404, "HTTP 404 Not Found");
}

bool
kc_flag(const struct req *r, const char *name, bool def)
{
    const char *v = query_get(r->query, name);
    return v == NULL || v[0] == '\0' ? def : strcmp(v, "true") == 0;
}

unsigned
kc_brief(const struct req *r, bool def)
{
    return kc_flag(r, "briefRepresentation", def) ? BRIEF : 0;
}

/* ---- lists ---- */

/* -1 absent, -2 not a 32-bit integer, else 0 with *out. Rule S7. */
static int
int_param(const struct req *r, const char *name, int *out)
{
    const char *v = query_get(r->query, name);
    if (v == NULL || v[0] == '\0')
        return -1;
    char *end = NULL;
    long n = strtol(v, &end, 10);
    if (*end != '\0' || v[0] == ' ' || n > INT32_MAX || n < INT32_MIN)
        return rule("S7") ? -2 : -1;
    *out = (int) n;
    return 0;
}

void
kc_list(struct req *r, const struct list *v, int def, bool lone, const struct shape *shape)
{
    int first = 0, max = def = rule("S6") ? def : -1;
    int hf = int_param(r, "first", &first), hm = int_param(r, "max", &max);
    if (hf == -2 || hm == -2) {
        kc_not_found(r); /* a conversion failure is a 404: keycloak-verified.md section 1 */
        return;
    }
    if (!lone && (hf != 0 || hm != 0)) {
        first = 0;
        max = -1;
    }
    struct page p = page_cut(r, v->n, first, max);
    answer(r, 200, KC_JSON, "[");
    for (int i = 0; i < p.rows; i++)
        if (page_row(r, &p, i) >= 0) {
            buf_sep(&r->out);
            kc_row(&r->out, v->v[page_row(r, &p, i)], shape);
        }
    buf_s(&r->out, "]");
    r->chunked = true;
}

void
kc_one(struct req *r, const struct thing *x, unsigned flags)
{
    kc_row(&r->out, x, &(struct shape){.flags = flags, .place = PLACE_SINGLE});
    r->status = 200;
    r->ctype = KC_JSON;
}

/* ---- rows ---- */

static void
attributes(struct buf *b, json_object *attrs, const char *only)
{
    buf_s(b, ",\"attributes\":{");
    if (attrs != NULL) {
        json_object_object_foreach(attrs, key, val)
        {
            if (only != NULL && strcmp(key, only) != 0)
                continue;
            buf_item(b, "%q:[", key);
            for (size_t i = 0; i < json_len(val); i++)
                buf_f(b, i > 0 ? ",%q" : "%q", json_str(json_at(val, i)));
            buf_s(b, "]");
        }
    }
    buf_s(b, "}");
}

static void
role_row(struct buf *b, const struct thing *x, const struct shape *shape)
{
    buf_f(b, "{'id':%q,'name':%q", x->id, x->name);
    buf_opt(b, "description", x->desc);
    buf_f(b, ",'composite':%b,'clientRole':%b,'containerId':%q%s}", x->roles.n > 0, x->up != NULL,
          x->up != NULL ? x->up->id : W.realm, (shape->flags & BRIEF) != 0 ? "" : ",\"attributes\":{}");
}

static void
role_names(struct buf *b, const struct list *roles, const struct thing *client)
{
    buf_s(b, "[");
    for (int i = 0; i < roles->n; i++)
        if (roles->v[i]->up == client)
            buf_item(b, "%q", roles->v[i]->name);
    buf_s(b, "]");
}

static void
group_roles(struct buf *b, const struct thing *g, bool clients)
{
    buf_s(b, ",\"realmRoles\":");
    role_names(b, &g->roles, NULL);
    if (!clients)
        return;
    buf_s(b, ",\"clientRoles\":{");
    for (int c = 0; c < W.all[CLIENT].n; c++) {
        bool any = false;
        for (int i = 0; i < g->roles.n; i++)
            any = any || g->roles.v[i]->up == W.all[CLIENT].v[c];
        if (!any)
            continue;
        buf_item(b, "%q:", W.all[CLIENT].v[c]->name);
        role_names(b, &g->roles, W.all[CLIENT].v[c]);
    }
    buf_s(b, "}");
}

static void
group_row(struct buf *b, const struct thing *g, const struct shape *shape)
{
    buf_f(b, "{'id':%q,'name':%q,'path':%q", g->id, g->name, group_path(g));
    buf_opt(b, "parentId",
            g->up == NULL ? NULL : g->up->id); /* absent on the top level: keycloak-verified.md section 1 */
    if ((shape->flags & SUB_COUNT) != 0)
        buf_f(b, ",'subGroupCount':%d", g->groups.n);
    buf_s(b, ",\"subGroups\":[");
    for (int i = 0; i < g->groups.n && (shape->flags & TREE) != 0; i++)
        if (shape->only == NULL || list_has(shape->only, g->groups.v[i])) {
            buf_sep(b);
            group_row(b, g->groups.v[i], shape);
        }
    buf_s(b, "]");
    if ((shape->flags & BRIEF) == 0) {
        attributes(b, g->attrs, NULL);
        group_roles(b, g, (shape->flags & CLIENTS) != 0);
    }
    buf_f(b, (shape->flags & PLAIN) != 0 ? "}"
                                         : ",'access':{'view':true,'viewMembers':true,'manageMembers':false,"
                                           "'manage':false,'manageMembership':false}}");
}

/* S17: absent values are left out; a stranger's key on every sixteenth row. Source: keycloak-verified.md section 1 */
static void
user_row(struct buf *b, const struct thing *u, const struct shape *shape)
{
    bool shut =
        u->locked && shape->place != PLACE_NONE && (int) shape->place <= knobs.lockout_shows; /* S16 */
    buf_f(b, "{'id':%q,'username':%q", u->id, u->name);
    buf_opt(b, "firstName", u->first);
    buf_opt(b, "lastName", u->last);
    buf_opt(b, "email", u->email);
    buf_f(b, ",'emailVerified':%b,'enabled':%b,'createdTimestamp':%l", u->verified,
          seen_of(u).enabled && !shut, u->created_ms);
    buf_opt(b, "federationLink", u->fedlink);
    buf_opt(b, "origin", u->fedlink);
    if ((shape->flags & BRIEF) == 0) {
        buf_f(b, ",'totp':false,'disableableCredentialTypes':[],'requiredActions':[],'notBefore':0");
        if (u->attrs != NULL)
            attributes(b, u->attrs, NULL);
    } else if (json_get(u->attrs, "disabledReason") != NULL)
        /* the one attribute that brief rows keep: asked of 26.7.4 by tests/e2e/test_facts.py */
        attributes(b, u->attrs, "disabledReason");
    if ((shape->flags & ACCESS) != 0 && shape->place != PLACE_SINGLE)
        buf_f(b, ",'access':{'manage':false}");
    else if ((shape->flags & ACCESS) != 0)
        buf_f(b, ",'access':{'view':true,'manage':false,'mapRoles':false,'resetPassword':false,"
                 "'manageGroupMembership':false,'impersonate':false}");
    buf_f(b, knobs.extra_keys && u->number % 16 == 0 ? ",'simFuture':{'x':[1,null,']}']}}" : "}");
}

/* Rows carry the secret, as seen by anyone with view-clients: keycloak-verified.md section 5 */
static void
client_row(struct buf *b, const struct thing *c)
{
    buf_f(b,
          "{'id':%q,'clientId':%q,'enabled':true,'clientAuthenticatorType':'client-secret','publicClient':%b,"
          "'serviceAccountsEnabled':%b,'protocol':'openid-connect'",
          c->id, c->name, c->up == NULL, c->up != NULL);
    if (c->up != NULL)
        buf_f(b, ",'secret':%q",
              same(c->name, W.kc_client) ? W.kc_secret
              : c->secret                ? c->secret
                                         : "sim-client-secret");
    buf_f(b, ",'attributes':{}}");
}

void
kc_row(struct buf *b, const struct thing *x, const struct shape *shape)
{
    if (x->kind == ROLE)
        role_row(b, x, shape);
    else if (x->kind == GROUP)
        group_row(b, x, shape);
    else if (x->kind == USER)
        user_row(b, x, shape);
    else
        client_row(b, x);
}

/* ---- what needs no file of its own ---- */

/* The one thing that the path names last. */
void
kc_show(struct req *r, struct target *t)
{
    /* without view-clients the client part is silently missing here: keycloak-verified.md section 5 */
    unsigned clients = (t->perm & P_VIEW_CLIENTS) != 0 ? CLIENTS : 0;
    const struct thing *x = t->role != NULL    ? t->role
                            : t->group != NULL ? t->group
                            : t->user != NULL  ? t->user
                                               : t->client;
    kc_one(r, x, x->kind == USER ? ACCESS : x->kind == GROUP ? SUB_COUNT | clients : 0);
}

static void
empty_list(struct req *r, struct target *t)
{
    (void) t;
    answer(r, 200, KC_JSON, "[]");
}

/* ---- paths ---- */

/* R a role by name, I by id, G a group, U a user, C a client: what the segment there names. */
static const struct route {
    const char *pattern, *kind;
    unsigned perm; /* 403 without one of these; 0: not asked */
    void (*run)(struct req *r, struct target *t);
    const char *arg;
} routes[] = {
    {"", "realm", ~0u, kc_realm, NULL},
    {"roles", "roles", P_VIEW_REALM, kc_list_roles, NULL},
    {"roles/R", "role", 0, kc_show, NULL},
    {"roles/R/users", "role_users", P_QUERY_USERS, kc_role_users, NULL},
    {"roles/R/groups", "role_groups", P_QUERY_GROUPS, kc_role_groups, NULL},
    {"roles/R/composites", "composites", 0, kc_composites, "all"},
    {"roles/R/composites/realm", "composites", 0, kc_composites, "realm"},
    {"roles-by-id/I", "role_by_id", 0, kc_show, NULL},
    {"roles-by-id/I/composites", "composites_by_id", 0, kc_composites, "all by id"},
    {"roles-by-id/I/composites/realm", "composites_by_id", 0, kc_composites, "realm by id"},
    {"groups", "groups", P_QUERY_GROUPS, kc_list_groups, NULL},
    {"groups/count", "groups_count", P_QUERY_GROUPS, kc_list_groups, "count"},
    {"groups/G", "group", 0, kc_show, NULL},
    {"groups/G/children", "children", 0, kc_children, NULL},
    {"groups/G/members", "members", 0, kc_members, NULL},
    {"groups/G/role-mappings/realm", "group_roles", 0, kc_mapped_roles, NULL},
    {"group-by-path/**", "group_by_path", 0, kc_group_by_path, NULL},
    {"users", "users", P_QUERY_USERS, kc_list_users, NULL},
    {"users/count", "users_count", P_QUERY_USERS, kc_list_users, "count"},
    {"users/U", "user", 0, kc_show, NULL},
    {"users/U/groups", "user_groups", 0, kc_user_groups, NULL},
    {"users/U/groups/count", "user_groups_count", 0, kc_user_groups, "count"},
    {"users/U/credentials", "credentials", 0, empty_list, NULL},
    {"users/U/federated-identity", "user", 0, empty_list, NULL},
    {"users/U/role-mappings/realm", "user_roles", 0, kc_mapped_roles, NULL},
    {"users/U/role-mappings/realm/composite", "user_effective", 0, kc_mapped_roles, "composite"},
    {"users/U/role-mappings/clients/C", "user_roles", 0, kc_mapped_roles, NULL},
    {"users/U/role-mappings/clients/C/composite", "user_effective", 0, kc_mapped_roles, "composite"},
    {"clients", "clients", P_QUERY_CLIENTS, kc_list_clients, NULL},
    {"clients/C", "client", 0, kc_show, NULL},
    {"clients/C/roles", "client_roles", 0, kc_list_roles, NULL},
    {"clients/C/roles/R", "role", 0, kc_show, NULL},
    {"clients/C/roles/R/users", "role_users", P_QUERY_USERS, kc_role_users, NULL},
    {"clients/C/roles/R/groups", "role_groups", P_QUERY_GROUPS, kc_role_groups, NULL},
    {"clients/C/roles/R/composites", "composites", 0, kc_composites, "all"},
    {"clients/C/roles/R/composites/realm", "composites", 0, kc_composites, "realm"},
    {"clients/C/service-account-user", "service_account_user", 0, kc_service_account, NULL},
    {"clients/C/client-secret", "client_secret", 0, kc_client_secret, NULL},
    {"clients/C/client-secret/rotated", "client_secret", 0, kc_client_secret, "rotated"},
    {"components", "components", P_VIEW_REALM, kc_components, NULL},
    {"admin-events", "admin_events", P_VIEW_EVENTS, kc_admin_events, NULL},
    {"events/config", "events_config", P_VIEW_EVENTS, kc_events_config, NULL},
    {"default-groups", "default_groups", P_VIEW_REALM, kc_default_groups, NULL},
};

/* Who may know that it exists, who may see it, and what is said when it does not: keycloak-verified.md sections 3, 5 */
static bool
allowed(struct req *r, const struct target *t, unsigned ask, unsigned see, const struct thing *x,
        const char *missing)
{
    bool gone = x == NULL && (t->perm & ask) != 0;
    if (gone)
        kc_error(r, 404, missing);
    else if (x == NULL || (t->perm & see) == 0)
        kc_error(r, 403, "HTTP 403 Forbidden");
    return x != NULL && (t->perm & see) != 0;
}

static bool
user_there(struct req *r, const struct thing *u) /* S26 */
{
    struct seen s = seen_of(u);
    if ((s.known || u->cached) && !(s.down && strcmp(r->kind, "credentials") == 0))
        return true;
    oauth_error(r, 500, "unknown_error", "For more on this error consult the server log.");
    return false;
}

/* Finds what the capital `letter` of a route stands for; false: answered. */
static bool
resolve(struct req *r, struct target *t, char letter, const char *name)
{
    if (letter == 'R') {
        unsigned see = t->client == NULL ? P_VIEW_REALM : P_VIEW_CLIENTS;
        t->role = role_find(t->client, name);
        return allowed(r, t, see, see, t->role, "Could not find role");
    }
    if (letter == 'I') {
        t->role = thing_by_id(ROLE, name);
        return allowed(r, t, P_VIEW_REALM | P_VIEW_CLIENTS,
                       t->role == NULL || t->role->up == NULL ? P_VIEW_REALM : P_VIEW_CLIENTS, t->role,
                       "Could not find role with id");
    }
    if (letter == 'G') { /* 404 before 403 */
        t->group = thing_by_id(GROUP, name);
        struct target any = {.perm = t->perm | (t->group == NULL ? ~0u : 0)};
        return allowed(r, &any, ~0u, P_VIEW_USERS, t->group, "Could not find group by id");
    }
    if (letter == 'U') {
        t->user = thing_by_id(USER, name);
        return allowed(r, t, P_QUERY_USERS, P_VIEW_USERS, t->user, "User not found") &&
               user_there(r, t->user);
    }
    t->client = thing_by_id(CLIENT, name);
    return allowed(r, t, P_QUERY_CLIENTS, P_VIEW_CLIENTS, t->client,
                   t->user != NULL ? "Client not found" : "Could not find client");
}

static void
admin_path(struct req *r, int at)
{
    struct target t = {.perm = W.permissions};
    const struct route *route = routes, *end = routes + COUNT(routes);
    if (!kc_token_valid(r)) {
        kc_error(r, 401, "HTTP 401 Unauthorized");
        return;
    }
    if (at >= r->nseg || strcmp(r->seg[at], W.realm) != 0) {
        kc_error(r, 404, "Realm not found.");
        return;
    }
    while (route < end && !req_fits(r, at + 1, route->pattern))
        route++;
    if (route == end || !req_is(r, "GET")) { /* a wrong method is 404, not 405 */
        kc_not_found(r);
        return;
    }
    r->kind = route->kind;
    t.arg = route->arg;
    for (const char *p = route->pattern; *p != '\0'; at += *p++ == '/')
        if (*p >= 'A' && *p <= 'Z' && !resolve(r, &t, *p, r->seg[at + 1]))
            return;
    if (route->perm != 0 && (t.perm & route->perm) == 0)
        kc_error(r, 403, "HTTP 403 Forbidden");
    else
        route->run(r, &t);
}

static void
discovery(struct req *r)
{
    const char *iss = kc_issuer(r);
    r->kind = "discovery";
    answer(r, 200, KC_JSON,
           "{'issuer':'%s','token_endpoint':'%s/protocol/openid-connect/token','introspection_endpoint':"
           "'%s/protocol/openid-connect/token/introspect','jwks_uri':'%s/protocol/openid-connect/certs',"
           "'grant_types_supported':['client_credentials'],'token_endpoint_auth_methods_supported':"
           "['private_key_jwt','client_secret_basic','client_secret_post','tls_client_auth'],"
           "'mtls_endpoint_aliases':{'token_endpoint':'%s/protocol/openid-connect/token'}}",
           iss, iss, iss, iss, iss);
}

static void
public_path(struct req *r)
{
    if (r->nseg < 2 || strcmp(r->seg[1], W.realm) != 0)
        kc_error(r, 404, "Realm does not exist");
    else if (req_fits(r, 2, ".well-known/openid-configuration") ||
             req_fits(r, 2, ".well-known/oauth-authorization-server"))
        discovery(r);
    else if (req_fits(r, 2, "protocol/openid-connect/token"))
        kc_token(r);
    else if (req_fits(r, 2, "protocol/openid-connect/token/introspect")) {
        /* neither the token's own client nor another is in aud, so it is never active: keycloak-verified.md section 4 */
        r->kind = "introspect";
        answer(r, 200, "application/json", "{'active':false}");
    } else
        kc_not_found(r);
}

/* S18. Source: keycloak-verified.md section 3. False: answered. */
static bool
path_ok(struct req *r)
{
    bool semicolon = strchr(r->path, ';') != NULL, escape = false, dots = false;
    for (const char *p = r->path; *p != '\0'; p++)
        escape = escape || (*p == '%' && strspn(p + 1, "0123456789abcdefABCDEF") < 2);
    for (const char *p = r->path; !escape && (p = strchr(p, '/')) != NULL; p++) {
        const char *seg = pct_decode(p + 1, strcspn(p + 1, "/"), false);
        dots = dots || seg == NULL || strcmp(seg, ".") == 0 || strcmp(seg, "..") == 0 || p[1] == '/';
    }
    dots = dots && knobs.kc_version >= VERSION(26, 4, 4);
    if (!rule("S18") || (!semicolon && !dots && !escape))
        return true;
    if (semicolon)
        oauth_error(r, 400, "invalidCharacter", "Request path contains invalid character ';'");
    else if (dots)
        oauth_error(r, 400, "missingNormalization", "Request path not normalized");
    else
        answer(r, 400, NULL, "");
    return false;
}

void
kc_answer(struct req *r)
{
    if (!path_ok(r))
        return;
    pthread_rwlock_rdlock(&world_lock);
    if (!begins(r->path, W.base) || !req_split(r, strlen(W.base)))
        kc_not_found(r);
    else if (req_fits(r, 0, "realms/**"))
        public_path(r);
    else if (req_fits(r, 0, ".well-known/oauth-authorization-server/realms/*"))
        strcmp(r->seg[3], W.realm) == 0 ? discovery(r) : kc_error(r, 404, "Realm does not exist");
    else if (req_fits(r, 0, "admin/realms/**"))
        admin_path(r, 2);
    else
        kc_not_found(r);
    pthread_rwlock_unlock(&world_lock);
}
