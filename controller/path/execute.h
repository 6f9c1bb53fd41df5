/*
 * EXECUTE, among its files: execute.c is the stage; execute_start.c starts operations of element
 * I/O, execute_next.c says what comes after them; execute_intent.c, execute_clear.c and
 * execute_verify.c are what an element with write intents and with checksums needs besides.
 */
#ifndef CONTROLLER_PATH_EXECUTE_H
#define CONTROLLER_PATH_EXECUTE_H

#include "controller/controller.h"

enum execute_step {
    STEP_READ,          /* a piece of a READ */
    STEP_WRITE,         /* a piece of whole blocks, or of any bytes where that is allowed */
    STEP_PARTIAL_READ,  /* the block around a partial piece, into the scratch block */
    STEP_PARTIAL_WRITE, /* and back, changed */
    STEP_RELEASE_RANGE, /* punch or zero by the file system */
    STEP_SYNC,          /* fdatasync: a FLUSH, or FUA after anything but a write */
    STEP_PREFETCH,
    STEP_MARK,      /* a copy of the superblock */
    STEP_INTENT,    /* the bitmap of write intents, before the first write of a region, or without
                       what is not needed any more */
    STEP_CHECKSUMS, /* those of a range, before its intents go */
};

/* What a command in this stage waits for. */
enum execute_wait {
    WAIT_STEP,    /* its operation */
    WAIT_GATE,    /* earlier writes of the same block */
    WAIT_SCRATCH, /* a scratch block */
    WAIT_MARK,    /* an earlier writing of the superblock */
    WAIT_INTENT,  /* an earlier writing of the bitmap */
};

/* What comes next; or a negative errno: the command is over with that. */
enum execute_next {
    NEXT_OVER = 0,
    NEXT_STEP,
    NEXT_WAIT, /* it stands in some line, and io.waits_for says in which */
};

static inline struct owned_element *execute_owned(struct controller *controller,
                                                  const struct command *command)
{
    return &controller->elements[command->element];
}

static inline struct checksums *execute_checksums(const struct owned_element *element)
{
    return element->integrity != NULL ? element->integrity->checksums : NULL;
}

/* Whether the element's blocks are read and written as a whole only. */
static inline bool execute_blockwise(const struct owned_element *element)
{
    return element->file.mode == ELEMENT_MODE_DIRECT || execute_checksums(element) != NULL;
}

static inline uint64_t block_floor(uint64_t bytes)
{
    return bytes & ~(uint64_t)(BLOCK_BYTES - 1);
}

static inline uint64_t block_ceiling(uint64_t bytes)
{
    return block_floor(bytes + BLOCK_BYTES - 1);
}

/* Byte `at_bytes` of the element: where it stands in the payload, and how many follow there. */
static inline int64_t execute_place(const struct command *command, uint64_t at_bytes,
                                    uint64_t *ret_run_bytes)
{
    int64_t within_bytes = (int64_t)(at_bytes - command->element_offset_bytes);

    return command_place(command, within_bytes, ret_run_bytes);
}

/* The longest piece that begins at `at` and whose payload is in few enough places. */
uint64_t execute_piece_limit(const struct command *command, uint64_t at_bytes, uint64_t end_bytes);

/* Counts a command that was answered without EXECUTE, from the owner's cache, as executed here. */
void execute_count_served(struct controller *controller, struct command *command, int32_t status);

/* Starts io.step and returns its result, or -EINPROGRESS. */
int64_t execute_start(struct controller *controller, struct command *command);

/* All below return enum execute_next, or -errno. */

/* Lays out the first step. */
int execute_first(struct controller *controller, struct command *command);

/* Lays out the next piece of a write, also the first. */
int execute_next_write(struct controller *controller, struct command *command);

/* io.step has ended with io.result. */
int execute_after(struct controller *controller, struct command *command);

/* After an operation that is worth nothing in part moved a part: NEXT_STEP, all of it once more, or
 * -EIO when that does not help. A short result is no error (io/element.h). */
int execute_once_more(struct command *command);

/* A write has failed with io.result: that, after the element failed if it must. */
int execute_write_failed(struct controller *controller, struct command *command);

/* What a command that changes data needs before its first step: its intent on the image, and its
 * turn at the gate; then as execute_first. May be asked again after a wait. */
int execute_begin_change(struct controller *controller, struct command *command);

/* --- write intents --- */

/* NEXT_OVER: the image says that the command's regions are being written. Else it is to write that,
 * or to wait. */
int execute_intend(struct controller *controller, struct command *command);

/* INTENTS: in how many regions of the command's range other members may hold something else, up to
 * EXTENTS_MAX. 0 also where the image does not say. */
uint32_t execute_count_doubt(struct controller *controller, const struct command *command);

/* A change of data has failed, and may have been made in part: members may differ there. */
void execute_hold_intents(struct controller *controller, const struct command *command);

/* Some time has passed: what of the element was not written in it comes to rest, if no write of the
 * time before is under way. False: there is nothing that may come to rest. It has intents. */
bool execute_age(struct owned_element *element);

/* QUIET: command->count says in the end whether the range is not quiet. CLEAR. */
int execute_quiet(struct controller *controller, struct command *command);
int execute_clear(struct controller *controller, struct command *command);
int64_t execute_start_checksums(struct controller *controller, struct command *command);
int execute_after_checksums(struct controller *controller, struct command *command);
int execute_after_quiet_flush(struct controller *controller, struct command *command);

/* The bitmap was written, or not: goes on with the command, and with those that waited. */
int execute_after_intent(struct controller *controller, struct command *command);

/* --- checksums: nothing happens on an element that has none --- */

/* A piece has been read as a whole. -EBADMSG: a block does not fit its checksum, also when it is
 * read while nobody writes it. */
int execute_verify_piece(struct controller *controller, struct command *command);

/* A block that is to be changed in part has been read into the scratch block. */
int execute_verify_scratch(struct controller *controller, struct command *command);

/* The piece has been written; from the payload, as zeroes, or from the scratch block. */
void execute_enter_piece(struct controller *controller, struct command *command);
void execute_enter_scratch(struct controller *controller, struct command *command);

/* The range [at, end) has been zeroed. */
void execute_enter_zeroes(struct controller *controller, struct command *command);

/* A piece, or zeroing [at, end), failed: what stands there is not known. */
void execute_enter_unknown(struct controller *controller, struct command *command);

#endif
