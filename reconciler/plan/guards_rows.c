#include "base/ban.h"

#include "reconciler/plan/guards_rows.h"

#include "base/mem.h"
#include "base/str.h"
#include "reconciler/plan/guards_source.h"

#define SMALL_GROUP 20 /* group_max_removals_small up to here, _percent above */

/* A base of nothing: each one is 100 %. */
static int64_t
percent_of(int64_t value, int64_t base)
{
    return value * 100 / (base > 0 ? base : 1);
}

static bool
set_count(struct kb_plan_guard *guard, int64_t value, int64_t limit)
{
    guard->value = value;
    guard->limit = limit;
    return value > limit;
}

static bool
set_percent(struct kb_plan_guard *guard, int64_t value, int64_t base, int64_t percent, int64_t floor)
{
    guard->value = percent_of(value, base);
    guard->limit = percent;
    return kb_guard_exceeds(value, base, percent, floor);
}

/* Ephemeral state forgets, so its limits are half. */
static int64_t
limit_of(const struct kb_guard_work *work, int64_t limit)
{
    return work->in->ephemeral ? limit / 2 : limit;
}

static int64_t
present(const struct kb_guard_work *work)
{
    return work->plan->target_memberships;
}

static bool
first_run(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_history *history = work->in->history;

    (void) set_count(guard, work->adds + work->removes + work->creates, 0);
    return work->in->limits->first_run && !history->any_success && !history->first_apply_done &&
           !work->in->saved_plan && !work->in->ephemeral;
}

static bool
max_removals_total(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    return set_count(guard, work->removes, limit_of(work, work->in->limits->max_removals_total));
}

static bool
max_removals_percent(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_limits *limits = work->in->limits;

    return set_percent(guard, work->removes, present(work), limits->max_removals_percent,
                       limits->max_removals_floor);
}

static bool
group_max_removals_percent(const struct kb_guard_work *work, const struct kb_guard_group *group,
                           struct kb_plan_guard *guard)
{
    return set_percent(guard, group->removes, group->group->before,
                       work->in->limits->group_max_removals_percent, 0) &&
           group->group->before > SMALL_GROUP;
}

static bool
group_max_removals_small(const struct kb_guard_work *work, const struct kb_guard_group *group,
                         struct kb_plan_guard *guard)
{
    return set_count(guard, group->removes, work->in->limits->group_max_removals_small) &&
           group->group->before <= SMALL_GROUP;
}

static bool
never_empty_from(const struct kb_guard_work *work, const struct kb_guard_group *group,
                 struct kb_plan_guard *guard)
{
    guard->value = group->group->before;
    guard->limit = work->in->limits->never_empty_from;
    return guard->value >= guard->limit && group->left <= 0;
}

static bool
removal_window_percent(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_limits *limits = work->in->limits;
    int64_t before = work->in->history->window_removals;

    return set_percent(guard, before + work->removes, present(work) + before, limits->removal_window_percent,
                       limits->removal_window_floor);
}

static bool
removal_window_total(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    return set_count(guard, work->in->history->window_removals + work->removes,
                     work->in->limits->removal_window_total);
}

static bool
max_additions_total(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    return set_count(guard, work->adds, limit_of(work, work->in->limits->max_additions_total));
}

static bool
max_additions_percent(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_limits *limits = work->in->limits;

    return set_percent(guard, work->adds, present(work), limits->max_additions_percent,
                       limits->max_additions_floor) &&
           work->in->history->any_success;
}

static bool
privileged_additions(const struct kb_guard_work *work, const struct kb_guard_group *group,
                     struct kb_plan_guard *guard)
{
    bool privileged = group->group->privileged ||
                      (group->managed != KB_NONE && work->in->scope->managed[group->managed].privileged);

    return set_count(guard, group->adds, work->in->limits->privileged_additions) && privileged;
}

static bool
min_members(const struct kb_guard_work *work, const struct kb_guard_group *group, struct kb_plan_guard *guard)
{
    if (group->managed != KB_NONE)
        guard->limit = work->in->scope->managed[group->managed].min_members;
    guard->value = group->left;
    return group->left < guard->limit && group->left < (int64_t) group->group->before;
}

static bool
max_group_creations(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    return set_count(guard, work->creates, limit_of(work, work->in->limits->max_group_creations));
}

static bool
max_user_creations(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    return set_count(guard, work->plan->summary.create_users,
                     limit_of(work, work->in->limits->max_user_creations));
}

static bool
rules_change_percent(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_limits *limits = work->in->limits;
    const struct kb_history *history = work->in->history;

    return set_percent(guard, history->managed_dropped, history->managed_last, limits->rules_change_percent,
                       limits->rules_change_floor);
}

static bool
source_object_gone(const struct kb_guard_work *work, const struct kb_guard_group *group,
                   struct kb_plan_guard *guard)
{
    const char *note = "no role or path of the realm gives this name any more";

    (void) set_count(guard, 1, 0);
    if (group->managed != KB_NONE)
        note = work->in->desired->groups[group->managed].gone_note;
    if (note)
        kb_buf_adds(work->note, note);
    return note && work->in->limits->source_object_gone;
}

static bool
quarantine(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_history *history = work->in->history;

    guard->value = history->failed_in_a_row;
    guard->limit = work->in->limits->quarantine;
    return history->quarantined || guard->value >= guard->limit;
}

static bool
is_disabled_in_directory(const struct kb_guard_work *work, const struct kb_guard_group *group,
                         const struct kb_plan_op *op)
{
    (void) work;
    (void) group;
    return op->cause == KB_CAUSE_DISABLED_IN_DIRECTORY;
}

