/* tests/sim/kc.c: the Keycloak half: paths, rights, and the helpers for lists; see kc.h. */
#include "tests/sim/kc.h"

#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>

void
kc_error(struct req *r, int status, const char *message)
{
    const char *accept = req_header(r, "Accept");
    if (accept != NULL && strstr(accept, "text/html") != NULL) { /* keycloak-verified.md section 3 */
        answer(r, status, "text/html;charset=UTF-8",
               "<!DOCTYPE html><html><body><h1>We are sorry...</h1><p>%s</p></body></html>", message);
        return;
    }
    answer(r, status, "application/json", "{\"error\":\"%s\"}", message);
}

void
kc_forbidden(struct req *r)
{
    kc_error(r, 403, "HTTP 403 Forbidden");
}

void
kc_one(struct req *r, int index, row_fn row, const struct shape *shape)
{
    row(&r->out, index, shape);
    r->status = 200;
    r->ctype = KC_JSON;
}

void
kc_not_found(struct req *r)
{
    kc_error(r, 404, "HTTP 404 Not Found");
}

bool
kc_flag(const struct req *r, const char *name, bool def)
{
    char *v = query_get(r->query, name);
    bool on = v == NULL || v[0] == '\0' ? def : strcmp(v, "true") == 0;
    free(v);
    return on;
}

/* -1 absent, -2 not a 32-bit integer, else 0 with *out. Rule S7. */
static int
int_param(const struct req *r, const char *name, int *out)
{
    char *v = query_get(r->query, name);
    if (v == NULL || v[0] == '\0') {
        free(v);
        return -1;
    }
    char *end = NULL;
    long n = strtol(v, &end, 10);
    bool bad = *end != '\0' || v[0] == ' ' || n > 2147483647L || n < -2147483648L;
    free(v);
    *out = (int) n;
    return bad ? -2 : 0;
}

void
kc_list(struct req *r, const int *v, int n, int def, bool lone, row_fn row, const struct shape *shape)
{
    int first = 0;
    def = rule("S6") ? def : -1;
    int max = def;
    int hf = int_param(r, "first", &first), hm = int_param(r, "max", &max);
    if ((hf == -2 || hm == -2) && rule("S7")) {
        kc_not_found(r); /* a conversion failure is a 404: keycloak-verified.md section 1 */
        return;
    }
    if (hf != 0)
        first = 0;
    if (hm != 0)
        max = def;
    if (!lone && (hf != 0 || hm != 0)) {
        first = 0;
        max = -1;
    }
    const struct act *a = r->act;
    first = first < 0 ? 0 : first;
    if (a->repeat_page && max > 0)
        first = first > max ? first - max : 0;
    int from = first < n ? first : n;
    int to = max < 0 || max > n - from ? n : from + max;
    if (a->empty_list)
        to = from;
    int hole = from + (to - from) / 2; /* S10: rows that vanish after the page was cut */
    bool some = false;
    buf_lit(&r->out, "[");
    for (int i = from; i < to; i++) {
        if (i >= hole && i < hole + a->drop_rows)
            continue;
        if (some)
            buf_lit(&r->out, ",");
        some = true;
        row(&r->out, v[i], shape);
    }
    for (int i = from; i < to && i < from + a->dup_rows; i++) { /* S11: a second provider tells them again */
        buf_lit(&r->out, ",");
        row(&r->out, v[i], shape);
    }
    buf_lit(&r->out, "]");
    r->status = 200;
    r->ctype = KC_JSON;
    r->chunked = true;
}

void
kc_attrs(struct buf *b, const struct attrs *a)
{
    buf_lit(b, ",\"attributes\":{");
    for (int i = 0; i < a->n; i++) {
        if (i > 0)
            buf_lit(b, ",");
        buf_json(b, a->v[i].name);
        buf_lit(b, ":[");
        for (int k = 0; k < a->v[i].n; k++) {
            if (k > 0)
                buf_lit(b, ",");
            buf_json(b, a->v[i].val[k]);
        }
        buf_lit(b, "]");
    }
    buf_lit(b, "}");
}

void
kc_role_row(struct buf *b, int role, const struct shape *shape)
{
    const struct role *x = &W.roles[role];
    buf_lit(b, "{\"id\":");
    buf_json(b, x->id);
    buf_key(b, "name", x->name);
    if (x->desc != NULL)
        buf_key(b, "description", x->desc);
    buf_f(b, ",\"composite\":%s,\"clientRole\":%s", x->comps.n > 0 ? "true" : "false",
          x->client >= 0 ? "true" : "false");
    buf_key(b, "containerId", x->client >= 0 ? W.clients[x->client].id : W.realm);
    if (!shape->brief)
        buf_lit(b, ",\"attributes\":{}");
    buf_lit(b, "}");
}

