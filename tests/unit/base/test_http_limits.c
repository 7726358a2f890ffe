/* base/http: what a hostile or slow server cannot do, and how fast we go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "support/reader.h"
#include "support/wire.h"

#include <stdio.h>
#include <string.h>

static void
answer(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    (void) request;
    *ret = *(const struct wire_answer *) userdata;
}

static void
set_bytes(struct wire_answer *a, const char *bytes)
{
    a->size = strlen(bytes);
    memcpy(a->bytes, bytes, a->size);
}

static void
run_fine(struct kb_http *http)
{
    struct kb_error err = {0};
    if (kb_http_run(http, &err) < 0)
        fail_msg("kb_http_run: %s", err.msg);
}

/* A body of 5 MiB comes in pieces of at most 256 KiB, whole and in order, whatever its framing. */
static void
test_large_body(void **state)
{
    (void) state;

    enum { SIZE = 5 * 1024 * 1024, CHUNK = 100000 };

    char *body = malloc(SIZE), *chunked = malloc(SIZE + SIZE / 100);
    assert_non_null(body);
    assert_non_null(chunked);
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char) ('a' + i * 7 % 26);
    size_t len = 0;
    for (size_t at = 0; at < SIZE; at += CHUNK) {
        size_t n = SIZE - at < CHUNK ? SIZE - at : CHUNK;
        len += (size_t) sprintf(chunked + len, "%zx\r\n", n);
        memcpy(chunked + len, body + at, n);
        len += n;
        len += (size_t) sprintf(chunked + len, "\r\n");
    }
    len += (size_t) sprintf(chunked + len, "0\r\n\r\n");
    for (int way = 0; way < 3; way++) {
        struct wire_answer a = {.more = way == 1 ? chunked : body, .more_size = way == 1 ? len : SIZE};
        set_bytes(&a, way == 0   ? "HTTP/1.1 200 OK\r\nContent-Length: 5242880\r\n\r\n"
                      : way == 1 ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 : "HTTP/1.1 200 OK\r\n\r\n");
        a.then = way == 2 ? WIRE_CLOSE : WIRE_KEEP;
        struct wire *w = wire_start(answer, &a);
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader r[6] = {0};
        for (size_t i = 0; i < KB_LEN(r); i++)
            reader_read(peer, "/big", &r[i]);
        run_fine(http);
        struct kb_http_stats stats;
        kb_http_peer_stats(peer, &stats);
        kb_http_free(http);
        wire_stop(w);
        for (size_t i = 0; i < KB_LEN(r); i++)
            if (r[i].error.code != KB_OK || r[i].data_size != SIZE || r[i].begins != 1 ||
                r[i].body_size != 0 || r[i].piece_max > 256 * 1024 || r[i].sum != reader_sum(0, body, SIZE))
                fail_msg("way %d: %s, %zu bytes, largest piece %zu, %u begins", way, r[i].error.msg,
                         r[i].data_size, r[i].piece_max, r[i].begins);
        assert_int_equal(stats.bytes, KB_LEN(r) * (uint64_t) SIZE);
    }
    free(body);
    free(chunked);
}

/* The reader refuses a body in its middle: its own error comes back, once, and nothing is tried again. */
static void
test_reader_refuses(void **state)
{
    (void) state;
    static const size_t refuse_at[] = {1, 100000, 3000000};
    for (size_t i = 0; i < KB_LEN(refuse_at); i++) {
        struct wire_answer a = {.repeat = "0123456789", .then = WIRE_ENDLESS};
        set_bytes(&a, "HTTP/1.1 200 OK\r\n\r\n");
        struct wire *w = wire_start(answer, &a);
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader r = {.refuse_at = refuse_at[i]};
        reader_read(peer, "/big", &r);
        run_fine(http);
        assert_int_equal(wire_count(w, NULL, NULL), 1);
        kb_http_free(http);
        wire_stop(w);
        assert_int_equal(r.replies, 1);
        assert_string_equal(r.error.msg, "the reader does not like it");
        assert_true(r.data_size < refuse_at[i] + 256 * 1024);
    }
}

