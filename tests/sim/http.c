/* tests/sim/http.c: libmicrohttpd glue, latency, and every way of answering badly; see http.h. */
#include "tests/sim/http.h"

#include "tests/sim/control.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BODY_MAX = 64 << 20, CHUNKED_FROM = 4096, HANG_MAX_MS = 600000 };

static _Atomic bool stopping;

const char *
req_header(struct req *r, const char *name)
{
    return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

const char *
req_host(struct req *r)
{
    const char *host = req_header(r, "Host");
    bool tls = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_PROTOCOL) != NULL;
    return tf("%s://%s", tls ? "https" : "http", host != NULL ? host : "");
}

bool
req_is(const struct req *r, const char *method)
{
    return strcmp(r->method, method) == 0;
}

bool
req_split(struct req *r, size_t skip)
{
    const char *p = r->path + skip;
    p += strspn(p, "/");
    while (*p != '\0' && r->nseg < MAX_SEGS) {
        size_t n = strcspn(p, "/");
        if ((r->seg[r->nseg++] = pct_decode(p, n, false)) == NULL)
            return false;
        p += n + (p[n] == '/');
    }
    return true;
}

bool
req_fits(const struct req *r, int at, const char *pattern)
{
    for (; *pattern != '\0'; at++) {
        size_t n = strcspn(pattern, "/");
        if (strcmp(pattern, "**") == 0)
            return true;
        bool wild = n == 1 && (pattern[0] == '*' || (pattern[0] >= 'A' && pattern[0] <= 'Z'));
        if (at >= r->nseg || (!wild && (strlen(r->seg[at]) != n || memcmp(r->seg[at], pattern, n) != 0)))
            return false;
        pattern += n + (pattern[n] == '/');
    }
    return at == r->nseg;
}

int64_t
req_int(const struct req *r, const char *name, int64_t def)
{
    const char *v = query_get(r->query, name);
    return v == NULL || v[0] == '\0' ? def : strtoll(v, NULL, 10);
}

void
answer_text(struct req *r, int status, const char *ctype, const char *text)
{
    r->out.len = 0;
    buf_s(&r->out, text);
    r->status = status;
    r->ctype = ctype;
}

void
oauth_error(struct req *r, int status, const char *error, const char *description)
{
    answer(r, status, "application/json", "{'error':%q,'error_description':%q}", error, description);
}

struct page
page_cut(const struct req *r, int n, int64_t first, int64_t max)
{
    const struct act *a = r->act;
    if (a->repeat_page && max > 0)
        first = first > max ? first - max : 0;
    int from = first < 0 ? 0 : first < n ? (int) first : n;
    int to = a->empty_list ? from : max < 0 || max > n - from ? n : from + (int) max;
    return (struct page){from, to, to - from + (a->dup_rows < to - from ? a->dup_rows : to - from)};
}

/* In the middle some have vanished; behind the page a second provider tells some again. */
int
page_row(const struct req *r, const struct page *p, int i)
{
    int size = p->to - p->from, hole = size / 2;
    if (i >= hole && i < hole + r->act->drop_rows && i < size)
        return -1;
    return p->from + (i < size ? i : i - size);
}

static bool
wait_ms(int64_t ms) /* false: the program ends */
{
    for (; ms > 0 && !stopping; ms -= 50)
        sleep_ms(ms < 50 ? ms : 50);
    return !stopping;
}

/* The body as a stream: whole, in drips, or cut (rule S19: 200 with truncated chunked JSON). */
struct stream {
    char *data;
    size_t len;
    int drip_ms;
    size_t drip_bytes;
    bool cut;
};

static ssize_t
stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct stream *s = cls;
    size_t left = s->len - (size_t) pos;
    if (left == 0)
        return s->cut ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    if (s->drip_ms > 0) {
        if (!wait_ms(s->drip_ms))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        max = max < s->drip_bytes ? max : s->drip_bytes;
    }
    size_t n = left < max ? left : max;
    memcpy(buf, s->data + pos, n);
    return (ssize_t) n;
}

static void
stream_free(void *cls)
{
    struct stream *s = cls;
    free(s->data);
    free(s);
}

