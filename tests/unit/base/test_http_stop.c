/* base/http: endings. Signal, deadline, stop; everybody gets exactly one reply. Timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "support/reader.h"
#include "support/wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* "/slow" is never answered, "/go" at once. */
static void
serve(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    (void) userdata;
    if (strncmp(request->target, "/slow", 5) == 0)
        ret->then = WIRE_HANG;
    else if (strncmp(request->target, "/busy", 5) == 0)
        wire_say(ret, 503, "Retry-After: 20\r\n", "");
    else
        wire_say(ret, 200, "", "done");
}

struct set {
    struct wire *w;
    struct kb_http *http;
    struct kb_http_peer *peer;
};

static void
set_open(struct set *s, const struct kb_http_opts *http_opts)
{
    s->w = wire_start(serve, NULL);
    s->http = reader_open(http_opts);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(s->w));
    opts.concurrency = 2;
    opts.writable = true;
    s->peer = reader_peer(s->http, &opts);
}

static void
set_close(struct set *s)
{
    kb_http_free(s->http);
    wire_stop(s->w);
}

static void
call_stop(struct reader *r)
{
    kb_http_stop(((struct set *) r->more)->http);
}

static void
call_term(struct reader *r)
{
    (void) r;
    (void) kill(getpid(), SIGTERM);
}

static void
call_int(struct reader *r)
{
    (void) r;
    (void) kill(getpid(), SIGINT);
}

static void
pass_deadline(struct reader *r)
{
    (void) r;
    reader_clock_move(3600 * 1000);
}

/* A hanging PATCH in flight, one answered GET that stops the run, and a queue behind it. The 10 s for those
 * in flight pass by the virtual clock: a timer of the test cannot fire after a stop, so the GET moves it. */
static void
after_stop(void *userdata)
{
    (void) userdata;
    reader_clock_move(11000);
}

static void
test_stop(void **state)
{
    (void) state;

    static const struct {
        const char *name;
        void (*then)(struct reader *r);
        bool signals;
        int64_t deadline_ms;
        const char *message;
    } table[] = {
        {"kb_http_stop", call_stop, false, 0, "stopped"},
        {"SIGTERM", call_term, true, 0, "stopped by SIGTERM"},
        {"SIGINT", call_int, true, 0, "stopped by SIGINT"},
        {"deadline", pass_deadline, false, 600000, "the time allowed for this run is over"},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct set s = {0};
        struct kb_http_opts opts = reader_opts();
        struct kb_error err = {0};
        opts.catch_signals = table[i].signals;
        reader_clock_start();
        opts.deadline_ms = table[i].deadline_ms ? kb_mono_ms() + table[i].deadline_ms : 0;
        set_open(&s, &opts);
        struct reader slow = {0}, get = {.then = table[i].then, .more = &s}, queued[10] = {0}, later = {0};
        reader_write(s.peer, "PATCH", "/slow", "{}", false, &slow);
        reader_get(s.peer, "/go", &get);
        for (size_t k = 0; k < KB_LEN(queued); k++)
            reader_get(s.peer, "/slow", &queued[k]);
        /* Fires early because of the stop, and then lets the grace pass. */
        assert_int_equal(kb_http_after(s.http, INT32_MAX, after_stop, NULL, &err), 0);
        int result = kb_http_run(s.http, &err);
        assert_true(kb_http_stopped(s.http));
        /* Afterwards: nothing is sent any more, and still everybody gets a reply. */
        unsigned seen = wire_count(s.w, NULL, NULL);
        reader_get(s.peer, "/go", &later);
        struct kb_error again = {0}, refused = {0};
        assert_int_equal(kb_http_run(s.http, &again), -KB_E_STOPPED);
        assert_int_equal(kb_http_after(s.http, 0, after_stop, NULL, &refused), -KB_E_STOPPED);
        assert_int_equal(wire_count(s.w, NULL, NULL), seen);
        set_close(&s);
        if (result != -KB_E_STOPPED || strcmp(err.msg, table[i].message) != 0)
            fail_msg("case '%s': %d %s", table[i].name, result, err.msg);
        assert_int_equal(get.status, 200);
        assert_int_equal(slow.replies, 1);
        assert_int_equal(slow.error.code, KB_E_STOPPED);
        assert_true(slow.sent); /* nobody knows what became of it */
        assert_int_equal(later.error.code, KB_E_STOPPED);
        assert_false(later.sent);
        unsigned unsent = 0;
        for (size_t k = 0; k < KB_LEN(queued); k++) {
            assert_int_equal(queued[k].replies, 1);
            assert_int_equal(queued[k].error.code, KB_E_STOPPED);
            unsent += queued[k].sent ? 0 : 1;
        }
        /* One slot was free when the reply came: it may have been filled. */
        assert_in_range(unsent, KB_LEN(queued) - 2, KB_LEN(queued));
    }
}

