/* base/http: every allocation of ours fails once. Each accepted request still gets exactly one reply, nothing
 * leaks (ASan), nothing hangs, and an error is never KB_OK in disguise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/reader.h"
#include "support/torture.h"
#include "support/wire.h"

#include <stdio.h>
#include <string.h>

static void
serve(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    const char *body = userdata;
    if (strcmp(request->target, "/token") == 0)
        wire_say(ret, 200, "", "{\"access_token\":\"a.eyJzdWIiOiJ4In0.c2ln\",\"expires_in\":300}");
    else if (strcmp(request->target, "/big") == 0) {
        wire_say(ret, 200, "", "");
        ret->size = (size_t) snprintf(ret->bytes, sizeof(ret->bytes),
                                      "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(body));
        ret->more = body;
        ret->more_size = strlen(body);
    } else if (request->on_connection == 1 && strcmp(request->target, "/busy") == 0)
        wire_say(ret, 503, "", "");
    else
        wire_say(ret, 200, "X-Request-Id: 7\r\n", "fine");
}

static int
build(void *userdata, const struct kb_secret *subject, struct kb_http_token_request *ret,
      struct kb_error *err)
{
    (void) subject;
    ret->url = kb_asprintf("%s/token", (const char *) userdata);
    ret->form = kb_strndup("a=b", 3);
    ret->basic_user = kb_strndup("u", 1);
    if (!ret->url || !ret->form || !ret->basic_user)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    return 0;
}

struct world {
    struct reader get, big, patch, busy;
    unsigned accepted;
    bool failed; /* something reported an error */
};

static int
submit(struct kb_http_peer *peer, struct world *world, const char *method, const char *target,
       struct reader *r)
{
    struct kb_error err = {0};
    bool write = strcmp(method, "GET") != 0, streamed = r == &world->big;
    int result = kb_http_submit(peer,
                                &(struct kb_http_request){.method = method,
                                                          .target = target,
                                                          .body = write ? "{}" : NULL,
                                                          .content_type = write ? "application/json" : NULL,
                                                          .on_data = streamed ? reader_data : NULL,
                                                          .on_begin = streamed ? reader_begin : NULL,
                                                          .on_reply = reader_reply,
                                                          .userdata = r},
                                &err);
    if (result < 0) {
        world->failed = true;
        assert_int_equal(err.code, KB_E_NOMEM);
    } else {
        world->accepted++;
    }
    return result;
}

static void
scenario(const char *url, struct world *world)
{
    struct kb_http_opts http_opts = reader_opts();
    struct kb_http_peer_opts opts = reader_peer_opts(url);
    struct kb_http_authority authority = {.build = build, .userdata = (void *) (uintptr_t) url};
    static const char *const headers[] = {"Accept: application/json", NULL};
    KB_CLEANUP(kb_http) struct kb_http *http = NULL;
    struct kb_http_peer *peer = NULL;
    struct kb_error err = {0};
    opts.authority = &authority;
    opts.headers = headers;
    opts.writable = true;
    opts.concurrency = 2;
    if (kb_http_new(&http_opts, &http, &err) < 0 || kb_http_peer_new(http, &opts, &peer, &err) < 0) {
        world->failed = true;
        assert_int_equal(err.code, KB_E_NOMEM);
        return;
    }
    (void) submit(peer, world, "GET", "/a", &world->get);
    (void) submit(peer, world, "GET", "/big", &world->big);
    (void) submit(peer, world, "PATCH", "/g", &world->patch);
    (void) submit(peer, world, "GET", "/busy", &world->busy);
    if (kb_http_run(http, &err) < 0) {
        world->failed = true;
        assert_int_equal(err.code, KB_E_NOMEM);
    }
}

static void
test_each_allocation(void **state)
{
    (void) state;
    static char body[400000];
    memset(body, 'b', sizeof(body) - 1);
    struct wire *w = wire_start(serve, body);
    unsigned n = 0;
    for (bool reached = true; reached; n++) {
        struct world world = {0};
        reader_clock_start();
        torture_start(n);
        scenario(wire_url(w), &world);
        reached = torture_stop();
        const struct reader *all[] = {&world.get, &world.big, &world.patch, &world.busy};
        unsigned replies = 0;
        for (size_t i = 0; i < KB_LEN(all); i++) {
            replies += all[i]->replies;
            bool fine = all[i]->replies && all[i]->error.code == KB_OK;
            world.failed = world.failed || (all[i]->replies && !fine);
            if (all[i]->replies > 1 || (fine && all[i]->status != 200) ||
                (all[i]->replies && !fine && all[i]->error.code != KB_E_NOMEM))
                fail_msg("allocation %u, request %zu: %u replies, status %d, %s", n, i, all[i]->replies,
                         all[i]->status, all[i]->error.msg);
        }
        if (replies != world.accepted)
            fail_msg("allocation %u: %u accepted, %u replies", n, world.accepted, replies);
        if (world.big.replies && world.big.error.code == KB_OK && world.big.data_size != sizeof(body) - 1)
            fail_msg("allocation %u: %zu bytes", n, world.big.data_size);
        if (!reached && world.failed)
            fail_msg("all allocations worked, and still something failed: %s", world.get.error.msg);
    }
    wire_stop(w);
    assert_in_range(n, 30, 1000); /* it did count ours */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
    return cmocka_run_group_tests_name("base/http memory", tests, NULL, NULL);
}
