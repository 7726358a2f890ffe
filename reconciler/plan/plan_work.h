/* reconciler/plan/plan_work.h: the work in progress of one kb_plan_make, shared by its parts.
 *
 * Why:    the truth table, the lists of people left alone and the ledger rows are three files; what they look
 * up together (who is behind a principal, which text is already in the plan) is built once.
 * Owns:   struct kb_plan_work owns its arrays (kb_plan_work_done); plan, needs and inputs are borrowed.
 */
#ifndef KB_PLAN_PLAN_WORK_H
#define KB_PLAN_PLAN_WORK_H

#include "reconciler/plan/planner.h"
#include "reconciler/plan/reason.h"

enum kb_drop { KB_DROP_GROUP, KB_DROP_MEMBER, KB_DROP_SELF, KB_DROP_MAX_ };

/* One managed group while it is planned. */
struct kb_plan_job {
    uint32_t managed; /* scope index */
    const struct kb_managed *rule;
    const struct kb_desired_group *desired;
    uint32_t group; /* target index, KB_NONE: to be created */
    bool protected_group;
    kb_text text;                   /* name, in the plan */
    uint32_t dropped[KB_DROP_MAX_]; /* operations that a member guard took out */
};

struct kb_plan_work {
    const struct kb_plan_input *in;
    struct kb_plan *plan;
    struct kb_plan_needs *needs;
    struct kb_error *err;

    uint32_t *user_of;         /* by principal: the realm user who points to it, or KB_NONE */
    bool *principal_protected; /* by principal: protect.members */
    bool *principal_selected;  /* by principal; NULL: all */
    bool *user_selected;       /* by realm user; NULL: all */
    kb_text *principal_text;   /* 3 a principal: id, name, display in the plan; KB_NONE: not yet */
    kb_text *user_text;        /* by realm user: id in the plan; KB_NONE: not yet */
    uint32_t *by_name;         /* listed target groups by (name without case, name, id) */
    uint32_t by_name_len;
    kb_text last_note;
    bool *directory_mattered; /* by realm directory: somebody was left alone for it */
    size_t lookup_cap;

    struct kb_reason_index *reasons; /* made when the first reason is asked for */
};

int kb_plan_work_init(struct kb_plan_work *work);
void kb_plan_work_done(struct kb_plan_work *work);
int kb_plan_reasons(struct kb_plan_work *work); /* makes work->reasons */
int kb_plan_nomem(struct kb_plan_work *work);

/* Texts in the plan, each principal and user once. KB_NONE: out of memory. */
enum kb_principal_part { KB_PART_ID, KB_PART_NAME, KB_PART_DISPLAY };

kb_text kb_plan_principal_text(struct kb_plan_work *work, uint32_t principal, enum kb_principal_part part);
kb_text kb_plan_user_text(struct kb_plan_work *work, uint32_t user);

bool kb_plan_group_selected(const struct kb_plan_work *work, const char *name);
/* `user_id`: Keycloak id that the ledger knows, "" none. */
bool kb_plan_principal_selected(const struct kb_plan_work *work, uint32_t principal, const char *user_id);

/* lead + name + tail; a long name is cut between two characters, so that the note stays UTF-8. */
void kb_plan_note(char *buf, size_t size, const char *lead, const char *name, const char *tail);

/* One entry of left_alone. */
int kb_left_add(struct kb_plan_work *work, enum kb_left list, kb_text group, kb_text name, const char *note);

/* The realm must be asked for this user before a removal can be judged. */
int kb_plan_need_lookup(struct kb_plan_work *work, const char *user_id);

/* The listed group of exactly this name, or KB_NONE. *ret_twice: there are several. *ret_other: a name that
 * differs only in letter case, or NULL. */
uint32_t kb_plan_find_group(const struct kb_plan_work *work, const char *name, const char **ret_other,
                            bool *ret_twice);

#endif
