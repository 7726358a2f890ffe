/* tests/sim/dbx.c: the Databricks half: paths, tokens, rates; see dbx.h. */
#include "tests/sim/dbx.h"

#include "tests/sim/kc.h"

#include <string.h>

/* Rule 27. Source: databricks-api.md section 3.8: `status` is a string. */
void
scim_error(struct req *r, int status, const char *scim_type, const char *detail)
{
    answer(r, status, SCIM_JSON, "{'schemas':['urn:ietf:params:scim:api:messages:2.0:Error'],'detail':%q",
           detail);
    buf_opt(&r->out, "scimType", scim_type);
    buf_f(&r->out, ",'status':'%d'}", status);
}

void
platform_error(struct req *r, int status, const char *code, const char *message)
{
    const char *shown = code == NULL ? tf("%d", status) : tf("%q", code);
    answer(r, status, "application/json", "{'error_code':%s,'message':%q}", shown, message);
}

/* ---- tokens ---- */

/* Rule 35: a PAT never opens account paths, the SCIM token only 2.1, a token of one level not the other. */
static bool
token_valid(struct req *r, enum level level, bool scim21)
{
    const char *t = bearer(r);
    if (t == NULL)
        return false;
    pthread_rwlock_rdlock(&world_lock);
    bool pat = strcmp(t, W.pat) == 0, scim = strcmp(t, W.scim_token) == 0;
    pthread_rwlock_unlock(&world_lock);
    if (pat || scim)
        return pat ? level != LEVEL_ACCOUNT : level == LEVEL_ACCOUNT && scim21;
    json_object *o = jwt_ours(t) ? jwt_payload(t) : NULL;
    if (!rule("35"))
        return o != NULL;
    return same(json_text(o, "dbx"), level == LEVEL_ACCOUNT ? "account" : "workspace") &&
           json_int(o, "xms", 0) > clock_unix_ms();
}

static bool
aud_has(json_object *aud, const char *want)
{
    if (want == NULL || !json_is(aud, json_type_array))
        return want == NULL || same(json_object_get_string(aud), want);
    for (size_t i = 0; i < json_len(aud); i++)
        if (strcmp(json_str(json_at(aud, i)), want) == 0)
            return true;
    return false;
}

/* Rule 34, RFC 8693. Source: databricks-api.md section 5.3. Seconds the subject token still lives, or 0. */
static int64_t
exchange(struct req *r, const char *form)
{
    const char *type = query_get(form, "subject_token_type"), *subject = query_get(form, "subject_token"),
               *id = query_get(form, "client_id");
    json_object *o = subject == NULL ? NULL : jwt_payload(subject);
    const char *want_sub = knobs.fed_subject != NULL ? knobs.fed_subject
                           : account() != NULL       ? account()->id
                                                     : "";
    const char *iss = json_text(o, "iss"), *bad = NULL;
    int64_t left = (json_int(o, "xms", 0) - clock_unix_ms()) / 1000;
    if (!same(type, "urn:ietf:params:oauth:token-type:jwt"))
        bad = "unsupported subject_token_type";
    else if (knobs.fed_account_policy ? id != NULL : !same(id, W.dbx_client))
        bad = "client_id does not fit the federation policy";
    else if (o == NULL || !jwt_ours(subject))
        bad = "subject_token is not valid";
    else if (knobs.fed_issuer != NULL ? !same(iss, knobs.fed_issuer) : iss == NULL)
        bad = "issuer does not match any federation policy";
    else if (!aud_has(json_get(o, "aud"), knobs.fed_audience))
        bad = "audience does not match any federation policy";
    else if (!knobs.fed_account_policy && !same(json_text(o, "sub"), want_sub))
        bad = "subject does not match any federation policy";
    else if (left <= 0)
        bad = "subject_token is expired";
    if (bad != NULL)
        oauth_error(r, 400, o == NULL || type == NULL ? "invalid_request" : "invalid_grant", bad);
    return bad != NULL ? 0 : left;
}

static bool
client_ok(struct req *r, const char *form)
{
    const char *id = query_get(form, "client_id"), *secret = query_get(form, "client_secret");
    bool ok = basic_auth(r, &id, &secret) && same(id, W.dbx_client) && same(secret, W.dbx_secret);
    if (!ok)
        oauth_error(r, 401, "invalid_client", "Client authentication failed");
    return ok;
}

