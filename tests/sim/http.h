/* tests/sim/http.h: one request of either server, its answer, and what a fault makes of it.
 *
 * Why:       libmicrohttpd serves each connection in a thread of its own, so latency, drips and hangs are
 * plain sleeps that hold up nobody else. Owns:      the req owns its texts and its answer until the
 * connection is done with it; a fault's act lives for ever. Errors:    an answer is always made; a broken one
 * only on request. Threads:   one thread per connection. kc_answer and dbx_answer are called without any lock
 * and take world_lock.
 */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include "tests/sim/util.h"

#include <microhttpd.h>

enum side { SIDE_KC, SIDE_DBX };

enum ending { END_SEND, END_RESET, END_CLOSE, END_HANG };

enum { MAX_SEGS = 24, MAX_EXTRA = 8 };

/* What a fault does (rules S9, S10, S19; 19, 20, 22, 23, 26, 27, 37, 38). */
struct act {
    int number; /* of the fault, for the log; -1: none */
    int status; /* 0: as computed */
    char *body, *content_type, *retry_after, *hook;
    char *header[MAX_EXTRA], *value[MAX_EXTRA];
    int nheaders;
    enum ending ending;
    bool apply;      /* work on the request first, then spoil the answer */
    bool hook_first; /* hook before answering, otherwise after the answer was computed */
    bool empty_list, repeat_page, flip_back, gzip;
    int drop_rows, dup_rows, stale_reads, fail_after_ops; /* fail_after_ops -1: no */
    long truncate, truncate_ok, pad;                      /* bytes, -1: no */
    int delay_ms, drip_ms, drip_bytes;
};

struct rec;

struct req {
    enum side side;
    struct MHD_Connection *conn;
    const char *method;
    char *uri, *path, *query; /* as sent; query without '?', "" when there is none */
    char *raw[MAX_SEGS], *seg[MAX_SEGS];
    int nseg;
    struct buf body;
    bool started;
    struct rec *rec;
    const struct act *act;
    const char *kind; /* endpoint, for the counts */

    int status;
    struct buf out;
    const char *ctype;
    char *retry_after;
    const char *org_id; /* X-Databricks-Org-Id of the answer, or NULL */
    bool chunked;
};

struct MHD_Daemon *http_start(enum side side, int port, const char *cert_key);
int http_port(struct MHD_Daemon *d);
void http_stop(struct MHD_Daemon *d);
void http_abort_waits(void); /* ends hangs and drips, before the daemons stop */

const char *req_header(struct req *r, const char *name);
/* Splits and decodes the path after `skip` bytes; false when a segment cannot be decoded. A trailing slash is
 * dropped. */
bool req_split(struct req *r, size_t skip);
bool req_seg(const struct req *r, int i, const char *s); /* is decoded segment i just this? */
bool req_is(const struct req *r, const char *method);
void answer(struct req *r, int status, const char *ctype, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

void kc_answer(struct req *r);
void dbx_answer(struct req *r);
void control_answer(struct req *r);

#endif
