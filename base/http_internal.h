/* base/http_internal.h: what the files of the event loop share. Nobody else may include it.
 *
 * Why:     the loop is one machine in several small files: http_loop.c turns it, http_peer.c holds what
 * waits, http_setup.c dresses libcurl's handles, http_transfer.c listens to them, http_outcome.c judges how
 * one ended, http_deliver.c hands over, http_token.c gets tokens.
 *
 * Life of a request (struct kb_http_job): queued, in a slot, ready (bytes or an end to hand over), freed
 * after its reply; or in a slot, delayed, queued again. It is in exactly one of these lists, except that a
 * job in a slot may also be in the ready list while its body streams.
 *
 * Owns:    kb_http owns peers and timers; a peer owns slots, queues, header lists; a job owns its response.
 *
 * Units:   *_at: monotonic milliseconds of base/clock.
 */
#ifndef KB_BASE_HTTP_INTERNAL_H
#define KB_BASE_HTTP_INTERNAL_H

#include "base/buf.h"
#include "base/http.h"
#include "base/http_retry.h"

#include <curl/curl.h>

#define KB_HTTP_PIECE_SIZE ((size_t) 256 * 1024) /* most bytes of a body that wait for their reader */
/* Of an unwanted status; the rest is read and dropped. */
#define KB_HTTP_ERROR_BODY_SIZE ((size_t) 64 * 1024)
#define KB_HTTP_HEADER_SIZE ((size_t) 64 * 1024)
#define KB_HTTP_HEADER_LINES 256
#define KB_HTTP_GRACE_MS 10000
#define KB_HTTP_CONTENT_TYPES 8 /* different ones a peer may send */

enum kb_http_flaw {
    KB_HTTP_FINE,
    KB_HTTP_NO_MEMORY,
    KB_HTTP_ENCODED,
    KB_HTTP_BODY_OVER,
    KB_HTTP_HEADERS_OVER
};

/* The answer to one sending. */
struct kb_http_response {
    enum kb_http_flaw flaw; /* why a callback of ours broke the transfer off */
    int status;
    bool head_done; /* the empty line after the headers was there */
    unsigned header_lines;
    size_t header_size;
    size_t total; /* bytes of body that came */
    char *body;   /* collected, or waiting for on_data; wiped when freed */
    size_t len, cap;
    bool paused;
    int64_t retry_after_s; /* -1: none */
    int64_t date_s;
    char request_id[72];
    bool request_id_own; /* it is the databricks one */
    char redirect_host[256];
};

struct kb_http_job {
    struct kb_http_job *next;       /* in the queue or the delayed list */
    struct kb_http_job *ready_next; /* in the ready list */
    struct kb_http_peer *peer;
    struct kb_http_slot *slot;       /* NULL: not in flight */
    struct kb_http_response *answer; /* of the sending in flight, or the last one; NULL before the first */
    const char *method;              /* a literal */
    char *target;                    /* these three are in the job's own memory */
    char *body;                      /* NULL: none */
    char *content_type;
    size_t body_size;
    enum kb_http_class class;
    bool replay, write, once;
    kb_http_begin_fn on_begin;
    kb_http_data_fn on_data;
    kb_http_reply_fn on_reply;
    void *userdata;
    uint64_t seq;        /* order of submission */
    uint64_t token_gen;  /* of the token it was last sent with */
    int64_t token_until; /* from then on that token's age explains a 401 */
    unsigned tries;
    int64_t submitted_at, not_before_at;
    bool begun;   /* on_begin was called for this answer */
    bool renewed; /* its one new token was used */
    bool unsure;  /* an earlier sending ended without a word whether the server acted */
    bool ready;   /* in the ready list */
    bool unread;  /* counted in its peer's `unread` */
    bool done;    /* `error` and `answer` are final */
    bool sent;    /* the last sending may have reached the server */
    struct kb_error error;
};

