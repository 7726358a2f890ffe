/* tests/sim/http.c: libmicrohttpd glue, latency, and every way of answering badly; see http.h. */
#include "tests/sim/http.h"

#include "tests/sim/control.h"
#include "tests/sim/fault.h"
#include "tests/sim/record.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
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

bool
req_is(const struct req *r, const char *method)
{
    return strcmp(r->method, method) == 0;
}

bool
req_seg(const struct req *r, int i, const char *s)
{
    return i < r->nseg && strcmp(r->seg[i], s) == 0;
}

bool
req_split(struct req *r, size_t skip)
{
    const char *p = r->path + skip;
    while (*p == '/')
        p++;
    while (*p != '\0' && r->nseg < MAX_SEGS) {
        size_t n = strcspn(p, "/");
        char *text = pct_decode(p, n, false);
        if (text == NULL)
            return false;
        r->raw[r->nseg] = xsub(p, n);
        r->seg[r->nseg++] = text;
        p += n + (p[n] == '/');
    }
    return true;
}

void
answer(struct req *r, int status, const char *ctype, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    r->out.len = 0;
    if (n > 0)
        buf_add(&r->out, s, (size_t) n);
    free(s);
    r->status = status;
    r->ctype = ctype;
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
        for (int64_t ms = s->drip_ms; ms > 0 && !stopping; ms -= 50)
            sleep_ms(ms < 50 ? ms : 50);
        if (stopping)
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
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < b->len; i++) {
        crc ^= (unsigned char) b->p[i];
        for (int k = 0; k < 8; k++)
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
    }
    crc = ~crc;
    size_t at = 0;
    do {
        size_t n = b->len - at < 65535 ? b->len - at : 65535;
        unsigned char h[5] = {at + n == b->len, (unsigned char) n, (unsigned char) (n >> 8),
                              (unsigned char) ~n, (unsigned char) (~n >> 8)};
        buf_add(&o, h, 5);
        buf_add(&o, b->p + at, n);
        at += n;
    } while (at < b->len);
    for (int k = 0; k < 8; k++) {
        unsigned char c = (unsigned char) ((k < 4 ? crc : (uint32_t) b->len) >> (8 * (k % 4)));
        buf_add(&o, &c, 1);
    }
    buf_free(b);
    *b = o;
}

static int
client_socket(struct req *r)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    return i == NULL ? -1 : i->connect_fd;
}

/* No bytes at all. Returning MHD_NO closes; a reset is made by disconnecting the socket, which sends RST at
 * once. A connection that dies so before its first byte is what makes libcurl send a request again on its
 * own. */
static enum MHD_Result
end_badly(struct req *r, enum ending how)
{
    int fd = client_socket(r);
    r->status = 0;
    if (how == END_RESET && fd >= 0) {
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        (void) connect(fd, &none, sizeof none);
    } else if (how == END_CLOSE && fd >= 0)
        (void) shutdown(fd, SHUT_RDWR);
    else if (how == END_HANG) {
        struct pollfd p = {.fd = fd, .events = POLLRDHUP};
        for (int ms = 0; ms < HANG_MAX_MS && !stopping && poll(&p, 1, 20) == 0; ms += 20)
            ;
    }
    return MHD_NO;
}

