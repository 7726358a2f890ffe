#include "base/ban.h"

#include "reconciler/plan/file_fields.h"

#include "base/json.h"
#include "base/str.h"
#include "model/target.h"
#include "reconciler/plan/file.h"
#include "reconciler/plan/reason.h"

#define GROUP_AT_SIZE 40
#define OP_AT_SIZE 96
#define TEXT_LEN_MAX (64u << 10) /* of a text in the pool */
#define ROWS_MAX (1u << 24)      /* groups, operations, guards, reasons of one document */
#define VIA_MAX 256u             /* steps of one path */
#define ID_LEN_MAX 19u           /* digits of a Databricks id */

struct fields {
    struct kb_plan *plan;
    struct kb_error *err;
};

static int
bad(struct fields *f, const char *at, const char *key, const char *what)
{
    return kb_fail(f->err, KB_E_PROTOCOL, "%s%s%s: %s", at, *at ? "." : "", key, what);
}

static int
nomem(struct fields *f)
{
    return kb_fail(f->err, KB_E_NOMEM, "plan file: out of memory");
}

static int
text(struct fields *f, const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
     kb_text *ret)
{
    const char *s = NULL;
    int r = kb_json_str(obj, at, key, need, &s, f->err);

    if (r < 0 || !s)
        return r;
    if (strlen(s) > TEXT_LEN_MAX)
        return bad(f, at, key, "longer than 64 KiB");
    *ret = kb_pool_adds(&f->plan->pool, s);
    return *ret == KB_NONE ? nomem(f) : 0;
}

static int
count(struct fields *f, const struct json_object *obj, const char *at, const char *key, uint32_t *ret)
{
    int64_t value = 0;
    int r = kb_json_i64(obj, at, key, KB_JSON_REQUIRED, &value, f->err);

    if (r < 0)
        return r;
    if (value < 0 || value > UINT32_MAX)
        return bad(f, at, key, "out of range");
    *ret = (uint32_t) value;
    return 0;
}

static int
digest(struct fields *f, const struct json_object *obj, const char *at, const char *key,
       char ret[KB_DIGEST_SIZE])
{
    uint8_t bytes[KB_HASH_SIZE];
    const char *s = NULL;
    int r = kb_json_str(obj, at, key, KB_JSON_REQUIRED, &s, f->err);

    if (r < 0)
        return r;
    if (strlen(s) != KB_DIGEST_SIZE - 1 || strncmp(s, "sha256:", 7) != 0 ||
        !kb_unhex(s + 7, bytes, sizeof(bytes)))
        return bad(f, at, key, "not a SHA-256 digest");
    memcpy(ret, s, KB_DIGEST_SIZE);
    return 0;
}

/* One of a few words; *ret is its place. */
static int
word(struct fields *f, const struct json_object *obj, const char *at, const char *key,
     const char *(*name)(unsigned), unsigned len, uint8_t *ret)
{
    const char *s = NULL;
    int r = kb_json_str(obj, at, key, KB_JSON_REQUIRED, &s, f->err);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < len; i++) {
        if (!strcmp(name(i), s)) {
            *ret = (uint8_t) i;
            return 0;
        }
    }
    return bad(f, at, key, "unknown word");
}

static const char *
op_word(unsigned i)
{
    return kb_op_name(i);
}

static const char *
state_word(unsigned i)
{
    return kb_op_state_name(i);
}

static const char *
cause_word(unsigned i)
{
    return kb_cause_name(i);
}

static const char *
guard_word(unsigned i)
{
    return kb_guard_name(i);
}

static const char *
scope_word(unsigned i)
{
    return i == KB_SCOPE_RUN ? "run" : i == KB_SCOPE_GROUP ? "group" : "member";
}

static const char *
unit_word(unsigned i)
{
    return i ? "percent" : "count";
}

static const char *
action_word(unsigned i)
{
    return i ? "create" : "update";
}

