/* reconciler/plan/file_fields.h: the fields of a plan document, each typed and bounded. For file_read.c only.
 */
#ifndef KB_PLAN_FILE_FIELDS_H
#define KB_PLAN_FILE_FIELDS_H

#include "base/error.h"
#include "model/plan.h"

struct json_object; /* borrowed */

/* Fill an empty plan: first each group, then the object around them. The groups come one by one, so that the
 * tree of a plan of 100,000 operations is never there at once. Errors: KB_E_PROTOCOL with the JSON path,
 * KB_E_NOMEM; the plan is then half filled. */
int kb_plan_group_fields(const struct json_object *obj, size_t index, struct kb_plan *plan,
                         struct kb_error *err);
int kb_plan_fields(const struct json_object *doc, struct kb_plan *plan, struct kb_error *err);

#endif