static void
test_endless(void **state)
{
    (void) state;
    char long_line[3000];
    memset(long_line, 'x', sizeof(long_line));
    long_line[sizeof(long_line) - 1] = '\0';
    char head_of_one_line[3100];
    (void) snprintf(head_of_one_line, sizeof(head_of_one_line), "HTTP/1.1 200 OK\r\nX: %s", long_line);

    const struct {
        const char *name, *bytes, *repeat;
        bool streamed;
        const char *message;
    } table[] = {
        {"body without length", "HTTP/1.1 200 OK\r\n\r\n", "0123456789", false,
         "larger than the limit of 1048576 bytes"},
        {"streamed", "HTTP/1.1 200 OK\r\n\r\n", "0123456789", true, "larger than the limit"},
        {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nabcd\r\n", false,
         "larger than the limit"},
        {"length that lies", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "0123456789", false,
         "larger than the limit"},
        {"error body", "HTTP/1.1 500 No\r\n\r\n", "0123456789", false, "larger than the limit"},
        {"header lines", "HTTP/1.1 200 OK\r\n", "X: y\r\n", false, "too many header lines"},
        {"long header lines", "HTTP/1.1 200 OK\r\n",
         "X: "
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
         false, "too many header lines"},
        {"interim answers", "HTTP/1.1 102 Wait\r\n\r\n", "HTTP/1.1 102 Wait\r\n\r\n", false,
         "too many header lines"},
        {"trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n", false,
         "too many header lines"},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct wire_answer a = {.repeat = table[i].repeat, .then = WIRE_ENDLESS};
        set_bytes(&a, table[i].bytes);
        struct wire *w = wire_start(answer, &a);
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        opts.max_body_size = 1024 * 1024;
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader r = {0};
        if (table[i].streamed)
            reader_read(peer, "/x", &r);
        else
            reader_get(peer, "/x", &r);
        run_fine(http);
        unsigned seen = wire_count(w, NULL, NULL);
        kb_http_free(http);
        wire_stop(w);
        if (r.error.code != KB_E_PROTOCOL || !strstr(r.error.msg, table[i].message) || seen != 1 ||
            r.replies != 1)
            fail_msg("case '%s': %u seen, code %s: %s", table[i].name, seen, kb_code_name(r.error.code),
                     r.error.msg);
    }
    /* One line that never ends: libcurl's own limit. */
    struct wire_answer a = {.repeat = long_line, .then = WIRE_ENDLESS};
    set_bytes(&a, head_of_one_line);
    struct wire *w = wire_start(answer, &a);
    struct kb_http_opts http_opts = reader_opts();
    http_opts.tries = 1;
    struct kb_http *http = reader_open(&http_opts);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
    struct kb_http_peer *peer = reader_peer(http, &opts);
    struct reader r = {0};
    reader_get(peer, "/x", &r);
    run_fine(http);
    kb_http_free(http);
    wire_stop(w);
    assert_int_equal(r.error.code, KB_E_PROTOCOL); /* and not "out of memory", which libcurl says */
    assert_non_null(strstr(r.error.msg, "header line of more than"));
}

/* A body as long as the limit is read, one byte more is refused, whoever reads it. */
static void
test_limit_to_the_byte(void **state)
{
    (void) state;

    enum { LIMIT = 100000 };

    char *body = malloc(LIMIT + 1);
    assert_non_null(body);
    memset(body, 'b', LIMIT + 1);
    for (size_t over = 0; over < 2; over++) {
        struct wire_answer a = {.more = body, .more_size = LIMIT + over, .then = WIRE_CLOSE};
        set_bytes(&a, "HTTP/1.1 200 OK\r\n\r\n");
        struct wire *w = wire_start(answer, &a);
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        opts.max_body_size = LIMIT;
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader r[2] = {0};
        reader_get(peer, "/x", &r[0]);
        reader_read(peer, "/x", &r[1]);
        run_fine(http);
        kb_http_free(http);
        wire_stop(w);
        for (size_t i = 0; i < KB_LEN(r); i++)
            if (r[i].error.code != (over ? KB_E_PROTOCOL : KB_OK) || r[i].replies != 1)
                fail_msg("reader %zu, %zu over: code %s: %s", i, over, kb_code_name(r[i].error.code),
                         r[i].error.msg);
        assert_int_equal(r[0].body_size, over ? 0 : LIMIT);
    }
    free(body);
}

/* A large unwanted answer is an answer; its first 64 KiB are kept. */
static void
test_error_body_is_cut(void **state)
{
    (void) state;

    enum { SIZE = 300000 };

    char *body = malloc(SIZE);
    assert_non_null(body);
    memset(body, 'e', SIZE);
    struct wire_answer a = {.more = body, .more_size = SIZE};
    set_bytes(&a, "HTTP/1.1 404 No\r\nContent-Length: 300000\r\n\r\n");
    struct wire *w = wire_start(answer, &a);
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
    struct kb_http_peer *peer = reader_peer(http, &opts);
    struct reader r = {0}, streamed = {0};
    reader_get(peer, "/x", &r);
    reader_read(peer, "/x", &streamed);
    run_fine(http);
    kb_http_free(http);
    wire_stop(w);
    free(body);
    assert_int_equal(r.status, 404);
    assert_int_equal(r.body_size, 64 * 1024);
    assert_int_equal(streamed.body_size, 64 * 1024);
    assert_int_equal(streamed.pieces, 0);
}

