/* reconciler/plan/gone.h: roles and groups that a rule names, or meant before, and that are not there now.
 *
 * Why:    guard source_object_gone holds the group, and tells the new name where the id does.
 * Source: interface.md section 3 "Scope over time", section 4.
 */
#ifndef KB_PLAN_GONE_H
#define KB_PLAN_GONE_H

#include "model/realm.h"
#include "reconciler/plan/scope.h"

/* *ret: NULL when nothing is missing, or when the lists of the realm are not complete enough to say so. Else
 * the name of the rule, or what a glob matched and does not match any more (`role dbx-a`), with the new name
 * (`role a: renamed to b`). What configuration leaves out is not missing. The caller frees. */
int kb_gone_note(const struct kb_scope *scope, const struct kb_realm *realm, uint32_t managed, char **ret,
                 struct kb_error *err);

/* Adds what the managed group's rules mean now to `ret`, and of `scope->known` what they meant where they now
 * mean nothing. */
int kb_gone_remember(const struct kb_scope *scope, const struct kb_realm *realm, uint32_t managed,
                     struct kb_known *ret, struct kb_error *err);

#endif
