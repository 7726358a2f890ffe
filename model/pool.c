#include "base/ban.h"

#include "model/pool.h"

#include "base/mem.h"

#define CHUNK_SIZE (256u << 10)
#define CHUNKS_MAX (UINT32_MAX / CHUNK_SIZE) /* no offset can be KB_NONE */
#define TEXT_LEN_MAX (64u << 10)

/* Chunks never move and are not touched before they are needed: a small run stays small. */
static bool
add_chunk(struct kb_pool *pool)
{
    size_t cap = pool->chunks_cap;
    char *chunk;

    if (!kb_grow(&pool->chunks, &cap, (size_t) pool->chunks_len + 1, sizeof(*pool->chunks), CHUNKS_MAX))
        return false;
    pool->chunks_cap = (uint32_t) cap;
    chunk = malloc(CHUNK_SIZE);
    if (!chunk)
        return false;
    pool->used = 0;
    if (!pool->chunks_len) { /* offset 0 is "" */
        chunk[0] = '\0';
        pool->used = 1;
    }
    pool->chunks[pool->chunks_len++] = chunk;
    return true;
}

void
kb_pool_done(struct kb_pool *pool)
{
    for (uint32_t i = 0; i < pool->chunks_len; i++)
        free(pool->chunks[i]);
    free(pool->chunks);
    *pool = (struct kb_pool){0};
}

kb_text
kb_pool_add(struct kb_pool *pool, const char *s, size_t len)
{
    char *at;

    if (!len)
        return 0;
    /* A NUL would cut the text for every reader: two different names would be one. */
    if (len > TEXT_LEN_MAX || memchr(s, '\0', len))
        return KB_NONE;
    if (!pool->chunks_len || CHUNK_SIZE - pool->used < len + 1) {
        if (!add_chunk(pool))
            return KB_NONE;
    }
    at = pool->chunks[pool->chunks_len - 1] + pool->used;
    memcpy(at, s, len);
    at[len] = '\0';
    pool->used += (uint32_t) len + 1;
    return (pool->chunks_len - 1) * CHUNK_SIZE + pool->used - (uint32_t) len - 1;
}

kb_text
kb_pool_adds(struct kb_pool *pool, const char *s)
{
    return s ? kb_pool_add(pool, s, strlen(s)) : 0;
}

const char *
kb_pool_str(const struct kb_pool *pool, kb_text text)
{
    if (!text)
        return "";
    return pool->chunks[text / CHUNK_SIZE] + text % CHUNK_SIZE;
}
