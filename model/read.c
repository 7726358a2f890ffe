#include "base/ban.h"

#include "model/read.h"

const char *
kb_read_status_name(enum kb_read_status status)
{
    switch (status) {
    case KB_READ_NOT_ASKED:
        return "not asked";
    case KB_READ_PENDING:
        return "pending";
    case KB_READ_COMPLETE:
        return "complete";
    case KB_READ_GONE:
        return "gone";
    case KB_READ_DENIED:
        return "denied";
    case KB_READ_FAILED:
        return "failed";
    case KB_READ_SUSPECT:
        return "suspect";
    case KB_READ_MAX_:
        break;
    }
    return "?";
}