static void
be_slow(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    (void) userdata;
    if (strcmp(request->target, "/drips") == 0)
        set_bytes(ret, "HTTP/1.1 200 OK\r\n\r\n");
    else if (strcmp(request->target, "/body") == 0)
        set_bytes(ret, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx");
    ret->then = strcmp(request->target, "/drips") == 0 ? WIRE_DRIP : WIRE_HANG;
}

/* A byte every 100 ms for ever, and silence before and in a body: ended by the rule for low speed (64 B/s),
 * and by the total time. */
static void
test_slow(void **state)
{
    (void) state;
    static const char *const targets[] = {"/drips", "/silence", "/body"};

    static const struct {
        int64_t low_speed_s, total_ms;
    } table[] = {{1, 60000}, {60, 300}};

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct wire *w = wire_start(be_slow, NULL);
        struct kb_http_opts http_opts = reader_opts();
        http_opts.tries = 1;
        http_opts.low_speed_s = table[i].low_speed_s;
        http_opts.total_timeout_ms = table[i].total_ms;
        struct kb_http *http = reader_open(&http_opts);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader r[KB_LEN(targets)] = {0};
        for (size_t k = 0; k < KB_LEN(targets); k++)
            reader_read(peer, targets[k], &r[k]);
        run_fine(http);
        kb_http_free(http);
        wire_stop(w);
        for (size_t k = 0; k < KB_LEN(targets); k++)
            if (r[k].error.code != KB_E_NET || !r[k].error.retry || !r[k].sent)
                fail_msg("case %zu '%s': %s after %lld ms", i, targets[k], r[k].error.msg,
                         (long long) r[k].ms);
    }
}

/* Requests a second, by class; the virtual clock shows how long it took. */
static void
test_rates(void **state)
{
    (void) state;

    static const struct {
        double get, list;
        unsigned gets, lists;
        int64_t least_ms, most_ms;
    } table[] = {
        {10, 0, 30, 30, 1900, 2100}, /* a burst of 10, then 100 ms each */
        {0.5, 0, 4, 4, 5900, 6100},  /* a burst of one */
        {0, 0, 50, 50, 0, 0},        {2, 4, 6, 12, 1900, 2100}, {0.01, 0, 2, 0, 99000, 101000},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct wire_answer a = {0};
        set_bytes(&a, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        struct wire *w = wire_start(answer, &a);
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        opts.rate[KB_HTTP_GET] = table[i].get;
        opts.rate[KB_HTTP_LIST] = table[i].list;
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader r[100] = {0};
        struct kb_error err = {0};
        for (unsigned k = 0; k < table[i].gets + table[i].lists; k++)
            assert_int_equal(kb_http_submit(peer,
                                            &(struct kb_http_request){
                                                .method = "GET",
                                                .target = "/x",
                                                .class = k < table[i].gets ? KB_HTTP_GET : KB_HTTP_LIST,
                                                .on_reply = reader_reply,
                                                .userdata = &r[k]},
                                            &err),
                             0);
        int64_t from = kb_mono_ms();
        run_fine(http);
        int64_t took = kb_mono_ms() - from;
        struct kb_http_stats stats;
        kb_http_peer_stats(peer, &stats);
        kb_http_free(http);
        wire_stop(w);
        if (took < table[i].least_ms || took > table[i].most_ms)
            fail_msg("case %zu took %lld ms", i, (long long) took);
        assert_int_equal(stats.by_class[KB_HTTP_GET], table[i].gets);
        assert_int_equal(stats.by_class[KB_HTTP_LIST], table[i].lists);
        assert_int_equal(stats.waited_ms, 0); /* keeping to a rate is no retry */
    }
}

/* A 429 holds its whole class until then, and counts once. */
struct limiter {
    unsigned seen;
    int status; /* 500: disguised (databricks-api.md 3.8) */
};

static void
limit(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    struct limiter *l = userdata;
    (void) request;
    if (l->seen++ < 4)
        wire_say(ret, l->status, "Retry-After: 30\r\n",
                 "{\"detail\":\"REQUEST_LIMIT_EXCEEDED: Workspace 1234 exceeded the concurrent limit of 4 "
                 "requests.\","
                 "\"status\":\"500\"}");
    else
        wire_say(ret, 200, "", "");
}

static void
limit_holds_the_class(int status)
{
    struct limiter l = {.status = status};
    struct wire *w = wire_start(limit, &l);
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
    struct kb_http_peer *peer = reader_peer(http, &opts);
    struct reader r[40] = {0};
    for (size_t i = 0; i < KB_LEN(r); i++)
        reader_get(peer, "/x", &r[i]);
    run_fine(http);
    struct kb_http_stats stats;
    kb_http_peer_stats(peer, &stats);
    kb_http_free(http);
    wire_stop(w);
    for (size_t i = 0; i < KB_LEN(r); i++)
        assert_int_equal(r[i].status, 200);
    assert_int_equal(l.seen, 44);
    assert_in_range(stats.waited_ms, 30000, 31000);
}

static void
test_limit_holds_the_class(void **state)
{
    (void) state;
    limit_holds_the_class(429);
    limit_holds_the_class(500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_reader_refuses),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_limit_to_the_byte),
        cmocka_unit_test(test_error_body_is_cut),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_limit_holds_the_class),
    };
    return cmocka_run_group_tests_name("base/http limits", tests, NULL, NULL);
}
