/* The configuration as a person sees it: `config show`, `config example`, and the table of the manual. */
#include "base/ban.h"

#include "reconciler/config/internal.h"

#include "base/str.h"

static void
add_list(struct kb_buf *b, const struct kb_strings *list)
{
    kb_buf_adds(b, list->len ? "[ " : "[ ]");
    for (size_t i = 0; i < list->len; i++) {
        kb_buf_adds(b, i ? ", " : "");
        kb_buf_add_json(b, list->v[i]);
    }
    kb_buf_adds(b, list->len ? " ]" : "");
}

/* A proxy may be written with user and password. */
static void
add_text(struct kb_buf *b, const struct option *o, const char *s)
{
    const char *at = strstr(o->key, "proxy") ? strrchr(s, '@') : NULL;
    const char *scheme = at ? strstr(s, "://") : NULL;
    if (!at) {
        kb_buf_add_json(b, s);
        return;
    }
    KB_CLEANUP(kb_buf) struct kb_buf hidden = KB_BUF_INIT(4096);
    if (scheme)
        kb_buf_add(&hidden, s, (size_t) (scheme + 3 - s));
    kb_buf_adds(&hidden, "(hidden)");
    kb_buf_adds(&hidden, at);
    kb_buf_add_json(b, kb_buf_str(&hidden));
}

static void
add_value(struct kb_buf *b, const struct option *o, const void *base)
{
    const void *at = (const char *) base + o->offset;
    switch (o->type) {
    case OPT_TEXT:
    case OPT_URL: {
        const char *s = *(const char *const *) at;
        add_text(b, o, s ? s : "");
        break;
    }
    case OPT_INT:
        kb_buf_addf(b, "%lld", (long long) *(const int64_t *) at);
        break;
    case OPT_UINT:
        kb_buf_addf(b, "%u", *(const unsigned *) at);
        break;
    case OPT_FLOAT:
        kb_buf_addf(b, "%.2f", *(const double *) at);
        break;
    case OPT_BOOL:
        kb_buf_adds(b, *(const bool *) at ? "true" : "false");
        break;
    case OPT_ENUM:
        kb_buf_addf(b, "\"%s\"", o->names[*(const int *) at]);
        break;
    case OPT_EITHER:
        kb_buf_addf(b, "\"%s\"", o->names[*(const bool *) at]);
        break;
    case OPT_LIST:
        add_list(b, at);
        break;
    }
}

void
config_shown(struct loading *l, const char *prefix, const struct option *o, const void *base, unsigned line)
{
    struct storage *st = l->config->storage;
    KB_CLEANUP(kb_buf) struct kb_buf value = KB_BUF_INIT(CONFIG_SIZE_MAX * 2);
    add_value(&value, o, base);
    if (!kb_grow(&st->shown, &st->shown_cap, st->shown_len + 1, sizeof(*st->shown), SIZE_MAX / 64)) {
        l->nomem = true;
        return;
    }
    struct shown *s = &st->shown[st->shown_len];
    *s = (struct shown){
        .key = kb_asprintf("%s%s", prefix, o->key), .value = kb_buf_steal(&value), .line = line};
    st->shown_len++; /* freed with the storage, also when half of it is missing */
    if (!s->key || !s->value)
        l->nomem = true;
}

int
config_show(const struct config *config, struct kb_buf *ret)
{
    const struct storage *st = config->storage;
    kb_buf_adds(ret, "# ");
    kb_buf_add_visible(ret, config->path);
    kb_buf_addf(ret, "\n# rules %.19s\n", config->rules.digest);
    for (size_t i = 0; i < st->shown_len; i++) {
        const struct shown *s = &st->shown[i];
        kb_buf_add_visible(ret, s->key);
        kb_buf_adds(ret, " = ");
        kb_buf_add_visible(ret, s->value);
        if (s->line)
            kb_buf_addf(ret, ";  # line %u\n", s->line);
        else
            kb_buf_adds(ret, ";  # default\n");
    }
    return ret->failed ? -1 : 0;
}

/* ---- example ---- */

