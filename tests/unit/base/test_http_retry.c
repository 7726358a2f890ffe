/* base/http_retry: tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/http_retry.h"
#include "base/mem.h"

#define NOW INT64_C(1764000000) /* 2025-11-24T16:00:00Z */

static void
test_limited(void **state)
{
    (void) state;

    static const struct {
        int status;
        const char *body;
        bool want;
    } table[] = {
        {429, NULL, true},
        {429, "", true},
        {500, "{\"detail\":\"REQUEST_LIMIT_EXCEEDED: Workspace 1234 exceeded the concurrent limit\"}", true},
        {500, "RPC token bucket limit has been exceeded.", true},
        {500, NULL, false},
        {500, "", false},
        {500, "{\"detail\":\"null\"}", false},
        {500, "REQUEST_LIMIT", false},
        {503, "REQUEST_LIMIT_EXCEEDED", false}, /* tried again as it is */
        {400, "REQUEST_LIMIT_EXCEEDED", false},
        {200, "REQUEST_LIMIT_EXCEEDED", false},
        {0, "REQUEST_LIMIT_EXCEEDED", false},
    };

    for (size_t i = 0; i < KB_LEN(table); i++)
        if (kb_http_limited(table[i].status, table[i].body, table[i].body ? strlen(table[i].body) : 0) !=
            table[i].want)
            fail_msg("case %zu", i);
}

static void
test_retry_after(void **state)
{
    (void) state;

    static const struct {
        const char *value;
        int64_t want;
    } table[] = {
        {"0", 0},
        {"1", 1},
        {"30", 30},
        {"007", 7},
        {"120", 120},
        {"121", 120},
        {"1000000000", 120},
        {"99999999999999999999999999999999999999", 120},
        {"Mon, 24 Nov 2025 16:00:10 GMT", 10},
        {"Monday, 24-Nov-25 16:00:10 GMT", 10},
        {"Mon Nov 24 16:00:10 2025", 10},
        {"Mon, 24 Nov 2025 16:00:00 GMT", 0},
        {"Mon, 24 Nov 2025 15:59:59 GMT", 0},
        {"Fri, 31 Dec 1999 23:59:59 GMT", 0},
        {"Fri, 31 Dec 2099 23:59:59 GMT", 120},
        /* the server said nothing we understand */
        {NULL, -1},
        {"", -1},
        {" ", -1},
        {"-1", -1},
        {"-1000000000", -1},
        {"+5", -1},
        {"1.5", -1},
        {"5s", -1},
        {"5 ", -1},
        {"0x10", -1},
        {"1e3", -1},
        {"soon", -1},
        {"Mon", -1},
        {"Mon, 24 Nov", -1},
        {"Mon, 99 Nov 2025 16:00:10 GMT", -1},
        {"Mon, 24 Foo 2025 16:00:10 GMT", -1},
        {"2025-11-24T16:00:10Z", -1},
        {"20251124 16:00:10", -1},
        {"Mon, 24 Nov 2025 16:00:10 GMT\x01", -1},
        {"Mon, 24 Nov 2025 16:00:10 GMT and a lot of other text behind it", -1},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        int64_t got = kb_http_retry_after(table[i].value, NOW);
        if (got != table[i].want)
            fail_msg("case '%s': got %lld, want %lld", table[i].value ? table[i].value : "(null)",
                     (long long) got, (long long) table[i].want);
    }
}

static void
test_status(void **state)
{
    (void) state;

    static const struct {
        int status;
        bool read, write;
    } table[] = {
        {408, true, false},  {429, true, true},   {500, true, false},  {502, true, false},
        {503, true, false},  {504, true, false},  {0, false, false},   {200, false, false},
        {204, false, false}, {301, false, false}, {400, false, false}, {401, false, false},
        {403, false, false}, {404, false, false}, {409, false, false}, {412, false, false},
        {501, false, false}, {505, false, false}, {507, false, false},
    };

    for (size_t i = 0; i < KB_LEN(table); i++)
        if (kb_http_again_status(table[i].status, true) != table[i].read ||
            kb_http_again_status(table[i].status, false) != table[i].write)
            fail_msg("status %d", table[i].status);
}

