/* reconciler/plan/plan_directory.h: people of a directory behind the realm; part of kb_plan_make.
 *
 * Why:    while a directory is down Keycloak answers as if everybody had left it; what speaks against its
 * people counts only between good answers of its witness. Source: interface.md section 3 "Directories". */
#ifndef KB_PLAN_PLAN_DIRECTORY_H
#define KB_PLAN_PLAN_DIRECTORY_H

#include "reconciler/plan/plan_work.h"

/* May what speaks against somebody of this directory ("" local) not be believed? `gone`: Keycloak says that the
 * user does not exist, or has not been asked. */
bool kb_directory_forbids(const struct kb_plan_work *work, const char *directory, bool gone);

/* Its people are left alone in both directions. */
bool kb_directory_down(const struct kb_plan_work *work, const char *directory);

/* "directory NAME is down", for one person. */
int kb_directory_leave(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text name,
                       const char *directory);

/* For somebody of whom nobody in Keycloak is known: forbidden while any directory is not up; *ret as above. */
bool kb_directory_forbids_nobody(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text name,
                                 int *ret);

/* "disabled in directory NAME since …" */
int kb_directory_leave_disabled(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text name,
                                uint32_t user);

/* What the report says of the directories themselves. */
int kb_directory_describe(struct kb_plan_work *work);

#endif
