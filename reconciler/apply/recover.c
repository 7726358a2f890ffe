/* Leftovers of a killed run: an intent without outcome means that a PATCH may or may not have been applied.
 * The group is read, never guessed about, and the outcome row says what the reading showed. What is still to
 * be done is the next plan's business. */
#include "base/ban.h"

#include "reconciler/apply/work.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "reconciler/apply/decode.h"
#include "reconciler/apply/encode.h"
#include "reconciler/plan/match.h"
#include "store/journal.h"
#include "store/ledger.h"

struct leftover {
    struct apply *a;
    int64_t seq;
    char *group_id, *group_name;
    struct decoded_intent intent;
    int64_t at_s; /* when its run began */
    uint32_t tgroup;
    bool read;
};

struct leftovers {
    struct apply *a;
    struct leftover *v;
    size_t len, cap;
};

/* A run's id begins with its time (UUIDv7, RFC 9562 5.7). 0: not known. */
static int64_t
run_began_s(const char *run_id)
{
    char hex[13] = "";
    if (strlen(run_id) < 13 || run_id[8] != '-')
        return 0;
    (void) snprintf(hex, sizeof(hex), "%.8s%.4s", run_id, run_id + 9);
    char *end = NULL;
    unsigned long long ms = strtoull(hex, &end, 16);
    return *end ? 0 : (int64_t) (ms / 1000);
}

static int
on_intent(void *userdata, int64_t seq, const char *run_id, const char *group_id, const char *group_name,
          const char *body, struct kb_error *err)
{
    struct leftovers *all = userdata;
    if (!kb_grow(&all->v, &all->cap, all->len + 1, sizeof(*all->v), 1000000))
        return kb_fail(err, KB_E_NOMEM, "open intents");
    struct leftover *l = &all->v[all->len++];
    *l = (struct leftover){.a = all->a, .seq = seq, .at_s = run_began_s(run_id), .tgroup = KB_NONE};
    l->group_id = kb_strndup(group_id, strlen(group_id));
    l->group_name = kb_strndup(group_name, strlen(group_name));
    if (!l->group_id || !l->group_name)
        return kb_fail(err, KB_E_NOMEM, "open intents");
    return decode_intent(body, &l->intent, err);
}

static void
leftovers_done(struct leftovers *all)
{
    for (size_t i = 0; i < all->len; i++) {
        free(all->v[i].group_id);
        free(all->v[i].group_name);
        decoded_intent_done(&all->v[i].intent);
    }
    free(all->v);
}

/* A user that a POST should have made: the complete listing knows, by the name that Keycloak has for them. */
static bool
user_is_there(const struct leftover *l)
{
    const struct kb_realm *realm = l->a->realm;
    const struct kb_target *t = l->a->target;
    uint32_t u = kb_realm_user(realm, l->group_name + strlen(KB_PRINCIPAL_NEW));
    const char *key = u == KB_NONE ? NULL : kb_match_key(l->a->rules, realm, &realm->users[u]);
    for (uint32_t p = 0; key && p < t->principals_len; p++)
        if (t->principals[p].listed && t->principals[p].name &&
            !kb_ascii_casecmp(kb_target_str(t, t->principals[p].name), key))
            return true;
    return false;
}

static void
on_read(void *userdata, uint32_t tgroup)
{
    struct leftover *l = userdata;
    l->read = kb_read_ok(&l->a->target->groups[tgroup].read);
}

static int
ask(struct leftover *l, struct kb_error *err)
{
    struct kb_target *t = l->a->target;
    l->tgroup = *l->group_id ? kb_target_group(t, l->group_id) : kb_target_group_named(t, l->group_name);
    if (l->tgroup != KB_NONE && !t->groups[l->tgroup].listed)
        l->tgroup = KB_NONE;
    if (l->tgroup == KB_NONE || l->intent.create)
        return 0; /* the complete listing has answered: no group, or the group that the POST made */
    return scim_read_group(l->a->scim, l->tgroup, on_read, l, err);
}

static bool
present(const struct leftover *l, const char *id)
{
    uint32_t p = kb_target_principal(l->a->target, id);
    return l->tgroup != KB_NONE && p != KB_NONE && kb_u32s_has(&l->a->target->groups[l->tgroup].members, p);
}

/* Ledger: what the killed run removed is over when it is gone. What it added stays ours also when this reading
 * does not show it: it may come late, and the plan forgets the row when it is old enough (ledger.c). */