static void
token(struct req *r, bool of_account)
{
    const char *form = r->body.p, *grant = query_get(form, "grant_type"), *scope = query_get(form, "scope");
    int64_t life = knobs.dbx_token_life_s, left = 0;
    r->kind = "token";
    pthread_rwlock_rdlock(&world_lock);
    if (!req_is(r, "POST"))
        platform_error(r, 405, "METHOD_NOT_ALLOWED", "Method not allowed.");
    else if (grant == NULL)
        oauth_error(r, 400, "invalid_request", "grant_type is missing");
    else if (scope != NULL && strcmp(scope, "all-apis") != 0 && strcmp(scope, "scim") != 0)
        oauth_error(r, 400, "invalid_scope", "unknown scope");
    else if (strcmp(grant, "client_credentials") == 0)
        left = client_ok(r, form) ? life : 0;
    else if (strcmp(grant, "urn:ietf:params:oauth:grant-type:token-exchange") == 0)
        left = exchange(r, form);
    else
        oauth_error(r, 400, "unsupported_grant_type", "unsupported grant_type");
    life = left < life ? left : life; /* never longer than the subject token */
    if (left > 0)
        answer(r, 200, "application/json",
               "{'access_token':%q,'token_type':'Bearer','expires_in':%l,'scope':'all-apis'}",
               jwt_sign(tf("{'dbx':%q,'sub':%q,'xms':%l}", of_account ? "account" : "workspace", W.dbx_client,
                           clock_unix_ms() + life * 1000)),
               life);
    pthread_rwlock_unlock(&world_lock);
}

/* databricks-api.md section 5.2 */
static void
discovery(struct req *r, bool of_account)
{
    const char *base =
        tf("%s/oidc%s%s", req_host(r), of_account ? "/accounts/" : "", of_account ? W.account : "");
    r->kind = "discovery";
    answer(r, 200, "application/json",
           "{'issuer':%q,'token_endpoint':'%s/v1/token','grant_types_supported':['client_credentials',"
           "'urn:ietf:params:oauth:grant-type:token-exchange'],'token_endpoint_auth_methods_supported':"
           "['client_secret_basic','client_secret_post']}",
           base, base);
}

static void
host_config(struct req *r)
{
    r->kind = "discovery";
    answer(r, 200, "application/json",
           "{'oidc_endpoint':'%s/oidc/accounts/%s','cloud':'AWS','host_type':%q,'account_id':%q,"
           "'token_federation_default_oidc_audiences':[%q]",
           req_host(r), W.account, knobs.workspace_id != NULL ? "UNIFIED" : "ACCOUNT", W.account, W.account);
    buf_opt(&r->out, "workspace_id", knobs.workspace_id);
    buf_s(&r->out, "}");
}

/* ---- SCIM ---- */

/* Rule 24: a bucket for each class of requests; the clock is the simulator's, which a test may move. Source:
 * databricks-api.md section 4 */
static bool
within_rate(struct req *r, int class)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static double level[RATE_KINDS];
    static int64_t last[RATE_KINDS];
    double rate = knobs.rate[class], top = rate < 1 ? 1 : rate;
    if (rate <= 0)
        return true;
    pthread_mutex_lock(&lock);
    int64_t now = clock_ms();
    level[class] = last[class] == 0 ? top : level[class] + (double) (now - last[class]) * rate / 1000;
    level[class] = level[class] > top ? top : level[class];
    last[class] = now;
    bool ok = level[class] >= 1;
    double missing = ok ? 0 : (1 - level[class]) / rate;
    level[class] -= ok;
    pthread_mutex_unlock(&lock);
    if (ok)
        return true;
    r->kind = "throttled";
    platform_error(r, 429, "REQUEST_LIMIT_EXCEEDED", "Too many requests");
    if (knobs.retry_after == NULL || strcmp(knobs.retry_after, "seconds") == 0)
        r->retry_after = tf("%d", (int) missing + 1);
    else if (strcmp(knobs.retry_after, "none") != 0)
        r->retry_after = knobs.retry_after;
    return false;
}

static void
unsupported(struct req *r)
{
    platform_error(r, 404, "ENDPOINT_NOT_FOUND", "Endpoint not supported.");
}

/* A unified host serves many workspaces: the header says which one is meant, by its new or its old name; the answer names
 * it by the old one. Source: databricks-api.md section 1.1 (sdk-go PR#1688); the wording is invented. */
static bool
workspace_ok(struct req *r, enum level level)
{
    const char *id = req_header(r, "X-Databricks-Workspace-Id");
    if (knobs.workspace_id == NULL || level == LEVEL_ACCOUNT)
        return true;
    if (same(id != NULL ? id : req_header(r, "X-Databricks-Org-Id"), knobs.workspace_id)) {
        r->org_id = knobs.workspace_id;
        return true;
    }
    platform_error(r, 400, "INVALID_PARAMETER_VALUE", "The request does not say which workspace it is for.");
    return false;
}

/* The thing of a path, or NULL after a 404 (rules 27, 28). */
static struct thing *
find(struct req *r, const struct scim *s, const char *id)
{
    static const char *const names[] = {"User", "ServicePrincipal", "Group"};
    struct thing *x = thing_by_id(s->kind, id);
    if (!is_number(id))
        unsupported(r);
    else if (x == NULL || !dbx_visible(x, s->level))
        scim_error(r, 404, NULL,
                   tf(knobs.not_found_variant ? "%s with id %s is not found" : "%s with id %s not found.",
                      names[s->kind - DBX_USER], id));
    else
        return x;
    return NULL;
}