static void
group_roles(struct buf *b, const struct group *g, bool clients)
{
    bool some = false;
    buf_lit(b, ",\"realmRoles\":[");
    for (int i = 0; i < g->roles.n; i++)
        if (W.roles[g->roles.v[i]].client < 0) {
            if (some)
                buf_lit(b, ",");
            some = true;
            buf_json(b, W.roles[g->roles.v[i]].name);
        }
    buf_lit(b, "]");
    if (!clients)
        return;
    buf_lit(b, ",\"clientRoles\":{");
    some = false;
    for (int c = 0; c < W.nclients; c++) {
        bool open = false;
        for (int i = 0; i < g->roles.n; i++)
            if (W.roles[g->roles.v[i]].client == c) {
                buf_s(b, open ? "," : some ? "," : "");
                if (!open) {
                    buf_json(b, W.clients[c].cid);
                    buf_lit(b, ":[");
                }
                open = some = true;
                buf_json(b, W.roles[g->roles.v[i]].name);
            }
        if (open)
            buf_lit(b, "]");
    }
    buf_lit(b, "}");
}

static void
group_head(struct buf *b, const struct group *g)
{
    buf_lit(b, "{\"id\":");
    buf_json(b, g->id);
    buf_key(b, "name", g->name);
    buf_key(b, "path", g->path);
    if (g->parent >= 0) /* absent on the top level: keycloak-verified.md section 1 */
        buf_key(b, "parentId", W.groups[g->parent].id);
}

void
kc_group_row(struct buf *b, int group, const struct shape *shape)
{
    const struct group *g = &W.groups[group];
    group_head(b, g);
    if (shape->sub_count && !shape->nested)
        buf_f(b, ",\"subGroupCount\":%d", g->kids.n);
    buf_lit(b, ",\"subGroups\":[");
    for (int i = 0; i < g->kids.n && shape->nested; i++) {
        buf_s(b, i > 0 ? "," : "");
        kc_group_row(b, g->kids.v[i], shape);
    }
    buf_lit(b, "]");
    if (!shape->brief) {
        kc_attrs(b, &g->attrs);
        group_roles(b, g, shape->clients);
    }
    buf_lit(b, ",\"access\":{\"view\":true,\"viewMembers\":true,\"manageMembers\":false,\"manage\":false,"
               "\"manageMembership\":false}}");
}

void
kc_group_plain_row(struct buf *b, int group, const struct shape *shape)
{
    const struct group *g = &W.groups[group];
    group_head(b, g);
    buf_lit(b, ",\"subGroups\":[]");
    if (!shape->brief) {
        kc_attrs(b, &g->attrs);
        group_roles(b, g, shape->clients);
    }
    buf_lit(b, "}");
}

/* S17: absent values are left out; a stranger's key on every sixteenth row. Source: keycloak-verified.md
 * section 1 */
void
kc_user_row(struct buf *b, int user, const struct shape *shape)
{
    const struct user *u = &W.users[user];
    buf_lit(b, "{\"id\":");
    buf_json(b, u->id);
    buf_key(b, "username", u->name);
    if (u->first != NULL)
        buf_key(b, "firstName", u->first);
    if (u->last != NULL)
        buf_key(b, "lastName", u->last);
    if (u->email != NULL)
        buf_key(b, "email", u->email);
    buf_s(b, u->verified ? ",\"emailVerified\":true" : ",\"emailVerified\":false");
    bool shut = u->locked && shape->place <= knobs.lockout_shows && shape->place != PLACE_NONE; /* S16 */
    buf_s(b, directory_enabled(user) && !shut ? ",\"enabled\":true" : ",\"enabled\":false");
    buf_f(b, ",\"createdTimestamp\":%lld", (long long) u->created_ms);
    if (u->fedlink != NULL) {
        buf_key(b, "federationLink", u->fedlink);
        buf_key(b, "origin", u->fedlink);
    }
    if (!shape->brief) {
        buf_lit(b,
                ",\"totp\":false,\"disableableCredentialTypes\":[],\"requiredActions\":[],\"notBefore\":0");
        if (u->attrs.n > 0)
            kc_attrs(b, &u->attrs);
    } else if (attr_get(&u->attrs, "disabledReason") != NULL) {
        /* the one attribute that brief rows keep: asked of 26.7.4 by tests/e2e/test_facts.py */
        struct attr reason = *attr_get(&u->attrs, "disabledReason");
        struct attrs only = {.v = &reason, .n = 1, .cap = 1};
        kc_attrs(b, &only);
    }
    if (shape->access)
        buf_lit(b, ",\"access\":{\"manage\":false}");
    if (knobs.extra_keys && user % 16 == 0)
        buf_lit(b, ",\"simFuture\":{\"x\":[1,null,\"]}\"]}");
    buf_lit(b, "}");
}

