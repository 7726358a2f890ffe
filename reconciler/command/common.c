#include "base/ban.h"

#include "reconciler/command/command.h"

#include "base/file.h"
#include "reconciler/plan/file.h"
#include "store/store.h"

#include <errno.h>

int
command_store(const struct command_context *c, const struct config_target *t, int mode, struct store **ret,
              struct kb_error *err)
{
    static const char *const levels[] = {"account", "workspace", "workspace_proxy"};
    const struct config_keycloak *k = &c->config->keycloak;
    KB_CLEANUP(kb_free) char *issuer = kb_asprintf("%s/realms/%s", k->url, k->realm);
    if (!issuer)
        return kb_fail(err, KB_E_NOMEM, "issuer");
    const struct store_identity id = {.target = t->name,
                                      .host = t->place,
                                      .account_id = t->account_id,
                                      .level = levels[t->level],
                                      .issuer = issuer};
    return store_open(c->config->state_dir, &id, (enum store_mode) mode, ret, err);
}

void
command_print(struct command_context *c, const char *bytes, size_t size)
{
    errno = 0;
    if ((fwrite(bytes, 1, size, stdout) != size || fflush(stdout) != 0) && errno != EPIPE)
        outcome_add(&c->outcome, EXIT_ERROR, "the report could not be written to stdout: %s",
                    strerror(errno));
}

int
command_read_plan(const char *path, struct kb_plan *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf bytes = KB_BUF_INIT(KB_PLAN_FILE_SIZE_MAX);
    if (kb_file_read(path, &bytes, err) < 0) {
        err->code = KB_E_USAGE; /* a file named on the command line that is not there */
        return -KB_E_USAGE;
    }
    int e = kb_plan_read(kb_buf_str(&bytes), bytes.len, ret, err);
    return e < 0 ? kb_fail_prefix(err, "%.200s", path) : 0;
}
