/* One value of the file, or of the table's default, into its field: type, range, names, URLs. */
#include "base/ban.h"

#include "reconciler/config/value.h"

#include "base/str.h"

static int
name_index(const char *const *names, const char *s)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], s))
            return i;
    return -1;
}

static void
store_list_text(struct loading *l, struct kb_strings *list, const char *def)
{
    while (*def) {
        size_t n = strcspn(def, ",");
        if (!config_list_add(l, list, def, n))
            return;
        def += n + (def[n] == ',');
    }
}

void
config_set_default(struct loading *l, const struct option *o, void *base)
{
    void *at = (char *) base + o->offset;
    if (!o->def)
        return;
    switch (o->type) {
    case OPT_TEXT:
    case OPT_URL:
        *(const char **) at = o->def;
        break;
    case OPT_INT: {
        int64_t v = 0;
        (void) kb_parse_i64(o->def, INT64_MIN, INT64_MAX,
                            &v); /* a literal of the table; the table's test checks it */
        *(int64_t *) at = v;
        break;
    }
    case OPT_BOOL:
        *(bool *) at = !strcmp(o->def, "true");
        break;
    case OPT_ENUM:
        *(int *) at = name_index(o->names, o->def);
        break;
    case OPT_EITHER:
        *(bool *) at = name_index(o->names, o->def) == 1;
        break;
    case OPT_LIST:
        store_list_text(l, at, o->def);
        break;
    case OPT_UINT:
    case OPT_FLOAT:
        break; /* computed ones only */
    }
}

static const char *
type_name(enum option_type type)
{
    static const char *const names[] = {"a text in double quotes",
                                        "a URL in double quotes",
                                        "a whole number",
                                        "a whole number",
                                        "a number",
                                        "true or false",
                                        "a text in double quotes",
                                        "a text in double quotes",
                                        "a list of texts: [ \"a\", \"b\" ]"};
    return names[type];
}

static void
wrong_type(struct loading *l, const char *key, const struct option *o, unsigned line)
{
    config_error(l, line, "%s must be %s", key, type_name(o->type));
}

static void
names_text(const char *const *names, char *ret, size_t size)
{
    size_t len = 0;
    ret[0] = 0;
    for (size_t i = 0; names[i] && len < size; i++) {
        int n =
            snprintf(ret + len, size - len, "%s\"%s\"", i ? (names[i + 1] ? ", " : " or ") : "", names[i]);
        len += n > 0 ? (size_t) n : 0;
    }
}

static bool
one_of(struct loading *l, const char *key, const struct option *o, const char *s, unsigned line, int *ret)
{
    *ret = name_index(o->names, s);
    if (*ret >= 0)
        return true;
    char all[256];
    names_text(o->names, all, sizeof(all));
    size_t n = 0;
    while (o->names[n])
        n++;
    const char *near = kb_nearest(s, o->names, n);
    config_error(l, line, "%s = \"%.80s\" is not known; it is %s%s%s%s", key, s, all,
                 near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    return false;
}

/* https, or http to a literal loopback address; the transport checks again. Returns the length without
 * trailing slashes, 0 if bad. */
static size_t
url_length(const char *url)
{
    size_t len = strlen(url);
    while (len && url[len - 1] == '/')
        len--;
    if (len > 2000 || kb_has_control(url) || strpbrk(url, "@ ?#\\\"<>"))
        return 0;
    if (!strncmp(url, "https://", 8))
        return len > 8 ? len : 0;
    if (strncmp(url, "http://", 7) != 0)
        return 0;
    const char *host = url + 7;
    size_t host_len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    if (host_len == 5 && !strncmp(host, "[::1]", 5))
        return len;
    unsigned dots = 0;
    for (size_t i = 0; i < host_len; i++) {
        if (host[i] == '.')
            dots++;
        else if (host[i] < '0' || host[i] > '9')
            return 0;
    }
    return dots == 3 && !strncmp(host, "127.", 4) ? len : 0;
}

static void
set_text(struct loading *l, const char *key, const struct option *o, void *at, const config_setting_t *s)
{
    unsigned line = (unsigned) config_setting_source_line(s);
    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        wrong_type(l, key, o, line);
        return;
    }
    const char *v = config_setting_get_string(s);
    size_t len = strlen(v);
    int index = 0;
    if (!kb_utf8_valid(v, len)) {
        config_error(l, line, "%s is not valid UTF-8", key);
    } else if (kb_has_control(v)) {
        config_error(l, line, "%s holds a control or invisible character", key);
    } else if (o->type == OPT_ENUM || o->type == OPT_EITHER) {
        if (!one_of(l, key, o, v, line, &index))
            return;
        if (o->type == OPT_ENUM)
            *(int *) at = index;
        else
            *(bool *) at = index == 1;
    } else if (o->names && !one_of(l, key, o, v, line, &index)) {
        return;
    } else if (o->type == OPT_URL && !(len = url_length(v))) {
        config_error(l, line,
                     "%s = \"%.120s\" must be an https URL without user name, query or blanks (http only to "
                     "a literal loopback address such as http://127.0.0.1:8080)",
                     key, v);
    } else {
        *(const char **) at = config_text(l, v, len);
    }
}

