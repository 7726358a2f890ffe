/* Handing bodies and replies to their readers, outside libcurl's callbacks. The ready list is served in turn:
 * a long body comes back to its end after each piece, so that it delays nobody. */
#include "base/ban.h"

#include "base/clock.h"
#include "base/http_internal.h"
#include "base/log.h"

#define TURN_MS 2

static void
reply(struct kb_http_job *job)
{
    static const struct kb_http_response nothing = {.retry_after_s = -1};
    const struct kb_http_response *answer = job->answer ? job->answer : &nothing;
    struct kb_http_peer *peer = job->peer;
    bool final = job->error.code == KB_OK;
    int64_t ms = kb_mono_ms() - job->submitted_at;
    bool collected = final && answer->body && !(job->on_data && answer->status == 200);
    const struct kb_http_reply out = {
        .error = &job->error,
        .status = final ? answer->status : job->error.status,
        .sent = job->sent,
        .body = collected ? answer->body : "",
        .body_size = collected ? answer->len : 0,
        .request_id = answer->request_id,
        .redirect_host = answer->redirect_host,
        .date_s = answer->date_s,
        .tries = job->tries,
        .ms = ms,
    };
    KB_LOG(KB_LOG_DEBUG, "http",
           (KB_F("peer", peer->name), KB_F("method", job->method), KB_FN("status", out.status),
            KB_F("error", final ? "" : kb_code_name(job->error.code)), KB_FN("tries", job->tries),
            KB_FN("ms", ms)),
           "%.*s", (int) strcspn(job->target, "?"), job->target);
    if (job->unread)
        peer->unread--;
    job->on_reply(job->userdata, &out);
    kb_http_job_free(job);
}

void
kb_http_break_off(struct kb_http_job *job, const struct kb_error *why)
{
    job->error = *why;
    job->done = true;
    if (job->slot)
        kb_http_settle(job->slot, CURLE_OK); /* lands the slot and marks the job ready */
    else
        kb_http_ready(job);
}

/* False: the job came to its end by this. */
static bool
hand_over(struct kb_http_job *job)
{
    struct kb_http_response *answer = job->answer;
    struct kb_error why = {0};
    if (!job->begun && job->on_begin)
        job->on_begin(job->userdata);
    job->begun = true;
    for (size_t at = 0; at < answer->len;) {
        size_t size = answer->len - at < KB_HTTP_PIECE_SIZE ? answer->len - at : KB_HTTP_PIECE_SIZE;
        if (job->on_data(job->userdata, answer->body + at, size, &why) < 0) {
            kb_http_break_off(job, &why);
            return false;
        }
        at += size;
    }
    answer->len = 0;
    if (!answer->paused)
        return true;
    answer->paused = false;
    if (job->slot && curl_easy_pause(job->slot->easy, CURLPAUSE_CONT) != CURLE_OK) {
        /* libcurl tells this caller only; the transfer would go on without the lost bytes. */
        if (answer->flaw != KB_HTTP_FINE)
            kb_http_explain(job->slot, answer, job->method, job->peer->base_url, CURLE_OK, &why);
        else
            (void) kb_fail(&why, KB_E_NET, "%s: the answer broke off", job->peer->name);
        kb_http_break_off(job, &why);
        return false;
    }
    return true;
}

static void
deliver_one(struct kb_http_job *job)
{
    bool streams = job->on_data && job->answer && job->answer->status == 200;
    if (job->slot && !job->done) {
        if (streams && job->answer->len)
            (void) hand_over(job);
        return;
    }
    if (!job->done)
        return; /* it waits for another try: what it had got is void */
    if (job->error.code == KB_OK && streams && !hand_over(job))
        return;
    reply(job);
}

bool
kb_http_deliver(struct kb_http *http)
{
    bool any = false;
    for (struct kb_http_job *job; (job = http->ready_head);) {
        http->ready_head = job->ready_next;
        if (!http->ready_head)
            http->ready_tail = NULL;
        job->ready = false;
        job->ready_next = NULL;
        deliver_one(job);
        any = true;
        if (http->in_flight && kb_mono_ms() - http->turned_at >= TURN_MS)
            break;
    }
    return any;
}
