/* One server: what waits for it, in which order, and how fast it may go. */
#include "base/ban.h"

#include "base/clock.h"
#include "base/http_internal.h"
#include "base/str.h"

#include <errno.h>

/* ---- life ---- */

static int
check_opts(const struct kb_http_peer_opts *opts, struct kb_error *err)
{
    if (kb_http_check_url(opts->base_url, false, err) < 0)
        return kb_fail_prefix(err, "%s", opts->name);
    if (opts->concurrency < 1 || opts->concurrency > 32 || opts->max_body_size < 1)
        return kb_fail(err, KB_E_BUG, "%s: concurrency or size of a body out of range", opts->name);
    if (!kb_http_header_safe(opts->proxy))
        return kb_fail(err, KB_E_CONFIG, "%s: the proxy holds bytes that no URL may have", opts->name);
    for (size_t i = 0; opts->headers && opts->headers[i]; i++)
        if (!kb_http_header_safe(opts->headers[i]) || !strchr(opts->headers[i], ':'))
            return kb_fail(err, KB_E_BUG, "%s: a header that is none", opts->name);
    const char *files[] = {opts->ca_file, opts->cert_file, opts->key_file};
    for (size_t i = 0; i < KB_LEN(files); i++)
        if (files[i][0] && access(files[i], R_OK) < 0)
            return kb_fail_errno(err, KB_E_CONFIG, errno, "%s: %s", opts->name, files[i]);
    return 0;
}

static bool
copy_opts(struct kb_http_peer *peer, const struct kb_http_peer_opts *opts)
{
    size_t len = strlen(opts->base_url);
    while (len && opts->base_url[len - 1] == '/')
        len--;
    peer->name = kb_strndup(opts->name, strlen(opts->name));
    peer->base_url = kb_strndup(opts->base_url, len);
    peer->proxy = kb_strndup(opts->proxy, strlen(opts->proxy));
    peer->ca_file = kb_strndup(opts->ca_file, strlen(opts->ca_file));
    peer->cert_file = kb_strndup(opts->cert_file, strlen(opts->cert_file));
    peer->key_file = kb_strndup(opts->key_file, strlen(opts->key_file));
    peer->slots = calloc(opts->concurrency, sizeof(*peer->slots));
    if (!peer->name || !peer->base_url || !peer->proxy || !peer->ca_file || !peer->cert_file ||
        !peer->key_file || !peer->slots)
        return false;
    for (size_t i = 0; opts->headers && opts->headers[i]; i++) {
        struct curl_slist *longer = curl_slist_append(peer->headers, opts->headers[i]);
        if (!longer)
            return false;
        peer->headers = longer;
    }
    peer->concurrency = opts->concurrency;
    for (unsigned i = 0; i < peer->concurrency; i++)
        peer->slots[i].peer = peer;
    return true;
}

static int
fill_peer(struct kb_http_peer *peer, const struct kb_http_peer_opts *opts, struct kb_error *err)
{
    if (!copy_opts(peer, opts))
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    kb_buf_init(&peer->url, (size_t) 64 * 1024);
    peer->writable = opts->writable;
    peer->max_body_size = (size_t) opts->max_body_size;
    peer->token.slot.peer = peer;
    if (opts->authority) {
        peer->authority = *opts->authority;
        peer->has_authority = true;
    }
    int64_t now = kb_mono_ms();
    for (size_t i = 0; i < KB_HTTP_CLASS_MAX_; i++) {
        double rate = opts->rate[i];
        peer->buckets[i] =
            (struct kb_http_bucket){.rate = rate, .tokens = rate > 1 ? rate : 1, .filled_at = now};
    }
    return kb_http_slot_open(&peer->slots[0], err); /* a wrong proxy or a libcurl too old shows here */
}

int
kb_http_peer_new(struct kb_http *http, const struct kb_http_peer_opts *opts, struct kb_http_peer **ret,
                 struct kb_error *err)
{
    if (check_opts(opts, err) < 0)
        return -(int) err->code;
    if (!kb_grow(&http->peers, &http->peers_cap, http->peers_len + 1, sizeof(struct kb_http_peer *), 256))
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    struct kb_http_peer *peer = calloc(1, sizeof(*peer));
    if (!peer)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    peer->http = http;
    if (fill_peer(peer, opts, err) < 0) {
        kb_http_peer_free(peer);
        return -(int) err->code;
    }
    /* One connection for each slot and one for tokens: fewer would close and open all the time. */
    http->connections += peer->concurrency + 1;
    (void) curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long) http->connections);
    http->peers[http->peers_len++] = peer;
    *ret = peer;
    return 0;
}

void
kb_http_job_free(struct kb_http_job *job)
{
    kb_http_response_free(job->answer);
    if (job->body)
        explicit_bzero(job->body, job->body_size);
    free(job);
}

