#include "controller/integrity/checksums.h"

#include <assert.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <isa-l/mem_routines.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "shm/limits.h"

_Static_assert(sizeof(uint32_t) == CHECKSUM_BYTES, "as the tail's length is computed");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the image holds the words as they are");

int checksums_new(struct checksums **ret_checksums, uint64_t element_bytes, uint64_t words_bytes)
{
    struct checksums *checksums = calloc(1, sizeof *checksums);

    if (checksums == NULL)
        return -ENOMEM;
    checksums->blocks = element_bytes / BLOCK_BYTES;
    checksums->words_bytes = words_bytes;
    assert(checksums->blocks * sizeof(uint32_t) <= words_bytes);
    void *words = mmap(NULL, words_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (words == MAP_FAILED) {
        free(checksums);
        return -ENOMEM;
    }
    checksums->words = words;
    *ret_checksums = checksums;
    return 0;
}

void checksums_free(struct checksums *checksums)
{
    if (checksums == NULL)
        return;
    (void)munmap(checksums->words, checksums->words_bytes);
    free(checksums);
}

/* ISA-L does not change what it reads although its arguments say so. */
uint32_t checksum_of(const uint8_t *block, uint64_t number)
{
    uint32_t crc = crc32_iscsi((uint8_t *)(uintptr_t)block, BLOCK_BYTES, ~(uint32_t)number);

    return crc < CHECKSUM_CRC_FIRST ? CHECKSUM_CRC_FIRST : crc;
}

bool checksums_fit(struct checksums *checksums, uint64_t number, const uint8_t *block)
{
    assert(number < checksums->blocks);
    switch (checksums->words[number]) {
    case CHECKSUM_ZEROES:
        return isal_zero_detect((void *)(uintptr_t)block, BLOCK_BYTES) == 0;
    case CHECKSUM_UNKNOWN:
        checksums->words[number] = checksum_of(block, number);
        return true;
    case CHECKSUM_DAMAGED:
        return false;
    default:
        return checksums->words[number] == checksum_of(block, number);
    }
}

void checksums_enter(struct checksums *checksums, uint64_t number, const uint8_t *block)
{
    assert(number < checksums->blocks);
    checksums->words[number] = checksum_of(block, number);
}

void checksums_set(struct checksums *checksums, uint64_t first, uint64_t count, uint32_t word)
{
    assert(first + count <= checksums->blocks && word < CHECKSUM_CRC_FIRST);
    for (uint64_t i = 0; i < count; i++)
        checksums->words[first + i] = word;
}

void checksums_forget(struct checksums *checksums, uint64_t first, uint64_t count)
{
    assert(first + count <= checksums->blocks);
    for (uint64_t i = first; i < first + count; i++) {
        if (checksums->words[i] != CHECKSUM_DAMAGED)
            checksums->words[i] = CHECKSUM_UNKNOWN;
    }
}
