/* base/http: the certificate matrix. There is no switch to go on, so each wrong one must end the request,
 * once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "support/certs.h"
#include "support/reader.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct server {
    struct MHD_Daemon *daemon;
    char url[64];
    unsigned requests;
    unsigned with_cert; /* requests that came with a client certificate */
};

static enum MHD_Result
serve(void *userdata, struct MHD_Connection *connection, const char *url, const char *method,
      const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void) url;
    (void) method;
    (void) version;
    (void) upload;
    (void) upload_size;
    if (!*state) {
        *state = connection;
        return MHD_YES;
    }
    struct server *s = userdata;
    s->requests++;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned certs = 0;
    if (info && gnutls_certificate_get_peers(info->tls_session, &certs) && certs > 0)
        s->with_cert++;
    char body[] = "ok";
    struct MHD_Response *response = MHD_create_response_from_buffer(2, body, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static void
server_open(struct server *s, const struct cert *cert, const char *chain_pem, const char *priorities,
            const char *trust_pem)
{
    /* A trust in memory makes libmicrohttpd ask for a client certificate. */
    const struct MHD_OptionItem ask_client[] = {
        {trust_pem ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, (void *) (uintptr_t) trust_pem},
        {MHD_OPTION_END, 0, NULL},
    };
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, serve, s,
                                 MHD_OPTION_SOCK_ADDR, (struct sockaddr *) &address, MHD_OPTION_HTTPS_MEM_KEY,
                                 cert->key_pem, MHD_OPTION_HTTPS_MEM_CERT, chain_pem ? chain_pem : cert->pem,
                                 MHD_OPTION_HTTPS_PRIORITIES, priorities ? priorities : "NORMAL",
                                 MHD_OPTION_ARRAY, ask_client, MHD_OPTION_END);
    assert_non_null(s->daemon);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    assert_non_null(info);
    (void) snprintf(s->url, sizeof(s->url), "https://127.0.0.1:%u", (unsigned) info->port);
}

static struct kb_error
ask(const char *url, const char *ca_file, struct reader *r, int64_t *ret_expires_s)
{
    struct kb_http *http = reader_open(NULL);
    struct kb_http_peer_opts opts = reader_peer_opts(url);
    opts.ca_file = ca_file;
    struct kb_http_peer *peer = reader_peer(http, &opts);
    struct kb_error err = {0};
    reader_get(peer, "/x?secret", r);
    assert_int_equal(kb_http_run(http, &err), 0);
    struct kb_http_stats stats;
    kb_http_peer_stats(peer, &stats);
    *ret_expires_s = stats.cert_expires_s;
    kb_http_free(http);
    return r->error;
}

#define GOOD .name = "127.0.0.1", .san = "IP:127.0.0.1", .from_days = -1, .to_days = 30

