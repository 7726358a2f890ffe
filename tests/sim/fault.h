/* tests/sim/fault.h: faults as data: which request, and what happens to it. README.md lists the fields.
 *
 * Owns:      a fault that was posted lives until the program ends, since a request in flight may use it.
 * Errors:    fault_add: a message when the list is not understood; then nothing was added.
 * Threads:   locks itself.
 */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "tests/sim/http.h"

extern const struct act fault_none;

const char *fault_add(json_object *list);
void fault_clear(void);
const struct act *fault_match(const struct req *r);
void fault_dump(struct buf *out);

#endif