/* Gzip without compression: stored blocks (RFC 1951 3.2.4) in a RFC 1952 frame. */
static void
gzip_stored(struct buf *b)
{
    struct buf o = {0};
    buf_add(&o, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    uint32_t sum[2] = {0xffffffffu, (uint32_t) b->len}; /* CRC, length */
    for (size_t i = 0; i < b->len; i++) {
        sum[0] ^= (unsigned char) b->p[i];
        for (int k = 0; k < 8; k++)
            sum[0] = (sum[0] >> 1) ^ (0xedb88320u & (0u - (sum[0] & 1)));
    }
    sum[0] = ~sum[0];
    size_t at = 0, n;
    do {
        n = b->len - at < 65535 ? b->len - at : 65535;
        unsigned char h[5] = {at + n == b->len, (unsigned char) n, (unsigned char) (n >> 8),
                              (unsigned char) ~n, (unsigned char) (~n >> 8)};
        buf_add(&o, h, 5);
        buf_add(&o, b->p + at, n);
        at += n;
    } while (at < b->len);
    buf_add(&o, sum, sizeof sum); /* little-endian, as this machine */
    buf_free(b);
    *b = o;
}

/* No bytes at all. Returning MHD_NO closes; a reset is made by disconnecting the socket, which sends RST at once. A
 * connection that dies so before its first byte is what makes libcurl send a request again on its own. */
static enum MHD_Result
end_badly(struct req *r)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd p = {.fd = i == NULL ? -1 : i->connect_fd, .events = POLLRDHUP};
    if (r->act->reset) {
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        (void) connect(p.fd, &none, sizeof none);
    } else if (r->act->close_before_headers)
        (void) shutdown(p.fd, SHUT_RDWR);
    else
        for (int ms = 0; ms < HANG_MAX_MS && !stopping && poll(&p, 1, 20) == 0; ms += 20)
            ;
    return MHD_NO;
}

static struct MHD_Response *
make_response(struct req *r)
{
    const struct act *a = r->act;
    struct buf b = {0};
    if (a->pad > 0) {
        char *space = talloc((size_t) a->pad);
        buf_add(&b, memset(space, ' ', (size_t) a->pad), (size_t) a->pad);
        buf_add(&b, r->out.p, r->out.len);
        buf_free(&r->out);
    } else
        b = r->out;
    r->out = (struct buf){0};
    if (a->truncate_ok >= 0 && (size_t) a->truncate_ok < b.len)
        b.len = (size_t) a->truncate_ok;
    if (a->gzip)
        gzip_stored(&b);
    bool cut = a->truncate >= 0;
    if (cut && (size_t) a->truncate < b.len)
        b.len = (size_t) a->truncate;
    /* Lists of more than a few kB are chunked: keycloak-verified.md section 3 */
    if (cut || a->drip_ms > 0 || (r->chunked && b.len > CHUNKED_FROM)) {
        struct stream *s = xalloc(sizeof *s);
        *s = (struct stream){b.p, b.len, a->drip_ms, (size_t) a->drip_bytes, cut};
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 256 << 10, stream_read, s, stream_free);
    }
    if (b.p == NULL)
        buf_s(&b, "");
    return MHD_create_response_from_buffer(b.len, b.p, MHD_RESPMEM_MUST_FREE);
}

static void
header(struct MHD_Response *m, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        (void) MHD_add_response_header(m, name, value);
}

static enum MHD_Result
send_answer(struct req *r)
{
    const struct act *a = r->act;
    struct MHD_Response *m = make_response(r);
    if (m == NULL)
        return MHD_NO;
    header(m, "Content-Type", a->content_type != NULL ? a->content_type : r->ctype);
    header(m, "Content-Encoding", a->gzip ? "gzip" : NULL);
    header(m, "Retry-After", a->retry_after != NULL ? a->retry_after : r->retry_after);
    header(m, "Cache-Control", r->side == SIDE_KC && r->status == 200 ? "no-cache" : NULL);
    header(m, "X-Databricks-Org-Id", r->org_id);
    if (r->side == SIDE_DBX && rule("41")) /* databricks-api.md section 3.8 */
        header(m, "x-databricks-request-id", tf("00000000-0000-4000-8000-%l", 100000000000 + r->n));
    if (a->headers != NULL) {
        json_object_object_foreach(a->headers, name, value)
        {
            header(m, name, json_object_get_string(value));
        }
    }
    enum MHD_Result ok = MHD_queue_response(r->conn, (unsigned) r->status, m);
    MHD_destroy_response(m);
    return ok;
}

