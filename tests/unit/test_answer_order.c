/*
 * What overlaps is answered in order (path/gate.h): when a write reaches the element, the answer of
 * each peer's write that overlaps it and reached the element before stands in its slot. Else that
 * one would be executed again when its owner dies, and undo this one. The functions that write to
 * elements are wrapped, and look at the slots.
 */
#include "tests/unit/array.h"
#include "tests/unit/threads.h"
#include "tests/unit/unit.h"

enum { CONTROLLERS = 3, JOBS = 4000, PLACES = 3 };

static struct array *array;
static uint32_t began[CONTROLLERS][SLOTS_MAX]; /* generation + 1 of a slot whose write has begun */
static uint64_t looked_at, too_early;

static bool is_being_executed(const struct slot *slot)
{
    uint64_t word = load_acquire(&slot->state);

    return slot_word_state(word) == SLOT_CLAIMED && slot->request.op == COMMAND_WRITE &&
           slot->request.element == 0;
}

/* Only controller 0 writes to element 0, so only its thread comes here. */
static void look_at_slots(const struct loop_io *io)
{
    uint64_t offset_bytes = (uint64_t)((const uint8_t *)io->memory - array->segment.base);

    for (uint32_t seat = 1; seat < CONTROLLERS; seat++) {
        struct slot *slots = segment_slots(&array->segment, seat);
        for (uint32_t i = 0; i < array->segment.geometry.slots; i++) {
            const struct slot_request *request = &slots[i].request;
            /* relaxed: of a claimed slot it does not change */
            uint32_t generation = slot_word_generation(load_relaxed(&slots[i].state)) + 1;
            if (!is_being_executed(&slots[i]) ||
                request->offset_bytes / BLOCK_BYTES != io->offset_bytes / BLOCK_BYTES)
                continue;
            looked_at++;
            if (request->buffer == offset_bytes)
                began[seat][i] = generation;
            else if (began[seat][i] == generation)
                too_early++;
        }
    }
}

int64_t __real_loop_write_now(struct loop *loop, int fd, const struct loop_io *io);
int64_t __wrap_loop_write_now(struct loop *loop, int fd, const struct loop_io *io);
void __real_loop_write(struct loop *loop, const struct loop_io *io, struct completion *completion);
void __wrap_loop_write(struct loop *loop, const struct loop_io *io, struct completion *completion);

int64_t __wrap_loop_write_now(struct loop *loop, int fd, const struct loop_io *io)
{
    look_at_slots(io);
    return __real_loop_write_now(loop, fd, io);
}

void __wrap_loop_write(struct loop *loop, const struct loop_io *io, struct completion *completion)
{
    look_at_slots(io);
    __real_loop_write(loop, io, completion);
}

/* All hosts write the same blocks, now and then behind a trim of all of them. */
static void answers_come_before_what_overlaps(const struct array_wanted *wanted)
{
    array = array_start(wanted);
    memset(began, 0, sizeof began);
    looked_at = too_early = 0;
    for (uint32_t i = 0; i < JOBS; i++) {
        for (uint32_t host = 0; host < CONTROLLERS; host++) {
            bool all = i % 16 == 0;
            host_submit(array, host,
                        (struct job){.op = all ? COMMAND_TRIM : COMMAND_WRITE,
                                     .fill = (uint8_t)i,
                                     .offset_bytes = all ? 0 : i % PLACES * BLOCK_BYTES,
                                     .bytes = all ? PLACES * BLOCK_BYTES : BLOCK_BYTES});
        }
    }
    for (uint32_t host = 0; host < CONTROLLERS; host++)
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, host));
    CU_ASSERT_EQUAL(array_stop(array), 0);
    CU_ASSERT_TRUE(looked_at > JOBS);
    CU_ASSERT_EQUAL(too_early, 0);
}

static const struct array_wanted in_memory = {.controllers = CONTROLLERS,
                                              .slots = 64,
                                              .ring_entries = 128,
                                              .buffers_bytes = BUFFERS_BYTES_MIN};

static void in_memory_at_once(void)
{
    answers_come_before_what_overlaps(&in_memory);
}

static void through_the_ring(void)
{
    struct array_wanted wanted = in_memory;

    wanted.buffered = true;
    answers_come_before_what_overlaps(&wanted);
}

static void direct(void)
{
    struct array_wanted wanted = in_memory;

    wanted.direct = true;
    answers_come_before_what_overlaps(&wanted);
}

static void cached(void)
{
    struct array_wanted wanted = in_memory;

    wanted.cache_bytes = CACHE_BYTES_MIN;
    wanted.cache_mode = CACHE_WRITE_THROUGH;
    answers_come_before_what_overlaps(&wanted);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"in memory, at once", in_memory_at_once},
        {"through the ring", through_the_ring},
        {"direct", direct},
        {"cached", cached},
    };
    return UNIT_RUN("answer_order", tests);
}
