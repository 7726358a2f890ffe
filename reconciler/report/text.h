/* reconciler/report/text.h: the plan on a terminal, 80 columns, no colour meaning without a sign. Source:
 * plan-output.md section 1. */
#ifndef KB_REPORT_TEXT_H
#define KB_REPORT_TEXT_H

#include "reconciler/report/options.h"

int report_text(const struct kb_plan *plan, const struct report_opts *opts, struct kb_buf *ret,
                struct kb_error *err);

#endif
