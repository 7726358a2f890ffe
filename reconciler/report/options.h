/* reconciler/report/options.h: what every renderer is told. Strings are borrowed. */
#ifndef KB_REPORT_OPTIONS_H
#define KB_REPORT_OPTIONS_H

#include "base/buf.h"
#include "base/error.h"
#include "model/plan.h"

enum report_format { REPORT_TEXT, REPORT_MARKDOWN, REPORT_HTML, REPORT_JSON, REPORT_CSV, REPORT_FORMAT_MAX_ };

struct report_opts {
    bool color;      /* only ever on a terminal */
    bool mask_users; /* e-mail addresses and names are masked */
    bool verbose;    /* ids too */
    bool applied;    /* the operations carry results: what was done, not what would be */
    bool no_ledger;
    const char *no_ledger_why;
    const char *config_path; /* as the user named it */
    const char *saved_as;    /* --save FILE or the held plan's path, NULL none */
    unsigned people_max;     /* people listed a group in text before "and N more"; 0: all */
};

#endif
