/* tests/unit/report/plan_kit.h: plans made by hand, in the order of the document, and texts compared with
 * tests/data/report. With KB_GOLDEN_WRITE set the file is written instead: read the difference before you commit it.
 */
#ifndef TESTS_UNIT_REPORT_PLAN_KIT_H
#define TESTS_UNIT_REPORT_PLAN_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/target.h"
#include "reconciler/report/report.h"
#include "reconciler/report/view.h"

#define KIT_MAX 64

#define ESC "\033[31m"
#define RLO "\xe2\x80\xae"
#define ZWSP "\xe2\x80\x8b"

static inline kb_text
kit_text(struct kb_plan *p, const char *s)
{
    kb_text text = kb_pool_adds(&p->pool, s);
    assert_true(text != KB_NONE);
    return text;
}

static inline void *
kit_new(void *list, size_t *cap, uint32_t *len, size_t size)
{
    assert_true(kb_grow(list, cap, *len + 1u, size, KIT_MAX));
    return (char *) *(void **) list + size * (*len)++;
}

static inline void
kit_plan(struct kb_plan *p)
{
    *p = (struct kb_plan){
        .at_s = 1795413604, /* 2026-11-23T06:00:04Z */
        .run_id = "01980000-0000-7000-8000-00008c1f5e21",
        .source_roles = 9,
        .source_groups = 42,
        .source_users = 611,
        .source_lists = 118,
        .source_lists_ok = 118,
        .source_complete = true,
        .target_groups = 42,
        .target_memberships = 1311,
        .rules_digest = "sha256:5e21000000000000000000000000000000000000000000000000000000000000",
        .fingerprint = "sha256:4c7e19b2a0d377f1000000000000000000000000000000000000000000000000"};
    p->tool = kit_text(p, "keybricks 1.0.0");
    p->issuer = kit_text(p, "https://sso.acme.example/realms/acme");
    p->realm = kit_text(p, "acme");
    p->target_name = kit_text(p, "acme-prod");
    p->target_level = kit_text(p, "account");
    p->target_host = kit_text(p, "https://accounts.example");
}

/* Run guards first, then each group with its guards and operations. */
static inline struct kb_plan_guard *
kit_guard(struct kb_plan *p, enum kb_guard_id id, int64_t value, int64_t limit)
{
    struct kb_plan_guard *g = kit_new(&p->guards, &p->guards_cap, &p->guards_len, sizeof(*p->guards));
    *g = (struct kb_plan_guard){
        .id = (uint8_t) id, .scope = KB_SCOPE_RUN, .tripped = true, .value = value, .limit = limit};
    if (p->groups_len) {
        g->scope = KB_SCOPE_GROUP;
        p->groups[p->groups_len - 1].guards_len++;
    } else {
        p->run_guards_len++;
    }
    return g;
}

static inline struct kb_plan_group *
kit_group(struct kb_plan *p, const char *name, uint32_t before, uint32_t after)
{
    struct kb_plan_group *g = kit_new(&p->groups, &p->groups_cap, &p->groups_len, sizeof(*p->groups));
    *g = (struct kb_plan_group){.name = kit_text(p, name),
                                .id = kit_text(p, "900000000000101"),
                                .before = before,
                                .after = after,
                                .ops_start = p->ops_len,
                                .guards_start = p->guards_len};
    return g;
}

static inline struct kb_plan_op *
kit_op(struct kb_plan *p, enum kb_op what, enum kb_cause cause, const char *name, const char *display)
{
    struct kb_plan_op *op = kit_new(&p->ops, &p->ops_cap, &p->ops_len, sizeof(*p->ops));
    *op = (struct kb_plan_op){.op = (uint8_t) what,
                              .cause = (uint8_t) cause,
                              .kind = KB_PRINCIPAL_USER,
                              .id = kit_text(p, "100000000000007"),
                              .name = kit_text(p, name),
                              .display = display ? kit_text(p, display) : 0,
                              .source_id = kit_text(p, "5b0f6c1e"),
                              .reasons_start = p->reasons_len};
    p->groups[p->groups_len - 1].ops_len++;
    p->summary.add += what == KB_OP_ADD;
    p->summary.remove += what == KB_OP_REMOVE;
    return op;
}

