/* tests/sim/main.c: keybricks-sim: a Keycloak realm and a Databricks account on loopback, for tests; see README.md. */
#include "tests/sim/control.h"
#include "tests/sim/http.h"

#include <errno.h>
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

static int seed = 1, kc_port, dbx_port;
static struct company company = {.users = 200, .groups = 40, .roles = 20, .memberships = 1500};
static const char *world, *config_out, *tls_kc, *tls_dbx;
static bool empty, in_sync, drift, no_log;

static const struct option { /* one of number, text, flag */
    const char *name;
    int *number;
    const char **text;
    bool *flag;
} table[] = {
    {"seed", .number = &seed},
    {"users", .number = &company.users},
    {"groups", .number = &company.groups},
    {"roles", .number = &company.roles},
    {"memberships", .number = &company.memberships},
    {"kc-port", .number = &kc_port},
    {"dbx-port", .number = &dbx_port},
    {"latency-ms", .number = &knobs.latency_ms},
    {"world", .text = &world},
    {"config-out", .text = &config_out},
    {"tls-kc", .text = &tls_kc},
    {"tls-dbx", .text = &tls_dbx},
    {"dbx-empty", .flag = &empty},
    {"dbx-in-sync", .flag = &in_sync},
    {"dbx-drift", .flag = &drift},
    {"workspace", .flag = &company.local},
    {"no-log", .flag = &no_log},
};

static bool
take(const char *arg, const char *value, int *used)
{
    for (const struct option *o = table; o < table + COUNT(table); o++) {
        if (!begins(arg, "--") || strcmp(arg + 2, o->name) != 0)
            continue;
        *used = o->flag != NULL ? 1 : 2;
        if (o->flag != NULL)
            *o->flag = true;
        else if (o->text != NULL)
            *o->text = value;
        else if (is_number(value) && strlen(value) < 9)
            *o->number = atoi(value);
        else
            return false;
        return o->flag != NULL || value != NULL;
    }
    return false;
}

static void
parse(int argc, char **argv)
{
    bool bad = false;
    for (int i = 1, used = 0; i < argc && !bad; i += used) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        bad = !take(argv[i], argv[i + 1], &used);
        if (bad)
            fprintf(stderr, "keybricks-sim: not understood: %s\n", argv[i]);
    }
    if (bad || empty + in_sync + drift > 1) {
        fputs(usage, stderr);
        exit(64);
    }
    company.start = empty ? START_EMPTY : in_sync ? START_IN_SYNC : START_DRIFT;
    rec_quiet(no_log);
}

static bool
make_world(const char **rules)
{
    world_init((uint64_t) seed);
    if (world == NULL) {
        company_make(&company);
        return true;
    }
    const char *text = read_file(world), *bad = text == NULL ? strerror(errno) : NULL;
    json_object *o = text == NULL ? NULL : json_parse(text);
    if (bad == NULL)
        bad = o == NULL ? "not a JSON document" : world_load(o, rules);
    if (bad != NULL)
        fprintf(stderr, "keybricks-sim: %s: %s\n", world, bad);
    return bad == NULL;
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

static const char *
ca_of(const char *cert_key)
{
    return cert_key == NULL ? NULL : tsub(cert_key, strcspn(cert_key, ":"));
}

static int
serve(const char *rules, int signals)
{
    struct MHD_Daemon *kc = http_start(SIDE_KC, kc_port, tls_kc),
                      *dbx = http_start(SIDE_DBX, dbx_port, tls_dbx);
    const char *bad = kc == NULL || dbx == NULL ? tf("cannot listen: %s", strerror(errno)) : NULL;
    if (bad == NULL && config_out != NULL)
        bad = config_write(&(struct config_out){config_out, http_url(kc, tls_kc != NULL),
                                                http_url(dbx, tls_dbx != NULL), rules, ca_of(tls_kc),
                                                ca_of(tls_dbx), company.local});
    if (bad == NULL) {
        fputs(tf("{'keycloak':'%s%s','databricks':%q,'realm':%q,'client_id':%q,'client_secret':%q,"
                 "'account_id':%q,'dbx_client_id':%q,'dbx_secret':%q,'workspace_token':%q}\n",
                 http_url(kc, tls_kc != NULL), W.base, http_url(dbx, tls_dbx != NULL), W.realm, W.kc_client,
                 W.kc_secret, W.account, W.dbx_client, W.dbx_secret, W.pat),
              stdout);
        (void) fflush(stdout);
        wait_for_end(signals);
    } else
        fprintf(stderr, "keybricks-sim: %s\n", bad);
    http_stop(kc, dbx);
    return bad != NULL;
}

int
main(int argc, char **argv)
{
    struct pool pool = {0};
    const char *rules = NULL;
    sigset_t set;
    pool_use(&pool);
    knobs_default();
    parse(argc, argv);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void) signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before any thread starts */
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    int code = signals >= 0 && make_world(&rules) ? serve(rules, signals) : 1;
    pool_free(&pool);
    return code;
}
