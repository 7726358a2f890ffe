/* reconciler/apply/decode.h: an intent row's body back into lists of ids.
 * Owns: decoded_intent_done frees. Errors: KB_E_STORE: the row is in our own database, so a fault is damage.
 */
#ifndef KB_APPLY_DECODE_H
#define KB_APPLY_DECODE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct decoded_intent {
    bool create;   /* method POST */
    char *request; /* what its outcome must carry */
    char **add, **remove;
    size_t add_len, remove_len;
};

int decode_intent(const char *body, struct decoded_intent *ret, struct kb_error *err);
void decoded_intent_done(struct decoded_intent *intent);

#endif
