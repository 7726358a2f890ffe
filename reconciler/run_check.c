/* Small checks between reading and planning: what the configuration or the command line names and nobody has. */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

/* Only a list that was read can lack something. */
static bool
is_read(const struct run_target *t, enum kb_rule_kind kind)
{
    const struct kb_realm *realm = &t->run->realm;
    if (kind == KB_RULE_PATH || kind == KB_RULE_PATH_GLOB)
        return kb_read_ok(&realm->groups_read);
    return kb_read_ok(&realm->roles_read) &&
           (kind != KB_RULE_CLIENT_ROLE || kb_read_ok(&realm->clients_read));
}

/* A rule whose role or path the realm does not have desires nobody; a typing error looks the same, so it is said in every run. */
void
run_say_gone(const struct run_target *t)
{
    for (uint32_t i = 0; i < t->scope.bindings_len; i++) {
        const struct kb_binding *b = &t->scope.bindings[i];
        bool client = b->rule->kind == KB_RULE_CLIENT_ROLE;
        const char *note = t->desired.groups[b->managed].gone_note;
        bool renamed = note && strstr(note, "renamed to");
        if (b->gone && is_read(t, b->rule->kind))
            KB_LOG(KB_LOG_WARN, "rule_object_missing",
                   (KB_F("target", t->config->name), KB_FN("rule", b->rule->number),
                    KB_F("group", t->scope.managed[b->managed].name)),
                   "rule %u: the realm has no \"%.100s%s%.100s\"; nobody is desired through it%s%.300s",
                   b->rule->number, client ? b->rule->client : "", client ? ":" : "", b->rule->object,
                   renamed ? ": " : "", renamed ? note : "");
    }
}

/* Only reading is needed. Asked of the token; one without roles in it ("lightweight") says nothing. */
void
run_say_rights(const struct run *run)
{
    KB_CLEANUP(kb_free) char *excess = kc_auth_excess_rights(kb_http_peer_token_payload(run->kc_peer));
    if (excess)
        KB_LOG(KB_LOG_WARN, "too_many_rights",
               (KB_F("realm", run->config->keycloak.realm), KB_F("client", run->config->keycloak.client_id),
                KB_F("roles", excess)),
               "keybricks only reads, and this account may do more: take %.300s of realm-management from it",
               excess);
}

/* A group with ledger rows stays managed while its glob's role or path has vanished; guard source_object_gone decides. */
int
run_keep_vanished(struct run_target *t, struct kb_error *err)
{
    int e = 0;
    for (uint32_t g = 0; e >= 0 && g < t->target.groups_len; g++)
        if (t->target.groups[g].ledger.len && t->target.groups[g].name)
            e = kb_scope_keep(&t->run->config->rules, t->config->name,
                              kb_target_str(&t->target, t->target.groups[g].name), &t->scope, err);
    return e;
}

static void
on_vanished(void *userdata, uint32_t group)
{
    struct run_target *t = userdata;
    struct kb_target_group *g = &t->target.groups[group];
    g->hidden = g->listed = kb_read_ok(&g->read);
}

/* A group that keybricks has put people into and that no listing shows is asked by id: gone (then the ledger forgets
 * it), or hidden, as automatic identity management does with its groups (databricks-api.md 1.7). */
int
run_read_vanished(struct run_target *t, struct kb_error *err)
{
    int e = 0;
    if (t->run->opts.refresh == RUN_REFRESH_NEVER)
        return 0;
    for (uint32_t g = 0; e >= 0 && g < t->target.groups_len; g++) {
        const struct kb_target_group *group = &t->target.groups[g];
        uint32_t same =
            group->name ? kb_target_group_named(&t->target, kb_target_str(&t->target, group->name)) : g;
        if (!group->listed && group->ledger.len && group->read.status == KB_READ_NOT_ASKED &&
            (same == KB_NONE || !t->target.groups[same].listed))
            e = scim_read_group(t->scim, g, on_vanished, t, err);
    }
    return e < 0 ? e : kb_http_run(t->run->http, err);
}

/* A selector that selects nothing is often a typing error: "nothing to do" alone would hide it. */
void
run_say_selectors(const struct run_target *t)
{
    const struct run_opts *o = &t->run->opts;
    for (size_t i = 0; i < o->groups.len; i++) {
        bool found = false;
        for (uint32_t m = 0; m < t->scope.managed_len && !found; m++)
            found = kb_glob(o->groups.v[i], t->scope.managed[m].name, false, NULL);
        if (!found)
            KB_LOG(KB_LOG_WARN, "selector_fits_nothing",
                   (KB_F("target", t->config->name), KB_F("group", o->groups.v[i])),
                   "--group %.100s fits none of the %u managed groups", o->groups.v[i], t->scope.managed_len);
    }
}

/* People that were asked by id and exist, but stand in no listing: the listing is short, or the server does not show everybody. */
uint32_t
run_unlisted(const struct run_target *t)
{
    uint32_t n = 0;
    for (uint32_t i = 0; !t->remembered && i < t->target.principals_len; i++)
        n += t->target.principals[i].looked_up && !t->target.principals[i].listed;
    return n;
}
