#include "base/ban.h"

#include "base/hash.h"

#include <openssl/evp.h>

void
kb_hash_init(struct kb_hash *h)
{
    h->ctx = EVP_MD_CTX_new();
    h->failed = !h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1;
}

void
kb_hash_add(struct kb_hash *h, const void *bytes, size_t size)
{
    if (!h->failed && size > 0)
        h->failed = EVP_DigestUpdate(h->ctx, bytes, size) != 1;
}

void
kb_hash_adds(struct kb_hash *h, const char *s)
{
    kb_hash_add(h, s, strlen(s));
}

bool
kb_hash_final(struct kb_hash *h, uint8_t ret[KB_HASH_SIZE])
{
    unsigned size = 0;
    bool ok = !h->failed && EVP_DigestFinal_ex(h->ctx, ret, &size) == 1 && size == KB_HASH_SIZE;

    kb_hash_done(h);
    return ok;
}

bool
kb_hash_final_digest(struct kb_hash *h, char ret[KB_DIGEST_SIZE])
{
    uint8_t bytes[KB_HASH_SIZE];

    if (!kb_hash_final(h, bytes))
        return false;
    memcpy(ret, "sha256:", 7);
    kb_hex(bytes, sizeof(bytes), ret + 7);
    return true;
}

void
kb_hash_done(struct kb_hash *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
    h->failed = true; /* until the next init */
}

bool
kb_sha256(const void *bytes, size_t size, uint8_t ret[KB_HASH_SIZE])
{
    struct kb_hash h;

    kb_hash_init(&h);
    kb_hash_add(&h, bytes, size);
    return kb_hash_final(&h, ret);
}

void
kb_hex(const uint8_t *bytes, size_t size, char *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        *ret++ = digits[bytes[i] >> 4];
        *ret++ = digits[bytes[i] & 15];
    }
    *ret = '\0';
}

static int
digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
kb_unhex(const char *hex, uint8_t *ret, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = digit_value(hex[2 * i]);
        int low = high < 0 ? -1 : digit_value(hex[2 * i + 1]);
        if (low < 0)
            return false;
        ret[i] = (uint8_t) (high << 4 | low);
    }
    return hex[2 * size] == '\0';
}
