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

void scim_error(struct req *r, int status, const char *scim_type, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void platform_error(struct req *r, int status, const char *code, const char *message);
void dbx_token(struct req *r, bool account);
/* Does the bearer open this level? */
bool dbx_token_valid(struct req *r, enum level level, bool scim21);

bool dbx_visible(int e, enum level level);
bool dbx_aim(int e);
/* The entity of a path, or -1 after a 404 (rules 27, 28). */
int dbx_find(struct req *r, char kind, const char *id, enum level level);
void dbx_get(struct req *r, char kind, const char *id, enum level level);
void dbx_list(struct req *r, char kind, enum level level);
void dbx_render(struct buf *b, int e, enum level level, bool old_view);
void dbx_me(struct req *r);
void dbx_patch(struct req *r, char kind, const char *id, enum level level);
void dbx_post(struct req *r, char kind, enum level level);
void dbx_put(struct req *r, char kind, const char *id, enum level level);
void dbx_delete(struct req *r, char kind, const char *id, enum level level);
/* Adds one member by id as the knobs for unknown ids say. False: answered with an error. */
bool dbx_add_member(struct req *r, int g, const char *id, const char *by);

/* dbx_filter.c */
struct filter;
struct filter *filter_parse(const char *text, const char **error); /* NULL and an error text */
bool filter_match(const struct filter *f, const struct ent *e);
void filter_free(struct filter *f);

#endif