static void
example_row(struct kb_buf *b, const struct option *o, const char *indent, const char *leaf)
{
    bool required =
        o->example && (!o->def || strstr("secret_file account_id client_id", leaf)) && !o->computed;
    kb_buf_addf(b, "%s# %s", indent, o->help);
    if (o->type == OPT_INT || o->type == OPT_UINT)
        kb_buf_addf(b, " %.0f..%.0f.", o->min, o->max);
    if (o->computed)
        kb_buf_addf(b, " Default: %s.", o->computed);
    kb_buf_adds(b, o->unbuilt ? " Not built yet: refused." : "");
    kb_buf_addf(b, "\n%s%s%s = ", indent, required ? "" : "# ", leaf);
    const char *v = required ? o->example : o->def ? o->def : o->example ? o->example : "1.0";
    if (o->type == OPT_LIST) {
        kb_buf_adds(b, "[ ");
        for (const char *p = v; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
            kb_buf_addf(b, "%s\"%.*s\"", p == v ? "" : ", ", (int) strcspn(p, ","), p);
        kb_buf_adds(b, *v ? " ]" : "]");
    } else if (o->type == OPT_INT || o->type == OPT_UINT || o->type == OPT_FLOAT || o->type == OPT_BOOL) {
        kb_buf_adds(b, v);
    } else {
        kb_buf_add_json(b, v);
    }
    kb_buf_adds(b, ";\n");
}

static void
example_section(struct kb_buf *b, enum option_section section, const char *indent)
{
    char open[64] = "";
    for (size_t i = 0; i < config_options_len; i++) {
        const struct option *o = &config_options[i];
        if (o->section != section)
            continue;
        const char *dot = strchr(o->key, '.');
        size_t n = dot ? (size_t) (dot - o->key) : 0;
        if (strlen(open) != n || strncmp(open, o->key, n) != 0) {
            if (*open)
                kb_buf_addf(b, "%s};\n", indent);
            (void) snprintf(open, sizeof(open), "%.*s", (int) n, o->key);
            if (n)
                kb_buf_addf(b, "\n%s%s = {\n", indent, open);
        }
        char deeper[32];
        (void) snprintf(deeper, sizeof(deeper), "%s%s", indent, n ? "  " : "");
        example_row(b, o, deeper, dot ? dot + 1 : o->key);
    }
    if (*open)
        kb_buf_addf(b, "%s};\n", indent);
}

static const char example_rules[] =
    "\nrules = (\n"
    "  # The people who hold a realm role, through groups, parents and composites too.\n"
    "  { role = \"ml-engineer\";  group = \"ml-engineers\"; },\n"
    "  # The members of a group, with everything below it.\n"
    "  { path = \"/data/science\";  group = \"data-scientists\";  subgroups = true; },\n"
    "  # {1} is what the first * matched.\n"
    "  { role_glob = \"dbx-*\";  group = \"{1}\";  create = true; },\n"
    "  # Additions need an approval, and people added by hand in Databricks are removed.\n"
    "  { role = \"platform-admin\";  group = \"dbx-platform-admins\";  privileged = true;  foreign = "
    "\"remove\"; }\n"
    ");\n";

int
config_example(struct kb_buf *ret)
{
    kb_buf_adds(ret, "# keybricks.conf: every key, with its default where it has one (commented out).\n"
                     "# Syntax: libconfig. Check it with `keybricks -c FILE config check`.\n"
                     "version = 1;\n");
    example_section(ret, OPT_IN_FILE, "");
    kb_buf_adds(ret, "\ntargets = (\n  {\n");
    example_section(ret, OPT_IN_TARGET, "    ");
    kb_buf_adds(ret, "  }\n);\n");
    kb_buf_adds(ret, example_rules);
    return ret->failed ? -1 : 0;
}

int
config_table(struct kb_buf *ret)
{
    static const char *const prefixes[] = {"", "targets[].", "rules[]."};
    kb_buf_adds(ret, "| key | default | range | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < config_options_len; i++) {
        const struct option *o = &config_options[i];
        kb_buf_addf(ret, "| `%s%s` | %s | ", prefixes[o->section], o->key,
                    o->computed ? o->computed
                    : !o->def   ? "required"
                    : *o->def   ? o->def
                                : "none");
        if (o->names)
            for (size_t k = 0; o->names[k]; k++)
                kb_buf_addf(ret, "%s%s", k ? ", " : "", o->names[k]);
        else if (o->type == OPT_FLOAT)
            kb_buf_addf(ret, "%.2f..%.1f", o->min, o->max);
        else if (o->type == OPT_INT || o->type == OPT_UINT)
            kb_buf_addf(ret, "%.0f..%.0f", o->min, o->max);
        else
            kb_buf_adds(ret, o->type == OPT_BOOL   ? "true, false"
                             : o->type == OPT_LIST ? "list"
                             : o->type == OPT_URL  ? "URL"
                                                   : "text");
        kb_buf_addf(ret, " | %s%s |\n", o->help, o->unbuilt ? " Not built yet: refused." : "");
    }
    return ret->failed ? -1 : 0;
}

/* ---- freeing ---- */

static void
free_list(struct kb_strings *list)
{
    for (size_t i = 0; i < list->len; i++)
        free(list->v[i]);
    free(list->v);
}

void
config_free(struct config *c)
{
    if (!c)
        return;
    struct storage *st = c->storage;
    for (size_t i = 0; i < c->rules.rules_len; i++)
        free_list(&c->rules.rules[i].targets);
    free(c->rules.rules);
    struct kb_strings *lists[] = {
        &c->rules.match.users,   &c->rules.exclude_users,  &c->rules.exclude_roles,
        &c->rules.exclude_paths, &c->rules.protect_groups, &c->rules.protect_members,
        &c->rules.canary_users,  &c->rules.canary_groups,  &c->notify_on};
    for (size_t i = 0; i < KB_LEN(lists); i++)
        free_list(lists[i]);
    free(c->targets);
    for (size_t i = 0; st && i < st->texts_len; i++)
        free(st->texts[i]);
    for (size_t i = 0; st && i < st->shown_len; i++) {
        free(st->shown[i].key);
        free(st->shown[i].value);
    }
    if (st) {
        free(st->texts);
        free(st->shown);
    }
    free(st);
    free(c);
}
