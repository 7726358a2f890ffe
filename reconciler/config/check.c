/* What only several values together can say: contradictions, missing halves, names that clash. */
#include "base/ban.h"

#include "reconciler/config/internal.h"

#include "base/hash.h"
#include "base/str.h"

static const char *const rule_kind_names[KB_RULE_KIND_MAX_] = {"role", "role_glob", "path", "path_glob",
                                                               "client_role"};

static bool
set(const char *s)
{
    return s && *s;
}

static unsigned
secrets(const struct kb_secret_source *s)
{
    return (unsigned) set(s->file) + (unsigned) set(s->env) + (unsigned) set(s->credential);
}

static void
check_secret(struct loading *l, const char *where, unsigned line, const struct kb_secret_source *s,
             bool wanted, const char *auth)
{
    unsigned n = secrets(s);
    if (wanted && n != 1)
        config_error(l, line,
                     "%s: auth = \"%s\" needs exactly one of secret_file, secret_env, credential; %u are set",
                     where, auth, n);
    else if (!wanted && n)
        config_error(l, line, "%s: auth = \"%s\" takes no secret_file, secret_env or credential", where,
                     auth);
}

static void
check_need(struct loading *l, const char *where, unsigned line, const char *value, const char *key,
           const char *why)
{
    if (!set(value))
        config_error(l, line, "%s: %s is missing; it is needed %s", where, key, why);
}

static void
check_keycloak(struct loading *l)
{
    struct config_keycloak *k = &l->config->keycloak;
    bool secret = k->auth == KC_AUTH_BASIC || k->auth == KC_AUTH_POST;
    static const char *const names[] = {"client_secret_basic", "client_secret_post", "private_key_jwt",
                                        "tls_client_auth", "kubernetes"};
    check_secret(l, "keycloak", 0, &k->secret, secret, names[k->auth]);
    if (k->auth == KC_AUTH_JWT || k->auth == KC_AUTH_TLS)
        check_need(l, "keycloak", 0, k->key_file, "key_file", "for this auth");
    if (k->auth == KC_AUTH_TLS)
        check_need(l, "keycloak", 0, k->cert_file, "cert_file", "for auth = \"tls_client_auth\"");
    if (k->auth == KC_AUTH_KUBERNETES)
        check_need(l, "keycloak", 0, k->token_file, "token_file", "for auth = \"kubernetes\"");
}

