/* base/http: reading. Order, retries, limits, streaming, broken bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/reader.h"
#include "support/wire.h"

#include <stdio.h>
#include <string.h>

static int
run(struct kb_http *http)
{
    struct kb_error err = {0};
    return kb_http_run(http, &err);
}

/* ---- many requests ---- */

static void
echo(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    (void) userdata;
    wire_say(ret, 200, "", request->target);
}

struct numbered {
    struct reader reader;
    char want[32];
    struct kb_http_peer *peer;
    struct numbered *follow; /* asked for at the front when this one is done */
};

static void
ask_follow(struct reader *r)
{
    struct numbered *n = r->more;
    struct kb_error err = {0};
    if (kb_http_submit(n->peer,
                       &(struct kb_http_request){.method = "GET",
                                                 .target = n->follow->want,
                                                 .front = true,
                                                 .on_reply = reader_reply,
                                                 .userdata = &n->follow->reader},
                       &err) < 0)
        fail_msg("%s", err.msg);
}

static void
test_thousand_keep_their_identity(void **state)
{
    (void) state;

    enum { N = 1000 };
    struct wire *w = wire_start(echo, NULL);
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
    opts.concurrency = 8;
    struct kb_http_peer *peer = reader_peer(http, &opts);
    struct numbered *all = calloc(N, sizeof(*all));
    assert_non_null(all);
    for (int i = 0; i < N; i++) {
        (void) snprintf(all[i].want, sizeof(all[i].want), "/item/%d?x=%d", i, i * 7);
        all[i].peer = peer;
        if (i % 10 == 9)
            continue; /* asked for by the one before */
        if (i % 10 == 8) {
            all[i].follow = &all[i + 1];
            all[i].reader.more = &all[i];
            all[i].reader.then = ask_follow;
        }
        reader_get(peer, all[i].want, &all[i].reader);
    }
    assert_int_equal(run(http), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(all[i].reader.replies, 1);
        assert_int_equal(all[i].reader.error.code, KB_OK);
        assert_int_equal(all[i].reader.status, 200);
        assert_string_equal(all[i].reader.body, all[i].want);
    }
    struct kb_http_stats stats;
    kb_http_peer_stats(peer, &stats);
    assert_int_equal(stats.requests, N);
    assert_int_equal(stats.peak_in_flight, 8);
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.writes, 0);
    assert_in_range(wire_connections(w), 1, 8); /* kept alive */
    free(all);
    kb_http_free(http);
    wire_stop(w);
}

static void
test_front_goes_first(void **state)
{
    (void) state;
    struct wire *w = wire_start(echo, NULL);
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
    opts.concurrency = 1;
    struct kb_http_peer *peer = reader_peer(http, &opts);
    struct numbered first = {.want = "/first", .peer = peer}, follow = {.want = "/follow"};
    first.follow = &follow;
    first.reader.more = &first;
    first.reader.then = ask_follow;
    struct reader others[5] = {0};
    reader_get(peer, "/first", &first.reader);
    for (size_t i = 0; i < KB_LEN(others); i++)
        reader_get(peer, "/other", &others[i]);
    assert_int_equal(run(http), 0);
    /* Slots are filled before replies are handed over: one other may be under way already. */
    unsigned place = 0;
    for (unsigned i = 0; i < 7; i++) {
        char *head = wire_head(w, i);
        assert_non_null(head);
        if (strstr(head, "/follow"))
            place = i;
        free(head);
    }
    assert_in_range(place, 1, 2);
    kb_http_free(http);
    wire_stop(w);
}

/* ---- a script: one answer after the other ---- */

struct script {
    struct wire_answer answers[8];
    unsigned len, at;
};

static void
play(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    struct script *s = userdata;
    (void) request;
    *ret = s->answers[s->at < s->len ? s->at : s->len - 1];
    s->at++;
}

