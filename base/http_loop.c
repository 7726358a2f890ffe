/* The wheel: fill every free slot, let libcurl move bytes, take out what ended, and only then hand bodies and
 * replies to their readers (architecture, section 4). While readers work, libcurl gets a turn every 2 ms, so
 * that a slow parse of one list does not leave the other connections idle. Stopping (signal, kb_http_stop,
 * deadline): what waits, and a reading in flight, is answered with KB_E_STOPPED at once; a write in flight has
 * 10 s, since its outcome matters; timers fire early so that nobody waits for a reply that never comes. */
#include "base/ban.h"

#include "base/clock.h"
#include "base/http_internal.h"

#include <errno.h>
#include <sys/signalfd.h>

#define TIMERS_MAX 100000

/* ---- life ---- */

static int
open_signals(struct kb_http *http, struct kb_error *err)
{
    sigset_t set;
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, &http->old_mask) < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "cannot block signals");
    http->mask_saved = true;
    http->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (http->signal_fd < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "cannot read signals");
    return 0;
}

static int
fill_http(struct kb_http *http, const struct kb_http_opts *opts, struct kb_error *err)
{
    http->signal_fd = -1;
    http->tries = opts->tries ? opts->tries : 1;
    http->retry_budget_ms = opts->retry_budget_ms;
    http->deadline_at = opts->deadline_ms;
    http->connect_timeout_ms = opts->connect_timeout_ms ? opts->connect_timeout_ms : 10000;
    http->total_timeout_ms = opts->total_timeout_ms ? opts->total_timeout_ms : 300000;
    http->low_speed_s = opts->low_speed_s ? opts->low_speed_s : 20;
    http->backoff_ms = opts->backoff_ms ? opts->backoff_ms : 500;
    http->wait = opts->wait;
    http->wait_userdata = opts->wait_userdata;
    if (!kb_http_header_safe(opts->user_agent))
        return kb_fail(err, KB_E_BUG, "a user agent that no header may hold");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return kb_fail(err, KB_E_NOMEM, "cannot start libcurl");
    http->curl_ready = true;
    http->multi = curl_multi_init();
    http->user_agent = kb_strndup(opts->user_agent, strlen(opts->user_agent));
    if (!http->multi || !http->user_agent)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    /* A server that hangs up must not kill the run: OpenSSL writes without MSG_NOSIGNAL. */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "cannot ignore SIGPIPE");
    return opts->catch_signals ? open_signals(http, err) : 0;
}

int
kb_http_new(const struct kb_http_opts *opts, struct kb_http **ret, struct kb_error *err)
{
    struct kb_http *http = calloc(1, sizeof(*http));
    if (!http)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    if (fill_http(http, opts, err) < 0) {
        kb_http_free(http);
        return -(int) err->code;
    }
    *ret = http;
    return 0;
}

void
kb_http_free(struct kb_http *http)
{
    if (!http)
        return;
    /* Jobs in the ready list belong to no queue; one that is also in a slot is freed with its slot. */
    for (struct kb_http_job *job = http->ready_head, *next; job; job = next) {
        next = job->ready_next;
        if (job->done && !job->slot)
            kb_http_job_free(job);
    }
    for (size_t i = 0; i < http->peers_len; i++)
        kb_http_peer_free(http->peers[i]);
    free(http->peers);
    free(http->timers);
    free(http->user_agent);
    if (http->multi)
        (void) curl_multi_cleanup(http->multi);
    if (http->curl_ready)
        curl_global_cleanup();
    if (http->signal_fd >= 0)
        (void) close(http->signal_fd);
    if (http->mask_saved)
        (void) sigprocmask(SIG_SETMASK, &http->old_mask, NULL);
    free(http);
}

/* ---- slots ---- */

int
kb_http_launch(struct kb_http_slot *slot, struct kb_error *err)
{
    struct kb_http *http = slot->peer->http;
    slot->starts = 0;
    slot->detail[0] = '\0';
    CURLMcode code = curl_multi_add_handle(http->multi, slot->easy);
    if (code != CURLM_OK)
        return kb_fail(err, code == CURLM_OUT_OF_MEMORY ? KB_E_NOMEM : KB_E_BUG,
                       "%s: cannot start a request: %s", slot->peer->name, curl_multi_strerror(code));
    slot->busy = true;
    http->in_flight++;
    return 0;
}

void
kb_http_land(struct kb_http_slot *slot)
{
    if (!slot->busy)
        return;
    (void) curl_multi_remove_handle(slot->peer->http->multi, slot->easy);
    slot->busy = false;
    slot->peer->http->in_flight--;
    if (slot != &slot->peer->token.slot)
        slot->peer->in_flight--;
}

static void
fail_job(struct kb_http_job *job, const struct kb_error *why)
{
    job->error = *why;
    job->done = true;
    job->sent = job->unsure;
    kb_http_ready(job);
}

