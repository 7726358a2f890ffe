#include "base/ban.h"

#include "base/random.h"

#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <sys/random.h>

static void
system_random(void *ret, size_t size, void *userdata)
{
    uint8_t *to = ret;

    (void) userdata;
    while (size > 0) {
        ssize_t n = getrandom(to, size, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            abort();
        }
        to += n;
        size -= (size_t) n;
    }
}

static void (*source_fn)(void *ret, size_t size, void *userdata) = system_random;
static void *source_userdata;

void
kb_random_set(void (*fn)(void *ret, size_t size, void *userdata), void *userdata)
{
    source_fn = fn ? fn : system_random;
    source_userdata = fn ? userdata : NULL;
}

void
kb_random_bytes(void *ret, size_t size)
{
    source_fn(ret, size, source_userdata);
}

uint64_t
kb_random_u64(void)
{
    uint64_t ret;

    kb_random_bytes(&ret, sizeof(ret));
    return ret;
}

uint64_t
kb_random_below(uint64_t limit)
{
    /* 2^64 mod limit: below it a value would make the small results likelier */
    uint64_t reject = (0 - limit) % limit, value;

    do
        value = kb_random_u64();
    while (value < reject);
    return value % limit;
}

void
kb_uuid7(char ret[KB_UUID_SIZE])
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    uint64_t ms = (uint64_t) kb_wall_ms();
    uint8_t id[16], *from = id;

    kb_random_bytes(id, sizeof(id));
    for (int i = 0; i < 6; i++)
        id[i] = (uint8_t) (ms >> (40 - 8 * i));
    id[6] = (uint8_t) (0x70 | (id[6] & 0x0f));
    id[8] = (uint8_t) (0x80 | (id[8] & 0x3f));
    for (size_t i = 0; i < sizeof(groups); i++) {
        if (i)
            *ret++ = '-';
        kb_hex(from, groups[i], ret);
        ret += 2 * groups[i];
        from += groups[i];
    }
}
