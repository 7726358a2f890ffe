/* reconciler/report/report.h: a plan as a person or a program reads it.
 *
 * Why:    the same renderer prints plan, apply result and undo, so they can be compared; a new format is a
 * file here. Rule:   view.c decides what is shown and in which order; text.c and its sisters only how it
 * looks. Names are attacker-controlled text: control, bidi and zero-width characters never come out raw
 * (spec/plan-output.md, rule 10). Owns:   the caller owns the buffer. Source: plan-output.md; interface.md
 * section 5.
 */
#ifndef KB_REPORT_REPORT_H
#define KB_REPORT_REPORT_H

#include "reconciler/report/options.h"

/* JSON is the document of plan/file.h (which sets the digests: the plan is not const). */
int report_render(struct kb_plan *plan, enum report_format format, const struct report_opts *opts,
                  struct kb_buf *ret, struct kb_error *err);

bool report_format_from_name(const char *name, enum report_format *ret);

#endif
