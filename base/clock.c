#include "base/ban.h"

#include "base/clock.h"

static int64_t
read_ms(clockid_t id)
{
    struct timespec now = {0};

    (void) clock_gettime(id, &now); /* cannot fail for these two clocks */
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t
system_mono_ms(void *userdata)
{
    (void) userdata;
    return read_ms(CLOCK_MONOTONIC);
}

static int64_t
system_wall_ms(void *userdata)
{
    (void) userdata;
    return read_ms(CLOCK_REALTIME);
}

static const struct kb_clock system_clock = {.mono_ms = system_mono_ms, .wall_ms = system_wall_ms};
static struct kb_clock current = {.mono_ms = system_mono_ms, .wall_ms = system_wall_ms};

int64_t
kb_mono_ms(void)
{
    return current.mono_ms(current.userdata);
}

int64_t
kb_wall_ms(void)
{
    return current.wall_ms(current.userdata);
}

int64_t
kb_wall_s(void)
{
    int64_t ms = kb_wall_ms();

    return ms / 1000 - (ms % 1000 < 0);
}

void
kb_clock_set(const struct kb_clock *clock)
{
    current = clock ? *clock : system_clock;
}
