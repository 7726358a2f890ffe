#include "base/ban.h"

#include "reconciler/config/options.h"

#include "base/mem.h"
#include "reconciler/config/config.h"

static const char *const kc_auth_names[] = {"client_secret_basic", "client_secret_post", "private_key_jwt",
                                            "tls_client_auth",     "kubernetes",         NULL};
static const char *const level_names[] = {"account", "workspace", "workspace_proxy", NULL};
static const char *const dbx_auth_names[] = {"token_federation", "oauth_m2m", "token", NULL};
static const char *const version_names[] = {"2.0", "2.1", NULL};
static const char *const foreign_names[] = {"report", "remove", NULL};
static const char *const missing_names[] = {"report", "create", NULL};
static const char *const state_names[] = {"disk", "ephemeral", NULL};
static const char *const sandbox_names[] = {"auto", "require", "off", NULL};
static const char *const level_log_names[] = {"error", "warn", "info", "debug", NULL};

#define FILE_AT(field) .section = OPT_IN_FILE, .offset = offsetof(struct config, field)
#define TARGET_AT(field) .section = OPT_IN_TARGET, .offset = offsetof(struct config_target, field)
#define RULE_AT(field) .section = OPT_IN_RULE, .offset = offsetof(struct kb_rule, field)
#define TEXT .type = OPT_TEXT
#define NUM(lo, hi) .type = OPT_INT, .min = (lo), .max = (hi)
#define RATE .type = OPT_FLOAT, .min = 0.01, .max = 1000
#define COUNT NUM(0, 999999999)
#define PERCENT NUM(0, 100)
#define YESNO .type = OPT_BOOL

/* In the order of interface.md section 3, which is the order of `config show` and `config example`.
 * clang-format would make four lines of each row. */
