/* base/http: writing. Never twice by accident, never from a transport opened for reading, and `sent` is true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/reader.h"
#include "support/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* GET is answered and the connection kept; what a write gets is the test's. */
struct writes {
    struct wire_answer first; /* to the first write; then 200 */
    unsigned writes;
};

static void
serve(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    struct writes *w = userdata;
    if (strcmp(request->method, "GET") == 0)
        wire_say(ret, 200, "", "kept");
    else if (w->writes++ == 0)
        *ret = w->first;
    else
        wire_say(ret, 200, "", "done");
}

static void
script(struct writes *w, const char *bytes, enum wire_then then)
{
    w->first.size = strlen(bytes);
    memcpy(w->first.bytes, bytes, w->first.size);
    w->first.then = then;
}

struct set {
    struct wire *w;
    struct kb_http *http;
    struct kb_http_peer *peer;
};

static void
set_open(struct set *s, struct writes *writes, const struct kb_http_opts *http_opts)
{
    s->w = wire_start(serve, writes);
    s->http = reader_open(http_opts);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(s->w));
    opts.concurrency = 1;
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
run_fine(struct kb_http *http)
{
    struct kb_error err = {0};
    if (kb_http_run(http, &err) < 0)
        fail_msg("kb_http_run: %s", err.msg);
}

/* F79: libcurl sends a request again by itself when a kept connection dies without a byte; here it may not.
 */
static void
test_no_second_sending_by_libcurl(void **state)
{
    (void) state;

    static const struct {
        const char *method;
        enum wire_then then;
        bool replay;
        unsigned seen;
    } table[] = {
        {"PATCH", WIRE_CLOSE, false, 1}, {"PATCH", WIRE_RESET, false, 1}, {"POST", WIRE_CLOSE, false, 1},
        {"POST", WIRE_RESET, false, 1},  {"PUT", WIRE_CLOSE, false, 1},   {"DELETE", WIRE_CLOSE, false, 1},
        {"PATCH", WIRE_CLOSE, true, 2}, /* its caller said that twice is harmless */
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct writes writes = {0};
        struct set s;
        struct reader get = {0}, write = {0}, after = {0};
        script(&writes, "", table[i].then);
        set_open(&s, &writes, NULL);
        reader_get(s.peer, "/g", &get);
        run_fine(s.http);
        reader_write(s.peer, table[i].method, "/g", "{}", table[i].replay, &write);
        run_fine(s.http);
        unsigned seen = wire_count(s.w, table[i].method, NULL);
        reader_get(s.peer, "/g", &after);
        run_fine(s.http);
        struct kb_http_stats stats;
        kb_http_peer_stats(s.peer, &stats);
        set_close(&s);
        if (get.status != 200 || seen != table[i].seen || write.replies != 1 || !write.sent ||
            write.error.code != (table[i].replay ? KB_OK : KB_E_NET) || after.status != 200 ||
            stats.writes != table[i].seen)
            fail_msg("case %zu: server saw %u %s, sent %d, %s", i, seen, table[i].method, write.sent,
                     write.error.msg);
        if (!table[i].replay)
            assert_non_null(strstr(write.error.msg, "before an answer came"));
    }
}

