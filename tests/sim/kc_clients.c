/* tests/sim/kc_clients.c: /clients, the realm itself, /components and /admin-events. */
#include "tests/sim/kc.h"

#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>

/* Rows carry the secret, as seen by anyone with view-clients: keycloak-verified.md section 5 */
static void
client_row(struct buf *b, int client, const struct shape *shape)
{
    const struct client *c = &W.clients[client];
    (void) shape;
    buf_lit(b, "{\"id\":");
    buf_json(b, c->id);
    buf_key(b, "clientId", c->cid);
    buf_f(b,
          ",\"enabled\":true,\"clientAuthenticatorType\":\"client-secret\",\"publicClient\":%s,"
          "\"serviceAccountsEnabled\":%s,\"protocol\":\"openid-connect\"",
          c->account < 0 ? "true" : "false", c->account < 0 ? "false" : "true");
    if (c->account >= 0)
        buf_key(b, "secret",
                strcmp(c->cid, W.kc_client) == 0 ? W.kc_secret
                : c->secret != NULL              ? c->secret
                                                 : "sim-client-secret");
    buf_lit(b, ",\"attributes\":{}}");
}

static void
list_clients(struct req *r, unsigned perm)
{
    char *cid = query_get(r->query, "clientId");
    struct shape shape = {0};
    struct ivec v = {0};
    r->kind = "clients";
    if ((perm & P_QUERY_CLIENTS) == 0) {
        kc_forbidden(r);
        free(cid);
        return;
    }
    bool search = kc_flag(r, "search", false);
    for (int c = 0; c < W.nclients && (perm & P_VIEW_CLIENTS) != 0; c++)
        if (cid == NULL || (search ? has_infix(W.clients[c].cid, cid) : strcmp(W.clients[c].cid, cid) == 0))
            ivec_push(&v, c);
    kc_list(r, v.v, v.n, -1, true, client_row, &shape);
    ivec_free(&v);
    free(cid);
}

static void
service_account(struct req *r, int c)
{
    struct shape shape = {0};
    r->kind = "service_account_user";
    if (W.clients[c].account < 0) {
        char *text = xfmt("Service account not enabled for the client '%s'", W.clients[c].cid);
        struct buf b = {0};
        buf_json(&b, text);
        answer(r, 400, "application/json", "{\"error\":%s}", b.p);
        buf_free(&b);
        free(text);
        return;
    }
    kc_one(r, W.clients[c].account, kc_user_row, &shape);
}

void
kc_clients(struct req *r, unsigned perm, int at)
{
    int left = r->nseg - at;
    if (left == 1) {
        list_clients(r, perm);
        return;
    }
    int c = map_get(&W.client_id, r->seg[at + 1]);
    const char *what = left > 2 ? r->seg[at + 2] : "";
    r->kind = "client";
    if (c < 0)
        (perm & P_QUERY_CLIENTS) == 0 ? kc_forbidden(r) : kc_error(r, 404, "Could not find client");
    else if ((perm & P_VIEW_CLIENTS) == 0)
        kc_forbidden(r);
    else if (left == 2) {
        struct shape shape = {0};
        kc_one(r, c, client_row, &shape);
    } else if (strcmp(what, "roles") == 0)
        kc_roles(r, perm, c, at + 2);
    else if (left == 3 && strcmp(what, "service-account-user") == 0)
        service_account(r, c);
    else if (left == 3 && strcmp(what, "client-secret") == 0) {
        r->kind = "client_secret";
        struct buf b = {0};
        buf_json(&b, strcmp(W.clients[c].cid, W.kc_client) == 0 ? W.kc_secret : "sim-client-secret");
        answer(r, 200, KC_JSON, "{\"type\":\"secret\",\"value\":%s}", b.p);
        buf_free(&b);
    } else if (left == 4 && strcmp(what, "client-secret") == 0 && strcmp(r->seg[at + 3], "rotated") == 0 &&
               W.kc_rotated != NULL)
        answer(r, 200, KC_JSON, "{\"type\":\"secret\",\"value\":\"%s\"}", W.kc_rotated);
    else if (left == 4 && strcmp(what, "client-secret") == 0 && strcmp(r->seg[at + 3], "rotated") == 0)
        kc_error(r, 404, "Client does not have a rotated secret");
    else
        kc_not_found(r);
}

void
kc_realm(struct req *r, unsigned perm)
{
    r->kind = "realm";
    if (perm == 0) {
        kc_forbidden(r);
        return;
    }
    struct buf b = {0};
    buf_lit(&b, "{\"id\":");
    buf_json(&b, W.realm);
    buf_key(&b, "realm", W.realm);
    buf_lit(&b, ",\"enabled\":true");
    if ((perm & P_VIEW_REALM) != 0) {
        buf_f(&b,
              ",\"notBefore\":%lld,\"accessTokenLifespan\":%d,\"duplicateEmailsAllowed\":true,"
              "\"adminEventsEnabled\":%s,\"adminEventsDetailsEnabled\":%s",
              (long long) W.not_before, knobs.token_life_s, knobs.events ? "true" : "false",
              knobs.events_details ? "true" : "false");
        if (W.default_role >= 0) {
            struct shape brief = {.brief = true};
            buf_lit(&b, ",\"defaultRole\":");
            kc_role_row(&b, W.default_role, &brief);
        }
    }
    buf_lit(&b, "}");
    answer(r, 200, KC_JSON, "%s", b.p);
    buf_free(&b);
}

/* The user directories by name. Source: keycloak-verified.md section 8 */
void
kc_components(struct req *r, unsigned perm)
{
    r->kind = "components";
    if ((perm & P_VIEW_REALM) == 0) {
        kc_forbidden(r);
        return;
    }
    buf_lit(&r->out, "[");
    for (int i = 0; i < W.components.n; i++) {
        buf_s(&r->out, i > 0 ? ",{\"id\":" : "{\"id\":");
        buf_json(&r->out, W.components.v[i].name);
        buf_key(&r->out, "name", W.components.v[i].n > 0 ? W.components.v[i].val[0] : "ldap");
        buf_lit(&r->out,
                ",\"providerId\":\"ldap\",\"providerType\":\"org.keycloak.storage.UserStorageProvider\"");
        buf_key(&r->out, "parentId", W.realm);
        buf_lit(&r->out, ",\"config\":{}}");
    }
    buf_lit(&r->out, "]");
    r->status = 200;
    r->ctype = KC_JSON;
}