static int
start_job(struct kb_http_slot *slot, struct kb_http_job *job, struct kb_error *err)
{
    kb_http_response_free(job->answer);
    job->answer = kb_http_response_new();
    if (!job->answer)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    if (kb_http_slot_dress(slot, job, err) < 0 || kb_http_launch(slot, err) < 0)
        return -(int) err->code;
    struct kb_http_peer *peer = slot->peer;
    slot->job = job;
    job->slot = slot;
    job->token_gen = peer->token.gen;
    job->token_until = peer->token.renew_at;
    job->tries++;
    job->begun = false;
    peer->stats.requests++;
    peer->stats.by_class[job->class]++;
    if (job->write)
        peer->stats.writes++;
    if (++peer->in_flight > peer->stats.peak_in_flight)
        peer->stats.peak_in_flight = peer->in_flight;
    return 0;
}

static bool
fill_peer_slots(struct kb_http_peer *peer, int64_t now)
{
    bool started = false;
    for (unsigned i = 0; i < peer->concurrency && peer->queued > 0; i++) {
        struct kb_http_slot *slot = &peer->slots[i];
        if (slot->busy)
            continue;
        if (peer->unread >= peer->concurrency)
            break; /* its readers are slower than the server */
        struct kb_http_job *job = kb_http_peer_pick(peer, now);
        if (!job)
            break;
        struct kb_error why = {0};
        if (start_job(slot, job, &why) < 0)
            fail_job(job, &why);
        started = true;
    }
    return started;
}

/* True: something was put into flight. */
static bool
refill(struct kb_http *http)
{
    unsigned before = http->in_flight;
    bool started = false;
    int64_t now = kb_mono_ms();
    for (size_t i = 0; i < http->peers_len && !http->stopped; i++) {
        struct kb_http_peer *peer = http->peers[i];
        struct kb_error why = {0};
        if (peer->queued == 0)
            continue;
        int r = kb_http_token_ensure(peer, now, &why);
        if (r < 0)
            kb_http_fail_waiting(peer, &why);
        else if (r > 0)
            started = fill_peer_slots(peer, now) || started;
    }
    return started || http->in_flight > before;
}

/* Number of slots that became free. */
static unsigned
drain(struct kb_http *http)
{
    unsigned freed = 0;
    int left = 0;
    for (const CURLMsg *msg; (msg = curl_multi_info_read(http->multi, &left));) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode result = msg->data.result; /* msg dies when its handle is removed */
        struct kb_http_slot *slot = NULL;
        if (curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &slot) != CURLE_OK || !slot)
            continue;
        if (slot == &slot->peer->token.slot)
            kb_http_token_settle(slot->peer, result);
        else
            kb_http_settle(slot, result);
        freed++;
    }
    return freed;
}

/* Two rounds: the second puts the bytes of refilled slots on the wire. Not more, or a fast server could pile
 * up answers that nobody has read. */
static int
turn(struct kb_http *http, struct kb_error *err)
{
    (void) refill(http);
    for (int round = 0; round < 2 && http->in_flight > 0; round++) {
        int running = 0;
        CURLMcode code = curl_multi_perform(http->multi, &running);
        if (code != CURLM_OK)
            return kb_fail(err, code == CURLM_OUT_OF_MEMORY ? KB_E_NOMEM : KB_E_BUG, "libcurl: %s",
                           curl_multi_strerror(code));
        if (drain(http) == 0 || !refill(http))
            break;
    }
    http->turned_at = kb_mono_ms();
    return 0;
}

/* ---- timers ---- */

int
kb_http_after(struct kb_http *http, int64_t delay_ms, void (*fn)(void *userdata), void *userdata,
              struct kb_error *err)
{
    if (http->stopped)
        return kb_fail(err, KB_E_STOPPED, "%s", http->stop_cause);
    if (!kb_grow(&http->timers, &http->timers_cap, http->timers_len + 1, sizeof(*http->timers), TIMERS_MAX))
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    http->timers[http->timers_len++] = (struct kb_http_timer){
        .at = kb_mono_ms() + (delay_ms > 0 ? delay_ms : 0), .fn = fn, .userdata = userdata};
    return 0;
}

static bool
fire_timers(struct kb_http *http)
{
    bool any = false;
    int64_t now = kb_mono_ms();
    /* Only those that were there at the start: a timer may ask for another. */
    for (size_t i = 0, left = http->timers_len; left > 0; left--) {
        if (http->timers[i].at > now && !http->stopped) {
            i++;
            continue;
        }
        struct kb_http_timer timer = http->timers[i];
        /* The order of the rest stays: equal times fire in the order they were asked for. */
        memmove(&http->timers[i], &http->timers[i + 1], (http->timers_len - i - 1) * sizeof(timer));
        http->timers_len--;
        timer.fn(timer.userdata);
        any = true;
    }
    return any;
}

/* ---- stopping ---- */

static void
stop_for(struct kb_http *http, const char *cause)
{
    if (http->stopped)
        return;
    http->stopped = true;
    http->grace_until_at = kb_mono_ms() + KB_HTTP_GRACE_MS;
    (void) snprintf(http->stop_cause, sizeof(http->stop_cause), "%s", cause);
}

