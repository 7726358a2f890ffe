/* scim/discover.h: where a host keeps its token endpoint when it is not at the documented place. Private.
 *
 * Why:    the documented paths are tried first and cost nothing more; only a 404 there starts looking. The
 * client's secret goes to the configured host alone: what the host says about another one is refused.
 * Owns:   borrows host and account_id; scim_discover_done frees the rest. Errors: KB_E_AUTH with the refusal
 * that began it. Source: databricks-api.md 5.2 (discovery).
 */
#ifndef KB_SCIM_DISCOVER_H
#define KB_SCIM_DISCOVER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum scim_discover_step { SCIM_AT_FIXED, SCIM_AT_HOST, SCIM_AT_SERVER, SCIM_AT_FOUND };

struct scim_discover {
    const char *host, *account_id; /* account_id "" unknown */
    enum scim_discover_step step;
    char *ask;               /* the document to ask for, at SCIM_AT_HOST and SCIM_AT_SERVER */
    char *found;             /* the token endpoint, at SCIM_AT_FOUND */
    struct kb_error refusal; /* of the documented place */
};

/* The documented place answered 404: false when looking began before. */
bool scim_discover_begin(struct scim_discover *d, const struct kb_error *refusal);
/* The answer to GET `ask`: < 0 (err set): there is no other place. `fixed` is the place that does not exist. */
int scim_discover_learn(struct scim_discover *d, const char *fixed, int status, const char *body,
                        struct kb_error *err);
void scim_discover_done(struct scim_discover *d);

#endif
