#include "base/ban.h"

/* The document is written directly, keys already in RFC 8785 order, and not through an object tree: a plan of
 * 100,000 operations must not take ten times its size in memory. file_read.c writes what it has read once
 * more and compares the bytes, so a key in the wrong place here cannot stay unseen. */

#include "reconciler/plan/file.h"

#include "base/mem.h"
#include "base/str.h"
#include "model/target.h"

#include <inttypes.h>

static void
add_str(struct kb_buf *b, const char *lead, const char *s)
{
    kb_buf_adds(b, lead);
    kb_buf_add_json(b, s);
}

static void
add_int(struct kb_buf *b, const char *lead, int64_t value)
{
    kb_buf_addf(b, "%s%" PRId64, lead, value);
}

static void
add_bool(struct kb_buf *b, const char *lead, bool value)
{
    kb_buf_adds(b, lead);
    kb_buf_adds(b, value ? "true" : "false");
}

static void
add_reason(const struct kb_plan *plan, const struct kb_reason *reason, struct kb_buf *b)
{
    char time[KB_TIME_SIZE];

    kb_buf_addc(b, '{');
    if (reason->event_at_s) {
        add_str(b, "\"event\":{\"at\":", kb_time_format(reason->event_at_s, time));
        add_str(b, ",\"by\":", kb_plan_str(plan, reason->event_by));
        kb_buf_adds(b, "},");
    }
    if (reason->is_path)
        add_str(b, "\"path\":", kb_plan_str(plan, reason->object));
    else
        add_str(b, "\"role\":", kb_plan_str(plan, reason->object));
    add_int(b, ",\"rule\":", reason->rule);
    kb_buf_adds(b, ",\"via\":[");
    for (uint32_t i = 0; i < reason->via_len; i++)
        add_str(b, i ? "," : "", kb_plan_str(plan, plan->via[reason->via_start + i]));
    kb_buf_adds(b, "]}");
}

static void
add_reasons(const struct kb_plan *plan, const struct kb_plan_op *op, struct kb_buf *b)
{
    kb_buf_addc(b, '[');
    for (uint32_t i = 0; i < op->reasons_len; i++) {
        if (i)
            kb_buf_addc(b, ',');
        add_reason(plan, &plan->reasons[op->reasons_start + i], b);
    }
    kb_buf_addc(b, ']');
}

int
kb_reasons_write(const struct kb_plan *plan, const struct kb_plan_op *op, struct kb_buf *ret,
                 struct kb_error *err)
{
    add_reasons(plan, op, ret);
    if (ret->failed)
        return kb_fail(err, KB_E_NOMEM, "reasons: out of memory, or a text is not UTF-8");
    return 0;
}

int
kb_reasons_record(const struct kb_plan *plan, struct kb_plan_op *op, struct kb_buf *ret, struct kb_error *err)
{
    int r;

    do {
        kb_buf_clear(ret);
        r = kb_reasons_write(plan, op, ret, err);
    } while (r >= 0 && ret->len > KB_REASONS_SIZE_MAX && op->reasons_len-- > 0);
    return r;
}

static void
add_guards(const struct kb_plan *plan, uint32_t start, uint32_t len, struct kb_buf *b)
{
    static const char *const scopes[] = {
        [KB_SCOPE_RUN] = "run", [KB_SCOPE_GROUP] = "group", [KB_SCOPE_MEMBER] = "member"};

    kb_buf_addc(b, '[');
    for (uint32_t i = 0; i < len; i++) {
        const struct kb_plan_guard *guard = &plan->guards[start + i];
        add_int(b, i ? ",{\"limit\":" : "{\"limit\":", guard->limit);
        add_str(b, ",\"name\":", kb_guard_name(guard->id));
        add_str(b, ",\"scope\":", scopes[guard->scope]);
        add_bool(b, ",\"tripped\":", guard->tripped);
        add_str(b, ",\"unit\":", guard->percent ? "percent" : "count");
        add_int(b, ",\"value\":", guard->value);
        kb_buf_addc(b, '}');
    }
    kb_buf_addc(b, ']');
}

static void
add_op(const struct kb_plan *plan, const struct kb_plan_op *op, struct kb_buf *b)
{
    add_str(b, "{\"cause\":", kb_cause_name(op->cause));
    add_str(b, ",\"op\":", kb_op_name(op->op));
    kb_buf_adds(b, ",\"principal\":{");
    if (op->display) {
        add_str(b, "\"display\":", kb_plan_str(plan, op->display));
        kb_buf_addc(b, ',');
    }
    add_str(b, "\"id\":", kb_plan_str(plan, op->id));
    add_str(b, ",\"kind\":", kb_principal_kind_name(op->kind));
    add_str(b, ",\"name\":", kb_plan_str(plan, op->name));
    kb_buf_adds(b, "},\"reasons\":");
    add_reasons(plan, op, b);
    add_str(b, ",\"source_id\":", kb_plan_str(plan, op->source_id));
    add_str(b, ",\"state\":", kb_op_state_name(op->state));
    kb_buf_addc(b, '}');
}

static void
add_group(const struct kb_plan *plan, const struct kb_plan_group *group, struct kb_buf *b)
{
    add_str(b, "{\"action\":", group->create ? "create" : "update");
    add_int(b, ",\"after\":", group->after);
    add_int(b, ",\"before\":", group->before);
    add_str(b, ",\"fingerprint\":", group->fingerprint);
    kb_buf_adds(b, ",\"guards\":");
    add_guards(plan, group->guards_start, group->guards_len, b);
    add_str(b, ",\"id\":", kb_plan_str(plan, group->id));
    add_str(b, ",\"name\":", kb_plan_str(plan, group->name));
    kb_buf_adds(b, ",\"operations\":[");
    for (uint32_t i = 0; i < group->ops_len; i++) {
        if (i)
            kb_buf_addc(b, ',');
        add_op(plan, &plan->ops[group->ops_start + i], b);
    }
    add_str(b, "],\"precondition\":{\"digest\":", group->precondition);
    add_int(b, ",\"members\":", group->precondition_members);
    add_str(b, "},\"state\":", kb_op_state_name(group->state));
    kb_buf_addc(b, '}');
}