static int
time_at(struct fields *f, const struct json_object *obj, const char *at, const char *key, int64_t *ret)
{
    const char *s = NULL;
    int r = kb_json_str(obj, at, key, KB_JSON_REQUIRED, &s, f->err);

    if (r < 0)
        return r;
    return kb_time_parse(s, ret) ? 0 : bad(f, at, key, "not a time");
}

static int
via(struct fields *f, const struct json_object *list, const char *at, struct kb_reason *reason)
{
    struct kb_plan *plan = f->plan;
    size_t len = json_object_array_length(list);

    if (len > VIA_MAX)
        return bad(f, at, "via", "too many steps");
    reason->via_start = plan->via_len;
    for (size_t i = 0; i < len; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *s;
        if (!json_object_is_type(item, json_type_string))
            return bad(f, at, "via", "not a string");
        s = json_object_get_string(item);
        if (strlen(s) != (size_t) json_object_get_string_len(item) || strlen(s) > TEXT_LEN_MAX)
            return bad(f, at, "via", "not a text");
        if (!kb_grow(&plan->via, &plan->via_cap, (size_t) plan->via_len + 1, sizeof(*plan->via), ROWS_MAX))
            return nomem(f);
        plan->via[plan->via_len] = kb_pool_adds(&plan->pool, s);
        if (plan->via[plan->via_len] == KB_NONE)
            return nomem(f);
        plan->via_len++;
        reason->via_len++;
    }
    return 0;
}

static int
reason_fields(struct fields *f, const struct json_object *obj, const char *at, struct kb_reason *reason)
{
    const struct json_object *event = NULL, *list = NULL;
    struct json_object *role = NULL, *path = NULL;
    int r;

    reason->is_path = json_object_object_get_ex(obj, "path", &path);
    if (reason->is_path && json_object_object_get_ex(obj, "role", &role))
        return bad(f, at, "role", "role and path");
    r = text(f, obj, at, reason->is_path ? "path" : "role", KB_JSON_REQUIRED, &reason->object);
    if (r >= 0)
        r = count(f, obj, at, "rule", &reason->rule);
    if (r >= 0)
        r = kb_json_arr(obj, at, "via", KB_JSON_REQUIRED, &list, f->err);
    if (r >= 0)
        r = via(f, list, at, reason);
    if (r >= 0)
        r = kb_json_obj(obj, at, "event", KB_JSON_OPTIONAL, &event, f->err);
    if (r < 0 || !event)
        return r;
    r = time_at(f, event, at, "at", &reason->event_at_s);
    return r < 0 ? r : text(f, event, at, "by", KB_JSON_REQUIRED, &reason->event_by);
}

static int
reasons(struct fields *f, const struct json_object *list, const char *at, struct kb_plan_op *op)
{
    struct kb_plan *plan = f->plan;
    size_t len = json_object_array_length(list);

    if (len > KB_REASON_PATHS_MAX)
        return bad(f, at, "reasons", "too many");
    op->reasons_start = plan->reasons_len;
    for (size_t i = 0; i < len; i++) {
        const struct json_object *item = json_object_array_get_idx(list, i);
        struct kb_reason reason = {0};
        int r;
        if (!json_object_is_type(item, json_type_object))
            return bad(f, at, "reasons", "not an object");
        r = reason_fields(f, item, at, &reason);
        if (r < 0)
            return r;
        if (!kb_grow(&plan->reasons, &plan->reasons_cap, (size_t) plan->reasons_len + 1,
                     sizeof(*plan->reasons), ROWS_MAX))
            return nomem(f);
        plan->reasons[plan->reasons_len++] = reason;
        op->reasons_len++;
    }
    return 0;
}

int
kb_reasons_read(struct kb_plan *plan, struct kb_plan_op *op, const char *json, size_t size,
                struct kb_error *err)
{
    struct fields f = {plan, err};
    KB_CLEANUP(json) struct json_object *doc = NULL;
    uint32_t reasons_len = plan->reasons_len, via_len = plan->via_len;
    int r = kb_json_parse(json, size, &doc, err);

