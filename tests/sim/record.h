/* tests/sim/record.h: the log of requests and the counts (rules 36 and S25).
 *
 * Owns:      the log owns its records until it is cleared; a request that is still being served survives that.
 * Units:     t_ms since the log began.
 * Secrets:   Authorization is kept as "present", secret form fields as "REDACTED".
 * Threads:   locks itself.
 */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include "tests/sim/http.h"

void rec_begin(struct req *r);
void rec_end(struct req *r);
int64_t rec_number(const struct rec *c);
int64_t rec_side_number(const struct rec *c); /* 1-based among the requests of that side */
void rec_dump(struct buf *out);
void rec_stats(struct buf *out);
void rec_clear(void);
void rec_quiet(bool quiet); /* count, but keep no records */

#endif
