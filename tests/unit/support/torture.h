/* tests/unit/support/torture.h: the n-th allocation fails.
 *
 * Why:     out of memory is an error like any other; curl's idea of torture tests. Only allocations of our
 * own code are counted (the linker wraps malloc, calloc, realloc and strdup there), only in the thread that
 * asked. Needs torture_dep in tests/unit/meson.build.
 */
#ifndef KB_TESTS_UNIT_SUPPORT_TORTURE_H
#define KB_TESTS_UNIT_SUPPORT_TORTURE_H

#include <stdbool.h>

void torture_start(unsigned n); /* the n-th from now fails, from 0; those after it work */
bool torture_stop(void);        /* true: it was reached */

#endif
