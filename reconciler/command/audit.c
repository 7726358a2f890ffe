/* keybricks audit verify [--expect SIZE:HASH]. */
#include "base/ban.h"

#include "reconciler/command/command.h"

#include "base/str.h"
#include "store/journal.h"

static bool
parse_expect(const char *s, struct store_head *ret)
{
    const char *colon = strchr(s, ':');
    char size[20] = "";
    uint8_t hash[KB_HASH_SIZE];
    if (!colon || colon == s || (size_t) (colon - s) >= sizeof(size) ||
        strlen(colon + 1) != 2 * KB_HASH_SIZE || !kb_unhex(colon + 1, hash, sizeof(hash)))
        return false;
    memcpy(size, s, (size_t) (colon - s));
    (void) snprintf(ret->hash, sizeof(ret->hash), "%s", colon + 1);
    return kb_parse_i64(size, 0, INT64_MAX, &ret->size);
}

void
command_audit(struct command_context *c)
{
    struct store_head expect = {0};
    if (strcmp(c->cli->args[0], "verify") != 0) {
        outcome_add(&c->outcome, EXIT_USAGE, "keybricks audit verify");
        return;
    }
    if (c->cli->expect && !parse_expect(c->cli->expect, &expect)) {
        outcome_add(&c->outcome, EXIT_USAGE, "--expect is SIZE:HASH, as a checkpoint line has it");
        return;
    }
    if (c->cli->expect && c->targets_len != 1) {
        outcome_add(&c->outcome, EXIT_USAGE, "--expect is about one target; pick it with --target");
        return;
    }
    for (size_t i = 0; i < c->targets_len; i++) {
        KB_CLEANUP(store) struct store *store = NULL;
        struct kb_error err = {0};
        struct store_head head;
        int e = command_store(c, c->targets[i], STORE_READ, &store, &err);
        if (e >= 0 && !store)
            e = kb_fail(&err, KB_E_STORE, "target %s has no database yet: nothing was ever written",
                        c->targets[i]->name);
        if (e >= 0)
            e = store_journal_verify(store, c->cli->expect ? &expect : NULL, &head, &err);
        if (e < 0) {
            outcome_error(&c->outcome, &err, EXIT_STATE);
            continue;
        }
        char line[160];
        int n = c->targets_len > 1
                    ? snprintf(line, sizeof(line), "%s: ok %lld:%s\n", c->targets[i]->name,
                               (long long) head.size, head.hash)
                    : snprintf(line, sizeof(line), "ok %lld:%s\n", (long long) head.size, head.hash);
        command_print(c, line, n > 0 ? (size_t) n : 0);
    }
}