/* What is in flight when the stop comes may still end well. */
static void
test_grace(void **state)
{
    (void) state;
    struct set s = {0};
    struct kb_error err = {0};
    set_open(&s, NULL);
    struct reader first = {.then = call_stop, .more = &s}, patch = {0};
    reader_get(s.peer, "/go", &first);
    reader_write(s.peer, "PATCH", "/go", "{}", false, &patch);
    assert_int_equal(kb_http_run(s.http, &err), -KB_E_STOPPED);
    set_close(&s);
    assert_int_equal(patch.replies, 1);
    assert_int_equal(patch.error.code, KB_OK);
    assert_int_equal(patch.status, 200);
}

/* Only a write in flight is worth waiting for. The clock stands still: a grace would never end. */
static void
test_no_grace_for_reading(void **state)
{
    (void) state;
    struct set s = {0};
    struct kb_error err = {0};
    reader_clock_start();
    set_open(&s, NULL);
    struct reader hanging = {0}, first = {.then = call_stop, .more = &s};
    reader_get(s.peer, "/slow", &hanging);
    reader_get(s.peer, "/go", &first);
    assert_int_equal(kb_http_run(s.http, &err), -KB_E_STOPPED);
    assert_int_equal(wire_count(s.w, NULL, NULL), 2); /* the hanging one was on its way */
    set_close(&s);
    assert_int_equal(hanging.replies, 1);
    assert_int_equal(hanging.error.code, KB_E_STOPPED);
    assert_int_equal(first.status, 200);
}

/* A stop while requests wait for their next try: they are answered now, not after the wait. */
static void
stop_by_timer(void *userdata)
{
    kb_http_stop(((struct set *) userdata)->http);
}

static void
test_stop_ends_waiting(void **state)
{
    (void) state;
    struct set s = {0};
    struct kb_error err = {0};
    struct kb_http_opts opts = reader_opts();
    opts.tries = 10;
    set_open(&s, &opts);
    struct reader busy[3] = {0}, patch = {0};
    for (size_t i = 0; i < KB_LEN(busy); i++)
        reader_get(s.peer, "/busy", &busy[i]);
    reader_write(s.peer, "PATCH", "/busy", "{}", true, &patch);
    assert_int_equal(kb_http_after(s.http, 30000, stop_by_timer, &s, &err), 0);
    assert_int_equal(kb_http_run(s.http, &err), -KB_E_STOPPED);
    assert_in_range(reader_clock_moved(), 29000, 31000);
    set_close(&s);
    for (size_t i = 0; i < KB_LEN(busy); i++) {
        assert_int_equal(busy[i].replies, 1);
        assert_int_equal(busy[i].error.code, KB_E_STOPPED);
        assert_int_equal(busy[i].tries, 2);
    }
    assert_true(patch.sent); /* 503: it may have acted */
}

