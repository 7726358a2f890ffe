"""Makes model/near_table.c: what each code point is folded to when names are looked at for near-duplicates.

usage: near_table.py OUTPUT

Decomposition, case and combining classes are Unicode's (Python's unicodedata); LOOKS is ours, after UTS 39: letters
that a reader takes for an ASCII one. Each entry is complete, so that the C looks a code point up once; Hangul
syllables are computed there. U+0345 keeps its place until the marks are in order.
"""

import pathlib
import sys
import unicodedata

LOOKS = {
    "a": "\u0430\u0251\u03b1\u1d00\u13aa\ua4ee\u2c81",
    "b": "\u0432\u044c\u03b2\u0299\u13cf\u13f4\ua4d0\u2c83",
    "c": "\u0441\u03f2\u03f9\u1d04\u13df\ua4da\u2ca5",
    "d": "\u0501\u1d05\u13a0\ua4d3",
    "e": "\u0435\u03b5\u1d07\u212e\u13ac\ua4f0",
    "f": "\ua730\ua4dd\u0584",
    "g": "\u0261\u0262\u0581\u13c0\ua4d6",
    "h": "\u043d\u04bb\u029c\u0570\u13bb\ua4e7\u2c8f",
    "i": "\u0456\u0131\u0269\u026a\u03b9\u13a5\ua4f2\u2c93",
    "j": "\u0458\u0237\u03f3\u0575\u1d0a\u13ab\ua4d9",
    "k": "\u043a\u03ba\u1d0b\u13e6\ua4d7\u2c95",
    "l": "1|\u04cf\u01c0\u029f\u2113\u13de\ua4e1",
    "m": "\u043c\u1d0d\u13b7\ua4df\u2c99",
    "n": "\u03b7\u0274\u0578\ua4e0\u2c9b",
    "o": "0\u043e\u03bf\u03c3\u03c2\u0585\u1d0f\ua4f3\u2c9f",
    "p": "\u0440\u03c1\u1d18\u13e2\ua4d1\u2ca3",
    "q": "\u051b\u0566\ua7af",
    "r": "\u0433\u0280\u13a1\u13d2\ua4e3",
    "s": "\u0455\ua731\u13da\ua4e2",
    "t": "\u0442\u03c4\u1d1b\ua4d4\u2ca7",
    "u": "\u03bc\u03c5\u057d\u1d1c\ua4f4",
    "v": "\u0475\u03bd\u1d20\u028b\u13d9\ua4e6",
    "w": "\u051d\u0561\u03c9\u1d21\u13b3\u13d4\ua4ea",
    "x": "\u0445\u03c7\ua4eb\u2cad",
    "y": "\u0443\u04af\u03b3\u028f\ua4ec\u2ca9",
    "z": "\u03b6\u1d22\u13c3\ua4dc",
    "3": "\u0437\u04e1",
    "4": "\u13ce",
    "6": "\u0431",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u02d7\u2212\u058a",
    "'": "\u2018\u2019\u201b\u02b9\u02bc\u2032`\u055a",
    ".": "\u3002\u2024",
    "_": "\u02cd",
    "ae": "\u00e6",
    "oe": "\u0153",
}
LOOK = {ord(c): ascii_form for ascii_form, chars in LOOKS.items() for c in chars}

# Default_Ignorable_Code_Point of DerivedCoreProperties; all control characters go the same way.
IGNORED = [(0xad, 0xad), (0x34f, 0x34f), (0x61c, 0x61c), (0x115f, 0x1160), (0x17b4, 0x17b5), (0x180b, 0x180f), (0x200b, 0x200f),
           (0x202a, 0x202e), (0x2060, 0x206f), (0x3164, 0x3164), (0xfe00, 0xfe0f), (0xfeff, 0xfeff), (0xffa0, 0xffa0),
           (0xfff0, 0xfffb), (0x1bca0, 0x1bca3), (0x1d173, 0x1d17a), (0xe0000, 0xe0fff)]
YPOGEGRAMMENI = "\u0345"


def ignored(c):
    return unicodedata.category(c) == "Cc" or any(first <= ord(c) <= last for first, last in IGNORED)


def once(c):
    if ord(c) in LOOK:
        return LOOK[ord(c)]
    if ignored(c):
        return ""
    if unicodedata.decimal(c, None) is not None:
        return str(unicodedata.decimal(c))
    text = unicodedata.normalize("NFKD", c)
    return text if text != c or c == YPOGEGRAMMENI else c.casefold()


def fold(text):
    """To the end: each step may lead to a letter that has a step of its own."""
    while (following := "".join(map(once, text))) != text:
        text = following
    return text


def main():
    pool, places, entries = [], {}, []
    for code in range(sys.maxunicode + 1):
        c = chr(code)
        if 0xac00 <= code <= 0xd7a3 or 0xd800 <= code <= 0xdfff:
            continue
        folded, order = fold(c), unicodedata.combining(c)
        if folded == c and not order:
            continue
        assert len(folded) <= 6 * len(c.encode()), "near.c has less room"
        if folded not in places:
            places[folded] = len(pool)
            pool += map(ord, folded)
        entries.append(f"{{{code:#x},{places[folded]},{len(folded)},{order}}},")
    text = ['#include "model/near_table.h"', "", "const struct near_entry near_entries[] = {"]
    text += ["".join(entries[i:i + 8]) for i in range(0, len(entries), 8)]
    text += ["};", "", f"const uint32_t near_entries_len = {len(entries)};", "", "const uint32_t near_pool[] = {"]
    text += [",".join(hex(c) for c in pool[i:i + 16]) + "," for i in range(0, len(pool), 16)]
    pathlib.Path(sys.argv[1]).write_text("\n".join([*text, "};", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
