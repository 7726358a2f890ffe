/* libcurl's callbacks: they only store and refuse. Parsing happens outside, when every free slot is busy
 * again (architecture, section 4). */
#include "base/ban.h"

#include "base/clock.h"
#include "base/http_internal.h"
#include "base/str.h"

struct kb_http_response *
kb_http_response_new(void)
{
    struct kb_http_response *answer = calloc(1, sizeof(*answer));
    if (answer)
        answer->retry_after_s = -1;
    return answer;
}

void
kb_http_response_free(struct kb_http_response *answer)
{
    if (!answer)
        return;
    if (answer->body)
        explicit_bzero(answer->body, answer->len);
    free(answer->body);
    free(answer);
}

/* No realloc: what it leaves behind could be half of a new secret. */
static bool
append(struct kb_http_response *answer, const char *bytes, size_t size)
{
    if (answer->cap - answer->len < size + 1 || !answer->body) {
        size_t cap = answer->cap ? answer->cap : 2048;
        while (cap - answer->len < size + 1)
            cap *= 2;
        char *body = malloc(cap);
        if (!body)
            return false;
        if (answer->body) {
            memcpy(body, answer->body, answer->len);
            explicit_bzero(answer->body, answer->len);
            free(answer->body);
        }
        answer->body = body;
        answer->cap = cap;
    }
    memcpy(answer->body + answer->len, bytes, size);
    answer->len += size;
    answer->body[answer->len] = '\0';
    return true;
}

static size_t
refuse(struct kb_http_response *answer, enum kb_http_flaw flaw)
{
    answer->flaw = flaw;
    return 0; /* fewer bytes than given: libcurl breaks off */
}

size_t
kb_http_on_body(char *data, size_t size, size_t count, void *userdata)
{
    struct kb_http_slot *slot = userdata;
    struct kb_http_job *job = slot->job;
    struct kb_http_response *answer = job ? job->answer : slot->answer;
    size_t bytes = size * count;
    bool streams = job && job->on_data && answer->status == 200;

    /* CURLOPT_MAXFILESIZE does not stop a chunked body (c-anchors section 5): the cap is here. */
    size_t most = job ? slot->peer->max_body_size : KB_HTTP_ERROR_BODY_SIZE;
    if (bytes > most - answer->total)
        return refuse(answer, KB_HTTP_BODY_OVER);

    if (streams) {
        if (answer->len && answer->len + bytes >= KB_HTTP_PIECE_SIZE) {
            answer->paused = true;
            kb_http_ready(job);
            return CURL_WRITEFUNC_PAUSE; /* libcurl gives these bytes again later */
        }
        if (!append(answer, data, bytes))
            return refuse(answer, KB_HTTP_NO_MEMORY);
        kb_http_ready(job);
    } else {
        size_t limit = answer->status / 100 == 2 ? most : KB_HTTP_ERROR_BODY_SIZE;
        size_t kept = bytes < limit - answer->len ? bytes : limit - answer->len;
        if (!append(answer, data, kept))
            return refuse(answer, KB_HTTP_NO_MEMORY);
    }
    answer->total += bytes;
    return bytes;
}

/* The value when the line has this name (lower case), trimmed, in buf; NULL otherwise. A value that does not
 * fit is cut. */
static const char *
value_of(const char *line, size_t len, const char *name, char *buf, size_t buf_size)
{
    size_t name_len = strlen(name);
    if (len <= name_len || line[name_len] != ':')
        return NULL;
    for (size_t i = 0; i < name_len; i++)
        if (kb_ascii_lower(line[i]) != name[i])
            return NULL;
    const char *begin = line + name_len + 1, *end = line + len;
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
        end--;
    size_t size = (size_t) (end - begin) < buf_size - 1 ? (size_t) (end - begin) : buf_size - 1;
    memcpy(buf, begin, size);
    buf[size] = '\0';
    return buf;
}

static void
note_request_id(struct kb_http_response *answer, const char *value, bool own)
{
    if (answer->request_id_own && !own)
        return;
    size_t n = 0;
    for (const char *p = value; *p && n < sizeof(answer->request_id) - 1; p++)
        if (*p > ' ' && *p <= '~')
            answer->request_id[n++] = *p;
    answer->request_id[n] = '\0';
    answer->request_id_own = own;
}

