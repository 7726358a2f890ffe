/* tests/fuzz/fuzz_files.c: the two files that people hand over: a configuration and a saved plan. The first byte chooses. A plan's
 * digest and fingerprints are set right first: whoever alters a plan can compute them, and behind them the reading begins. */
#include "base/hash.h"
#include "reconciler/config/config.h"
#include "reconciler/plan/file.h"
#include "tests/fuzz/fuzz.h"

#include <sanitizer/lsan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

/* libconfig 1.5 leaks the text of a string that does not end; the program ends anyway. libFuzzer would look for leaks
 * after each such input, so scripts/fuzz tells it not to, and plans are looked at from time to time. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}

/* ---- configuration ---- */

static const char *
no_env(const char *name)
{
    (void) name;
    return NULL;
}

static void
check_errors(const struct config_errors *errors, int r, const struct kb_error *err)
{
    fuzz_refused(r, err, KB_E_CONFIG, KB_E_CONFIG);
    CHECK(errors->len > 0);
    for (size_t i = 0; i < errors->len; i++) {
        CHECK(errors->v[i][0] && !kb_has_control(errors->v[i]));
        CHECK(kb_utf8_valid(errors->v[i], strlen(errors->v[i])));
    }
}

static void
check_config(const struct fuzz_input *in)
{
    char path[40];
    struct config *config = NULL;
    struct config_errors errors = {0};
    struct kb_error err = {0};
    int fd = memfd_create("config", MFD_CLOEXEC);

    CHECK(fd >= 0 && write(fd, in->p, in->len) == (ssize_t) in->len);
    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int r = config_load(path, no_env, &config, &errors, &err);
    if (r < 0) {
        CHECK(!config);
        check_errors(&errors, r, &err);
    } else {
        struct kb_buf text = KB_BUF_INIT(1 << 20);
        CHECK(errors.len == 0 && config->targets_len > 0 && config->keycloak.url && config->state_dir);
        CHECK(config->deadline_s > 0 && config->tries > 0 && config->keycloak.concurrency > 0);
        CHECK(config_show(config, &text) == 0 && !text.failed);
        kb_buf_done(&text);
    }
    config_free(config);
    config_errors_done(&errors);
    CHECK(close(fd) == 0);
}

/* ---- plan ---- */

#define DIGEST_LEN (KB_DIGEST_SIZE - 1)

/* Puts the digest of all else in its place, if there is one; the first sixty letters of a document are those of file_write.c. */
static void
set_digest(char *text, size_t len)
{
    static const char key[] = ",\"digest\":\"sha256:";
    char *at = memmem(text, len, key, sizeof(key) - 1), digest[KB_DIGEST_SIZE];
    struct kb_hash hash;
    size_t begin, end;

    if (!at)
        return;
    begin = (size_t) (at - text) + sizeof(key) - 1 - 7;
    end = begin + DIGEST_LEN + 1;
    if (end + 1 > len)
        return;
    kb_hash_init(&hash);
    kb_hash_add(&hash, text, (size_t) (at - text));
    kb_hash_add(&hash, text + end, len - 1 - end);
    CHECK(kb_hash_final_digest(&hash, digest));
    memcpy(text + begin, digest, DIGEST_LEN);
}

static bool
read_plan(const char *text, size_t len, struct kb_plan *plan, struct kb_error *err)
{
    int r = kb_plan_read(text, len, plan, err);

    if (r >= 0)
        return true;
    CHECK(-r == (int) err->code && (err->code == KB_E_USAGE || err->code == KB_E_STALE));
    fuzz_refused(r, err, KB_E_USAGE, KB_E_STALE);
    return false;
}

/* What is read is exactly what would be written: nothing of the file is passed over. */
static void
check_read(const char *text, size_t len)
{
    struct kb_plan plan = {0};
    struct kb_error err = {0};

    if (read_plan(text, len, &plan, &err)) {
        struct kb_buf again = KB_BUF_INIT(1 << 20);
        CHECK(kb_plan_write(&plan, &again, &err) == 0);
        CHECK(again.len == len && !memcmp(again.data, text, len));
        kb_buf_done(&again);
        kb_plan_done(&plan);
    }
}

static void
check_leaks(void)
{
    static unsigned inputs;

    if (++inputs % 8192 == 0)
        CHECK(__lsan_do_recoverable_leak_check() == 0);
}

static void
check_plan(const struct fuzz_input *in)
{
    char *text = malloc(in->len);

    CHECK(text);
    memcpy(text, in->p, in->len);
    check_read(in->p, in->len);
    set_digest(text, in->len);
    check_read(text, in->len);
    free(text);
}

/* The ledger's reasons: our own database, but a file that somebody may have touched. */
static void
check_reasons(const struct fuzz_input *in)
{
    struct kb_plan plan = {0};
    struct kb_plan_op op = {0};
    struct kb_error err = {0};
    struct kb_buf text = KB_BUF_INIT(1 << 20), again = KB_BUF_INIT(1 << 20);

    if (kb_reasons_read(&plan, &op, in->p, in->len, &err) == 0) {
        struct kb_plan_op second = {0};
        CHECK(kb_reasons_write(&plan, &op, &text, &err) == 0);
        CHECK(kb_reasons_read(&plan, &second, text.data, text.len, &err) == 0);
        CHECK(kb_reasons_write(&plan, &second, &again, &err) == 0);
        CHECK(text.len == again.len && !memcmp(text.data, again.data, text.len));
    }
    kb_buf_done(&text);
    kb_buf_done(&again);
    kb_plan_done(&plan);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *) data, size};
    unsigned which = fuzz_byte(&in) % 3;

    if (!in.len)
        return 0;
    if (which == 0)
        check_config(&in);
    else if (which == 1)
        check_plan(&in);
    else
        check_reasons(&in);
    if (which)
        check_leaks();
    return 0;
}
