/* reconciler/plan/plan_left.h: who is left alone, and why; part of kb_plan_make. */
#ifndef KB_PLAN_PLAN_LEFT_H
#define KB_PLAN_PLAN_LEFT_H

#include "reconciler/plan/plan_work.h"

int kb_left_add(struct kb_plan_work *work, enum kb_left list, kb_text group, kb_text name, const char *note);

/* A group that is not touched in this run. */
int kb_left_freeze(struct kb_plan_work *work, const struct kb_plan_job *job, const char *note);

/* Everybody who holds the group in Keycloak and cannot be added: unmatched, ambiguous, locked out, unknown.
 */
int kb_left_people(struct kb_plan_work *work, const struct kb_plan_job *job);

/* By list, group, name, note; the same person once a list and group. */
void kb_left_sort(struct kb_plan *plan);

/* What to write beside somebody whose state in a directory or details are not known. */
const char *kb_left_unknown_note(struct kb_plan_work *work, uint32_t user, char *buf, size_t size);

#endif
