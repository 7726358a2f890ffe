/* base/hash.h: SHA-256, over libcrypto's EVP.
 * Errors: sticky; kb_hash_final returns false when any step failed (out of memory). */
#ifndef KB_BASE_HASH_H
#define KB_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KB_HASH_SIZE 32
#define KB_HASH_HEX_SIZE 65     /* with NUL */
#define KB_DIGEST_SIZE (7 + 65) /* "sha256:" + hex + NUL */

struct kb_hash {
    void *ctx; /* owned; freed by kb_hash_final or kb_hash_done */
    bool failed;
};

void kb_hash_init(struct kb_hash *h);
void kb_hash_add(struct kb_hash *h, const void *bytes, size_t size);
void kb_hash_adds(struct kb_hash *h, const char *s);
bool kb_hash_final(struct kb_hash *h, uint8_t ret[KB_HASH_SIZE]) __attribute__((warn_unused_result));
bool kb_hash_final_digest(struct kb_hash *h, char ret[KB_DIGEST_SIZE])
    __attribute__((warn_unused_result)); /* "sha256:…" */
void kb_hash_done(struct kb_hash *h);

bool kb_sha256(const void *bytes, size_t size, uint8_t ret[KB_HASH_SIZE]) __attribute__((warn_unused_result));
void kb_hex(const uint8_t *bytes, size_t size, char *ret /* 2 * size + 1 */);
bool kb_unhex(const char *hex, uint8_t *ret, size_t size); /* exactly 2 * size lower-case digits */

#endif
