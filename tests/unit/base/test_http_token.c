/* base/http: tokens. How long they live, who gets how many, what a refusal does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/http_decode.h"
#include "base/mem.h"
#include "support/reader.h"
#include "support/wire.h"

#include <stdio.h>
#include <string.h>

/* ---- a server with /token and everything else behind a bearer token ---- */

struct door {
    const char *expires; /* the member, with its comma: ",\"expires_in\":60" */
    unsigned tokens;     /* given out */
    unsigned revoke_at;  /* at this request (counted without /token) the present token dies; 0: never */
    unsigned api;
    bool closed; /* no token is good enough */
    int refusal; /* status of /token, 0: fine */
    const char *refusal_body, *refusal_headers;
    unsigned refusals; /* so many times, then fine; 0: always */
    unsigned stale;    /* requests with a token that is not the present one */
    unsigned valid_from;
    int64_t lives_ms; /* 0: only the present token is good; else each one until it is so old */
    int64_t born_ms[64];
    char forms[8][512];
    char basic[128];
};

static void
open_door(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    struct door *d = userdata;
    char buf[256], body[256];
    if (strcmp(request->target, "/token") == 0) {
        (void) snprintf(d->forms[d->tokens % 8], sizeof(d->forms[0]), "%s", request->body);
        (void) wire_header(request->head, "authorization", d->basic, sizeof(d->basic));
        if (d->refusal && (d->refusals == 0 || d->tokens < d->refusals)) {
            d->tokens++;
            wire_say(ret, d->refusal, d->refusal_headers ? d->refusal_headers : "", d->refusal_body);
            return;
        }
        d->tokens++;
        d->valid_from = d->tokens;
        d->born_ms[d->tokens % KB_LEN(d->born_ms)] = reader_clock_moved();
        (void) snprintf(body, sizeof(body), "{\"access_token\":\"T%u\",\"token_type\":\"Bearer\"%s}",
                        d->tokens, d->expires ? d->expires : "");
        wire_say(ret, 200, "Content-Type: application/json\r\n", body);
        return;
    }
    if (++d->api == d->revoke_at)
        d->valid_from = d->tokens + 1;
    (void) wire_header(request->head, "authorization", buf, sizeof(buf));
    unsigned long number = strncmp(buf, "Bearer T", 8) == 0 ? strtoul(buf + 8, NULL, 10) : 0;
    bool good = !d->closed && number >= d->valid_from && number > 0;
    if (d->lives_ms)
        good = number > 0 && reader_clock_moved() - d->born_ms[number % KB_LEN(d->born_ms)] < d->lives_ms;
    d->stale += good ? 0 : 1;
    wire_say(ret, good ? 200 : 401, "", good ? request->target : "who are you");
}

struct giver {
    char url[128];
    const char *basic_user, *static_token, *fail;
    unsigned builds, explained;
    int explained_status;
    char subject[64];
};

static int
build(void *userdata, const struct kb_secret *subject, struct kb_http_token_request *ret,
      struct kb_error *err)
{
    struct giver *g = userdata;
    g->builds++;
    (void) snprintf(g->subject, sizeof(g->subject), "%s", subject ? kb_secret_bytes(subject, NULL) : "");
    if (g->fail)
        return kb_fail(err, KB_E_CONFIG, "%s", g->fail);
    if (g->static_token) {
        ret->static_token = strdup(g->static_token);
        return 0;
    }
    ret->url = strdup(g->url);
    ret->form = kb_asprintf("grant_type=x&subject=%s", g->subject);
    if (g->basic_user) {
        ret->basic_user = strdup(g->basic_user);
        ret->basic_password = strdup("p%40ss");
    }
    return 0;
}

static void
explain(void *userdata, int status, const char *body, struct kb_error *err)
{
    struct giver *g = userdata;
    g->explained++;
    g->explained_status = status;
    (void) kb_fail(err, KB_E_AUTH, "refused because of %.100s", body);
}