static void
note_redirect(struct kb_http_response *answer, const char *location)
{
    char *host = NULL;
    CURLU *url = curl_url();
    if (url && curl_url_set(url, CURLUPART_URL, location, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK && kb_http_header_safe(host))
        (void) snprintf(answer->redirect_host, sizeof(answer->redirect_host), "%s", host);
    curl_free(host);
    curl_url_cleanup(url);
}

static void
status_line(struct kb_http_response *answer, const char *line, size_t len)
{
    /* After an interim answer (1xx) everything starts again. */
    answer->status = 0;
    answer->head_done = false;
    answer->retry_after_s = -1;
    answer->date_s = 0;
    answer->request_id[0] = answer->redirect_host[0] = '\0';
    answer->request_id_own = false;
    const char *blank = memchr(line, ' ', len);
    for (int i = 1; blank && i <= 3 && blank + i < line + len; i++) {
        if (blank[i] < '0' || blank[i] > '9')
            break;
        answer->status = answer->status * 10 + (blank[i] - '0');
    }
}

static bool
note_header(struct kb_http_response *answer, const char *line, size_t len)
{
    char buf[512];
    const char *value;
    switch (kb_ascii_lower(line[0])) { /* most lines are none of ours */
    case 'c':
        value = value_of(line, len, "content-encoding", buf, sizeof(buf));
        return !value || !value[0] || kb_ascii_casecmp(value, "identity") == 0;
    case 't':
        value = value_of(line, len, "transfer-encoding", buf, sizeof(buf));
        return !value || kb_ascii_casecmp(value, "chunked") == 0 || kb_ascii_casecmp(value, "identity") == 0;
    case 'd':
        if ((value = value_of(line, len, "date", buf, sizeof(buf))))
            (void) kb_http_date(value, &answer->date_s);
        return true;
    case 'r':
        if ((value = value_of(line, len, "retry-after", buf, sizeof(buf))))
            answer->retry_after_s = kb_http_retry_after(value, kb_wall_s());
        return true;
    case 'x':
        if ((value = value_of(line, len, "x-databricks-request-id", buf, sizeof(buf))))
            note_request_id(answer, value, true);
        else if ((value = value_of(line, len, "x-request-id", buf, sizeof(buf))))
            note_request_id(answer, value, false);
        return true;
    case 'l':
        if (answer->status / 100 == 3 && (value = value_of(line, len, "location", buf, sizeof(buf))))
            note_redirect(answer, value);
        return true;
    default:
        return true;
    }
}

size_t
kb_http_on_header(char *line, size_t size, size_t count, void *userdata)
{
    struct kb_http_slot *slot = userdata;
    struct kb_http_response *answer = slot->job ? slot->job->answer : slot->answer;
    size_t bytes = size * count;
    answer->header_size += bytes;
    if (answer->header_size > KB_HTTP_HEADER_SIZE || ++answer->header_lines > KB_HTTP_HEADER_LINES)
        return refuse(answer, KB_HTTP_HEADERS_OVER);
    if (bytes >= 5 && memcmp(line, "HTTP/", 5) == 0)
        status_line(answer, line, bytes);
    else if (bytes && (line[0] == '\r' || line[0] == '\n'))
        answer->head_done = answer->status >= 200;
    else if (bytes && !note_header(answer, line, bytes))
        return refuse(answer, KB_HTTP_ENCODED);
    return bytes;
}

/* libcurl sends a request again by itself, up to five times, when a kept connection dies without a byte of
 * answer; PATCH and POST too. The second start in one transfer is refused: CURLE_ABORTED_BY_CALLBACK, and
 * http_outcome.c decides what that means. Source: reliability F79; measured there. */
int
kb_http_on_start(void *userdata, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct kb_http_slot *slot = userdata;
    (void) remote_ip;
    (void) local_ip;
    (void) remote_port;
    (void) local_port;
    return ++slot->starts == 1 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}
