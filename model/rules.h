/* model/rules.h: what the configuration asks for: rules, identity matching, exclusions, protection, limits.
 *
 * Owns:   struct kb_rules and what it points to belong to the configuration; everyone else borrows.
 * Source: interface.md sections 3 and 4.
 */
#ifndef KB_MODEL_RULES_H
#define KB_MODEL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kb_rule_kind {
    KB_RULE_ROLE,
    KB_RULE_ROLE_GLOB,
    KB_RULE_PATH,
    KB_RULE_PATH_GLOB,
    KB_RULE_CLIENT_ROLE,
    KB_RULE_KIND_MAX_
};

enum kb_foreign { KB_FOREIGN_REPORT, KB_FOREIGN_REMOVE };

struct kb_strings { /* a list of texts */
    char **v;
    size_t len;
};

struct kb_rule {
    unsigned number; /* place in the file, from 1 */
    unsigned line;   /* of the configuration file */
    enum kb_rule_kind kind;
    const char *object; /* role name, path, glob, or role of a client */
    const char *client; /* KB_RULE_CLIENT_ROLE: clientId */
    const char *group;  /* displayName, with {1}… for globs */
    bool subgroups, create, privileged, adopt_external;
    unsigned min_members;
    enum kb_foreign foreign;
    struct kb_strings targets; /* empty: all */
};

enum kb_match_service { KB_MATCH_SERVICE_ATTRIBUTE, KB_MATCH_SERVICE_CLIENT_ID, KB_MATCH_SERVICE_OFF };

struct kb_match {
    struct kb_strings users;    /* "email", "username", "attribute:NAME" in order of preference */
    const char *user_attribute; /* the NAME, or NULL */
    bool verified_email_only;
    enum kb_match_service service;
    const char *service_attribute;  /* NAME for ATTRIBUTE */
    bool directory_disabled_remove; /* match.directory_disabled = "remove" */
    bool create_missing_users;
};

struct kb_limits { /* guards.*; percentages are integers; -1 where a limit is off is not possible: there is no
                      off */
    bool first_run;
    int64_t source_min_users, source_min_groups;
    int64_t source_shrink_percent, source_shrink_floor;
    int64_t max_removals_total, max_removals_percent, max_removals_floor;
    int64_t group_max_removals_percent, group_max_removals_small;
    int64_t never_empty_from;
    int64_t removal_window_percent, removal_window_total, removal_window_floor, removal_window_hours;
    int64_t max_additions_total, max_additions_percent, max_additions_floor;
    int64_t privileged_additions;
    int64_t max_group_creations, max_user_creations;
    int64_t rules_change_percent, rules_change_floor;
    bool source_object_gone;
    int64_t directory_disabled_percent, directory_disabled_floor;
    int64_t directory_contradicted_percent, directory_contradicted_floor;
    bool undo_of_granted, protected_group, protected_member, self_check;
    int64_t write_errors;
    int64_t quarantine;
    int64_t plan_max_age_s;
};

struct kb_rules {
    struct kb_rule *rules;
    size_t rules_len;
    struct kb_match match;
    struct kb_strings exclude_users, exclude_roles, exclude_paths;
    struct kb_strings protect_groups,
        protect_members; /* on top of admins, users, account users and the own principal */
    struct kb_strings canary_users, canary_groups;
    struct kb_limits limits;
    char digest[72]; /* "sha256:…" over rules, match, exclude, protect: what decides a plan */
};

/* Does the rule apply to this target? */
bool kb_rule_for_target(const struct kb_rule *rule, const char *target);

/* What the rule says of its members and where they go: a rule is known by it between runs, so an edited rule is
 * a new rule (interface, source_shrink_percent). NULL: out of memory; the caller frees. */
char *kb_rule_text(const struct kb_rule *rule);

/* Expands {1}… of rule->group; false: out of memory or over 255 bytes (Databricks' own limit). */
struct kb_glob_match;
bool kb_rule_group_name(const struct kb_rule *rule, const char *object, const struct kb_glob_match *match,
                        char ret[256]);

#endif
