#include "controller/config/journals.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/refusal.h"

/* --- files --- */

void journals_path(const struct config *config, uint32_t seat, char ret_path[PATH_BYTES_MAX + 1])
{
    snprintf(ret_path, PATH_BYTES_MAX + 1, "%s.%u", config->journal, seat);
}

static int check_size(const struct config *config, const struct journals *journals, uint32_t seat,
                      struct config_error *ret_error)
{
    uint64_t bytes = journals->files[seat].size_bytes;

    if (seat < config->controllers && bytes < config->journal_bytes)
        return refuse_journal(config, seat, -EINVAL, ret_error,
                              "it has %" PRIu64 " bytes, and journal-size is %" PRIu64
                              "; allowed: a file of at least that, or a smaller journal-size",
                              bytes, config->journal_bytes);
    return 0;
}

static int open_file(const struct config *config, struct journals *journals, uint32_t seat,
                     struct config_error *ret_error)
{
    char path[PATH_BYTES_MAX + 1];
    struct element_wanted wanted = {.image = path};
    struct element_error why;

    journals_path(config, seat, path);
    if (element_exists(path)) {
        int error = element_open(&journals->files[seat], &wanted, &why);
        return error != 0 ? refuse_journal(config, seat, error, ret_error, "%s", why.text)
                          : check_size(config, journals, seat, ret_error);
    }
    wanted.size_bytes = config->journal_bytes;
    if (seat < config->controllers && element_check_creatable(&wanted, &why) != 0)
        return refuse_journal(config, seat, -EINVAL, ret_error, "%s", why.text);
    return 0;
}

const uint8_t *journals_array_id(const struct images *images)
{
    for (uint32_t i = 0; i < images->count; i++) {
        if (images->superblocks[i] != NULL)
            return images->superblocks[i]->content.array_id;
    }
    return NULL;
}

static int refuse_header(const struct config *config, uint32_t seat, int error,
                         struct config_error *ret_error)
{
    switch (error) {
    case -ENOENT:
        return refuse_journal(config, seat, -EINVAL, ret_error,
                              "it is no journal; allowed: a journal of this array, or a path where "
                              "there is nothing");
    case -EBADMSG:
        return refuse_journal(config, seat, -EINVAL, ret_error,
                              "its header is damaged; allowed: the undamaged file, or none: then "
                              "the array starts as without a journal");
    case -EPROTONOSUPPORT:
        return refuse_journal(config, seat, -EINVAL, ret_error,
                              "it was written by a later version; allowed: up to version %d",
                              JOURNAL_VERSION);
    default:
        return refuse_journal(config, seat, error, ret_error, "it cannot be read: %s",
                              strerror(-error));
    }
}

static int check_header(const struct config *config, const struct images *images, uint32_t seat,
                        struct config_error *ret_error)
{
    const struct journals *journals = images->journals;
    const struct journal_header *header = &journals->headers[seat];

    if (strcmp(header->array, config->array) != 0 ||
        memcmp(header->array_id, journals_array_id(images), SUPERBLOCK_ID_BYTES) != 0)
        return refuse_journal(config, seat, -EINVAL, ret_error,
                              "it is that of another array, by the name of %s; allowed: a journal "
                              "of this array, or a path where there is nothing",
                              header->array);
    if (header->seat != seat)
        return refuse_journal(config, seat, -EINVAL, ret_error,
                              "it is that of controller %u; allowed: that of controller %u",
                              header->seat, seat);
    if (header->ring_bytes + JOURNAL_HEADERS_BYTES > journals->files[seat].size_bytes)
        return refuse_journal(
            config, seat, -EINVAL, ret_error,
            "it has %" PRIu64 " bytes, and had %" PRIu64 "; allowed: the file as it was",
            journals->files[seat].size_bytes, header->ring_bytes + JOURNAL_HEADERS_BYTES);
    return 0;
}

static int read_header(const struct config *config, struct images *images, uint32_t seat,
                       struct config_error *ret_error)
{
    struct journals *journals = images->journals;
    uint8_t copies[JOURNAL_HEADERS_BYTES];