static const struct method {
    const char *name;
    bool one; /* with an id */
    int rate;
    void (*run)(struct req *r, const struct scim *s);
    const char *kind[3]; /* for the counts */
} methods[] = {
    {"GET", false, RATE_LIST, dbx_list, {"list_users", "list_sps", "list_groups"}},
    {"GET", true, RATE_GET, dbx_get, {"get_user", "get_sp", "get_group"}},
    {"POST", false, RATE_POST, dbx_post, {"post_user", "post_sp", "post_group"}},
    {"PATCH", true, RATE_PATCH, dbx_patch, {"patch_user", "patch_sp", "patch_group"}},
    {"PUT", true, RATE_POST, dbx_put, {"put_user", "put_sp", "put_group"}},
    {"DELETE", true, RATE_POST, dbx_delete, {"delete_user", "delete_sp", "delete_group"}},
};

/* seg[at] is Users, ServicePrincipals, Groups or Me */
static void
scim(struct req *r, int at, enum level level, bool v21)
{
    static const char *const words[] = {"Users", "ServicePrincipals", "Groups"};
    struct scim s = {.level = level, .kind = KINDS};
    bool me = req_fits(r, at, "Me") && level == LEVEL_WORKSPACE, one = r->nseg == at + 2,
         get = req_is(r, "GET");
    for (int k = 0; k < 3 && at < r->nseg; k++)
        if (strcmp(r->seg[at], words[k]) == 0)
            s.kind = (enum kind)(DBX_USER + k);
    if (!token_valid(r, level, v21)) {
        platform_error(r, knobs.dbx_expired_status, NULL, "Invalid access token.");
        return;
    }
    if ((s.kind == KINDS && !me) || r->nseg > at + 2 || (s.kind == DBX_SP && level == LEVEL_PROXY)) {
        unsupported(r);
        return;
    }
    const struct method *m = methods, *end = methods + COUNT(methods);
    while (m < end && (!req_is(r, m->name) || m->one != one))
        m++;
    if (!workspace_ok(r, level) || !within_rate(r, m < end ? m->rate : RATE_POST))
        return;
    get ? pthread_rwlock_rdlock(&world_lock) : pthread_rwlock_wrlock(&world_lock);
    if (m == end || (me && !get))
        platform_error(r, 405, "METHOD_NOT_ALLOWED", "Method not allowed.");
    else if (me)
        dbx_me(r, &s);
    else {
        r->kind = m->kind[s.kind - DBX_USER];
        if (!get) {
            W.acting_n = r->n;
            W.acting = tlower(m->name);
        }
        s.x = one ? find(r, &s, r->seg[at + 1]) : NULL;
        if (!one || s.x != NULL)
            m->run(r, &s);
    }
    pthread_rwlock_unlock(&world_lock);
}

static void
route(struct req *r)
{
    bool v21 = req_fits(r, 0, "api/2.1/**");
    bool at_account = req_fits(r, 0, "oidc/accounts/*/**") || req_fits(r, 0, "api/*/accounts/*/scim/v2/**");
    if (at_account && strcmp(r->seg[r->seg[0][0] == 'o' ? 2 : 3], W.account) != 0)
        platform_error(r, 404, "NOT_FOUND", "Account not found.");
    else if (req_fits(r, 0, "oidc/accounts/*/v1/token"))
        token(r, true);
    else if (req_fits(r, 0, "oidc/v1/token"))
        token(r, false);
    else if (req_fits(r, 0, "oidc/accounts/*/.well-known/oauth-authorization-server") ||
             req_fits(r, 0, "oidc/accounts/*/.well-known/openid-configuration"))
        discovery(r, true);
    else if (req_fits(r, 0, "oidc/.well-known/oauth-authorization-server") ||
             req_fits(r, 0, "oidc/.well-known/openid-configuration"))
        discovery(r, false);
    else if (req_fits(r, 0, ".well-known/databricks-config"))
        host_config(r);
    else if (req_fits(r, 0, "api/2.0/accounts/*/scim/v2/**") ||
             req_fits(r, 0, "api/2.1/accounts/*/scim/v2/**"))
        scim(r, 6, LEVEL_ACCOUNT, v21);
    else if (req_fits(r, 0, "api/2.0/preview/scim/v2/**"))
        scim(r, 5, LEVEL_WORKSPACE, false);
    else if (req_fits(r, 0, "api/2.0/account/scim/v2/**"))
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
    if (knobs.content_type != NULL && r->ctype != NULL)
        r->ctype = knobs.content_type; /* rule 18: has been text/plain */
    r->chunked = r->status == 200;
}