static void
test_outcomes(void **state)
{
    (void) state;

    static const struct {
        const char *name, *bytes;
        enum wire_then then;
        bool replay;
        enum kb_code code;
        int status;
        unsigned seen;
    } table[] = {
        {"fine", "HTTP/1.1 204 OK\r\n\r\n", WIRE_KEEP, false, KB_OK, 204, 1},
        {"429: it did not act", "HTTP/1.1 429 No\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n", WIRE_KEEP,
         false, KB_OK, 200, 2},
        {"500", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", WIRE_KEEP, false, KB_OK, 500, 1},
        {"503", "HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", WIRE_KEEP, false, KB_OK,
         503, 1},
        {"408", "HTTP/1.1 408 No\r\nContent-Length: 0\r\n\r\n", WIRE_KEEP, false, KB_OK, 408, 1},
        {"409", "HTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n", WIRE_KEEP, true, KB_OK, 409, 1},
        {"503 with replay", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", WIRE_KEEP, true, KB_OK, 200, 2},
        {"cut head", "HTTP/1.1 204 OK\r\nServer: x", WIRE_CLOSE, false, KB_E_NET, 0, 1},
        {"cut body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", WIRE_RESET, false, KB_E_NET, 0, 1},
        {"gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", WIRE_KEEP, true,
         KB_E_PROTOCOL, 0, 1},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct writes writes = {0};
        struct set s;
        struct reader r = {0};
        script(&writes, table[i].bytes, table[i].then);
        set_open(&s, &writes, NULL);
        reader_write(s.peer, "PATCH", "/g", "{}", table[i].replay, &r);
        run_fine(s.http);
        unsigned seen = wire_count(s.w, "PATCH", NULL);
        set_close(&s);
        if (r.replies != 1 || r.error.code != table[i].code || r.status != table[i].status ||
            seen != table[i].seen || !r.sent)
            fail_msg("case '%s': %s, status %d, %u seen, sent %d: %s", table[i].name,
                     kb_code_name(r.error.code), r.status, seen, r.sent, r.error.msg);
    }
}

/* A port that nobody listens on: bound, not listening, held until the test ends. */
static int
deaf_port(char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &len), 0);
    (void) snprintf(url, size, "http://127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

static void
test_not_sent(void **state)
{
    (void) state;
    char url[64];
    int fd = deaf_port(url, sizeof(url));
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts(url);
    opts.writable = true;
    struct kb_http_peer *peer = reader_peer(http, &opts);
    struct reader get = {0}, patch = {0};
    reader_get(peer, "/g", &get);
    reader_write(peer, "PATCH", "/g", "{}", false, &patch);
    run_fine(http);
    kb_http_free(http);
    (void) close(fd);
    assert_int_equal(get.error.code, KB_E_NET);
    assert_int_equal(get.tries, 5);
    assert_false(get.sent);
    assert_int_equal(patch.error.code, KB_E_NET);
    assert_int_equal(patch.tries, 5); /* nothing had reached anybody */
    assert_false(patch.sent);
    assert_true(patch.error.retry);
    assert_non_null(strstr(patch.error.msg, "acme: PATCH http://127.0.0.1:"));
}

/* A write that got 429, and whose second try finds nobody: it did nothing, and `sent` says so. */
static void
hang_up(struct reader *r)
{
    struct set *s = r->more;
    wire_stop(s->w);
    s->w = NULL;
}

static void
test_not_sent_after_429(void **state)
{
    (void) state;
    struct writes writes = {0};
    struct set s;
    struct reader patch = {0}, get = {.then = hang_up, .more = &s};
    script(&writes, "HTTP/1.1 429 No\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
           WIRE_CLOSE);
    set_open(&s, &writes, NULL);
    reader_write(s.peer, "PATCH", "/g", "{}", false, &patch);
    reader_get(s.peer, "/g", &get); /* in the meantime; then the server goes away */
    run_fine(s.http);
    kb_http_free(s.http);
    assert_int_equal(get.status, 200);
    assert_int_equal(patch.error.code, KB_E_NET);
    assert_in_range(patch.tries, 2, 5);
    assert_false(patch.sent);
}

/* The budget for waiting: a Retry-After beyond it ends the tries, and the answer is handed on. */
static void
test_budget(void **state)
{
    (void) state;

    static const struct {
        int64_t budget_ms;
        int status;
        unsigned seen;
        int64_t waited_ms;
    } table[] = {{0, 429, 1, 0}, {8999, 429, 1, 0}, {9000, 200, 2, 9000}, {300000, 200, 2, 9000}};

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct writes writes = {0};
        struct set s;
        struct reader r = {0};
        struct kb_http_opts opts = reader_opts();
        opts.retry_budget_ms = table[i].budget_ms;
        script(&writes, "HTTP/1.1 429 No\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n", WIRE_KEEP);
        set_open(&s, &writes, &opts);
        reader_write(s.peer, "PATCH", "/g", "{}", false, &r);
        run_fine(s.http);
        struct kb_http_stats stats;
        kb_http_peer_stats(s.peer, &stats);
        int64_t moved = reader_clock_moved();
        unsigned seen = wire_count(s.w, "PATCH", NULL);
        set_close(&s);
        if (r.status != table[i].status || seen != table[i].seen || stats.waited_ms != table[i].waited_ms ||
            moved < table[i].waited_ms)
            fail_msg("budget %lld: status %d, %u seen, waited %lld", (long long) table[i].budget_ms, r.status,
                     seen, (long long) stats.waited_ms);
    }
}

static void
test_read_only(void **state)
{
    (void) state;
    struct writes writes = {0};
    struct wire *w = wire_start(serve, &writes);
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
    struct kb_http_peer *peer = reader_peer(http, &opts);
    static const char *const methods[] = {
        "POST",  "PATCH", "PUT", "DELETE", "patch", "OPTIONS", "HEAD", "", "GET /x HTTP/1.1\r\nX: y",
        "PATCH "};
    for (size_t i = 0; i < KB_LEN(methods); i++) {
        struct kb_error err = {0};
        struct reader r = {0};
        if (kb_http_submit(peer,
                           &(struct kb_http_request){.method = methods[i],
                                                     .target = "/g",
                                                     .replay = true,
                                                     .on_reply = reader_reply,
                                                     .userdata = &r},
                           &err) != -KB_E_BUG ||
            err.code != KB_E_BUG)
            fail_msg("%s was taken", methods[i]);
        run_fine(http);
        assert_int_equal(r.replies, 0);
    }
    assert_int_equal(wire_count(w, NULL, NULL), 0);
    kb_http_free(http);
    wire_stop(w);
}

/* The wire bytes of a PATCH, all of them; then a GET on the same handle carries nothing of it. */
static void
test_wire_bytes(void **state)
{
    (void) state;
    struct writes writes = {0};
    struct set s;
    struct reader patch = {0}, get = {0};
    script(&writes, "HTTP/1.1 204 OK\r\n\r\n", WIRE_KEEP);
    set_open(&s, &writes, NULL);
    reader_write(s.peer, "PATCH", "/g/1", "{\"a\":1}", false, &patch);
    run_fine(s.http);
    reader_get(s.peer, "/g/2", &get);
    run_fine(s.http);
    char want[512], *head = wire_head(s.w, 0), *next = wire_head(s.w, 1);
    (void) snprintf(
        want, sizeof(want),
        "PATCH /g/1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: keybricks-test\r\nAccept: */*\r\n"
        "Content-Type: application/json\r\nContent-Length: 7",
        wire_port(s.w));
    assert_string_equal(head, want);
    (void) snprintf(want, sizeof(want),
                    "GET /g/2 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: keybricks-test\r\nAccept: */*",
                    wire_port(s.w));
    assert_string_equal(next, want);
    assert_int_equal(wire_connections(s.w), 1);
    free(head);
    free(next);
    set_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_second_sending_by_libcurl),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_not_sent),
        cmocka_unit_test(test_not_sent_after_429),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_wire_bytes),
    };
    return cmocka_run_group_tests_name("base/http write", tests, NULL, NULL);
}
