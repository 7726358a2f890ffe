/* Reading: both servers at the same time, and of the target only what is needed.
 *
 * Keycloak: catalog -> (scope) -> lists. Databricks: listings -> (snapshot) -> single groups. The two meet in
 * need_groups(): which groups must be read is known when the scope and the listings are there, whichever
 * comes last. */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "store/ledger.h"
#include "store/snapshot.h"

static void
fail(struct run_target *t, const struct kb_error *why)
{
    kb_error_gather(&t->failed, why);
}

static void
on_group(void *userdata, uint32_t group)
{
    (void) userdata;
    (void) group; /* the group's own record says how it went */
}

static bool
must_read(const struct run_target *t, const struct kb_managed *m, const struct kb_target_group *g)
{
    if (g->from == KB_MEMBERS_NOW)
        return false;
    if (t->run->opts.refresh == RUN_REFRESH_ALWAYS || g->from == KB_MEMBERS_NONE || m->privileged)
        return true;
    return t->run->at_s - g->read_at_s >= t->run->config->snapshot_max_age_s ||
           g->read_at_s > t->run->at_s; /* 0: never trusted */
}

static void
need_groups(struct run_target *t)
{
    struct kb_error err = {0};
    if (!t->scoped || !t->listed || t->failed.code)
        return;
    for (uint32_t i = 0; i < t->scope.managed_len; i++) {
        uint32_t g = kb_target_group_named(&t->target, t->scope.managed[i].name);
        if (g == KB_NONE || !t->target.groups[g].listed ||
            !must_read(t, &t->scope.managed[i], &t->target.groups[g]))
            continue;
        if (scim_read_group(t->scim, g, on_group, t, &err) < 0) {
            fail(t, &err);
            return;
        }
    }
}

void
run_on_lists(void *userdata)
{
    struct run_target *t = userdata;
    struct kb_error err = {0};
    if (t->listed)
        return; /* people, listed later than the groups */
    if (t->store && store_snapshot_load(t->store, &t->target, false, &err) < 0)
        fail(t, &err);
    t->listed = true;
    need_groups(t);
}

void
run_on_catalog(void *userdata)
{
    struct run *run = userdata;
    for (size_t i = 0; i < run->targets_len; i++) {
        struct run_target *t = &run->targets[i];
        struct kb_error err = {0};
        if (kb_scope_resolve(&run->config->rules, t->config->name, &run->realm, &t->scope, &err) < 0)
            fail(t, &err);
        t->scoped = true;
    }
    struct kb_error err = {0};
    if (kc_read_lists(run->kc, &err) < 0)
        for (size_t i = 0; i < run->targets_len; i++)
            fail(&run->targets[i], &err);
    for (size_t i = 0; i < run->targets_len; i++)
        if (run->targets[i].outcome.code == EXIT_OK)
            need_groups(&run->targets[i]);
}

static int
start_target(struct run_target *t, struct kb_error *err)
{
    if (t->run->opts.refresh != RUN_REFRESH_NEVER) {
        int r = run_people_remember(t, err);
        return r < 0 ? r : scim_read_lists(t->scim, !t->remembered, err);
    }
    int e = t->store ? store_snapshot_load(t->store, &t->target, true, err) : 0;
    if (e >= 0 && (!t->store || !kb_read_ok(&t->target.groups_read) || !kb_read_ok(&t->target.users_read)))
        e = kb_fail(err, KB_E_USAGE,
                    "--refresh never needs a snapshot, and %s has none yet; run plan without it once",
                    t->config->name);
    t->listed = true;
    return e;
}

static void
judge_reading(struct run *run)
{
    struct kb_error err = {0};
    bool source_failed = kc_failed(run->kc, &err) < 0;
    for (size_t i = 0; i < run->targets_len; i++) {
        struct run_target *t = &run->targets[i];
        struct kb_error target_err = {0};
        if (t->outcome.code != EXIT_OK)
            continue;
        if (source_failed)
            outcome_error(&t->outcome, &err, EXIT_SOURCE);
        if (run->opts.refresh != RUN_REFRESH_NEVER && scim_failed(t->scim, &target_err) < 0)
            outcome_error(&t->outcome, &target_err, EXIT_TARGET);
        if (t->failed.code)
            outcome_error(&t->outcome, &t->failed, EXIT_TARGET);
    }
}

