/*
 * Element I/O (io/element.h) on images in memory: how long I/O takes, whether it moves all, and
 * whether it fails are the dice's.
 *
 * A write's bytes are taken from memory when it takes effect, and a read's are put there then: so
 * whoever uses a buffer again too early is found out.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/machine.h"
#include "tests/sim/operation.h"
#include "tests/sim/sim_element.h"

enum {
    FAST_NS_MIN = 2000,
    FAST_NS_MAX = 120000,
    SLOW_NS_MIN = 10000000,
    SLOW_NS_MAX = 300000000,
    PIECES_MAX = 64,
};

enum transfer_kind {
    TRANSFER_READ,
    TRANSFER_WRITE,
    TRANSFER_SYNC,
    TRANSFER_ZERO,
    TRANSFER_NOTHING
};

/* One element I/O. */
struct transfer {
    struct operation operation;
    struct image *image;
    enum transfer_kind kind;
    bool durable;
    struct iovec pieces[PIECES_MAX];
    uint32_t pieces_count;
    uint64_t offset_bytes, bytes; /* of what takes effect at all */
    uint64_t done_bytes, step_bytes;
    uint64_t order; /* of the image's last write when a flush was submitted */
    int result;
};

/* --- effects --- */

/* Moves [done, done + step) between the image and the places of the payload. */
static void move(struct transfer *transfer)
{
    uint64_t at = 0, from = transfer->done_bytes, to = from + transfer->step_bytes;

    for (uint32_t i = 0; i < transfer->pieces_count; i++) {
        const struct iovec *piece = &transfer->pieces[i];
        uint64_t begin = at < from ? from : at, end = at + piece->iov_len;
        end = end < to ? end : to;
        if (begin < end) {
            uint8_t *memory = (uint8_t *)piece->iov_base + (begin - at);
            if (transfer->kind == TRANSFER_READ)
                image_read(transfer->image, memory, end - begin, transfer->offset_bytes + begin);
            else
                image_write(transfer->image, memory, end - begin, transfer->offset_bytes + begin,
                            transfer->durable);
        }
        at += piece->iov_len;
    }
}

static void zero(struct transfer *transfer)
{
    uint8_t *zeroes = calloc(1, transfer->bytes + 1);

    assert(zeroes != NULL);
    image_write(transfer->image, zeroes, transfer->bytes, transfer->offset_bytes, false);
    free(zeroes);
}

static uint64_t draw_time_ns(bool may_be_slow)
{
    struct world *world = sim_world;

    if (may_be_slow && world->faults && dice_once_in(&world->dice, world->plan.slow_once_in))
        return dice_between(&world->dice, SLOW_NS_MIN, SLOW_NS_MAX);
    return dice_between(&world->dice, FAST_NS_MIN, FAST_NS_MAX);
}

static uint64_t take_effect(struct operation *operation)
{
    struct transfer *transfer = (struct transfer *)(void *)operation;
    struct image *image = transfer->image;

    sim_note(sim_world, "disk%d kind %d at %llu, %llu of %llu bytes",
             (int)(image - sim_world->images), transfer->kind,
             (unsigned long long)transfer->offset_bytes,
             (unsigned long long)(transfer->done_bytes + transfer->step_bytes),
             (unsigned long long)transfer->bytes);
    switch (transfer->kind) {
    case TRANSFER_READ:
    case TRANSFER_WRITE:
        move(transfer);
        transfer->done_bytes += transfer->step_bytes;
        transfer->step_bytes = transfer->bytes - transfer->done_bytes;
        if (transfer->step_bytes > 0)
            return draw_time_ns(false);
        break;
    case TRANSFER_SYNC:
        if (transfer->result == 0)
            image_flush(image, transfer->order);
        break;
    case TRANSFER_ZERO:
        zero(transfer);
        break;
    case TRANSFER_NOTHING:
        break;
    }
    image->in_flight--;
    operation->result = transfer->result;
    return 0;
}

static void was_submitted(struct operation *operation)
{
    struct transfer *transfer = (struct transfer *)(void *)operation;

    transfer->image->in_flight++;
    transfer->order = transfer->image->order;
}

_Static_assert(offsetof(struct transfer, operation) == 0 && offsetof(struct operation, event) == 0,
               "what takes effect is found at its event's address");

/* --- starting --- */

static struct transfer *new_transfer(const struct element *element, enum transfer_kind kind,
                                     uint64_t offset_bytes, uint64_t bytes,
                                     struct completion *completion)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);

    assert(transfer != NULL);
    transfer->operation.completion = completion;
    transfer->operation.effect = take_effect;
    transfer->operation.submitted = was_submitted;
    transfer->operation.delay_ns = draw_time_ns(true);
    transfer->image = sim_image_of(element);
    transfer->kind = kind;
    transfer->offset_bytes = offset_bytes;
    transfer->bytes = bytes;
    return transfer;
}

static void name_pieces(struct transfer *transfer, const struct loop_io *io)
{
    if (io->vectors_count == 0) {
        transfer->pieces[0] = (struct iovec){.iov_base = io->memory, .iov_len = io->bytes};
        transfer->pieces_count = 1;
        return;
    }
    assert(io->vectors_count <= PIECES_MAX);
    memcpy(transfer->pieces, io->vectors, io->vectors_count * sizeof io->vectors[0]);
    transfer->pieces_count = io->vectors_count;
}

static void note_failure(const struct image *image)
{
    if (image->journal)
        sim_world->journal_failed = true;
    else
        sim_world->element_failed[image->element] = true;
}

