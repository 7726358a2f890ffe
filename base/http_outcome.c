/* How one sending ended, in words for people, and what follows from it: an answer, another try, or an error.
 */
#include "base/ban.h"

#include "base/clock.h"
#include "base/http_internal.h"
#include "base/random.h"

/* libcurl's text without the words that only libcurl's authors need, and with the cure where there is one. */
static const char *
cause_of(const struct kb_http_slot *slot, CURLcode result, const char **ret_cure)
{
    static const char *const noise[] = {"SSL certificate problem: ", "SSL: "};
    const char *detail = slot->detail[0] ? slot->detail : curl_easy_strerror(result);
    *ret_cure = "";
    if (result == CURLE_ABORTED_BY_CALLBACK)
        return "the connection broke before an answer came";
    if (result == CURLE_PARTIAL_FILE)
        return "the answer was cut off";
    if (result == CURLE_PEER_FAILED_VERIFICATION &&
        (strstr(detail, "issuer") || strstr(detail, "self-signed")))
        *ret_cure = " (no trusted authority signed it; ca_file can name another one)";
    const char *openssl = strstr(detail, "SSL routines::");
    if (openssl)
        return openssl + strlen("SSL routines::");
    for (size_t i = 0; i < KB_LEN(noise); i++)
        if (strncmp(detail, noise[i], strlen(noise[i])) == 0)
            return detail + strlen(noise[i]);
    return detail;
}

CURLcode
kb_http_result(const struct kb_http_response *answer, CURLcode result)
{
    return result == CURLE_OK && !answer->head_done ? CURLE_PARTIAL_FILE : result;
}

/* libcurl ends a header line of more than 100 KiB as if memory had run out (lib/dynbuf.c). It has not when there is enough for ten
 * such lines, and then it is the server's doing. */
