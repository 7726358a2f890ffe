#include "base/ban.h"

#include "base/form.h"

#include "base/str.h"

char *
kb_form_encode(const char *s, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    char *text = malloc(len * 3 + 1), *at = text;

    if (!text)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) s[i];
        char lower = kb_ascii_lower(s[i]);
        if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c))) {
            *at++ = (char) c;
        } else {
            *at++ = '%';
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
    }
    *at = '\0';
    return text;
}

void
kb_form_wipe(char **s)
{
    if (*s)
        explicit_bzero(*s, strlen(*s));
    free(*s);
    *s = NULL;
}
