/* Transport, peers and readers; databases and locks. No request is made here. */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/clock.h"
#include "base/str.h"
#include "store/journal.h"

#include <errno.h>

static struct kb_http_peer_opts
peer_opts(const char *name, const char *url, const char *proxy, const char *ca, int64_t concurrency,
          int64_t max_body_mib)
{
    return (struct kb_http_peer_opts){
        .name = name,
        .base_url = url,
        .proxy = proxy,
        .ca_file = ca,
        .cert_file = "",
        .key_file = "",
        .concurrency = (unsigned) concurrency,
        .max_body_size = max_body_mib << 20,
    };
}

static int
open_source(struct run *run, struct kb_error *err)
{
    const struct config_keycloak *k = &run->config->keycloak;
    static const char *const headers[] = {"Accept: application/json", NULL};

    static const enum kc_auth_method methods[] = {
        [KC_AUTH_BASIC] = KC_CLIENT_SECRET_BASIC, [KC_AUTH_POST] = KC_CLIENT_SECRET_POST,
        [KC_AUTH_JWT] = KC_PRIVATE_KEY_JWT,       [KC_AUTH_TLS] = KC_TLS_CLIENT,
        [KC_AUTH_KUBERNETES] = KC_FEDERATED_JWT,
    };
    const struct kc_auth_opts auth = {.base_url = k->url,
                                      .realm = k->realm,
                                      .client_id = k->client_id,
                                      .scope = k->scope,
                                      .method = methods[k->auth],
                                      .secret = k->secret,
                                      .key_file = k->key_file,
                                      .token_file = k->token_file};
    int e = kc_auth_new(&auth, &run->kc_auth, err);
    if (e < 0)
        return e;
    struct kb_http_authority authority = {0};
    kc_auth_authority(run->kc_auth, &authority);
    struct kb_http_peer_opts opts =
        peer_opts("keycloak", k->url, k->proxy, k->ca_file, k->concurrency, k->max_body_mib);
    opts.headers = headers;
    opts.authority = &authority;
    if (k->auth == KC_AUTH_TLS) {
        opts.cert_file = k->cert_file;
        opts.key_file = k->key_file;
    }
    e = kb_http_peer_new(run->http, &opts, &run->kc_peer, err);
    if (e < 0)
        return e;
    const struct kb_match *m = &run->config->rules.match;
    bool clients = false;
    for (size_t i = 0; i < run->config->rules.rules_len; i++)
        clients |= run->config->rules.rules[i].kind == KB_RULE_CLIENT_ROLE;
    const struct kc_opts reader = {.user_attribute = m->user_attribute,
                                   .service_attribute =
                                       m->service == KB_MATCH_SERVICE_ATTRIBUTE ? m->service_attribute : NULL,
                                   .clients = clients,
                                   .page_size = (unsigned) k->page_size,
                                   .on_catalog = run_on_catalog,
                                   .userdata = run};
    return kc_new(run->kc_peer, k->url, k->realm, &reader, &run->realm, &run->kc, err);
}

int
run_open_http(struct run *run, struct kb_error *err)
{
    const struct config *c = run->config;
    char agent[96];
    (void) snprintf(agent, sizeof(agent), "keybricks/" KB_VERSION " (run %s)", run->id);
    const struct kb_http_opts opts = {.user_agent = agent,
                                      .tries = (unsigned) c->tries,
                                      .retry_budget_ms = c->retry_budget_s * 1000,
                                      .deadline_ms = kb_mono_ms() + c->deadline_s * 1000,
                                      .catch_signals = true};
    int e = kb_http_new(&opts, &run->http, err);
    return e < 0 ? e : open_source(run, err);
}

/* ---- one target ---- */

/* Ephemeral state: stdout is the only place where the audit stays (interface, `state`), so a row that cannot be
 * written there ends the run before the request that it speaks of. */
static int
print_row(void *userdata, int64_t seq, int64_t ts_s, const char *run_id, const char *kind, const char *body,
          const char *hash, struct kb_error *err)
{
    const struct run_target *t = userdata;
    char at[KB_TIME_SIZE];
    int n = printf("{\"body\":%s,\"hash\":\"%s\",\"kind\":\"%s\",\"run\":\"%s\",\"seq\":%lld,"
                   "\"target\":\"%s\",\"ts\":\"%s\"}\n",
                   body, hash, kind, run_id, (long long) seq, t->config->name, kb_time_format(ts_s, at));
    return n < 0 || fflush(stdout) ? kb_fail_errno(err, KB_E_IO, errno, "audit row on stdout") : 0;
}