    op->reasons_start = op->reasons_len = 0;
    if (r >= 0 && !json_object_is_type(doc, json_type_array))
        r = bad(&f, "", "reasons", "not an array");
    if (r >= 0)
        r = reasons(&f, doc, "reasons", op);
    if (r < 0) {
        op->reasons_len = 0;
        plan->reasons_len = reasons_len;
        plan->via_len = via_len;
        return kb_fail_prefix(err, "recorded reasons");
    }
    return 0;
}

static int
op_fields(struct fields *f, const struct json_object *obj, const char *at, struct kb_plan_op *op)
{
    const struct json_object *principal = NULL, *list = NULL;
    int r;

    r = word(f, obj, at, "op", op_word, KB_OP_MAX_, &op->op);
    if (r >= 0)
        r = word(f, obj, at, "state", state_word, KB_OP_STATE_MAX_, &op->state);
    if (r >= 0)
        r = word(f, obj, at, "cause", cause_word, KB_CAUSE_MAX_, &op->cause);
    if (r >= 0)
        r = text(f, obj, at, "source_id", KB_JSON_REQUIRED, &op->source_id);
    if (r >= 0)
        r = kb_json_obj(obj, at, "principal", KB_JSON_REQUIRED, &principal, f->err);
    if (r >= 0)
        r = word(f, principal, at, "kind", kb_principal_kind_name, KB_PRINCIPAL_KIND_MAX_, &op->kind);
    if (r >= 0)
        r = text(f, principal, at, "id", KB_JSON_REQUIRED, &op->id);
    if (r >= 0)
        r = text(f, principal, at, "name", KB_JSON_REQUIRED, &op->name);
    if (r >= 0)
        r = text(f, principal, at, "display", KB_JSON_OPTIONAL, &op->display);
    if (r < 0)
        return r;
    const char *id = kb_plan_str(f->plan, op->id);
    bool to_be_made = kb_principal_is_new(id) && op->op == KB_OP_ADD && op->kind == KB_PRINCIPAL_USER &&
                      !strcmp(id + strlen(KB_PRINCIPAL_NEW), kb_plan_str(f->plan, op->source_id));
    if (!to_be_made && !kb_is_digits(id, 1, ID_LEN_MAX))
        return bad(f, at, "principal.id", "not 1 to 19 digits");
    r = kb_json_arr(obj, at, "reasons", KB_JSON_REQUIRED, &list, f->err);
    return r < 0 ? r : reasons(f, list, at, op);
}

/* Operations are sorted by (op, kind, name): what the report shows is what a reader may compare. */
static bool
op_before(const struct kb_plan *plan, const struct kb_plan_op *a, const struct kb_plan_op *b)
{
    int c = strcmp(kb_op_name(a->op), kb_op_name(b->op));

    if (!c)
        c = strcmp(kb_principal_kind_name(a->kind), kb_principal_kind_name(b->kind));
    if (!c)
        c = strcmp(kb_plan_str(plan, a->name), kb_plan_str(plan, b->name));
    if (!c)
        c = strcmp(kb_plan_str(plan, a->id), kb_plan_str(plan, b->id));
    return c < 0;
}

static int
ops(struct fields *f, const struct json_object *list, const char *at, struct kb_plan_group *group)
{
    struct kb_plan *plan = f->plan;
    size_t len = json_object_array_length(list);

    group->ops_start = plan->ops_len;
    for (size_t i = 0; i < len; i++) {
        const struct json_object *item = json_object_array_get_idx(list, i);
        struct kb_plan_op op = {0};
        char here[OP_AT_SIZE];
        int r;
        (void) snprintf(here, sizeof(here), "%.39s.operations[%zu]", at, i);
        if (!json_object_is_type(item, json_type_object))
            return bad(f, here, "", "not an object");
        r = op_fields(f, item, here, &op);
        if (r < 0)
            return r;
        if (i && !op_before(plan, &plan->ops[plan->ops_len - 1], &op))
            return bad(f, here, "", "operations are not sorted");
        if (!kb_grow(&plan->ops, &plan->ops_cap, (size_t) plan->ops_len + 1, sizeof(*plan->ops), ROWS_MAX))
            return nomem(f);
        plan->ops[plan->ops_len++] = op;
        group->ops_len++;
    }
    return 0;
}

