/* reconciler/plan/file_fields.h: the fields of a plan document, each typed and bounded. For file_read.c only.
 */
#ifndef KB_PLAN_FILE_FIELDS_H
#define KB_PLAN_FILE_FIELDS_H

#include "base/error.h"
#include "model/plan.h"

struct json_object; /* borrowed */

/* Fills an empty plan. Errors: KB_E_PROTOCOL with the JSON path, KB_E_NOMEM; the plan is then half filled. */
int kb_plan_fields(const struct json_object *doc, struct kb_plan *plan, struct kb_error *err);

#endif
