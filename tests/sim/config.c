/* tests/sim/config.c: secrets and a keybricks.conf that fit the running simulator. Source: interface.md section 3. */
#include "tests/sim/company.h"
#include "tests/sim/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* These name exactly what company.c fills. */
static const char company_rules[] = "rules = (\n"
                                    "  { role_glob = \"dbx-*\";  group = \"{1}\";  create = true; },\n"
                                    "  { path_glob = \"/*\";  group = \"dept-{1}\";  subgroups = true; },\n"
                                    "  { path_glob = \"/*/*\";  group = \"team-{1}-{2}\"; },\n"
                                    "  { role = \"platform-admin\";  group = \"dbx-platform-admins\";  "
                                    "privileged = true;  min_members = 2; }\n"
                                    ");\n";

static const char *
put_file(const char *dir, const char *name, const char *text, mode_t mode)
{
    const char *path = tf("%s/%s", dir, name);
    (void) unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    size_t n = strlen(text);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t) n;
    ok = fd >= 0 && close(fd) == 0 && ok;
    return ok ? NULL : tf("cannot write %s: %s", path, strerror(errno));
}

const char *
config_write(const struct config_out *c)
{
    char real[4096]; /* PATH_MAX */
    if ((mkdir(c->dir, 0700) != 0 && errno != EEXIST) || realpath(c->dir, real) == NULL)
        return tf("cannot make %s: %s", c->dir, strerror(errno));
    const char *ca[2] = {c->kc_ca, c->dbx_ca};
    for (int i = 0; i < 2; i++)
        ca[i] = ca[i] == NULL ? "" : tf("    ca_file = '%s';\n", ca[i]);
    const char *target =
        c->local
            ? tf("    level = 'workspace';\n    host = '%s';\n    auth = 'token';\n    token_file = "
                 "'%s/databricks.secret';\n",
                 c->dbx_url, real)
            : tf("    level = 'account';\n    host = '%s';\n    account_id = '%s';\n    auth = 'oauth_m2m';\n"
                 "    client_id = '%s';\n    secret_file = '%s/databricks.secret';\n",
                 c->dbx_url, W.account, W.dbx_client, real);
    const char *text =
        tf("# written by keybricks-sim; it is the configuration of that process only\n"
           "version = 1;\nstate_dir = '%s/state';\n\n"
           "keycloak = {\n    url = '%s%s';\n    realm = '%s';\n    client_id = '%s';\n    secret_file = "
           "'%s/keycloak.secret';\n%s};\n\n"
           "targets = (\n  { name = 'acme';\n%s%s    rate = { get = 1000.0; list = 1000.0; patch = 1000.0; "
           "post = "
           "1000.0; }; }\n);\n\n%s\n",
           real, c->kc_url, W.base, W.realm, W.kc_client, real, ca[0], target, ca[1],
           c->rules != NULL ? c->rules : company_rules);
    const char *bad = put_file(real, "keycloak.secret", W.kc_secret, 0600);
    bad = bad != NULL ? bad : put_file(real, "databricks.secret", c->local ? W.pat : W.dbx_secret, 0600);
    return bad != NULL ? bad : put_file(real, "keybricks.conf", text, 0644);
}
