/* reconciler/config/options.h: the one table of all configuration keys. Private to config/.
 *
 * Why:    parsing, ranges, defaults, `config show`, `config example` and the documentation come from the same
 * row, so they cannot disagree. Source: interface.md sections 3 and 4.
 */
#ifndef KB_CONFIG_OPTIONS_H
#define KB_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPT_TEXT,   /* const char * */
    OPT_URL,    /* const char *, https, or http to a literal loopback address; trailing slashes dropped */
    OPT_INT,    /* int64_t */
    OPT_UINT,   /* unsigned */
    OPT_FLOAT,  /* double */
    OPT_BOOL,   /* bool */
    OPT_ENUM,   /* enum, by its names in order */
    OPT_EITHER, /* bool: second of two names */
    OPT_LIST,   /* struct kb_strings */
};

enum option_section { OPT_IN_FILE, OPT_IN_TARGET, OPT_IN_RULE, OPT_SECTION_MAX_ };

struct option {
    const char *key; /* path within its section: "keycloak.url", "rate.get" */
    enum option_section section;
    enum option_type type;
    size_t offset;            /* into struct config, config_target or kb_rule */
    const char *def;          /* as text; NULL: required, or computed (see `computed`) */
    const char *computed;     /* default in words, when it depends on something else */
    double min, max;          /* numbers */
    const char *const *names; /* OPT_ENUM, OPT_EITHER; NULL-terminated */
    const char *example;      /* for `config example`, where there is no default */
    const char *help;
    bool unbuilt; /* specified, but this version does nothing with it: refused, never ignored */
};

extern const struct option config_options[];
extern const size_t config_options_len;

#endif
