#include "hostif/answer.h"

#include <assert.h>
#include <string.h>

#include "controller/path/split_extents.h"
#include "hostif/nbd_reply.h"
#include "hostif/negotiate.h"

/* What one command can add at most. */
enum {
    VECTORS_PER_ANSWER = 2 * ANSWER_PIECES_MAX + CACHE_RUN_BLOCKS, /* head and payload of a piece;
                            and payload that lies in the cache changes places at each block */
    HEADS_PER_ANSWER = ANSWER_PIECES_MAX * NBD_REPLY_HOLE_BYTES,
};

_Static_assert((int)ANSWER_VECTORS >= (int)VECTORS_PER_ANSWER &&
                   (int)ANSWER_HEADS_BYTES >= (int)HEADS_PER_ANSWER,
               "an empty answer has room for any command");

void answer_begin(struct answer *answer)
{
    answer->vectors_count = 0;
    answer->heads_bytes = 0;
    answer->bytes = 0;
}

static uint8_t *head_room(struct answer *answer)
{
    return answer->heads + answer->heads_bytes;
}

static void add_memory(struct answer *answer, void *memory, uint64_t bytes)
{
    assert(answer->vectors_count < ANSWER_VECTORS);
    answer->vectors[answer->vectors_count++] = (struct iovec){.iov_base = memory, .iov_len = bytes};
    answer->bytes += bytes;
}

/* Bytes of its payload: in its buffer, where a host command's is in one piece, or in blocks of the
 * cache. */
static void add_payload(struct answer *answer, const struct command *command, uint64_t at,
                        uint64_t bytes)
{
    uint64_t named_bytes;

    if (command->cache.blocks == NULL) {
        add_memory(answer, command->payload + at, bytes);
        return;
    }
    answer->vectors_count += command_name_places(
        command, (int64_t)at, (int64_t)(at + bytes), &answer->vectors[answer->vectors_count],
        ANSWER_VECTORS - answer->vectors_count, &named_bytes);
    assert(named_bytes == bytes);
    answer->bytes += bytes;
}

/* The head that was just written. Heads that follow each other go out as one vector. */
static void add_head(struct answer *answer, size_t bytes)
{
    uint8_t *head = head_room(answer);
    struct iovec *last =
        answer->vectors_count > 0 ? &answer->vectors[answer->vectors_count - 1] : NULL;

    answer->heads_bytes += (uint32_t)bytes;
    assert(answer->heads_bytes <= ANSWER_HEADS_BYTES);
    if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == head) {
        last->iov_len += bytes;
        answer->bytes += bytes;
    } else {
        add_memory(answer, head, bytes);
    }
}

/* --- sparse reads --- */

/* Data rarely begins with a zero word, so most calls end at the first comparison. */
static bool is_zero(const uint8_t *memory, uint64_t bytes)
{
    static const uint8_t word[8];
    uint64_t first = bytes < sizeof word ? bytes : sizeof word;

    return memcmp(memory, word, first) == 0 && memcmp(memory, memory + first, bytes - first) == 0;
}

/* The length of the longest run, from `done`, of blocks that are all zero or all not. A read's ends
 * may lie within a block. */
static uint64_t run_bytes(const struct command *command, uint64_t done, bool *ret_zero)
{
    uint64_t at = done;

    while (at < command->length_bytes) {
        uint64_t room = BLOCK_BYTES - (command->offset_bytes + at) % BLOCK_BYTES;
        uint64_t left = command->length_bytes - at;
        uint64_t piece = left < room ? left : room;
        uint64_t in_one_place;
        bool zero =
            is_zero(command->payload + command_place(command, (int64_t)at, &in_one_place), piece);
        if (at == done)
            *ret_zero = zero;
        else if (zero != *ret_zero)
            break;
        at += piece;
    }
    return at - done;
}

static void add_data(struct answer *answer, struct command *command, uint64_t at, uint64_t bytes,
                     bool done)
{
    add_head(answer, nbd_reply_data(head_room(answer), command->cookie, command->offset_bytes + at,
                                    (uint32_t)bytes, done));
    add_payload(answer, command, at, bytes);
}