struct set {
    struct wire *w;
    struct kb_http *http;
    struct kb_http_peer *peer;
    struct giver giver;
    struct kb_http_authority authority;
};

static void
set_open(struct set *s, struct door *door, unsigned concurrency)
{
    s->w = wire_start(open_door, door);
    assert_non_null(s->w);
    s->http = reader_open(NULL);
    (void) snprintf(s->giver.url, sizeof(s->giver.url), "%s/token", wire_url(s->w));
    s->authority = (struct kb_http_authority){.build = build, .explain = explain, .userdata = &s->giver};
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(s->w));
    opts.concurrency = concurrency;
    opts.authority = &s->authority;
    s->peer = reader_peer(s->http, &opts);
}

static void
set_close(struct set *s)
{
    kb_http_free(s->http);
    wire_stop(s->w);
}

static void
run_fine(struct set *s)
{
    struct kb_error err = {0};
    if (kb_http_run(s->http, &err) < 0)
        fail_msg("kb_http_run: %s", err.msg);
}

/* ---- tests ---- */

static void
test_one_token_for_many(void **state)
{
    (void) state;
    struct door door = {.expires = ",\"expires_in\":300"};
    struct set s = {.giver.basic_user = "client%3Aid"};
    struct reader r[50] = {0};
    set_open(&s, &door, 8);
    for (size_t i = 0; i < KB_LEN(r); i++)
        reader_get(s.peer, "/a", &r[i]);
    run_fine(&s);
    for (size_t i = 0; i < KB_LEN(r); i++)
        assert_int_equal(r[i].status, 200);
    struct kb_http_stats stats;
    kb_http_peer_stats(s.peer, &stats);
    set_close(&s);
    assert_int_equal(door.tokens, 1);
    assert_int_equal(stats.token_requests, 1);
    assert_int_equal(stats.requests, 51);
    assert_int_equal(stats.writes, 0);
    assert_string_equal(door.forms[0], "grant_type=x&subject=");
    assert_string_equal(door.basic, "Basic Y2xpZW50JTNBaWQ6cCU0MHNz"); /* client%3Aid:p%40ss */
}

/* A 401 at each place of a run of 20 requests: one new token, no reader sees it (F24). */
static void
test_401_anywhere(void **state)
{
    (void) state;
    for (unsigned at = 1; at <= 20; at++) {
        struct door door = {.expires = ",\"expires_in\":300", .revoke_at = at};
        struct set s = {0};
        struct reader r[20] = {0};
        set_open(&s, &door, 8);
        for (size_t i = 0; i < KB_LEN(r); i++)
            reader_get(s.peer, "/a", &r[i]);
        run_fine(&s);
        set_close(&s);
        for (size_t i = 0; i < KB_LEN(r); i++)
            if (r[i].replies != 1 || r[i].status != 200 || r[i].tries > 2)
                fail_msg("401 at %u: request %zu: %u replies, status %d: %s", at, i, r[i].replies,
                         r[i].status, r[i].error.msg);
        assert_int_equal(door.tokens, 2);
        assert_in_range(door.stale, 1, 8);
    }
}

static void
test_401_twice(void **state)
{
    (void) state;
    struct door door = {.expires = ",\"expires_in\":300", .closed = true};
    struct set s = {0};
    struct reader r[20] = {0};
    set_open(&s, &door, 4);
    for (size_t i = 0; i < KB_LEN(r); i++)
        reader_get(s.peer, "/a?q=secret", &r[i]);
    run_fine(&s);
    set_close(&s);
    for (size_t i = 0; i < KB_LEN(r); i++) {
        assert_int_equal(r[i].replies, 1);
        assert_int_equal(r[i].error.code, KB_E_AUTH);
        assert_int_equal(r[i].status, 401);
        assert_null(strstr(r[i].error.msg, "secret"));
    }
    assert_int_equal(door.tokens, 2); /* not one for each request */
}

