/* keybricks approve PLANFILE --guard NAME: let one plan fingerprint through named guards, once.
 *
 * There is no --force: an approval names its guards, belongs to one fingerprint, carries a reason and a
 * person, and ends by itself. Source: interface.md section 4. */
#include "base/ban.h"

#include "reconciler/command/command.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/str.h"
#include "model/plan.h"
#include "store/journal.h"
#include "store/runs.h"

#include <pwd.h>

#define REASON_MIN 10
#define EXPIRES_MAX_S (30 * 86400)

static bool
parse_duration(const char *s, int64_t *ret_s)
{
    char digits[12] = "";
    size_t n = strspn(s, "0123456789");
    int64_t unit = 0, value;
    if (!n || n >= sizeof(digits) || strlen(s) != n + 1)
        return false;
    memcpy(digits, s, n);
    switch (s[n]) {
    case 's':
        unit = 1;
        break;
    case 'm':
        unit = 60;
        break;
    case 'h':
        unit = 3600;
        break;
    case 'd':
        unit = 86400;
        break;
    default:
        return false;
    }
    if (!kb_parse_i64(digits, 1, EXPIRES_MAX_S / unit, &value))
        return false;
    *ret_s = value * unit;
    return true;
}

/* uid, login and SUDO_USER: who decided, as far as this machine knows. */
static void
who(char *ret, size_t size)
{
    const struct passwd *pw = getpwuid(getuid());
    const char *sudo = getenv("SUDO_USER");
    (void) snprintf(ret, size, "uid=%u login=%.64s%s%.64s", (unsigned) getuid(), pw ? pw->pw_name : "?",
                    sudo ? " sudo_user=" : "", sudo ? sudo : "");
}

static const struct kb_plan_guard *
tripped_guard(const struct kb_plan *plan, enum kb_guard_id id, uint32_t start, uint32_t len)
{
    for (uint32_t i = start; i < start + len; i++)
        if (plan->guards[i].id == id && plan->guards[i].tripped)
            return &plan->guards[i];
    return NULL;
}

/* Fills group and fingerprint of what the guard's approval is bound to; false with a sentence when it cannot
 * be approved. */
static bool
bind_approval(const struct kb_plan *plan, enum kb_guard_id id, const char *group, struct store_approval *ret,
              char *why, size_t size)
{
    if (tripped_guard(plan, id, 0, plan->run_guards_len)) {
        (void) snprintf(ret->fingerprint, sizeof(ret->fingerprint), "%s", plan->fingerprint);
        return true;
    }
    for (uint32_t i = 0; i < plan->groups_len; i++) {
        const struct kb_plan_group *g = &plan->groups[i];
        const struct kb_plan_guard *t = tripped_guard(plan, id, g->guards_start, g->guards_len);
        if (!t)
            continue;
        if (t->scope == KB_SCOPE_MEMBER) {
            (void) snprintf(why, size, "guard %s cannot be approved; only the configuration can change it",
                            kb_guard_name(id));
            return false;
        }
        if (!group) {
            (void) snprintf(why, size,
                            "guard %s is about one group; name it with --group, for example --group '%.100s'",
                            kb_guard_name(id), kb_plan_str(plan, g->name));
            return false;
        }
        if (strcmp(group, kb_plan_str(plan, g->name)) != 0)
            continue;
        (void) snprintf(ret->group, sizeof(ret->group), "%.255s", group);
        (void) snprintf(ret->fingerprint, sizeof(ret->fingerprint), "%s", g->fingerprint);
        return true;
    }
    (void) snprintf(why, size, "guard %s is not tripped in this plan%s%.100s", kb_guard_name(id),
                    group ? " for group " : "", group ? group : "");
    return false;
}

static int
record(struct store *store, const struct kb_plan *plan, struct store_approval *a, struct kb_error *err)
{
    char id[KB_UUID_SIZE];
    kb_uuid7(id);
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(8192);
    kb_buf_addf(&body, "{\"expires\":%lld,\"fingerprint\":\"%s\",\"group\":", (long long) a->expires_s,
                a->fingerprint);
    kb_buf_add_json(&body, a->group);
    kb_buf_addf(&body, ",\"guard\":\"%s\",\"person\":", a->guard);
    kb_buf_add_json(&body, a->person);
    kb_buf_adds(&body, ",\"plan_run\":");
    kb_buf_add_json(&body, plan->run_id);
    kb_buf_adds(&body, ",\"reason\":");
    kb_buf_add_json(&body, a->reason);
    kb_buf_addc(&body, '}');
    if (body.failed)
        return kb_fail(err, KB_E_USAGE, "the reason is not valid UTF-8, or too long");
    int e = store_journal_append(store, a->at_s, id, "approval", kb_buf_str(&body), &a->seq, err);
    return e < 0 ? e : store_approval_add(store, a, err);
}

