/* model/near.h: names that a person takes for the same one although they differ.
 *
 * Why:    people are matched by exact names, ASCII case aside; a Cyrillic letter, a zero-width character or a
 * decomposed umlaut makes another name. Nobody is granted anything by such a likeness, but whoever reads the
 * plan must be told of it. Never used to decide that two names are the same.
 * Source: interface.md section 3 "Identity"; reliability.md F57; Unicode UAX 15, UTS 39.
 */
#ifndef KB_MODEL_NEAR_H
#define KB_MODEL_NEAR_H

#include "base/buf.h"

/* Names with the same fold look alike: compatibility decomposition, full case folding, what cannot be seen
 * taken out, letters and digits by their looks, blanks at both ends dropped. Appends to `ret` (which says when
 * memory ran out). False, nothing appended: not UTF-8, longer than any name of Databricks, or nothing is left.
 */
bool kb_near_fold(const char *name, struct kb_buf *ret);

/* Where two names part: "U+0430 here, U+0061 there"; "the end" where one is at its end. Both are UTF-8. */
#define KB_NEAR_DIFFERENCE_SIZE 48
const char *kb_near_difference(const char *here, const char *there, char ret[KB_NEAR_DIFFERENCE_SIZE]);

#endif
