/* reconciler/config/value.h: one setting into its field. Private to config/; the only header that shows
 * libconfig's types. */
#ifndef KB_CONFIG_VALUE_H
#define KB_CONFIG_VALUE_H

#include "reconciler/config/internal.h"

#include <libconfig.h>

/* Checks and stores; every fault is a config_error at the setting's line. `key` is the full key for messages.
 */
void config_set_value(struct loading *l, const char *key, const struct option *o, void *base,
                      const config_setting_t *s);

#endif