/* clang-format off */
const struct option config_options[] = {
    {"state_dir", FILE_AT(state_dir), TEXT, .computed = "$STATE_DIRECTORY, then $XDG_STATE_HOME/keybricks", .example = "/var/lib/keybricks",
     .help = "Folder of the databases, one a target."},

    {"keycloak.url", FILE_AT(keycloak.url), .type = OPT_URL, .example = "https://sso.acme.example",
     .help = "Base URL of Keycloak; with /auth for versions before 17."},
    {"keycloak.realm", FILE_AT(keycloak.realm), TEXT, .example = "acme", .help = "The realm that is read."},
    {"keycloak.client_id", FILE_AT(keycloak.client_id), TEXT, .example = "keybricks",
     .help = "Confidential client with a service account that has view-users and view-realm."},
    {"keycloak.auth", FILE_AT(keycloak.auth), .type = OPT_ENUM, .names = kc_auth_names, .def = "client_secret_basic",
     .help = "How the client logs in."},
    {"keycloak.secret_file", FILE_AT(keycloak.secret.file), TEXT, .def = "", .example = "/etc/keybricks/keycloak.secret",
     .help = "File with the client secret; others may not read it."},
    {"keycloak.secret_env", FILE_AT(keycloak.secret.env), TEXT, .def = "", .help = "Or: environment variable with the secret."},
    {"keycloak.credential", FILE_AT(keycloak.secret.credential), TEXT, .def = "",
     .help = "Or: name of a file below $CREDENTIALS_DIRECTORY (systemd LoadCredential=)."},
    {"keycloak.key_file", FILE_AT(keycloak.key_file), TEXT, .def = "", .help = "Private key (PEM) for private_key_jwt and tls_client_auth."},
    {"keycloak.cert_file", FILE_AT(keycloak.cert_file), TEXT, .def = "", .help = "Client certificate (PEM) for tls_client_auth."},
    {"keycloak.token_file", FILE_AT(keycloak.token_file), TEXT, .def = "", .help = "Projected token for auth = \"kubernetes\", read anew each time."},
    {"keycloak.scope", FILE_AT(keycloak.scope), TEXT, .def = "", .help = "Requested scope; \"kc-admin-api\" from Keycloak 26.8.2 on."},
    {"keycloak.proxy", FILE_AT(keycloak.proxy), TEXT, .def = "", .help = "Proxy URL; \"env\" obeys the usual environment variables."},
    {"keycloak.ca_file", FILE_AT(keycloak.ca_file), TEXT, .def = "", .help = "CA certificates (PEM) instead of the system's."},
    {"keycloak.page_size", FILE_AT(keycloak.page_size), NUM(0, 10000), .def = "0", .help = "Rows a request; 0: each list in one request, which loses nobody."},
    {"keycloak.max_body_mib", FILE_AT(keycloak.max_body_mib), NUM(1, 2047), .def = "256", .help = "A longer answer is refused."},
    {"keycloak.concurrency", FILE_AT(keycloak.concurrency), NUM(1, 32), .def = "4", .help = "Requests in flight."},
    {"keycloak.canary_users", FILE_AT(rules.canary_users), .type = OPT_LIST, .def = "", .help = "User names that must be visible, else guard canary."},
    {"keycloak.canary_groups", FILE_AT(rules.canary_groups), .type = OPT_LIST, .def = "", .help = "Group paths that must be visible, else guard canary."},

    {"name", TARGET_AT(name), TEXT, .example = "acme", .help = "Letters, digits, -_. and unique: names the database file."},
    {"level", TARGET_AT(level), .type = OPT_ENUM, .names = level_names, .example = "account",
     .help = "account, workspace, or workspace_proxy (account groups through a workspace host)."},
    {"host", TARGET_AT(host), .type = OPT_URL, .example = "https://accounts.cloud.databricks.com", .help = "Base URL of the accounts or workspace host."},
    {"account_id", TARGET_AT(account_id), TEXT, .def = "", .example = "00000000-0000-0000-0000-000000000000", .help = "Needed at account level."},
    {"workspace_id", TARGET_AT(workspace_id), TEXT, .def = "", .help = "The workspace, when host serves several of them (a unified host)."},
    {"scim_version", TARGET_AT(scim_version), .type = OPT_TEXT, .names = version_names, .def = "2.0", .help = "Account SCIM version."},
    {"auth", TARGET_AT(auth), .type = OPT_ENUM, .names = dbx_auth_names, .example = "oauth_m2m",
     .help = "token_federation (Keycloak's token or token_file is exchanged), oauth_m2m (client_id and secret) or token (token_file)."},
    {"client_id", TARGET_AT(client_id), TEXT, .def = "", .example = "00000000-0000-0000-0000-000000000001", .help = "applicationId of the service principal."},
    {"secret_file", TARGET_AT(secret.file), TEXT, .def = "", .example = "/etc/keybricks/databricks.secret", .help = "File with the OAuth secret (oauth_m2m)."},
    {"secret_env", TARGET_AT(secret.env), TEXT, .def = "", .help = "Or: environment variable with the secret."},
    {"credential", TARGET_AT(secret.credential), TEXT, .def = "", .help = "Or: name of a file below $CREDENTIALS_DIRECTORY."},
    {"token_file", TARGET_AT(token_file), TEXT, .def = "", .help = "File with a token: the PAT (token), or the subject token (token_federation)."},
    {"proxy", TARGET_AT(proxy), TEXT, .def = "", .help = "Proxy URL; \"env\" obeys the usual environment variables."},
    {"ca_file", TARGET_AT(ca_file), TEXT, .def = "", .help = "CA certificates (PEM) instead of the system's."},
    {"max_body_mib", TARGET_AT(max_body_mib), NUM(1, 2047), .def = "64", .help = "A longer answer is refused."},
    {"concurrency", TARGET_AT(concurrency), NUM(1, 32), .def = "4", .help = "Requests in flight."},
    {"rate.get", TARGET_AT(rate[KB_HTTP_GET]), RATE, .example = "20.0", .computed = "20.0; workspace 4.0", .help = "GET requests a second."},
    {"rate.list", TARGET_AT(rate[KB_HTTP_LIST]), RATE, .example = "4.0", .computed = "4.0", .help = "Listing requests a second."},
    {"rate.patch", TARGET_AT(rate[KB_HTTP_PATCH]), RATE, .example = "2.0", .computed = "2.0; workspace 0.16", .help = "PATCH requests a second."},
    {"rate.post", TARGET_AT(rate[KB_HTTP_POST]), RATE, .example = "5.0", .computed = "5.0; workspace 0.5", .help = "POST requests a second."},

    {"match.users", FILE_AT(rules.match.users), .type = OPT_LIST, .def = "email,username",
     .help = "The first that a user has is compared with userName; also \"attribute:NAME\"."},
    {"match.verified_email_only", FILE_AT(rules.match.verified_email_only), YESNO, .def = "false", .help = "Ignore unverified e-mail addresses."},
    {"match.service_principals", FILE_AT(rules.match.service_attribute), TEXT, .def = "attribute:databricks_application_id",
     .help = "\"attribute:NAME\" of the service account = applicationId; \"client_id\" = displayName; \"off\"."},
    {"match.directory_disabled", FILE_AT(rules.match.directory_disabled_remove), .type = OPT_EITHER, .names = foreign_names, .def = "remove",
     .help = "People whom only their directory shows disabled: remove, or report."},
    {"match.missing_users", FILE_AT(rules.match.create_missing_users), .type = OPT_EITHER, .names = missing_names, .def = "report",
     .help = "People without a Databricks user: report, or create."},

    {"role", RULE_AT(object), TEXT, .def = "", .help = "Realm role. Exactly one of role, path, role_glob, path_glob, client_role."},
    {"path", RULE_AT(object), TEXT, .def = "", .help = "Group path."},
    {"role_glob", RULE_AT(object), TEXT, .def = "", .help = "Realm roles; {1} in group is what the first * matched."},
    {"path_glob", RULE_AT(object), TEXT, .def = "", .help = "Group paths; * stays within one level, ** crosses."},
    {"client_role", RULE_AT(object), TEXT, .def = "", .help = "client:role; needs view-clients."},
    {"group", RULE_AT(group), TEXT, .help = "displayName of the Databricks group."},
    {"subgroups", RULE_AT(subgroups), YESNO, .def = "false", .help = "With path: members of all groups below too."},
    {"create", RULE_AT(create), YESNO, .def = "false", .help = "Make the group when Databricks does not have it."},
    {"privileged", RULE_AT(privileged), YESNO, .def = "false", .help = "Additions need an approval; read in every run."},
    {"min_members", RULE_AT(min_members), .type = OPT_UINT, .min = 0, .max = 999999999, .example = "0", .computed = "0; 2 when privileged", .help = "Guard: never fewer."},
    {"foreign", RULE_AT(foreign), .type = OPT_ENUM, .names = foreign_names, .def = "report", .help = "Members added by hand in Databricks: report, or remove."},
    {"adopt_external", RULE_AT(adopt_external), YESNO, .def = "false", .help = "Manage the group although another provisioner's externalId is on it."},
    {"targets", RULE_AT(targets), .type = OPT_LIST, .def = "", .help = "Names of targets; empty: all."},

    {"exclude.users", FILE_AT(rules.exclude_users), .type = OPT_LIST, .def = "", .help = "User name, e-mail or id: left alone in both directions."},
    {"exclude.roles", FILE_AT(rules.exclude_roles), .type = OPT_LIST, .def = "", .help = "Roles that no glob matches."},
    {"exclude.paths", FILE_AT(rules.exclude_paths), .type = OPT_LIST, .def = "", .help = "Paths that no glob matches."},
    {"protect.groups", FILE_AT(rules.protect_groups), .type = OPT_LIST, .def = "", .help = "Never written, on top of admins, users and account users."},
    {"protect.members", FILE_AT(rules.protect_members), .type = OPT_LIST, .def = "", .help = "Names or ids in Databricks: never added, never removed."},

    {"snapshot.max_age_s", FILE_AT(snapshot_max_age_s), NUM(0, 604800), .def = "3600", .help = "Older knowledge of an unchanged group is read again."},
    {"run.deadline_s", FILE_AT(deadline_s), NUM(1, 86400), .def = "1800", .help = "The run ends by itself."},
    {"run.retry_budget_s", FILE_AT(retry_budget_s), NUM(0, 3600), .def = "300", .help = "Waiting for retries, summed over the run."},
    {"run.tries", FILE_AT(tries), NUM(1, 10), .def = "5", .help = "Times a request is sent."},
    {"run.verify_s", FILE_AT(verify_s), NUM(0, 600), .def = "150", .help = "How long to wait until written groups read back as written."},
    {"state", FILE_AT(ephemeral), .type = OPT_EITHER, .names = state_names, .def = "disk", .help = "ephemeral: no volume; tighter guards, audit on stdout."},
    {"sandbox", FILE_AT(sandbox), .type = OPT_TEXT, .names = sandbox_names, .def = "auto", .help = "Landlock and seccomp: auto, require, off."},
    {"approvals.required", FILE_AT(approvals_required), NUM(1, 2), .def = "1", .help = "Different people."},
    {"approvals.allowed_signers", FILE_AT(approvals_signers), TEXT, .def = "", .help = "ssh-keygen -Y allowed-signers file.", .unbuilt = true},
    {"approvals.dir", FILE_AT(approvals_dir), TEXT, .def = "", .help = "Folder with signed approvals.", .unbuilt = true},
    {"status.max_age_s", FILE_AT(status_max_age_s), NUM(60, 604800), .def = "2700", .help = "status says 7 when the last success is older."},
    {"credentials.warn_days", FILE_AT(warn_days), NUM(1, 3650), .def = "75", .help = "Age of a credential that is worth a warning.", .unbuilt = true},
    {"credentials.max_days", FILE_AT(max_days), NUM(1, 3650), .def = "90", .help = "Age of a credential that fails doctor.", .unbuilt = true},
    {"log.level", FILE_AT(log_level), .type = OPT_ENUM, .names = level_log_names, .def = "info", .help = "error, warn, info, debug."},
    {"metrics.file", FILE_AT(metrics_file), TEXT, .def = "", .help = "Prometheus textfile, written atomically.", .unbuilt = true},
    {"notify.webhook_url_file", FILE_AT(webhook_url_file), TEXT, .def = "", .help = "File with the URL to notify.", .unbuilt = true},
    {"notify.on", FILE_AT(notify_on), .type = OPT_LIST, .def = "held,failed,recovered", .help = "What is worth a notice.", .unbuilt = true},

    {"guards.first_run", FILE_AT(rules.limits.first_run), YESNO, .def = "true", .help = "The first write needs a saved plan."},
    {"guards.source_min_users", FILE_AT(rules.limits.source_min_users), NUM(1, 999999999), .def = "1", .help = "People behind all rules together."},
    {"guards.source_min_groups", FILE_AT(rules.limits.source_min_groups), NUM(1, 999999999), .def = "1", .help = "Existing roles and groups behind all rules together."},
    {"guards.source_shrink_percent", FILE_AT(rules.limits.source_shrink_percent), PERCENT, .def = "20", .help = "Fewer users, groups or memberships than last time."},
    {"guards.source_shrink_floor", FILE_AT(rules.limits.source_shrink_floor), COUNT, .def = "10", .help = "… and by more than this."},
    {"guards.max_removals_total", FILE_AT(rules.limits.max_removals_total), COUNT, .def = "100", .help = "Removals in a run."},
    {"guards.max_removals_percent", FILE_AT(rules.limits.max_removals_percent), PERCENT, .def = "10", .help = "Removals of the memberships present."},
    {"guards.max_removals_floor", FILE_AT(rules.limits.max_removals_floor), COUNT, .def = "10", .help = "… and more than this."},
    {"guards.group_max_removals_percent", FILE_AT(rules.limits.group_max_removals_percent), PERCENT, .def = "25", .help = "In a group of more than 20 members."},
    {"guards.group_max_removals_small", FILE_AT(rules.limits.group_max_removals_small), COUNT, .def = "5", .help = "In a group of up to 20 members."},
    {"guards.never_empty_from", FILE_AT(rules.limits.never_empty_from), NUM(1, 999999999), .def = "3", .help = "A group of that many members is never emptied."},
    {"guards.removal_window_percent", FILE_AT(rules.limits.removal_window_percent), PERCENT, .def = "20", .help = "Removals within the window, of present plus removed."},
    {"guards.removal_window_total", FILE_AT(rules.limits.removal_window_total), COUNT, .def = "200", .help = "Removals within the window."},
    {"guards.removal_window_floor", FILE_AT(rules.limits.removal_window_floor), COUNT, .def = "10", .help = "… and more than this (percent)."},
    {"guards.removal_window_hours", FILE_AT(rules.limits.removal_window_hours), NUM(1, 8760), .def = "24", .help = "Length of the window."},
    {"guards.max_additions_total", FILE_AT(rules.limits.max_additions_total), COUNT, .def = "500", .help = "Additions in a run."},
    {"guards.max_additions_percent", FILE_AT(rules.limits.max_additions_percent), PERCENT, .def = "50", .help = "Additions of the memberships present."},
    {"guards.max_additions_floor", FILE_AT(rules.limits.max_additions_floor), COUNT, .def = "50", .help = "… and more than this."},
    {"guards.privileged_additions", FILE_AT(rules.limits.privileged_additions), COUNT, .def = "0", .help = "Additions to a privileged group."},
    {"guards.max_group_creations", FILE_AT(rules.limits.max_group_creations), COUNT, .def = "10", .help = "Groups made in a run."},
    {"guards.max_user_creations", FILE_AT(rules.limits.max_user_creations), COUNT, .def = "50", .help = "Users made in a run."},
    {"guards.rules_change_percent", FILE_AT(rules.limits.rules_change_percent), PERCENT, .def = "20", .help = "Managed groups dropped since the last success."},
    {"guards.rules_change_floor", FILE_AT(rules.limits.rules_change_floor), COUNT, .def = "3", .help = "… and more than this."},
    {"guards.source_object_gone", FILE_AT(rules.limits.source_object_gone), YESNO, .def = "true", .help = "A role or path behind a group is not there any more."},
    {"guards.directory_disabled_percent", FILE_AT(rules.limits.directory_disabled_percent), PERCENT, .def = "5", .help = "People of one directory shown disabled."},
    {"guards.directory_disabled_floor", FILE_AT(rules.limits.directory_disabled_floor), COUNT, .def = "3", .help = "… and more than this."},
    {"guards.directory_contradicted_percent", FILE_AT(rules.limits.directory_contradicted_percent), PERCENT, .def = "5", .help = "Removals that cached rows contradict."},
    {"guards.directory_contradicted_floor", FILE_AT(rules.limits.directory_contradicted_floor), COUNT, .def = "3", .help = "… and more than this."},
    {"guards.undo_of_granted", FILE_AT(rules.limits.undo_of_granted), YESNO, .def = "true", .help = "An undo contradicts what Keycloak grants."},
    {"guards.protected_group", FILE_AT(rules.limits.protected_group), YESNO, .def = "true", .help = "Protected groups are never written."},
    {"guards.protected_member", FILE_AT(rules.limits.protected_member), YESNO, .def = "true", .help = "Protected members are never moved."},
    {"guards.self_check", FILE_AT(rules.limits.self_check), YESNO, .def = "true", .help = "The program's own memberships are never moved."},
    {"guards.write_errors", FILE_AT(rules.limits.write_errors), NUM(1, 999999999), .def = "5", .help = "Failed writes in a row that end a run (or 20 % of at least 10)."},
    {"guards.quarantine", FILE_AT(rules.limits.quarantine), NUM(1, 100), .def = "3", .help = "Failed runs in a row after which nothing is written."},
    {"guards.plan_max_age_s", FILE_AT(rules.limits.plan_max_age_s), NUM(60, 604800), .def = "86400", .help = "An older saved plan is stale."},
};
/* clang-format on */

const size_t config_options_len = KB_LEN(config_options);
