/* base/http.h: the event loop: many requests in flight to several servers, one thread.
 *
 * Why:     waiting is shared (architecture, section 4). Readers are small state machines that submit data
 * (struct kb_http_request) and get exactly one reply for each. CURL handles never leave base/http*.c. Owns:
 * struct kb_http owns its peers; everything in a request is copied by kb_http_submit; a reply is borrowed for
 * the call.
 *
 * Units:   *_ms milliseconds (monotonic), *_s seconds, *_size bytes.
 *
 * Errors:  a request that got an HTTP answer has reply->error.code == KB_OK whatever the status; otherwise
 * KB_E_NET, KB_E_AUTH (a token refused, or 401 twice; then status is 401), KB_E_PROTOCOL (caps, wrong
 * encoding, no HTTP), KB_E_HTTP (the token endpoint is out of order: 429, 5xx), KB_E_STOPPED, KB_E_NOMEM, or
 * what the authority's build said (KB_E_CONFIG).
 *
 * Retries: one policy for all: GET, and requests with `replay`, after 408, 429, 500, 502, 503, 504 and curl's
 * resolve, connect, time-out, reset and cut-body errors, up to `tries`, full jitter 0.5 s * 2^n up to 60 s,
 * Retry-After up to 120 s, all within one waiting budget for the run. A request without `replay` is sent
 * again only where nothing was done: 429, 401, or not a byte of it had left. 401: one new token, once for
 * each request. A 429 holds its whole class at that peer, and the wait counts once. TLS certificate errors
 * are never retried. A refusal of the token endpoint (KB_E_AUTH) stays for the life of the kb_http: trying on
 * could lock the client out.
 *
 * Never:   redirects, netrc, environment proxies (unless configured), HTTP/2, Accept-Encoding, a switch to
 * skip TLS checks, a second sending by libcurl itself on a dead connection (CURLOPT_PREREQFUNCTION;
 * reliability F79). Process: SIGPIPE is ignored from kb_http_new on.
 *
 * Source:  libcurl 7.88 manual; c-anchors section 5; reliability 2.1, 5.3.
 */
#ifndef KB_BASE_HTTP_H
#define KB_BASE_HTTP_H

#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kb_http;      /* owned: kb_http_free */
struct kb_http_peer; /* one server with one identity; belongs to its kb_http */

/* Request classes; each has its own token bucket. */
enum kb_http_class { KB_HTTP_GET, KB_HTTP_LIST, KB_HTTP_PATCH, KB_HTTP_POST, KB_HTTP_CLASS_MAX_ };

struct kb_http_reply {
    const struct kb_error *error; /* never NULL; code KB_OK when `status` is a final answer */
    int status;                   /* 0 when none came */
    bool sent; /* bytes of the request may have reached the server: for a write the outcome is unknown */
    const char *body; /* terminated; collected body (requests without on_data, and every status but 200) */
    size_t body_size;
    const char *request_id; /* x-databricks-request-id or x-request-id, "" if none */
    const char
        *redirect_host; /* of the Location of a status 3xx, "" if none: a login page in front, usually */
    int64_t date_s;     /* Date header as Unix seconds, 0 if none: for clock skew */
    unsigned tries;     /* times it was sent */
    int64_t ms;         /* from submit to reply */
};

/* Exactly once per submitted request, never from inside kb_http_submit. May submit further requests. */
typedef void (*kb_http_reply_fn)(void *userdata, const struct kb_http_reply *reply);
/* A body of status 200 (again) begins: forget what on_data was given before. */
typedef void (*kb_http_begin_fn)(void *userdata);
/* Bytes of a body of status 200, outside libcurl's callbacks, in pieces of at most 256 KiB. < 0 (err set):
 * the reply carries this error; it is not retried. */
typedef int (*kb_http_data_fn)(void *userdata, const char *bytes, size_t size, struct kb_error *err);

struct kb_http_request {
    const char *method;       /* "GET", "POST", "PATCH" */
    const char *target;       /* path and query below the peer's base URL, starts with '/', already escaped */
    const char *body;         /* NULL: none */
    const char *content_type; /* with a body */
    enum kb_http_class class;
    bool replay; /* a write that may be sent again even when the first may have reached the server; GET always
                    may */
    bool once;   /* the first answer counts, whatever it is: a second try would ask about another moment */
    bool front;  /* before everything that waits: follow-ups of a reader, so that the longest list is not last
                  */
    kb_http_begin_fn on_begin; /* with on_data */
    kb_http_data_fn on_data;   /* NULL: the body is collected, up to the peer's max_body */
    kb_http_reply_fn on_reply; /* required */
    void *userdata;
};

/* What a token request is made of. Strings are heap memory, freed and wiped by the loop. */
struct kb_http_token_request {
    char *url;        /* absolute */
    char *form;       /* application/x-www-form-urlencoded; NULL: a GET, whose answer goes to `learn` */
    char *basic_user; /* NULL: no Authorization header; already form-encoded where the server wants that */
    char *basic_password;
    char *static_token; /* not NULL: no request at all, this is the token (a PAT) */
};