#define CERTIFICATE_WARN_DAYS 14 /* reliability F06 */

/* The day on which nothing works any more should not come as a surprise. */
static void
say_certificate(const char *whose, const struct kb_http_peer *peer)
{
    struct kb_http_stats stats = {0};
    char when[KB_TIME_SIZE];
    kb_http_peer_stats(peer, &stats);
    int64_t days = (stats.cert_expires_s - kb_wall_s()) / 86400;
    if (stats.cert_expires_s && days < CERTIFICATE_WARN_DAYS)
        KB_LOG(KB_LOG_WARN, "certificate_ends", (KB_F("server", whose), KB_FN("days", days)),
               "the certificate of %s ends on %s, in %lld days", whose,
               kb_time_format(stats.cert_expires_s, when), (long long) days);
}

void
run_read(struct run *run)
{
    struct kb_error err = {0}, source_err = {0};
    bool any = false;
    for (size_t i = 0; i < run->targets_len; i++) {
        struct run_target *t = &run->targets[i];
        struct kb_error target_err = {0};
        if (t->outcome.code == EXIT_OK && start_target(t, &target_err) < 0)
            outcome_error(&t->outcome, &target_err, EXIT_TARGET);
        any |= t->outcome.code == EXIT_OK;
    }
    if (!any)
        return;
    int e = run_directories_know(run, &err);
    if (e >= 0)
        e = kc_read_catalog(run->kc, &err);
    if (e >= 0)
        e = kb_http_run(run->http, &err);
    if (e >= 0 && kc_failed(run->kc, &source_err) >= 0)
        e = run_directories_ask(run, &err);
    if (e < 0) {
        for (size_t i = 0; i < run->targets_len; i++)
            outcome_error(&run->targets[i].outcome, &err, EXIT_SOURCE);
        return;
    }
    judge_reading(run);
    say_certificate("keycloak", run->kc_peer);
    for (size_t i = 0; i < run->targets_len; i++)
        if (run->targets[i].peer)
            say_certificate(run->targets[i].config->name, run->targets[i].peer);
    if (kc_failed(run->kc, &err) < 0)
        return;
    struct kb_http_stats kc = {0};
    kb_http_peer_stats(run->kc_peer, &kc);
    KB_LOG(KB_LOG_INFO, "source_read",
           (KB_FN("roles", run->realm.roles_len), KB_FN("groups", run->realm.groups_len),
            KB_FN("users", run->realm.users_len), KB_FN("requests", kc.requests),
            KB_FN("retries", kc.retries)),
           "realm %s read", run->config->keycloak.realm);
    run_directories_log(run);
    run_say_rights(run);
}

/* Second round: groups that turned out to have operations, users that no listing explains, namesakes, and the
 * lists once more when nobody of a directory was known to be asked before them. */
int
run_read_needs(struct run_target *t, struct kb_plan_needs *needs, struct kb_error *err)
{
    struct run *run = t->run;
    int e = 0;
    for (uint32_t i = 0; e >= 0 && i < needs->target_groups.len; i++)
        e = scim_read_group(t->scim, needs->target_groups.v[i], on_group, t, err);
    if (e >= 0 && needs->witness) {
        run->reread = true;
        e = kc_witness_search(run->kc, err);
        if (e >= 0)
            e = kb_http_run(run->http, err);
        if (e >= 0)
            e = run_directories_ask(run, err);
        if (e >= 0)
            e = kc_reread_lists(run->kc, err);
        if (e >= 0)
            e = kb_http_run(run->http, err);
    }
    for (size_t i = 0; e >= 0 && i < needs->lookup_len; i++)
        e = kc_lookup_user(run->kc, needs->lookup_ids[i], err);
    for (uint32_t i = 0; e >= 0 && i < needs->names.len; i++)
        e = kc_read_namesakes(run->kc, needs->names.v[i], err);
    if (e >= 0 && needs->organizations)
        e = kc_read_organizations(run->kc, err);
    if (e >= 0)
        e = kb_http_run(run->http, err);
    if (e >= 0 && (needs->witness || needs->lookup_len))
        e = run_directories_ask(run, err);
    return e;
}
