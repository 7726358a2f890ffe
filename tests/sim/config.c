/* tests/sim/config.c: secrets and a keybricks.conf that fit the running simulator. Source: interface.md
 * section 3. */
#include "tests/sim/company.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static bool
put_file(const char *dir, const char *name, const char *text, mode_t mode, char **err)
{
    char *path = xfmt("%s/%s", dir, name);
    (void) unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    size_t n = strlen(text);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t) n;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    if (!ok)
        *err = xfmt("cannot write %s: %s", path, strerror(errno));
    free(path);
    return ok;
}

bool
config_write(const struct config_out *c, char **err)
{
    if (mkdir(c->dir, 0700) != 0 && errno != EEXIST) {
        *err = xfmt("cannot make %s: %s", c->dir, strerror(errno));
        return false;
    }
    char *real = realpath(c->dir, NULL);
    const char *dir = real != NULL ? real : c->dir;
    struct buf b = {0};
    buf_f(&b,
          "# written by keybricks-sim; it is the configuration of that process only\nversion = 1;\nstate_dir "
          "= \"%s/state\";\n\n",
          dir);
    buf_f(&b,
          "keycloak = {\n  url = \"%s%s\";\n  realm = \"%s\";\n  client_id = \"%s\";\n  secret_file = "
          "\"%s/keycloak.secret\";\n",
          c->kc_url, W.base, W.realm, W.kc_client, dir);
    if (c->kc_ca != NULL)
        buf_f(&b, "  ca_file = \"%s\";\n", c->kc_ca);
    buf_lit(&b, "};\n\ntargets = (\n  { name = \"acme\";\n");
    if (c->local)
        buf_f(&b,
              "    level = \"workspace\";\n    host = \"%s\";\n    auth = \"token\";\n    token_file = "
              "\"%s/databricks.secret\";\n",
              c->dbx_url, dir);
    else
        buf_f(&b,
              "    level = \"account\";\n    host = \"%s\";\n    account_id = \"%s\";\n    auth = "
              "\"oauth_m2m\";\n    client_id = \"%s\";\n    secret_file = \"%s/databricks.secret\";\n",
              c->dbx_url, W.account, W.dbx_client, dir);
    if (c->dbx_ca != NULL)
        buf_f(&b, "    ca_file = \"%s\";\n", c->dbx_ca);
    buf_lit(&b, "    rate = { get = 1000.0; list = 1000.0; patch = 1000.0; post = 1000.0; }; }\n);\n\n");
    buf_s(&b, c->rules != NULL ? c->rules : company_rules);
    buf_lit(&b, "\n");
    bool ok = put_file(dir, "keycloak.secret", W.kc_secret, 0600, err) &&
              put_file(dir, "databricks.secret", c->local ? W.pat : W.dbx_secret, 0600, err) &&
              put_file(dir, "keybricks.conf", b.p, 0644, err);
    buf_free(&b);
    free(real);
    return ok;
}
