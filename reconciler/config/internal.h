/* reconciler/config/internal.h: what the files of config/ share. Private.
 *
 * Owns: struct loading lives for one config_load; the texts move into config->storage.
 */
#ifndef KB_CONFIG_INTERNAL_H
#define KB_CONFIG_INTERNAL_H

#include "reconciler/config/config.h"
#include "reconciler/config/options.h"

#define CONFIG_SIZE_MAX (1u << 20)
#define CONFIG_ERRORS_MAX 100
#define CONFIG_RULES_MAX 10000
#define CONFIG_TARGETS_MAX 1000

struct storage { /* config->storage */
    char **texts;
    size_t texts_len, texts_cap;

    struct shown { /* one line of `config show` */
        char *key, *value;
        unsigned line; /* 0: default */
    } * shown;

    size_t shown_len, shown_cap;
};

struct loading {
    struct config *config;
    const char *path;
    const char *(*env)(const char *name);
    struct config_errors *errors;
    bool nomem;
};

/* Adds "FILE:LINE: message" (line 0: "FILE: message"). */
void config_error(struct loading *l, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A copy that lives as long as the configuration; NULL sets l->nomem. */
const char *config_text(struct loading *l, const char *s, size_t len);
bool config_list_add(struct loading *l, struct kb_strings *list, const char *s, size_t len);

/* Stores a value given as text (defaults) into its field; the text must be valid. */
void config_set_default(struct loading *l, const struct option *o, void *base);
void config_shown(struct loading *l, const char *prefix, const struct option *o, const void *base,
                  unsigned line);

/* What libconfig 1.5 would silently change, found in the text before it is parsed: integers of over nine
 * digits and with leading zeros, @include. *ret_comma: line of the first trailing comma, 0 none. Source:
 * c-anchors section 5 [tried]. */
void config_scan(struct loading *l, const char *text, size_t len, unsigned *ret_comma);

/* What only several values together can say. */
void config_check(struct loading *l);
int config_digest(struct config *config, struct kb_error *err);

#endif
