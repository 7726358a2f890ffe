/* How libcurl's handles are dressed. Every setopt is checked; one that an installed libcurl does not know is
 * an error, never a request with a weaker setting. Source: reliability 5.3; c-anchors section 5. */
#include "base/ban.h"

#include "base/http_internal.h"
#include "base/str.h"

#define SET(option, value)                                    \
    do {                                                      \
        if (code == CURLE_OK)                                 \
            code = curl_easy_setopt(easy, (option), (value)); \
    } while (0)

bool
kb_http_header_safe(const char *line)
{
    for (const char *p = line; *p; p++)
        if (*p < ' ' || *p > '~')
            return false;
    return true;
}

/* "127.x.y.z" or "[::1]", each with an optional port: as text, because libcurl would also take 0x7f000001,
 * and a name can be pointed anywhere. */
static bool
loopback_literal(const char *authority, size_t len)
{
    char host[64];
    if (len >= sizeof(host))
        return false;
    memcpy(host, authority, len);
    host[len] = '\0';
    const char *port = NULL;
    if (strncmp(host, "[::1]", 5) == 0) {
        port = host + 5;
    } else {
        const char *part = host;
        for (int i = 0; i < 4; i++) {
            size_t n = strspn(part, "0123456789");
            if (n < 1 || n > 3 || (n > 1 && part[0] == '0') || strtol(part, NULL, 10) > 255)
                return false;
            if (i == 0 && (n != 3 || strncmp(part, "127", 3) != 0))
                return false;
            part += n;
            if (i < 3 && *part++ != '.')
                return false;
        }
        port = part;
    }
    return *port == '\0' || (*port == ':' && kb_is_digits(port + 1, 1, 5));
}

int
kb_http_check_url(const char *url, bool query, struct kb_error *err)
{
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '\\' || *p == '"' || *p == '<' || *p == '>')
            return kb_fail(err, KB_E_CONFIG, "a URL must be printable ASCII without blanks, quotes and \\");
    bool tls = strncmp(url, "https://", 8) == 0;
    if (!tls && strncmp(url, "http://", 7) != 0)
        return kb_fail(err, KB_E_CONFIG, "%.200s: the URL must start with https://", url);
    const char *authority = url + (tls ? 8 : 7);
    size_t len = strcspn(authority, "/?#");
    if (memchr(authority, '@', len))
        return kb_fail(err, KB_E_CONFIG, "a URL must not hold a user name or password");
    if (len == 0 || memchr(authority, '%', len))
        return kb_fail(err, KB_E_CONFIG, "%.200s: the URL has no usable host", url);
    if (strchr(authority, '#') || (!query && strchr(authority, '?')))
        return kb_fail(err, KB_E_CONFIG, "%.200s: the URL must end with its path", url);
    if (!tls && !loopback_literal(authority, len))
        return kb_fail(
            err, KB_E_CONFIG,
            "%.200s: plain http is only for a literal loopback address (127.0.0.1, [::1]); use https://",
            url);

    CURLU *parsed = curl_url();
    if (!parsed)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS);
    curl_url_cleanup(parsed);
    if (code != CURLUE_OK)
        return kb_fail(err, code == CURLUE_OUT_OF_MEMORY ? KB_E_NOMEM : KB_E_CONFIG, "%.200s: %s", url,
                       curl_url_strerror(code));
    return 0;
}

/* A segment "." or ".." would be folded by whoever stands between: the request would ask for something else.
 */
static bool
dot_segment(const char *begin, size_t len)
{
    unsigned dots = 0;
    for (size_t i = 0; i < len; dots++)
        if (begin[i] == '.')
            i++;
        else if (len - i >= 3 && begin[i] == '%' && begin[i + 1] == '2' &&
                 kb_ascii_lower(begin[i + 2]) == 'e')
            i += 3;
        else
            return false;
    return dots == 1 || dots == 2;
}

