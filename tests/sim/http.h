/* tests/sim/http.h: one request, what a fault makes of it, and how it is answered.
 *
 * Why:       libmicrohttpd serves each connection in a thread of its own, so latency, drips and hangs are plain sleeps
 * that hold up nobody else.
 * Owns:      the req owns its pool: texts taken while it is served pass with it; a fault's act lives for ever.
 * Errors:    an answer is always made; a broken one only on request.
 * Threads:   one thread per connection. kc_answer and dbx_answer are called without any lock and take world_lock.
 */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include "tests/sim/util.h"

#include <microhttpd.h>

enum side { SIDE_KC, SIDE_DBX };

enum ending { END_SEND, END_RESET, END_CLOSE, END_HANG };

enum { MAX_SEGS = 24 };

/* What a fault does (rules S9, S10, S19; 19, 20, 22, 23, 26, 27, 37, 38). */
struct act {
    int number; /* of the fault, for the log; -1: none */
    int status; /* 0: as computed */
    const char *body, *content_type, *retry_after, *hook;
    json_object *headers;
    int ending;
    bool apply;      /* work on the request first, then spoil the answer */
    bool hook_first; /* hook before answering, otherwise after the answer was computed */
    bool empty_list, repeat_page, flip_back, gzip;
    int drop_rows, dup_rows, stale_reads, fail_after_ops; /* fail_after_ops -1: no */
    int truncate, truncate_ok, pad;                       /* bytes, -1: no */
    int delay_ms, drip_ms, drip_bytes;
};

struct req {
    struct pool pool;
    enum side side;
    struct MHD_Connection *conn;
    const char *method, *uri, *path; /* as sent */
    char *query;                     /* without '?', "" when there is none */
    const char *seg[MAX_SEGS];       /* the decoded path */
    int nseg;
    struct buf body; /* never NULL once served */
    bool started;
    struct rec *rec;
    const struct act *act;
    const char *kind; /* endpoint, for the counts */

    int status;
    struct buf out;
    const char *ctype, *retry_after;
    const char *org_id; /* X-Databricks-Org-Id, or NULL */
    bool chunked;
};

struct MHD_Daemon *http_start(enum side side, int port, const char *cert_key);
int http_port(struct MHD_Daemon *d);
void http_abort_waits(void); /* ends hangs and drips, before the daemons stop */

const char *req_header(struct req *r, const char *name);
const char *req_host(struct req *r); /* scheme://host, as the client sees it */
/* Splits and decodes the path after `skip` bytes; false when a segment cannot be decoded. A trailing slash is dropped. */
bool req_split(struct req *r, size_t skip);
/* Do the segments from `at` on fit "a/b/X"? A capital or * is any one segment, ** at the end any rest. */
bool req_fits(const struct req *r, int at, const char *pattern);
bool req_is(const struct req *r, const char *method);
int64_t req_int(const struct req *r, const char *name, int64_t def);             /* of the query */
void answer(struct req *r, int status, const char *ctype, const char *fmt, ...); /* formats of util.h */
void oauth_error(struct req *r, int status, const char *error, const char *description);

/* The rows of a page: from..to of n, after what the fault does to it. */
struct page {
    int from, to, hole,
        again; /* hole: a row that vanished, drop_rows of them; again: dup_rows of them come twice */
};

struct page page_cut(const struct req *r, int n, int64_t first, int64_t max); /* max < 0: all */
bool page_shows(const struct req *r, const struct page *p, int i);

void kc_answer(struct req *r);
void dbx_answer(struct req *r);
void control_answer(struct req *r);

#endif
