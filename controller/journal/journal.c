#include "controller/journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/controller.h"
#include "controller/path/split.h"
#include "controller/path/virtual.h"
#include "shm/crash_point.h"

struct journal_shared *journal_shared_of(const struct controller *controller)
{
    return &segment_header(&controller->segment)->journal;
}

/* --- failing --- */

bool journal_has_failed(const struct controller *controller)
{
    /* pairs with journal_fail: who reserves what another one had, whose journaling failed, has its
     * reservation from that one, and finds this as well. */
    return load_acquire(&journal_shared_of(controller)->failed) != 0;
}

void journal_fail(struct controller *controller, int64_t error)
{
    /* pairs with journal_has_failed */
    if (exchange_acq_rel(&journal_shared_of(controller)->failed, 1) == 0)
        fprintf(
            stderr,
            "anyport: c%u: its journal cannot be written: %s; writes of volumes with parity end "
            "with EIO until the array is started again\n",
            controller->id, strerror((int)-error));
}

/* --- filling a batch --- */

static struct journal_record record_of(const struct controller *controller,
                                       const struct command *command)
{
    const struct parity_plan *plan = &command->split->slices.plan;
    struct journal_record record = {.tag = command->virtual->journal_tag,
                                    .member_offset_bytes = plan->member_offset_bytes,
                                    .length_bytes = plan->length_bytes};

    for (uint32_t i = 0; i < plan->writes; i++) {
        uint32_t member = UINT32_C(1) << plan->write[i].member;
        record.members |= member;
        if (split_slices_write_from(controller, command, i) == NULL)
            record.zeroes |= member;
    }
    return record;
}

/* Which of the plan's writes is this member's. */
static uint32_t write_of(const struct parity_plan *plan, uint32_t member)
{
    uint32_t write = 0;

    while (plan->write[write].member != member)
        write++;
    return write;
}

static void copy_payload(const struct controller *controller, const struct command *command,
                         const struct journal_record *record, uint8_t *to)
{
    const struct parity_plan *plan = &command->split->slices.plan;

    for (uint32_t left = record->members & ~record->zeroes; left != 0; left &= left - 1) {
        uint32_t write = write_of(plan, (uint32_t)__builtin_ctz(left));
        memcpy(to, split_slices_write_from(controller, command, write), record->length_bytes);
        to += record->length_bytes;
    }
}

/* What the next batch is made of: as many of those in line as it holds, in order. */
struct contents {
    uint32_t records;
    uint64_t payload_bytes;
};

static struct contents choose(const struct controller *controller)
{
    struct contents contents = {0};

    for (const struct command *command = controller->journal->wanted.head; command != NULL;
         command = command->next) {
        const struct journal_record record = record_of(controller, command);
        uint64_t payload_bytes = contents.payload_bytes + journal_record_payload_bytes(&record);
        if (contents.records == JOURNAL_BATCH_RECORDS_MAX || marking_is_needed(command) ||
            (contents.records > 0 && journal_batch_bytes(contents.records + 1, payload_bytes) >
                                         controller->journal->batch_bytes_max))
            break;
        contents.records++;
        contents.payload_bytes = payload_bytes;
    }
    return contents;
}

static void fill(struct controller *controller, const struct contents *contents)
{
    struct journal *journal = controller->journal;
    uint8_t *payload = journal->memory + journal_batch_payload_at(contents->records);

    for (uint32_t i = 0; i < contents->records; i++) {
        struct command *command = command_queue_pop(&journal->wanted);
        const struct journal_record record = record_of(controller, command);
        journal_batch_put(journal->memory, i, &record);
        copy_payload(controller, command, &record, payload);
        payload += journal_record_payload_bytes(&record);
        command_queue_push(&journal->writing, command);
    }
}

/* The volumes that the next checkpoint must flush. */
static void note_volumes(struct journal *journal, uint32_t number, uint64_t sequence)
{
    for (struct command *command = journal->writing.head; command != NULL;
         command = command->next) {
        command->split->slices.journal_batch = number;
        journal_note_latest(&command->virtual->record->journal_latest, sequence);
    }
}

/* --- writing it --- */

static void write_rest_of_batch(struct controller *controller)
{
    struct journal *journal = controller->journal;
    const struct loop_io io = {
        .buffer = LOOP_NO_BUFFER,
        .durable = true,
        .memory = journal->memory + journal->written_bytes,
        .bytes = journal->batch_bytes - journal->written_bytes,
        .offset_bytes = JOURNAL_HEADERS_BYTES + journal->batch_place_bytes + journal->written_bytes,
    };
    int64_t result = element_write(&journal->file, controller->loop, io, &journal->batch);

    if (result == -EINPROGRESS)
        return;
    journal->answered = true;
    journal->result = result;
}

static void batch_written(struct completion *completion, int result)
{
    struct journal *journal =
        (struct journal *)((char *)completion - offsetof(struct journal, batch));

    journal->answered = true;
    journal->result = result;
}

