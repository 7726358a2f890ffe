/* base/clock.h: the only source of time, replaceable in tests.
 *
 * Why:   all waits use the monotonic clock; wall time is only recorded. A test moves time instead of
 * sleeping. Units: milliseconds, or Unix seconds UTC.
 */
#ifndef KB_BASE_CLOCK_H
#define KB_BASE_CLOCK_H

#include <stdint.h>

struct kb_clock {
    int64_t (*mono_ms)(void *userdata);
    int64_t (*wall_ms)(void *userdata);
    void *userdata;
};

int64_t kb_mono_ms(void);
int64_t kb_wall_ms(void);
int64_t kb_wall_s(void);

/* NULL: back to the system's. The struct is copied. */
void kb_clock_set(const struct kb_clock *clock);

#endif