static int
guards(struct fields *f, const struct json_object *list, const char *at, bool run, uint32_t *ret_len)
{
    struct kb_plan *plan = f->plan;
    size_t len = json_object_array_length(list);

    for (size_t i = 0; i < len; i++) {
        const struct json_object *item = json_object_array_get_idx(list, i);
        struct kb_plan_guard guard = {0};
        uint8_t percent = 0;
        int r;
        if (!json_object_is_type(item, json_type_object))
            return bad(f, at, "guards", "not an object");
        r = word(f, item, at, "name", guard_word, KB_GUARD_MAX_, &guard.id);
        if (r >= 0)
            r = word(f, item, at, "scope", scope_word, KB_SCOPE_MEMBER + 1, &guard.scope);
        if (r >= 0)
            r = word(f, item, at, "unit", unit_word, 2, &percent);
        if (r >= 0)
            r = kb_json_bool(item, at, "tripped", KB_JSON_REQUIRED, &guard.tripped, f->err);
        if (r >= 0)
            r = kb_json_i64(item, at, "limit", KB_JSON_REQUIRED, &guard.limit, f->err);
        if (r >= 0)
            r = kb_json_i64(item, at, "value", KB_JSON_REQUIRED, &guard.value, f->err);
        if (r < 0)
            return r;
        if (run != (guard.scope == KB_SCOPE_RUN))
            return bad(f, at, "guards", "a guard of another scope");
        guard.percent = percent;
        if (!kb_grow(&plan->guards, &plan->guards_cap, (size_t) plan->guards_len + 1, sizeof(*plan->guards),
                     ROWS_MAX))
            return nomem(f);
        plan->guards[plan->guards_len++] = guard;
        (*ret_len)++;
    }
    return 0;
}

static int
group_fields(struct fields *f, const struct json_object *obj, const char *at, struct kb_plan_group *group)
{
    const struct json_object *precondition = NULL, *list = NULL;
    uint8_t create = 0;
    int r;

    r = text(f, obj, at, "name", KB_JSON_REQUIRED, &group->name);
    if (r >= 0)
        r = text(f, obj, at, "id", KB_JSON_REQUIRED, &group->id);
    if (r >= 0)
        r = word(f, obj, at, "action", action_word, 2, &create);
    if (r >= 0)
        r = word(f, obj, at, "state", state_word, KB_OP_STATE_MAX_, &group->state);
    if (r >= 0)
        r = digest(f, obj, at, "fingerprint", group->fingerprint);
    if (r >= 0)
        r = count(f, obj, at, "before", &group->before);
    if (r >= 0)
        r = count(f, obj, at, "after", &group->after);
    if (r >= 0)
        r = kb_json_obj(obj, at, "precondition", KB_JSON_REQUIRED, &precondition, f->err);
    if (r >= 0)
        r = digest(f, precondition, at, "digest", group->precondition);
    if (r >= 0)
        r = count(f, precondition, at, "members", &group->precondition_members);
    if (r < 0)
        return r;
    group->create = create;
    group->create_state = create ? group->state : (uint8_t) KB_OP_READY;
    if (group->id && !kb_is_digits(kb_plan_str(f->plan, group->id), 1, ID_LEN_MAX))
        return bad(f, at, "id", "not 1 to 19 digits");
    r = kb_json_arr(obj, at, "operations", KB_JSON_REQUIRED, &list, f->err);
    if (r >= 0)
        r = ops(f, list, at, group);
    if (r >= 0)
        r = kb_json_arr(obj, at, "guards", KB_JSON_REQUIRED, &list, f->err);
    group->guards_start = f->plan->guards_len;
    return r < 0 ? r : guards(f, list, at, false, &group->guards_len);
}

