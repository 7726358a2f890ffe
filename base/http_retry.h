/* base/http_retry.h: when a request is sent again, and how long that waits. Pure functions.
 *
 * Why:     one policy for all rooms, in a place a table of cases can test without a server.
 * Owns:    nothing. Units: *_ms, *_s as said; wall clock as Unix seconds.
 * Errors:  none; what cannot be read counts as "the server said nothing".
 * Source:  RFC 9110 sections 5.6.7 (dates), 10.2.3 (Retry-After), 15.5.9, 15.6; libcurl 7.88
 * libcurl-errors(3); reliability F01-F08, F75, F76; c-anchors section 5: CURLINFO_RETRY_AFTER is negative for
 * a past date and 0 for rubbish, so the header is read here.
 */
#ifndef KB_BASE_HTTP_RETRY_H
#define KB_BASE_HTTP_RETRY_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#define KB_HTTP_RETRY_AFTER_MAX_S 120
#define KB_HTTP_BACKOFF_MAX_MS 60000

/* An HTTP date in one of the three forms of RFC 9110. */
bool kb_http_date(const char *value, int64_t *ret_unix_s);

/* 0..KB_HTTP_RETRY_AFTER_MAX_S; a date in the past is 0; -1: absent (NULL), negative or rubbish. */
int64_t kb_http_retry_after(const char *value, int64_t now_s);

/* Does the answer say "slow down"? 429, and a 500 whose text says so (databricks-api.md 3.8: REQUEST_LIMIT_EXCEEDED,
 * token bucket). The latter may have been acted on: that a write is not repeated is judged elsewhere. */
bool kb_http_limited(int status, const char *body, size_t len);

/* May an answer with this status be asked for again? replay: the request may be repeated at will. */
bool kb_http_again_status(int status, bool replay);

/* The same for a transfer that ended without a whole answer. detail is libcurl's error text. Whether a write
 * may be repeated is not judged here. */
bool kb_http_again_curl(CURLcode result, const char *detail);

/* The wait before the next try. failures: tries that failed so far (1 or more); limited: status 429;
 * retry_after_s as above; random: any number, picks the point in the jitter. */
int64_t kb_http_backoff(int64_t base_ms, unsigned failures, bool limited, int64_t retry_after_s,
                        uint64_t random);

#endif
