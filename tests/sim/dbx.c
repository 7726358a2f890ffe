/* tests/sim/dbx.c: the Databricks half: paths, tokens, rates; see dbx.h. */
#include "tests/sim/dbx.h"

#include "tests/sim/kc.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rule 27. Source: databricks-api.md section 3.8: `status` is a string. */
void
scim_error(struct req *r, int status, const char *scim_type, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    if (vasprintf(&s, fmt, ap) < 0)
        s = NULL;
    va_end(ap);
    r->out.len = 0;
    buf_lit(&r->out, "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"]");
    buf_key(&r->out, "detail", s);
    if (scim_type != NULL)
        buf_key(&r->out, "scimType", scim_type);
    buf_f(&r->out, ",\"status\":\"%d\"}", status);
    r->status = status;
    r->ctype = SCIM_JSON;
    free(s);
}

void
platform_error(struct req *r, int status, const char *code, const char *message)
{
    if (code == NULL)
        answer(r, status, "application/json", "{\"error_code\":%d,\"message\":\"%s\"}", status, message);
    else
        answer(r, status, "application/json", "{\"error_code\":\"%s\",\"message\":\"%s\"}", code, message);
}

static const char *
claim(json_object *o, const char *key)
{
    const char *s = json_text(o, key);
    return s != NULL ? s : "";
}

/* Rule 35: a PAT never opens account paths, the SCIM token only 2.1, a token of one level not the other. */
bool
dbx_token_valid(struct req *r, enum level level, bool scim21)
{
    const char *h = req_header(r, "Authorization");
    if (h == NULL || strncmp(h, "Bearer ", 7) != 0)
        return false;
    const char *t = h + 7;
    pthread_rwlock_rdlock(&world_lock);
    bool pat = strcmp(t, W.pat) == 0, scim = strcmp(t, W.scim_token) == 0;
    pthread_rwlock_unlock(&world_lock);
    if (pat || scim)
        return pat ? level != LEVEL_ACCOUNT : level == LEVEL_ACCOUNT && scim21;
    if (!jwt_ours(t))
        return false;
    if (!rule("35"))
        return true;
    char *payload = jwt_payload(t);
    json_object *o = payload == NULL ? NULL : json_parse(payload);
    bool ok = o != NULL && strcmp(claim(o, "dbx"), level == LEVEL_ACCOUNT ? "account" : "workspace") == 0 &&
              json_int(o, "xms", 0) > clock_unix_ms();
    json_object_put(o);
    free(payload);
    return ok;
}

static void
oauth_error(struct req *r, int status, const char *error, const char *description)
{
    answer(r, status, "application/json", "{\"error\":\"%s\",\"error_description\":\"%s\"}", error,
           description);
}

static bool
aud_has(json_object *o, const char *want)
{
    json_object *a = NULL;
    if (want == NULL)
        return true;
    if (!json_object_object_get_ex(o, "aud", &a))
        return false;
    if (!json_object_is_type(a, json_type_array))
        return strcmp(json_object_get_string(a), want) == 0;
    for (size_t i = 0; i < json_object_array_length(a); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(a, i)), want) == 0)
            return true;
    return false;
}

