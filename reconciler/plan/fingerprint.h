/* reconciler/plan/fingerprint.h: the digest of a group's members, which a plan and a later reading must
 * share. Source: interface.md section 5. The plan's and the groups' fingerprints are declared in plan/file.h.
 */
#ifndef KB_PLAN_FINGERPRINT_H
#define KB_PLAN_FINGERPRINT_H

#include "base/hash.h"

/* SHA-256 of the ids, sorted bytewise (in place) and joined by LF. Nested groups are not passed. False: out
 * of memory. */
bool kb_members_digest(const char **ids, size_t len, char ret[KB_DIGEST_SIZE])
    __attribute__((warn_unused_result));

#endif
