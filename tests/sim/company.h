/* tests/sim/company.h: a made-up company of a given size, and the configuration that fits the running simulator.
 *
 * Why:       quickstart and bench want many people; system tests write a small world of their own (load.c).
 * Errors:    config_write: NULL, or what went wrong.
 */
#ifndef SIM_COMPANY_H
#define SIM_COMPANY_H

#include <stdbool.h>

enum start_state { START_DRIFT, START_EMPTY, START_IN_SYNC };

struct company {
    int users, groups, roles, memberships;
    enum start_state start;
    bool local; /* the Databricks groups are workspace groups */
};

void company_make(const struct company *c);

struct config_out {
    const char *dir, *kc_url, *dbx_url, *rules; /* rules NULL: those of company_make */
    const char *kc_ca, *dbx_ca;                 /* certificate files, or NULL */
    bool local;
};

const char *config_write(const struct config_out *c);

#endif