static void begin_batch(struct controller *controller)
{
    struct journal *journal = controller->journal;
    const struct contents contents = choose(controller);

    if (contents.records == 0) {
        marking_begin(controller, journal->wanted.head->virtual->volume);
        return;
    }
    uint32_t bytes = (uint32_t)journal_batch_bytes(contents.records, contents.payload_bytes);
    uint32_t number = journal->kept_end;

    if (!journal_has_room(journal, bytes)) {
        if (!journal->lacks_room)
            count_up(&controller->counters->waits_for_journal, contents.records);
        journal->lacks_room = true;
        return;
    }
    journal->lacks_room = false;
    fill(controller, &contents);
    struct journal_kept *kept = journal_take_room(controller, bytes, &journal->batch_place_bytes);
    kept->open = contents.records;
    note_volumes(journal, number, kept->sequence);
    const struct journal_batch_name name = {.generation = journal_shared_of(controller)->generation,
                                            .sequence = kept->sequence,
                                            .previous = journal->last_sequence,
                                            .place_bytes = journal->batch_place_bytes};
    journal->batch_bytes =
        journal_batch_seal(journal->memory, contents.records, contents.payload_bytes, &name);
    journal->last_sequence = kept->sequence;
    journal->written_bytes = 0;
    journal->in_flight = true;
    CRASH_POINT("journal.batch");
    count_up(&controller->counters->journal_batches, 1);
    count_up(&controller->counters->journal_records, contents.records);
    count_up(&controller->counters->journal_bytes, bytes);
    write_rest_of_batch(controller);
}

/* They go on; whoever cannot be journaled is not written, and so is not open. */
static void tell(struct controller *controller, struct command_queue *queue, int status)
{
    struct command_queue told = *queue;
    struct command *command;

    *queue = (struct command_queue){0};
    while ((command = command_queue_pop(&told)) != NULL) {
        command->split->slices.journal_status = status;
        command->split->slices.journaled = status == 0;
        command_complete(controller, command, status);
    }
}

static void end_failed(struct controller *controller, int64_t error)
{
    struct journal *journal = controller->journal;
    struct journal_kept *kept = journal_kept_at(journal, journal->kept_end - 1);

    journal_fail(controller, error);
    kept->open = 0;
    journal_say_what_is_open(controller);
    tell(controller, &journal->writing, -EIO);
}

static void end_batch(struct controller *controller)
{
    struct journal *journal = controller->journal;

    journal->answered = false;
    if (journal->result > 0)
        journal->written_bytes += (uint32_t)journal->result;
    if (journal->result > 0 && journal->written_bytes < journal->batch_bytes) {
        write_rest_of_batch(controller);
        return;
    }
    journal->in_flight = false;
    CRASH_POINT("journal.batch_durable");
    if (journal->result <= 0)
        end_failed(controller, journal->result == 0 ? -ENOSPC : journal->result);
    else
        tell(controller, &journal->writing, 0);
}

/* Where members cannot be marked, hosts are told so; by this write as by any other. */
static void end_marking(struct controller *controller)
{
    struct journal *journal = controller->journal;
    struct command_queue all = journal->wanted, refused = {0};
    struct command *command;

    journal->marking.running = journal->marking.answered = false;
    if (journal->marking.status == 0)
        return;
    journal->wanted = (struct command_queue){0};
    while ((command = command_queue_pop(&all)) != NULL)
        command_queue_push(command->virtual->volume == journal->marking.volume ? &refused
                                                                               : &journal->wanted,
                           command);
    tell(controller, &refused, -EIO);
}

/* --- from outside --- */

void journal_add(struct controller *controller, struct command *command)
{
    command_queue_push(&controller->journal->wanted, command);
}

void journal_turn(struct controller *controller)
{
    struct journal *journal = controller->journal;

    if (journal == NULL)
        return;
    if (journal->answered)
        end_batch(controller);
    if (journal->wanted.head != NULL && journal_has_failed(controller))
        tell(controller, &journal->wanted, -EIO);
    if (journal->marking.answered)
        end_marking(controller);
    if (!journal->in_flight && !journal->marking.running && journal->wanted.head != NULL) {
        journal_drop_void(controller);
        begin_batch(controller);
    }
    if (journal->answered && journal->result == (int64_t)journal->batch_bytes)
        end_batch(controller); /* inline: those that wait go on in this turn */
    checkpoint_turn(controller);
}

bool journal_has_work(const struct controller *controller)
{
    const struct journal *journal = controller->journal;

    if (journal == NULL)
        return false;
    return journal->answered || journal->marking.answered || checkpoint_has_work(journal) ||
           (journal->wanted.head != NULL && !journal->in_flight && !journal->marking.running &&
            !journal->lacks_room);
}

bool journal_writes(const struct controller *controller)
{
    const struct journal *journal = controller->journal;

    return journal != NULL &&
           ((journal->in_flight && !journal->answered) ||
            (journal->checkpoint.step == CHECKPOINT_WRITES && !journal->checkpoint.answered));
}

