/* base/json_scan.h: a complete JSON syntax check, byte by byte where it must be; for base/json*.c only.
 *
 * Why:    json-c's own parser needs a whole element at once and is lenient; this automaton can stop after any
 * byte, finds where values begin and end, and refuses everything RFC 8259 does not allow, plus NUL and lone
 * surrogates in strings, plus nesting deeper than KB_JSON_DEPTH_MAX. Not checked here: UTF-8 (`high` says
 * whether there is anything to check) and duplicate keys. Source: RFC 8259.
 */
#ifndef KB_BASE_JSON_SCAN_H
#define KB_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KB_JSON_DEPTH_MAX 32

enum kb_scan_state {
    KB_SCAN_VALUE,       /* a value must follow */
    KB_SCAN_VALUE_NOW,   /* the same, after KB_SCAN_BEGIN was reported */
    KB_SCAN_FIRST_VALUE, /* behind '[' */
    KB_SCAN_FIRST_KEY,   /* behind '{' */
    KB_SCAN_KEY,         /* behind ',' in an object */
    KB_SCAN_KEY_NOW,     /* the same, after KB_SCAN_KEY_BEGIN was reported */
    KB_SCAN_COLON,
    KB_SCAN_COMMA, /* behind a value */
    KB_SCAN_STRING,
    KB_SCAN_NUMBER,
    KB_SCAN_LITERAL,
    KB_SCAN_DONE, /* behind the root value: only blanks */
};

enum kb_scan_event {
    KB_SCAN_MORE,      /* all bytes are used */
    KB_SCAN_BEGIN,     /* *p is the first byte of a value in the watched container */
    KB_SCAN_END,       /* *p is behind a value in the watched container */
    KB_SCAN_KEY_BEGIN, /* *p is the quote of a key of the watched container */
    KB_SCAN_KEY_END,   /* *p is behind the closing quote of that key */
    KB_SCAN_CLOSE,     /* *p is behind the bracket that closes the watched container */
    KB_SCAN_ERROR,     /* `error` says what is wrong with the byte before *p */
};

struct kb_scan {
    enum kb_scan_state state;
    unsigned watch;    /* depth whose values are reported; 0: the root itself */
    unsigned depth;    /* open containers */
    uint32_t objects;  /* bit n: the container of depth n + 1 is an object */
    bool key;          /* the string being read is a key */
    bool high;         /* a byte >= 0x80 was seen; set to false by the caller */
    uint8_t step;      /* place inside an escape, a number, a literal */
    uint16_t unit;     /* the UTF-16 code unit being read */
    const char *rest;  /* of the literal */
    const char *error; /* static text */
};

#define KB_SCAN_INIT            \
    {                           \
        .state = KB_SCAN_VALUE, \
    }

/* Reads from *at, moves it, and returns at the first event. After KB_SCAN_ERROR the scanner is of no more
 * use.
 */
enum kb_scan_event kb_scan_run(struct kb_scan *s, const char **at, const char *end);

/* The input ended: whether a whole document was there. A number at the root ends here. */
bool kb_scan_complete(const struct kb_scan *s);

#endif
