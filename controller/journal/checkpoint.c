/*
 * Checkpoints: what has been written in place is made durable there, and its batches are void.
 *
 *      NONE --> FLUSHES --> WRITES --> NONE
 *
 *      FLUSHES   the horizon was taken; one volume after another is flushed, by a FLUSH like a
 *                host's, which reaches the owners of all members, and by which members that have
 *                failed are marked first (path/split_mark.c)
 *      WRITES    the horizon is written to our header
 *
 * It begins when half of the ring is in use, when somebody waits for room, when a volume is to go,
 * and at an orderly end. What fails is tried again a little later.
 */
#include <errno.h>

#include "controller/controller.h"
#include "controller/journal/journal.h"
#include "controller/path/virtual.h"
#include "controller/volume_state.h"
#include "shm/crash_point.h"

static void pause_is_over(struct timer *timer)
{
    (void)timer; /* the turn that this begins looks */
}

static void pause_it(struct controller *controller)
{
    loop_timer_start(controller->loop, &controller->journal->checkpoint.pause,
                     JOURNAL_PAUSE_MS * 1000000ull);
}

static void fail(struct controller *controller)
{
    struct journal_checkpoint *checkpoint = &controller->journal->checkpoint;

    checkpoint->step = CHECKPOINT_NONE;
    checkpoint->failures++;
    pause_it(controller);
}

/* --- its header --- */

static void write_rest(struct controller *controller)
{
    struct journal *journal = controller->journal;
    struct journal_checkpoint *checkpoint = &journal->checkpoint;
    const struct loop_io io = {
        .buffer = LOOP_NO_BUFFER,
        .durable = true,
        .memory = checkpoint->block + checkpoint->written_bytes,
        .bytes = BLOCK_BYTES - checkpoint->written_bytes,
        .offset_bytes = checkpoint->header.sequence % 2 * BLOCK_BYTES + checkpoint->written_bytes,
    };
    int64_t result = element_write(&journal->file, controller->loop, io, &checkpoint->written);
    if (result == -EINPROGRESS)
        return;
    checkpoint->answered = true;
    checkpoint->status = result;
}

static void header_written(struct completion *completion, int result)
{
    struct journal_checkpoint *checkpoint =
        (struct journal_checkpoint *)((char *)completion -
                                      offsetof(struct journal_checkpoint, written));

    checkpoint->answered = true;
    checkpoint->status = result;
}

static void begin_header(struct controller *controller)
{
    struct journal_checkpoint *checkpoint = &controller->journal->checkpoint;

    checkpoint->step = CHECKPOINT_WRITES;
    checkpoint->header.sequence++;
    checkpoint->header.replay_from = checkpoint->horizon;
    journal_header_encode(&checkpoint->header, checkpoint->block);
    checkpoint->written_bytes = 0;
    CRASH_POINT("journal.header");
    write_rest(controller);
}

static void end_header(struct controller *controller)
{
    struct journal_checkpoint *checkpoint = &controller->journal->checkpoint;

    if (checkpoint->status <= 0) {
        journal_fail(controller, checkpoint->status < 0 ? checkpoint->status : -ENOSPC);
        fail(controller);
        return;
    }
    checkpoint->written_bytes += (uint32_t)checkpoint->status;
    if (checkpoint->written_bytes < BLOCK_BYTES) {
        write_rest(controller);
        return;
    }
    checkpoint->step = CHECKPOINT_NONE;
    checkpoint->failures = 0;
    checkpoint->wanted = false;
    CRASH_POINT("journal.header_durable");
    journal_raise_replay_from(journal_shared_of(controller), checkpoint->horizon);
    journal_drop_void(controller);
    controller->journal->lacks_room = false;
    count_up(&controller->counters->journal_checkpoints, 1);
    pause_it(controller);
}

enum { COMMAND_FLUSHES = 0 }; /* of the journal's own commands */

/* --- flushes --- */

