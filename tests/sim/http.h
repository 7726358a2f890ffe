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

enum { MAX_SEGS = 24 };

/* What a fault does (rules S9, S10, S19; 19, 20, 22, 23, 26, 27, 37, 38), with its normal state; README.md. status 0: as
 * computed. reset, close_before_headers, hang: no answer. apply: work on the request first, then spoil the answer. Sizes
 * are bytes. */
#define ACTS(NUMBER, FLAG, TEXT)      \
    NUMBER(status, 0)                 \
    NUMBER(drop_rows, 0)              \
    NUMBER(dup_rows, 0)               \
    NUMBER(stale_reads, 0)            \
    NUMBER(fail_after_ops, -1)        \
    NUMBER(truncate, -1)              \
    NUMBER(truncate_ok, -1)           \
    NUMBER(pad, 0)                    \
    NUMBER(delay_ms, 0)               \
    NUMBER(drip_ms, 0)                \
    NUMBER(drip_bytes, 16)            \
    FLAG(reset, false)                \
    FLAG(close_before_headers, false) \
    FLAG(hang, false)                 \
    FLAG(apply, false)                \
    FLAG(empty_list, false)           \
    FLAG(repeat_page, false)          \
    FLAG(flip_back, false)            \
    FLAG(gzip, false)                 \
    TEXT(body, NULL)                  \
    TEXT(content_type, NULL)          \
    TEXT(retry_after, NULL)           \
    TEXT(hook, NULL)

struct act {
    ACTS(SLOT_INT_FIELD, SLOT_FLAG_FIELD, SLOT_TEXT_FIELD)
    int number;      /* of the fault, for the log; -1: none */
    bool hook_first; /* hook before answering, otherwise after the answer was computed */
    json_object *headers;
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
    int64_t n, nside; /* its number in the log, and among those of its side */
    const struct act *act;
    const char *kind; /* endpoint, for the counts */

    int status;
    struct buf out;
    const char *ctype, *retry_after;
    const char *org_id; /* X-Databricks-Org-Id, or NULL */
    bool chunked;
};

struct MHD_Daemon *http_start(enum side side, int port, const char *cert_key);
const char *http_url(struct MHD_Daemon *d, bool tls);
void http_stop(struct MHD_Daemon *a,
               struct MHD_Daemon *b); /* NULL: was not started; ends hangs and drips first */

const char *req_header(struct req *r, const char *name);
const char *req_host(struct req *r); /* scheme://host, as the client sees it */
/* Splits and decodes the path after `skip` bytes; false when a segment cannot be decoded. A trailing slash is dropped. */
bool req_split(struct req *r, size_t skip);
/* Do the segments from `at` on fit "a/b/X"? A capital or * is any one segment, ** at the end any rest. */
bool req_fits(const struct req *r, int at, const char *pattern);
bool req_is(const struct req *r, const char *method);
int64_t req_int(const struct req *r, const char *name, int64_t def); /* of the query */
void answer_text(struct req *r, int status, const char *ctype, const char *text);
#define answer(r, status, ctype, ...) answer_text(r, status, ctype, tf(__VA_ARGS__)) /* formats of util.h */
void oauth_error(struct req *r, int status, const char *error, const char *description);

/* A page of n rows, after what the fault does to it (S10, S11). max < 0: all. */
struct page {
    int from, to, rows; /* rows: some come twice */
};

struct page page_cut(const struct req *r, int n, int64_t first, int64_t max);
int page_row(const struct req *r, const struct page *p,
             int i); /* the index of row i of `rows`, -1: it vanished */

/* record.c: the log of requests and the counts (rules 36 and S25). Authorization is kept as "present", secret form fields as
 * "REDACTED". Locks itself; a request that is still being served survives rec_clear. */
void rec_begin(struct req *r);
void rec_answered(struct req *r); /* counts it: who has the answer finds it in the counts and in the log */
void rec_end(struct req *r);      /* it is no longer in flight */
void rec_dump(struct buf *out);
void rec_stats(struct buf *out);
void rec_clear(void);
void rec_quiet(bool quiet); /* count, but keep no records */

/* fault.c: faults as data: which request, and what happens to it. A fault that was posted lives until the program ends,
 * since a request in flight may use it. Locks itself. */
extern const struct act fault_none;

const char *fault_add(json_object *list); /* what is not understood, then nothing was added */
void fault_clear(void);
const struct act *fault_match(const struct req *r);
void fault_dump(struct buf *out);

void kc_answer(struct req *r);
void dbx_answer(struct req *r);
void control_answer(struct req *r);

#endif