int
kb_plan_group_fields(const struct json_object *obj, size_t index, struct kb_plan *plan, struct kb_error *err)
{
    struct fields f = {plan, err};
    struct kb_plan_group group = {0};
    char at[GROUP_AT_SIZE];
    int r;

    (void) snprintf(at, sizeof(at), "groups[%zu]", index);
    if (!json_object_is_type(obj, json_type_object))
        return bad(&f, at, "", "not an object");
    r = group_fields(&f, obj, at, &group);
    if (r < 0)
        return r;
    if (!kb_grow(&plan->groups, &plan->groups_cap, (size_t) plan->groups_len + 1, sizeof(*plan->groups),
                 ROWS_MAX))
        return nomem(&f);
    plan->groups[plan->groups_len++] = group;
    return 0;
}

/* Those of the run come first in a plan, and last in the document. */
static int
run_guards(struct fields *f, const struct json_object *list)
{
    struct kb_plan *plan = f->plan;
    uint32_t before = plan->guards_len, len = 0;
    int r = guards(f, list, "run", true, &len);
    KB_CLEANUP(kb_free) struct kb_plan_guard *run = NULL;

    if (r < 0 || !len)
        return r;
    run = malloc(len * sizeof(*run));
    if (!run)
        return nomem(f);
    memcpy(run, plan->guards + before, len * sizeof(*run));
    memmove(plan->guards + len, plan->guards, before * sizeof(*plan->guards));
    memcpy(plan->guards, run, len * sizeof(*run));
    for (uint32_t i = 0; i < plan->groups_len; i++)
        plan->groups[i].guards_start += len;
    plan->run_guards_len = len;
    return 0;
}

static int
left_list(struct fields *f, const struct json_object *list, unsigned which)
{
    struct kb_plan *plan = f->plan;
    const char *at = kb_left_name(which);
    size_t len = json_object_array_length(list);

    for (size_t i = 0; i < len; i++) {
        const struct json_object *item = json_object_array_get_idx(list, i);
        struct kb_left_alone left = {.list = (uint8_t) which};
        int r;
        if (!json_object_is_type(item, json_type_object))
            return bad(f, at, "", "not an object");
        r = text(f, item, at, "group", KB_JSON_REQUIRED, &left.group);
        if (r >= 0)
            r = text(f, item, at, "name", KB_JSON_REQUIRED, &left.name);
        if (r >= 0)
            r = text(f, item, at, "note", KB_JSON_REQUIRED, &left.note);
        if (r < 0)
            return r;
        if (!kb_grow(&plan->left, &plan->left_cap, (size_t) plan->left_len + 1, sizeof(*plan->left),
                     ROWS_MAX))
            return nomem(f);
        plan->left[plan->left_len++] = left;
    }
    return 0;
}

static int
left_alone(struct fields *f, const struct json_object *doc)
{
    const struct json_object *lists = NULL;
    int r = kb_json_obj(doc, "", "left_alone", KB_JSON_REQUIRED, &lists, f->err);

    for (unsigned which = 0; r >= 0 && which < KB_LEFT_MAX_; which++) {
        const struct json_object *list = NULL;
        r = kb_json_arr(lists, "left_alone", kb_left_name(which), KB_JSON_REQUIRED, &list, f->err);
        if (r >= 0)
            r = left_list(f, list, which);
    }
    return r;
}

