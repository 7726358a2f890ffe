#include "base/ban.h"

#include "reconciler/report/explain.h"

#include "base/mem.h"
#include "base/str.h"
#include "reconciler/plan/file.h"
#include "reconciler/report/view.h"

static const char *
user_text(const struct kb_explain *x, kb_text text)
{
    return kb_realm_str(x->realm, text);
}

/* ---- text ---- */

static void
person(const struct kb_explain *x, struct kb_buf *b)
{
    if (x->user != KB_NONE) {
        const struct kb_user *u = &x->realm->users[x->user];
        kb_buf_add_visible(b, user_text(x, u->username ? u->username : u->id));
        if (u->email) {
            kb_buf_adds(b, " <");
            kb_buf_add_visible(b, user_text(x, u->email));
            kb_buf_addc(b, '>');
        }
        kb_buf_addf(b, "  id ");
        kb_buf_add_visible(b, user_text(x, u->id));
        kb_buf_addc(b, '\n');
    }
    kb_buf_adds(b, "  ");
    kb_buf_adds(b, kb_explain_words(x));
    if (x->principal != KB_NONE) {
        const struct kb_principal *p = &x->target->principals[x->principal];
        kb_buf_addf(b, "%s%s ", kb_explain_verdict(x)[0] == 'm' ? " to " : "; in Databricks ",
                    p->kind == KB_PRINCIPAL_SERVICE ? "service principal" : "user");
        kb_buf_add_visible(b, kb_target_str(x->target, p->name));
        kb_buf_adds(b, " id ");
        kb_buf_add_visible(b, kb_target_str(x->target, p->id));
    }
    kb_buf_adds(b, "\n");
}

static void
path(const struct kb_plan *plan, const struct kb_reason *r, struct kb_buf *b)
{
    char at[KB_TIME_SIZE];

    kb_buf_addf(b, "    rule %u: %s ", r->rule, r->is_path ? "group" : "role");
    kb_buf_add_visible(b, kb_plan_str(plan, r->object));
    for (uint32_t i = r->via_len; i > 0; i--) {
        kb_buf_adds(b, " <- ");
        kb_buf_add_visible(b, kb_plan_str(plan, plan->via[r->via_start + i - 1]));
    }
    if (!r->via_len)
        kb_buf_adds(b, ", direct");
    if (r->event_at_s) {
        kb_buf_addf(b, "  since %s by ", kb_time_format(r->event_at_s, at));
        kb_buf_add_visible(b, kb_plan_str(plan, r->event_by));
    }
    kb_buf_addc(b, '\n');
}

/* What would make the person a member: each role and path that the rules of the group name. */
static void
asked(const struct kb_explain *x, const struct kb_explain_group *g, struct kb_buf *b)
{
    const struct kb_managed *m = &x->scope->managed[g->managed];

    for (uint32_t i = m->bindings_start; i < m->bindings_start + m->bindings_len; i++) {
        const struct kb_binding *binding = &x->scope->bindings[i];
        kb_buf_addf(b, "    rule %u asks for ", binding->rule->number);
        if (binding->role != KB_NONE) {
            const struct kb_role *role = &x->realm->roles[binding->role];
            kb_buf_adds(b, "role ");
            if (role->client_role) {
                kb_buf_add_visible(b, kb_realm_str(x->realm, role->client ? role->client : role->container));
                kb_buf_addc(b, ':');
            }
            kb_buf_add_visible(b, kb_realm_str(x->realm, role->name));
        } else if (binding->group != KB_NONE) {
            kb_buf_adds(b, "group ");
            kb_buf_add_visible(b, kb_realm_str(x->realm, x->realm->groups[binding->group].path));
            kb_buf_adds(b, binding->rule->subgroups ? " or one below it" : "");
        } else {
            kb_buf_adds(b, "a role or group that the realm does not have");
        }
        kb_buf_adds(b, ", which this person does not have\n");
    }
}

static void
held_by(const struct kb_plan_op *op, struct kb_buf *b)
{
    bool first = true;

    for (unsigned i = 0; i < KB_GUARD_MAX_; i++) {
        if (!(op->held_by & 1u << i))
            continue;
        kb_buf_addf(b, "%s%s", first ? ", held by guard " : ", ", kb_guard_name((enum kb_guard_id) i));
        first = false;
    }
}

