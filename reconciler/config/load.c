/* libconfig -> struct config, through the table in options.c. All errors of a file in one go. */
#include "base/ban.h"

#include "reconciler/config/internal.h"
#include "reconciler/config/value.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>

void
config_error(struct loading *l, unsigned line, const char *fmt, ...)
{
    if (l->errors->len >= CONFIG_ERRORS_MAX)
        return;
    KB_CLEANUP(kb_buf) struct kb_buf text = KB_BUF_INIT(2048);
    KB_CLEANUP(kb_buf) struct kb_buf out = KB_BUF_INIT(8192);
    va_list ap;
    va_start(ap, fmt);
    char message[1024];
    (void) vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    if (line)
        kb_buf_addf(&text, "%s:%u: %s", l->path, line, message);
    else
        kb_buf_addf(&text, "%s: %s", l->path, message);
    kb_buf_add_visible(&out, kb_buf_str(&text));
    char **grown = realloc(l->errors->v, (l->errors->len + 1) * sizeof(*grown));
    if (!grown) {
        l->nomem = true;
        return;
    }
    l->errors->v = grown;
    grown[l->errors->len] = kb_buf_steal(&out);
    if (!grown[l->errors->len])
        l->nomem = true;
    else
        l->errors->len++;
}

void
config_errors_done(struct config_errors *errors)
{
    for (size_t i = 0; i < errors->len; i++)
        free(errors->v[i]);
    free(errors->v);
    *errors = (struct config_errors){0};
}

const char *
config_text(struct loading *l, const char *s, size_t len)
{
    struct storage *st = l->config->storage;
    char *copy = kb_strndup(s, len);
    if (!copy || !kb_grow(&st->texts, &st->texts_cap, st->texts_len + 1, sizeof(*st->texts), SIZE_MAX / 16)) {
        free(copy);
        l->nomem = true;
        return "";
    }
    return st->texts[st->texts_len++] = copy;
}

bool
config_list_add(struct loading *l, struct kb_strings *list, const char *s, size_t len)
{
    char **grown = realloc(list->v, (list->len + 1) * sizeof(*grown));
    if (!grown) {
        l->nomem = true;
        return false;
    }
    list->v = grown;
    char *copy = kb_strndup(s, len);
    if (!copy) {
        l->nomem = true;
        return false;
    }
    grown[list->len++] = copy;
    return true;
}

/* ---- the walk ---- */

static const char *const *
section_keys(enum option_section section, size_t *ret_len)
{
    static const char *keys[OPT_SECTION_MAX_][128];
    static size_t len[OPT_SECTION_MAX_];
    if (!len[section]) {
        for (size_t i = 0; i < config_options_len; i++)
            if (config_options[i].section == section)
                keys[section][len[section]++] = config_options[i].key;
        if (section == OPT_IN_FILE) {
            keys[section][len[section]++] = "version";
            keys[section][len[section]++] = "targets";
            keys[section][len[section]++] = "rules";
        }
    }
    *ret_len = len[section];
    return keys[section];
}

/* 1: an option of that key; 2: a group that holds options. */
static int
find_option(enum option_section section, const char *key, const struct option **ret)
{
    size_t n = strlen(key);
    int found = 0;
    for (size_t i = 0; i < config_options_len; i++) {
        const struct option *o = &config_options[i];
        if (o->section != section)
            continue;
        if (!strcmp(o->key, key)) {
            *ret = o;
            return 1;
        }
        if (!strncmp(o->key, key, n) && o->key[n] == '.')
            found = 2;
    }
    return found;
}

struct walk {
    struct loading *l;
    enum option_section section;
    void *base;
    const char *where;  /* "" or "target 1: ", as `config show`, plans and explain count too */
    unsigned line[128]; /* by index into config_options: where it was set */
};

