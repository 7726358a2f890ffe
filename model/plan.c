#include "base/ban.h"

#include "model/plan.h"

#include "base/mem.h"

/* Words of interface.md sections 4 and 5; results as in the outcome rows of section 6. */
static const char *const op_names[KB_OP_MAX_] = {[KB_OP_ADD] = "add", [KB_OP_REMOVE] = "remove"};

static const char *const op_state_names[KB_OP_STATE_MAX_] = {
    [KB_OP_READY] = "ready", [KB_OP_HELD] = "held", [KB_OP_FROZEN] = "frozen"};

static const char *const cause_names[KB_CAUSE_MAX_] = {
    [KB_CAUSE_GRANTED] = "granted",   [KB_CAUSE_REVOKED] = "revoked",
    [KB_CAUSE_DISABLED] = "disabled", [KB_CAUSE_DISABLED_IN_DIRECTORY] = "disabled_in_directory",
    [KB_CAUSE_DELETED] = "deleted",   [KB_CAUSE_DRIFT_REMOVED] = "drift_removed",
    [KB_CAUSE_FOREIGN] = "foreign",   [KB_CAUSE_UNDO] = "undo",
};

static const char *const result_names[KB_RESULT_MAX_] = {
    [KB_RESULT_NONE] = "none",
    [KB_RESULT_APPLIED] = "applied",
    [KB_RESULT_APPLIED_ALREADY] = "applied_already",
    [KB_RESULT_REJECTED] = "rejected",
    [KB_RESULT_UNVERIFIED] = "unverified",
    [KB_RESULT_UNKNOWN] = "unknown",
    [KB_RESULT_DROPPED] = "dropped",
};

static const char *const guard_names[KB_GUARD_MAX_] = {
    [KB_GUARD_FIRST_RUN] = "first_run",
    [KB_GUARD_SOURCE_MIN_USERS] = "source_min_users",
    [KB_GUARD_SOURCE_MIN_GROUPS] = "source_min_groups",
    [KB_GUARD_CANARY] = "canary",
    [KB_GUARD_SOURCE_SHRINK_PERCENT] = "source_shrink_percent",
    [KB_GUARD_MAX_REMOVALS_TOTAL] = "max_removals_total",
    [KB_GUARD_MAX_REMOVALS_PERCENT] = "max_removals_percent",
    [KB_GUARD_GROUP_MAX_REMOVALS_PERCENT] = "group_max_removals_percent",
    [KB_GUARD_GROUP_MAX_REMOVALS_SMALL] = "group_max_removals_small",
    [KB_GUARD_NEVER_EMPTY_FROM] = "never_empty_from",
    [KB_GUARD_REMOVAL_WINDOW_PERCENT] = "removal_window_percent",
    [KB_GUARD_REMOVAL_WINDOW_TOTAL] = "removal_window_total",
    [KB_GUARD_MAX_ADDITIONS_TOTAL] = "max_additions_total",
    [KB_GUARD_MAX_ADDITIONS_PERCENT] = "max_additions_percent",
    [KB_GUARD_PRIVILEGED_ADDITIONS] = "privileged_additions",
    [KB_GUARD_MIN_MEMBERS] = "min_members",
    [KB_GUARD_MAX_GROUP_CREATIONS] = "max_group_creations",
    [KB_GUARD_MAX_USER_CREATIONS] = "max_user_creations",
    [KB_GUARD_RULES_CHANGE_PERCENT] = "rules_change_percent",
    [KB_GUARD_SOURCE_OBJECT_GONE] = "source_object_gone",
    [KB_GUARD_DIRECTORY_DISABLED_PERCENT] = "directory_disabled_percent",
    [KB_GUARD_DIRECTORY_CONTRADICTED_PERCENT] = "directory_contradicted_percent",
    [KB_GUARD_UNDO_OF_GRANTED] = "undo_of_granted",
    [KB_GUARD_PROTECTED_GROUP] = "protected_group",
    [KB_GUARD_PROTECTED_MEMBER] = "protected_member",
    [KB_GUARD_SELF_CHECK] = "self_check",
    [KB_GUARD_WRITE_ERRORS] = "write_errors",
    [KB_GUARD_QUARANTINE] = "quarantine",
};

static const char *const left_names[KB_LEFT_MAX_] = {
    [KB_LEFT_AMBIGUOUS] = "ambiguous",
    [KB_LEFT_EXCEPTIONS] = "exceptions",
    [KB_LEFT_FOREIGN] = "foreign",
    [KB_LEFT_FROZEN] = "frozen",
    [KB_LEFT_IDENTITY_CHANGED] = "identity_changed",
    [KB_LEFT_LOCKED_OUT] = "locked_out",
    [KB_LEFT_RELEASED] = "released",
    [KB_LEFT_STUCK] = "stuck",
    [KB_LEFT_UNMATCHED] = "unmatched",
    [KB_LEFT_UNPROVEN] = "unproven",
};

static const char *
name_of(const char *const *names, size_t len, unsigned value)
{
    return value < len ? names[value] : "?";
}

static bool
value_of(const char *const *names, size_t len, const char *name, unsigned *ret)
{
    for (unsigned i = 0; i < len; i++) {
        if (!strcmp(names[i], name)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

void
kb_plan_ledger_done(struct kb_plan *plan)
{
    free(plan->ledger);
    free(plan->ledger_groups);
    plan->ledger = NULL;
    plan->ledger_groups = NULL;
    plan->ledger_len = plan->ledger_groups_len = 0;
    plan->ledger_cap = plan->ledger_groups_cap = 0;
}

void
kb_plan_done(struct kb_plan *plan)
{
    kb_pool_done(&plan->pool);
    free(plan->guards);
    free(plan->groups);
    free(plan->ops);
    free(plan->reasons);
    free(plan->via);
    free(plan->left);
    free(plan->directories);
    kb_plan_ledger_done(plan);
    *plan = (struct kb_plan){0};
}

const char *
kb_op_name(enum kb_op op)
{
    return name_of(op_names, KB_LEN(op_names), op);
}

const char *
kb_op_state_name(enum kb_op_state state)
{
    return name_of(op_state_names, KB_LEN(op_state_names), state);
}

const char *
kb_cause_name(enum kb_cause cause)
{
    return name_of(cause_names, KB_LEN(cause_names), cause);
}

const char *
kb_result_name(enum kb_result result)
{
    return name_of(result_names, KB_LEN(result_names), result);
}

const char *
kb_guard_name(enum kb_guard_id id)
{
    return name_of(guard_names, KB_LEN(guard_names), id);
}

const char *
kb_left_name(enum kb_left list)
{
    return name_of(left_names, KB_LEN(left_names), list);
}

bool
kb_cause_from_name(const char *name, enum kb_cause *ret)
{
    unsigned value;

    if (!value_of(cause_names, KB_LEN(cause_names), name, &value))
        return false;
    *ret = (enum kb_cause) value;
    return true;
}

bool
kb_guard_from_name(const char *name, enum kb_guard_id *ret)
{
    unsigned value;

    if (!value_of(guard_names, KB_LEN(guard_names), name, &value))
        return false;
    *ret = (enum kb_guard_id) value;
    return true;
}
