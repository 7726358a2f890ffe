/* keybricks explain: every path by which somebody is, or is not, in the managed groups. Reads like plan, writes
 * nothing at all. */
#include "base/ban.h"

#include "reconciler/command/command.h"
#include "reconciler/command/runner.h"

#include "reconciler/report/explain.h"
#include "store/ledger.h"

#define ANSWER_SIZE_MAX (64u << 20)

struct explaining {
    struct command_context *c;
    const char *who, *group;
    bool json;
    struct kb_buf out;
};

static int
read_ledger(struct run_target *t, const struct kb_explain *x, struct report_ledger *ledger,
            struct kb_error *err)
{
    int e = 0;
    for (uint32_t i = 0; e >= 0 && i < x->groups_len; i++) {
        const struct kb_explain_group *g = &x->groups[i];
        if (!g->ledger || !t->store)
            continue;
        KB_CLEANUP(kb_buf) struct kb_buf json = KB_BUF_INIT(64 * 1024);
        const char *group = kb_target_str(&t->target, t->target.groups[g->group].id);
        const char *principal = kb_target_str(&t->target, t->target.principals[x->principal].id);
        e = store_ledger_reason(t->store, group, principal, &json, err);
        if (e >= 0)
            e = store_ledger_since(t->store, group, principal, &ledger[i].at_s, err);
        ledger[i].reason_json = kb_buf_steal(&json);
    }
    return e;
}

static int
explain_one(struct explaining *x, struct run_target *t, uint32_t user, uint32_t principal, uint32_t group,
            bool first, struct kb_error *err)
{
    struct kb_explain one = {.rules = &t->run->config->rules,
                             .scope = &t->scope,
                             .realm = &t->run->realm,
                             .target = &t->target,
                             .desired = &t->desired,
                             .plan = &t->plan,
                             .user = user,
                             .principal = principal};
    int e = kb_explain_make(&one, group, err);
    struct report_ledger *ledger = calloc((size_t) one.groups_len + 1, sizeof(*ledger));
    if (e >= 0 && !ledger)
        e = kb_fail(err, KB_E_NOMEM, "explain");
    if (e >= 0)
        e = run_events(t, &one.paths, err);
    if (e >= 0)
        e = read_ledger(t, &one, ledger, err);
    if (e >= 0 && !first)
        kb_buf_addc(&x->out, x->json ? ',' : '\n');
    if (e >= 0 && x->json)
        report_explain_json(&one, ledger, &x->out);
    else if (e >= 0)
        report_explain_text(&one, ledger, &x->out);
    for (uint32_t i = 0; ledger && i < one.groups_len; i++) {
        if (e >= 0 && one.groups[i].frozen)
            outcome_add(&t->outcome, EXIT_PARTIAL,
                        "a group of the answer is frozen: something about it could not be read");
        free(ledger[i].reason_json);
    }
    free(ledger);
    kb_explain_done(&one);
    return e;
}

static int
find_group(const struct explaining *x, const struct run_target *t, uint32_t *ret, struct kb_error *err)
{
    *ret = KB_NONE;
    for (uint32_t i = 0; x->group && i < t->scope.managed_len; i++)
        if (!strcmp(t->scope.managed[i].name, x->group))
            *ret = i;
    if (x->group && *ret == KB_NONE)
        return kb_fail(err, KB_E_USAGE, "no rule of target %s names the group %.120s; see keybricks plan",
                       t->config->name, x->group);
    return 0;
}

static int
nobody(const struct explaining *x, const struct run_target *t, struct kb_error *err)
{
    const char *near = NULL;
    int e = kb_explain_nearest(&t->run->realm, &t->target, x->who, &near, err);
    return e < 0 ? e
                 : kb_fail(err, KB_E_USAGE, "nobody is called %.120s in realm %.80s or in %s%s%.120s%s",
                           x->who, t->run->config->keycloak.realm, t->config->name,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Users of the realm whom the key names, and those whom the principals of that name stand for. */
static int
people(const struct explaining *x, const struct run_target *t, struct kb_u32s *users,
       struct kb_u32s *principals, struct kb_error *err)
{
    bool fine = kb_explain_users(&t->run->realm, x->who, users) &&
                kb_explain_principals(&t->target, x->who, principals);
    for (uint32_t u = 0; fine && u < t->desired.matches_len; u++)
        for (uint32_t i = 0; fine && i < principals->len; i++)
            if (t->desired.matches[u].principal == principals->v[i])
                fine = kb_u32s_add(users, u);
    kb_u32s_sort_unique(users);
    return fine ? 0 : kb_fail(err, KB_E_NOMEM, "explain");
}

static int
explain_all(struct explaining *x, struct run_target *t, const struct kb_u32s *users,
            const struct kb_u32s *principals, uint32_t group, struct kb_error *err)
{
    bool first = true;
    int e = 0;
    for (uint32_t i = 0; e >= 0 && i < users->len; i++, first = false)
        e = explain_one(x, t, users->v[i], t->desired.matches[users->v[i]].principal, group, first, err);
    for (uint32_t i = 0; e >= 0 && i < principals->len; i++) {
        bool known = false;
        for (uint32_t k = 0; k < users->len; k++)
            known |= t->desired.matches[users->v[k]].principal == principals->v[i];
        if (known)
            continue;
        e = explain_one(x, t, KB_NONE, principals->v[i], group, first, err);
        first = false;
    }
    return e;
}

static int
show(void *userdata, struct run_target *t, struct kb_error *err)
{
    struct explaining *x = userdata;
    struct kb_u32s users = {0}, principals = {0};
    size_t before = x->out.len;
    uint32_t group;
    int e = find_group(x, t, &group, err);
    if (e >= 0)
        e = people(x, t, &users, &principals, err);
    if (e >= 0 && !users.len && !principals.len)
        e = nobody(x, t, err);
    if (e >= 0 && x->json) {
        kb_buf_adds(&x->out, "{\"people\":[");
        e = explain_all(x, t, &users, &principals, group, err);
        kb_buf_adds(&x->out, "],\"schema\":\"keybricks.explain/1\",\"target\":");
        kb_buf_add_json(&x->out, t->config->name);
        kb_buf_adds(&x->out, "}\n");
    } else if (e >= 0) {
        kb_buf_addf(&x->out, "%starget %s\n", x->out.len ? "\n" : "", t->config->name);
        e = explain_all(x, t, &users, &principals, group, err);
    }
    kb_u32s_done(&users);
    kb_u32s_done(&principals);
    if (e >= 0 && x->out.failed)
        return kb_fail(err, KB_E_NOMEM, "the answer is too long");
    if (e < 0 && x->out.len > before) { /* half an answer is none; those of other targets stay */
        x->out.len = before;
        x->out.data[before] = '\0';
    }
    return e;
}

void
command_explain(struct command_context *c)
{
    const struct cli *cli = c->cli;
    struct explaining x = {.c = c,
                           .who = cli->args[0],
                           .group = cli->args_len > 1 ? cli->args[1] : NULL,
                           .json = cli->format && !strcmp(cli->format, "json"),
                           .out = KB_BUF_INIT(ANSWER_SIZE_MAX)};
    if (cli->format && !x.json && strcmp(cli->format, "text") != 0) {
        outcome_add(&c->outcome, EXIT_USAGE, "--format is text or json");
        return;
    }
    runner_execute(c, RUN_PLAN, NULL, show, &x);
    if (x.out.len)
        command_print(c, kb_buf_str(&x.out), x.out.len);
    kb_buf_done(&x.out);
}