static void
test_matrix(void **state)
{
    (void) state;
    char path[] = "/tmp/kb-test-ca-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct cert ca =
        cert_make(&(struct cert_spec){.name = "our CA", .from_days = -1, .to_days = 30, .ca = true}, NULL);
    struct cert other =
        cert_make(&(struct cert_spec){.name = "their CA", .from_days = -1, .to_days = 30, .ca = true}, NULL);
    struct cert middle = cert_make(
        &(struct cert_spec){.name = "our second CA", .from_days = -1, .to_days = 30, .ca = true}, &ca);
    struct cert no_ca = cert_make(
        &(struct cert_spec){.name = "a leaf", .san = "DNS:leaf.example", .from_days = -1, .to_days = 9}, &ca);
    struct cert dead_ca =
        cert_make(&(struct cert_spec){.name = "old CA", .from_days = -9, .to_days = -1, .ca = true}, &ca);

    enum trust { OURS, SYSTEM };

    const struct {
        const char *name;
        struct cert_spec spec;
        const struct cert *issuer; /* NULL: itself */
        const struct cert *chain;  /* sent too */
        enum trust trust;
        const char *priorities;
        bool fine;
        const char *message;
    } table[] = {
        {"own CA", {GOOD}, &ca, NULL, OURS, NULL, true, ""},
        {"own CA, TLS 1.2", {GOOD}, &ca, NULL, OURS, "NORMAL:-VERS-ALL:+VERS-TLS1.2", true, ""},
        {"own CA, two steps", {GOOD}, &middle, &middle, OURS, NULL, true, ""},
        {"ends tomorrow",
         {.name = "x", .san = "IP:127.0.0.1", .from_days = -1, .to_days = 1},
         &ca,
         NULL,
         OURS,
         NULL,
         true,
         ""},
        {"expired",
         {.name = "x", .san = "IP:127.0.0.1", .from_days = -9, .to_days = -1},
         &ca,
         NULL,
         OURS,
         NULL,
         false,
         "certificate has expired"},
        {"not yet valid",
         {.name = "x", .san = "IP:127.0.0.1", .from_days = 1, .to_days = 9},
         &ca,
         NULL,
         OURS,
         NULL,
         false,
         "certificate is not yet valid"},
        {"other address",
         {.name = "x", .san = "IP:127.0.0.2", .from_days = -1, .to_days = 9},
         &ca,
         NULL,
         OURS,
         NULL,
         false,
         "127.0.0.1"},
        {"other name",
         {.name = "x", .san = "DNS:sso.example", .from_days = -1, .to_days = 9},
         &ca,
         NULL,
         OURS,
         NULL,
         false,
         "127.0.0.1"},
        {"name is no address",
         {.name = "x", .san = "DNS:127.0.0.1", .from_days = -1, .to_days = 9},
         &ca,
         NULL,
         OURS,
         NULL,
         false,
         "127.0.0.1"},
        {"self-signed", {GOOD}, NULL, NULL, OURS, NULL, false, "self-signed certificate"},
        {"unknown CA", {GOOD}, &other, NULL, OURS, NULL, false, "unable to get local issuer certificate"},
        {"unknown CA, sent along",
         {GOOD},
         &other,
         &other,
         OURS,
         NULL,
         false,
         "self-signed certificate in certificate chain"},
        {"missing step", {GOOD}, &middle, NULL, OURS, NULL, false, "unable to get local issuer certificate"},
        {"issuer is no CA", {GOOD}, &no_ca, &no_ca, OURS, NULL, false, "certificate"},
        {"issuer expired", {GOOD}, &dead_ca, &dead_ca, OURS, NULL, false, "certificate has expired"},
        {"own CA, but only the system's trusted",
         {GOOD},
         &ca,
         NULL,
         SYSTEM,
         NULL,
         false,
         "unable to get local issuer certificate"},
        {"TLS 1.1", {GOOD}, &ca, NULL, OURS, "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT", false, "TLS: "},
        {"TLS 1.0", {GOOD}, &ca, NULL, OURS, "NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT", false, "TLS: "},
    };

    assert_int_equal(write(fd, ca.pem, strlen(ca.pem)), (ssize_t) strlen(ca.pem));
    (void) close(fd);
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct server s = {0};
        struct reader r = {0};
        int64_t expires_s = 0;
        struct cert cert = cert_make(&table[i].spec, table[i].issuer);
        char chain[8192];
        (void) snprintf(chain, sizeof(chain), "%s%s", cert.pem, table[i].chain ? table[i].chain->pem : "");
        server_open(&s, &cert, chain, table[i].priorities, NULL);
        struct kb_error err = ask(s.url, table[i].trust == OURS ? path : "", &r, &expires_s);
        int64_t want_s = (int64_t) time(NULL) + table[i].spec.to_days * 86400;
        MHD_stop_daemon(s.daemon);
        cert_free(&cert);
        if (r.replies != 1 || r.tries != 1 || r.sent != table[i].fine ||
            s.requests != (table[i].fine ? 1 : 0) || err.code != (table[i].fine ? KB_OK : KB_E_NET) ||
            err.retry || !strstr(err.msg, table[i].message) || strstr(err.msg, "secret"))
            fail_msg("case '%s': %u tries, sent %d, %u requests, code %s: %s", table[i].name, r.tries, r.sent,
                     s.requests, kb_code_name(err.code), err.msg);
        if (table[i].fine)
            assert_in_range(expires_s, want_s - 60, want_s);
        else
            assert_int_equal(strncmp(err.msg, "acme: GET https://127.0.0.1:", 28), 0);
    }
    (void) unlink(path);
    cert_free(&ca);
    cert_free(&other);
    cert_free(&middle);
    cert_free(&no_ca);
    cert_free(&dead_ca);
}

