/* model/plan.h: a plan: the operations from the target's present state to the desired one, with a reason for
 * each.
 *
 * Why:    one struct is made by the planner, judged by the guards, proven, printed in every format, saved,
 * read back and applied. It is self-contained: a plan from a file has neither realm nor target. Owns: struct
 * kb_plan owns all arrays; texts are in its pool. kb_plan_done frees. Order:  groups by name, operations by
 * (op, kind, name), left_alone by (group, name), guards by table order; all bytewise. Source: interface.md
 * section 5.
 */
#ifndef KB_MODEL_PLAN_H
#define KB_MODEL_PLAN_H

#include "base/hash.h"
#include "base/random.h"
#include "model/pool.h"

enum kb_op { KB_OP_ADD, KB_OP_REMOVE, KB_OP_MAX_ };

enum kb_op_state { KB_OP_READY, KB_OP_HELD, KB_OP_FROZEN, KB_OP_STATE_MAX_ };

enum kb_cause {
    KB_CAUSE_GRANTED,
    KB_CAUSE_REVOKED,
    KB_CAUSE_DISABLED,
    KB_CAUSE_DISABLED_IN_DIRECTORY,
    KB_CAUSE_DELETED,
    KB_CAUSE_DRIFT_REMOVED, /* somebody removed by hand what Keycloak grants */
    KB_CAUSE_FOREIGN,
    KB_CAUSE_UNDO,
    KB_CAUSE_MAX_
};

/* What became of an operation; NONE until apply. Source: interface.md section 6 (outcome rows). */
enum kb_result {
    KB_RESULT_NONE,
    KB_RESULT_APPLIED,
    KB_RESULT_APPLIED_ALREADY,
    KB_RESULT_REJECTED,
    KB_RESULT_UNVERIFIED,
    KB_RESULT_UNKNOWN,
    KB_RESULT_DROPPED, /* not sent: unproven, moved meanwhile, stopped, held by write_errors */
    KB_RESULT_MAX_
};

enum kb_guard_id { /* rows of interface section 4, in this order; names in plan/guards.c */
                   KB_GUARD_FIRST_RUN,
                   KB_GUARD_SOURCE_MIN_USERS,
                   KB_GUARD_SOURCE_MIN_GROUPS,
                   KB_GUARD_CANARY,
                   KB_GUARD_SOURCE_SHRINK_PERCENT,
                   KB_GUARD_MAX_REMOVALS_TOTAL,
                   KB_GUARD_MAX_REMOVALS_PERCENT,
                   KB_GUARD_GROUP_MAX_REMOVALS_PERCENT,
                   KB_GUARD_GROUP_MAX_REMOVALS_SMALL,
                   KB_GUARD_NEVER_EMPTY_FROM,
                   KB_GUARD_REMOVAL_WINDOW_PERCENT,
                   KB_GUARD_REMOVAL_WINDOW_TOTAL,
                   KB_GUARD_MAX_ADDITIONS_TOTAL,
                   KB_GUARD_MAX_ADDITIONS_PERCENT,
                   KB_GUARD_PRIVILEGED_ADDITIONS,
                   KB_GUARD_MIN_MEMBERS,
                   KB_GUARD_MAX_GROUP_CREATIONS,
                   KB_GUARD_MAX_USER_CREATIONS,
                   KB_GUARD_RULES_CHANGE_PERCENT,
                   KB_GUARD_SOURCE_OBJECT_GONE,
                   KB_GUARD_DIRECTORY_DISABLED_PERCENT,
                   KB_GUARD_DIRECTORY_CONTRADICTED_PERCENT,
                   KB_GUARD_UNDO_OF_GRANTED,
                   KB_GUARD_PROTECTED_GROUP,
                   KB_GUARD_PROTECTED_MEMBER,
                   KB_GUARD_SELF_CHECK,
                   KB_GUARD_WRITE_ERRORS,
                   KB_GUARD_QUARANTINE,
                   KB_GUARD_MAX_
};

enum kb_guard_scope { KB_SCOPE_RUN, KB_SCOPE_GROUP, KB_SCOPE_MEMBER };

struct kb_plan_guard {
    uint8_t id;    /* enum kb_guard_id */
    uint8_t scope; /* enum kb_guard_scope */
    bool percent;  /* unit of limit and value: percent, else count */
    bool tripped;
    bool approved; /* tripped, and an approval lets it through; never in the document */
    int64_t limit, value;
    kb_text note; /* for people: "renamed to X", which canary, …; never in the document; 0 none */
};

struct kb_reason {
    uint32_t rule;  /* place in the file, from 1; 0 unknown */
    kb_text object; /* role name, group path or client:role that the rule names */
    bool is_path;   /* JSON key "path" instead of "role" */
    uint32_t via_start,
        via_len; /* into plan->via: "group /data/ml", "role data-base", outermost first; none: direct */
    int64_t event_at_s; /* 0: no admin event known */
    kb_text event_by;
};

struct kb_plan_op {
    uint8_t op;        /* enum kb_op */
    uint8_t state;     /* enum kb_op_state */
    uint8_t cause;     /* enum kb_cause */
    uint8_t kind;      /* enum kb_principal_kind */
    uint8_t result;    /* enum kb_result */
    uint32_t held_by;  /* bit of enum kb_guard_id for each tripped, not approved guard that holds it */
    kb_text id;        /* principal id */
    kb_text name;      /* userName or applicationId */
    kb_text display;   /* 0 none */
    kb_text source_id; /* Keycloak user id, 0 unknown (foreign) */
    kb_text directory; /* of the Keycloak user, 0 local */
    kb_text note;      /* result's cause for people, 0 none */
    uint32_t reasons_start, reasons_len; /* into plan->reasons */
};