static void
test_write_after_401(void **state)
{
    (void) state;
    struct door door = {.expires = ",\"expires_in\":300", .revoke_at = 1};
    struct set s = {0};
    struct reader r = {0};
    set_open(&s, &door, 1);
    struct kb_http_peer_opts opts = reader_peer_opts(wire_url(s.w));
    opts.authority = &s.authority;
    opts.writable = true;
    struct kb_http_peer *peer = reader_peer(s.http, &opts);
    reader_write(peer, "PATCH", "/g/1", "{}", false, &r);
    run_fine(&s);
    assert_int_equal(wire_count(s.w, "PATCH", NULL), 2); /* the first was refused, so it did nothing */
    set_close(&s);
    assert_int_equal(r.status, 200);
}

/* Life as the server tells it, and when the next token is got (F22): clock moved by `ms`, tokens afterwards.
 */
static void
test_life(void **state)
{
    (void) state;

    static const struct {
        const char *expires;
        int64_t keeps_ms, renews_ms;
    } table[] = {
        {",\"expires_in\":60", 41000, 42100},
        {",\"expires_in\":\"60\"", 41000, 42100},
        {",\"expires_in\":2", 1000, 1500},
        {",\"expires_in\":1", 300, 800},
        {",\"expires_in\":3600", 2519000, 2520100},
        {",\"expires_in\":0", 300, 800},
        {",\"expires_in\":-5", 300, 800},
        {",\"expires_in\":-9000000000000000000", 300, 800},
        {",\"expires_in\":1000000000000", 2519000, 2520100},
        {",\"expires_in\":9223372036854775807", 2519000, 2520100},
        /* unknown: a minute */
        {"", 41000, 42100},
        {",\"expires_in\":null", 41000, 42100},
        {",\"expires_in\":\"\"", 41000, 42100},
        {",\"expires_in\":\"soon\"", 41000, 42100},
        {",\"expires_in\":[60]", 41000, 42100},
        {",\"expires_in\":{}", 41000, 42100},
        {",\"expires_in\":true", 41000, 42100},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct door door = {.expires = table[i].expires};
        struct set s = {0};
        struct reader r[3] = {0};
        set_open(&s, &door, 1);
        reader_get(s.peer, "/a", &r[0]);
        run_fine(&s);
        reader_clock_move(table[i].keeps_ms);
        reader_get(s.peer, "/a", &r[1]);
        run_fine(&s);
        unsigned kept = wire_count(s.w, "POST", NULL);
        reader_clock_move(table[i].renews_ms - table[i].keeps_ms);
        reader_get(s.peer, "/a", &r[2]);
        run_fine(&s);
        unsigned renewed = wire_count(s.w, "POST", NULL);
        set_close(&s);
        if (kept != 1 || renewed != 2 || r[0].status != 200 || r[1].status != 200 || r[2].status != 200)
            fail_msg("case '%s': %u tokens, then %u; %s", table[i].expires, kept, renewed, r[0].error.msg);
    }
}

/*
 * F23: a token of 2 s and a run that takes far longer: renewed before use, no request meets a dead token.
 * The clock moves only when the oldest open request ends: with eight in flight each of them sees at most seven
 * moves, however the machine schedules the server's thread.
 */
enum { MANY = 500, MOVE_MS = 50 };

static size_t oldest;

static void
move_on(struct reader *r)
{
    const struct reader *all = r->more;
    if (r != &all[oldest])
        return;
    reader_clock_move(MOVE_MS);
    while (oldest < MANY && all[oldest].replies)
        oldest++;
}

static void
test_renewed_in_the_middle(void **state)
{
    (void) state;
    struct door door = {.expires = ",\"expires_in\":2", .lives_ms = 2000};
    struct set s = {0};
    struct reader *r = calloc(MANY, sizeof(*r));
    assert_non_null(r);
    set_open(&s, &door, 8);
    oldest = 0;
    for (size_t i = 0; i < MANY; i++) {
        r[i].then = move_on;
        r[i].more = r;
        reader_get(s.peer, "/a", &r[i]);
    }
    run_fine(&s);
    set_close(&s);
    for (size_t i = 0; i < MANY; i++)
        if (r[i].status != 200 || r[i].tries != 1)
            fail_msg("request %zu: status %d, %u tries", i, r[i].status, r[i].tries);
    free(r);
    assert_int_equal(door.stale, 0);
    assert_in_range(reader_clock_moved(), MANY / 8 * MOVE_MS, MANY * MOVE_MS);
    assert_in_range(door.tokens, 1 + reader_clock_moved() / 2000, 1 + reader_clock_moved() / 1000);
}

