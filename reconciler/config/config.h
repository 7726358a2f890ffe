/* reconciler/config/config.h: the configuration, every value checked, every secret still a path.
 *
 * Why:    one table drives parsing, ranges, defaults, `config show`, `config example`, the man page and the
 * README's table. Owns:   struct config owns all strings (config_free); everyone else borrows. Errors:
 * config_load collects every error of the file in one go (struct config_errors); syntax errors and duplicate
 * keys, where libconfig stops, are single. Source: interface.md section 3; c-anchors section 5
 * (libconfig 1.5).
 */
#ifndef KB_CONFIG_CONFIG_H
#define KB_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/error.h"
#include "base/http.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "model/rules.h"

enum config_kc_auth { KC_AUTH_BASIC, KC_AUTH_POST, KC_AUTH_JWT, KC_AUTH_TLS, KC_AUTH_KUBERNETES };

enum config_level { LEVEL_ACCOUNT, LEVEL_WORKSPACE, LEVEL_PROXY };

enum config_dbx_auth { DBX_AUTH_FEDERATION, DBX_AUTH_M2M, DBX_AUTH_TOKEN };

struct config_keycloak {
    const char *url, *realm, *client_id, *scope, *proxy, *ca_file, *key_file, *cert_file, *token_file;
    enum config_kc_auth auth;
    struct kb_secret_source secret;
    int64_t page_size, max_body_mib, concurrency;
};

struct config_target {
    const char *place; /* host, and which workspace of it: whose database and whose plan this is */
    const char *name, *host, *account_id, *workspace_id, *scim_version, *client_id, *token_file, *proxy,
        *ca_file;
    enum config_level level;
    enum config_dbx_auth auth;
    struct kb_secret_source secret;
    double rate[KB_HTTP_CLASS_MAX_];
    int64_t max_body_mib, concurrency;
    unsigned line;
};

struct config {
    const char *path, *state_dir;
    struct config_keycloak keycloak;
    struct config_target *targets;
    size_t targets_len;
    struct kb_rules rules; /* rules, match, exclude, protect, canaries, guards */
    int64_t snapshot_max_age_s;
    int64_t deadline_s, retry_budget_s, tries, verify_s;
    bool ephemeral;
    const char *sandbox; /* "auto", "require", "off" */
    int64_t approvals_required;
    const char *approvals_signers, *approvals_dir;
    int64_t status_max_age_s, warn_days, max_days;
    enum kb_log_level log_level;
    const char *metrics_file, *webhook_url_file;
    struct kb_strings notify_on;
    void *storage; /* private: the texts, and where each value came from */
};

/* Errors of a file: each one line "FILE:LINE: cause; cure". */
struct config_errors {
    char **v;
    size_t len;
};

/* `env` is getenv or a test's. Returns -KB_E_CONFIG with err set to the first and all of them in *ret_errors.
 */
int config_load(const char *path, const char *(*env)(const char *name), struct config **ret,
                struct config_errors *ret_errors, struct kb_error *err);
void config_free(struct config *config);
KB_DEFINE_CLEANUP(config, struct config *, config_free)
void config_errors_done(struct config_errors *errors);

/* $KEYBRICKS_CONFIG, ./keybricks.conf, /etc/keybricks/keybricks.conf; the first that exists, else the last.
 */
const char *config_default_path(const char *(*env)(const char *name));

int config_show(const struct config *config,
                struct kb_buf *ret);    /* secrets hidden, defaults filled in, source line of each */
int config_example(struct kb_buf *ret); /* a commented file that config_load accepts */
int config_table(struct kb_buf *ret);   /* Markdown rows for README and manual */

#endif