    if (journals->files[seat].fd < 0)
        return 0;
    int error = journals->files[seat].size_bytes < sizeof copies
                    ? -ENOENT
                    : element_bytes_read(&journals->files[seat], copies, sizeof copies, 0);
    if (error == 0)
        error = journal_header_choose(copies, &journals->headers[seat]);
    if (error == -ENODATA) /* it was created, and no more */
        return 0;
    if (error != 0)
        return refuse_header(config, seat, error, ret_error);
    journals->has[seat] = true;
    return check_header(config, images, seat, ret_error);
}

/* The last run may have had more controllers than this one will. */
static int open_all(const struct config *config, struct images *images,
                    struct config_error *ret_error)
{
    struct journals *journals = images->journals;
    int error = 0;

    journals->looked_at = config->controllers;
    for (uint32_t seat = 0; seat < journals->looked_at && error == 0; seat++) {
        error = open_file(config, journals, seat, ret_error);
        if (error == 0)
            error = read_header(config, images, seat, ret_error);
        if (error == 0 && journals->has[seat] &&
            journals->headers[seat].controllers > journals->looked_at)
            journals->looked_at = journals->headers[seat].controllers;
    }
    return error;
}

/* --- generations --- */

/* Whether all files are there that had this one. */
static bool is_whole(const struct journals *journals, uint64_t generation)
{
    uint32_t controllers = 0, count = 0;

    for (uint32_t i = 0; i < journals->looked_at; i++) {
        if (!journals->has[i] || journals->headers[i].generation != generation)
            continue;
        controllers = journals->headers[i].controllers;
        count++;
    }
    return count > 0 && count == controllers;
}

/* Whether a start that was killed in step 2 or later had replayed it: then it is in no file, or
 * only in those that it had not reached. */
static bool is_passed(const struct journals *journals, uint64_t generation)
{
    bool named = false;

    for (uint32_t i = 0; i < journals->looked_at; i++) {
        const struct journal_header *header = &journals->headers[i];
        if (!journals->has[i])
            continue;
        if (header->generation != generation && header->previous != generation)
            return false;
        named = named || header->previous == generation;
    }
    return named && generation != 0;
}

static void find_generations(struct journals *journals)
{
    for (uint32_t i = 0; i < journals->looked_at; i++) {
        const struct journal_header *header = &journals->headers[i];
        if (!journals->has[i])
            continue;
        if (is_whole(journals, header->generation))
            journals->last = header->generation;
        if (is_passed(journals, header->previous))
            journals->passed = header->previous;
        if (header->replay_from > journals->replay_from)
            journals->replay_from = header->replay_from;
    }
}

uint64_t journals_tag_of(const struct config *config, uint32_t volume)
{
    const struct config_volume *wanted = &config->volumes[volume];
    uint64_t tag = journal_tag_volume(wanted->name, wanted->layout, wanted->chunk_bytes,
                                      wanted->members_count);

    for (uint32_t i = 0; i < wanted->members_count; i++) {
        const struct config_volume *member = &config->volumes[wanted->members[i]];
        tag = journal_tag_member(tag, config->elements[member->element].name, member->offset_bytes);
    }
    return tag;
}

bool journals_is_lost(const struct config *config, const struct journals *journals, uint32_t volume)
{
    for (uint32_t i = 0; i < journals->looked_at; i++) {
        if (journals->has[i] &&
            journal_header_is_lost(&journals->headers[i], journals_tag_of(config, volume)))
            return true;
    }
    return false;
}

static bool is_covered(const struct config *config, const struct images *images, uint32_t volume)
{
    const struct config_volume *wanted = &config->volumes[volume];
    const struct journals *journals = images->journals;

    for (uint32_t i = 0; i < wanted->members_count; i++) {
        const struct superblock_of_image *superblock =
            images->superblocks[config->volumes[wanted->members[i]].element];
        if ((images->standings[volume].stale >> i & 1) != 0)
            continue;
        uint64_t said = superblock != NULL ? superblock->content.journal : 0;
        if (said == 0 || (said != journals->last && said != journals->passed))
            return false;
    }
    return true;
}