static void
test_refusals(void **state)
{
    (void) state;

    static const struct {
        const char *name;
        int status;
        const char *headers, *body;
        unsigned refusals; /* 0: for ever */
        enum kb_code want;
        unsigned tokens; /* requests to /token */
        const char *message;
    } table[] = {
        {"500 then fine", 500, NULL, "", 1, KB_OK, 2, ""},
        {"503 three times", 503, "Retry-After: 2\r\n", "", 3, KB_OK, 4, ""},
        {"429 then fine", 429, "Retry-After: 60\r\n", "", 1, KB_OK, 2, ""},
        {"a page of a gateway, then fine", 200, NULL, "<html>", 2, KB_OK, 3, ""},
        {"400", 400, NULL, "{\"error\":\"invalid_client\"}", 0, KB_E_AUTH, 1, "invalid_client"},
        {"401", 401, NULL, "wrong secret", 0, KB_E_AUTH, 1, "wrong secret"},
        {"403", 403, NULL, "no", 0, KB_E_AUTH, 1, "refused because of no"},
        {"404", 404, NULL, "no realm", 0, KB_E_AUTH, 1, "no realm"},
        {"302", 302, "Location: https://login.example/\r\n", "", 0, KB_E_AUTH, 1, "refused"},
        {"204", 204, NULL, "", 0, KB_E_AUTH, 1, "refused"},
        {"500 for ever", 500, NULL, "oops", 0, KB_E_HTTP, 5, "oops"},
        {"a page for ever", 200, NULL, "<html>", 0, KB_E_PROTOCOL, 5,
         "not a JSON document but '<' (HTML or XML?)"},
        {"an array", 200, NULL, "[]", 0, KB_E_PROTOCOL, 5, "no access_token"},
        {"without token", 200, NULL, "{\"expires_in\":5}", 0, KB_E_PROTOCOL, 5, "no access_token"},
        {"token null", 200, NULL, "{\"access_token\":null}", 0, KB_E_PROTOCOL, 5, "no access_token"},
        {"token empty", 200, NULL, "{\"access_token\":\"\"}", 0, KB_E_PROTOCOL, 5, "bytes"},
        {"token twice", 200, NULL, "{\"access_token\":\"a\",\"access_token\":\"b\"}", 0, KB_E_PROTOCOL, 5,
         "JSON"},
        {"token with a header", 200, NULL, "{\"access_token\":\"a\\r\\nX: y\"}", 0, KB_E_PROTOCOL, 5,
         "bytes"},
        {"token with a blank", 200, NULL, "{\"access_token\":\"a b\"}", 0, KB_E_PROTOCOL, 5, "bytes"},
        {"compressed", 200, "Content-Encoding: gzip\r\n", "x", 0, KB_E_PROTOCOL, 1, "compressed"},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct door door = {.expires = ",\"expires_in\":300",
                            .refusal = table[i].status,
                            .refusal_headers = table[i].headers,
                            .refusal_body = table[i].body,
                            .refusals = table[i].refusals};
        struct set s = {0};
        struct reader r[9] = {0};
        set_open(&s, &door, 4);
        for (size_t k = 0; k < KB_LEN(r); k++)
            reader_get(s.peer, "/a", &r[k]);
        run_fine(&s);
        unsigned asked = wire_count(s.w, "POST", NULL), others = wire_count(s.w, "GET", NULL);
        /* After a refusal nobody asks again: it could lock the client out (F20). */
        struct reader later = {0};
        reader_get(s.peer, "/a", &later);
        run_fine(&s);
        bool sticks = wire_count(s.w, "POST", NULL) == asked;
        set_close(&s);
        for (size_t k = 0; k < KB_LEN(r); k++)
            if (r[k].replies != 1 || r[k].error.code != table[i].want ||
                !strstr(r[k].error.msg, table[i].message) || asked != table[i].tokens ||
                r[k].sent != (table[i].want == KB_OK) || (table[i].want != KB_OK && others != 0) ||
                ((table[i].want == KB_E_AUTH || table[i].want == KB_OK) && !sticks))
                fail_msg("case '%s': code %s, %u token requests, %u others, sticks %d: %s", table[i].name,
                         kb_code_name(r[k].error.code), asked, others, sticks, r[k].error.msg);
    }
}

