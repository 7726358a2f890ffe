/* reconciler/report/view.h: what of a plan is shown, in which order, and in which words; the same for every
 * format for people.
 *
 * Why:    people first, risk before routine, everything that is *not* done is shown too (plan-output.md,
 * rules 1-5). Owns:   nothing; the view borrows the plan.
 */
#ifndef KB_REPORT_VIEW_H
#define KB_REPORT_VIEW_H

#include "reconciler/report/options.h"

enum view_section { VIEW_HELD, VIEW_PRIVILEGED, VIEW_CHANGES, VIEW_SECTION_MAX_ };

/* Where a group belongs: held by a guard, held because it is privileged, or routine. */
enum view_section view_section_of(const struct kb_plan *plan, const struct kb_plan_group *group);

/* "role ml-engineer <- group /data/ml", "account disabled": the first reason, in words; "(+2 paths)" when
 * there are more. `mask`: who granted it is a name too. */
void view_reason(const struct kb_plan *plan, const struct kb_plan_op *op, bool mask, struct kb_buf *b);

/* What became of the operation, or why it will not be done; "" for one that is simply ready. */
void view_state(const struct kb_plan *plan, const struct kb_plan_op *op, bool applied, bool mask,
                struct kb_buf *b);

bool view_held_by_run(const struct kb_plan *plan, const struct kb_plan_op *op);

/* "140 removals, limit 100". */
void view_guard(const struct kb_plan *plan, const struct kb_plan_guard *guard, struct kb_buf *b);

/* A name as it may be shown: visible, and masked when asked: first character, then stars, the domain's last
 * label. */
void view_name(const char *name, bool mask, struct kb_buf *b);

/* The name of a group, role or path, or a display name: visible, and in quotes when it could be taken for a mark or
 * a column of ours ("[held]", two blanks, " <- "). */
void view_object(const char *name, struct kb_buf *b);

/* A note as it may be shown; masked: each word of it with an '@'. */
void view_note(const char *note, bool mask, struct kb_buf *b);

/* "foreign", "no match", …: the words of the LEFT ALONE section. */
const char *view_left_words(enum kb_left list);

uint32_t view_count(const struct kb_plan *plan, const struct kb_plan_group *group, enum kb_op op);

#endif
