/* reconciler/plan/plan_left.h: who is left alone, and why; part of kb_plan_make. */
#ifndef KB_PLAN_PLAN_LEFT_H
#define KB_PLAN_PLAN_LEFT_H

#include "reconciler/plan/plan_work.h"

/* A group that is not touched in this run. */
int kb_left_freeze(struct kb_plan_work *work, const struct kb_plan_job *job, const char *note);

/* Everybody who holds the group in Keycloak and cannot be added: unmatched, ambiguous, locked out, unknown.
 */
int kb_left_people(struct kb_plan_work *work, const struct kb_plan_job *job);

/* By list, group, name, note; the same person once a list and group. */
void kb_left_sort(struct kb_plan *plan);

/* Somebody whose details could not be read, or whom only a directory shows disabled. Asks for a look-up that
 * could tell more. */
int kb_left_unknown(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text name, uint32_t user);

#endif