bool journal_is_quiet(const struct controller *controller)
{
    const struct journal *journal = controller->journal;

    if (journal == NULL)
        return true;
    if (journal->in_flight || journal->marking.running || journal->wanted.head != NULL ||
        journal->checkpoint.step != CHECKPOINT_NONE)
        return false;
    return journal->kept_begin == journal->kept_end || journal_has_failed(controller) ||
           journal->checkpoint.failures >= JOURNAL_END_TRIES;
}

/* By a command of its own. */
static bool works_on(const struct journal *journal, uint32_t volume)
{
    return (journal->checkpoint.step == CHECKPOINT_FLUSHES &&
            journal->checkpoint.volume == volume) ||
           (journal->marking.running && journal->marking.volume == volume);
}

bool journal_holds_volume(struct controller *controller, uint32_t volume)
{
    const struct volume_record *record = segment_volume(&controller->segment, volume);
    struct journal *journal = controller->journal;

    /* relaxed: nobody writes to the volume any more; what was noted was noted long ago */
    if (journal == NULL || load_relaxed(&record->journal_latest) == 0 ||
        load_relaxed(&record->journal_latest) <
            /* pairs with journal_raise_replay_from */
            load_acquire(&journal_shared_of(controller)->replay_from))
        return journal != NULL && works_on(journal, volume);
    journal->checkpoint.wanted = true;
    return true;
}

uint64_t journal_next_sequence(const struct controller *controller, uint32_t volume)
{
    const struct virtual_volume *virtual = virtual_find(controller, volume);

    if (controller->journal == NULL || virtual == NULL || virtual->layout.parities == 0)
        return 0;
    /* pairs with journal_take_sequence */
    return load_acquire(&journal_shared_of(controller)->sequence);
}

bool journal_is_past(struct controller *controller, uint64_t sequence)
{
    /* pairs with journal_raise_replay_from */
    if (sequence <= load_acquire(&journal_shared_of(controller)->replay_from))
        return true;
    controller->journal->checkpoint.wanted = true;
    return false;
}

/* --- making --- */

static int make_memory(struct journal *journal)
{
    void *memory, *block;

    journal->kept = calloc(JOURNAL_BATCHES_MAX, sizeof *journal->kept);
    if (journal->kept == NULL || posix_memalign(&memory, BLOCK_BYTES, JOURNAL_BATCH_BYTES_MAX) != 0)
        return -ENOMEM;
    journal->memory = memory;
    if (posix_memalign(&block, BLOCK_BYTES, BLOCK_BYTES) != 0)
        return -ENOMEM;
    journal->checkpoint.block = block;
    return 0;
}

static int read_header(const struct element *file, struct journal_header *ret_header)
{
    uint8_t *copies = malloc(JOURNAL_HEADERS_BYTES);

    if (copies == NULL)
        return -ENOMEM;
    int error = element_bytes_read(file, copies, JOURNAL_HEADERS_BYTES, 0);
    if (error == 0)
        error = journal_header_choose(copies, ret_header);
    free(copies);
    return error;
}

/* An earlier life's batches are in the ring, nobody knows where: so all of it is in use until they
 * are void. */
static void keep_earlier_life(struct controller *controller)
{
    struct journal *journal = controller->journal;

    if (controller->epoch == SEAT_EPOCH_FIRST)
        return;
    *journal_kept_at(journal, journal->kept_end++) = (struct journal_kept){
        /* pairs with journal_take_sequence: the dead one's are lower than this */
        .sequence = load_acquire(&journal_shared_of(controller)->sequence) - 1,
        .taken_bytes = (uint32_t)journal->ring_bytes,
    };
    journal->open_begin = journal->kept_end;
    journal->used_bytes = journal->ring_bytes;
}

static int open_journal(struct controller *controller, const struct element *file)
{
    struct journal *journal = controller->journal;
    struct journal_header *header = &journal->checkpoint.header;
    int error = make_memory(journal);

    if (error == 0)
        error = read_header(file, header);
    if (error == 0 && (header->generation != journal_shared_of(controller)->generation ||
                       header->seat != controller->id))
        error = -EBADMSG;
    if (error == 0)
        error = element_attach(&journal->file, controller->loop);
    if (error != 0)
        return error;
    journal->ring_bytes = header->ring_bytes;
    journal->batch_bytes_max = header->ring_bytes / 3 < JOURNAL_BATCH_BYTES_MAX
                                   ? header->ring_bytes / 3
                                   : JOURNAL_BATCH_BYTES_MAX;
    journal->batch.fire = batch_written;
    checkpoint_init(journal);
    keep_earlier_life(controller);
    journal_set_open(controller->seat, JOURNAL_NONE_OPEN);
    return 0;
}

int journal_new(struct controller *controller, const struct element *file)
{
    if (file == NULL || file->fd < 0)
        return 0;
    controller->journal = calloc(1, sizeof *controller->journal);
    if (controller->journal == NULL)
        return -ENOMEM;
    controller->journal->file = *file;
    return open_journal(controller, file);
}

void journal_free(struct controller *controller)
{
    struct journal *journal = controller->journal;

    if (journal == NULL)
        return;
    element_close(&journal->file);
    free(journal->kept);
    free(journal->memory);
    free(journal->checkpoint.block);
    free(journal);
    controller->journal = NULL;
}