static void
free_queue(struct kb_http_queue *queue)
{
    for (struct kb_http_job *job = queue->head, *next; job; job = next) {
        next = job->next;
        kb_http_job_free(job);
    }
    *queue = (struct kb_http_queue){0};
}

void
kb_http_peer_free(struct kb_http_peer *peer)
{
    kb_http_token_done(&peer->token);
    for (unsigned i = 0; peer->slots && i < peer->concurrency; i++) {
        struct kb_http_slot *slot = &peer->slots[i];
        if (slot->busy)
            kb_http_land(slot);
        if (slot->job)
            kb_http_job_free(slot->job);
        curl_easy_cleanup(slot->easy);
    }
    for (size_t i = 0; i < KB_HTTP_CLASS_MAX_; i++) {
        free_queue(&peer->front[i]);
        free_queue(&peer->back[i]);
    }
    free_queue(&peer->delayed);
    for (size_t i = 0; i < peer->typed_len; i++) {
        free(peer->typed[i].content_type);
        curl_slist_free_all(peer->typed[i].headers);
    }
    curl_slist_free_all(peer->headers);
    kb_buf_done(&peer->url);
    free(peer->slots);
    free(peer->name);
    free(peer->base_url);
    free(peer->proxy);
    free(peer->ca_file);
    free(peer->cert_file);
    free(peer->key_file);
    free(peer);
}

/* ---- queues ---- */

static void
push_back(struct kb_http_queue *queue, struct kb_http_job *job)
{
    job->next = NULL;
    if (queue->tail)
        queue->tail->next = job;
    else
        queue->head = job;
    queue->tail = job;
}

static void
push_front(struct kb_http_queue *queue, struct kb_http_job *job)
{
    job->next = queue->head;
    queue->head = job;
    if (!queue->tail)
        queue->tail = job;
}

static struct kb_http_job *
pop(struct kb_http_queue *queue)
{
    struct kb_http_job *job = queue->head;
    if (!job)
        return NULL;
    queue->head = job->next;
    if (!queue->head)
        queue->tail = NULL;
    job->next = NULL;
    return job;
}

void
kb_http_delay(struct kb_http_job *job)
{
    struct kb_http_queue *delayed = &job->peer->delayed;
    job->peer->queued++;
    if (!delayed->tail || delayed->tail->not_before_at <= job->not_before_at) {
        push_back(delayed, job);
        return;
    }
    struct kb_http_job **at = &delayed->head;
    while ((*at)->not_before_at <= job->not_before_at)
        at = &(*at)->next;
    job->next = *at; /* never the tail: that case was above */
    *at = job;
}

void
kb_http_ready(struct kb_http_job *job)
{
    if (job->ready)
        return;
    struct kb_http *http = job->peer->http;
    job->ready = true;
    job->ready_next = NULL;
    if (http->ready_tail)
        http->ready_tail->ready_next = job;
    else
        http->ready_head = job;
    http->ready_tail = job;
}

static void
fail_queue(struct kb_http_queue *queue, const struct kb_error *error)
{
    for (struct kb_http_job *job; (job = pop(queue));) {
        job->peer->queued--;
        job->error = *error;
        job->done = true;
        job->sent = job->unsure;
        kb_http_response_free(job->answer); /* of a try before: nobody may take it for the outcome */
        job->answer = NULL;
        kb_http_ready(job);
    }
}

void
kb_http_fail_waiting(struct kb_http_peer *peer, const struct kb_error *error)
{
    fail_queue(&peer->delayed, error);
    for (size_t i = 0; i < KB_HTTP_CLASS_MAX_; i++) {
        fail_queue(&peer->front[i], error);
        fail_queue(&peer->back[i], error);
    }
}

/* ---- when ---- */

static double
tokens_at(const struct kb_http_bucket *bucket, int64_t now)
{
    double most = bucket->rate > 1 ? bucket->rate : 1;
    double tokens = bucket->tokens + (double) (now - bucket->filled_at) * bucket->rate / 1000;
    return tokens < most ? tokens : most;
}

/* The time at which this class may send its next request; `now` or before: at once. */
static int64_t
class_at(const struct kb_http_bucket *bucket, int64_t now)
{
    int64_t at = bucket->hold_until_at;
    if (bucket->rate > 0) {
        double missing = 1 - tokens_at(bucket, now);
        if (missing > 1e-9) {
            int64_t filled = now + (int64_t) (missing * 1000 / bucket->rate) + 1;
            at = filled > at ? filled : at;
        }
    }
    return at;
}

static void
take_token(struct kb_http_bucket *bucket, int64_t now)
{
    if (bucket->rate <= 0)
        return;
    bucket->tokens = tokens_at(bucket, now) - 1;
    bucket->filled_at = now;
}