static int
run_fields(struct fields *f, const struct json_object *doc)
{
    const struct json_object *run = NULL;
    const char *id = NULL;
    int r = kb_json_obj(doc, "", "run", KB_JSON_REQUIRED, &run, f->err);

    if (r >= 0)
        r = kb_json_str(run, "run", "id", KB_JSON_REQUIRED, &id, f->err);
    if (r < 0)
        return r;
    if (strlen(id) >= sizeof(f->plan->run_id))
        return bad(f, "run", "id", "too long");
    memcpy(f->plan->run_id, id, strlen(id) + 1);
    r = time_at(f, run, "run", "at", &f->plan->at_s);
    return r < 0 ? r : text(f, run, "run", "tool", KB_JSON_REQUIRED, &f->plan->tool);
}

static int
source_fields(struct fields *f, const struct json_object *doc)
{
    const struct json_object *source = NULL;
    struct kb_plan *plan = f->plan;
    int r = kb_json_obj(doc, "", "source", KB_JSON_REQUIRED, &source, f->err);

    if (r >= 0)
        r = text(f, source, "source", "issuer", KB_JSON_REQUIRED, &plan->issuer);
    if (r >= 0)
        r = count(f, source, "source", "roles", &plan->source_roles);
    if (r >= 0)
        r = count(f, source, "source", "groups", &plan->source_groups);
    if (r >= 0)
        r = count(f, source, "source", "users", &plan->source_users);
    if (r >= 0)
        r = kb_json_bool(source, "source", "complete", KB_JSON_REQUIRED, &plan->source_complete, f->err);
    return r < 0 ? r : digest(f, source, "source", "digest", plan->source_digest);
}

static int
target_fields(struct fields *f, const struct json_object *doc)
{
    const struct json_object *target = NULL, *rules = NULL;
    struct kb_plan *plan = f->plan;
    int r = kb_json_obj(doc, "", "target", KB_JSON_REQUIRED, &target, f->err);

    if (r >= 0)
        r = text(f, target, "target", "name", KB_JSON_REQUIRED, &plan->target_name);
    if (r >= 0)
        r = text(f, target, "target", "level", KB_JSON_REQUIRED, &plan->target_level);
    if (r >= 0)
        r = text(f, target, "target", "host", KB_JSON_REQUIRED, &plan->target_host);
    if (r >= 0)
        r = count(f, target, "target", "groups", &plan->target_groups);
    if (r >= 0)
        r = count(f, target, "target", "memberships", &plan->target_memberships);
    if (r >= 0)
        r = kb_json_obj(doc, "", "rules", KB_JSON_REQUIRED, &rules, f->err);
    if (r >= 0)
        r = digest(f, rules, "rules", "digest", plan->rules_digest);
    return r < 0 ? r
                 : kb_json_bool(rules, "rules", "changed_since_last_apply", KB_JSON_REQUIRED,
                                &plan->rules_changed, f->err);
}

/* The other counts follow from the operations and are compared when the document is written again. */
static int
summary_fields(struct fields *f, const struct json_object *doc)
{
    const struct json_object *summary = NULL, *list = NULL;
    int r = kb_json_obj(doc, "", "summary", KB_JSON_REQUIRED, &summary, f->err);

    if (r >= 0)
        r = count(f, summary, "summary", "adopt", &f->plan->summary.adopt);
    if (r >= 0)
        r = count(f, summary, "summary", "create_users", &f->plan->summary.create_users);
    if (r >= 0)
        r = digest(f, doc, "", "fingerprint", f->plan->fingerprint);
    if (r >= 0)
        r = kb_json_arr(doc, "", "guards", KB_JSON_REQUIRED, &list, f->err);
    return r < 0 ? r : run_guards(f, list);
}

int
kb_plan_fields(const struct json_object *doc, struct kb_plan *plan, struct kb_error *err)
{
    struct fields f = {plan, err};
    int r = run_fields(&f, doc);

    if (r >= 0)
        r = source_fields(&f, doc);
    if (r >= 0)
        r = target_fields(&f, doc);
    if (r >= 0)
        r = summary_fields(&f, doc);
    return r < 0 ? r : left_alone(&f, doc);
}
