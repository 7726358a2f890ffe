#include "base/ban.h"

#include "base/http_retry.h"

#include "base/str.h"

bool
kb_http_date(const char *value, int64_t *ret_unix_s)
{
    /* curl_getdate takes far more than HTTP dates ("10", "20260101"): all three forms start with the name of
     * a day and hold a time. It knows no locale. */
    if (!value || strlen(value) > 40 || !strchr(value, ':') || kb_has_control(value))
        return false;
    char first = kb_ascii_lower(value[0]);
    if (first < 'a' || first > 'z')
        return false;
    time_t when = curl_getdate(value, NULL);
    if (when < 0)
        return false;
    *ret_unix_s = (int64_t) when;
    return true;
}

int64_t
kb_http_retry_after(const char *value, int64_t now_s)
{
    if (!value || !value[0])
        return -1;
    if (kb_is_digits(value, 1, 256)) {
        int64_t seconds = 0;
        for (const char *p = value; *p && seconds <= KB_HTTP_RETRY_AFTER_MAX_S; p++)
            seconds = seconds * 10 + (*p - '0');
        return seconds < KB_HTTP_RETRY_AFTER_MAX_S ? seconds : KB_HTTP_RETRY_AFTER_MAX_S;
    }
    int64_t when = 0;
    if (!kb_http_date(value, &when))
        return -1;
    if (when <= now_s)
        return 0;
    return when - now_s < KB_HTTP_RETRY_AFTER_MAX_S ? when - now_s : KB_HTTP_RETRY_AFTER_MAX_S;
}

bool
kb_http_limited(int status, const char *body, size_t len)
{
    static const char *const words[] = {"REQUEST_LIMIT_EXCEEDED", "token bucket limit"};
    if (status == 429)
        return true;
    for (size_t i = 0; status == 500 && body && i < sizeof(words) / sizeof(words[0]); i++)
        if (memmem(body, len, words[i], strlen(words[i])))
            return true;
    return false;
}

bool
kb_http_again_status(int status, bool replay)
{
    switch (status) {
    case 429: /* the server says that it did not act */
        return true;
    case 408:
    case 500:
    case 502:
    case 503:
    case 504:
        return replay;
    default:
        return false;
    }
}

bool
kb_http_again_curl(CURLcode result, const char *detail)
{
    /* -Wswitch-enum would want all hundred codes; what is not named here is a fault that stays. */
    if (result == CURLE_SSL_CONNECT_ERROR)
        /* Both a peer that hung up in the handshake and one that refused our protocol end here; OpenSSL names
         * the second with an alert. */
        return !detail || !strstr(detail, "SSL routines") || strstr(detail, "unexpected eof");
    static const CURLcode again[] = {
        CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_PARTIAL_FILE,
        CURLE_OPERATION_TIMEDOUT,    CURLE_GOT_NOTHING,          CURLE_SEND_ERROR,      CURLE_RECV_ERROR,
        CURLE_ABORTED_BY_CALLBACK, /* our own guard against libcurl's second sending */
    };
    for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++)
        if (result == again[i])
            return true;
    return false;
}

int64_t
kb_http_backoff(int64_t base_ms, unsigned failures, bool limited, int64_t retry_after_s, uint64_t random)
{
    if (retry_after_s > 0)
        return retry_after_s * 1000;
    /* "At once" (0, or a date in the past) is no reason to hammer: it counts like silence. A limit without a
     * time starts one step higher, at 1 s with the usual base (F76). */
    unsigned steps = (failures ? failures - 1 : 0) + (limited ? 1 : 0);
    int64_t most = base_ms;
    while (steps-- > 0 && most < KB_HTTP_BACKOFF_MAX_MS)
        most *= 2;
    if (most > KB_HTTP_BACKOFF_MAX_MS)
        most = KB_HTTP_BACKOFF_MAX_MS;
    return (int64_t) (random % ((uint64_t) most + 1));
}