static void
unknown_key(struct walk *w, const char *key, unsigned line)
{
    size_t n;
    const char *const *keys = section_keys(w->section, &n);
    const char *near = kb_nearest(key, keys, n);
    if (!near) { /* the right leaf in the wrong group: "page_size" for "keycloak.page_size" */
        const char *leaf = strrchr(key, '.') ? strrchr(key, '.') + 1 : key;
        for (size_t i = 0; i < n && !near; i++) {
            const char *dot = strrchr(keys[i], '.');
            if (!strcmp(dot ? dot + 1 : keys[i], leaf))
                near = keys[i];
        }
    }
    config_error(w->l, line, "%sunknown key %s%s%s", w->where, key,
                 near ? "; did you mean " : "; `keybricks config example` lists all keys", near ? near : "");
}

static void
walk_group(struct walk *w, const config_setting_t *group, const char *prefix)
{
    for (unsigned i = 0; i < (unsigned) config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, i);
        const char *name = config_setting_name(s);
        char key[256];
        (void) snprintf(key, sizeof(key), "%s%s", prefix, name ? name : "");
        if (w->section == OPT_IN_FILE && !*prefix &&
            (!strcmp(key, "version") || !strcmp(key, "targets") || !strcmp(key, "rules")))
            continue;
        const struct option *o = NULL;
        unsigned line = (unsigned) config_setting_source_line(s);
        int found = find_option(w->section, key, &o);
        if (found == 1) {
            char full[320];
            (void) snprintf(full, sizeof(full), "%s%s", w->where, key);
            w->line[o - config_options] = line;
            config_set_value(w->l, full, o, w->base, s);
            if (o->unbuilt)
                config_error(w->l, line, "%s is not built yet: this version would ignore it; leave it out",
                             full);
        } else if (found == 2 && config_setting_is_group(s)) {
            char deeper[258];
            (void) snprintf(deeper, sizeof(deeper), "%s.", key);
            walk_group(w, s, deeper);
        } else if (found == 2) {
            config_error(w->l, line, "%s%s must be a group: %s = { … };", w->where, key, key);
        } else {
            unknown_key(w, key, line);
        }
    }
}

/* Defaults for what was not set; required keys that are missing; lines for `config show`. */
static void
finish_section(struct walk *w, unsigned line)
{
    for (size_t i = 0; i < config_options_len; i++) {
        const struct option *o = &config_options[i];
        if (o->section != w->section)
            continue;
        if (!w->line[i] && o->def)
            config_set_default(w->l, o, w->base);
        else if (!w->line[i] && !o->computed)
            config_error(w->l, line, "%s%s is missing%s%s", w->where, o->key,
                         o->example ? "; for example " : "", o->example ? o->example : "");
    }
}

static void
show_section(struct walk *w)
{
    for (size_t i = 0; i < config_options_len; i++)
        if (config_options[i].section == w->section)
            config_shown(w->l, w->where, &config_options[i], w->base, w->line[i]);
}

static bool
list_of_groups(struct loading *l, const config_t *file, const char *name, size_t max,
               const config_setting_t **ret)
{
    const config_setting_t *s = config_lookup(file, name);
    *ret = s;
    if (!s) {
        config_error(l, 0, "%s is missing: %s = ( { … } );", name, name);
        return false;
    }
    unsigned line = (unsigned) config_setting_source_line(s);
    if (config_setting_type(s) != CONFIG_TYPE_LIST || config_setting_length(s) == 0) {
        config_error(l, line, "%s must be a list of at least one group in parentheses: %s = ( { … } );", name,
                     name);
        return false;
    }
    if ((size_t) config_setting_length(s) > max) {
        config_error(l, line, "%s has more than %zu entries", name, max);
        return false;
    }
    for (unsigned i = 0; i < (unsigned) config_setting_length(s); i++) {
        const config_setting_t *e = config_setting_get_elem(s, i);
        if (!config_setting_is_group(e)) {
            config_error(l, (unsigned) config_setting_source_line(e), "entry %u of %s must be a group: { … }",
                         i + 1, name);
            return false;
        }
    }
    return true;
}

