#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/reader.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

uint32_t
reader_sum(uint32_t sum, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + (unsigned char) bytes[i];
    return sum;
}

void
reader_begin(void *userdata)
{
    struct reader *r = userdata;
    r->begins++;
    r->data_size = 0;
    r->sum = 0;
}

int
reader_data(void *userdata, const char *bytes, size_t size, struct kb_error *err)
{
    struct reader *r = userdata;
    r->pieces++;
    r->piece_max = size > r->piece_max ? size : r->piece_max;
    r->data_size += size;
    r->sum = reader_sum(r->sum, bytes, size);
    if (r->refuse_at && r->data_size >= r->refuse_at)
        return kb_fail(err, KB_E_PROTOCOL, "the reader does not like it");
    return 0;
}

void
reader_reply(void *userdata, const struct kb_http_reply *reply)
{
    struct reader *r = userdata;
    r->replies++;
    r->error = *reply->error;
    r->status = reply->status;
    r->sent = reply->sent;
    r->tries = reply->tries;
    r->date_s = reply->date_s;
    r->ms = reply->ms;
    r->body_size = reply->body_size;
    (void) snprintf(r->body, sizeof(r->body), "%.1000s", reply->body);
    (void) snprintf(r->request_id, sizeof(r->request_id), "%s", reply->request_id);
    (void) snprintf(r->redirect_host, sizeof(r->redirect_host), "%s", reply->redirect_host);
    if (r->then)
        r->then(r);
}

/* Stands still but for what a test or a wait moves: no result depends on how busy the machine is. */
#define WALL_START_MS INT64_C(1764000000000) /* 2025-11-24T16:00:00Z */
#define MONO_START_MS 1000000

static _Atomic int64_t moved; /* a server's thread reads it */

static int64_t
mono_ms(void *userdata)
{
    (void) userdata;
    return MONO_START_MS + moved;
}

static int64_t
wall_ms(void *userdata)
{
    (void) userdata;
    return WALL_START_MS + moved;
}

void
reader_clock_start(void)
{
    moved = 0;
    kb_clock_set(&(struct kb_clock){.mono_ms = mono_ms, .wall_ms = wall_ms});
}

int64_t
reader_clock_moved(void)
{
    return moved;
}

void
reader_clock_move(int64_t ms)
{
    moved += ms;
}

void
reader_clock_stop(void)
{
    kb_clock_set(NULL);
}

static void
jump(void *userdata, int64_t ms)
{
    (void) userdata;
    moved += ms;
}

struct kb_http_opts
reader_opts(void)
{
    return (struct kb_http_opts){
        .user_agent = "keybricks-test", .tries = 5, .retry_budget_ms = 300000, .backoff_ms = 1, .wait = jump};
}

struct kb_http *
reader_open(const struct kb_http_opts *opts)
{
    struct kb_error err = {0};
    struct kb_http *http = NULL;
    struct kb_http_opts plain = reader_opts();
    reader_clock_start();
    if (kb_http_new(opts ? opts : &plain, &http, &err) < 0)
        fail_msg("kb_http_new: %s", err.msg);
    return http;
}

struct kb_http_peer_opts
reader_peer_opts(const char *url)
{
    return (struct kb_http_peer_opts){.name = "acme",
                                      .base_url = url,
                                      .proxy = "",
                                      .ca_file = "",
                                      .cert_file = "",
                                      .key_file = "",
                                      .concurrency = 4,
                                      .max_body_size = 16 * 1024 * 1024};
}

struct kb_http_peer *
reader_peer(struct kb_http *http, const struct kb_http_peer_opts *opts)
{
    struct kb_error err = {0};
    struct kb_http_peer *peer = NULL;
    if (kb_http_peer_new(http, opts, &peer, &err) < 0)
        fail_msg("kb_http_peer_new: %s", err.msg);
    return peer;
}

static void
submit(struct kb_http_peer *peer, const struct kb_http_request *request)
{
    struct kb_error err = {0};
    if (kb_http_submit(peer, request, &err) < 0)
        fail_msg("kb_http_submit: %s", err.msg);
}

void
reader_get(struct kb_http_peer *peer, const char *target, struct reader *r)
{
    submit(peer, &(struct kb_http_request){
                     .method = "GET", .target = target, .on_reply = reader_reply, .userdata = r});
}

void
reader_read(struct kb_http_peer *peer, const char *target, struct reader *r)
{
    submit(peer, &(struct kb_http_request){.method = "GET",
                                           .target = target,
                                           .on_begin = reader_begin,
                                           .on_data = reader_data,
                                           .on_reply = reader_reply,
                                           .userdata = r});
}

void
reader_write(struct kb_http_peer *peer, const char *method, const char *target, const char *body, bool replay,
             struct reader *r)
{
    submit(peer, &(struct kb_http_request){.method = method,
                                           .target = target,
                                           .body = body,
                                           .content_type = "application/json",
                                           .class = KB_HTTP_PATCH,
                                           .replay = replay,
                                           .on_reply = reader_reply,
                                           .userdata = r});
}
