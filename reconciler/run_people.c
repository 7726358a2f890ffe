/* Who is who in the target, with as few requests as it takes: the lists of users and service principals are as long
 * as the account, and in most runs few of them matter.
 *
 * While the snapshot's lists are young enough, they say who bears which name. What they say is enough to see that
 * nothing is to be done, and for no more: everybody whom an operation names, and everybody who holds a group and
 * seems to be missing, is looked up by name in this run before the plan counts, twins included. As soon as that
 * would take more requests than the lists, or one answer is not what the snapshot said, the lists are read
 * (docs/decisions, "people are looked up by name").
 */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "scim/decode.h"
#include "store/snapshot.h"

#define PEOPLE_MAX (1u << 20)

struct person {
    struct run_target *t;
    enum kb_principal_kind kind;
    const char *name;   /* borrowed from the target's or the realm's pool */
    uint32_t principal; /* whom the snapshot has under this name; KB_NONE: nobody */
};

struct people {
    struct person *v;
    size_t len, cap;
};

static bool
by_display(const struct run_target *t, enum kb_principal_kind kind)
{
    return kind == KB_PRINCIPAL_SERVICE && t->run->config->rules.match.service == KB_MATCH_SERVICE_CLIENT_ID;
}

static void
know_self(struct run_target *t, const char *name, bool users)
{
    for (uint32_t i = 0; *name && i < t->target.principals_len; i++) {
        const struct kb_principal *p = &t->target.principals[i];
        if (p->listed && (users || p->kind == KB_PRINCIPAL_SERVICE) &&
            !kb_ascii_casecmp(kb_target_str(&t->target, p->name), name))
            t->target.self = i;
    }
}

/* Nobody is moved who is this program: the service principal of client_id, else whom the token names. */
static void
find_self(struct run_target *t)
{
    KB_CLEANUP(kb_free) char *sub = NULL;
    if (t->target.self == KB_NONE)
        know_self(t, t->config->client_id, false);
    if (t->target.self == KB_NONE && t->run->opts.refresh != RUN_REFRESH_NEVER)
        sub = scim_decode_claim(kb_http_peer_token_payload(t->peer), "sub");
    if (sub)
        know_self(t, sub, true);
}

void
run_people_self(struct run_target *t)
{
    find_self(t);
    if (t->target.self == KB_NONE && t->run->opts.command != RUN_PLAN)
        KB_LOG(
            KB_LOG_WARN, "self_unknown", (KB_F("target", t->config->name)),
            "which principal of target %.64s keybricks itself is cannot be found: neither client_id nor the "
            "token says it; guard self_check protects nobody there",
            t->config->name);
}

static void
forget(struct run_target *t)
{
    for (uint32_t i = 0; i < t->target.principals_len; i++)
        t->target.principals[i].listed = false;
    t->target.self = KB_NONE;
}

/* A saved plan, an explanation and new users want a listing of this run; with one page of users it costs as much
 * as one look-up, and tells more; and who was missing at the end of the last run is probably missing now. */
int
run_people_remember(struct run_target *t, struct kb_error *err)
{
    const struct run *run = t->run;
    bool services = t->config->level != LEVEL_PROXY;
    int64_t at_s = 0;
    uint32_t missing = 0;
    uint32_t count[KB_PRINCIPAL_KIND_MAX_] = {0};
    t->remembered = false;
    if (run->opts.refresh != RUN_REFRESH_AUTO || run->opts.command == RUN_APPLY || run->opts.who ||
        !t->store || run->config->rules.match.create_missing_users)
        return 0;
    int e = store_snapshot_people(t->store, &t->target, services, &at_s, &missing, err);
    if (e < 0)
        return e;
    for (uint32_t i = 0; i < t->target.principals_len; i++)
        count[t->target.principals[i].kind] += t->target.principals[i].listed;
    t->people_pages = scim_list_pages(count[KB_PRINCIPAL_USER]) +
                      (services ? scim_list_pages(count[KB_PRINCIPAL_SERVICE]) : 0);
    t->remembered = at_s > 0 && at_s <= run->at_s && run->at_s - at_s < run->config->snapshot_max_age_s &&
                    scim_list_pages(count[KB_PRINCIPAL_USER]) > 1 && missing < t->people_pages;
    if (t->remembered)
        know_self(t, t->config->client_id, false);
    else
        forget(t);
    return 0;
}

/* ---- whom the plan needs ---- */

static bool
add_person(struct people *all, struct run_target *t, enum kb_principal_kind kind, const char *name,
           uint32_t principal)
{
    if (!kb_grow(&all->v, &all->cap, all->len + 1, sizeof(*all->v), PEOPLE_MAX))
        return false;
    all->v[all->len++] = (struct person){.t = t, .kind = kind, .name = name, .principal = principal};
    return true;
}

static bool
named_in_operations(struct run_target *t, struct people *all)
{
    struct kb_u32s needed = {0};
    bool fine = true;
    for (uint32_t i = 0; fine && i < t->plan.ops_len; i++) {
        uint32_t p = kb_target_principal(&t->target, kb_plan_str(&t->plan, t->plan.ops[i].id));
        if (p != KB_NONE && !t->target.principals[p].named)
            fine = kb_u32s_add(&needed, p);
    }
    kb_u32s_sort_unique(&needed);
    for (uint32_t i = 0; fine && i < needed.len; i++) {
        const struct kb_principal *p = &t->target.principals[needed.v[i]];
        kb_text name = by_display(t, p->kind) ? p->display : p->name;
        fine = add_person(all, t, p->kind, kb_target_str(&t->target, name), needed.v[i]);
    }
    kb_u32s_done(&needed);
    return fine;
}

