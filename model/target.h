/* model/target.h: what is known of one Databricks account or workspace, read now or remembered.
 *
 * Why:    the planner's second input. scim/ fills principals, groups and members; store/ adds what the
 * snapshot remembers and the ledger. A group says where its members come from. Owns:   struct kb_target owns
 * everything below it; kb_target_done frees. Source: databricks-api.md section 2; product.md (truth table).
 */
#ifndef KB_MODEL_TARGET_H
#define KB_MODEL_TARGET_H

#include "model/pool.h"
#include "model/read.h"

#include <string.h>

enum kb_principal_kind { KB_PRINCIPAL_USER, KB_PRINCIPAL_SERVICE, KB_PRINCIPAL_KIND_MAX_ };

/* As in the plan's document; sorts by these words, not by the numbers. */
static inline const char *
kb_principal_kind_name(unsigned kind)
{
    return kind == KB_PRINCIPAL_SERVICE ? "service_principal" : "user";
}

struct kb_principal {
    kb_text id;      /* decimal string, 1..19 digits */
    kb_text name;    /* userName, or applicationId */
    kb_text display; /* displayName, may be 0 */
    uint8_t kind;    /* enum kb_principal_kind */
    bool active;
    bool listed;    /* in a complete listing of this run (or of the snapshot with refresh never) */
    bool looked_up; /* asked by id in this run because no listing explained it */
    bool named;     /* looked up by name in this run: nobody else bears it, or all who do are here */
};

/* A user that Databricks does not have yet and that match.missing_users = "create" would make: its id is this
 * and the Keycloak user's id, until it is made. */
#define KB_PRINCIPAL_NEW "new:"

static inline bool
kb_principal_is_new(const char *id)
{
    return strncmp(id, KB_PRINCIPAL_NEW, sizeof(KB_PRINCIPAL_NEW) - 1) == 0;
}

enum kb_members_from { KB_MEMBERS_NONE, KB_MEMBERS_SNAPSHOT, KB_MEMBERS_NOW };

struct kb_target_group {
    kb_text id;
    kb_text name;                    /* displayName */
    kb_text external_id;             /* 0: none */
    bool local;                      /* meta.resourceType is WorkspaceGroup */
    bool account;                    /* meta.resourceType is Group; known only in the run that read it */
    bool listed;                     /* in this run's listing (or the snapshot's with refresh never) */
    bool hidden;                     /* in no listing of this run, and there all the same: asked by id */
    uint8_t from;                    /* enum kb_members_from */
    int64_t read_at_s;               /* Unix seconds of the reading `members` come from */
    struct kb_u32s members;          /* principal indices, sorted */
    uint32_t group_members;          /* nested groups: never touched, never counted */
    struct kb_u32s ledger;           /* principal indices, sorted: what keybricks put or adopted */
    struct kb_u32s ledger_user;      /* parallel to ledger: kb_text of the Keycloak user id, 0 unknown */
    struct kb_u32s ledger_directory; /* parallel to ledger: kb_text of the user's directory, 0 local */
    struct kb_read read;             /* of this run's GET */
};

struct kb_target {
    struct kb_pool pool;
    kb_text name, level, host;

    struct kb_principal *principals;
    struct kb_target_group *groups;
    uint32_t principals_len, groups_len;
    size_t principals_cap, groups_cap;
    struct kb_index principal_by_id, group_by_id;
    struct kb_index group_by_name; /* exact displayName */

    uint32_t
        missing; /* people who hold a managed group and have no principal: what the next run will ask about */
    uint32_t self; /* principal index of the program itself, KB_NONE unknown */
    struct kb_read users_read, services_read, groups_read;
};

void kb_target_done(struct kb_target *target); /* a zeroed struct is empty and valid (self: set KB_NONE with
                                                  kb_target_init) */
void kb_target_init(struct kb_target *target);

uint32_t kb_target_principal(const struct kb_target *target, const char *id);
uint32_t kb_target_group(const struct kb_target *target, const char *id);
uint32_t kb_target_group_named(const struct kb_target *target,
                               const char *name); /* exact; the first when there are several */

/* Find or add. A new principal has name, display 0 and kind USER; a new group members KB_MEMBERS_NONE.
 * KB_NONE: out of memory. */
uint32_t kb_target_principal_add(struct kb_target *target, const char *id);
uint32_t kb_target_group_add(struct kb_target *target, const char *id);
bool kb_target_group_set_name(struct kb_target *target, uint32_t group,
                              const char *name); /* keeps group_by_name */

static inline const char *
kb_target_str(const struct kb_target *target, kb_text text)
{
    return kb_pool_str(&target->pool, text);
}

#endif
