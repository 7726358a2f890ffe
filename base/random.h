/* base/random.h: the only source of randomness, replaceable in tests (a seed gives one history).
 * Errors: getrandom cannot fail on the kernels we support once the pool is up; if it does, the program aborts
 * (a run id that repeats would corrupt the audit chain). */
#ifndef KB_BASE_RANDOM_H
#define KB_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void kb_random_bytes(void *ret, size_t size);
uint64_t kb_random_u64(void);
uint64_t kb_random_below(uint64_t limit); /* uniform in [0, limit); limit > 0 */

/* fn NULL: back to the system's. */
void kb_random_set(void (*fn)(void *ret, size_t size, void *userdata), void *userdata);

/* UUID version 7 (RFC 9562 section 5.7), text, terminated: sortable by time. Used as run id. */
#define KB_UUID_SIZE 37
void kb_uuid7(char ret[KB_UUID_SIZE]);

#endif