/* Rule 34, RFC 8693. Source: databricks-api.md section 5.3. Seconds the subject token still lives, or 0. */
static int64_t
exchange(struct req *r, const char *form)
{
    char *type = query_get(form, "subject_token_type"), *subject = query_get(form, "subject_token"),
         *id = query_get(form, "client_id");
    char *payload = subject == NULL ? NULL : jwt_payload(subject);
    json_object *o = payload == NULL ? NULL : json_parse(payload);
    int c = client_find(W.kc_client), account = c < 0 ? -1 : W.clients[c].account;
    const char *want_sub = knobs.fed_subject != NULL ? knobs.fed_subject
                           : account >= 0            ? W.users[account].id
                                                     : "";
    int64_t left = o == NULL ? 0 : (json_int(o, "xms", 0) - clock_unix_ms()) / 1000;
    const char *bad = NULL;
    if (type == NULL || strcmp(type, "urn:ietf:params:oauth:token-type:jwt") != 0)
        bad = "unsupported subject_token_type";
    else if (knobs.fed_account_policy ? id != NULL : id == NULL || strcmp(id, W.dbx_client) != 0)
        bad = "client_id does not fit the federation policy";
    else if (o == NULL || !jwt_ours(subject))
        bad = "subject_token is not valid";
    else if (knobs.fed_issuer != NULL ? strcmp(claim(o, "iss"), knobs.fed_issuer) != 0
                                      : claim(o, "iss")[0] == '\0')
        bad = "issuer does not match any federation policy";
    else if (!aud_has(o, knobs.fed_audience))
        bad = "audience does not match any federation policy";
    else if (!knobs.fed_account_policy && strcmp(claim(o, "sub"), want_sub) != 0)
        bad = "subject does not match any federation policy";
    else if (left <= 0)
        bad = "subject_token is expired";
    if (bad != NULL)
        oauth_error(r, 400, o == NULL || type == NULL ? "invalid_request" : "invalid_grant", bad);
    json_object_put(o);
    free(payload), free(type), free(subject), free(id);
    return bad != NULL ? 0 : left;
}

static bool
client_ok(struct req *r, const char *form)
{
    char *id = query_get(form, "client_id"), *secret = query_get(form, "client_secret");
    const char *h = req_header(r, "Authorization");
    if (h != NULL && strncmp(h, "Basic ", 6) == 0) {
        size_t n = 0;
        char *pair = (char *) b64_decode(h + 6, strlen(h + 6), &n);
        char *colon = pair == NULL ? NULL : strchr(pair, ':');
        if (colon != NULL) {
            free(id), free(secret);
            id = pct_decode(pair, (size_t) (colon - pair), true);
            secret = pct_decode(colon + 1, strlen(colon + 1), true);
        }
        free(pair);
    }
    bool ok =
        id != NULL && secret != NULL && strcmp(id, W.dbx_client) == 0 && strcmp(secret, W.dbx_secret) == 0;
    if (!ok)
        oauth_error(r, 401, "invalid_client", "Client authentication failed");
    free(id), free(secret);
    return ok;
}

void
dbx_token(struct req *r, bool account)
{
    r->kind = "token";
    const char *form = r->body.p != NULL ? r->body.p : "";
    char *grant = query_get(form, "grant_type"), *scope = query_get(form, "scope");
    int64_t life = knobs.dbx_token_life_s;
    bool ok = false;
    pthread_rwlock_rdlock(&world_lock);
    if (!req_is(r, "POST"))
        platform_error(r, 405, "METHOD_NOT_ALLOWED", "Method not allowed.");
    else if (grant == NULL)
        oauth_error(r, 400, "invalid_request", "grant_type is missing");
    else if (scope != NULL && strcmp(scope, "all-apis") != 0 && strcmp(scope, "scim") != 0)
        oauth_error(r, 400, "invalid_scope", "unknown scope");
    else if (strcmp(grant, "client_credentials") == 0)
        ok = client_ok(r, form);
    else if (strcmp(grant, "urn:ietf:params:oauth:grant-type:token-exchange") == 0) {
        int64_t left = exchange(r, form);
        ok = left > 0;
        life = left < life ? left : life; /* never longer than the subject token */
    } else
        oauth_error(r, 400, "unsupported_grant_type", "unsupported grant_type");
    if (ok) {
        char *payload =
            xfmt("{\"dbx\":\"%s\",\"sub\":\"%s\",\"xms\":%lld}", account ? "account" : "workspace",
                 W.dbx_client, (long long) (clock_unix_ms() + life * 1000));
        char *token = jwt_sign(payload);
        answer(
            r, 200, "application/json",
            "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%lld,\"scope\":\"all-apis\"}",
            token, (long long) life);
        free(token), free(payload);
    }
    pthread_rwlock_unlock(&world_lock);
    free(grant), free(scope);
}

/* Rule 24: a bucket for each class of requests; the clock is the simulator's, which a test may move. Source:
 * databricks-api.md section 4 */