static void
plan_line(const struct kb_explain *x, const struct kb_explain_group *g, struct kb_buf *b)
{
    if (g->op != KB_NONE) {
        const struct kb_plan_op *op = &x->plan->ops[g->op];
        kb_buf_addf(b, "    plan: %s (%s)", op->op == KB_OP_ADD ? "add" : "remove", kb_cause_name(op->cause));
        held_by(op, b);
        if (op->op == KB_OP_REMOVE) {
            kb_buf_adds(b, "; ");
            view_reason(x->plan, op, false, b);
        }
        kb_buf_addc(b, '\n');
    }
    if (g->note) {
        kb_buf_adds(b, "    left alone: ");
        kb_buf_add_visible(b, g->note);
        kb_buf_addc(b, '\n');
    }
    if (g->frozen) {
        kb_buf_adds(b, "    frozen: ");
        kb_buf_add_visible(b, g->frozen);
        kb_buf_addc(b, '\n');
    }
}

static void
group(const struct kb_explain *x, const struct kb_explain_group *g, const struct report_ledger *ledger,
      struct kb_buf *b)
{
    static const char *const present[] = {"; not known whether present in Databricks",
                                          "; not present in Databricks", "; present in Databricks"};
    char at[KB_TIME_SIZE];

    kb_buf_adds(b, "\n  ");
    kb_buf_add_visible(b, x->scope->managed[g->managed].name);
    kb_buf_adds(b, g->desired ? ": desired"
                   : g->holds ? ": not desired, though a path leads here"
                              : ": not desired");
    kb_buf_adds(b, present[g->present]);
    if (g->group == KB_NONE)
        kb_buf_adds(b, " (no such group)");
    if (ledger->at_s)
        kb_buf_addf(b, "; in the ledger since %s", kb_time_format(ledger->at_s, at));
    kb_buf_addc(b, '\n');
    for (uint32_t i = 0; g->path != KB_NONE && i < x->paths.ops[g->path].reasons_len; i++)
        path(&x->paths, &x->paths.reasons[x->paths.ops[g->path].reasons_start + i], b);
    if (!g->holds)
        asked(x, g, b);
    plan_line(x, g, b);
}

void
report_explain_text(const struct kb_explain *x, const struct report_ledger *ledger, struct kb_buf *b)
{
    person(x, b);
    if (x->paths.events_note) {
        kb_buf_adds(b, "  admin events: ");
        kb_buf_add_visible(b, kb_plan_str(&x->paths, x->paths.events_note));
        kb_buf_addc(b, '\n');
    }
    for (uint32_t i = 0; i < x->groups_len; i++)
        group(x, &x->groups[i], &ledger[i], b);
    if (x->others)
        kb_buf_addf(b,
                    "\n  in none of the other %u managed groups; explain USER GROUP says what is missing\n",
                    x->others);
}

/* ---- JSON: keys in RFC 8785 order ---- */

static void
string(const char *lead, const char *s, struct kb_buf *b)
{
    kb_buf_adds(b, lead);
    if (s)
        kb_buf_add_json(b, s);
    else
        kb_buf_adds(b, "null");
}

static void
json_asked(const struct kb_explain *x, const struct kb_explain_group *g, struct kb_buf *b)
{
    const struct kb_managed *m = &x->scope->managed[g->managed];

    for (uint32_t i = m->bindings_start; !g->holds && i < m->bindings_start + m->bindings_len; i++) {
        const struct kb_binding *binding = &x->scope->bindings[i];
        kb_buf_adds(b, i > m->bindings_start ? "," : "");
        if (binding->group != KB_NONE)
            string("{\"path\":", kb_realm_str(x->realm, x->realm->groups[binding->group].path), b);
        else if (binding->role == KB_NONE)
            kb_buf_adds(b, "{\"role\":null");
        else
            string("{\"role\":", kb_realm_str(x->realm, x->realm->roles[binding->role].name), b);
        kb_buf_addf(b, ",\"rule\":%u}", binding->rule->number);
    }
}

