/* reconciler/apply/encode.h: the bodies of audit rows: canonical JSON (RFC 8785), ids only, no names.
 *
 * Why:    the chain must stay whole when a person's names are erased, so a row holds stable ids
 * (reliability 4.3). Source: interface.md section 6 (kinds and what intent and outcome carry).
 */
#ifndef KB_APPLY_ENCODE_H
#define KB_APPLY_ENCODE_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct encode_ids { /* borrowed */
    const char *const *v;
    size_t len;
};

/* request: a text that no other request of any run has, by which the outcome answers it; method: "PATCH", "POST"; group: its id, or its
 * name while it has none. */
void encode_intent(struct kb_buf *b, const char *request, const char *method, const char *group,
                   struct encode_ids add, struct encode_ids remove);

struct encode_outcome {
    int64_t intent; /* seq of its intent row */
    const char *request, *method, *group, *result, *request_id, *detail;
    int status;
    struct encode_ids add, remove; /* as in the intent */
    struct encode_ids unverified;  /* members of it that did not read back as asked */
};

void encode_outcome(struct kb_buf *b, const struct encode_outcome *o);

/* kind adopt and drift: members of one group. */
void encode_members(struct kb_buf *b, const char *group, struct encode_ids members);

#endif
