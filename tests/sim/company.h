/* tests/sim/company.h: where the world comes from, and the configuration that fits it.
 *
 * Why:       quickstart and bench want a made-up company of a given size, system tests a small world of their
 * own. Owns:      both makers fill W and settle it; load_world takes the file's text. Errors:    false and a
 * message to be freed.
 */
#ifndef SIM_COMPANY_H
#define SIM_COMPANY_H

#include "tests/sim/world.h"

enum start_state { START_DRIFT, START_EMPTY, START_IN_SYNC };

struct company {
    int users, groups, roles, memberships;
    enum start_state start;
    bool local; /* the Databricks groups are workspace groups */
};

void company_make(const struct company *c);
bool load_world(const char *json, char **rules,
                char **err); /* rules: the file's own, libconfig text, or NULL */

struct config_out {
    const char *dir, *kc_url, *dbx_url, *rules; /* rules NULL: those of company_make */
    const char *kc_ca, *dbx_ca;                 /* certificate files, or NULL */
    bool local;
};

bool config_write(const struct config_out *c, char **err);

#endif