static void
json_operation(const struct kb_explain *x, const struct kb_explain_group *g, struct kb_buf *b)
{
    const struct kb_plan_op *op = g->op == KB_NONE ? NULL : &x->plan->ops[g->op];
    bool first = true;

    if (!op) {
        kb_buf_adds(b, ",\"operation\":null");
        return;
    }
    kb_buf_addf(b, ",\"operation\":{\"cause\":\"%s\",\"held_by\":[", kb_cause_name(op->cause));
    for (unsigned i = 0; i < KB_GUARD_MAX_; i++) {
        if (!(op->held_by & 1u << i))
            continue;
        kb_buf_addf(b, "%s\"%s\"", first ? "" : ",", kb_guard_name((enum kb_guard_id) i));
        first = false;
    }
    kb_buf_addf(b, "],\"op\":\"%s\",\"state\":\"%s\"}", kb_op_name(op->op), kb_op_state_name(op->state));
}

static void
json_group(const struct kb_explain *x, const struct kb_explain_group *g, const struct report_ledger *ledger,
           struct kb_buf *b)
{
    static const char *const present[] = {"null", "false", "true"};
    char at[KB_TIME_SIZE];
    struct kb_error ignored = {0};

    kb_buf_adds(b, "{\"asks\":[");
    json_asked(x, g, b);
    kb_buf_addf(b, "],\"desired\":%s", g->desired ? "true" : "false");
    string(",\"frozen\":", g->frozen, b);
    kb_buf_addf(b, ",\"holds\":%s,\"ledger\":", g->holds ? "true" : "false");
    if (ledger->at_s)
        kb_buf_addf(b, "{\"reasons\":%s,\"since\":\"%s\"}",
                    ledger->reason_json && *ledger->reason_json ? ledger->reason_json : "[]",
                    kb_time_format(ledger->at_s, at));
    else
        kb_buf_adds(b, "null");
    string(",\"name\":", x->scope->managed[g->managed].name, b);
    string(",\"note\":", g->note, b);
    json_operation(x, g, b);
    kb_buf_addf(b, ",\"present\":%s,\"reasons\":", present[g->present]);
    if (g->path == KB_NONE)
        kb_buf_adds(b, "[]");
    else if (kb_reasons_write(&x->paths, &x->paths.ops[g->path], b, &ignored) < 0)
        b->failed = true;
    kb_buf_addc(b, '}');
}

void
report_explain_json(const struct kb_explain *x, const struct report_ledger *ledger, struct kb_buf *b)
{
    string("{\"events\":", x->paths.events_note ? kb_plan_str(&x->paths, x->paths.events_note) : NULL, b);
    kb_buf_adds(b, ",\"groups\":[");
    for (uint32_t i = 0; i < x->groups_len; i++) {
        kb_buf_adds(b, i ? "," : "");
        json_group(x, &x->groups[i], &ledger[i], b);
    }
    kb_buf_addf(b, "],\"other_groups\":%u,\"principal\":", x->others);
    if (x->principal == KB_NONE) {
        kb_buf_adds(b, "null");
    } else {
        const struct kb_principal *p = &x->target->principals[x->principal];
        string("{\"id\":", kb_target_str(x->target, p->id), b);
        kb_buf_addf(b, ",\"kind\":\"%s\"", kb_principal_kind_name(p->kind));
        string(",\"name\":", kb_target_str(x->target, p->name), b);
        kb_buf_addc(b, '}');
    }
    kb_buf_adds(b, ",\"source\":");
    if (x->user == KB_NONE) {
        kb_buf_adds(b, "null");
    } else {
        const struct kb_user *u = &x->realm->users[x->user];
        string("{\"email\":", u->email ? user_text(x, u->email) : NULL, b);
        kb_buf_addf(b, ",\"enabled\":%s", u->flags & KB_USER_ENABLED ? "true" : "false");
        string(",\"id\":", user_text(x, u->id), b);
        string(",\"username\":", user_text(x, u->username), b);
        kb_buf_addc(b, '}');
    }
    string(",\"verdict\":", kb_explain_verdict(x), b);
    kb_buf_addc(b, '}');
}