static void
test_static_token(void **state)
{
    (void) state;
    struct door door = {0};
    struct set s = {.giver.static_token = "T7"};
    struct reader r = {0}, second = {0}, third = {0};
    set_open(&s, &door, 1);
    reader_get(s.peer, "/a", &r);
    run_fine(&s);
    assert_int_equal(r.status, 200);
    assert_int_equal(s.giver.builds, 1);
    /* Rotated: the old one is refused, the file is read again. */
    door.valid_from = 9;
    s.giver.static_token = "T9";
    reader_get(s.peer, "/a", &second);
    run_fine(&s);
    assert_int_equal(second.status, 200);
    assert_int_equal(s.giver.builds, 2);
    s.giver.static_token = "T\n10";
    reader_clock_move(3600 * 1000);
    reader_get(s.peer, "/a", &third);
    run_fine(&s);
    assert_int_equal(third.error.code, KB_E_CONFIG);
    assert_false(third.sent);
    set_close(&s);
    assert_int_equal(door.tokens, 0);
}

static void
test_build_fails(void **state)
{
    (void) state;

    static const struct {
        const char *fail, *url;
        const char *message;
    } table[] = {
        {"the secret file is gone", NULL, "the secret file is gone"},
        {NULL, "http://login.example/token", "plain http"},
        {NULL, "https://user@login.example/token", "user name"},
        {NULL, "ftp://login.example/token", "https"},
        {NULL, "https://login.example/to\nken", "printable"},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct door door = {0};
        struct set s = {.giver.fail = table[i].fail};
        struct reader r = {0};
        set_open(&s, &door, 1);
        if (table[i].url)
            (void) snprintf(s.giver.url, sizeof(s.giver.url), "%s", table[i].url);
        reader_get(s.peer, "/a", &r);
        run_fine(&s);
        assert_int_equal(wire_count(s.w, NULL, NULL), 0);
        set_close(&s);
        if (r.error.code != KB_E_CONFIG || !strstr(r.error.msg, table[i].message) || r.sent)
            fail_msg("case %zu: %s", i, r.error.msg);
    }
}

/* Token exchange: the target's token is made of the source's fresh one, and follows its failures. */
static void
test_subject(void **state)
{
    (void) state;
    for (int bad = 0; bad < 2; bad++) {
        struct door source_door = {
            .expires = ",\"expires_in\":60", .refusal = bad ? 400 : 0, .refusal_body = "no client"};
        struct door target_door = {.expires = ",\"expires_in\":60"};
        struct set s = {0};
        set_open(&s, &source_door, 2);
        struct wire *w = wire_start(open_door, &target_door);
        struct giver giver = {0};
        (void) snprintf(giver.url, sizeof(giver.url), "%s/token", wire_url(w));
        struct kb_http_authority authority = {
            .build = build, .explain = explain, .subject_peer = s.peer, .userdata = &giver};
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(w));
        opts.authority = &authority;
        struct kb_http_peer *target = reader_peer(s.http, &opts);
        struct reader r[5] = {0}, later = {0};
        for (size_t i = 0; i < KB_LEN(r); i++)
            reader_get(target, "/g", &r[i]);
        run_fine(&s);
        reader_clock_move(43000);
        reader_get(target, "/g", &later);
        run_fine(&s);
        unsigned asked = wire_count(w, "POST", NULL);
        set_close(&s);
        wire_stop(w);
        for (size_t i = 0; i < KB_LEN(r); i++)
            assert_int_equal(r[i].error.code, bad ? KB_E_AUTH : KB_OK);
        assert_int_equal(later.error.code, bad ? KB_E_AUTH : KB_OK);
        assert_int_equal(asked, bad ? 0 : 2);
        assert_int_equal(source_door.tokens, bad ? 1 : 2);
        if (bad) {
            assert_non_null(strstr(r[0].error.msg, "no client"));
        } else {
            assert_string_equal(target_door.forms[0], "grant_type=x&subject=T1");
            assert_string_equal(target_door.forms[1], "grant_type=x&subject=T2");
        }
    }
}