static void
write_file(const char *path, const char *text)
{
    struct kb_error err = {0};
    if (kb_file_write_atomic(path, text, strlen(text), 0600, &err) < 0)
        fail_msg("%s: %s", path, err.msg);
}

/* auth = "tls_client_auth": the certificate is shown; a key that does not fit, or is locked, is an error at
 * once (and asks nobody for a password). */
static void
test_client_certificate(void **state)
{
    (void) state;
    char dir[] = "/tmp/kb-test-client-XXXXXX", ca_path[64], cert_path[64], key_path[64];
    assert_non_null(mkdtemp(dir));
    (void) snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", dir);
    (void) snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", dir);
    (void) snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
    struct cert ca =
        cert_make(&(struct cert_spec){.name = "our CA", .from_days = -1, .to_days = 30, .ca = true}, NULL);
    struct cert server = cert_make(&(struct cert_spec){GOOD}, &ca);
    struct cert client =
        cert_make(&(struct cert_spec){.name = "client", .from_days = -1, .to_days = 30}, &ca);

    const struct {
        const char *name, *cert, *key;
        enum kb_code want;
        unsigned with_cert;
    } table[] = {
        {"none", NULL, NULL, KB_OK, 0},
        {"right", client.pem, client.key_pem, KB_OK, 1},
        {"key of another", client.pem, server.key_pem, KB_E_NET, 0},
        {"no key inside", client.pem, client.pem, KB_E_NET, 0},
        {"locked key", client.pem, client.locked_pem, KB_E_NET, 0},
        {"no certificate inside", client.key_pem, client.key_pem, KB_E_NET, 0},
    };

    write_file(ca_path, ca.pem);
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct server s = {0};
        struct reader r = {0};
        struct kb_error err = {0};
        server_open(&s, &server, NULL, NULL, ca.pem);
        struct kb_http *http = reader_open(NULL);
        struct kb_http_peer_opts opts = reader_peer_opts(s.url);
        opts.ca_file = ca_path;
        if (table[i].cert) {
            write_file(cert_path, table[i].cert);
            write_file(key_path, table[i].key);
            opts.cert_file = cert_path;
            opts.key_file = key_path;
        }
        struct kb_http_peer *peer = reader_peer(http, &opts);
        reader_get(peer, "/x", &r);
        assert_int_equal(kb_http_run(http, &err), 0);
        kb_http_free(http);
        MHD_stop_daemon(s.daemon);
        if (r.error.code != table[i].want || s.with_cert != table[i].with_cert || r.tries != 1)
            fail_msg("case '%s': %s, %u with a certificate, %u tries", table[i].name, r.error.msg,
                     s.with_cert, r.tries);
    }
    (void) unlink(ca_path);
    (void) unlink(cert_path);
    (void) unlink(key_path);
    (void) rmdir(dir);
    cert_free(&ca);
    cert_free(&server);
    cert_free(&client);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matrix),
                                       cmocka_unit_test(test_client_certificate)};
    return cmocka_run_group_tests_name("base/http tls", tests, NULL, NULL);
}
