/* tests/sim/main.c: keybricks-sim: a Keycloak realm and a Databricks account on loopback, for tests; see
 * README.md. */
#include "tests/sim/company.h"
#include "tests/sim/control.h"
#include "tests/sim/fault.h"
#include "tests/sim/http.h"
#include "tests/sim/record.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: keybricks-sim [--seed N] [--users N] [--groups N] [--roles N] "
                            "[--memberships N] [--world FILE.json]\n"
                            "                     [--kc-port N] [--dbx-port N] [--latency-ms N] "
                            "[--config-out DIR] [--tls-kc CERT:KEY]\n"
                            "                     [--tls-dbx CERT:KEY] [--dbx-empty | --dbx-in-sync | "
                            "--dbx-drift] [--workspace] [--no-log]\n"
                            "Serves on 127.0.0.1 until SIGTERM, SIGINT, or the end of stdin when that is a "
                            "pipe. Prints one line of JSON when\n"
                            "ready. tests/sim/README.md tells the rest.\n";

struct options {
    struct company company;
    int seed, kc_port, dbx_port;
    const char *world, *config_out, *tls_kc, *tls_dbx;
};

static int
natural(const char *name, const char *s)
{
    char *end = NULL;
    long n = strtol(s, &end, 10);
    if (*s == '\0' || *end != '\0' || n < 0 || n > 100000000) {
        fprintf(stderr, "keybricks-sim: --%s wants a number, not '%s'\n", name, s);
        exit(64);
    }
    return (int) n;
}

static struct options
parse(int argc, char **argv)
{
    struct options o = {.seed = 1, .company = {.users = 200, .groups = 40, .roles = 20, .memberships = 1500}};
    int empty = 0, sync = 0, drift = 0, local = 0, quiet = 0;
    struct company *c = &o.company;
    /* what takes a number, what takes a text, what is a flag; the order is that of `table` below */
    int *const numbers[] = {&o.seed,         &c->users,  &c->groups,  &c->roles,
                            &c->memberships, &o.kc_port, &o.dbx_port, &knobs.latency_ms};
    const char **const texts[] = {&o.world, &o.config_out, &o.tls_kc, &o.tls_dbx};

    enum { NUMBERS = sizeof numbers / sizeof numbers[0] };
    const struct option table[] = {{"seed", 1, NULL, 'n'},
                                   {"users", 1, NULL, 'n'},
                                   {"groups", 1, NULL, 'n'},
                                   {"roles", 1, NULL, 'n'},
                                   {"memberships", 1, NULL, 'n'},
                                   {"kc-port", 1, NULL, 'n'},
                                   {"dbx-port", 1, NULL, 'n'},
                                   {"latency-ms", 1, NULL, 'n'},
                                   {"world", 1, NULL, 't'},
                                   {"config-out", 1, NULL, 't'},
                                   {"tls-kc", 1, NULL, 't'},
                                   {"tls-dbx", 1, NULL, 't'},
                                   {"dbx-empty", 0, &empty, 1},
                                   {"dbx-in-sync", 0, &sync, 1},
                                   {"dbx-drift", 0, &drift, 1},
                                   {"workspace", 0, &local, 1},
                                   {"no-log", 0, &quiet, 1},
                                   {"help", 0, NULL, 'h'},
                                   {NULL, 0, NULL, 0}};
    int i = 0;
    bool bad = false;
    for (int k; (k = getopt_long(argc, argv, "", table, &i)) != -1;) {
        if (k == 'n')
            *numbers[i] = natural(table[i].name, optarg);
        else if (k == 't')
            *texts[i - NUMBERS] = optarg;
        else if (k == 'h') {
            fputs(usage, stdout);
            exit(0);
        } else
            bad = bad || k != 0;
    }
    if (bad || optind < argc || empty + sync + drift > 1) {
        fputs(usage, stderr);
        exit(64);
    }
    c->start = empty ? START_EMPTY : sync ? START_IN_SYNC : START_DRIFT;
    c->local = local != 0;
    rec_quiet(quiet != 0);
    return o;
}