static bool
endless_header_line(const struct kb_http_slot *slot, const struct kb_http_response *answer)
{
    long sent = 0;
    if (answer->head_done || curl_easy_getinfo(slot->easy, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK ||
        sent <= 0)
        return false;
    char *volatile probe = malloc(1u << 20);
    bool enough = probe != NULL;
    free(probe);
    return enough;
}

void
kb_http_explain(const struct kb_http_slot *slot, const struct kb_http_response *answer, const char *method,
                const char *url, CURLcode result, struct kb_error *ret)
{
    const char *name = slot->peer->name;
    int len = (int) strcspn(url, "?"); /* the query may hold names of people */
    if (len > 200)
        len = 200;
    switch (answer->flaw) {
    case KB_HTTP_NO_MEMORY:
        (void) kb_fail(ret, KB_E_NOMEM, "%s: out of memory while reading an answer", name);
        return;
    case KB_HTTP_ENCODED:
        (void) kb_fail(ret, KB_E_PROTOCOL,
                       "%s: %s %.*s: the answer is compressed, though nobody asked for that", name, method,
                       len, url);
        return;
    case KB_HTTP_BODY_OVER:
        (void) kb_fail(ret, KB_E_PROTOCOL, "%s: %s %.*s: the answer is larger than the limit of %zu bytes",
                       name, method, len, url,
                       slot == &slot->peer->token.slot ? KB_HTTP_ERROR_BODY_SIZE : slot->peer->max_body_size);
        return;
    case KB_HTTP_HEADERS_OVER:
        (void) kb_fail(ret, KB_E_PROTOCOL, "%s: %s %.*s: the answer has too many header lines", name, method,
                       len, url);
        return;
    case KB_HTTP_FINE:
        break;
    }
    if (result == CURLE_OK)
        return;
    enum kb_code code = KB_E_NET;
    if (result == CURLE_OUT_OF_MEMORY && endless_header_line(slot, answer)) {
        (void) kb_fail(ret, KB_E_PROTOCOL, "%s: %s %.*s: the answer has a header line of more than 100 KiB",
                       name, method, len, url);
        return;
    }
    if (result == CURLE_OUT_OF_MEMORY)
        code = KB_E_NOMEM;
    else if (result == CURLE_WEIRD_SERVER_REPLY || result == CURLE_UNSUPPORTED_PROTOCOL)
        code = KB_E_PROTOCOL; /* not HTTP/1.x at all */
    const char *cure = "", *cause = cause_of(slot, result, &cure);
    (void) kb_fail(ret, code, "%s: %s %.*s: %s%s%s", name, method, len, url,
                   result == CURLE_SSL_CONNECT_ERROR ? "TLS: " : "", cause, cure);
    ret->sub = (int) result;
    ret->retry = kb_http_again_curl(result, slot->detail);
}

bool
kb_http_afford(struct kb_http_peer *peer, int64_t ms, int64_t counted_ms)
{
    struct kb_http *http = peer->http;
    if (http->stopped || counted_ms > http->retry_budget_ms - http->waited_ms)
        return false;
    if (http->deadline_at && ms >= http->deadline_at - kb_mono_ms())
        return false;
    http->waited_ms += counted_ms;
    peer->stats.waited_ms += counted_ms;
    peer->stats.retries++;
    return true;
}

void
kb_http_note_date(struct kb_http_peer *peer, int64_t date_s)
{
    if (date_s == 0)
        return;
    int64_t skew = date_s - kb_wall_s();
    skew = skew < 0 ? -skew : skew;
    if (skew > peer->stats.skew_s)
        peer->stats.skew_s = skew;
}

/* The first certificate is the server's own. Source: CURLINFO_CERTINFO(3). Of several, the one that ends first counts; a connection
 * that is used again shows none, and the first request over it may have been for a token. */
void
kb_http_note_certificate(const struct kb_http_slot *slot)
{
    static const char key[] = "Expire date:";
    struct kb_http_stats *stats = &slot->peer->stats;
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(slot->easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info ||
        info->num_of_certs < 1)
        return;
    for (const struct curl_slist *line = info->certinfo[0]; line; line = line->next) {
        int64_t ends_s = strncmp(line->data, key, strlen(key))
                             ? -1
                             : (int64_t) curl_getdate(line->data + strlen(key), NULL);
        if (ends_s > 0 && (!stats->cert_expires_s || ends_s < stats->cert_expires_s))
            stats->cert_expires_s = ends_s;
    }
}

static void
finish(struct kb_http_job *job)
{
    job->done = true;
    job->sent = job->sent || job->unsure;
    job->unread = true;
    job->peer->unread++;
    kb_http_ready(job);
}

static void
again(struct kb_http_job *job, int64_t ms)
{
    job->not_before_at = kb_mono_ms() + ms;
    job->begun = false;
    kb_http_delay(job);
}

/* The limit is for all requests of this class: they wait together, and count once. */
static bool
hold_class(struct kb_http_job *job, int64_t ms)
{
    struct kb_http_bucket *bucket = &job->peer->buckets[job->class];
    int64_t now = kb_mono_ms();
    int64_t from = bucket->hold_until_at > now ? bucket->hold_until_at : now;
    if (!kb_http_afford(job->peer, ms, now + ms > from ? now + ms - from : 0))
        return false;
    if (now + ms > bucket->hold_until_at)
        bucket->hold_until_at = now + ms;
    return true;
}

/* True: the job waits for its next try. */
static bool
try_again(struct kb_http_job *job, bool stale)
{
    struct kb_http_peer *peer = job->peer;
    struct kb_http *http = peer->http;
    int status = job->answer->status;
    bool answered = job->error.code == KB_OK;
    bool limited = answered && kb_http_limited(status, job->answer->body, job->answer->len);
    int64_t ms =
        kb_http_backoff(http->backoff_ms, job->tries, limited, job->answer->retry_after_s, kb_random_u64());
    /* A 401 belongs to the token, not to this request. */
    bool may = job->tries - (job->renewed ? 1 : 0) < http->tries &&
               (answered ? kb_http_again_status(status, job->replay)
                         : job->error.retry && (job->replay || !job->sent));
    if (job->once && !stale) /* a kept connection that had died was no answer */
        may = false;
    if (!may) {
        if (limited && status != 429) /* a write is not repeated, but the others must slow down */
            (void) hold_class(job, ms);
        return false;
    }
    if (stale && job->tries == 1)
        ms = 0; /* a kept connection had died: that says nothing about the server */
    if (limited ? !hold_class(job, ms) : !kb_http_afford(peer, ms, ms))
        return false;
    job->unsure = job->unsure || (job->sent && status != 429);
    again(job, ms);
    return true;
}

/* A 401 did nothing at the server, so that a write may be sent again, too. True: the job waits for the token.
 */
static bool
renew(struct kb_http_job *job)
{
    struct kb_http_peer *peer = job->peer;
    /* A token of two seconds may end on the way, however new it was: that is no refusal of it. */
    bool old = kb_mono_ms() >= job->token_until && job->tries < peer->http->tries;
    if (peer->has_authority && (old || (!job->renewed && kb_http_token_refused(peer, job->token_gen)))) {
        if (peer->http->stopped) {
            job->sent = false;
            (void) kb_fail(&job->error, KB_E_STOPPED, "%s: stopped before a new token was there", peer->name);
            return false;
        }
        job->renewed = job->renewed || !old;
        peer->stats.retries++;
        again(job, 0);
        return true;
    }
    if (peer->has_authority) {
        (void) kb_fail(&job->error, KB_E_AUTH, "%s: %s %s%.*s: refused (401), also with a new token",
                       peer->name, job->method, peer->base_url, (int) strcspn(job->target, "?"), job->target);
        job->error.status = 401;
    }
    return false;
}

void
kb_http_settle(struct kb_http_slot *slot, CURLcode result)
{
    struct kb_http_job *job = kb_steal(&slot->job);
    struct kb_http_peer *peer = slot->peer;
    kb_http_land(slot);
    job->slot = NULL;
    job->sent = slot->starts > 0;
    peer->stats.bytes += job->answer->total;
    kb_http_note_date(peer, job->answer->date_s);
    kb_http_note_certificate(slot);
    if (job->done) { /* its reader refused the body, or the time was over: the error is there */
        finish(job);
        return;
    }

    KB_CLEANUP(kb_free) char *url = kb_asprintf("%s%s", peer->base_url, job->target);
    job->error = (struct kb_error){0};
    result = kb_http_result(job->answer, result);
    if (result != CURLE_OK || job->answer->flaw != KB_HTTP_FINE)
        kb_http_explain(slot, job->answer, job->method, url ? url : peer->base_url, result, &job->error);
    if (job->error.code == KB_OK && job->answer->status == 401) {
        if (renew(job))
            return;
    } else {
        if (job->error.code == KB_OK)
            kb_http_token_worked(peer, job->token_gen);
        if (try_again(job, result == CURLE_ABORTED_BY_CALLBACK))
            return;
    }
    finish(job);
}
