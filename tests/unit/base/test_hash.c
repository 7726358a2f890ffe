#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

/* FIPS 180-4 examples. */
static void
test_known_digests(void **state)
{
    static const struct {
        const char *text, *hex;
    } table[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        uint8_t bytes[KB_HASH_SIZE], back[KB_HASH_SIZE];
        char hex[KB_HASH_HEX_SIZE], digest[KB_DIGEST_SIZE];
        struct kb_hash h;
        assert_true(kb_sha256(table[i].text, strlen(table[i].text), bytes));
        kb_hex(bytes, sizeof(bytes), hex);
        assert_string_equal(hex, table[i].hex);
        assert_true(kb_unhex(hex, back, sizeof(back)));
        assert_memory_equal(back, bytes, sizeof(bytes));
        kb_hash_init(&h);
        for (const char *p = table[i].text; *p; p++)
            kb_hash_add(&h, p, 1);
        kb_hash_adds(&h, "");
        assert_true(kb_hash_final_digest(&h, digest));
        assert_memory_equal(digest, "sha256:", 7);
        assert_string_equal(digest + 7, table[i].hex);
    }
}

static void
test_done_and_after(void **state)
{
    uint8_t bytes[KB_HASH_SIZE];
    struct kb_hash h;

    (void) state;
    kb_hash_init(&h);
    kb_hash_adds(&h, "x");
    kb_hash_done(&h);
    kb_hash_adds(&h, "x");
    assert_false(kb_hash_final(&h, bytes));
    kb_hash_done(&h);
}

static void
test_unhex_refuses(void **state)
{
    static const char high[] = {'0', '1', (char) 0xff, 'b', '\0'};
    static const char *const bad[] = {"",      "0",      "01",   "012",  "012g", "01AB",
                                      "01ab0", "01ab00", " 1ab", "0x12", high};
    uint8_t bytes[2];

    (void) state;
    for (size_t i = 0; i < KB_LEN(bad); i++)
        if (kb_unhex(bad[i], bytes, 2))
            fail_msg("'%s' was accepted", bad[i]);
    assert_true(kb_unhex("01ab", bytes, 2));
    assert_true(bytes[0] == 0x01 && bytes[1] == 0xab);
    assert_true(kb_unhex("", bytes, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_digests),
        cmocka_unit_test(test_done_and_after),
        cmocka_unit_test(test_unhex_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