static bool
good_name(const char *s)
{
    size_t n = strlen(s);
    if (!n || n > 64 || *s == '.' || *s == '-')
        return false;
    return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

/* The number of a workspace becomes a header, and part of the target's name for itself: two workspaces of one
 * host are two targets, in the database's identity, in the plan and in its fingerprint. */
static void
check_workspace(struct loading *l, const char *where, struct config_target *t)
{
    char place[4200];
    t->place = t->host;
    if (!set(t->workspace_id))
        return;
    if (!kb_is_digits(t->workspace_id, 1, 19) || *t->workspace_id == '0')
        config_error(l, t->line, "%s: workspace_id is the number of a workspace, 1 to 19 digits", where);
    else if (t->level == LEVEL_ACCOUNT)
        config_error(l, t->line, "%s: workspace_id belongs to level = \"workspace\" and \"workspace_proxy\"",
                     where);
    int n = snprintf(place, sizeof(place), "%s/?o=%s", t->host ? t->host : "", t->workspace_id);
    if (n > 0 && (size_t) n < sizeof(place))
        t->place = config_text(l, place, (size_t) n);
    else
        config_error(l, t->line, "%s: host is too long", where);
}

static void
check_target_auth(struct loading *l, const char *where, const struct config_target *t)
{
    static const char *const names[] = {"token_federation", "oauth_m2m", "token"};
    check_secret(l, where, t->line, &t->secret, t->auth == DBX_AUTH_M2M, names[t->auth]);
    if (t->auth == DBX_AUTH_M2M)
        check_need(l, where, t->line, t->client_id, "client_id", "for auth = \"oauth_m2m\"");
    if (t->auth == DBX_AUTH_TOKEN)
        check_need(l, where, t->line, t->token_file, "token_file", "for auth = \"token\"");
    if (t->auth == DBX_AUTH_M2M && set(t->token_file))
        config_error(l, t->line, "%s: auth = \"oauth_m2m\" takes no token_file", where);
    if (t->auth == DBX_AUTH_TOKEN && t->level == LEVEL_ACCOUNT && strcmp(t->scim_version, "2.1") != 0)
        config_error(l, t->line,
                     "%s: at account level a token works only with scim_version = \"2.1\" (the SCIM token of "
                     "the account console); use oauth_m2m or token_federation",
                     where);
}

static void
check_targets(struct loading *l)
{
    struct config *c = l->config;
    for (size_t i = 0; i < c->targets_len; i++) {
        struct config_target *t = &c->targets[i];
        char where[96];
        (void) snprintf(where, sizeof(where), "target \"%.64s\"", t->name);
        if (set(t->name) && !good_name(t->name))
            config_error(l, t->line,
                         "%s: a name is 1 to 64 letters, digits, -_. and does not begin with - or .", where);
        for (size_t k = 0; k < i; k++)
            if (!kb_ascii_casecmp(c->targets[k].name, t->name))
                config_error(l, t->line, "%s: line %u has a target of that name already", where,
                             c->targets[k].line);
        if (t->level == LEVEL_ACCOUNT)
            check_need(l, where, t->line, t->account_id, "account_id", "at account level");
        if (t->level != LEVEL_ACCOUNT && strcmp(t->scim_version, "2.0") != 0)
            config_error(l, t->line, "%s: scim_version = \"2.1\" exists only at account level", where);
        if (t->level == LEVEL_PROXY && c->rules.match.service != KB_MATCH_SERVICE_OFF)
            config_error(
                l, t->line,
                "%s: level = \"workspace_proxy\" shows users only; set match.service_principals = \"off\"",
                where);
        check_workspace(l, where, t);
        check_target_auth(l, where, t);
    }
}

/* match.service_principals is one text in the file and two fields in the model. */
static void
check_match(struct loading *l)
{
    struct kb_match *m = &l->config->rules.match;
    const char *s = m->service_attribute;
    m->service = KB_MATCH_SERVICE_ATTRIBUTE;
    m->service_attribute = NULL;
    if (!strcmp(s, "client_id"))
        m->service = KB_MATCH_SERVICE_CLIENT_ID;
    else if (!strcmp(s, "off"))
        m->service = KB_MATCH_SERVICE_OFF;
    else if (!strncmp(s, "attribute:", 10) && s[10])
        m->service_attribute = s + 10;
    else
        config_error(l, 0,
                     "match.service_principals = \"%.80s\" is not known; it is \"attribute:NAME\", "
                     "\"client_id\" or \"off\"",
                     s);
    if (m->users.len == 0)
        config_error(l, 0, "match.users is empty: nobody could be matched");
    for (size_t i = 0; i < m->users.len; i++) {
        const char *u = m->users.v[i];
        bool attribute = !strncmp(u, "attribute:", 10) && u[10];
        if (attribute && m->user_attribute)
            config_error(l, 0, "match.users names two attributes; one is possible");
        else if (attribute)
            m->user_attribute = u + 10;
        else if (strcmp(u, "email") != 0 && strcmp(u, "username") != 0)
            config_error(
                l, 0,
                "match.users: \"%.80s\" is not known; it is \"email\", \"username\" or \"attribute:NAME\"",
                u);
    }
}

static size_t
count_stars(const char *glob)
{
    size_t n = 0;
    for (; *glob; glob++)
        if (*glob == '*') {
            n++;
            while (glob[1] == '*')
                glob++;
        }
    return n;
}

/* {1}…{9} in the group's name must fit the stars of the glob. */
static void
check_captures(struct loading *l, const struct kb_rule *r)
{
    bool glob = r->kind == KB_RULE_ROLE_GLOB || r->kind == KB_RULE_PATH_GLOB;
    size_t stars = glob ? count_stars(r->object) : 0;
    size_t used = 0;
    for (const char *p = strchr(r->group, '{'); p; p = strchr(p + 1, '{')) {
        if (p[1] < '1' || p[1] > '9' || p[2] != '}')
            continue;
        used++;
        if (!glob)
            config_error(l, r->line, "rule %u: {%c} in group needs role_glob or path_glob", r->number, p[1]);
        else if ((size_t) (p[1] - '0') > stars)
            config_error(l, r->line, "rule %u: {%c} in group, but %s \"%.100s\" has %zu *", r->number, p[1],
                         rule_kind_names[r->kind], r->object, stars);
    }
    if (glob && !stars)
        config_error(l, r->line, "rule %u: %s \"%.100s\" has no *; write %s", r->number,
                     rule_kind_names[r->kind], r->object, r->kind == KB_RULE_ROLE_GLOB ? "role" : "path");
    else if (glob && !used)
        config_error(l, r->line,
                     "rule %u: a glob without {1} in group would pour everybody into one group; write {1}, "
                     "or one rule for each role or path",
                     r->number);
}

static bool
protected_group(const struct kb_rules *rules, const char *name)
{
    static const char *const builtin[] = {"admins", "users", "account users"};
    for (size_t i = 0; i < KB_LEN(builtin); i++)
        if (!kb_ascii_casecmp(builtin[i], name))
            return true;
    for (size_t i = 0; i < rules->protect_groups.len; i++)
        if (!kb_ascii_casecmp(rules->protect_groups.v[i], name))
            return true;
    return false;
}

static void
check_rule_object(struct loading *l, struct kb_rule *r)
{
    bool path = r->kind == KB_RULE_PATH || r->kind == KB_RULE_PATH_GLOB;
    if (!set(r->object)) {
        config_error(l, r->line, "rule %u: %s is empty", r->number, rule_kind_names[r->kind]);
    } else if (path && *r->object != '/') {
        config_error(l, r->line, "rule %u: a group path starts with /: \"/%.100s\"", r->number, r->object);
    } else if (r->kind == KB_RULE_CLIENT_ROLE) {
        const char *colon = strchr(r->object, ':');
        if (!colon || colon == r->object || !colon[1]) {
            config_error(l, r->line, "rule %u: client_role is \"client:role\"", r->number);
            return;
        }
        r->client = config_text(l, r->object, (size_t) (colon - r->object));
        r->object = colon + 1;
    }
    if (r->subgroups && !path)
        config_error(l, r->line, "rule %u: subgroups belongs to path and path_glob", r->number);
}

static void
check_rule_pair(struct loading *l, const struct kb_rule *a, const struct kb_rule *b)
{
    const char *what = a->create != b->create                   ? "create"
                       : a->privileged != b->privileged         ? "privileged"
                       : a->min_members != b->min_members       ? "min_members"
                       : a->foreign != b->foreign               ? "foreign"
                       : a->adopt_external != b->adopt_external ? "adopt_external"
                                                                : NULL;
    if (what)
        config_error(l, b->line,
                     "rules %u (line %u) and %u (line %u) name group \"%.100s\" and disagree about %s",
                     a->number, a->line, b->number, b->line, b->group, what);
}

static int
by_group(const void *a, const void *b)
{
    const struct kb_rule *const *x = a, *const *y = b;
    int c = strcmp((*x)->group, (*y)->group);
    return c ? c : (int) (*x)->number - (int) (*y)->number;
}

static void
check_rule_union(struct loading *l)
{
    struct kb_rules *rules = &l->config->rules;
    struct kb_rule **sorted =
        calloc(rules->rules_len + 1, sizeof(*sorted)); /* NOLINT(bugprone-sizeof-expression) */
    if (!sorted) {
        l->nomem = true;
        return;
    }
    for (size_t i = 0; i < rules->rules_len; i++)
        sorted[i] = &rules->rules[i];
    qsort(sorted, rules->rules_len, sizeof(*sorted), by_group); /* NOLINT(bugprone-sizeof-expression) */
    for (size_t i = 1; i < rules->rules_len; i++)
        if (set(sorted[i]->group) && !strcmp(sorted[i - 1]->group, sorted[i]->group))
            check_rule_pair(l, sorted[i - 1], sorted[i]);
    free(sorted);
}

static void
check_rules(struct loading *l)
{
    struct config *c = l->config;
    for (size_t i = 0; i < c->rules.rules_len; i++) {
        struct kb_rule *r = &c->rules.rules[i];
        check_rule_object(l, r);
        check_captures(l, r);
        if (strlen(r->group) > 255)
            config_error(l, r->line, "rule %u: group has more than 255 bytes, which Databricks does not take",
                         r->number);
        if (set(r->group) && protected_group(&c->rules, r->group))
            config_error(l, r->line, "rule %u: group \"%.100s\" is protected and never written", r->number,
                         r->group);
        for (size_t t = 0; t < r->targets.len; t++) {
            bool known = false;
            for (size_t k = 0; k < c->targets_len; k++)
                known |= !strcmp(c->targets[k].name, r->targets.v[t]);
            if (!known)
                config_error(l, r->line, "rule %u: there is no target \"%.64s\"", r->number, r->targets.v[t]);
        }
    }
    check_rule_union(l);
}

/* Values that the contract knows and this version does not do are refused, like keys of that kind: who asks for a
 * sandbox or a second approver must not believe to have it. */
static void
check_promises(struct loading *l)
{
    if (!strcmp(l->config->sandbox, "require"))
        config_error(l, 0, "sandbox = \"require\" is not built yet; leave it out");
    if (l->config->approvals_required > 1)
        config_error(l, 0, "approvals.required = 2 is not built yet; leave it out");
}

/* Elsewhere an unset source is NULL. */
static void
unset_empty(struct kb_secret_source *s)
{
    s->file = set(s->file) ? s->file : NULL;
    s->env = set(s->env) ? s->env : NULL;
    s->credential = set(s->credential) ? s->credential : NULL;
}

void
config_check(struct loading *l)
{
    struct config *c = l->config;
    check_match(l);
    check_keycloak(l);
    check_targets(l);
    check_rules(l);
    check_promises(l);
    const struct kb_limits *g = &c->rules.limits;
    if (!g->protected_group || !g->protected_member || !g->self_check)
        config_error(l, 0,
                     "guards.protected_group, protected_member and self_check cannot be switched off; leave "
                     "them out, or true");
    if (c->state_dir && *c->state_dir && *c->state_dir != '/')
        config_error(l, 0,
                     "state_dir = \"%.200s\" must be an absolute path: cron and systemd start elsewhere",
                     c->state_dir);
    unset_empty(&c->keycloak.secret);
    for (size_t i = 0; i < c->targets_len; i++)
        unset_empty(&c->targets[i].secret);
}

/* ---- the rules' digest: whatever decides a plan, and nothing else (no file names, no rates) ---- */

static void
add_list(struct kb_hash *h, const char *name, const struct kb_strings *list)
{
    kb_hash_adds(h, name);
    for (size_t i = 0; i < list->len; i++) {
        kb_hash_add(h, "\0", 1);
        kb_hash_adds(h, list->v[i]);
    }
    kb_hash_add(h, "\n", 1);
}

int
config_digest(struct config *c, struct kb_error *err)
{
    struct kb_hash h;
    kb_hash_init(&h);
    const struct kb_match *m = &c->rules.match;
    add_list(&h, "match.users", &m->users);
    char line[512];
    (void) snprintf(line, sizeof(line), "match %d %d %.300s %d %d\n", m->verified_email_only,
                    (int) m->service, m->service_attribute ? m->service_attribute : "",
                    m->directory_disabled_remove, m->create_missing_users);
    kb_hash_adds(&h, line);
    add_list(&h, "exclude.users", &c->rules.exclude_users);
    add_list(&h, "exclude.roles", &c->rules.exclude_roles);
    add_list(&h, "exclude.paths", &c->rules.exclude_paths);
    add_list(&h, "protect.groups", &c->rules.protect_groups);
    add_list(&h, "protect.members", &c->rules.protect_members);
    for (size_t i = 0; i < c->rules.rules_len; i++) {
        const struct kb_rule *r = &c->rules.rules[i];
        (void) snprintf(line, sizeof(line), "rule %u %s %d %d %d %d %d %u\n", r->number,
                        rule_kind_names[r->kind], r->subgroups, r->create, r->privileged, (int) r->foreign,
                        r->adopt_external, r->min_members);
        kb_hash_adds(&h, line);
        const char *texts[] = {r->client ? r->client : "", r->object, r->group};
        for (size_t k = 0; k < KB_LEN(texts); k++) {
            kb_hash_adds(&h, texts[k]);
            kb_hash_add(&h, "\0", 1);
        }
        add_list(&h, "targets", &r->targets);
    }
    if (!kb_hash_final_digest(&h, c->rules.digest))
        return kb_fail(err, KB_E_NOMEM, "digest of the rules");
    return 0;
}