static struct MHD_Response *
make_response(struct req *r)
{
    const struct act *a = r->act;
    if (a->pad > 0) {
        char *space = xalloc((size_t) a->pad + 1);
        memset(space, ' ', (size_t) a->pad);
        struct buf o = {0};
        buf_add(&o, space, (size_t) a->pad);
        buf_add(&o, r->out.p != NULL ? r->out.p : "", r->out.len);
        free(space);
        buf_free(&r->out);
        r->out = o;
    }
    if (a->truncate_ok >= 0 && (size_t) a->truncate_ok < r->out.len)
        r->out.len = (size_t) a->truncate_ok;
    if (a->gzip)
        gzip_stored(&r->out);
    bool cut = a->truncate >= 0;
    if (cut && (size_t) a->truncate < r->out.len)
        r->out.len = (size_t) a->truncate;
    /* Lists of more than a few kB are chunked: keycloak-verified.md section 3 */
    if (cut || a->drip_ms > 0 || (r->chunked && r->out.len > CHUNKED_FROM)) {
        struct stream *s = xalloc(sizeof *s);
        *s = (struct stream){r->out.p, r->out.len, a->drip_ms, (size_t) a->drip_bytes, cut};
        r->out = (struct buf){0};
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 256 << 10, stream_read, s, stream_free);
    }
    static char empty[1];
    struct buf b = r->out;
    r->out = (struct buf){0};
    if (b.p == NULL)
        return MHD_create_response_from_buffer(0, empty, MHD_RESPMEM_PERSISTENT);
    return MHD_create_response_from_buffer(b.len, b.p, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result
send_answer(struct req *r)
{
    const struct act *a = r->act;
    struct MHD_Response *m = make_response(r);
    if (m == NULL)
        return MHD_NO;
    const char *type = a->content_type != NULL ? a->content_type : r->ctype;
    if (type != NULL && type[0] != '\0')
        (void) MHD_add_response_header(m, "Content-Type", type);
    if (a->gzip)
        (void) MHD_add_response_header(m, "Content-Encoding", "gzip");
    const char *wait = a->retry_after != NULL ? a->retry_after : r->retry_after;
    if (wait != NULL)
        (void) MHD_add_response_header(m, "Retry-After", wait);
    if (r->side == SIDE_KC && r->status == 200)
        (void) MHD_add_response_header(m, "Cache-Control", "no-cache");
    if (r->org_id != NULL)
        (void) MHD_add_response_header(m, "X-Databricks-Org-Id", r->org_id);
    if (r->side == SIDE_DBX && rule("41")) { /* rule 41; databricks-api.md section 3.8 */
        char *id = xfmt("00000000-0000-4000-8000-%012lld", (long long) rec_number(r->rec));
        (void) MHD_add_response_header(m, "x-databricks-request-id", id);
        free(id);
    }
    for (int i = 0; i < a->nheaders; i++)
        (void) MHD_add_response_header(m, a->header[i], a->value[i]);
    enum MHD_Result ok = MHD_queue_response(r->conn, (unsigned) r->status, m);
    MHD_destroy_response(m);
    return ok;
}

static void
work(struct req *r)
{
    if (r->side == SIDE_KC)
        kc_answer(r);
    else
        dbx_answer(r);
}

/* The order: record, wait, hook, work, spoil, hook, send. */
static enum MHD_Result
serve(struct req *r)
{
    const char *q = strchr(r->uri, '?');
    r->path = q == NULL ? xdup(r->uri) : xsub(r->uri, (size_t) (q - r->uri));
    r->query = xdup(q == NULL ? "" : q + 1);
    if (strncmp(r->path, "/_sim/", 6) == 0) {
        control_answer(r);
        return send_answer(r);
    }
    rec_begin(r);
    r->act = fault_match(r);
    const struct act *a = r->act;
    sleep_ms(knobs.latency_ms);
    for (int64_t ms = a->delay_ms; ms > 0 && !stopping; ms -= 50)
        sleep_ms(ms < 50 ? ms : 50);
    if (a->hook != NULL && a->hook_first)
        (void) edit_apply(a->hook, rec_number(r->rec), NULL);
    bool spoiled = a->status != 0 || a->ending != END_SEND;
    if (!spoiled || a->apply)
        work(r);
    if (a->status != 0) {
        r->out.len = 0;
        r->status = a->status;
        buf_s(&r->out, a->body != NULL ? a->body : "");
        r->ctype = "application/json";
    }
    if (a->hook != NULL && !a->hook_first)
        (void) edit_apply(a->hook, rec_number(r->rec), NULL);
    return a->ending != END_SEND ? end_badly(r, a->ending) : send_answer(r);
}

static void *
on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct req *r = xalloc(sizeof *r);
    r->side = (enum side)(intptr_t) cls;
    r->uri = xdup(uri);
    r->conn = conn;
    r->act = &fault_none;
    r->kind = "other";
    return r;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
           const char *data, size_t *size, void **con_cls)
{
    (void) cls;
    (void) url;
    (void) version;
    struct req *r = *con_cls;
    r->conn = conn;
    r->method = method;
    if (!r->started) {
        r->started = true;
        return MHD_YES;
    }
    if (*size > 0) {
        if (r->body.len + *size > BODY_MAX)
            return MHD_NO;
        buf_add(&r->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    return serve(r);
}

static void
on_done(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode code)
{
    (void) cls;
    (void) conn;
    (void) code;
    struct req *r = *con_cls;
    if (r == NULL)
        return;
    if (r->rec != NULL)
        rec_end(r);
    for (int i = 0; i < r->nseg; i++) {
        free(r->raw[i]);
        free(r->seg[i]);
    }
    free(r->uri);
    free(r->path);
    free(r->query);
    free(r->retry_after);
    buf_free(&r->body);
    buf_free(&r->out);
    free(r);
    *con_cls = NULL;
}

/* The path stays as sent: the rules S18 are about the bytes on the wire. */
static size_t
keep_escapes(void *cls, struct MHD_Connection *conn, char *s)
{
    (void) cls;
    (void) conn;
    return strlen(s);
}

struct MHD_Daemon *
http_start(enum side side, int port, const char *cert_key)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL;
    struct MHD_OptionItem tls[3] = {{MHD_OPTION_END, 0, NULL}};
    char *cert = NULL, *key = NULL;
    if (cert_key != NULL) {
        const char *colon = strchr(cert_key, ':');
        char *path = colon == NULL ? NULL : xsub(cert_key, (size_t) (colon - cert_key));
        size_t n = 0;
        cert = path == NULL ? NULL : read_file(path, &n);
        key = colon == NULL ? NULL : read_file(colon + 1, &n);
        free(path);
        if (cert == NULL || key == NULL) {
            fprintf(stderr, "keybricks-sim: cannot read CERT:KEY %s\n", cert_key);
            free(cert);
            free(key);
            return NULL;
        }
        flags |= MHD_USE_TLS;
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, cert};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key};
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    }
    struct MHD_Daemon *d = MHD_start_daemon(
        flags, (uint16_t) port, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &a,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, (void *) (intptr_t) side, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t) 256 << 10, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    free(cert); /* libmicrohttpd reads both while it starts */
    free(key);
    return d;
}

int
http_port(struct MHD_Daemon *d)
{
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
    return i == NULL ? 0 : i->port;
}

void
http_abort_waits(void)
{
    stopping = true;
}

void
http_stop(struct MHD_Daemon *d)
{
    if (d != NULL)
        MHD_stop_daemon(d);
}
