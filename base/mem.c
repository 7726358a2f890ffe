#include "base/ban.h"

#include "base/mem.h"

#include <stdarg.h>

bool
kb_grow(void *array, size_t *cap, size_t want, size_t size, size_t max)
{
    void *old, *grown;
    size_t room = *cap, bytes;

    if (want <= *cap)
        return true;
    if (want > max)
        return false;
    if (room < 8)
        room = 8;
    while (room < want && room <= max / 2)
        room *= 2;
    if (room < want || room > max)
        room = max;
    if (__builtin_mul_overflow(room, size, &bytes))
        return false;
    memcpy(&old, array, sizeof(old));
    grown = realloc(old, bytes);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof(grown));
    *cap = room;
    return true;
}

char *
kb_strndup(const char *s, size_t len)
{
    size_t n = strnlen(s, len);
    char *copy = malloc(n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *
kb_asprintf(const char *fmt, ...)
{
    char *ret = NULL;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vasprintf(&ret, fmt, args);
    va_end(args);
    return n < 0 ? NULL : ret;
}