void
kb_http_stop(struct kb_http *http)
{
    stop_for(http, "stopped");
}

bool
kb_http_stopped(const struct kb_http *http)
{
    sigset_t pending;
    if (http->stopped || (http->deadline_at && kb_mono_ms() >= http->deadline_at))
        return true;
    if (http->signal_fd < 0 || sigpending(&pending) < 0)
        return false;
    return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

static void
look_for_stop(struct kb_http *http)
{
    struct signalfd_siginfo info;
    while (http->signal_fd >= 0 && read(http->signal_fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
        stop_for(http, info.ssi_signo == (uint32_t) SIGINT ? "stopped by SIGINT" : "stopped by SIGTERM");
    if (http->deadline_at && kb_mono_ms() >= http->deadline_at)
        stop_for(http, "the time allowed for this run is over");
}

static void
abort_in_flight(struct kb_http *http, bool writes, const struct kb_error *why)
{
    for (size_t i = 0; i < http->peers_len; i++) {
        struct kb_http_peer *peer = http->peers[i];
        kb_http_token_abort(peer);
        for (unsigned s = 0; s < peer->concurrency; s++)
            if (peer->slots[s].job && (writes || !peer->slots[s].job->write))
                kb_http_break_off(peer->slots[s].job, why);
    }
}

static void
wind_down(struct kb_http *http)
{
    struct kb_error why = {0};
    (void) kb_fail(&why, KB_E_STOPPED, "%s", http->stop_cause);
    why.retry = true;
    for (size_t i = 0; i < http->peers_len; i++)
        kb_http_fail_waiting(http->peers[i], &why);
    abort_in_flight(http, kb_mono_ms() >= http->grace_until_at, &why);
}

/* ---- the wheel ---- */

static bool
work_left(const struct kb_http *http)
{
    if (http->in_flight || http->ready_head || http->timers_len)
        return true;
    for (size_t i = 0; i < http->peers_len; i++)
        if (http->peers[i]->queued)
            return true;
    return false;
}

static int
wait_for_work(struct kb_http *http, struct kb_error *err)
{
    int64_t now = kb_mono_ms(), at = now + 60000;
    if (http->stopped && http->grace_until_at < at)
        at = http->grace_until_at;
    if (!http->stopped && http->deadline_at && http->deadline_at < at)
        at = http->deadline_at;
    for (size_t i = 0; i < http->timers_len; i++)
        at = http->timers[i].at < at ? http->timers[i].at : at;
    for (size_t i = 0; i < http->peers_len; i++) {
        int64_t wake = kb_http_peer_wake_at(http->peers[i], now);
        at = wake < at ? wake : at;
    }
    int64_t ms = at > now ? at - now : 0;
    if (http->wait && http->in_flight == 0) {
        http->wait(http->wait_userdata, ms);
        return 0;
    }
    struct curl_waitfd fd = {.fd = http->signal_fd, .events = CURL_WAIT_POLLIN};
    CURLMcode code = curl_multi_poll(http->multi, http->signal_fd >= 0 ? &fd : NULL,
                                     http->signal_fd >= 0 ? 1 : 0, (int) ms, NULL);
    if (code != CURLM_OK)
        return kb_fail(err, code == CURLM_OUT_OF_MEMORY ? KB_E_NOMEM : KB_E_BUG, "libcurl: %s",
                       curl_multi_strerror(code));
    return 0;
}

/* libcurl itself failed: nobody must wait for a reply for ever. */
static int
fall_down(struct kb_http *http, const struct kb_error *err)
{
    for (size_t i = 0; i < http->peers_len; i++)
        kb_http_fail_waiting(http->peers[i], err);
    abort_in_flight(http, true, err);
    while (kb_http_deliver(http)) {
        for (size_t i = 0; i < http->peers_len; i++)
            kb_http_fail_waiting(http->peers[i], err);
    }
    return -(int) err->code;
}

int
kb_http_run(struct kb_http *http, struct kb_error *err)
{
    if (http->running)
        return kb_fail(err, KB_E_BUG, "kb_http_run called by a reader");
    http->running = true;
    /* A server that could not be reached is asked again in each run; a refusal stays (F20). */
    for (size_t i = 0; i < http->peers_len; i++)
        if (http->peers[i]->token.failed.code != KB_E_AUTH)
            http->peers[i]->token.failed = (struct kb_error){0};

    int r = 0;
    while (r >= 0) {
        look_for_stop(http);
        if (http->stopped)
            wind_down(http);
        bool moved = fire_timers(http);
        r = turn(http, err);
        if (r < 0)
            break;
        if (kb_http_deliver(http) || moved)
            continue;
        if (!work_left(http))
            break;
        r = wait_for_work(http, err);
    }
    if (r < 0)
        r = fall_down(http, err);
    http->running = false;
    if (r >= 0 && http->stopped)
        r = kb_fail(err, KB_E_STOPPED, "%s", http->stop_cause);
    return r;
}