static int
open_store(struct run_target *t, struct kb_error *err)
{
    const struct run *run = t->run;
    static const char *const levels[] = {"account", "workspace", "workspace_proxy"};
    const struct store_identity id = {.target = t->config->name,
                                      .host = t->config->place,
                                      .account_id = t->config->account_id,
                                      .level = levels[t->config->level],
                                      .issuer = run->issuer};
    enum store_mode mode = run->config->ephemeral          ? STORE_MEMORY
                           : run->opts.who                 ? STORE_READ
                           : run->opts.command == RUN_PLAN ? STORE_SNAPSHOT
                                                           : STORE_WRITE;
    int e = store_open(run->config->state_dir, &id, mode, &t->store, err);
    if (e >= 0 && mode == STORE_MEMORY)
        store_journal_sink(t->store, print_row, t);
    if (e < 0 && run->opts.command == RUN_PLAN && err->code == KB_E_IO) {
        /* A plan by somebody who may not read the state is still a plan, and says so in its first line. */
        t->no_ledger = true;
        (void) snprintf(t->no_ledger_why, sizeof(t->no_ledger_why), "%.190s", err->msg);
        *err = (struct kb_error){0};
        return 0;
    }
    if (e < 0 && err->code == KB_E_IO)
        err->code = KB_E_STORE; /* a disk that cannot be written is a matter of state (8) */
    return e < 0 ? -(int) err->code : e;
}

static int
open_peer(struct run_target *t, struct kb_error *err)
{
    const struct config_target *c = t->config;
    char workspace[64]; /* databricks-api.md 1.1: routes on a host that serves several workspaces */
    const char *const headers[] = {"Accept: application/json", *c->workspace_id ? workspace : NULL, NULL};
    (void) snprintf(workspace, sizeof(workspace), "X-Databricks-Workspace-Id: %s", c->workspace_id);

    static const enum scim_auth_method methods[] = {[DBX_AUTH_FEDERATION] = SCIM_AUTH_FEDERATION,
                                                    [DBX_AUTH_M2M] = SCIM_AUTH_M2M,
                                                    [DBX_AUTH_TOKEN] = SCIM_AUTH_TOKEN};

    /* Such a host gives tokens of its account (docs/decisions, "unified hosts"). */
    bool account = c->level == LEVEL_ACCOUNT || (*c->workspace_id && *c->account_id);
    struct scim_auth_opts auth = {.host = c->host,
                                  .account_id = account ? c->account_id : "",
                                  .account = account,
                                  .client_id = c->client_id,
                                  .method = methods[c->auth],
                                  .secret = c->secret};
    if (c->auth == DBX_AUTH_TOKEN)
        auth.secret = (struct kb_secret_source){.file = c->token_file};
    if (c->auth == DBX_AUTH_FEDERATION && *c->token_file)
        auth.subject_file = c->token_file;
    else if (c->auth == DBX_AUTH_FEDERATION)
        auth.subject_peer = t->run->kc_peer;
    int e = scim_auth_new(&auth, &t->auth, err);
    if (e < 0)
        return e;
    struct kb_http_authority authority = {0};
    scim_auth_authority(t->auth, &authority);
    struct kb_http_peer_opts opts =
        peer_opts(c->name, c->host, c->proxy, c->ca_file, c->concurrency, c->max_body_mib);
    opts.headers = headers;
    opts.authority = &authority;
    opts.writable =
        t->run->opts.command != RUN_PLAN; /* the one place where a dry run loses the ability to write (I9) */
    for (size_t i = 0; i < KB_HTTP_CLASS_MAX_; i++)
        opts.rate[i] = c->rate[i];
    return kb_http_peer_new(t->run->http, &opts, &t->peer, err);
}

int
run_open_target(struct run_target *t, struct kb_error *err)
{
    static const enum scim_level levels[] = {
        [LEVEL_ACCOUNT] = SCIM_ACCOUNT, [LEVEL_WORKSPACE] = SCIM_WORKSPACE, [LEVEL_PROXY] = SCIM_PROXY};

    static const char *const names[] = {"account", "workspace", "workspace_proxy"};
    kb_target_init(&t->target);
    t->target.name = kb_pool_adds(&t->target.pool, t->config->name);
    t->target.level = kb_pool_adds(&t->target.pool, names[t->config->level]);
    t->target.host = kb_pool_adds(&t->target.pool, t->config->place);
    if (t->target.name == KB_NONE || t->target.level == KB_NONE || t->target.host == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "target");
    int e = open_store(t, err);
    if (e >= 0)
        e = open_peer(t, err);
    if (e < 0)
        return e;
    const struct scim_opts opts = {.level = levels[t->config->level],
                                   .account_id = t->config->account_id,
                                   .version = t->config->scim_version,
                                   .self_client = t->config->client_id,
                                   .on_lists = run_on_lists,
                                   .userdata = t};
    return scim_new(t->peer, &opts, &t->target, &t->scim, err);
}