/* Whether batches that are to be void have something of it. */
static bool has_records(const struct controller *controller, uint32_t volume)
{
    const struct virtual_volume *virtual = virtual_find(controller, volume);

    return virtual != NULL && virtual->layout.parities > 0 &&
           /* pairs with journal_note_latest, and with journal_raise_replay_from */
           load_acquire(&virtual->record->journal_latest) >=
               load_acquire(&journal_shared_of(controller)->replay_from);
}

/* One that has lost more members than it can do without cannot be flushed, and must not keep all
 * others from being: our header says that nothing is known of it. */
static bool is_lost(struct controller *controller, uint32_t volume)
{
    if (volume_state_now(&controller->segment, volume) != VOLUME_FAILED)
        return false;
    journal_header_add_lost(&controller->journal->checkpoint.header,
                            virtual_find(controller, volume)->journal_tag);
    return true;
}

static bool is_to_be_flushed(struct controller *controller, uint32_t volume)
{
    return has_records(controller, volume) && !is_lost(controller, volume);
}

static void flushed(struct controller *controller, struct command *command)
{
    struct journal_checkpoint *checkpoint = &controller->journal->checkpoint;

    checkpoint->answered = true;
    checkpoint->status = command->status;
}

static const struct command_origin flush_origin = {
    .name = "journal", .travels = true, .reply = flushed};

static void flush_from(struct controller *controller, uint32_t volume)
{
    struct journal_checkpoint *checkpoint = &controller->journal->checkpoint;

    while (volume < mapping_volumes_end(&controller->segment) &&
           !is_to_be_flushed(controller, volume))
        volume++;
    if (volume >= mapping_volumes_end(&controller->segment)) {
        begin_header(controller);
        return;
    }
    checkpoint->volume = volume;
    journal_send(controller, COMMAND_FLUSHES, COMMAND_FLUSH, volume, &flush_origin);
}

/* One that cannot be flushed has lost members meanwhile, or cannot be reached. */
static void go_on(struct controller *controller)
{
    struct journal_checkpoint *checkpoint = &controller->journal->checkpoint;

    checkpoint->answered = false;
    if (checkpoint->step == CHECKPOINT_WRITES)
        end_header(controller);
    else if (checkpoint->status != 0 && is_to_be_flushed(controller, checkpoint->volume))
        fail(controller);
    else
        flush_from(controller, checkpoint->volume + 1);
}

/* --- beginning --- */

static bool is_wanted(const struct controller *controller)
{
    const struct journal *journal = controller->journal;
    uint32_t kept = journal->kept_end - journal->kept_begin;

    return journal->checkpoint.wanted || journal->lacks_room ||
           journal->used_bytes > journal->ring_bytes / 2 || kept > JOURNAL_BATCHES_MAX / 2 ||
           (controller->quiescing && kept > 0 && journal->checkpoint.failures < JOURNAL_END_TRIES);
}

static void begin(struct controller *controller)
{
    struct journal_checkpoint *checkpoint = &controller->journal->checkpoint;

    /* Another controller's may have been enough. */
    journal_drop_void(controller);
    controller->journal->lacks_room = false; /* it is looked at again */
    checkpoint->horizon = journal_horizon(&controller->segment);
    /* pairs with journal_raise_replay_from */
    if (checkpoint->horizon <= load_acquire(&journal_shared_of(controller)->replay_from)) {
        checkpoint->failures += controller->quiescing;
        pause_it(controller);
        return;
    }
    checkpoint->step = CHECKPOINT_FLUSHES;
    CRASH_POINT("journal.checkpoint");
    flush_from(controller, 0);
}

void checkpoint_turn(struct controller *controller)
{
    struct journal_checkpoint *checkpoint = &controller->journal->checkpoint;

    while (checkpoint->answered)
        go_on(controller);
    if (checkpoint->step == CHECKPOINT_NONE && checkpoint->pause.next == NULL &&
        !journal_has_failed(controller) && is_wanted(controller))
        begin(controller);
}

bool checkpoint_has_work(const struct journal *journal)
{
    return journal->checkpoint.answered;
}

void checkpoint_init(struct journal *journal)
{
    struct journal_checkpoint *checkpoint = &journal->checkpoint;

    checkpoint->written.fire = header_written;
    checkpoint->pause.fire = pause_is_over;
}
