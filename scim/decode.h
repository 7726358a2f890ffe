/* scim/decode.h: JSON of the SCIM API into rows. Pure; the only file of this room that knows key names.
 * Owns: texts are borrowed from the JSON object. Errors: KB_E_PROTOCOL with the path. Source: databricks-api.md section 2. */
#ifndef KB_SCIM_DECODE_H
#define KB_SCIM_DECODE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCIM_ID_MAX 19

enum scim_kind { SCIM_GROUPS, SCIM_USERS, SCIM_SERVICES, SCIM_KIND_MAX_ };

enum scim_member_kind { SCIM_MEMBER_UNKNOWN, SCIM_MEMBER_USER, SCIM_MEMBER_SERVICE, SCIM_MEMBER_GROUP };

struct scim_row { /* a group, user, service principal, or member of a group */
    const char *id, *name, *display, *external_id;
    bool active, local, account; /* of a group: meta.resourceType, neither when it does not say */
    enum scim_member_kind member;
};

/* Called once per row, in order; < 0 (err set) refuses the document. */
typedef int (*scim_row_fn)(void *userdata, const struct scim_row *row, struct kb_error *err);

/* ---- documents that are decoded while they arrive ---- */

struct scim_rows; /* owned: scim_rows_free */

int scim_rows_list(enum scim_kind kind, scim_row_fn fn, void *userdata, struct scim_rows **ret,
                   struct kb_error *err);
int scim_rows_members(scim_row_fn fn, void *userdata, struct scim_rows **ret,
                      struct kb_error *err); /* of GET /Groups/{id} */
int scim_rows_feed(struct scim_rows *rows, const char *bytes, size_t size, struct kb_error *err);
void scim_rows_reset(struct scim_rows *rows);
void scim_rows_free(struct scim_rows *rows);

/* The document is complete: totalResults, startIndex (0 when it is missing), and whether Resources was there. */
int scim_rows_end_list(struct scim_rows *rows, int64_t *ret_total, int64_t *ret_start, bool *ret_found,
                       struct kb_error *err);
/* … the group around the members; texts are borrowed until _free. */
int scim_rows_end_group(struct scim_rows *rows, struct scim_row *ret, struct kb_error *err);

/* ---- small documents ---- */

/* One resource; `fn` is called with its row, whose texts live during the call. */
int scim_decode_one(enum scim_kind kind, const char *body, size_t size, scim_row_fn fn, void *userdata,
                    struct kb_error *err);

/* The id of a created resource. Where the answer says its name, it must be the one that was asked for (ASCII
 * case aside): members of another group would follow. */
int scim_decode_created(const char *body, size_t size, const char *name, char ret[24], struct kb_error *err);

/* A claim of a token's payload as one text, several audiences joined by ", "; NULL when it has none. The caller
 * frees. */
char *scim_decode_claim(const char *payload, const char *name);

/* The sentence in an error body, NULL when there is none; the caller frees. */
char *scim_decode_error(const char *body, size_t size);

#endif
