/* Where the bytes of a component lie in the payload of its host command. */
#include "controller/path/payload.h"
#include "tests/unit/unit.h"

static void one_piece_goes_straight_on(void)
{
    const struct payload_shape shape = {0};
    uint64_t run_bytes = 0;

    CU_ASSERT_EQUAL(payload_place(&shape, 0, &run_bytes), 0);
    CU_ASSERT(run_bytes >= PAYLOAD_BYTES_MAX);
    CU_ASSERT_EQUAL(payload_place(&shape, -5, &run_bytes), -5);
    CU_ASSERT_EQUAL(payload_place(&shape, 4711, &run_bytes), 4711);
    CU_ASSERT_EQUAL(payload_span_bytes(&shape, 4711), 4711);
    CU_ASSERT(payload_shape_valid(&shape, 17));
}

/* Byte by byte beside the rule in words: the first piece ends where a chunk ends, and from one
 * chunk's beginning to the next it is a stride. */
static void every_byte_of_many_pieces_has_its_place(void)
{
    const struct payload_shape shape = {
        .first_bytes = 100, .chunk_bytes = 4096, .stride_bytes = 3 * 4096};
    uint64_t run_bytes = 0;
    uint32_t wrong = 0;
    int64_t place = 0, left = 100;

    for (int64_t at = 0; at < 100 + 3 * 4096; at++) {
        wrong += payload_place(&shape, at, &run_bytes) != place;
        wrong += run_bytes != (uint64_t)left;
        wrong += payload_span_bytes(&shape, (uint64_t)at + 1) != (uint64_t)place + 1;
        place++;
        if (--left == 0) {
            place += 2 * 4096;
            left = 4096;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(payload_place(&shape, -3996, &run_bytes), -3996);
    CU_ASSERT_EQUAL(run_bytes, 4096);
}

static void a_shape_that_makes_no_sense_is_refused(void)
{
    const struct payload_shape good = {
        .first_bytes = 100, .chunk_bytes = 8192, .stride_bytes = 16384};
    struct payload_shape shape = good;

    CU_ASSERT(payload_shape_valid(&good, 4096 - 100));
    CU_ASSERT(!payload_shape_valid(&good, 4096 - 99)); /* chunks would not begin with a block */
    shape.first_bytes = 0;
    CU_ASSERT(!payload_shape_valid(&shape, 0));
    shape.first_bytes = 8192 + 4096;
    CU_ASSERT(!payload_shape_valid(&shape, 0));
    shape = good;
    shape.chunk_bytes = 5000;
    CU_ASSERT(!payload_shape_valid(&shape, 4096 - 100));
    shape.chunk_bytes = 2 * CHUNK_BYTES_MAX;
    CU_ASSERT(!payload_shape_valid(&shape, 4096 - 100));
    shape = good;
    shape.stride_bytes = 4096; /* pieces would overlap */
    CU_ASSERT(!payload_shape_valid(&shape, 4096 - 100));
    shape.stride_bytes = 16385;
    CU_ASSERT(!payload_shape_valid(&shape, 4096 - 100));
    shape = (struct payload_shape){.stride_bytes = 4096};
    CU_ASSERT(!payload_shape_valid(&shape, 0));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"one piece goes straight on", one_piece_goes_straight_on},
        {"every byte of many pieces has its place", every_byte_of_many_pieces_has_its_place},
        {"a shape that makes no sense is refused", a_shape_that_makes_no_sense_is_refused},
    };
    return UNIT_RUN("payload", tests);
}
