/* base/http: what may become a URL, a header, a proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/reader.h"
#include "support/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
test_base_url(void **state)
{
    (void) state;

    static const struct {
        const char *url;
        bool fine;
    } table[] = {
        {"https://sso.example", true},
        {"https://sso.example/", true},
        {"https://sso.example/auth", true},
        {"https://sso.example:8443/auth/", true},
        {"https://[2001:db8::1]:8443", true},
        {"https://10.0.0.1", true},
        {"http://127.0.0.1", true},
        {"http://127.0.0.1:8080/auth", true},
        {"http://127.255.0.9:1", true},
        {"http://[::1]:8080", true},
        {"http://[::1]", true},
        {"", false},
        {"sso.example", false},
        {"//sso.example", false},
        {"HTTPS://sso.example", false},
        {"ftp://sso.example", false},
        {"file:///etc/passwd", false},
        {"https:/sso.example", false},
        {"https://", false},
        {"https:///path", false},
        {"https://:443", false},
        {"https://sso.example:99999", false},
        {"https://sso.example:", true}, /* an empty port is none: RFC 3986 section 3.2.3 */
        {"https://sso.example:x", false},
        {"https://sso.example?x=y", false},
        {"https://sso.example/a?x=y", false},
        {"https://sso.example/a#b", false},
        {"https://user@sso.example", false},
        {"https://user:secret@sso.example", false},
        {"https://@sso.example", false},
        {"https://sso.example@evil.example", false},
        {"https://sso.example%40evil.example", false},
        {"https://sso.example\\@evil.example", false},
        {"https://sso.exa mple", false},
        {"https://sso.example/a b", false},
        {"https://sso.example\r\nX: y", false},
        {"https://sso.example/\x01", false},
        {"https://sso.example/\x7f", false},
        {"https://ssö.example", false},
        {"https://sso.example/\"", false},
        {"http://sso.example", false},
        {"http://localhost", false},
        {"http://localhost:8080", false},
        {"http://127.0.0.1.evil.example", false},
        {"http://127.0.0.1:80.evil.example", false},
        {"http://127.1", false},
        {"http://127.0.1", false},
        {"http://127.0.0.256", false},
        {"http://127.0.0.01", false},
        {"http://0127.0.0.1", false},
        {"http://127.0.0.", false},
        {"http://127.0.0.1.", false},
        {"http://127.0.0.1:", false},
        {"http://127.0.0.1:a", false},
        {"http://127.0.0.1@evil.example", false},
        {"http://128.0.0.1", false},
        {"http://0.0.0.0", false},
        {"http://0x7f000001", false},
        {"http://0x7f.0.0.1", false},
        {"http://2130706433", false},
        {"http://017700000001", false},
        {"http://[::ffff:127.0.0.1]", false},
        {"http://[0:0:0:0:0:0:0:1]", false},
        {"http://[::1", false},
        {"http://[::1].evil.example", false},
        {"http://[::1%25lo]", false},
    };
    struct kb_http *http = reader_open(NULL);
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_http_peer_opts opts = reader_peer_opts(table[i].url);
        struct kb_http_peer *peer = NULL;
        struct kb_error err = {0};
        int result = kb_http_peer_new(http, &opts, &peer, &err);
        if (table[i].fine ? result != 0
                          : result != -KB_E_CONFIG || peer || strncmp(err.msg, "acme: ", 6) != 0)
            fail_msg("'%s': %d %s", table[i].url, result, err.msg);
        assert_null(strstr(err.msg, "secret"));
    }
    kb_http_free(http);
}

static void
test_target(void **state)
{
    (void) state;

    static const struct {
        const char *target;
        bool fine;
    } table[] = {
        {"/", true},
        {"/a", true},
        {"/a/b?c=d&e=/../f", true},
        {"/a%2F..%2Fb", true},
        {"/...", true},
        {"/a/..b/.c/d.", true},
        {"//a", true},
        {"/a?x=..", true},
        {"", false},
        {"a", false},
        {"@evil.example/", false},
        {"https://evil.example/", false},
        {"/a b", false},
        {"/a\r\nX: y", false},
        {"/a\n", false},
        {"/a\t", false},
        {"/a\x7f", false},
        {"/\xc3\xbc", false},
        {"/a#b", false},
        {"/.", false},
        {"/..", false},
        {"/a/../b", false},
        {"/a/./b", false},
        {"/a/..?x=y", false},
        {"/%2e%2E/b", false},
        {"/a/.%2e/b", false},
        {"/a/%2e", false},
    };
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts("http://127.0.0.1:9");
    struct kb_http_peer *peer = reader_peer(http, &opts);
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_error err = {0};
        int result = kb_http_submit(
            peer,
            &(struct kb_http_request){.method = "GET", .target = table[i].target, .on_reply = reader_reply},
            &err);
        if ((result == 0) != table[i].fine)
            fail_msg("'%s': %d %s", table[i].target, result, err.msg);
    }
    kb_http_free(http);
}