/* Whether it moves less than was asked, or fails after it moved something or nothing. */
static void draw_faults(struct transfer *transfer, uint32_t unit_bytes)
{
    struct world *world = sim_world;
    struct dice *dice = &world->dice;
    uint64_t units = transfer->bytes / unit_bytes;

    transfer->result = (int)transfer->bytes;
    if (!world->faults)
        return;
    if (transfer->image->failing && dice_once_in(dice, world->plan.error_once_in)) {
        note_failure(transfer->image);
        transfer->result = -EIO;
        transfer->bytes =
            transfer->kind == TRANSFER_READ ? 0 : dice_below(dice, units + 1) * unit_bytes;
        if (transfer->bytes == 0)
            transfer->kind = TRANSFER_NOTHING;
    } else if (units > 1 && dice_once_in(dice, world->plan.short_once_in)) {
        transfer->bytes = dice_between(dice, 1, units - 1) * unit_bytes;
        transfer->result = (int)transfer->bytes;
    }
}

static void draw_steps(struct transfer *transfer)
{
    struct dice *dice = &sim_world->dice;
    uint64_t blocks = transfer->bytes / BLOCK_BYTES;

    transfer->step_bytes = transfer->bytes;
    if (blocks > 1 && dice_once_in(dice, sim_world->plan.in_two_once_in))
        transfer->step_bytes = dice_between(dice, 1, blocks - 1) * BLOCK_BYTES;
}

static void check_alignment(const struct element *element, const struct transfer *transfer)
{
    uint64_t all = transfer->offset_bytes | transfer->bytes;

    for (uint32_t i = 0; i < transfer->pieces_count; i++)
        all |= (uintptr_t)transfer->pieces[i].iov_base | transfer->pieces[i].iov_len;
    assert(element->mode != ELEMENT_MODE_DIRECT || all % BLOCK_BYTES == 0);
}

static int64_t at_once(struct transfer *transfer)
{
    was_submitted(&transfer->operation);
    while (take_effect(&transfer->operation) > 0)
        continue;
    int64_t result = transfer->operation.result;
    free(transfer);
    return result;
}

static int64_t start(struct element *element, struct loop *loop, enum transfer_kind kind,
                     const struct loop_io *io, struct completion *completion)
{
    struct transfer *transfer =
        new_transfer(element, kind, io->offset_bytes, io->bytes, completion);

    name_pieces(transfer, io);
    transfer->durable = io->durable;
    check_alignment(element, transfer);
    draw_faults(transfer, element->mode == ELEMENT_MODE_DIRECT ? BLOCK_BYTES : IMAGE_SECTOR_BYTES);
    draw_steps(transfer);
    if (element->mode == ELEMENT_MODE_INLINE && io->bytes <= ELEMENT_INLINE_BYTES_MAX)
        return at_once(transfer);
    operation_start(loop, &transfer->operation);
    return -EINPROGRESS;
}

int64_t element_read(struct element *element, struct loop *loop, struct loop_io io,
                     struct completion *completion)
{
    assert(io.offset_bytes + io.bytes <= element->size_bytes);
    return start(element, loop, TRANSFER_READ, &io, completion);
}

int64_t element_write(struct element *element, struct loop *loop, struct loop_io io,
                      struct completion *completion)
{
    assert(io.offset_bytes + io.bytes <= element->size_bytes);
    return start(element, loop, TRANSFER_WRITE, &io, completion);
}

int64_t element_write_tail(struct element *element, struct loop *loop, struct loop_io io,
                           struct completion *completion)
{
    assert(io.offset_bytes + io.bytes <= element->tail_bytes);
    io.durable = true;
    io.offset_bytes += element->tail_offset_bytes;
    return start(element, loop, TRANSFER_WRITE, &io, completion);
}

int64_t element_sync(struct element *element, struct loop *loop, struct completion *completion)
{
    struct transfer *transfer = new_transfer(element, TRANSFER_SYNC, 0, 0, completion);
    struct world *world = sim_world;

    if (world->faults && transfer->image->failing &&
        dice_once_in(&world->dice, world->plan.error_once_in)) {
        sim_world->element_failed[transfer->image->element] = true;
        transfer->result = -EIO;
    }
    operation_start(loop, &transfer->operation);
    return -EINPROGRESS;
}

static int64_t release_range(struct element *element, struct loop *loop, uint64_t offset_bytes,
                             uint64_t bytes, struct completion *completion)
{
    struct transfer *transfer =
        new_transfer(element, TRANSFER_ZERO, offset_bytes, bytes, completion);

    operation_start(loop, &transfer->operation);
    return -EINPROGRESS;
}

int64_t element_punch(struct element *element, struct loop *loop, uint64_t offset_bytes,
                      uint64_t bytes, struct completion *completion)
{
    return release_range(element, loop, offset_bytes, bytes, completion);
}

/* Not quickly everywhere: by writing zeroes then. */
int64_t element_zero(struct element *element, struct loop *loop, uint64_t offset_bytes,
                     uint64_t bytes, struct completion *completion)
{
    if (element->mode == ELEMENT_MODE_BUFFERED)
        return -EOPNOTSUPP;
    return release_range(element, loop, offset_bytes, bytes, completion);
}

int64_t element_prefetch(struct element *element, struct loop *loop, uint64_t offset_bytes,
                         uint64_t bytes, struct completion *completion)
{
    if (element->mode != ELEMENT_MODE_BUFFERED)
        return 0;
    operation_start(
        loop, &new_transfer(element, TRANSFER_NOTHING, offset_bytes, bytes, completion)->operation);
    return -EINPROGRESS;
}