/* A retry that would begin after the deadline is not waited for. */
static void
test_deadline_and_retry(void **state)
{
    (void) state;
    struct set s = {0};
    struct kb_error err = {0};
    struct kb_http_opts opts = reader_opts();
    reader_clock_start();
    opts.deadline_ms = kb_mono_ms() + 15000; /* the server asks for 20 s */
    set_open(&s, &opts);
    struct reader busy = {0};
    reader_get(s.peer, "/busy", &busy);
    assert_int_equal(kb_http_run(s.http, &err), 0);
    assert_true(reader_clock_moved() < 1000);
    set_close(&s);
    assert_int_equal(busy.status, 503);
    assert_int_equal(busy.tries, 1);
}

/* A signal between two runs is seen at once, and is not lost. */
static void
test_signal_between_runs(void **state)
{
    (void) state;
    struct set s = {0};
    struct kb_error err = {0};
    struct kb_http_opts opts = reader_opts();
    opts.catch_signals = true;
    set_open(&s, &opts);
    struct reader before = {0}, after = {0};
    reader_get(s.peer, "/go", &before);
    assert_int_equal(kb_http_run(s.http, &err), 0);
    assert_false(kb_http_stopped(s.http));
    (void) kill(getpid(), SIGTERM);
    assert_true(kb_http_stopped(s.http));
    reader_get(s.peer, "/go", &after);
    assert_int_equal(kb_http_run(s.http, &err), -KB_E_STOPPED);
    set_close(&s);
    assert_int_equal(before.status, 200);
    assert_int_equal(after.error.code, KB_E_STOPPED);
    /* The signal mask is the old one again. */
    sigset_t now;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &now), 0);
    assert_int_equal(sigismember(&now, SIGTERM), 0);
    assert_int_equal(sigismember(&now, SIGINT), 0);
}

/* ---- timers ---- */

struct tick {
    struct set *s;
    int number, *order, *len;
    struct reader *ask;
};

static void
note(void *userdata)
{
    struct tick *t = userdata;
    t->order[(*t->len)++] = t->number;
    if (t->ask)
        reader_get(t->s->peer, "/go", t->ask);
}

static void
test_timers(void **state)
{
    (void) state;
    struct set s = {0};
    struct kb_error err = {0};
    set_open(&s, NULL);
    static const int64_t delays[] = {60000, 1000, 5000, 1000, 0, -5};
    static const int want[] = {4, 5, 1, 3, 2, 0};
    int order[8] = {0}, len = 0;
    struct reader asked[6] = {0};
    struct tick ticks[6];
    for (int i = 0; i < 6; i++) {
        ticks[i] = (struct tick){.s = &s, .number = i, .order = order, .len = &len, .ask = &asked[i]};
        assert_int_equal(kb_http_after(s.http, delays[i], note, &ticks[i], &err), 0);
    }
    assert_int_equal(kb_http_run(s.http, &err), 0);
    assert_in_range(reader_clock_moved(), 59000, 60001);
    set_close(&s);
    assert_int_equal(len, 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(order[i], want[i]);
        assert_int_equal(asked[i].status, 200);
    }
}

static void
run_inside(struct reader *r)
{
    struct kb_error err = {0};
    if (kb_http_run(((struct set *) r->more)->http, &err) != -KB_E_BUG)
        r->replies = 99;
}

static void
test_misuse(void **state)
{
    (void) state;
    struct set s = {0};
    struct kb_error err = {0};
    set_open(&s, NULL);
    struct reader r = {.then = run_inside, .more = &s}, never = {0};
    reader_get(s.peer, "/go", &r);
    assert_int_equal(kb_http_run(s.http, &err), 0);
    assert_int_equal(r.replies, 1);
    assert_int_equal(kb_http_run(s.http, &err), 0); /* nothing to do */
    /* Freed with work in it: no reply, no leak. */
    reader_get(s.peer, "/go", &never);
    set_close(&s);
    assert_int_equal(never.replies, 0);
    kb_http_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_grace),
        cmocka_unit_test(test_no_grace_for_reading),
        cmocka_unit_test(test_stop_ends_waiting),
        cmocka_unit_test(test_deadline_and_retry),
        cmocka_unit_test(test_signal_between_runs),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests_name("base/http stop", tests, NULL, NULL);
}