/* Realm users, sorted, who hold a managed group and whom the target does not seem to know. */
static bool
missing_users(const struct run_target *t, struct kb_u32s *ret)
{
    bool fine = true;
    for (uint32_t g = 0; fine && g < t->desired.groups_len; g++) {
        const struct kb_u32s *users = &t->desired.groups[g].users;
        for (uint32_t i = 0; fine && i < users->len; i++)
            if (t->desired.matches[users->v[i]].verdict == KB_MATCH_UNMATCHED)
                fine = kb_u32s_add(ret, users->v[i]);
    }
    kb_u32s_sort_unique(ret);
    return fine;
}

static bool
seemingly_missing(struct run_target *t, const struct kb_u32s *missing, struct people *all)
{
    const struct run *run = t->run;
    bool fine = true;
    for (uint32_t i = 0; fine && i < missing->len; i++) {
        const struct kb_user *user = &run->realm.users[missing->v[i]];
        bool service = user->flags & KB_USER_SERVICE_ACCOUNT;
        const char *key = service ? kb_match_service_key(&run->config->rules, &run->realm, user)
                                  : kb_match_key(&run->config->rules, &run->realm, user);
        if (key && !kb_u32s_has(&t->asked, missing->v[i]))
            fine = add_person(all, t, service ? KB_PRINCIPAL_SERVICE : KB_PRINCIPAL_USER, key, KB_NONE);
    }
    for (uint32_t i = 0; fine && i < missing->len; i++)
        fine = kb_u32s_add(&t->asked, missing->v[i]);
    kb_u32s_sort_unique(&t->asked);
    return fine;
}

/* ---- asking ---- */

static void
on_found(void *userdata, uint32_t found, const struct kb_error *doubt)
{
    const struct person *p = userdata;
    struct run_target *t = p->t;
    (void) found;
    if (doubt->code || (p->principal != KB_NONE && !t->target.principals[p->principal].named))
        t->surprised = true; /* the snapshot is not what the server says now */
}

static int
look_up(struct run_target *t, const struct people *all, struct kb_error *err)
{
    int e = 0;
    for (size_t i = 0; e >= 0 && i < all->len; i++)
        e = scim_find_people(t->scim, all->v[i].kind, by_display(t, all->v[i].kind), all->v[i].name, on_found,
                             &all->v[i], err);
    if (e >= 0)
        e = kb_http_run(t->run->http, err);
    if (e >= 0)
        KB_LOG(KB_LOG_INFO, "people_looked_up",
               (KB_F("target", t->config->name), KB_FN("people", all->len), KB_FN("pages", t->people_pages)),
               "%zu people looked up by name; the others as the snapshot has them", all->len);
    return e;
}

static void
on_group(void *userdata, uint32_t group)
{
    (void) userdata;
    (void) group; /* the group's own record says how it went */
}

/* A member whom the snapshot explained, and the lists do not: asked by id, as if the lists had come first. */
static bool
unexplained(const struct run_target *t, const struct kb_target_group *g)
{
    for (uint32_t i = 0; g->from == KB_MEMBERS_NOW && i < g->members.len; i++) {
        const struct kb_principal *p = &t->target.principals[g->members.v[i]];
        if (!p->listed && !p->looked_up)
            return true;
    }
    return false;
}

static int
list(struct run_target *t, struct kb_error *err)
{
    t->remembered = false;
    forget(t);
    int e = scim_read_people(t->scim, err);
    if (e >= 0)
        e = kb_http_run(t->run->http, err);
    if (e >= 0)
        e = scim_failed(t->scim, err);
    find_self(t);
    for (uint32_t g = 0; e >= 0 && g < t->target.groups_len; g++)
        if (unexplained(t, &t->target.groups[g]))
            e = scim_read_group(t->scim, g, on_group, t, err);
    return e < 0 ? e : kb_http_run(t->run->http, err);
}

static int
need(struct run_target *t, const struct people *all, bool last, struct kb_error *err)
{
    bool askable = true;
    for (size_t i = 0; i < all->len; i++)
        askable = askable && scim_can_find(all->v[i].name);
    if (last || !askable || all->len >= t->people_pages)
        return list(t, err);
    int e = look_up(t, all, err);
    return e >= 0 && t->surprised ? list(t, err) : e;
}

int
run_people_need(struct run_target *t, bool last, bool *ret_again, struct kb_error *err)
{
    struct people all = {0};
    struct kb_u32s missing = {0};
    bool fine = missing_users(t, &missing);
    t->target.missing = missing.len;
    if (fine && t->remembered)
        fine = named_in_operations(t, &all) && seemingly_missing(t, &missing, &all);
    *ret_again = all.len > 0;
    int e = !fine     ? kb_fail(err, KB_E_NOMEM, "people: out of memory")
            : all.len ? need(t, &all, last, err)
                      : 0;
    kb_u32s_done(&missing);
    free(all.v);
    return e;
}