/* S18. Source: keycloak-verified.md section 3. False: answered. */
static bool
path_ok(struct req *r)
{
    bool semicolon = strchr(r->path, ';') != NULL, escape = false, dots = false;
    for (const char *p = r->path; *p != '\0'; p++)
        escape = escape || (*p == '%' && strspn(p + 1, "0123456789abcdefABCDEF") < 2);
    for (const char *p = r->path; !escape && (p = strchr(p, '/')) != NULL; p++) {
        size_t n = strcspn(p + 1, "/");
        char *seg = pct_decode(p + 1, n, false);
        dots = dots || seg == NULL || strcmp(seg, ".") == 0 || strcmp(seg, "..") == 0 || p[1] == '/';
        free(seg);
    }
    const char *name = semicolon ? "invalidCharacter" : "missingNormalization";
    const char *text =
        semicolon ? "Request path contains invalid character ';'" : "Request path not normalized";
    dots = dots && knobs.kc_version >= VERSION(26, 4, 4);
    if (!rule("S18"))
        return true;
    if (semicolon || dots)
        answer(r, 400, "application/json", "{\"error\":\"%s\",\"error_description\":\"%s\"}", name, text);
    else if (escape)
        answer(r, 400, "", "%s", "");
    return !semicolon && !dots && !escape;
}

static void
discovery(struct req *r)
{
    char *iss = kc_issuer(r);
    r->kind = "discovery";
    answer(r, 200, KC_JSON,
           "{\"issuer\":\"%s\",\"token_endpoint\":\"%s/protocol/openid-connect/"
           "token\",\"introspection_endpoint\":\"%s/protocol/openid-connect/token/introspect\","
           "\"jwks_uri\":\"%s/protocol/openid-connect/"
           "certs\",\"grant_types_supported\":[\"client_credentials\"],"
           "\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\",\"client_secret_basic\",\"client_"
           "secret_post\",\"tls_client_auth\"],"
           "\"mtls_endpoint_aliases\":{\"token_endpoint\":\"%s/protocol/openid-connect/token\"}}",
           iss, iss, iss, iss, iss);
    free(iss);
}

static void
public_path(struct req *r, int at)
{
    int left = r->nseg - at;
    if (left < 2 || strcmp(r->seg[at + 1], W.realm) != 0)
        kc_error(r, 404, "Realm does not exist");
    else if (left == 4 && req_seg(r, at + 2, ".well-known") &&
             (req_seg(r, at + 3, "openid-configuration") || req_seg(r, at + 3, "oauth-authorization-server")))
        discovery(r);
    else if (left == 5 && req_seg(r, at + 2, "protocol") && req_seg(r, at + 3, "openid-connect") &&
             req_seg(r, at + 4, "token"))
        kc_token(r);
    else if (left == 6 && req_seg(r, at + 4, "token") && req_seg(r, at + 5, "introspect"))
        kc_introspect(r);
    else
        kc_not_found(r);
}

static void
admin_path(struct req *r, int at)
{
    if (!kc_token_valid(r)) {
        kc_error(r, 401, "HTTP 401 Unauthorized");
        return;
    }
    if (at >= r->nseg || strcmp(r->seg[at], W.realm) != 0) {
        kc_error(r, 404, "Realm not found.");
        return;
    }
    unsigned perm = W.permissions;
    const char *family = at + 1 < r->nseg ? r->seg[at + 1] : "";
    if (!req_is(r, "GET")) {
        kc_not_found(r); /* a wrong method is 404, not 405 */
        return;
    }
    if (family[0] == '\0')
        kc_realm(r, perm);
    else if (strcmp(family, "roles") == 0)
        kc_roles(r, perm, -1, at + 1);
    else if (strcmp(family, "roles-by-id") == 0)
        kc_roles_by_id(r, perm, at + 1);
    else if (strcmp(family, "groups") == 0)
        kc_groups(r, perm, at + 1);
    else if (strcmp(family, "group-by-path") == 0)
        kc_group_by_path(r, perm, at + 1);
    else if (strcmp(family, "users") == 0)
        kc_users(r, perm, at + 1);
    else if (strcmp(family, "clients") == 0)
        kc_clients(r, perm, at + 1);
    else if (strcmp(family, "components") == 0 && r->nseg == at + 2)
        kc_components(r, perm);
    else if (strcmp(family, "admin-events") == 0 && r->nseg == at + 2)
        kc_admin_events(r, perm);
    else if (strcmp(family, "events") == 0 && r->nseg == at + 3 && req_seg(r, at + 2, "config"))
        kc_events_config(r, perm);
    else if (strcmp(family, "default-groups") == 0 && r->nseg == at + 2) {
        if ((perm & P_VIEW_REALM) == 0)
            kc_forbidden(r);
        else
            kc_default_groups(r);
    } else
        kc_not_found(r);
}

void
kc_answer(struct req *r)
{
    if (!path_ok(r))
        return;
    pthread_rwlock_rdlock(&world_lock);
    size_t base = strlen(W.base);
    if (strncmp(r->path, W.base, base) != 0 || !req_split(r, base))
        kc_not_found(r);
    else if (req_seg(r, 0, "realms"))
        public_path(r, 0);
    else if (req_seg(r, 0, ".well-known") && req_seg(r, 1, "oauth-authorization-server") &&
             req_seg(r, 2, "realms"))
        req_seg(r, 3, W.realm) ? discovery(r) : kc_error(r, 404, "Realm does not exist");
    else if (req_seg(r, 0, "admin") && req_seg(r, 1, "realms"))
        admin_path(r, 2);
    else
        kc_not_found(r);
    pthread_rwlock_unlock(&world_lock);
}