static void
test_headers(void **state)
{
    (void) state;
    static const char *const bad[] = {"X: a\r\nY: b", "X: a\n",  "X: \x01", "X", "",
                                      "X: \xc3\xbc",  "X: a\x7f"};
    struct kb_http *http = reader_open(NULL);
    for (size_t i = 0; i < KB_LEN(bad); i++) {
        const char *const headers[] = {"Accept: text/plain", bad[i], NULL};
        struct kb_http_peer_opts opts = reader_peer_opts("http://127.0.0.1:9");
        struct kb_http_peer *peer = NULL;
        struct kb_error err = {0};
        opts.headers = headers;
        if (kb_http_peer_new(http, &opts, &peer, &err) != -KB_E_BUG)
            fail_msg("header '%s' was taken", bad[i]);
    }
    struct kb_http_peer_opts opts = reader_peer_opts("http://127.0.0.1:9");
    opts.writable = true;
    struct kb_http_peer *peer = reader_peer(http, &opts);
    static const char *const types[] = {"a/b\r\nX: y", "a/b\n", "\x01", NULL};
    for (size_t i = 0; i < KB_LEN(types); i++) {
        struct kb_error err = {0};
        if (kb_http_submit(peer,
                           &(struct kb_http_request){.method = "PATCH",
                                                     .target = "/g",
                                                     .body = "{}",
                                                     .content_type = types[i],
                                                     .on_reply = reader_reply},
                           &err) != -KB_E_BUG)
            fail_msg("content type '%s' was taken", types[i] ? types[i] : "(null)");
    }
    kb_http_free(http);
    struct kb_http_opts http_opts = reader_opts();
    struct kb_error err = {0};
    http_opts.user_agent = "a\r\nX: y";
    http = NULL;
    assert_int_equal(kb_http_new(&http_opts, &http, &err), -KB_E_BUG);
    assert_null(http);
}

static void
test_bad_opts(void **state)
{
    (void) state;
    struct kb_http *http = reader_open(NULL);

    static const struct {
        unsigned concurrency;
        int64_t max_body_size;
        const char *proxy, *ca_file, *key_file;
        enum kb_code want;
    } table[] = {
        {0, 1, "", "", "", KB_E_BUG},
        {33, 1, "", "", "", KB_E_BUG},
        {1, 0, "", "", "", KB_E_BUG},
        {1, -1, "", "", "", KB_E_BUG},
        {1, 1, "http://a\n", "", "", KB_E_CONFIG},
        {1, 1, "", "/nonexistent/ca.pem", "", KB_E_CONFIG},
        {1, 1, "", "", "/nonexistent/key.pem", KB_E_CONFIG},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_http_peer_opts opts = reader_peer_opts("https://sso.example");
        struct kb_http_peer *peer = NULL;
        struct kb_error err = {0};
        opts.concurrency = table[i].concurrency;
        opts.max_body_size = table[i].max_body_size;
        opts.proxy = table[i].proxy;
        opts.ca_file = table[i].ca_file;
        opts.key_file = table[i].key_file;
        if (kb_http_peer_new(http, &opts, &peer, &err) != -(int) table[i].want)
            fail_msg("case %zu: %s", i, err.msg);
    }
    kb_http_free(http);
}

/* ---- proxies ---- */

static void
serve(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    (void) userdata;
    (void) request;
    wire_say(ret, 200, "", "here");
}

/* The environment's proxy is used only when the configuration says "env" (F16); a configured one always,
 * whatever no_proxy says. */
static void
test_proxy(void **state)
{
    (void) state;

    static const struct {
        const char *configured; /* "@" stands for the proxy's URL */
        bool env, no_proxy;
        bool through;
    } table[] = {
        {"", true, false, false},   {"env", true, false, true}, {"env", false, false, false},
        {"env", true, true, false}, {"@", false, false, true},  {"@", true, true, true},
        {"", false, false, false},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct wire *proxy = wire_start(serve, NULL), *server = wire_start(serve, NULL);
        static const char *const names[] = {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"};
        for (size_t k = 0; k < KB_LEN(names); k++)
            if (table[i].env)
                (void) setenv(names[k], wire_url(proxy), 1);
            else
                (void) unsetenv(names[k]);
        (void) unsetenv("NO_PROXY");
        if (table[i].no_proxy)
            (void) setenv("no_proxy", "127.0.0.1", 1);
        else
            (void) unsetenv("no_proxy");
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(wire_url(server));
        opts.proxy = table[i].configured[0] == '@' ? wire_url(proxy) : table[i].configured;
        struct kb_http_peer *peer = reader_peer(http, &opts);
        struct reader r = {0};
        struct kb_error err = {0};
        reader_get(peer, "/x", &r);
        assert_int_equal(kb_http_run(http, &err), 0);
        unsigned at_proxy = wire_count(proxy, NULL, NULL), at_server = wire_count(server, NULL, NULL);
        kb_http_free(http);
        wire_stop(proxy);
        wire_stop(server);
        for (size_t k = 0; k < KB_LEN(names); k++)
            (void) unsetenv(names[k]);
        (void) unsetenv("no_proxy");
        if (r.status != 200 || at_proxy != (table[i].through ? 1 : 0) ||
            at_server != (table[i].through ? 0 : 1))
            fail_msg("case %zu: %u at the proxy, %u at the server, %s", i, at_proxy, at_server, r.error.msg);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_url), cmocka_unit_test(test_target), cmocka_unit_test(test_headers),
        cmocka_unit_test(test_bad_opts), cmocka_unit_test(test_proxy),
    };
    return cmocka_run_group_tests_name("base/http setup", tests, NULL, NULL);
}
