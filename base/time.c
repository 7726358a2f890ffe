/* base/time.c: RFC 3339 text from Unix seconds and back, without libc's time zone state. */
#include "base/ban.h"

#include "base/str.h"

#define DAY_S 86400
#define YEAR_MAX 9999

static bool
is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
month_days(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to January 1st of `year`. */
static int64_t
days_before_year(int year)
{
    int64_t before = year - 1;

    return 365 * (before - 1969) + before / 4 - before / 100 + before / 400 -
           (1969 / 4 - 1969 / 100 + 1969 / 400);
}

const char *
kb_time_format(int64_t unix_s, char buf[KB_TIME_SIZE])
{
    int64_t days = unix_s / DAY_S;
    int second = (int) (unix_s % DAY_S), year, month = 1, n;

    if (unix_s < 0 || days >= days_before_year(YEAR_MAX + 1)) {
        memcpy(buf, "?", 2);
        return buf;
    }
    year = 1970 + (int) (days / 366);
    while (days_before_year(year + 1) <= days)
        year++;
    days -= days_before_year(year);
    while (days >= month_days(year, month))
        days -= month_days(year, month++);
    n = snprintf(buf, KB_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, (int) days + 1,
                 second / 3600, second / 60 % 60, second % 60);
    if (n < 0 || n >= KB_TIME_SIZE)
        memcpy(buf, "?", 2);
    return buf;
}

/* Two to four digits, then the separator; moves *s behind both. */
static bool
take(const char **s, int digits, char separator, int min, int max, int *ret)
{
    int value = 0;

    for (; digits > 0; digits--, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        value = value * 10 + (**s - '0');
    }
    if (value < min || value > max)
        return false;
    *ret = value;
    if (separator) {
        if (**s != separator)
            return false;
        (*s)++;
    }
    return true;
}

bool
kb_time_parse(const char *s, int64_t *ret_unix_s)
{
    int year, month, day, hour = 0, minute = 0, second = 0;
    int64_t days;

    if (!take(&s, 4, '-', 1970, YEAR_MAX, &year) || !take(&s, 2, '-', 1, 12, &month) ||
        !take(&s, 2, '\0', 1, month_days(year, month), &day))
        return false;
    if (*s == 'T') {
        s++;
        if (!take(&s, 2, ':', 0, 23, &hour) || !take(&s, 2, ':', 0, 59, &minute) ||
            !take(&s, 2, '\0', 0, 59, &second))
            return false;
        if (*s == '.') { /* RFC 3339 section 5.6: a fraction is allowed; we count whole seconds */
            size_t len = strspn(++s, "0123456789");
            if (len < 1 || len > 9)
                return false;
            s += len;
        }
        if (*s++ != 'Z')
            return false;
    }
    if (*s)
        return false;
    days = days_before_year(year) + day - 1;
    for (int m = 1; m < month; m++)
        days += month_days(year, m);
    *ret_unix_s = days * DAY_S + hour * 3600 + minute * 60 + second;
    return true;
}