static void
test_payload(void **state)
{
    (void) state;

    static const struct {
        const char *token, *want;
    } table[] = {
        {"eyJhIjoxfQ.eyJzdWIiOiJ4In0.c2ln", "{\"sub\":\"x\"}"},
        {"a.eyJuIjoiw7wifQ.", "{\"n\":\"\xc3\xbc\"}"},
        {"a.eyJuIjoiPz8_In0.b", "{\"n\":\"???\"}"},
        {"", NULL},
        {"opaque", NULL},
        {"a.b", NULL},
        {"..", NULL},
        {"a..b", NULL},
        {"a.e30.b.c", NULL},
        {"a.W10.b", NULL},  /* [] */
        {"a.e30=.b", NULL}, /* padding is not base64url in a JWT */
        {"a.e+/0.b", NULL},
        {"a.eyJuIjoi_yJ9.b", NULL}, /* not UTF-8 */
        {"a.ewB9.b", NULL},         /* NUL inside */
        {"dapi0123456789abcdef", NULL},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        char *got = kb_http_decode_jwt_payload(table[i].token, strlen(table[i].token));
        if ((got == NULL) != (table[i].want == NULL) || (got && strcmp(got, table[i].want) != 0))
            fail_msg("case '%s': got %s", table[i].token, got ? got : "NULL");
        free(got);
    }
    struct door door = {0};
    struct set s = {.giver.static_token = "a.eyJzdWIiOiJ4In0.c2ln"};
    struct reader r = {0};
    set_open(&s, &door, 1);
    assert_null(kb_http_peer_token_payload(s.peer));
    reader_get(s.peer, "/a", &r);
    run_fine(&s);
    assert_string_equal(kb_http_peer_token_payload(s.peer), "{\"sub\":\"x\"}");
    set_close(&s);
}

/* Bytes end where their size says; ASan sees a step too far. Found by tests/fuzz. */
static void
test_answer_of_bytes(void **state)
{
    static const struct {
        const char *bytes;
        bool html;
    } table[] = {{"", false},         {" \t\r\n", false}, {"<", true},
                 {" \n<html>", true}, {"x<", false},      {"{\"access_token\":", false}};

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_error err = {0};
        struct kb_secret *token = NULL;
        size_t size = strlen(table[i].bytes);
        int64_t life = 0;
        char *body = malloc(size ? size : 1);
        assert_non_null(body);
        memcpy(body, table[i].bytes, size);
        assert_int_equal(kb_http_decode_token(body, size, &token, &life, &err), -KB_E_PROTOCOL);
        assert_null(token);
        assert_int_equal(strstr(err.msg, "HTML") != NULL, table[i].html);
        free(body);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_token_for_many),
        cmocka_unit_test(test_401_anywhere),
        cmocka_unit_test(test_401_twice),
        cmocka_unit_test(test_write_after_401),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_renewed_in_the_middle),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_static_token),
        cmocka_unit_test(test_build_fails),
        cmocka_unit_test(test_subject),
        cmocka_unit_test(test_payload),
        cmocka_unit_test(test_answer_of_bytes),
    };
    return cmocka_run_group_tests_name("base/http token", tests, NULL, NULL);
}
