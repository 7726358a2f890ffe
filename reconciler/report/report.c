#include "base/ban.h"

#include "reconciler/report/report.h"

#include "base/mem.h"
#include "reconciler/plan/file.h"
#include "reconciler/report/text.h"
#include "reconciler/report/view.h"

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

static void
mask_text(struct kb_plan *plan, kb_text *text, void (*view)(const char *, bool, struct kb_buf *),
          bool *failed)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(1 << 20);
    if (!*text)
        return;
    view(kb_plan_str(plan, *text), true, &b);
    *text = kb_pool_adds(&plan->pool, kb_buf_str(&b));
    *failed |= b.failed || *text == KB_NONE;
    if (*failed)
        *text = 0;
}

/* The document with its people masked: a copy, whose ids and so fingerprints are the plan's own. */
static int
masked_json(struct kb_plan *plan, struct kb_buf *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf bytes = KB_BUF_INIT(KB_PLAN_FILE_SIZE_MAX);
    struct kb_plan copy = {0};
    bool failed = false;
    int e = kb_plan_write(plan, &bytes, err);
    if (e >= 0)
        e = kb_plan_read(kb_buf_str(&bytes), bytes.len, &copy, err);
    for (uint32_t i = 0; e >= 0 && i < copy.ops_len; i++) {
        copy.ops[i].display = 0;
        mask_text(&copy, &copy.ops[i].name, view_name, &failed);
    }
    for (uint32_t i = 0; e >= 0 && i < copy.reasons_len; i++)
        mask_text(&copy, &copy.reasons[i].event_by, view_name, &failed);
    for (uint32_t i = 0; e >= 0 && i < copy.left_len; i++) {
        mask_text(&copy, &copy.left[i].name, view_name, &failed);
        mask_text(&copy, &copy.left[i].note, view_note, &failed);
    }
    if (failed)
        e = kb_fail(err, KB_E_NOMEM, "masked plan");
    if (e >= 0)
        e = kb_plan_write(&copy, ret, err);
    kb_plan_done(&copy);
    return e;
}

int
report_render(struct kb_plan *plan, enum report_format format, const struct report_opts *opts,
              struct kb_buf *ret, struct kb_error *err)
{
    switch (format) {
    case REPORT_TEXT:
        return report_text(plan, opts, ret, err);
    case REPORT_JSON:
        return opts->mask_users ? masked_json(plan, ret, err) : kb_plan_write(plan, ret, err);
    case REPORT_MARKDOWN:
    case REPORT_HTML:
    case REPORT_CSV:
    case REPORT_FORMAT_MAX_:
        break;
    }
    return kb_fail(err, KB_E_USAGE, "this version prints text and json");
}
