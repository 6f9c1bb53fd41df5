/*
 * The beginning of journals: what the last run left is replayed, and each file gets the header of
 * this one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller/config/journals.h"
#include "controller/config/refusal.h"
#include "io/random.h"

static int create_file(const struct config *config, struct journals *journals, uint32_t seat,
                       struct config_error *ret_error)
{
    char path[PATH_BYTES_MAX + 1];
    const struct element_wanted wanted = {.image = path, .size_bytes = config->journal_bytes};
    struct element_error why;

    if (journals->files[seat].fd >= 0)
        return 0;
    journals_path(config, seat, path);
    int error = element_create(&journals->files[seat], &wanted, &why);
    if (error != 0)
        return refuse_journal(config, seat, error, ret_error, "%s", why.text);
    journals->created[seat] = true;
    error = element_take_space(&journals->files[seat]);
    return error == 0 ? 0
                      : refuse_journal(config, seat, error, ret_error,
                                       "there is no space for its %" PRIu64 " bytes",
                                       config->journal_bytes);
}

static void remove_created(const struct config *config, struct journals *journals)
{
    char path[PATH_BYTES_MAX + 1];

    for (uint32_t seat = 0; seat < config->controllers; seat++) {
        journals_path(config, seat, path);
        if (journals->created[seat])
            element_remove(path);
    }
}

/* What was lost, and is in doubt, must be known if this start is killed before superblocks say so.
 */
static void enter_lost(const struct config *config, const struct images *images,
                       struct journal_header *header)
{
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        if (images->doubtful[i] != 0 && journals_is_lost(config, images->journals, i))
            journal_header_add_lost(header, journals_tag_of(config, i));
    }
}

static int begin_file(const struct config *config, struct images *images, uint32_t seat,
                      struct config_error *ret_error)
{
    struct journals *journals = images->journals;
    struct journal_header header = {
        .sequence = journals->has[seat] ? journals->headers[seat].sequence + 1 : 1,
        .generation = journals->generation,
        .previous = journals->last != 0 ? journals->last : journals->passed,
        .replay_from = JOURNAL_SEQUENCE_FIRST,
        .ring_bytes = config->journal_bytes - JOURNAL_HEADERS_BYTES,
        .seat = seat,
        .controllers = config->controllers,
    };
    uint8_t block[BLOCK_BYTES];

    enter_lost(config, images, &header);
    memcpy(header.array_id, journals_array_id(images), SUPERBLOCK_ID_BYTES);
    snprintf(header.array, sizeof header.array, "%s", config->array);
    journal_header_encode(&header, block);
    int error = element_bytes_write(&journals->files[seat], block, sizeof block,
                                    header.sequence % 2 * BLOCK_BYTES);
    return error == 0 ? 0
                      : refuse_journal(config, seat, error, ret_error, "it cannot be written: %s",
                                       strerror(-error));
}

/* An element whose volumes begin with regions in doubt does not say that a journal knows all. */
static void enter_superblocks(const struct config *config, struct images *images)
{
    for (uint32_t i = 0; i < images->count; i++) {
        if (images->superblocks[i] != NULL)
            images->superblocks[i]->content.journal =
                images->journals != NULL ? images->journals->generation : 0;
    }
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        const struct config_volume *volume = &config->volumes[i];
        bool in_doubt = layout_parities(volume->layout) > 0 && images->doubtful[i] != 0;
        for (uint32_t j = 0; in_doubt && j < volume->members_count; j++)
            images->superblocks[config->volumes[volume->members[j]].element]->content.journal = 0;
    }
}

static int begin_all(const struct config *config, struct images *images,
                     struct config_error *ret_error)
{
    struct journals *journals = images->journals;
    int error = random_bytes(&journals->generation, sizeof journals->generation);

    if (error != 0)
        return refuse_array(config, ret_error, error, "no random bytes: %s", strerror(-error));
    journals->generation |= 1; /* not 0 */
    for (uint32_t seat = 0; seat < config->controllers && error == 0; seat++)
        error = create_file(config, journals, seat, ret_error);
    if (error == 0)
        error = journals_replay(config, images, ret_error);
    for (uint32_t seat = 0; seat < config->controllers && error == 0; seat++)
        error = begin_file(config, images, seat, ret_error);
    return error;
}

int journals_begin(const struct config *config, struct images *images,
                   struct config_error *ret_error)
{
    int error = images->journals == NULL ? 0 : begin_all(config, images, ret_error);

    if (error == 0)
        enter_superblocks(config, images);
    else
        remove_created(config, images->journals);
    return error;
}