static void
load_targets(struct loading *l, const config_t *file)
{
    const config_setting_t *list;
    if (!list_of_groups(l, file, "targets", CONFIG_TARGETS_MAX, &list))
        return;
    size_t n = (size_t) config_setting_length(list);
    l->config->targets = calloc(n, sizeof(*l->config->targets));
    if (!l->config->targets) {
        l->nomem = true;
        return;
    }
    l->config->targets_len = n;
    for (size_t i = 0; i < n; i++) {
        const config_setting_t *s = config_setting_get_elem(list, (unsigned) i);
        struct config_target *t = &l->config->targets[i];
        t->name = t->host = "";
        t->line = (unsigned) config_setting_source_line(s);
        char where[32];
        (void) snprintf(where, sizeof(where), "target %zu: ", i + 1);
        struct walk w = {.l = l, .section = OPT_IN_TARGET, .base = t, .where = where};
        walk_group(&w, s, "");
        finish_section(&w, t->line);
        static const double account[] = {20, 4, 2, 5}, workspace[] = {4, 4, 0.16, 0.5};
        for (size_t c = 0; c < KB_HTTP_CLASS_MAX_; c++)
            if (t->rate[c] <= 0)
                t->rate[c] = t->level == LEVEL_WORKSPACE ? workspace[c] : account[c];
        show_section(&w);
    }
}

static const char *const rule_kind_keys[KB_RULE_KIND_MAX_] = {"role", "role_glob", "path", "path_glob",
                                                              "client_role"};

static void
load_rule(struct loading *l, const config_setting_t *s, struct kb_rule *r)
{
    char where[32];
    (void) snprintf(where, sizeof(where), "rule %u: ", r->number);
    r->line = (unsigned) config_setting_source_line(s);
    r->object = r->group = "";
    struct walk w = {.l = l, .section = OPT_IN_RULE, .base = r, .where = where};
    unsigned kinds = 0;
    /* The kinds share one field: which key was used is the kind. */
    for (unsigned k = 0; k < KB_RULE_KIND_MAX_; k++) {
        if (config_setting_get_member(s, rule_kind_keys[k])) {
            r->kind = (enum kb_rule_kind) k;
            kinds++;
        }
    }
    walk_group(&w, s, "");
    const char *object = r->object;
    finish_section(&w, r->line);
    if (kinds != 1)
        config_error(l, r->line,
                     "%sexactly one of role, path, role_glob, path_glob, client_role is needed; there are %u",
                     where, kinds);
    r->object = kinds == 1 ? object : "/?"; /* one message is enough for a rule of no kind */
    bool own_minimum = config_setting_get_member(s, "min_members") != NULL;
    if (!own_minimum)
        r->min_members = r->privileged ? 2 : 0;
    if (l->config->ephemeral && !config_setting_get_member(s, "foreign"))
        config_error(
            l, r->line,
            "%sforeign = \"report\" or \"remove\" must be said: state = \"ephemeral\" keeps no ledger",
            where);
    for (size_t i = 0; i < config_options_len; i++) {
        const struct option *o = &config_options[i];
        bool kind = o->section == OPT_IN_RULE && o->offset == offsetof(struct kb_rule, object);
        if (o->section == OPT_IN_RULE && (!kind || w.line[i]))
            config_shown(l, where, o, r, w.line[i]);
    }
}

static void
load_rules(struct loading *l, const config_t *file)
{
    const config_setting_t *list;
    if (!list_of_groups(l, file, "rules", CONFIG_RULES_MAX, &list))
        return;
    size_t n = (size_t) config_setting_length(list);
    struct kb_rule *rules = calloc(n, sizeof(*rules));
    if (!rules) {
        l->nomem = true;
        return;
    }
    l->config->rules.rules = rules;
    l->config->rules.rules_len = n;
    for (size_t i = 0; i < n; i++) {
        rules[i].number = (unsigned) i + 1;
        load_rule(l, config_setting_get_elem(list, (unsigned) i), &rules[i]);
    }
}

static void
load_version(struct loading *l, const config_t *file)
{
    const config_setting_t *s = config_lookup(file, "version");
    if (!s)
        config_error(l, 0, "version is missing: version = 1;");
    else if (config_setting_type(s) != CONFIG_TYPE_INT || config_setting_get_int(s) != 1)
        config_error(l, (unsigned) config_setting_source_line(s),
                     "version must be 1: this program knows no other");
}

