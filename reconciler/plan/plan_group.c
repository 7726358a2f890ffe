#include "base/ban.h"

#include "reconciler/plan/plan_group.h"

#include "base/mem.h"
#include "reconciler/plan/fingerprint.h"
#include "reconciler/plan/guards.h"
#include "reconciler/plan/plan_left.h"
#include "reconciler/plan/plan_rows.h"

#define NOTE_SIZE 512
#define GROUPS_MAX (1u << 24)
#define GUARDS_MAX (1u << 26)

/* Whoever calls with an incomplete listing has failed the run already; nothing may come of it here either.
 * Not asked: there are no service principals to match, or everything is from the snapshot. */
static const char *
bad_listing(const struct kb_target *target)
{
    const struct kb_read *reads[] = {&target->users_read, &target->services_read, &target->groups_read};
    static const char *const notes[] = {"the list of Databricks users is not complete",
                                        "the list of Databricks service principals is not complete",
                                        "the list of Databricks groups is not complete"};

    for (size_t i = 0; i < KB_LEN(reads); i++) {
        if (reads[i]->status != KB_READ_NOT_ASKED && !kb_read_ok(reads[i]))
            return notes[i];
    }
    return NULL;
}

static const char *
bad_members(const struct kb_target *target, const struct kb_target_group *group, char buf[NOTE_SIZE])
{
    if (group->read.status != KB_READ_NOT_ASKED && !kb_read_ok(&group->read)) {
        char lead[64];
        (void) snprintf(lead, sizeof(lead), "members %s%s", kb_read_status_name(group->read.status),
                        group->read.note ? ": " : "");
        kb_plan_note(buf, NOTE_SIZE, lead, kb_target_str(target, group->read.note), "");
        return buf;
    }
    return group->from == KB_MEMBERS_NONE ? "its members were not read" : NULL;
}

/* What the source says against the group. */
static const char *
bad_source(const struct kb_plan_work *work, const struct kb_plan_job *job, char buf[NOTE_SIZE])
{
    if (job->desired->frozen_note) {
        kb_plan_note(buf, NOTE_SIZE, "", job->desired->frozen_note, "");
        return buf;
    }
    if (job->rule->ambiguous_path)
        return "a rule's path fits several groups of the realm (names with '/')";
    return bad_listing(work->in->target);
}

/* NULL: may be touched. Sets job->group. */
static const char *
why_frozen(struct kb_plan_work *work, struct kb_plan_job *job, char buf[NOTE_SIZE])
{
    const struct kb_target *target = work->in->target;
    const struct kb_target_group *group;
    const char *other, *note = bad_source(work, job, buf);
    bool twice;

    if (note)
        return note;
    job->group = kb_plan_find_group(work, job->rule->name, &other, &twice);
    if (twice)
        return "name is not unique";
    if (job->group == KB_NONE) {
        if (other) {
            kb_plan_note(buf, NOTE_SIZE, "name differs only in case: ", other, "");
            return buf;
        }
        if (job->protected_group)
            return "no such group, and its name is protected";
        return job->rule->create ? NULL : "no such group";
    }
    group = &target->groups[job->group];
    if (group->local && strcmp(kb_target_str(target, target->level), "workspace") != 0)
        return "wrong level: a group of one workspace; use level = \"workspace\"";
    if (group->account && !strcmp(kb_target_str(target, target->level), "workspace"))
        return "wrong level: a group of the account; use level = \"account\" or \"workspace_proxy\"";
    if (group->hidden)
        return group->external_id
                   ? "owned by automatic identity management: no listing shows it, but it exists"
                   : "it exists, but no listing shows it";
    if (group->external_id && !job->rule->adopt_external)
        return "owned by another provisioner";
    return bad_members(target, group, buf);
}

static int
compare_ops(const void *a, const void *b, void *userdata)
{
    const struct kb_plan_op *x = a, *y = b;
    const struct kb_plan *plan = userdata;
    int c = strcmp(kb_op_name(x->op), kb_op_name(y->op));

    if (!c)
        c = strcmp(kb_principal_kind_name(x->kind), kb_principal_kind_name(y->kind));
    if (!c)
        c = strcmp(kb_plan_str(plan, x->name), kb_plan_str(plan, y->name));
    return c ? c : strcmp(kb_plan_str(plan, x->id), kb_plan_str(plan, y->id));
}