int
kb_http_check_target(const char *target, struct kb_error *err)
{
    if (target[0] != '/')
        return kb_fail(err, KB_E_BUG, "a request target must start with /");
    for (const char *p = target; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '#')
            return kb_fail(err, KB_E_BUG, "a request target holds a byte that was not escaped");
    for (const char *p = target; *p == '/';) {
        size_t len = strcspn(p + 1, "/?");
        if (dot_segment(p + 1, len))
            return kb_fail(err, KB_E_PROTOCOL, "a name that is only dots cannot be asked for in a URL");
        p += 1 + len;
    }
    return 0;
}

static CURLcode
dress_for_safety(CURL *easy, const struct kb_http_peer *peer)
{
    CURLcode code = CURLE_OK;
    bool tls = strncmp(peer->base_url, "https://", 8) == 0;
    SET(CURLOPT_PROTOCOLS_STR, tls ? "https" : "http");
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    if (peer->ca_file[0]) {
        SET(CURLOPT_CAINFO, peer->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* otherwise Debian's /etc/ssl/certs would count as well */
    }
    if (peer->cert_file[0])
        SET(CURLOPT_SSLCERT, peer->cert_file);
    if (peer->key_file[0]) {
        SET(CURLOPT_SSLKEY, peer->key_file);
        SET(CURLOPT_KEYPASSWD, ""); /* otherwise OpenSSL asks the terminal when the key is encrypted */
    }
    if (strcmp(peer->proxy, "env") != 0) {
        SET(CURLOPT_PROXY, peer->proxy); /* "" switches the environment's off */
        SET(CURLOPT_NOPROXY, "");
    }
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_CERTINFO, tls ? 1L : 0L); /* once for each connection: when does it expire? */
    return code;
}

static CURLcode
dress_for_life(CURL *easy, struct kb_http_slot *slot)
{
    const struct kb_http *http = slot->peer->http;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_NOPROGRESS, 1L);
    SET(CURLOPT_USERAGENT, http->user_agent);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long) http->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long) http->total_timeout_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, 64L);
    SET(CURLOPT_LOW_SPEED_TIME, (long) http->low_speed_s);
    SET(CURLOPT_MAXLIFETIME_CONN, 300L); /* a certificate is checked only when a connection is made */
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_BUFFERSIZE, 65536L);
    SET(CURLOPT_ERRORBUFFER, slot->detail);
    SET(CURLOPT_PRIVATE, slot);
    SET(CURLOPT_WRITEFUNCTION, kb_http_on_body);
    SET(CURLOPT_WRITEDATA, slot);
    SET(CURLOPT_HEADERFUNCTION, kb_http_on_header);
    SET(CURLOPT_HEADERDATA, slot);
    SET(CURLOPT_PREREQFUNCTION, kb_http_on_start);
    SET(CURLOPT_PREREQDATA, slot);
    SET(CURLOPT_HTTPHEADER, slot->peer->headers);
    return code;
}

static int
result_of(const struct kb_http_peer *peer, CURLcode code, struct kb_error *err)
{
    if (code == CURLE_OK)
        return 0;
    return kb_fail(err, code == CURLE_OUT_OF_MEMORY ? KB_E_NOMEM : KB_E_BUG,
                   "%s: cannot prepare a request: %s", peer->name, curl_easy_strerror(code));
}

int
kb_http_slot_open(struct kb_http_slot *slot, struct kb_error *err)
{
    if (slot->easy)
        return 0;
    CURL *easy = curl_easy_init();
    if (!easy)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    CURLcode code = dress_for_safety(easy, slot->peer);
    if (code == CURLE_OK)
        code = dress_for_life(easy, slot);
    if (code != CURLE_OK) {
        curl_easy_cleanup(easy);
        return result_of(slot->peer, code, err);
    }
    slot->easy = easy;
    return 0;
}