static const char *
default_state_dir(struct loading *l)
{
    const char *dir = l->env("STATE_DIRECTORY");
    if (dir && *dir)
        return config_text(l, dir, strcspn(dir, ":")); /* systemd: several are joined by ':' */
    const char *xdg = l->env("XDG_STATE_HOME"), *home = l->env("HOME");
    char path[4096];
    int n = xdg && *xdg     ? snprintf(path, sizeof(path), "%s/keybricks", xdg)
            : home && *home ? snprintf(path, sizeof(path), "%s/.local/state/keybricks", home)
                            : -1;
    if (n < 0 || (size_t) n >= sizeof(path)) {
        config_error(l, 0,
                     "state_dir is missing, and neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME is set");
        return "";
    }
    return config_text(l, path, (size_t) n);
}

static void
load_file(struct loading *l, const config_t *file)
{
    struct config *c = l->config;
    load_version(l, file);
    struct walk w = {.l = l, .section = OPT_IN_FILE, .base = c, .where = ""};
    walk_group(&w, config_root_setting(file), "");
    finish_section(&w, 0);
    if (!c->state_dir)
        c->state_dir = default_state_dir(l);
    show_section(&w);
    load_targets(l, file);
    load_rules(l, file);
    config_check(l);
}

static int
parse_text(struct loading *l, const char *text, size_t len)
{
    unsigned comma = 0;
    config_scan(l, text, len, &comma);
    config_t file;
    config_init(&file);
    if (memchr(text, 0, len)) {
        config_error(l, 0, "this is not a text file: it holds a NUL byte");
    } else if (config_read_string(&file, text)) {
        load_file(l, &file);
    } else {
        unsigned line = (unsigned) config_error_line(&file);
        const char *why = config_error_text(&file);
        if (comma && comma <= line)
            config_error(
                l, line,
                "%s; line %u ends in a comma before the closing bracket, which libconfig does not take",
                why ? why : "syntax error", comma);
        else
            config_error(l, line, "%s", why ? why : "syntax error");
    }
    config_destroy(&file);
    return l->errors->len ? -1 : 0;
}

int
config_load(const char *path, const char *(*env)(const char *name), struct config **ret,
            struct config_errors *ret_errors, struct kb_error *err)
{
    KB_CLEANUP(config) struct config *config = calloc(1, sizeof(*config));
    struct storage *storage = calloc(1, sizeof(*storage));
    if (config)
        config->storage = storage;
    if (!config || !storage) {
        free(storage);
        return kb_fail(err, KB_E_NOMEM, "configuration");
    }
    KB_CLEANUP(kb_buf) struct kb_buf text = KB_BUF_INIT(CONFIG_SIZE_MAX);
    struct loading l = {.config = config, .path = path, .env = env, .errors = ret_errors};
    config->path = config_text(&l, path, strlen(path));
    struct kb_error io = {0};
    if (kb_file_read(path, &text, &io) < 0) {
        if (io.sub == ENOENT)
            return kb_fail(err, KB_E_CONFIG,
                           "%s: there is no such file; `keybricks config example` prints one to start from",
                           path);
        return kb_fail(err, KB_E_CONFIG, "%s", io.msg);
    }
    int r = parse_text(&l, kb_buf_str(&text), text.len);
    if (l.nomem)
        return kb_fail(err, KB_E_NOMEM, "configuration");
    if (r < 0)
        return kb_fail(err, KB_E_CONFIG, "%s", ret_errors->v[0]);
    r = config_digest(config, err);
    if (r < 0)
        return r;
    *ret = kb_steal(&config);
    return 0;
}

const char *
config_default_path(const char *(*env)(const char *name))
{
    const char *named = env("KEYBRICKS_CONFIG");
    if (named && *named)
        return named;
    return access("./keybricks.conf", F_OK) == 0 ? "./keybricks.conf" : "/etc/keybricks/keybricks.conf";
}