static void find_covered(const struct config *config, struct images *images)
{
    for (uint32_t i = 0; i < config->volumes_count; i++)
        images->covered[i] = layout_parities(config->volumes[i].layout) > 0 &&
                             !images->standings[i].is_new && is_covered(config, images, i) &&
                             !journals_is_lost(config, images->journals, i);
}

/* --- looking --- */

static struct journals *new_journals(void)
{
    struct journals *journals = calloc(1, sizeof *journals);

    for (uint32_t i = 0; journals != NULL && i < CONTROLLERS_MAX; i++)
        journals->files[i].fd = journals->files[i].file = -1;
    return journals;
}

static int scan(const struct config *config, struct journals *journals,
                struct config_error *ret_error)
{
    int error = journals->last == 0 ? 0 : journals_scan(journals);

    if (error == -EUCLEAN) {
        fprintf(stderr,
                "anyport: journal %s: batches are missing in it, so it is not replayed; the array "
                "starts as without a journal\n",
                config->journal);
        journals->last = 0;
        return 0;
    }
    return error == 0 ? 0
                      : refuse_array(config, ret_error, error, "journal %s cannot be read: %s",
                                     config->journal, strerror(-error));
}

/* Only members have parity, and their elements have superblocks: where there is none, there is
 * nothing to journal. */
int journals_look(const struct config *config, struct images *images,
                  struct config_error *ret_error)
{
    if (config->journal == NULL || journals_array_id(images) == NULL)
        return 0;
    images->journals = new_journals();
    if (images->journals == NULL)
        return refuse_array(config, ret_error, -ENOMEM, "not enough memory");
    int error = open_all(config, images, ret_error);
    if (error != 0)
        return error;
    find_generations(images->journals);
    error = scan(config, images->journals, ret_error);
    if (error == 0)
        find_covered(config, images);
    return error;
}

/* --- while it runs --- */

bool journals_is_free(const struct config *config, uint32_t seat)
{
    char path[PATH_BYTES_MAX + 1];
    const struct element_wanted wanted = {.image = path};
    struct element_error why;
    struct element file;

    if (config->journal == NULL)
        return true;
    journals_path(config, seat, path);
    int error = element_open(&file, &wanted, &why);
    if (error == 0)
        element_close(&file);
    return error != -EBUSY;
}

int journals_open_again(const struct config *config, struct images *images, uint32_t seat,
                        struct config_error *ret_error)
{
    if (config->journal == NULL)
        return 0;
    if (images->journals == NULL && (images->journals = new_journals()) == NULL)
        return refuse_array(config, ret_error, -ENOMEM, "not enough memory");
    char path[PATH_BYTES_MAX + 1];
    const struct element_wanted wanted = {.image = path};
    struct element_error why;

    journals_path(config, seat, path);
    int error = element_open(&images->journals->files[seat], &wanted, &why);
    return error == 0 ? 0 : refuse_journal(config, seat, error, ret_error, "%s", why.text);
}

void journals_enter(const struct config *config, const struct images *images,
                    const struct segment *segment)
{
    struct journal_shared *shared = &segment_header(segment)->journal;

    if (images->journals == NULL)
        return;
    shared->generation = images->journals->generation;
    shared->bytes = config->journal_bytes;
    /* relaxed: no controller has started. */
    store_relaxed(&shared->sequence, JOURNAL_SEQUENCE_FIRST);
    store_relaxed(&shared->replay_from, JOURNAL_SEQUENCE_FIRST); /* relaxed: as above */
}

const struct element *journals_file(const struct images *images, uint32_t seat)
{
    return images->journals == NULL ? NULL : &images->journals->files[seat];
}

void journals_close(struct journals *journals)
{
    for (uint32_t i = 0; journals != NULL && i < CONTROLLERS_MAX; i++)
        element_close(&journals->files[i]);
}

void journals_free(struct journals *journals)
{
    if (journals != NULL)
        free(journals->found);
    free(journals);
}