static void
test_curl(void **state)
{
    (void) state;

    static const struct {
        CURLcode result;
        const char *detail;
        bool want;
    } table[] = {
        {CURLE_COULDNT_RESOLVE_HOST, "", true},
        {CURLE_COULDNT_RESOLVE_PROXY, "", true},
        {CURLE_COULDNT_CONNECT, "", true},
        {CURLE_PARTIAL_FILE, "", true},
        {CURLE_OPERATION_TIMEDOUT, "", true},
        {CURLE_GOT_NOTHING, "", true},
        {CURLE_SEND_ERROR, "", true},
        {CURLE_RECV_ERROR, NULL, true},
        {CURLE_ABORTED_BY_CALLBACK, "", true},
        {CURLE_SSL_CONNECT_ERROR, "OpenSSL SSL_connect: Connection reset by peer in connection to x:443",
         true},
        {CURLE_SSL_CONNECT_ERROR, "error:0A000126:SSL routines::unexpected eof while reading", true},
        {CURLE_SSL_CONNECT_ERROR, "error:0A00042E:SSL routines::tlsv1 alert protocol version", false},
        {CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: certificate has expired", false},
        {CURLE_SSL_ISSUER_ERROR, "", false},
        {CURLE_SSL_CERTPROBLEM, "", false},
        {CURLE_SSL_CACERT_BADFILE, "", false},
        {CURLE_SSL_CIPHER, "", false},
        {CURLE_UNSUPPORTED_PROTOCOL, "", false},
        {CURLE_URL_MALFORMAT, "", false},
        {CURLE_WEIRD_SERVER_REPLY, "", false},
        {CURLE_WRITE_ERROR, "", false},
        {CURLE_OUT_OF_MEMORY, "", false},
        {CURLE_BAD_FUNCTION_ARGUMENT, "", false},
        {CURLE_TOO_MANY_REDIRECTS, "", false},
        {CURLE_BAD_CONTENT_ENCODING, "", false},
    };

    for (size_t i = 0; i < KB_LEN(table); i++)
        if (kb_http_again_curl(table[i].result, table[i].detail) != table[i].want)
            fail_msg("curl code %d '%s'", (int) table[i].result, table[i].detail ? table[i].detail : "");
}

static void
test_backoff(void **state)
{
    (void) state;

    static const struct {
        int64_t base_ms;
        unsigned failures;
        bool limited;
        int64_t retry_after_s, most;
    } table[] = {
        {500, 0, false, -1, 500},      {500, 1, false, -1, 500},      {500, 2, false, -1, 1000},
        {500, 3, false, -1, 2000},     {500, 7, false, -1, 32000},    {500, 8, false, -1, 60000},
        {500, 1000, false, -1, 60000}, {500, 1, true, -1, 1000},      {500, 2, true, -1, 2000},
        {500, 2, false, 0, 1000},      {100000, 1, false, -1, 60000}, {1, 1, false, -1, 1},
    };

    for (size_t i = 0; i < KB_LEN(table); i++) {
        /* The ends of the jitter: a multiple of (most + 1), and one less than the next. */
        uint64_t span = (uint64_t) table[i].most + 1;
        for (uint64_t k = 0; k < 3; k++) {
            int64_t low = kb_http_backoff(table[i].base_ms, table[i].failures, table[i].limited,
                                          table[i].retry_after_s, k * span);
            int64_t high = kb_http_backoff(table[i].base_ms, table[i].failures, table[i].limited,
                                           table[i].retry_after_s, k * span + span - 1);
            if (low != 0 || high != table[i].most)
                fail_msg("case %zu: %lld..%lld, want 0..%lld", i, (long long) low, (long long) high,
                         (long long) table[i].most);
        }
    }
    assert_int_equal(kb_http_backoff(500, 1, true, 7, 12345), 7000);
    assert_int_equal(kb_http_backoff(500, 9, false, 120, 12345), 120000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limited), cmocka_unit_test(test_retry_after), cmocka_unit_test(test_status),
        cmocka_unit_test(test_curl),    cmocka_unit_test(test_backoff),
    };
    return cmocka_run_group_tests_name("base/http_retry", tests, NULL, NULL);
}
