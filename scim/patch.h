/* scim/patch.h: the only place that can spell a write.
 *
 * Why:    a remove without filter or a replace of members empties a group (RFC 7644 3.5.2.2; reliability
 * F83). The encoder cannot express one; a second, independent check parses the bytes before they leave.
 * Bodies: exactly interface.md section 7: removals first, one operation each; additions in operations of up
 * to 50 members; at most 50 operations a request. Errors: an id that is not 1..19 digits: KB_E_BUG, nothing
 * is sent. What the server says comes in scim_write.
 */
#ifndef KB_SCIM_PATCH_H
#define KB_SCIM_PATCH_H

#include "base/buf.h"
#include "scim/reader.h"

#define SCIM_OPS_MAX 50
#define SCIM_MEMBERS_MAX 50

/* How many requests the operations take: removals count one operation each, additions one per 50. */
size_t scim_patch_requests(size_t removals, size_t additions);

/* Body of request number `request` (0-based) of these lists; *ret_ids_* tell which slice it carries. */
struct scim_slice {
    size_t remove_start, remove_len, add_start, add_len;
};

int scim_patch_body(const char *const *remove_ids, size_t remove_len, const char *const *add_ids,
                    size_t add_len, size_t request, struct kb_buf *ret, struct scim_slice *ret_slice,
                    struct kb_error *err);

/* How much one request may carry: at first SCIM_OPS_MAX and SCIM_MEMBERS_MAX, less after "too large". */
struct scim_limits {
    size_t ops, members; /* operations a request, members an add */
};

/* The next slice behind what was sent; empty (both lengths 0) when everything was. */
struct scim_slice scim_patch_next(size_t removes_sent, size_t remove_len, size_t adds_sent, size_t add_len,
                                  const struct scim_limits *limits);

/* The server found this slice too large: halves what made it so, operations before members. False: it is one
 * operation for one member, and cannot be made smaller. */
bool scim_patch_halve(struct scim_limits *limits, const struct scim_slice *slice);

/* Body of a slice of these lists. */
int scim_patch_slice(const char *const *remove_ids, const char *const *add_ids,
                     const struct scim_slice *slice, const struct scim_limits *limits, struct kb_buf *ret,
                     struct kb_error *err);

/* The independent check: the bytes are a PatchOp of filtered removes and member adds only, with exactly these
 * many ids (SCIM_PATCH_ANY: however many). scim_patch_send makes it again. */
#define SCIM_PATCH_ANY SIZE_MAX

int scim_patch_check(const char *body, size_t size, size_t removes, size_t adds, struct kb_error *err);

/* What came of one write. */
struct scim_write {
    bool ok;      /* 2xx */
    bool sent;    /* not ok and sent: the outcome is unknown until the group was read back, except for a plain
                     refusal */
    bool refused; /* a 4xx that says the server did not act */
    bool too_large; /* 413, or a 400 that speaks of too many operations: halve */
    bool gone;      /* 404: the group is not there any more */
    bool conflict;  /* 409 */
    int status;
    char request_id[80];
    char detail[256]; /* the server's words, cut and made visible; or the transport's */
    char id[24];      /* POST: the new id */
};

typedef void (*scim_write_fn)(void *userdata, const struct scim_write *result);

/* Sends a body made by scim_patch_body. Not repeated after anything but 429. */
int scim_patch_send(struct scim *scim, const char *group_id, const char *body, scim_write_fn fn,
                    void *userdata, struct kb_error *err);

/* POST /Groups with schemas and displayName only; POST /Users with userName (and displayName). */
int scim_create_group(struct scim *scim, const char *display_name, scim_write_fn fn, void *userdata,
                      struct kb_error *err);
int scim_create_user(struct scim *scim, const char *user_name, const char *display_name, scim_write_fn fn,
                     void *userdata, struct kb_error *err);

/* After an unknown POST: is the name there? GET /Groups?filter=displayName eq "…". ok: the answer can be
 * believed; id is then set when one group has exactly this name, "" when none has. */
int scim_find_group(struct scim *scim, const char *display_name, scim_write_fn fn, void *userdata,
                    struct kb_error *err);

#endif