struct kb_http_job *
kb_http_peer_pick(struct kb_http_peer *peer, int64_t now)
{
    /* A retry goes before everything of its class; its low number lets it win between classes. */
    while (peer->delayed.head && peer->delayed.head->not_before_at <= now) {
        struct kb_http_job *job = pop(&peer->delayed);
        push_front(&peer->front[job->class], job);
    }
    for (int front = 1; front >= 0; front--) {
        struct kb_http_queue *queues = front ? peer->front : peer->back, *best = NULL;
        for (size_t i = 0; i < KB_HTTP_CLASS_MAX_; i++)
            if (queues[i].head && class_at(&peer->buckets[i], now) <= now &&
                (!best || queues[i].head->seq < best->head->seq))
                best = &queues[i];
        if (best) {
            take_token(&peer->buckets[best->head->class], now);
            peer->queued--;
            return pop(best);
        }
    }
    return NULL;
}

int64_t
kb_http_peer_wake_at(const struct kb_http_peer *peer, int64_t now)
{
    if (peer->queued == 0)
        return INT64_MAX;
    int64_t token_at = kb_http_token_wake_at(peer, now);
    if (token_at > now)
        return token_at; /* nothing can start before */
    if (peer->in_flight == peer->concurrency)
        return INT64_MAX; /* an answer wakes us first */
    int64_t at = peer->delayed.head ? peer->delayed.head->not_before_at : INT64_MAX;
    for (size_t i = 0; i < KB_HTTP_CLASS_MAX_; i++)
        if (peer->front[i].head || peer->back[i].head) {
            int64_t free_at = class_at(&peer->buckets[i], now);
            at = free_at < at ? free_at : at;
        }
    return at;
}

/* ---- submit ---- */

static const struct {
    const char *name;
    bool write;
} methods[] = {{"GET", false}, {"POST", true}, {"PATCH", true}, {"PUT", true}, {"DELETE", true}};

static int
check_request(const struct kb_http_peer *peer, const struct kb_http_request *request, size_t *ret_method,
              struct kb_error *err)
{
    size_t method = 0;
    while (method < KB_LEN(methods) && strcmp(methods[method].name, request->method) != 0)
        method++;
    if (method == KB_LEN(methods) || !request->on_reply || (unsigned) request->class >= KB_HTTP_CLASS_MAX_)
        return kb_fail(err, KB_E_BUG, "%s: a request without a known method, class or reader", peer->name);
    /* The one place where a transport opened for reading refuses to write. */
    if (methods[method].write && !peer->writable)
        return kb_fail(err, KB_E_BUG, "%s: %s on a connection that was opened for reading", peer->name,
                       methods[method].name);
    if (request->body && !methods[method].write)
        return kb_fail(err, KB_E_BUG, "%s: a body that %s cannot carry", peer->name, methods[method].name);
    if (request->body && (!request->content_type || !kb_http_header_safe(request->content_type)))
        return kb_fail(err, KB_E_BUG, "%s: a body without a proper content type", peer->name);
    if (kb_http_check_target(request->target, err) < 0)
        return kb_fail_prefix(err, "%s", peer->name);
    *ret_method = method;
    return 0;
}

int
kb_http_submit(struct kb_http_peer *peer, const struct kb_http_request *request, struct kb_error *err)
{
    size_t method = 0;
    if (check_request(peer, request, &method, err) < 0)
        return -(int) err->code;

    size_t target_size = strlen(request->target) + 1;
    size_t type_size = request->body ? strlen(request->content_type) + 1 : 0;
    size_t body_size = request->body ? strlen(request->body) : 0;
    struct kb_http_job *job = malloc(sizeof(*job) + target_size + type_size + body_size + 1);
    if (!job)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    char *text = (char *) (job + 1);
    *job = (struct kb_http_job){
        .peer = peer,
        .method = methods[method].name,
        .write = methods[method].write,
        .target = memcpy(text, request->target, target_size),
        .class = request->class,
        .replay = request->replay || !methods[method].write,
        .once = request->once,
        .on_begin = request->on_begin,
        .on_data = request->on_data,
        .on_reply = request->on_reply,
        .userdata = request->userdata,
        .seq = peer->http->seq++,
        .submitted_at = kb_mono_ms(),
    };
    if (request->body) {
        job->content_type = memcpy(text + target_size, request->content_type, type_size);
        job->body = memcpy(text + target_size + type_size, request->body, body_size + 1);
        job->body_size = body_size;
    }
    push_back(request->front ? &peer->front[job->class] : &peer->back[job->class], job);
    peer->queued++;
    return 0;
}

void
kb_http_peer_stats(const struct kb_http_peer *peer, struct kb_http_stats *ret)
{
    *ret = peer->stats;
    ret->queued = peer->queued;
    ret->in_flight = peer->in_flight;
}
