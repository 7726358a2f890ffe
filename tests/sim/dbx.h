/* tests/sim/dbx.h: what the files of the Databricks half share.
 *
 * Why:       dbx.c routes, checks tokens and rates; dbx_read.c, dbx_patch.c and dbx_write.c answer SCIM.
 * Threads:   dbx.c holds world_lock (read for GET, write otherwise) while the others run.
 * Source:    databricks-api.md sections 1-5 and 12.
 */
#ifndef SIM_DBX_H
#define SIM_DBX_H

#include "tests/sim/control.h"
#include "tests/sim/http.h"
#include "tests/sim/world.h"

enum level { LEVEL_ACCOUNT, LEVEL_WORKSPACE, LEVEL_PROXY };

#define SCIM_JSON "application/scim+json;charset=utf-8"
#define UNPARSABLE "Request is unparsable, syntactically incorrect, or violates schema."

/* What a SCIM path says. x: the thing with its id, NULL without one. */
struct scim {
    enum kind kind;
    enum level level;
    struct thing *x;
};

void scim_error(struct req *r, int status, const char *scim_type, const char *detail);
void platform_error(struct req *r, int status, const char *code, const char *message);

bool dbx_visible(const struct thing *x, enum level level);
bool dbx_aim(const struct thing *x);
void dbx_answer_thing(struct req *r, const struct thing *x, enum level level, int status);
void dbx_get(struct req *r, const struct scim *s);
void dbx_list(struct req *r, const struct scim *s);
void dbx_me(struct req *r, const struct scim *s);
void dbx_patch(struct req *r, const struct scim *s);
void dbx_post(struct req *r, const struct scim *s);
void dbx_put(struct req *r, const struct scim *s);
void dbx_delete(struct req *r, const struct scim *s);
/* Adds members by their ids as the knobs for unknown ids say; v: a list of {"value"}, one of them, or a text. False:
 * answered with an error. */
bool dbx_add_members(struct req *r, struct thing *g, json_object *v);

#endif