static bool
make_world(const struct options *o, char **rules)
{
    world_init((uint64_t) o->seed);
    if (o->world == NULL) {
        company_make(&o->company);
        return true;
    }
    size_t n = 0;
    char *text = read_file(o->world, &n), *err = NULL;
    if (text == NULL) {
        fprintf(stderr, "keybricks-sim: cannot read %s: %s\n", o->world, strerror(errno));
        return false;
    }
    bool ok = load_world(text, rules, &err);
    if (!ok)
        fprintf(stderr, "keybricks-sim: %s: %s\n", o->world, err);
    free(err);
    free(text);
    return ok;
}

static void
announce(const char *kc, const char *dbx)
{
    struct buf b = {0};
    buf_f(&b, "{\"keycloak\":\"%s%s\",\"databricks\":\"%s\"", kc, W.base, dbx);
    buf_key(&b, "realm", W.realm);
    buf_key(&b, "client_id", W.kc_client);
    buf_key(&b, "client_secret", W.kc_secret);
    buf_key(&b, "account_id", W.account);
    buf_key(&b, "dbx_client_id", W.dbx_client);
    buf_key(&b, "dbx_secret", W.dbx_secret);
    buf_key(&b, "workspace_token", W.pat);
    buf_lit(&b, "}\n");
    (void) fwrite(b.p, 1, b.len, stdout);
    (void) fflush(stdout);
    buf_free(&b);
}

/* Returns when told to stop. The end of stdin counts only where it can mean that the parent died. */
static void
wait_for_end(int signals)
{
    struct stat st;
    bool watch = fstat(STDIN_FILENO, &st) == 0 &&
                 (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(STDIN_FILENO));
    struct pollfd p[2] = {{.fd = signals, .events = POLLIN},
                          {.fd = watch ? STDIN_FILENO : -1, .events = POLLIN}};
    for (;;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return;
        char skip[256];
        if (p[0].revents != 0 || (p[1].revents != 0 && read(STDIN_FILENO, skip, sizeof skip) <= 0))
            return;
    }
}

static char *
ca_of(const char *cert_key)
{
    return cert_key == NULL ? NULL : xsub(cert_key, strcspn(cert_key, ":"));
}

static int
serve(const struct options *o, const char *rules, int signals)
{
    struct MHD_Daemon *kc = http_start(SIDE_KC, o->kc_port, o->tls_kc),
                      *dbx = http_start(SIDE_DBX, o->dbx_port, o->tls_dbx);
    int code = 1;
    if (kc == NULL || dbx == NULL) {
        fprintf(stderr, "keybricks-sim: cannot listen: %s\n", strerror(errno));
        goto out;
    }
    char *kc_url = xfmt("%s://127.0.0.1:%d", o->tls_kc != NULL ? "https" : "http", http_port(kc));
    char *dbx_url = xfmt("%s://127.0.0.1:%d", o->tls_dbx != NULL ? "https" : "http", http_port(dbx));
    char *kc_ca = ca_of(o->tls_kc), *dbx_ca = ca_of(o->tls_dbx), *err = NULL;
    struct config_out c = {o->config_out, kc_url, dbx_url, rules, kc_ca, dbx_ca, o->company.local};
    if (o->config_out != NULL && !config_write(&c, &err))
        fprintf(stderr, "keybricks-sim: %s\n", err);
    else {
        announce(kc_url, dbx_url);
        wait_for_end(signals);
        code = 0;
    }
    free(kc_url), free(dbx_url), free(kc_ca), free(dbx_ca), free(err);
out:
    http_abort_waits();
    http_stop(kc);
    http_stop(dbx);
    return code;
}

int
main(int argc, char **argv)
{
    knobs_default();
    struct options o = parse(argc, argv);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void) signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before any thread starts */
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    char *rules = NULL;
    int code = signals >= 0 && make_world(&o, &rules) ? serve(&o, rules, signals) : 1;
    free(rules);
    return code;
}