static void
hook(const struct req *r, bool first)
{
    if (r->act->hook != NULL && r->act->hook_first == first)
        (void) edit_apply(json_parse(r->act->hook));
}

/* The order: record, wait, hook, work, spoil, hook, send. */
static enum MHD_Result
serve(struct req *r)
{
    size_t path = strcspn(r->uri, "?");
    r->path = tsub(r->uri, path);
    r->query = tsub(r->uri + path, strlen(r->uri) - path);
    r->query += r->query[0] == '?';
    buf_s(&r->body, "");
    if (begins(r->path, "/_sim/")) {
        control_answer(r);
        return send_answer(r);
    }
    rec_begin(r);
    const struct act *a = r->act = fault_match(r);
    sleep_ms(knobs.latency_ms);
    (void) wait_ms(a->delay_ms);
    hook(r, true);
    bool silent = a->reset || a->close_before_headers || a->hang;
    if ((a->status == 0 && !silent) || a->apply)
        r->side == SIDE_KC ? kc_answer(r) : dbx_answer(r);
    if (a->status != 0)
        answer(r, a->status, "application/json", "%s", a->body != NULL ? a->body : "");
    hook(r, false);
    r->status = silent ? 0 : r->status;
    rec_answered(r);
    return silent ? end_badly(r) : send_answer(r);
}

static void *
on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct req *r = xalloc(sizeof *r);
    pool_use(&r->pool);
    r->side = (enum side)(intptr_t) cls;
    r->uri = tsub(uri, strlen(uri));
    r->conn = conn;
    r->act = &fault_none;
    r->kind = "other";
    return r;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
           const char *data, size_t *size, void **con_cls)
{
    (void) cls, (void) url, (void) version;
    struct req *r = *con_cls;
    pool_use(&r->pool);
    r->conn = conn;
    r->method = method;
    if (!r->started) {
        r->started = true;
        return MHD_YES;
    }
    if (*size == 0)
        return serve(r);
    if (r->body.len + *size > BODY_MAX)
        return MHD_NO;
    buf_add(&r->body, data, *size);
    *size = 0;
    return MHD_YES;
}

static void
on_done(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode code)
{
    (void) cls, (void) conn, (void) code;
    struct req *r = *con_cls;
    if (r == NULL)
        return;
    if (r->rec != NULL)
        rec_end(r);
    buf_free(&r->body);
    buf_free(&r->out);
    pool_free(&r->pool);
    free(r);
    *con_cls = NULL;
}

/* The path stays as sent: the rules S18 are about the bytes on the wire. */
static size_t
keep_escapes(void *cls, struct MHD_Connection *conn, char *s)
{
    (void) cls, (void) conn;
    return strlen(s);
}

struct MHD_Daemon *
http_start(enum side side, int port, const char *cert_key)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL;
    struct MHD_OptionItem tls[3] = {{MHD_OPTION_END, 0, NULL}};
    if (cert_key != NULL) {
        size_t n = strcspn(cert_key, ":");
        char *cert = read_file(tsub(cert_key, n)),
             *key = cert_key[n] == '\0' ? NULL : read_file(cert_key + n + 1);
        if (cert == NULL || key == NULL) {
            fprintf(stderr, "keybricks-sim: cannot read CERT:KEY %s\n", cert_key);
            return NULL;
        }
        flags |= MHD_USE_TLS;
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, cert};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key};
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    }
    return MHD_start_daemon(flags, (uint16_t) port, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &a,
                            MHD_OPTION_URI_LOG_CALLBACK, on_uri, (void *) (intptr_t) side,
                            MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                            on_done, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) 256 << 10,
                            MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

const char *
http_url(struct MHD_Daemon *d, bool tls)
{
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
    return tf("%s://127.0.0.1:%d", tls ? "https" : "http", i == NULL ? 0 : i->port);
}

void
http_stop(struct MHD_Daemon *a, struct MHD_Daemon *b)
{
    stopping = true;
    if (a != NULL)
        MHD_stop_daemon(a);
    if (b != NULL)
        MHD_stop_daemon(b);
}
