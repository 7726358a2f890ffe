/* base/form.h: application/x-www-form-urlencoded values, in memory of exactly the right size.
 *
 * Why:  client secrets and tokens pass here; a growing buffer would leave copies of them behind in freed memory.
 * Owns: the caller frees (and wipes: kb_form_wipe).
 */
#ifndef KB_BASE_FORM_H
#define KB_BASE_FORM_H

#include <stddef.h>

/* Everything but RFC 3986 unreserved is %XX (a blank as %20, which servers take too). NULL: out of memory. */
char *kb_form_encode(const char *s, size_t len);

/* Overwrites, frees, sets NULL. */
void kb_form_wipe(char **s);

#endif
