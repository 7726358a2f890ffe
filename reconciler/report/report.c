#include "base/ban.h"

#include "reconciler/report/report.h"

#include "base/mem.h"
#include "reconciler/plan/file.h"
#include "reconciler/report/text.h"

static const char *const names[REPORT_FORMAT_MAX_] = {"text", "markdown", "html", "json", "csv"};

bool
report_format_from_name(const char *name, enum report_format *ret)
{
    for (unsigned i = 0; i < REPORT_FORMAT_MAX_; i++) {
        if (!strcmp(names[i], name)) {
            *ret = (enum report_format) i;
            return true;
        }
    }
    return false;
}

int
report_render(struct kb_plan *plan, enum report_format format, const struct report_opts *opts,
              struct kb_buf *ret, struct kb_error *err)
{
    switch (format) {
    case REPORT_TEXT:
        return report_text(plan, opts, ret, err);
    case REPORT_JSON:
        return kb_plan_write(plan, ret, err);
    case REPORT_MARKDOWN:
    case REPORT_HTML:
    case REPORT_CSV:
    case REPORT_FORMAT_MAX_:
        break;
    }
    return kb_fail(err, KB_E_USAGE, "this version prints text and json");
}