static void
raw(struct script *s, const char *bytes, enum wire_then then)
{
    struct wire_answer *a = &s->answers[s->len++];
    a->size = strlen(bytes);
    memcpy(a->bytes, bytes, a->size);
    a->then = then;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static void
test_table(void **state)
{
    (void) state;

    static const struct {
        const char *name;
        const char *bytes[3];
        enum wire_then then[3];
        bool streamed;
        enum kb_code code;
        int status;
        unsigned tries;
        const char *body; /* with KB_OK; or a part of the message */
    } table[] = {
        {"fine", {OK_HEAD "Content-Length: 2\r\n\r\nhi"}, {0}, false, KB_OK, 200, 1, "hi"},
        {"no length, closed", {OK_HEAD "\r\nhi"}, {WIRE_CLOSE}, false, KB_OK, 200, 1, "hi"},
        {"empty", {OK_HEAD "Content-Length: 0\r\n\r\n"}, {0}, true, KB_OK, 200, 1, ""},
        {"204", {"HTTP/1.1 204 No\r\n\r\n"}, {0}, false, KB_OK, 204, 1, ""},
        {"interim",
         {"HTTP/1.1 102 Wait\r\nX-Request-Id: no\r\n\r\n" OK_HEAD "Content-Length: 2\r\n\r\nhi"},
         {0},
         false,
         KB_OK,
         200,
         1,
         "hi"},
        {"identity",
         {OK_HEAD "Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi"},
         {0},
         false,
         KB_OK,
         200,
         1,
         "hi"},
        {"404 is an answer",
         {"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\ngone"},
         {0},
         true,
         KB_OK,
         404,
         1,
         "gone"},
        {"401 without authority",
         {"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"},
         {0},
         false,
         KB_OK,
         401,
         1,
         ""},
        {"500 then fine",
         {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", OK_HEAD "Content-Length: 2\r\n\r\nhi"},
         {0},
         false,
         KB_OK,
         200,
         2,
         "hi"},
        {"502 and 503 then fine",
         {"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
          OK_HEAD "Content-Length: 2\r\n\r\nhi"},
         {0},
         false,
         KB_OK,
         200,
         3,
         "hi"},
        {"504 for ever",
         {"HTTP/1.1 504 No\r\nContent-Length: 3\r\n\r\nbad"},
         {0},
         false,
         KB_OK,
         504,
         5,
         "bad"},
        {"408 then fine",
         {"HTTP/1.1 408 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
          OK_HEAD "Content-Length: 2\r\n\r\nhi"},
         {WIRE_CLOSE},
         false,
         KB_OK,
         200,
         2,
         "hi"},
        {"closed without a byte",
         {"", OK_HEAD "Content-Length: 2\r\n\r\nhi"},
         {WIRE_CLOSE},
         false,
         KB_OK,
         200,
         2,
         "hi"},
        {"reset without a byte",
         {"", OK_HEAD "Content-Length: 2\r\n\r\nhi"},
         {WIRE_RESET},
         false,
         KB_OK,
         200,
         2,
         "hi"},
        {"closed in the head",
         {OK_HEAD "Conte", OK_HEAD "Content-Length: 2\r\n\r\nhi"},
         {WIRE_CLOSE},
         false,
         KB_OK,
         200,
         2,
         "hi"},
        {"cut by length",
         {OK_HEAD "Content-Length: 20\r\n\r\nfirst", OK_HEAD "Content-Length: 6\r\n\r\nsecond"},
         {WIRE_CLOSE},
         true,
         KB_OK,
         200,
         2,
         "second"},
        {"cut by chunk",
         {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
          OK_HEAD "Content-Length: 6\r\n\r\nsecond"},
         {WIRE_CLOSE},
         true,
         KB_OK,
         200,
         2,
         "second"},
        {"reset in a chunk",
         {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nfir", OK_HEAD "Content-Length: 6\r\n\r\nsecond"},
         {WIRE_RESET},
         true,
         KB_OK,
         200,
         2,
         "second"},
        {"cut for ever",
         {OK_HEAD "Content-Length: 20\r\n\r\nfirst"},
         {WIRE_CLOSE, WIRE_CLOSE, WIRE_CLOSE},
         true,
         KB_E_NET,
         0,
         5,
         "acme: GET http://127.0.0.1:"},
        {"gzip",
         {OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi"},
         {0},
         false,
         KB_E_PROTOCOL,
         0,
         1,
         "compressed"},
        {"gzip as transfer coding",
         {OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
         {0},
         false,
         KB_E_PROTOCOL,
         0,
         1,
         "compressed"},
        {"br on an error",
         {"HTTP/1.1 500 No\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nhi"},
         {0},
         false,
         KB_E_PROTOCOL,
         0,
         1,
         "compressed"},
        {"not HTTP", {"SSH-2.0-OpenSSH_9.2\r\n"}, {WIRE_CLOSE}, false, KB_E_PROTOCOL, 0, 1, "acme: GET"},
        {"redirect",
         {"HTTP/1.1 302 Go\r\nLocation: https://login.example/x?y\r\nContent-Length: 0\r\n\r\n"},
         {0},
         false,
         KB_OK,
         302,
         1,
         ""},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct script script = {0};
        for (size_t k = 0; k < 3 && table[i].bytes[k]; k++)
            raw(&script, table[i].bytes[k], table[i].then[k]);
        struct wire *w = wire_start(play, &script);
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader r = {0};
        if (table[i].streamed)
            reader_read(peer, "/a?secret=name", &r);
        else
            reader_get(peer, "/a?secret=name", &r);
        int result = run(http);
        uint32_t want = reader_sum(0, table[i].body, strlen(table[i].body));
        bool body_ok = r.error.code != KB_OK
                           ? strstr(r.error.msg, table[i].body) && !strstr(r.error.msg, "secret")
                       : table[i].streamed && r.status == 200
                           ? r.sum == want && r.data_size == strlen(table[i].body) && r.begins >= 1
                           : strcmp(r.body, table[i].body) == 0;
        if (result != 0 || r.replies != 1 || r.error.code != table[i].code || r.status != table[i].status ||
            r.tries != table[i].tries || !r.sent || !body_ok || wire_count(w, NULL, NULL) != table[i].tries)
            fail_msg(
                "case '%s': result %d, %u replies, code %s, status %d, %u tries, %u requests, body '%s', %s",
                table[i].name, result, r.replies, kb_code_name(r.error.code), r.status, r.tries,
                wire_count(w, NULL, NULL), r.body, r.error.msg);
        if (strcmp(table[i].name, "redirect") == 0)
            assert_string_equal(r.redirect_host, "login.example");
        kb_http_free(http);
        wire_stop(w);
    }
}

static void
test_answer_details(void **state)
{
    (void) state;
    struct script script = {0};
    raw(&script,
        OK_HEAD "X-Request-Id: plain\r\nx-databricks-request-id:  dbx-1 \r\nX-Request-Id: later\r\n"
                "DATE: Mon, 24 Nov 2025 16:00:10 GMT\r\nContent-Length: 0\r\n\r\n",
        WIRE_KEEP);
    struct wire *w = wire_start(play, &script);
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
    static const char *const headers[] = {"Accept: application/scim+json", "X-One: 1", NULL};
    opts.headers = headers;
    struct kb_http_peer *peer = reader_peer(http, &opts);
    struct reader r = {0};
    reader_get(peer, "/a%2Fb/c?x=%20", &r);
    assert_int_equal(run(http), 0);
    assert_string_equal(r.request_id, "dbx-1");
    assert_int_equal(r.date_s, 1764000010);
    struct kb_http_stats stats;
    kb_http_peer_stats(peer, &stats);
    assert_int_equal(stats.skew_s, 10);
    /* The wire bytes of a GET, all of them. */
    char *head = wire_head(w, 0), want[512];
    assert_non_null(head);
    (void) snprintf(want, sizeof(want),
                    "GET /a%%2Fb/c?x=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: keybricks-test\r\n"
                    "Accept: application/scim+json\r\nX-One: 1",
                    wire_port(w));
    assert_string_equal(head, want);
    free(head);
    kb_http_free(http);
    wire_stop(w);
}

/* F15: bytes that nobody asked for, behind an answer, are never the next request's answer. (Those that arrive
 * after the next request was sent cannot be told apart here; readers check the id in the answer.) */
static void
babble(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    const char *stale = userdata;
    wire_say(ret, 200, "", request->target);
    if (strcmp(request->target, "/first") == 0) {
        memcpy(ret->bytes + ret->size, stale, strlen(stale)); /* in one segment with the answer */
        ret->size += strlen(stale);
    }
}

static void
test_stale_bytes(void **state)
{
    (void) state;
    static char stale[][64] = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nWRONG", "x", "\r\n",
                               "HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n"};
    for (size_t i = 0; i < KB_LEN(stale); i++) {
        struct wire *w = wire_start(babble, stale[i]);
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        opts.concurrency = 1;
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader first = {0}, second = {0};
        reader_get(peer, "/first", &first);
        reader_get(peer, "/second", &second);
        assert_int_equal(run(http), 0);
        kb_http_free(http);
        wire_stop(w);
        assert_string_equal(first.body, "/first");
        assert_int_equal(second.error.code, KB_OK);
        assert_string_equal(second.body, "/second");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousand_keep_their_identity),
        cmocka_unit_test(test_front_goes_first),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_answer_details),
        cmocka_unit_test(test_stale_bytes),
    };
    return cmocka_run_group_tests_name("base/http read", tests, NULL, NULL);
}