/* How a peer gets its bearer token. All callbacks get `userdata`. */
struct kb_http_authority {
    /* Fills a complete token request: absolute URL, form body. Called for each try. `subject` is the fresh
     * token of the peer named in `subject_peer`, NULL without one. */
    int (*build)(void *userdata, const struct kb_secret *subject, struct kb_http_token_request *ret,
                 struct kb_error *err);
    /* Turns a refusal of the token endpoint (status != 200) into a sentence with the cure. */
    void (*explain)(void *userdata, int status, const char *body, struct kb_error *err);
    /* May be NULL. The token endpoint answered `status`, which no retry mends: true when `build` would now ask
     * something else. It must not say so for ever. */
    bool (*elsewhere)(void *userdata, int status, const char *body);
    /* The answer to a request without a form; then `build` is called again. < 0 (err set): no token. */
    int (*learn)(void *userdata, int status, const char *body, struct kb_error *err);
    struct kb_http_peer *subject_peer; /* NULL: none (token exchange: the source's peer) */
    void *userdata;
};

struct kb_http_peer_opts {
    const char *name;     /* "keycloak", "acme": for messages */
    const char *base_url; /* https, or http to a literal loopback address; trailing slashes are cut */
    const char *proxy;    /* "" none, URL, or "env" */
    const char *ca_file;  /* "" system trust */
    const char *cert_file, *key_file; /* client certificate, "" none */
    const char *const
        *headers;         /* extra headers of each request ("Accept: …"), NULL-terminated or NULL; copied */
    unsigned concurrency; /* 1..32 */
    bool writable;        /* false: POST, PATCH, PUT, DELETE cannot be submitted at all (KB_E_BUG) */
    int64_t max_body_size;
    double rate[KB_HTTP_CLASS_MAX_];           /* requests a second; 0: no limit. Burst max(1, rate) */
    const struct kb_http_authority *authority; /* NULL: no token; copied */
};

struct kb_http_opts {
    const char *user_agent; /* copied */
    unsigned tries;
    int64_t retry_budget_ms;                                   /* waiting for retries, summed over the run */
    int64_t deadline_ms;                                       /* monotonic; 0: none */
    int64_t connect_timeout_ms, total_timeout_ms, low_speed_s; /* 0: 10000, 300000, 20 (64 B/s) */
    int64_t backoff_ms;                                        /* 0: 500 */
    bool catch_signals; /* SIGTERM and SIGINT through a signalfd: stop as kb_http_stop does */
    /* For tests: called instead of waiting when nothing is in flight and the next thing is due in `ms` by
     * base/clock; NULL waits really. */
    void (*wait)(void *userdata, int64_t ms);
    void *wait_userdata;
};

int kb_http_new(const struct kb_http_opts *opts, struct kb_http **ret, struct kb_error *err);
void kb_http_free(struct kb_http *http);
KB_DEFINE_CLEANUP(kb_http, struct kb_http *, kb_http_free)

int kb_http_peer_new(struct kb_http *http, const struct kb_http_peer_opts *opts, struct kb_http_peer **ret,
                     struct kb_error *err);

/* Queues; sends nothing yet. */
int kb_http_submit(struct kb_http_peer *peer, const struct kb_http_request *request, struct kb_error *err);

/* Runs until nothing is queued or in flight. KB_E_STOPPED after a signal, kb_http_stop or the deadline: then
 * nothing new is sent, writes in flight get up to 10 s, everything else is replied to with
 * KB_E_STOPPED. Otherwise 0: failures of single requests are their readers' business. Callable again and
 * again. */
int kb_http_run(struct kb_http *http, struct kb_error *err);

void kb_http_stop(struct kb_http *http);
bool kb_http_stopped(const struct kb_http *http);

/* Wakes `fn` at a monotonic time while kb_http_run runs (verification pauses). One shot. kb_http_run counts
 * it as work. A stop wakes it early; after a stop KB_E_STOPPED. */
int kb_http_after(struct kb_http *http, int64_t delay_ms, void (*fn)(void *userdata), void *userdata,
                  struct kb_error *err);

/* For progress, metrics and the foot of a report. */
struct kb_http_stats {
    uint64_t requests, retries, bytes,
        writes; /* requests includes token requests; writes: POST, PATCH, PUT, DELETE but tokens */
    uint64_t by_class[KB_HTTP_CLASS_MAX_];
    uint64_t token_requests;
    unsigned queued, in_flight, peak_in_flight;
    int64_t waited_ms;      /* spent of the retry budget */
    int64_t skew_s;         /* largest |Date - own wall clock| seen */
    int64_t cert_expires_s; /* of the server's certificate, Unix seconds; 0: no TLS, or not connected yet */
};

void kb_http_peer_stats(const struct kb_http_peer *peer, struct kb_http_stats *ret);

/* Claims of the peer's present token, for display and least-privilege checks only: the decoded payload of a
 * JWT, or NULL. Borrowed until the next token. */
const char *kb_http_peer_token_payload(const struct kb_http_peer *peer);

#endif