static int
set_precondition(struct kb_plan_work *work, const struct kb_plan_job *job, struct kb_plan_group *group)
{
    const struct kb_target *target = work->in->target;
    const struct kb_u32s *members = job->group == KB_NONE ? NULL : &target->groups[job->group].members;
    uint32_t len = members ? members->len : 0;
    KB_CLEANUP(kb_free) const char **ids = malloc(((size_t) len + 1) * sizeof(*ids));

    if (!ids)
        return kb_plan_nomem(work);
    for (uint32_t i = 0; i < len; i++)
        ids[i] = kb_target_str(target, target->principals[members->v[i]].id);
    group->precondition_members = group->before = group->after = len;
    return kb_members_digest(ids, len, group->precondition) ? 0 : kb_plan_nomem(work);
}

static int
add_member_guards(struct kb_plan_work *work, const struct kb_plan_job *job, struct kb_plan_group *group)
{
    static const uint8_t ids[KB_DROP_MAX_] = {[KB_DROP_GROUP] = KB_GUARD_PROTECTED_GROUP,
                                              [KB_DROP_MEMBER] = KB_GUARD_PROTECTED_MEMBER,
                                              [KB_DROP_SELF] = KB_GUARD_SELF_CHECK};
    struct kb_plan *plan = work->plan;

    group->guards_start = plan->guards_len;
    for (unsigned i = 0; i < KB_DROP_MAX_; i++) {
        if (!job->dropped[i])
            continue;
        if (!kb_grow(&plan->guards, &plan->guards_cap, (size_t) plan->guards_len + 1, sizeof(*plan->guards),
                     GUARDS_MAX))
            return kb_plan_nomem(work);
        plan->guards[plan->guards_len++] = (struct kb_plan_guard){
            .id = ids[i], .scope = KB_SCOPE_MEMBER, .tripped = true, .value = job->dropped[i]};
        group->guards_len++;
    }
    return 0;
}

static int
list_group(struct kb_plan_work *work, const struct kb_plan_job *job, bool create, uint32_t ops_start)
{
    const struct kb_target *target = work->in->target;
    struct kb_plan *plan = work->plan;
    struct kb_plan_group group = {.name = job->text,
                                  .create = create,
                                  .privileged = job->rule->privileged,
                                  .ops_start = ops_start,
                                  .ops_len = plan->ops_len - ops_start};
    int r;

    if (job->group != KB_NONE)
        group.id = kb_pool_adds(&plan->pool, kb_target_str(target, target->groups[job->group].id));
    if (group.id == KB_NONE || !kb_grow(&plan->groups, &plan->groups_cap, (size_t) plan->groups_len + 1,
                                        sizeof(*plan->groups), GROUPS_MAX))
        return kb_plan_nomem(work);
    if (group.ops_len)
        qsort_r(&plan->ops[ops_start], group.ops_len, sizeof(*plan->ops), compare_ops, plan);
    r = set_precondition(work, job, &group);
    if (r >= 0)
        r = add_member_guards(work, job, &group);
    if (r < 0)
        return r;
    if (group.ops_len && job->group != KB_NONE && target->groups[job->group].from == KB_MEMBERS_SNAPSHOT &&
        !kb_u32s_add(&work->needs->target_groups, job->group))
        return kb_plan_nomem(work);
    plan->groups[plan->groups_len++] = group;
    return 0;
}

int
kb_plan_group_make(struct kb_plan_work *work, struct kb_plan_job *job)
{
    struct kb_plan *plan = work->plan;
    uint32_t ops_start = plan->ops_len;
    const char *frozen;
    char buf[NOTE_SIZE];
    bool create, listed;
    int r;

    job->text = kb_pool_adds(&plan->pool, job->rule->name);
    job->group = KB_NONE;
    if (job->text == KB_NONE)
        return kb_plan_nomem(work);
    job->protected_group = kb_guard_group_protected(work->in->rules, job->rule->name);
    if (work->in->may_ask && !work->in->realm->organizations_asked && !job->desired->users.len)
        work->needs->organizations = true;
    frozen = why_frozen(work, job, buf);
    if (frozen)
        return kb_left_freeze(work, job, frozen);

    r = job->protected_group ? 0 : kb_left_people(work, job);
    if (r >= 0)
        r = kb_plan_rows(work, job);
    if (r < 0)
        return r;
    create = job->group == KB_NONE;
    /* a narrowed selection makes only the groups that it puts somebody in */
    if (create && work->in->users && plan->ops_len == ops_start)
        return 0;
    listed = create || plan->ops_len > ops_start;
    for (unsigned i = 0; i < KB_DROP_MAX_; i++)
        listed = listed || job->dropped[i];
    return listed ? list_group(work, job, create, ops_start) : 0;
}