/* The list of headers for this content type, made once. */
static const struct curl_slist *
typed_headers(struct kb_http_peer *peer, const char *content_type)
{
    for (size_t i = 0; i < peer->typed_len; i++)
        if (strcmp(peer->typed[i].content_type, content_type) == 0)
            return peer->typed[i].headers;
    if (peer->typed_len == KB_HTTP_CONTENT_TYPES)
        return NULL;

    KB_CLEANUP(kb_free) char *line = kb_asprintf("Content-Type: %s", content_type);
    KB_CLEANUP(kb_free) char *key = kb_strndup(content_type, strlen(content_type));
    /* "Expect:" keeps libcurl from waiting for a 100 Continue with a large body. */
    struct curl_slist *list = line && key ? curl_slist_append(NULL, line) : NULL;
    bool whole = list && curl_slist_append(list, "Expect:");
    for (const struct curl_slist *h = peer->headers; whole && h; h = h->next)
        whole = curl_slist_append(list, h->data);
    if (!whole) {
        curl_slist_free_all(list);
        return NULL;
    }
    peer->typed[peer->typed_len].content_type = kb_steal(&key);
    peer->typed[peer->typed_len].headers = list;
    return peer->typed[peer->typed_len++].headers;
}

static CURLcode
dress_method(struct kb_http_slot *slot, const struct kb_http_job *job)
{
    CURL *easy = slot->easy;
    CURLcode code = CURLE_OK;
    if (!job->write) {
        if (!slot->as_write)
            return CURLE_OK; /* the usual case: only the URL changes */
        SET(CURLOPT_CUSTOMREQUEST, NULL);
        SET(CURLOPT_POSTFIELDS, NULL);
        SET(CURLOPT_HTTPGET, 1L);
        SET(CURLOPT_HTTPHEADER, slot->peer->headers);
        slot->as_write = false;
        return code;
    }
    slot->as_write = true;
    const struct curl_slist *headers = slot->peer->headers;
    if (job->content_type && !(headers = typed_headers(slot->peer, job->content_type)))
        return CURLE_OUT_OF_MEMORY;
    if (job->body || strcmp(job->method, "POST") == 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) job->body_size);
        SET(CURLOPT_POSTFIELDS, job->body ? job->body : ""); /* not copied: the job outlives the transfer */
        SET(CURLOPT_POST, 1L);
    } else {
        SET(CURLOPT_POSTFIELDS, NULL);
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, job->method);
    SET(CURLOPT_HTTPHEADER, headers);
    return code;
}

int
kb_http_slot_dress(struct kb_http_slot *slot, const struct kb_http_job *job, struct kb_error *err)
{
    if (kb_http_slot_open(slot, err) < 0)
        return -(int) err->code;
    struct kb_http_peer *peer = slot->peer;
    CURL *easy = slot->easy;
    kb_buf_clear(&peer->url);
    kb_buf_adds(&peer->url, peer->base_url);
    kb_buf_adds(&peer->url, job->target);
    if (peer->url.failed)
        return kb_fail(err, KB_E_NOMEM, "%s: the URL of a request is too long", peer->name);

    CURLcode code = dress_method(slot, job);
    SET(CURLOPT_URL, kb_buf_str(&peer->url));
    if (peer->has_authority && slot->token_gen != peer->token.gen) {
        SET(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        SET(CURLOPT_XOAUTH2_BEARER, kb_secret_bytes(peer->token.value, NULL));
        slot->token_gen = code == CURLE_OK ? peer->token.gen : 0;
    }
    return result_of(peer, code, err);
}

int
kb_http_slot_dress_token(struct kb_http_slot *slot, const struct kb_http_token_request *request,
                         struct curl_slist *headers, struct kb_error *err)
{
    if (kb_http_slot_open(slot, err) < 0)
        return -(int) err->code;
    CURL *easy = slot->easy;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, strncmp(request->url, "https://", 8) == 0 ? "https" : "http");
    if (request->form) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) strlen(request->form));
        SET(CURLOPT_POSTFIELDS, request->form);
        SET(CURLOPT_POST, 1L);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_HTTPHEADER, request->form ? headers : headers->next); /* the first is the form's type */
    SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    SET(CURLOPT_USERNAME, request->basic_user);
    SET(CURLOPT_PASSWORD, request->basic_password);
    return result_of(slot->peer, code, err);
}
