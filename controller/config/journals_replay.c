/*
 * Replaying: the records that count are written to the members once more, in order. Before that the
 * elements' intents say so, durably: else a block would not fit its checksum, where a record became
 * durable and its write had not begun.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/journals.h"
#include "controller/config/refusal.h"
#include "controller/integrity/intents.h"

struct replay {
    const struct config *config;
    struct images *images;
    uint64_t *tags;           /* by volume; of those that are replayed */
    uint64_t *member_bytes;   /* by volume: of each member, as the layout uses it */
    struct intents **intents; /* by element; NULL: it has none, or nothing is replayed to it */
    bool *written;            /* by element */
    uint8_t *batch;           /* JOURNAL_BATCH_BYTES_MAX */
    uint8_t *zeroes;          /* PARITY_COLUMN_BYTES */
    uint64_t records;
};

/* A place of a record, on an element. */
struct place {
    uint32_t element;
    uint64_t offset_bytes;
    uint32_t length_bytes;
    const uint8_t *from;
};

typedef int place_fn(struct replay *replay, const struct place *place);

/* --- volumes --- */

static int find_volumes(struct replay *replay, struct config_error *ret_error)
{
    struct layout layout;
    int error = 0;

    for (uint32_t i = 0; i < replay->config->volumes_count && error == 0; i++) {
        if (!replay->images->replayed[i])
            continue;
        error = images_layout_of(replay->config, replay->images, i, &layout, NULL, ret_error);
        replay->tags[i] = journals_tag_of(replay->config, i);
        replay->member_bytes[i] = layout.member_bytes;
    }
    return error;
}

/* The one that a record is of, or CONFIG_NONE: it is not in the configuration any more, or not
 * covered, or it ended in order with all that the record says. */
static uint32_t volume_of(const struct replay *replay, const struct journal_record *record)
{
    uint32_t volume = 0;

    while (volume < replay->config->volumes_count &&
           (!replay->images->replayed[volume] || replay->tags[volume] != record->tag))
        volume++;
    bool fits =
        volume < replay->config->volumes_count &&
        record->member_offset_bytes < replay->member_bytes[volume] &&
        record->length_bytes <= replay->member_bytes[volume] - record->member_offset_bytes &&
        (uint64_t)record->members >> replay->config->volumes[volume].members_count == 0;
    return fits ? volume : CONFIG_NONE;
}

/* --- records --- */

/* A member that is stale is made anew as a whole; one that was being rebuilt goes on where it was,
 * so what was written to it before that place counts. */
static int each_place(struct replay *replay, const struct journal_record *record, uint32_t volume,
                      const uint8_t *payload, place_fn *act)
{
    const struct config_volume *wanted = &replay->config->volumes[volume];
    const struct standing *standing = &replay->images->standings[volume];
    uint32_t left_out = standing->stale & ~standing->rebuilding;
    int error = 0;

    for (uint32_t left = record->members; left != 0 && error == 0; left &= left - 1) {
        uint32_t number = (uint32_t)__builtin_ctz(left);
        const struct config_volume *member = &replay->config->volumes[wanted->members[number]];
        bool zero = (record->zeroes >> number & 1) != 0;
        const struct place place = {.element = member->element,
                                    .offset_bytes =
                                        member->offset_bytes + record->member_offset_bytes,
                                    .length_bytes = record->length_bytes,
                                    .from = zero ? replay->zeroes : payload};
        if ((left_out >> number & 1) == 0)
            error = act(replay, &place);
        payload += zero ? 0 : record->length_bytes;
    }
    return error;
}

static int each_record(struct replay *replay, const struct journal_found *found, place_fn *act)
{
    const struct journals *journals = replay->images->journals;
    struct journal_batch batch;
    const uint8_t *payload;
    int error = element_bytes_read(&journals->files[found->seat], replay->batch, found->bytes,
                                   JOURNAL_HEADERS_BYTES + found->place_bytes);

    if (error == 0)
        error = journal_batch_decode(replay->batch, found->bytes, journals->last,
                                     found->place_bytes, &batch);
    for (uint32_t i = 0; error == 0 && i < batch.records; i++) {
        const struct journal_record record = journal_batch_record(&batch, i, &payload);
        uint32_t volume = volume_of(replay, &record);
        if (volume != CONFIG_NONE)
            error = each_place(replay, &record, volume, payload, act);
        replay->records += volume != CONFIG_NONE;
    }
    return error;
}