static void add_sparse(struct answer *answer, struct command *command)
{
    uint64_t at = 0;
    bool zero = false;

    for (uint32_t piece = 1; at < command->length_bytes; piece++) {
        uint64_t bytes = run_bytes(command, at, &zero);
        if (piece == ANSWER_PIECES_MAX && !(zero && at + bytes == command->length_bytes)) {
            bytes = command->length_bytes - at; /* the rest as data, whatever it is */
            zero = false;
        }
        bool done = at + bytes == command->length_bytes;
        if (zero)
            add_head(answer, nbd_reply_hole(head_room(answer), command->cookie,
                                            command->offset_bytes + at, (uint32_t)bytes, done));
        else
            add_data(answer, command, at, bytes, done);
        at += bytes;
    }
}

/* --- block status --- */

/* Turns the extents in the payload into descriptors, in place: a descriptor is shorter. */
static void add_allocation(struct answer *answer, struct command *command, bool done)
{
    for (uint32_t i = 0; i < command->count; i++) {
        struct extent extent;
        memcpy(&extent, command->payload + i * sizeof extent, sizeof extent);
        nbd_reply_descriptor(command->payload + i * NBD_REPLY_DESCRIPTOR_BYTES,
                             (uint32_t)extent.length_bytes,
                             extent.hole ? NBD_STATE_HOLE | NBD_STATE_ZERO : 0);
    }
    add_head(answer, nbd_reply_status(head_room(answer), command->cookie, CONTEXT_ID_ALLOCATION,
                                      command->count, done));
    add_memory(answer, command->payload, command->count * NBD_REPLY_DESCRIPTOR_BYTES);
}

/* A virtual volume lies in many places; they become descriptors in place. */
static void add_locations(struct answer *answer, struct command *command)
{
    struct location *locations = split_extents_locations(command);

    for (uint32_t i = 0; i < command->locations; i++) {
        struct location location = locations[i];
        nbd_reply_descriptor((uint8_t *)&locations[i], location.length_bytes, location.place);
    }
    add_head(answer, nbd_reply_status(head_room(answer), command->cookie, CONTEXT_ID_LOCATION,
                                      command->locations, true));
    add_memory(answer, locations, command->locations * sizeof *locations);
}

/* anyport:location: controller in the upper 16 bits, element's place in the configuration in the
 * lower ones. A plain volume lies on one element. */
static void add_location(struct answer *answer, struct command *command)
{
    if (command->virtual != NULL) {
        add_locations(answer, command);
        return;
    }
    uint32_t flags = (uint32_t)command->target << 16 | command->element;

    add_head(answer,
             nbd_reply_status(head_room(answer), command->cookie, CONTEXT_ID_LOCATION, 1, true));
    add_head(answer,
             nbd_reply_descriptor(head_room(answer), (uint32_t)command->length_bytes, flags));
}

static void add_block_status(struct answer *answer, struct command *command)
{
    bool location = (command->answer_flags & ANSWER_LOCATION) != 0;

    if ((command->answer_flags & ANSWER_ALLOCATION) != 0)
        add_allocation(answer, command, !location);
    if (location)
        add_location(answer, command);
}

/* --- all together --- */

static void add_structured_read(struct answer *answer, struct command *command)
{
    if (command->status != 0)
        add_head(answer, nbd_reply_error_offset(head_room(answer), command->cookie, command->status,
                                                command->aggregate.status_offset_bytes));
    else if (command->length_bytes == 0)
        add_head(answer, nbd_reply_none(head_room(answer), command->cookie));
    else if ((command->answer_flags & ANSWER_DONT_FRAGMENT) != 0)
        add_data(answer, command, 0, command->length_bytes, true);
    else
        add_sparse(answer, command);
}

bool answer_add(struct answer *answer, struct command *command, const struct nbd_agreed *agreed)
{
    if (answer->vectors_count + VECTORS_PER_ANSWER > ANSWER_VECTORS ||
        answer->heads_bytes + HEADS_PER_ANSWER > ANSWER_HEADS_BYTES ||
        (answer->bytes > ANSWER_BYTES_SOFT))
        return false;
    if (command->op == COMMAND_EXTENTS) {
        if (command->status != 0)
            add_head(answer, nbd_reply_error(head_room(answer), command->cookie, command->status));
        else
            add_block_status(answer, command);
    } else if (command->op == COMMAND_READ && agreed->structured_replies) {
        add_structured_read(answer, command);
    } else {
        add_head(answer, nbd_reply_simple(head_room(answer), command->cookie, command->status));
        if (command->op == COMMAND_READ && command->status == 0 && command->length_bytes > 0)
            add_payload(answer, command, 0, command->length_bytes);
    }
    return true;
}