/* A reason of the last operation; via: NULL ended, outermost first. */
static inline struct kb_reason *
kit_reason(struct kb_plan *p, const char *object, bool is_path, const char *const *via)
{
    struct kb_reason *r = kit_new(&p->reasons, &p->reasons_cap, &p->reasons_len, sizeof(*p->reasons));
    *r = (struct kb_reason){
        .rule = 1, .object = kit_text(p, object), .is_path = is_path, .via_start = p->via_len};
    for (; via && *via; via++) {
        kb_text *v = kit_new(&p->via, &p->via_cap, &p->via_len, sizeof(*p->via));
        *v = kit_text(p, *via);
        r->via_len++;
    }
    p->ops[p->ops_len - 1].reasons_len++;
    return r;
}

static inline void
kit_hold(struct kb_plan *p, struct kb_plan_op *op, enum kb_guard_id by)
{
    op->state = KB_OP_HELD;
    op->held_by |= 1u << by;
    p->summary.held++;
    p->summary.add -= op->op == KB_OP_ADD;
    p->summary.remove -= op->op == KB_OP_REMOVE;
}

static inline void
kit_left(struct kb_plan *p, enum kb_left list, const char *group, const char *name, const char *note)
{
    struct kb_left_alone *l = kit_new(&p->left, &p->left_cap, &p->left_len, sizeof(*p->left));
    *l = (struct kb_left_alone){.list = (uint8_t) list,
                                .group = kit_text(p, group),
                                .name = name ? kit_text(p, name) : 0,
                                .note = note ? kit_text(p, note) : 0};
}

/* Nothing in it can move a cursor, hide or turn text round: C0 but LF, DEL, C1, bidi, zero-width. */
static inline void
kit_harmless(const char *name, const char *text)
{
    KB_CLEANUP(kb_buf) struct kb_buf lines = KB_BUF_INIT(1 << 20);
    for (; *text; text++)
        kb_buf_addc(&lines, *text == '\n' ? ' ' : *text);
    if (lines.failed || kb_has_control(kb_buf_str(&lines)) || !kb_utf8_valid(kb_buf_str(&lines), lines.len))
        fail_msg("%s: a hidden character came out raw", name);
}

static inline void
kit_render(struct kb_plan *p, const struct report_opts *opts, struct kb_buf *ret)
{
    struct kb_error err = {0};
    if (report_render(p, REPORT_TEXT, opts, ret, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void
kit_golden(const char *name, struct kb_plan *p, const struct report_opts *opts)
{
    KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(1 << 20), want = KB_BUF_INIT(1 << 20);
    struct kb_error err = {0};
    char path[1024];
    const char *root = getenv("KB_TEST_DATA");
    if (!root)
        fail_msg("KB_TEST_DATA must name tests/data (meson test sets it)");
    (void) snprintf(path, sizeof(path), "%s/report/%s.txt", root, name);
    kit_render(p, opts, &got);
    if (!opts->color)
        kit_harmless(name, kb_buf_str(&got));
    if (getenv("KB_GOLDEN_WRITE")) {
        if (kb_file_write_atomic(path, kb_buf_str(&got), got.len, 0644, &err) < 0)
            fail_msg("%s", err.msg);
        return;
    }
    if (kb_file_read(path, &want, &err) < 0)
        fail_msg("%s", err.msg);
    if (strcmp(kb_buf_str(&want), kb_buf_str(&got)) != 0)
        fail_msg("%s:\n---- wanted\n%s---- got\n%s", path, kb_buf_str(&want), kb_buf_str(&got));
}

#endif
