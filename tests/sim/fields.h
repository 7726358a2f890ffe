/* tests/sim/fields.h: what a world by hand (load.c) and an edit (edit.c) have in common: things told in JSON.
 *
 * Errors:    the first thing that is wrong stays in `problem`; the functions then answer NULL.
 * Threads:   with world_lock held for writing.
 */
#ifndef SIM_FIELDS_H
#define SIM_FIELDS_H

#include "tests/sim/world.h"

extern const char *problem; /* passes with the request */

void *fail(const char *fmt, ...); /* notes it; NULL */

/* Sets the fields that o has and x can have; null takes a text away. */
void fields_set(struct thing *x, json_object *o);
/* Unknown keys are refused: a typing error must not make another world. more: keys besides fields, between blanks */
void fields_known(enum kind kind, json_object *o, const char *where, const char *more);

struct thing *need_client(const char *cid);
struct thing *need_role(const char *cid, const char *name); /* cid NULL: of the realm */
struct thing *need_user(const char *name);
struct thing *need_group(const char *path_or_id);
struct thing *need_dbx(const char *name, const char *kinds,
                       bool local);         /* kinds: letters of U S G, tried in order */
bool wants_local(json_object *o, bool def); /* its "level" */
/* A user, service principal or group of Databricks as JSON tells it, also just by name. */
struct thing *dbx_new(enum kind kind, json_object *o, const char *name, bool local);
void permissions_set(json_object *list);

#endif