/* A second approval of the same would let the same through once more, later, without anybody. */
static int
same_approval(void *userdata, const struct store_approval *row, struct kb_error *err)
{
    const struct store_approval *a = userdata;
    char until[KB_TIME_SIZE];
    if (strcmp(row->guard, a->guard) != 0 || strcmp(row->group, a->group) != 0 ||
        strcmp(row->fingerprint, a->fingerprint) != 0)
        return 0;
    return kb_fail(err, KB_E_USAGE, "%s is approved already, until %s; an approval is used once", a->guard,
                   kb_time_format(row->expires_s, until));
}

static int
approve_guard(struct command_context *c, struct store *store, const struct kb_plan *plan, const char *name,
              int64_t expires_s, struct kb_error *err)
{
    const char *group = c->cli->groups.len ? c->cli->groups.v[0] : NULL;
    enum kb_guard_id id;
    if (!kb_guard_from_name(name, &id))
        return kb_fail(err, KB_E_USAGE, "there is no guard %.60s", name);
    struct store_approval a = {.at_s = kb_wall_s(), .expires_s = kb_wall_s() + expires_s};
    (void) snprintf(a.guard, sizeof(a.guard), "%s", name);
    (void) snprintf(a.reason, sizeof(a.reason), "%s", c->cli->reason);
    who(a.person, sizeof(a.person));
    char why[400];
    if (!bind_approval(plan, id, group, &a, why, sizeof(why)))
        return kb_fail(err, KB_E_USAGE, "%s", why);
    int e = store_approvals_each(store, a.at_s, same_approval, &a, err);
    if (e >= 0)
        e = record(store, plan, &a, err);
    if (e < 0)
        return e;
    char until[KB_TIME_SIZE];
    (void) printf("approved %s%s%s until %s, once, for plan %.26s\n", name, a.group[0] ? " for " : "",
                  a.group, kb_time_format(a.expires_s, until), a.fingerprint);
    return 0;
}

static int
approve_all(struct command_context *c, const struct kb_plan *plan, int64_t expires_s, struct kb_error *err)
{
    const struct config_target *target = NULL;
    for (size_t i = 0; i < c->targets_len; i++)
        if (!strcmp(c->targets[i]->name, kb_plan_str(plan, plan->target_name)))
            target = c->targets[i];
    if (!target)
        return kb_fail(err, KB_E_STALE, "the plan is for target %s, which the configuration does not have",
                       kb_plan_str(plan, plan->target_name));
    KB_CLEANUP(store) struct store *store = NULL;
    int e = command_store(c, target, STORE_WRITE, &store, err);
    if (e >= 0)
        e = store_begin(store, err);
    for (size_t i = 0; e >= 0 && i < c->cli->guards.len; i++)
        e = approve_guard(c, store, plan, c->cli->guards.v[i], expires_s, err);
    if (e >= 0)
        e = store_commit(store, err);
    if (e < 0 && store)
        store_rollback(store);
    return e;
}

void
command_approve(struct command_context *c)
{
    const struct cli *cli = c->cli;
    int64_t expires_s = 3600;
    if (!cli->guards.len)
        outcome_add(&c->outcome, EXIT_USAGE,
                    "approve needs --guard NAME: the plan lists the guards that are tripped");
    else if (!cli->reason || strlen(cli->reason) < REASON_MIN)
        outcome_add(&c->outcome, EXIT_USAGE,
                    "approve needs --reason TEXT of at least %d characters: it stays in the audit trail",
                    REASON_MIN);
    else if (strlen(cli->reason) > 500 || kb_has_control(cli->reason))
        outcome_add(&c->outcome, EXIT_USAGE,
                    "--reason is one line of at most 500 bytes without control characters");
    else if (cli->expires && !parse_duration(cli->expires, &expires_s))
        outcome_add(&c->outcome, EXIT_USAGE, "--expires is a number with s, m, h or d, at most 30d");
    else if (cli->groups.len > 1)
        outcome_add(&c->outcome, EXIT_USAGE, "approve takes one --group at a time");
    if (c->outcome.code != EXIT_OK)
        return;
    struct kb_plan plan = {0};
    struct kb_error err = {0};
    int e = command_read_plan(cli->args[0], &plan, &err);
    if (e >= 0)
        e = approve_all(c, &plan, expires_s, &err);
    if (e < 0)
        outcome_error(&c->outcome, &err, EXIT_STATE);
    else
        outcome_add(&c->outcome, EXIT_OK, "approved; the next sync or apply of exactly this plan uses it");
    kb_plan_done(&plan);
}