/* One easy handle and, while it is busy, what it carries. */
struct kb_http_slot {
    struct kb_http_peer *peer;
    CURL *easy;
    struct kb_http_job *job;         /* NULL: idle, or the token's slot */
    struct kb_http_response *answer; /* the token's slot only; a job has its own */
    bool busy;
    bool as_write;      /* the handle is dressed for a request with a body or another method */
    uint64_t token_gen; /* of the token the handle has */
    unsigned starts;    /* times libcurl began to send in this transfer */
    char detail[CURL_ERROR_SIZE];
};

struct kb_http_queue {
    struct kb_http_job *head, *tail;
};

struct kb_http_bucket {
    double rate, tokens; /* rate 0: no limit */
    int64_t filled_at;
    int64_t hold_until_at; /* after a 429 */
};

struct kb_http_token {
    struct kb_secret *value; /* NULL: none yet */
    char *payload;
    uint64_t gen;     /* 0: none yet; grows with each token */
    int64_t renew_at; /* from then on a new one is asked for before the next request */
    bool invalid;     /* a 401 came for the present one */
    bool unproven;    /* the present one was got because of a 401 and has not worked yet */
    bool pending;     /* request in flight */
    int64_t not_before_at;
    unsigned tries;
    struct kb_error failed; /* code KB_OK: not failed */
    struct kb_http_slot slot;
    struct kb_http_token_request request;
    struct curl_slist *headers;
};

struct kb_http_peer {
    struct kb_http *http;
    char *name, *base_url, *proxy, *ca_file, *cert_file, *key_file;
    struct curl_slist *headers; /* of a request without body */

    struct {
        char *content_type;
        struct curl_slist *headers;
    } typed[KB_HTTP_CONTENT_TYPES];

    size_t typed_len;
    unsigned concurrency, in_flight;
    bool writable, has_authority;
    size_t max_body_size;
    struct kb_http_authority authority;
    struct kb_http_token token;
    struct kb_http_bucket buckets[KB_HTTP_CLASS_MAX_];
    struct kb_http_queue front[KB_HTTP_CLASS_MAX_], back[KB_HTTP_CLASS_MAX_];
    struct kb_http_queue delayed; /* sorted by not_before_at */
    unsigned queued;              /* front, back and delayed */
    unsigned unread; /* answers that are whole but not handed over: at most `concurrency`, then nothing new
                        starts */
    struct kb_http_slot *slots; /* `concurrency` of them; handles are made at first use */
    struct kb_buf url;          /* scratch */
    struct kb_http_stats stats;
};

struct kb_http_timer {
    int64_t at;
    void (*fn)(void *userdata);
    void *userdata;
};

struct kb_http {
    CURLM *multi;
    bool curl_ready; /* curl_global_init was called */
    char *user_agent;
    unsigned tries;
    int64_t retry_budget_ms, waited_ms, deadline_at, backoff_ms;
    int64_t connect_timeout_ms, total_timeout_ms, low_speed_s;
    void (*wait)(void *userdata, int64_t ms);
    void *wait_userdata;
    struct kb_http_peer **peers;
    size_t peers_len, peers_cap;
    size_t connections; /* sum over peers, for the connection cache */
    struct kb_http_timer *timers;
    size_t timers_len, timers_cap;
    struct kb_http_job *ready_head, *ready_tail;
    unsigned in_flight; /* slots and tokens */
    uint64_t seq;
    int signal_fd;
    bool mask_saved, running, stopped;
    int64_t grace_until_at;
    char stop_cause[64];
    int64_t turned_at; /* last curl_multi_perform */
    sigset_t old_mask;
};

/* ---- http_setup.c ---- */

/* https, or http to a literal loopback address; printable ASCII; no user, no fragment. query: one is allowed.
 */
int kb_http_check_url(const char *url, bool query, struct kb_error *err);
int kb_http_check_target(const char *target, struct kb_error *err);
bool kb_http_header_safe(const char *line); /* printable ASCII and blanks: cannot start another header */
/* Makes the handle at first use. */
int kb_http_slot_open(struct kb_http_slot *slot, struct kb_error *err);
int kb_http_slot_dress(struct kb_http_slot *slot, const struct kb_http_job *job, struct kb_error *err);
int kb_http_slot_dress_token(struct kb_http_slot *slot, const struct kb_http_token_request *request,
                             struct curl_slist *headers, struct kb_error *err);