static void
set_number(struct loading *l, const char *key, const struct option *o, void *at, const config_setting_t *s)
{
    unsigned line = (unsigned) config_setting_source_line(s);
    int type = config_setting_type(s);
    double v = 0;
    if (type == CONFIG_TYPE_INT)
        v = config_setting_get_int(s);
    else if (type == CONFIG_TYPE_INT64)
        v = (double) config_setting_get_int64(s);
    else if (type == CONFIG_TYPE_FLOAT && o->type == OPT_FLOAT)
        v = config_setting_get_float(s);
    else {
        wrong_type(l, key, o, line);
        return;
    }
    if (!(v >= o->min && v <= o->max)) {
        if (o->type == OPT_FLOAT)
            config_error(l, line, "%s must lie between %.2f and %.1f", key, o->min, o->max);
        else
            config_error(l, line, "%s must lie between %.0f and %.0f", key, o->min, o->max);
    } else if (o->type == OPT_FLOAT) {
        *(double *) at = v;
    } else if (o->type == OPT_UINT) {
        *(unsigned *) at = (unsigned) v;
    } else {
        *(int64_t *) at = (int64_t) v;
    }
}

static void
set_list(struct loading *l, const char *key, const struct option *o, struct kb_strings *list,
         const config_setting_t *s)
{
    int type = config_setting_type(s);
    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) {
        wrong_type(l, key, o, (unsigned) config_setting_source_line(s));
        return;
    }
    for (unsigned i = 0; i < (unsigned) config_setting_length(s); i++) {
        const config_setting_t *e = config_setting_get_elem(s, i);
        unsigned line = (unsigned) config_setting_source_line(e);
        const char *v = config_setting_type(e) == CONFIG_TYPE_STRING ? config_setting_get_string(e) : NULL;
        if (!v)
            wrong_type(l, key, o, line);
        else if (!*v || !kb_utf8_valid(v, strlen(v)) || kb_has_control(v))
            config_error(l, line, "%s: an entry is empty or holds a control or invisible character", key);
        else
            (void) config_list_add(l, list, v, strlen(v));
    }
}

void
config_set_value(struct loading *l, const char *key, const struct option *o, void *base,
                 const config_setting_t *s)
{
    void *at = (char *) base + o->offset;
    if (o->type != OPT_LIST)
        config_set_default(l, o, base); /* what the checks that follow find when the value is refused */
    switch (o->type) {
    case OPT_TEXT:
    case OPT_URL:
    case OPT_ENUM:
    case OPT_EITHER:
        set_text(l, key, o, at, s);
        break;
    case OPT_INT:
    case OPT_UINT:
    case OPT_FLOAT:
        set_number(l, key, o, at, s);
        break;
    case OPT_BOOL:
        if (config_setting_type(s) == CONFIG_TYPE_BOOL)
            *(bool *) at = config_setting_get_bool(s);
        else
            wrong_type(l, key, o, (unsigned) config_setting_source_line(s));
        break;
    case OPT_LIST:
        set_list(l, key, o, at, s);
        break;
    }
}