static bool
undo_of_granted(const struct kb_guard_work *work, const struct kb_guard_group *group,
                struct kb_plan_guard *guard)
{
    const struct kb_plan_group *g = group->group;
    int64_t count = 0;

    for (uint32_t i = 0; i < g->ops_len; i++)
        count += kb_guard_contradicts(work, group, &work->plan->ops[g->ops_start + i]);
    return set_count(guard, count, 0) && work->in->limits->undo_of_granted;
}

static const struct kb_guard_row ROWS[KB_GUARD_MAX_] = {
    [KB_GUARD_FIRST_RUN] = {.holds = KB_HOLD_ALL, .run = first_run},
    [KB_GUARD_SOURCE_MIN_USERS] = {.holds = KB_HOLD_ALL, .needs_source = true, .run = kb_guard_min_users},
    [KB_GUARD_SOURCE_MIN_GROUPS] = {.holds = KB_HOLD_ALL, .needs_source = true, .run = kb_guard_min_groups},
    [KB_GUARD_CANARY] = {.holds = KB_HOLD_ALL, .always = true, .needs_source = true, .run = kb_guard_canary},
    [KB_GUARD_SOURCE_SHRINK_PERCENT] = {.holds = KB_HOLD_ALL,
                                        .percent = true,
                                        .needs_source = true,
                                        .run = kb_guard_shrink},
    [KB_GUARD_MAX_REMOVALS_TOTAL] = {.holds = KB_HOLD_REMOVALS, .run = max_removals_total},
    [KB_GUARD_MAX_REMOVALS_PERCENT] = {.holds = KB_HOLD_REMOVALS,
                                       .percent = true,
                                       .run = max_removals_percent},
    [KB_GUARD_GROUP_MAX_REMOVALS_PERCENT] = {.scope = KB_SCOPE_GROUP,
                                             .holds = KB_HOLD_REMOVALS,
                                             .percent = true,
                                             .group = group_max_removals_percent},
    [KB_GUARD_GROUP_MAX_REMOVALS_SMALL] = {.scope = KB_SCOPE_GROUP,
                                           .holds = KB_HOLD_REMOVALS,
                                           .group = group_max_removals_small},
    [KB_GUARD_NEVER_EMPTY_FROM] = {.scope = KB_SCOPE_GROUP,
                                   .holds = KB_HOLD_REMOVALS,
                                   .last = true,
                                   .group = never_empty_from},
    [KB_GUARD_REMOVAL_WINDOW_PERCENT] = {.holds = KB_HOLD_REMOVALS,
                                         .percent = true,
                                         .run = removal_window_percent},
    [KB_GUARD_REMOVAL_WINDOW_TOTAL] = {.holds = KB_HOLD_REMOVALS, .run = removal_window_total},
    [KB_GUARD_MAX_ADDITIONS_TOTAL] = {.holds = KB_HOLD_ADDS, .run = max_additions_total},
    [KB_GUARD_MAX_ADDITIONS_PERCENT] = {.holds = KB_HOLD_ADDS, .percent = true, .run = max_additions_percent},
    [KB_GUARD_PRIVILEGED_ADDITIONS] = {.scope = KB_SCOPE_GROUP,
                                       .holds = KB_HOLD_ADDS,
                                       .needs_source = true,
                                       .group = privileged_additions},
    [KB_GUARD_MIN_MEMBERS] = {.scope = KB_SCOPE_GROUP,
                              .holds = KB_HOLD_REMOVALS,
                              .last = true,
                              .needs_source = true,
                              .group = min_members},
    [KB_GUARD_MAX_GROUP_CREATIONS] = {.holds = KB_HOLD_ADDS, .run = max_group_creations},
    [KB_GUARD_MAX_USER_CREATIONS] = {.holds = KB_HOLD_ADDS, .run = max_user_creations},
    [KB_GUARD_RULES_CHANGE_PERCENT] = {.holds = KB_HOLD_REMOVALS,
                                       .percent = true,
                                       .run = rules_change_percent},
    [KB_GUARD_SOURCE_OBJECT_GONE] = {.scope = KB_SCOPE_GROUP,
                                     .holds = KB_HOLD_ALL,
                                     .needs_source = true,
                                     .group = source_object_gone},
    [KB_GUARD_DIRECTORY_DISABLED_PERCENT] = {.holds = KB_HOLD_REMOVALS,
                                             .percent = true,
                                             .needs_source = true,
                                             .run = kb_guard_directory_disabled,
                                             .holds_op = is_disabled_in_directory},
    [KB_GUARD_DIRECTORY_CONTRADICTED_PERCENT] = {.holds = KB_HOLD_REMOVALS, .percent = true},
    [KB_GUARD_UNDO_OF_GRANTED] = {.scope = KB_SCOPE_GROUP,
                                  .holds = KB_HOLD_ALL,
                                  .needs_source = true,
                                  .group = undo_of_granted,
                                  .holds_op = kb_guard_contradicts},
    [KB_GUARD_PROTECTED_GROUP] = {.scope = KB_SCOPE_MEMBER},
    [KB_GUARD_PROTECTED_MEMBER] = {.scope = KB_SCOPE_MEMBER},
    [KB_GUARD_SELF_CHECK] = {.scope = KB_SCOPE_MEMBER},
    [KB_GUARD_WRITE_ERRORS] = {.holds = KB_HOLD_ALL},
    [KB_GUARD_QUARANTINE] = {.holds = KB_HOLD_ALL, .always = true, .run = quarantine},
};

const struct kb_guard_row *
kb_guard_row(enum kb_guard_id id)
{
    return &ROWS[id];
}