static bool
within_rate(struct req *r, int kind)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static double level[RATE_KINDS];
    static int64_t last[RATE_KINDS];
    double rate = knobs.rate[kind];
    if (rate <= 0)
        return true;
    pthread_mutex_lock(&lock);
    int64_t now = clock_ms();
    double top = rate < 1 ? 1 : rate;
    level[kind] = last[kind] == 0 ? top : level[kind] + (double) (now - last[kind]) * rate / 1000;
    level[kind] = level[kind] > top ? top : level[kind];
    last[kind] = now;
    bool ok = level[kind] >= 1;
    double missing = ok ? 0 : (1 - level[kind]) / rate;
    if (ok)
        level[kind] -= 1;
    pthread_mutex_unlock(&lock);
    if (ok)
        return true;
    r->kind = "throttled";
    platform_error(r, 429, "REQUEST_LIMIT_EXCEEDED", "Too many requests");
    if (knobs.retry_after == NULL || strcmp(knobs.retry_after, "seconds") == 0)
        r->retry_after = xfmt("%d", (int) missing + 1);
    else if (strcmp(knobs.retry_after, "none") != 0)
        r->retry_after = xdup(knobs.retry_after);
    return false;
}

static void
unsupported(struct req *r)
{
    platform_error(r, 404, "ENDPOINT_NOT_FOUND", "Endpoint not supported.");
}

/* A unified host serves many workspaces: the header says which one is meant, by its new or its old name; the answer
 * names it by the old one. Source: databricks-api.md section 1.1 (sdk-go PR#1688); the wording is invented. */
static bool
workspace_ok(struct req *r, enum level level)
{
    const char *id = req_header(r, "X-Databricks-Workspace-Id");
    id = id != NULL ? id : req_header(r, "X-Databricks-Org-Id");
    if (knobs.workspace_id == NULL || level == LEVEL_ACCOUNT)
        return true;
    if (id == NULL || strcmp(id, knobs.workspace_id) != 0) {
        platform_error(r, 400, "INVALID_PARAMETER_VALUE",
                       "The request does not say which workspace it is for.");
        return false;
    }
    r->org_id = knobs.workspace_id;
    return true;
}

/* seg[at] is Users, Groups, ServicePrincipals or Me */
static void
scim(struct req *r, int at, enum level level, bool v21)
{
    int left = r->nseg - at;
    const char *what = left > 0 ? r->seg[at] : "";
    char kind = strcmp(what, "Users") == 0               ? 'U'
                : strcmp(what, "Groups") == 0            ? 'G'
                : strcmp(what, "ServicePrincipals") == 0 ? 'S'
                                                         : '\0';
    bool me = strcmp(what, "Me") == 0 && level == LEVEL_WORKSPACE && left == 1;
    if (!dbx_token_valid(r, level, v21)) {
        platform_error(r, knobs.dbx_expired_status, NULL, "Invalid access token.");
        return;
    }
    if ((kind == '\0' && !me) || left > 2 || (kind == 'S' && level == LEVEL_PROXY)) {
        unsupported(r);
        return;
    }
    if (!workspace_ok(r, level))
        return;
    bool get = req_is(r, "GET");
    const char *id = left == 2 ? r->seg[at + 1] : NULL;
    if (!within_rate(r, get                  ? (id != NULL ? RATE_GET : RATE_LIST)
                        : req_is(r, "PATCH") ? RATE_PATCH
                                             : RATE_POST))
        return;
    if (get)
        pthread_rwlock_rdlock(&world_lock);
    else
        pthread_rwlock_wrlock(&world_lock);
    if (me && get)
        dbx_me(r);
    else if (get && id != NULL)
        dbx_get(r, kind, id, level);
    else if (get)
        dbx_list(r, kind, level);
    else if (req_is(r, "POST") && id == NULL && kind != '\0')
        dbx_post(r, kind, level);
    else if (req_is(r, "PATCH") && id != NULL)
        dbx_patch(r, kind, id, level);
    else if (req_is(r, "PUT") && id != NULL)
        dbx_put(r, kind, id, level);
    else if (req_is(r, "DELETE") && id != NULL)
        dbx_delete(r, kind, id, level);
    else
        platform_error(r, 405, "METHOD_NOT_ALLOWED", "Method not allowed.");
    pthread_rwlock_unlock(&world_lock);
}