static void
add_left(const struct kb_plan *plan, struct kb_buf *b)
{
    uint32_t at = 0;

    for (unsigned list = 0; list < KB_LEFT_MAX_; list++) {
        bool first = true;
        kb_buf_adds(b, list ? ",\"" : "\"");
        kb_buf_adds(b, kb_left_name(list));
        kb_buf_adds(b, "\":[");
        for (; at < plan->left_len && plan->left[at].list == list; at++) {
            const struct kb_left_alone *left = &plan->left[at];
            add_str(b, first ? "{\"group\":" : ",{\"group\":", kb_plan_str(plan, left->group));
            add_str(b, ",\"name\":", kb_plan_str(plan, left->name));
            add_str(b, ",\"note\":", kb_plan_str(plan, left->note));
            kb_buf_addc(b, '}');
            first = false;
        }
        kb_buf_addc(b, ']');
    }
}

static void
add_head(const struct kb_plan *plan, struct kb_buf *b)
{
    add_int(b, "{\"cost\":{\"get\":", plan->cost.get);
    add_int(b, ",\"patch\":", plan->cost.patch);
    add_int(b, ",\"post\":", plan->cost.post);
    kb_buf_adds(b, "},");
}

static void
add_tail(const struct kb_plan *plan, struct kb_buf *b)
{
    char time[KB_TIME_SIZE];

    kb_buf_adds(b, "],\"guards\":");
    add_guards(plan, 0, plan->run_guards_len, b);
    kb_buf_adds(b, ",\"left_alone\":{");
    add_left(plan, b);
    add_bool(b, "},\"rules\":{\"changed_since_last_apply\":", plan->rules_changed);
    add_str(b, ",\"digest\":", plan->rules_digest);
    add_str(b, "},\"run\":{\"at\":", kb_time_format(plan->at_s, time));
    add_str(b, ",\"id\":", plan->run_id);
    add_str(b, ",\"tool\":", kb_plan_str(plan, plan->tool));
    kb_buf_adds(b, "},\"schema\":\"keybricks.plan/1\",\"source\":{");
    add_bool(b, "\"complete\":", plan->source_complete);
    add_str(b, ",\"digest\":", plan->source_digest);
    add_int(b, ",\"groups\":", plan->source_groups);
    add_str(b, ",\"issuer\":", kb_plan_str(plan, plan->issuer));
    add_int(b, ",\"roles\":", plan->source_roles);
    add_int(b, ",\"users\":", plan->source_users);
    add_int(b, "},\"summary\":{\"add\":", plan->summary.add);
    add_int(b, ",\"adopt\":", plan->summary.adopt);
    add_int(b, ",\"ambiguous\":", plan->summary.ambiguous);
    add_int(b, ",\"create_groups\":", plan->summary.create_groups);
    add_int(b, ",\"create_users\":", plan->summary.create_users);
    add_int(b, ",\"drift\":", plan->summary.drift);
    add_int(b, ",\"foreign\":", plan->summary.foreign);
    add_int(b, ",\"held\":", plan->summary.held);
    add_int(b, ",\"remove\":", plan->summary.remove);
    add_int(b, ",\"unmatched\":", plan->summary.unmatched);
    add_int(b, "},\"target\":{\"groups\":", plan->target_groups);
    add_str(b, ",\"host\":", kb_plan_str(plan, plan->target_host));
    add_str(b, ",\"level\":", kb_plan_str(plan, plan->target_level));
    add_int(b, ",\"memberships\":", plan->target_memberships);
    add_str(b, ",\"name\":", kb_plan_str(plan, plan->target_name));
    kb_buf_adds(b, "}}");
}

/* "digest" stands between "cost" and "fingerprint": the two parts are hashed as if they stood together. */
int
kb_plan_write(struct kb_plan *plan, struct kb_buf *ret, struct kb_error *err)
{
    size_t start = ret->len, digest, rest;
    struct kb_hash hash;
    int r;

    r = kb_plan_fingerprint(plan, err);
    if (r < 0)
        return r;
    add_head(plan, ret);
    digest = ret->len;
    kb_buf_addf(ret, "\"digest\":\"%*s\",", KB_DIGEST_SIZE - 1, ""); /* filled in below */
    rest = ret->len;
    add_str(ret, "\"fingerprint\":", plan->fingerprint);
    kb_buf_adds(ret, ",\"groups\":[");
    for (uint32_t i = 0; i < plan->groups_len; i++) {
        if (i)
            kb_buf_addc(ret, ',');
        add_group(plan, &plan->groups[i], ret);
    }
    add_tail(plan, ret);
    kb_buf_addc(ret, '\n');
    if (ret->failed)
        return kb_fail(err, KB_E_NOMEM, "plan: out of memory, over %u MiB, or a text is not UTF-8",
                       KB_PLAN_FILE_SIZE_MAX >> 20);

    kb_hash_init(&hash);
    kb_hash_add(&hash, ret->data + start, digest - start);
    kb_hash_add(&hash, ret->data + rest, ret->len - 1 - rest);
    if (!kb_hash_final_digest(&hash, plan->digest))
        return kb_fail(err, KB_E_NOMEM, "plan: out of memory");
    memcpy(ret->data + digest + sizeof("\"digest\":\"") - 1, plan->digest, KB_DIGEST_SIZE - 1);
    return 0;
}