static int
settle(struct leftover *l, const char **unverified, size_t *ret_len, struct kb_error *err)
{
    int e = 0;
    for (size_t i = 0; i < l->intent.add_len; i++)
        if (!present(l, l->intent.add[i]))
            unverified[(*ret_len)++] = l->intent.add[i];
    for (size_t i = 0; e >= 0 && i < l->intent.remove_len; i++) {
        if (present(l, l->intent.remove[i]))
            unverified[(*ret_len)++] = l->intent.remove[i];
        else
            e = store_ledger_drop(l->a->store, l->group_id, l->intent.remove[i], err);
    }
    return e;
}

static int
resolve(struct leftover *l, struct kb_error *err)
{
    size_t all = l->intent.add_len + l->intent.remove_len, missing = 0;
    const char **unverified = calloc(all + 1, sizeof(*unverified));
    if (!unverified)
        return kb_fail(err, KB_E_NOMEM, "outcome row");
    int e = settle(l, unverified, &missing, err);
    bool user = l->intent.create && kb_principal_is_new(l->group_name);
    bool applied = user ? user_is_there(l) : l->intent.create ? l->tgroup != KB_NONE : missing == 0;
    struct encode_outcome o = {
        .intent = l->seq,
        .request = l->intent.request,
        .method = l->intent.create ? "POST" : "PATCH",
        .group = *l->group_id ? l->group_id : l->group_name,
        .result = applied          ? "applied"
                  : missing == all ? "rejected"
                                   : "unverified",
        .detail = "resolved by reading after the run ended early",
        .add = {(const char *const *) l->intent.add, l->intent.add_len},
        .remove = {(const char *const *) l->intent.remove, l->intent.remove_len},
        .unverified = {unverified, missing},
    };
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
    encode_outcome(&body, &o);
    free(unverified);
    if (e >= 0 && body.failed)
        e = kb_fail(err, KB_E_NOMEM, "outcome row");
    int64_t seq;
    if (e >= 0)
        e = store_journal_append(l->a->store, kb_wall_s(), l->a->run_id, "outcome", kb_buf_str(&body), &seq,
                                 err);
    if (e >= 0)
        e = store_intent_close(l->a->store, l->seq, err);
    return e;
}

static int
resolve_all(struct leftovers *all, uint32_t *ret_resolved, struct kb_error *err)
{
    int e = store_begin(all->a->store, err);
    if (e < 0)
        return e;
    for (size_t i = 0; e >= 0 && i < all->len; i++) {
        struct leftover *l = &all->v[i];
        if (l->tgroup != KB_NONE && !l->intent.create && !l->read)
            continue; /* stays open: its group is in doubt and cannot be written in this run */
        e = resolve(l, err);
        *ret_resolved += e >= 0;
    }
    if (e >= 0)
        e = store_commit(all->a->store, err);
    if (e < 0)
        store_rollback(all->a->store);
    return e;
}

/* A reading that does not show a write of just now may be older than the write. */
static bool
may_be_stale(const struct leftover *l, int64_t now_s)
{
    bool shows = true;
    for (size_t i = 0; i < l->intent.add_len; i++)
        shows = shows && present(l, l->intent.add[i]);
    for (size_t i = 0; i < l->intent.remove_len; i++)
        shows = shows && !present(l, l->intent.remove[i]);
    return l->read && !shows && l->at_s <= now_s && now_s - l->at_s < l->a->verify_s;
}

static int
read_groups(struct leftovers *all, bool again, size_t *ret_open, struct kb_error *err)
{
    int64_t now_s = kb_wall_s();
    int e = 0;
    for (size_t i = 0; e >= 0 && i < all->len; i++)
        if (!again || may_be_stale(&all->v[i], now_s))
            e = ask(&all->v[i], err);
    if (e >= 0)
        e = kb_http_run(all->a->http, err);
    *ret_open = 0;
    for (size_t i = 0; i < all->len; i++)
        *ret_open += may_be_stale(&all->v[i], now_s);
    return e;
}

int
apply_recover(struct apply *a, uint32_t *ret_resolved, struct kb_error *err)
{
    struct leftovers all = {.a = a};
    size_t open = 0;
    int64_t waited_s = 0;
    bool over = false;
    *ret_resolved = 0;
    int e = store_intents_each(a->store, on_intent, &all, err);
    for (size_t round = 0; e >= 0 && all.len && !over; round++) {
        e = read_groups(&all, round > 0, &open, err);
        if (e >= 0 && open)
            e = work_pause(a, round, &waited_s, a->verify_s, &over, err);
        over = over || !open;
    }
    if (e >= 0 && a->stopped) /* they stay open */
        e = kb_fail(err, KB_E_STOPPED, "stopped while requests of an earlier run were looked into");
    if (e >= 0 && all.len)
        e = resolve_all(&all, ret_resolved, err);
    leftovers_done(&all);
    return e;
}