static void
discovery(struct req *r, bool account)
{
    const char *host = req_header(r, "Host");
    bool tls = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_PROTOCOL) != NULL;
    char *base = xfmt("%s://%s/oidc%s%s", tls ? "https" : "http", host != NULL ? host : "",
                      account ? "/accounts/" : "", account ? W.account : "");
    r->kind = "discovery";
    if (req_seg(r, 1, "databricks-config")) {
        struct buf b = {0};
        buf_f(&b, "{\"oidc_endpoint\":\"%s\",\"cloud\":\"AWS\",\"host_type\":\"%s\"", base,
              knobs.workspace_id != NULL ? "UNIFIED" : "ACCOUNT");
        buf_key(&b, "account_id", W.account);
        if (knobs.workspace_id != NULL)
            buf_key(&b, "workspace_id", knobs.workspace_id);
        buf_f(&b, ",\"token_federation_default_oidc_audiences\":[\"%s\"]}", W.account);
        answer(r, 200, "application/json", "%s", b.p);
        buf_free(&b);
    } else
        answer(r, 200, "application/json",
               "{\"issuer\":\"%s\",\"token_endpoint\":\"%s/v1/token\",\"grant_types_supported\":"
               "[\"client_credentials\",\"urn:ietf:params:oauth:grant-type:token-exchange\"],"
               "\"token_endpoint_auth_methods_supported\":[\"client_secret_basic\",\"client_secret_post\"]}",
               base, base);
    free(base);
}

static bool
well_known(const struct req *r, int at)
{
    return req_seg(r, at, "oauth-authorization-server") || req_seg(r, at, "openid-configuration");
}

static void
route(struct req *r)
{
    bool v21 = req_seg(r, 1, "2.1");
    if (req_seg(r, 0, "oidc") && req_seg(r, 1, "accounts") && r->nseg >= 5) {
        if (!req_seg(r, 2, W.account))
            platform_error(r, 404, "NOT_FOUND", "Account not found.");
        else if (r->nseg == 5 && req_seg(r, 3, "v1") && req_seg(r, 4, "token"))
            dbx_token(r, true);
        else if (r->nseg == 5 && req_seg(r, 3, ".well-known") && well_known(r, 4))
            discovery(r, true);
        else
            unsupported(r);
    } else if (req_seg(r, 0, "oidc") && req_seg(r, 1, "v1") && req_seg(r, 2, "token"))
        dbx_token(r, false);
    else if (r->nseg == 3 && req_seg(r, 0, "oidc") && req_seg(r, 1, ".well-known") && well_known(r, 2))
        discovery(r, false);
    else if (r->nseg == 2 && req_seg(r, 0, ".well-known") && req_seg(r, 1, "databricks-config"))
        discovery(r, true);
    else if (!req_seg(r, 0, "api") || !(req_seg(r, 1, "2.0") || v21))
        unsupported(r);
    else if (req_seg(r, 2, "accounts") && req_seg(r, 4, "scim") && req_seg(r, 5, "v2")) {
        if (!req_seg(r, 3, W.account))
            platform_error(r, 404, "NOT_FOUND", "Account not found.");
        else
            scim(r, 6, LEVEL_ACCOUNT, v21);
    } else if (!v21 && req_seg(r, 2, "preview") && req_seg(r, 3, "scim") && req_seg(r, 4, "v2"))
        scim(r, 5, LEVEL_WORKSPACE, false);
    else if (!v21 && req_seg(r, 2, "account") && req_seg(r, 3, "scim") && req_seg(r, 4, "v2"))
        scim(r, 5, LEVEL_PROXY, false);
    else
        unsupported(r);
}

void
dbx_answer(struct req *r)
{
    if (!req_split(r, 0))
        unsupported(r);
    else
        route(r);
    if (knobs.content_type != NULL && r->ctype != NULL && r->ctype[0] != '\0')
        r->ctype = knobs.content_type; /* rule 18: has been text/plain */
    r->chunked = r->status == 200;
}