struct kb_plan_group {
    kb_text name;
    kb_text id; /* 0: to be created */
    bool create, privileged;
    bool made;            /* apply created it */
    uint8_t state;        /* worst of its operations and its creation: enum kb_op_state */
    uint8_t create_state; /* of the creation itself */
    char fingerprint[KB_DIGEST_SIZE];
    char precondition[KB_DIGEST_SIZE]; /* SHA-256 of the sorted member ids joined by LF */
    uint32_t precondition_members;
    uint32_t before, after;            /* members; after: if everything were done, held or not */
    uint32_t ops_start, ops_len;       /* into plan->ops */
    uint32_t guards_start, guards_len; /* into plan->guards: those of scope group */
};

enum kb_left { /* the lists of left_alone, in the document's order */
               KB_LEFT_AMBIGUOUS,
               KB_LEFT_EXCEPTIONS,
               KB_LEFT_FOREIGN,
               KB_LEFT_FROZEN,
               KB_LEFT_IDENTITY_CHANGED,
               KB_LEFT_LOCKED_OUT,
               KB_LEFT_RELEASED,
               KB_LEFT_STUCK,
               KB_LEFT_UNMATCHED,
               KB_LEFT_UNPROVEN,
               KB_LEFT_MAX_
};

struct kb_left_alone {
    uint8_t list; /* enum kb_left */
    bool waits;   /* for time to pass: no reason for another exit code; never in the document */
    kb_text group, name, note;
};

/* Facts for the ledger that need no request; never in the document but as summary.adopt. A first run adopts
 * every membership there is, so a row is two numbers, into the realm and the target that the plan was made
 * from: only a plan that was not read from a file has any. */
struct kb_plan_ledger {
    uint32_t principal; /* of the target */
    uint32_t user;      /* of the realm: adopt; KB_NONE: clean */
};

struct kb_plan_ledger_group {
    uint32_t group;      /* of the target */
    uint32_t managed;    /* of the scope; KB_NONE: the group is gone, nothing to adopt */
    uint32_t start, len; /* into plan->ledger; never empty */
};

/* A directory that is down, or without a witness where one was needed. Never in the document. */
struct kb_plan_directory {
    kb_text name, note; /* note: why, 0 unknown */
    bool down;
};

struct kb_plan {
    struct kb_pool pool;

    char run_id[KB_UUID_SIZE];
    int64_t at_s;
    kb_text tool; /* "keybricks 1.0.0" */
    kb_text issuer, realm;
    uint32_t source_roles, source_groups, source_users;
    uint32_t source_lists, source_lists_ok; /* completeness records, for the report */
    bool source_complete;
    char source_digest[KB_DIGEST_SIZE];
    kb_text target_name, target_level, target_host;
    uint32_t target_groups, target_memberships; /* managed groups that exist, their members */
    uint32_t target_read_now;                   /* groups read in this run */
    int64_t target_snapshot_s;                  /* oldest reading that was used, 0 none */
    char rules_digest[KB_DIGEST_SIZE];
    bool rules_changed;
    bool no_ledger; /* the state could not be read: revocations appear as foreign */
    bool client_composites_unread;
    bool clients_denied; /* a rule asks for client roles, and the account may not see them */
    bool organizations;  /* somebody may look for people whom only an organization's group holds */
    kb_text events_note; /* why some operation has no admin event; 0: all have, or none was asked */
    bool narrowed;       /* --group, --user or --no-removals was used */

    struct kb_plan_directory *directories; /* that people were left alone for, by name */
    uint32_t directories_len;
    struct kb_plan_guard *guards; /* run scope first, then each group's */
    uint32_t guards_len, run_guards_len;
    struct kb_plan_group *groups;
    uint32_t groups_len;
    struct kb_plan_op *ops;
    uint32_t ops_len;
    struct kb_reason *reasons;
    uint32_t reasons_len;
    kb_text *via;
    uint32_t via_len;
    struct kb_left_alone *left;
    uint32_t left_len;
    struct kb_plan_ledger *ledger;
    uint32_t ledger_len;
    struct kb_plan_ledger_group *ledger_groups;
    uint32_t ledger_groups_len;
    size_t guards_cap, groups_cap, ops_cap, reasons_cap, via_cap, left_cap, ledger_cap, ledger_groups_cap,
        directories_cap;

    struct {
        uint32_t add, remove, create_groups, create_users, held, drift, foreign, unmatched, ambiguous, adopt;
        uint32_t frozen;            /* groups */
        uint32_t removals_left_out; /* by --no-removals */
        uint32_t ready_writes;      /* groups with a ready operation or a ready creation */
    } summary;

    struct {
        uint32_t get, patch, post;
    } cost;

    char fingerprint[KB_DIGEST_SIZE];
    char digest[KB_DIGEST_SIZE]; /* set by plan/file.c */
};

void kb_plan_done(struct kb_plan *plan);        /* a zeroed struct is empty and valid */
void kb_plan_ledger_done(struct kb_plan *plan); /* the ledger's rows alone: written, or not wanted */

static inline const char *
kb_plan_str(const struct kb_plan *plan, kb_text text)
{
    return kb_pool_str(&plan->pool, text);
}

const char *kb_op_name(enum kb_op op);
const char *kb_op_state_name(enum kb_op_state state);
const char *kb_cause_name(enum kb_cause cause);
const char *kb_result_name(enum kb_result result);
const char *kb_guard_name(enum kb_guard_id id);
const char *kb_left_name(enum kb_left list);
bool kb_cause_from_name(const char *name, enum kb_cause *ret);
bool kb_guard_from_name(const char *name, enum kb_guard_id *ret);

#endif
