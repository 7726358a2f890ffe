/* scim/internal.h: what the files of scim/ share. Private. */
#ifndef KB_SCIM_INTERNAL_H
#define KB_SCIM_INTERNAL_H

#include "base/buf.h"
#include "scim/decode.h"
#include "scim/reader.h"

struct scim_listing {
    struct scim *scim;
    enum scim_kind kind;
    int64_t total;     /* of the last page, -1 unknown */
    uint32_t stride;   /* rows of the first page */
    uint32_t rows;     /* as they came, in this attempt */
    uint32_t distinct; /* newly listed in this attempt */
    unsigned open;     /* pages asked and not answered */
    unsigned attempt;  /* 0: pages at once; 1: one after the other */

    bool ended, failed;
    int64_t next; /* attempt 1: startIndex of the next page */
};

struct scim {
    struct kb_http_peer *peer;
    struct kb_target *target;
    enum scim_level level;
    char *base; /* path of the collection family, without trailing slash */
    char *self_client;
    void (*on_lists)(void *userdata);
    void *userdata;
    struct scim_listing listings[SCIM_KIND_MAX_];
    unsigned open_listings;
    struct scim_lookup *lookups; /* in flight */
    struct kb_error failed;      /* the first that makes the reading worthless */
};

struct kb_read *scim_listing_read(struct scim *scim, enum scim_kind kind);

/* A row of a listing into the target. *ret: the principal's index. */
int scim_put_principal(struct scim *scim, enum kb_principal_kind kind, const struct scim_row *row,
                       uint32_t *ret, bool *ret_new, struct kb_error *err);

/* Sets status, http and note of a record; `why` may be NULL. */
void scim_read_set(struct scim *scim, struct kb_read *read, enum kb_read_status status,
                   const struct kb_http_reply *reply, const char *why);

/* What a refused answer says, in any of the styles of databricks-api.md 3.8: one visible line, cut to 200 bytes. */
void scim_error_text(const char *body, size_t size, int status, char *ret, size_t ret_size);

/* Asks for a principal by id, as a user and as a service principal, and fills its row (looked_up). One question
 * for all who wait for the same one. doubt->code KB_OK: it is known now. Never called from inside. */
typedef void (*scim_lookup_fn)(void *userdata, const struct kb_error *doubt);
int scim_lookup(struct scim *scim, uint32_t principal, scim_lookup_fn fn, void *userdata,
                struct kb_error *err);
void scim_lookups_free(struct scim *scim);

#endif