/* ---- http_transfer.c: libcurl's callbacks ---- */

size_t kb_http_on_body(char *data, size_t size, size_t count, void *userdata);
size_t kb_http_on_header(char *line, size_t size, size_t count, void *userdata);
int kb_http_on_start(void *userdata, char *remote_ip, char *local_ip, int remote_port, int local_port);
struct kb_http_response *kb_http_response_new(void);
void kb_http_response_free(struct kb_http_response *answer);

/* ---- http_outcome.c ---- */

/* libcurl calls a connection that was closed between two header lines a success; it is not. Measured
 * with 7.88: tests/unit/base/test_http_read.c, "closed in the head". */
CURLcode kb_http_result(const struct kb_http_response *answer, CURLcode result);
/* How a transfer ended: KB_OK when there is an answer, else the error, fit for people. */
void kb_http_explain(const struct kb_http_slot *slot, const struct kb_http_response *answer,
                     const char *method, const char *url, CURLcode result, struct kb_error *ret);
/* Takes the job out of its slot and decides: ready (final) or delayed. */
void kb_http_settle(struct kb_http_slot *slot, CURLcode result);
/* Is there time and budget for this wait? Then it is counted. */
bool kb_http_afford(struct kb_http_peer *peer, int64_t ms, int64_t counted_ms);
void kb_http_note_date(struct kb_http_peer *peer, int64_t date_s);
void kb_http_note_certificate(const struct kb_http_slot *slot); /* before the slot is used again */

/* ---- http_deliver.c ---- */

/* True: something was handed over, so that there may be new work. */
bool kb_http_deliver(struct kb_http *http);
/* Ends a job with this error, in flight or not; its reply follows with the next delivery. */
void kb_http_break_off(struct kb_http_job *job, const struct kb_error *why);

/* ---- http_peer.c ---- */

void kb_http_peer_free(struct kb_http_peer *peer);
/* The next job that may start now, taken out of its queue and its bucket; NULL: none. */
struct kb_http_job *kb_http_peer_pick(struct kb_http_peer *peer, int64_t now);
int64_t kb_http_peer_wake_at(const struct kb_http_peer *peer,
                             int64_t now);   /* INT64_MAX: nothing waits for time */
void kb_http_delay(struct kb_http_job *job); /* into the delayed list, by not_before_at */
void kb_http_ready(struct kb_http_job *job); /* into the ready list, once */
void kb_http_fail_waiting(struct kb_http_peer *peer,
                          const struct kb_error *error); /* all that is not in flight */
void kb_http_job_free(struct kb_http_job *job);

/* ---- http_token.c ---- */

/* 1: there is a token to use (or none is needed); 0: wait; < 0: there will be none (err). */
int kb_http_token_ensure(struct kb_http_peer *peer, int64_t now, struct kb_error *err);
/* When a request may count on a token; <= now: at once (there is one, or it can be asked for); INT64_MAX: an
 * answer of the token endpoint decides. */
int64_t kb_http_token_wake_at(const struct kb_http_peer *peer, int64_t now);
void kb_http_token_settle(struct kb_http_peer *peer, CURLcode result);
void kb_http_token_abort(struct kb_http_peer *peer);
/* A 401 came for a request with this token: true when a new one is worth a try. */
bool kb_http_token_refused(struct kb_http_peer *peer, uint64_t gen);
void kb_http_token_worked(struct kb_http_peer *peer, uint64_t gen);
void kb_http_token_done(struct kb_http_token *token);

/* ---- http_loop.c ---- */

/* Puts a dressed slot into flight / takes it out. */
int kb_http_launch(struct kb_http_slot *slot, struct kb_error *err);
void kb_http_land(struct kb_http_slot *slot);

#endif
