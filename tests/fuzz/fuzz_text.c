/* tests/fuzz/fuzz_text.c: what reads texts of any kind: JSON, words and URLs, names of people. The first byte chooses. */
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int (*const parts[])(const uint8_t *data, size_t size) = {fuzz_json, fuzz_words, fuzz_identity};

    return size ? parts[data[0] % KB_LEN(parts)](data + 1, size - 1) : 0;
}