static int each_batch(struct replay *replay, place_fn *act)
{
    const struct journals *journals = replay->images->journals;
    int error = 0;

    replay->records = 0;
    for (uint32_t i = 0; i < journals->found_count && error == 0; i++)
        error = each_record(replay, &journals->found[i], act);
    return error;
}

/* --- intents --- */

static int read_intents(struct replay *replay, uint32_t element)
{
    const struct element *file = &replay->images->elements[element];
    const struct tail *tail = &replay->images->superblocks[element]->content.tail;

    if (replay->intents[element] != NULL || tail->intents_bytes == 0)
        return 0;
    int error = intents_new(&replay->intents[element], tail, file->tail_offset_bytes);
    if (error == 0)
        error = element_read_tail_now(file, replay->intents[element]->image, tail->intents_bytes,
                                      tail->intents_offset_bytes);
    if (error == 0)
        intents_load(replay->intents[element]);
    return error;
}

static int want_intent(struct replay *replay, const struct place *place)
{
    int error = read_intents(replay, place->element);

    if (error == 0 && replay->intents[place->element] != NULL)
        intents_want(replay->intents[place->element], place->offset_bytes, place->length_bytes);
    return error;
}

static int write_intents(struct replay *replay)
{
    int error = 0;

    for (uint32_t i = 0; i < replay->images->count && error == 0; i++) {
        const struct element *file = &replay->images->elements[i];
        if (replay->intents[i] == NULL)
            continue;
        const struct tail *tail = &replay->images->superblocks[i]->content.tail;
        intents_begin(replay->intents[i]);
        error = element_write_tail_now(file, replay->intents[i]->image, tail->intents_bytes,
                                       tail->intents_offset_bytes);
        if (error == 0)
            error = element_sync_now(file);
    }
    return error;
}

/* --- writing --- */

static int write_place(struct replay *replay, const struct place *place)
{
    replay->written[place->element] = true;
    return element_bytes_put(&replay->images->elements[place->element], place->from,
                             place->length_bytes, place->offset_bytes);
}

static int flush(const struct replay *replay)
{
    int error = 0;

    for (uint32_t i = 0; i < replay->images->count && error == 0; i++) {
        if (replay->written[i])
            error = element_sync_now(&replay->images->elements[i]);
    }
    return error;
}

/* --- all of it --- */

static int begin(struct replay *replay, const struct config *config, struct images *images)
{
    *replay =
        (struct replay){.config = config,
                        .images = images,
                        .tags = calloc(config->volumes_count, sizeof *replay->tags),
                        .member_bytes = calloc(config->volumes_count, sizeof *replay->member_bytes),
                        .intents = calloc(images->count, sizeof *replay->intents),
                        .written = calloc(images->count, sizeof *replay->written),
                        .batch = malloc(JOURNAL_BATCH_BYTES_MAX),
                        .zeroes = calloc(1, PARITY_COLUMN_BYTES)};
    return replay->tags != NULL && replay->member_bytes != NULL && replay->intents != NULL &&
                   replay->written != NULL && replay->batch != NULL && replay->zeroes != NULL
               ? 0
               : -ENOMEM;
}

static void end(struct replay *replay)
{
    for (uint32_t i = 0; replay->intents != NULL && i < replay->images->count; i++)
        intents_free(replay->intents[i]);
    free(replay->tags);
    free(replay->member_bytes);
    free(replay->intents);
    free(replay->written);
    free(replay->batch);
    free(replay->zeroes);
}

static int run(struct replay *replay)
{
    int error = each_batch(replay, want_intent);

    if (error == 0)
        error = write_intents(replay);
    if (error == 0)
        error = each_batch(replay, write_place);
    return error == 0 ? flush(replay) : error;
}

int journals_replay(const struct config *config, struct images *images,
                    struct config_error *ret_error)
{
    const struct journals *journals = images->journals;
    struct replay replay;
    int error;

    if (journals->last == 0 || journals->found_count == 0)
        return 0;
    error = begin(&replay, config, images);
    if (error == 0) {
        error = find_volumes(&replay, ret_error);
        if (error != 0) {
            end(&replay);
            return error;
        }
        error = run(&replay);
    }
    if (error == 0 && replay.records > 0)
        fprintf(stderr, "anyport: journal %s: replayed %" PRIu64 " writes of rows, in %u batches\n",
                config->journal, replay.records, journals->found_count);
    end(&replay);
    return error == 0 ? 0
                      : refuse_array(config, ret_error, error, "journal %s cannot be replayed: %s",
                                     config->journal, strerror(-error));
}
