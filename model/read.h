/* model/read.h: the completeness record of one list.
 *
 * Why:  "could not read it", "read it partly" and "read it but it looks wrong" are values that reach the
 * plan, the report and the exit code; they are never a missing row (architecture, decision 5).
 */
#ifndef KB_MODEL_READ_H
#define KB_MODEL_READ_H

#include "model/pool.h"

enum kb_read_status {
    KB_READ_NOT_ASKED, /* nothing needed it */
    KB_READ_PENDING,
    KB_READ_COMPLETE,
    KB_READ_GONE,    /* 404 with the server's own body: the object is not there any more */
    KB_READ_DENIED,  /* 403 */
    KB_READ_FAILED,  /* no answer, an error, an answer that is not what the API promises */
    KB_READ_SUSPECT, /* an answer that contradicts another one (count, duplicates, empty although counted) */
    KB_READ_MAX_
};

struct kb_read {
    uint8_t status;    /* enum kb_read_status */
    uint16_t http;     /* last HTTP status, 0 none */
    uint16_t pages;    /* answers */
    uint16_t tries;    /* requests sent, retries included */
    uint32_t rows;     /* as they came */
    uint32_t distinct; /* different ids */
    uint32_t count;    /* the server's own count, KB_NONE if it has none */
    kb_text note;      /* why it is not complete, for people; in the owner's pool */
};

static inline bool
kb_read_ok(const struct kb_read *r)
{
    return r->status == KB_READ_COMPLETE;
}

const char *kb_read_status_name(enum kb_read_status status); /* "complete", "failed", … */

#endif
