/* base/unicode.h: code points, for the rest of base/ and for model/near.c only.
 *
 * Why:    escaping, refusing and measuring must agree on what a hidden character is. No locale is asked.
 * Source: RFC 3629 (UTF-8); Unicode 14 general categories Mn, Me, Cf and East Asian Width W, F.
 */
#ifndef KB_BASE_UNICODE_H
#define KB_BASE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the code point at s (1..4), 0 when len is 0 or the bytes are no well-formed UTF-8. */
size_t kb_utf8_next(const char *s, size_t len, uint32_t *ret);

/* The largest cut <= len which does not split a code point of s. */
size_t kb_utf8_cut(const char *s, size_t len);

/* C0, DEL, C1, line separators, bidi controls, zero-width and blank fillers: what a reader cannot see. */
bool kb_codepoint_hidden(uint32_t c);

unsigned kb_codepoint_width(uint32_t c); /* 0, 1 or 2 columns */

#endif
