/* tests/fuzz/part_words.c: text functions, URLs that are built and read back by libcurl, the token answer, dates and Retry-After. The
 * first byte chooses; the rest are texts, one a line. */
#include "base/buf.h"
#include "base/form.h"
#include "base/http_decode.h"
#include "base/http_internal.h"
#include "base/http_retry.h"
#include "keycloak/endpoint.h"
#include "scim/internal.h"
#include "tests/fuzz/fuzz.h"

#include <curl/curl.h>
#include <time.h>

static void
check_glob(const char *pattern, const char *s)
{
    for (int path = 0; path < 2; path++) {
        struct kb_glob_match m = {0};
        size_t end = 0;
        if (!kb_glob(pattern, s, path, &m))
            continue;
        CHECK(m.len <= KB_GLOB_CAPTURES);
        for (unsigned i = 0; i < m.len; i++) { /* in order, inside, apart */
            CHECK(m.cap[i].start >= end);
            end = m.cap[i].start + m.cap[i].len;
        }
        CHECK(end <= strlen(s));
    }
    CHECK(kb_glob("*", s, false, NULL));
    CHECK(kb_glob("**", s, true, NULL));
    CHECK(kb_glob("*", s, true, NULL) == !strchr(s, '/'));
}

static void
check_text(const char *s)
{
    struct kb_buf b = KB_BUF_INIT(1 << 20);
    struct kb_error err = {0};
    char time[KB_TIME_SIZE];
    int64_t n;

    if (kb_time_parse(s, &n)) {
        int64_t again;
        CHECK(kb_time_parse(kb_time_format(n, time), &again) && again == n);
    }
    if (kb_parse_i64(s, INT64_MIN, INT64_MAX, &n)) {
        kb_buf_addf(&b, "%lld", (long long) n);
        CHECK(strcmp(kb_buf_str(&b), s) == 0);
        kb_buf_clear(&b);
    }
    kb_buf_add_visible(&b, s);
    CHECK(!b.failed && !kb_has_control(kb_buf_str(&b)) && kb_utf8_valid(b.data, b.len));
    kb_buf_clear(&b);
    kb_buf_add_json(&b, s);
    CHECK(b.failed == !kb_utf8_valid(s, strlen(s)));
    kb_buf_clear(&b);
    kb_buf_add_segment(&b, s);
    CHECK(strspn(kb_buf_str(&b), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%") ==
          b.len);
    kb_buf_done(&b);
    (void) kb_fail(&err, KB_E_BUG, "%s", s);
    CHECK(strlen(err.msg) < sizeof(err.msg) && !kb_has_control(err.msg) &&
          kb_utf8_valid(err.msg, strlen(err.msg)));
    CHECK(kb_display_width(s) <= 2 * strlen(s));
}

/* ---- URLs ---- */

#define ORIGIN "http://127.0.0.1:8181"

static CURLU *
parse(const char *origin, const char *target)
{
    CURLU *url = curl_url();
    char *text = kb_asprintf("%s%s", origin, target);

    CHECK(url && text);
    CHECK(curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK);
    free(text);
    return url;
}

static char *
part(CURLU *url, CURLUPart what)
{
    char *ret = NULL;
    CURLUcode code = curl_url_get(url, what, &ret, 0);

    CHECK(code == CURLUE_OK || !ret);
    return ret;
}

static bool
is(CURLU *url, CURLUPart what, const char *expected)
{
    char *text = part(url, what);
    bool ret = expected ? text && !strcmp(text, expected) : !text;

    curl_free(text);
    return ret;
}

/* The first len bytes at p unescape to this. */
static void
check_escaped(const char *p, size_t len, const char *expected)
{
    int size = 0;
    char *plain =
        len ? curl_easy_unescape(NULL, p, (int) len, &size) : NULL; /* to libcurl 0 is "all of it" */

    CHECK(!len == !plain && (size_t) size == strlen(expected) &&
          (!len || !memcmp(plain, expected, (size_t) size)));
    curl_free(plain);
}

/* *p stands at the slash before the segment `expected`; steps behind it. */
static void
check_segment(const char **p, const char *expected)
{
    size_t len = strcspn(*p + 1, "/");

    CHECK(**p == '/');
    check_escaped(*p + 1, len, expected);
    *p += 1 + len;
}

static bool
has_dots(const char *s)
{
    return !strcmp(s, ".") || !strcmp(s, "..");
}

/* Whatever a realm or a role is called: the request goes to our server, below our path, with that many segments, each of which is that
 * name. */
static void
check_endpoint(char *const lines[5])
{
    struct kb_buf b = KB_BUF_INIT(KC_TARGET_SIZE);
    const struct kc_endpoint endpoint = {.segments = {"roles", lines[1], "users", lines[2]},
                                         .query = lines[3][0] ? "briefRepresentation=true" : NULL};
    bool built = kc_endpoint_build(&b, lines[0], &endpoint);
    struct kb_error err = {0};
    bool possible = true;

    for (int i = 0; i < 3; i++)
        possible = possible && *lines[i] && !has_dots(lines[i]);
    CHECK(built == possible);
    if (built) {
        kc_endpoint_param(&b, "search", lines[3]);
        kc_endpoint_param(&b, "q", lines[4]);
        CHECK(!b.failed && kb_http_check_target(kb_buf_str(&b), &err) == 0);
        CURLU *url = parse(ORIGIN, kb_buf_str(&b));
        char *path = part(url, CURLUPART_PATH), *query = part(url, CURLUPART_QUERY);
        const char *p = path;
        CHECK(is(url, CURLUPART_HOST, "127.0.0.1") && is(url, CURLUPART_PORT, "8181"));
        CHECK(is(url, CURLUPART_USER, NULL) && is(url, CURLUPART_FRAGMENT, NULL));
        CHECK(!strncmp(p, "/admin/realms/", 14));
        p += 13;
        check_segment(&p, lines[0]);
        for (int i = 0; i < 4; i++)
            check_segment(&p, endpoint.segments[i]);
        CHECK(!*p);
        p = query;
        if (lines[3][0]) {
            CHECK(!strncmp(p, "briefRepresentation=true&", 25));
            p += 25;
        }
        CHECK(!strncmp(p, "search=", 7));
        check_escaped(p + 7, strcspn(p + 7, "&"), lines[3]);
        p = strchr(p, '&');
        CHECK(p && !strncmp(p, "&q=", 3) && !strpbrk(p + 3, "&=#?"));
        check_escaped(p + 3, strlen(p + 3), lines[4]);
        curl_free(path);
        curl_free(query);
        curl_url_cleanup(url);
    }
    kb_buf_done(&b);
}

static void
check_scim_path(char *const lines[5])
{
    struct kb_buf b = KB_BUF_INIT(1 << 16);
    char base[] = "/api/2.0/accounts/a/scim/v2";
    const struct scim scim = {.base = base};
    struct kb_error err = {0};

    CHECK(scim_path(&scim, "Groups", lines[0], &b) == 0);
    if (kb_http_check_target(kb_buf_str(&b), &err) < 0)
        CHECK(has_dots(lines[0])); /* nothing else is refused, and it is refused */
    else
        CHECK(!has_dots(lines[0]));
    CURLU *url = parse(ORIGIN, kb_buf_str(&b));
    char *path = part(url, CURLUPART_PATH);
    const char *p = path;
    CHECK(is(url, CURLUPART_HOST, "127.0.0.1") && is(url, CURLUPART_QUERY, NULL));
    CHECK(!strncmp(p, base, strlen(base)) && !strncmp(p + strlen(base), "/Groups/", 8));
    p += strlen(base) + 7;
    check_segment(&p, lines[0]);
    CHECK(!*p);
    curl_free(path);
    curl_url_cleanup(url);
    kb_buf_done(&b);
}

/* A term that is not refused: KEY:VALUE, where neither can end early. */
static void
check_query_term(char *const lines[5])
{
    struct kb_buf b = KB_BUF_INIT(1 << 16);

    if (kc_endpoint_query_term(&b, lines[0], lines[1])) {
        const char *s = kb_buf_str(&b);
        for (int i = 0; i < 2; i++) {
            size_t len = strlen(lines[i]);
            bool quoted = *s == '"';
            CHECK(len && !strncmp(s + quoted, lines[i], len));
            CHECK(quoted || !strpbrk(lines[i], " :\"\\"));
            CHECK(!quoted || (s[len + 1] == '"' && !memchr(s + 1, '"', len) && !memchr(s + 1, '\\', len)));
            s += len + (quoted ? 2 : 0);
            CHECK(*s == (i ? '\0' : ':'));
            s++;
        }
    }
    kb_buf_done(&b);
}

/* A server's URL from the configuration: what we take it for is what libcurl takes it for. */
static void
check_url(const char *text)
{
    struct kb_error err = {0};
    int r = kb_http_check_url(text, false, &err);

    if (r < 0) {
        fuzz_refused(r, &err, KB_E_CONFIG, KB_E_CONFIG);
        return;
    }
    CURLU *url = parse(text, "");
    char *host = part(url, CURLUPART_HOST), *scheme = part(url, CURLUPART_SCHEME);
    CHECK(host && scheme && is(url, CURLUPART_USER, NULL) && is(url, CURLUPART_PASSWORD, NULL));
    CHECK(is(url, CURLUPART_QUERY, NULL) && is(url, CURLUPART_FRAGMENT, NULL));
    if (strcmp(scheme, "https") != 0) {
        unsigned a, b, c, d;
        char more;
        CHECK(!strcmp(scheme, "http"));
        CHECK(!strcmp(host, "[::1]") ||
              (sscanf(host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &more) == 4 && a == 127));
    }
    /* with a path behind it, it is still that server */
    CURLU *longer = parse(text, "/admin/realms/x%2Fy?a=b");
    CHECK(is(longer, CURLUPART_HOST, host) && is(longer, CURLUPART_SCHEME, scheme));
    curl_url_cleanup(longer);
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(url);
}

/* ---- the token answer ---- */

static void
check_token(const struct fuzz_input *in)
{
    struct kb_secret *token = NULL;
    struct kb_error err = {0};
    int64_t life = -1;
    int r = kb_http_decode_token(in->p, in->len, &token, &life, &err);
    size_t size = 0;

    if (r < 0) {
        fuzz_refused(r, &err, KB_E_PROTOCOL, KB_E_PROTOCOL);
        CHECK(!token);
    } else {
        const char *bytes = kb_secret_bytes(token, &size);
        CHECK(life >= 1 && life <= KB_HTTP_TOKEN_LIFE_MAX_S);
        CHECK(size > 0 && strlen(bytes) == size && !strpbrk(bytes, " \r\n\t\"") && !kb_has_control(bytes));
        CHECK(kb_http_token_spelling(bytes, size));
        char *payload = kb_http_decode_jwt_payload(bytes, size);
        CHECK(!payload || strchr(bytes, '.'));
        free(payload);
    }
    kb_secret_free(token);
    char *payload = kb_http_decode_jwt_payload(in->p, in->len);
    CHECK(!payload || strlen(payload) <= in->len);
    free(payload);
    char *form = kb_form_encode(in->p, in->len), *back;
    int len = 0;
    CHECK(form && strspn(form, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%") ==
                      strlen(form));
    back = curl_easy_unescape(NULL, form, 0, &len);
    CHECK(*form ? (size_t) len == in->len && !memcmp(back, in->p, in->len) : !in->len);
    curl_free(back);
    kb_form_wipe(&form);
}

/* ---- Retry-After ---- */

/* Slow and plain: IMF-fixdate of RFC 9110 5.6.7, every field in its place; -1: it is none. */
static int64_t
imf_fixdate(const char *s)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char again[40];
    struct tm tm = {0};
    int year, used = 0;
    char month[4] = "", day[4] = "";

    if (sscanf(s, "%3s, %2d %3s %4d %2d:%2d:%2d GMT%n", day, &tm.tm_mday, month, &year, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 7 ||
        s[used] || used != 29 || year < 1970 || year > 2037)
        return -1;
    tm.tm_year = year - 1900;
    for (tm.tm_mon = 0; tm.tm_mon < 12 && strcmp(months[tm.tm_mon], month) != 0; tm.tm_mon++)
        ;
    if (tm.tm_mon == 12)
        return -1;
    struct tm norm = tm;
    int64_t at = (int64_t) timegm(&norm);
    (void) snprintf(again, sizeof(again), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[norm.tm_wday],
                    norm.tm_mday, months[norm.tm_mon], norm.tm_year + 1900, norm.tm_hour, norm.tm_min,
                    norm.tm_sec);
    return strcmp(s, again) != 0 ? -1 : at;
}

static void
check_retry_after(const char *s)
{
    static const int64_t now = 1795369931;
    int64_t date = -1, expected = imf_fixdate(s), wait = kb_http_retry_after(s, now);
    size_t digits = strspn(s, "0123456789");

    CHECK(wait >= -1 && wait <= KB_HTTP_RETRY_AFTER_MAX_S);
    if (kb_http_date(s, &date))
        CHECK(date >= 0 && !digits);
    if (expected >= 0) {
        CHECK(kb_http_date(s, &date) && date == expected);
        CHECK(wait == (date <= now                              ? 0
                       : date - now < KB_HTTP_RETRY_AFTER_MAX_S ? date - now
                                                                : KB_HTTP_RETRY_AFTER_MAX_S));
    }
    if (digits && !s[digits] && digits <= 256) {
        size_t zeros = strspn(s, "0");
        int64_t n = digits - zeros > 3 ? 999 : strtoll(s + zeros, NULL, 10);
        CHECK(wait == (n < KB_HTTP_RETRY_AFTER_MAX_S ? n : KB_HTTP_RETRY_AFTER_MAX_S));
    } else if (digits || *s == '-') {
        CHECK(wait == -1);
    }
    int64_t back = kb_http_backoff(500, (unsigned) strlen(s), digits > 0, wait, (uint64_t) now * digits);
    CHECK(back >= 0 && back <= KB_HTTP_RETRY_AFTER_MAX_S * 1000);
}

int
fuzz_words(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *) data, size};
    unsigned which = fuzz_byte(&in) % 7;
    char *lines[5];

    if (size > 400)
        return 0;
    if (which == 6) {
        check_token(&in);
        return 0;
    }
    for (size_t i = 0; i < KB_LEN(lines); i++)
        lines[i] = fuzz_line(&in);
    switch (which) {
    case 0:
        check_glob(lines[0], lines[1]);
        break;
    case 1:
        check_text(lines[0]);
        break;
    case 2:
        check_endpoint(lines);
        check_scim_path(lines);
        break;
    case 3:
        check_query_term(lines);
        break;
    case 4:
        check_url(lines[0]);
        break;
    default:
        check_retry_after(lines[0]);
        break;
    }
    for (size_t i = 0; i < KB_LEN(lines); i++)
        free(lines[i]);
    return 0;
}
