/*
 * Judging: the records of all members of each redundant volume against the configuration and
 * against each other.
 */
#include "controller/config/superblocks_judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/refusal.h"
#include "controller/config/superblocks.h"
#include "controller/volume_state.h"

const char *superblocks_reason(const struct standing *standing, uint32_t place)
{
    if ((standing->rebuilding >> place & 1) != 0)
        return "it was being rebuilt, which goes on";
    if ((standing->named >> place & 1) != 0)
        return "it failed before, and was written without";
    if ((standing->earlier >> place & 1) != 0)
        return "its image is from before the last start of the volume";
    return "its superblock does not know the volume";
}

/* Whether this start is a new run of the volume: of a redundant one that can be written, and of any
 * redundant one at first. `standing` is that of before the start. */
static bool counts_runs(const struct config *config, uint32_t volume,
                        const struct standing *standing)
{
    const struct config_volume *wanted = &config->volumes[volume];

    return layout_kind_redundant(wanted->layout) && (!wanted->read_only || standing->is_new);
}

/* --- records and the configuration --- */

/* What the record of a member says if it is the one that the configuration means. */
static struct superblock_member expected(const struct config *config, const struct images *images,
                                         uint32_t volume, uint32_t place)
{
    const struct config_volume *wanted = &config->volumes[volume];
    uint32_t member = wanted->members[place];
    struct superblock_member record = {.layout = wanted->layout,
                                       .chunk_bytes = wanted->chunk_bytes,
                                       .copies = wanted->copies,
                                       .members = wanted->members_count,
                                       .place = place,
                                       .offset_bytes = config->volumes[member].offset_bytes,
                                       .size_bytes = images_volume_bytes(config, images, member)};

    snprintf(record.volume, sizeof record.volume, "%s", wanted->name);
    return record;
}

static uint32_t element_of(const struct config *config, uint32_t volume, uint32_t place)
{
    return config->volumes[config->volumes[volume].members[place]].element;
}

static bool overlap(uint64_t a_bytes, uint64_t a_size, uint64_t b_bytes, uint64_t b_size)
{
    return a_bytes < b_bytes + b_size && b_bytes < a_bytes + a_size;
}

/* The record that claims some of this range, or NULL. */
static const struct superblock_member *claimant(const struct superblock *superblock,
                                                const struct superblock_member *range)
{
    for (uint32_t i = 0; i < superblock->members_count; i++) {
        const struct superblock_member *record = &superblock->members[i];
        if (overlap(record->offset_bytes, record->size_bytes, range->offset_bytes,
                    range->size_bytes))
            return record;
    }
    return NULL;
}

enum { RECORD_TEXT_BYTES = 300 };

static const char *record_text(const struct superblock_member *record,
                               char ret_text[RECORD_TEXT_BYTES])
{
    snprintf(ret_text, RECORD_TEXT_BYTES,
             "member %u of %u of the %s %s (chunk %u, copies %u; %" PRIu64 " bytes at %" PRIu64 ")",
             record->place, record->members, layout_name((enum layout_kind)record->layout),
             record->volume, record->chunk_bytes, record->copies, record->size_bytes,
             record->offset_bytes);
    return ret_text;
}

/* *ret_record: that of the member, or NULL: it has none. */
static int find_record(const struct config *config, const struct images *images, uint32_t volume,
                       uint32_t place, const struct superblock_member **ret_record,
                       struct config_error *ret_error)
{
    uint32_t element = element_of(config, volume, place);
    const struct superblock *superblock = &images->superblocks[element]->content;
    const struct superblock_member wanted = expected(config, images, volume, place);
    const struct superblock_member *record = superblock_find(superblock, wanted.volume);
    char found[RECORD_TEXT_BYTES], asked[RECORD_TEXT_BYTES];

    if (record != NULL && standing_same_volume(record, &wanted)) {
        *ret_record = record;
        return 0;
    }
    if (record == NULL)
        record = claimant(superblock, &wanted);
    *ret_record = NULL;
    if (record == NULL)
        return 0;
    return refuse_element(config, element, -EINVAL, ret_error, "it holds %s; allowed: %s",
                          record_text(record, found), record_text(&wanted, asked));
}

static int find_records(const struct config *config, const struct images *images, uint32_t volume,
                        const struct superblock_member **records, struct config_error *ret_error)
{
    int error = 0;

    for (uint32_t i = 0; i < config->volumes[volume].members_count && error == 0; i++)
        error = find_record(config, images, volume, i, &records[i], ret_error);
    return error;
}

/* --- a volume --- */

static bool is_hole(const struct element *element, const struct superblock_member *range)
{
    struct extent extent;

    return element_extents(element, range->offset_bytes, range->size_bytes, &extent, 1) == 1 &&
           extent.hole != 0 && extent.length_bytes == range->size_bytes;
}

/* Members that nobody has written to agree with each other in every layout: all of them are zeroes,
 * and so is the parity of zeroes. Of any others nobody knows that. */
static int judge_new(const struct config *config, const struct images *images, uint32_t volume,
                     uint32_t silent, struct config_error *ret_error)
{
    for (uint32_t i = 0; i < config->volumes[volume].members_count; i++) {
        uint32_t element = element_of(config, volume, i);
        const struct superblock_member range = expected(config, images, volume, i);
        if ((silent >> i & 1) == 0 || images->missing[element] ||
            is_hole(&images->elements[element], &range))
            continue;
        return refuse_element(config, element, -EINVAL, ret_error,
                              "it has data where the new volume %s is to have a member; allowed: a "
                              "range without data, as in an image that the array creates",
                              config->volumes[volume].name);
    }
    return 0;
}

static int refuse_missing(const struct config *config, const struct images *images, uint32_t volume,
                          const struct standing *standing, struct config_error *ret_error)
{
    for (uint32_t i = 0; i < config->volumes[volume].members_count; i++) {
        uint32_t element = element_of(config, volume, i);
        if ((standing->silent >> i & 1) == 0 || !images->missing[element] ||
            config->elements[element].missing_ok)
            continue;
        return refuse_element(
            config, element, -ENOENT, ret_error,
            "it does not exist, and volume %s, which was started %" PRIu64
            " times, has member %s on it; allowed: the image; missing-ok: true, to start "
            "without it; or, to begin anew without any data, none of the images "
            "of its members",
            config->volumes[volume].name, standing->run,
            config->volumes[config->volumes[volume].members[i]].name);
    }
    return 0;
}

static int refuse_stale(const struct config *config, uint32_t volume,
                        const struct standing *standing, struct config_error *ret_error)
{
    const struct config_volume *wanted = &config->volumes[volume];
    char text[768] = "";
    size_t length = 0;

    for (uint32_t i = 0; i < wanted->members_count && length < sizeof text; i++) {
        if ((standing->stale >> i & 1) != 0)
            length += (size_t)snprintf(
                text + length, sizeof text - length, "%s%s (%s)", length == 0 ? "" : ", ",
                config->volumes[wanted->members[i]].name, superblocks_reason(standing, i));
    }
    return refuse_volume(config, volume, -EINVAL, ret_error,
                         "more of its members are stale than a %s can do without: %s; allowed: "
                         "images that were in use last",
                         layout_name(wanted->layout), text);
}

static int judge_old(const struct config *config, const struct images *images, uint32_t volume,
                     const struct standing *standing, struct config_error *ret_error)
{
    uint64_t starts[MEMBERS_MAX + 1];
    struct layout layout;
    int error = refuse_missing(config, images, volume, standing, ret_error);

    if (error == 0)
        error = images_layout_of(config, images, volume, &layout, starts, ret_error);
    if (error == 0 && volume_state_of_layout(&layout, standing->stale) == VOLUME_FAILED)
        error = refuse_stale(config, volume, standing, ret_error);
    return error;
}

/* --- what is to be written --- */

/* That of the member of this volume, or NULL. */
static struct superblock_member *record_of(const struct config *config, struct images *images,
                                           uint32_t volume, uint32_t place)
{
    struct superblock *superblock =
        &images->superblocks[element_of(config, volume, place)]->content;
    const struct superblock_member *found =
        superblock_find(superblock, config->volumes[volume].name);

    return found == NULL ? NULL : &superblock->members[found - superblock->members];
}

static int enter_record(const struct config *config, struct images *images, uint32_t volume,
                        uint32_t place, struct config_error *ret_error)
{
    uint32_t element = element_of(config, volume, place);
    const struct standing *standing = &images->standings[volume];
    struct superblock *superblock = &images->superblocks[element]->content;
    struct superblock_member record = expected(config, images, volume, place);
    struct superblock_member *found = record_of(config, images, volume, place);

    if (config->elements[element].read_only)
        return refuse_element(config, element, -EROFS, ret_error,
                              "it is read-only, and volume %s is to be entered in its superblock; "
                              "allowed: a volume that was started before",
                              record.volume);
    if (found == NULL && superblock->members_count == SUPERBLOCK_MEMBERS_MAX)
        return refuse_element(config, element, -EINVAL, ret_error,
                              "its superblock has no room for volume %s; allowed: %d members of "
                              "redundant volumes on one element",
                              record.volume, SUPERBLOCK_MEMBERS_MAX);
    record.run = standing->run;
    record.next_run = standing->run + 1;
    record.failed = standing->stale;
    record.rebuilding = standing->rebuilding;
    record.rebuilt_bytes = standing->rebuilt_bytes;
    if (found == NULL)
        found = &superblock->members[superblock->members_count++];
    *found = record;
    images->changed[element] = true;
    return 0;
}

void superblocks_enter_runs(const struct config *config, struct images *images)
{
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        if (!counts_runs(config, i, &images->standings[i]))
            continue;
        images->standings[i].run++;
        for (uint32_t j = 0; j < config->volumes[i].members_count; j++) {
            struct superblock_member *record = record_of(config, images, i, j);
            record->run = record->next_run;
            record->next_run = 0;
        }
    }
}

static int judge_volume(const struct config *config, struct images *images, uint32_t volume,
                        struct config_error *ret_error)
{
    const struct config_volume *wanted = &config->volumes[volume];
    const struct superblock_member *records[MEMBERS_MAX];
    struct standing *standing = &images->standings[volume];
    int error = find_records(config, images, volume, records, ret_error);

    if (error != 0)
        return error;
    *standing = standing_of(records, wanted->members_count);
    error = standing->is_new ? judge_new(config, images, volume, standing->silent, ret_error)
                             : judge_old(config, images, volume, standing, ret_error);
    if (!counts_runs(config, volume, standing))
        return error;
    for (uint32_t i = 0; i < wanted->members_count && error == 0; i++)
        error = enter_record(config, images, volume, i, ret_error);
    return error;
}

/* --- records of volumes that are not in the configuration --- */

/* All redundant volumes of a configuration, by name. */
struct redundant {
    const struct config_volume **volumes;
    size_t count;
};

static int compare_names(const void *one, const void *other)
{
    const struct config_volume *const *a = one, *const *b = other;

    return strcmp((*a)->name, (*b)->name);
}

static int compare_with_name(const void *name, const void *entry)
{
    const struct config_volume *const *volume = entry;

    return strcmp(name, (*volume)->name);
}

static int list_redundant(const struct config *config, struct redundant *ret_redundant)
{
    struct redundant list = {.volumes = calloc(config->volumes_count, sizeof(void *))};

    if (list.volumes == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        if (layout_kind_redundant(config->volumes[i].layout))
            list.volumes[list.count++] = &config->volumes[i];
    }
    qsort(list.volumes, list.count, sizeof(void *), compare_names);
    *ret_redundant = list;
    return 0;
}

static bool is_configured(const struct config *config, const struct redundant *redundant,
                          uint32_t element, const struct superblock_member *record)
{
    const struct config_volume *const *found = bsearch(
        record->volume, redundant->volumes, redundant->count, sizeof(void *), compare_with_name);

    if (found == NULL)
        return false;
    for (uint32_t i = 0; i < (*found)->members_count; i++) {
        if (config->volumes[(*found)->members[i]].element == element)
            return true;
    }
    return false;
}

/* Whether hosts may now write to a member by itself, or to something else in its place. */
static bool is_written(const struct config *config, const struct images *images, uint32_t element,
                       const struct superblock_member *record)
{
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        const struct config_volume *volume = &config->volumes[i];
        if (volume->layout != LAYOUT_NONE || volume->element != element || volume->read_only ||
            (volume->member_of != CONFIG_NONE &&
             layout_kind_redundant(config->volumes[volume->member_of].layout)))
            continue;
        if (overlap(volume->offset_bytes, images_volume_bytes(config, images, i),
                    record->offset_bytes, record->size_bytes))
            return true;
    }
    return false;
}

/* A volume that was taken out of the configuration may come back; but not with members that were
 * written to meanwhile. */
static void drop_written(const struct config *config, const struct redundant *redundant,
                         struct images *images, uint32_t element)
{
    struct superblock *superblock = &images->superblocks[element]->content;

    for (uint32_t i = superblock->members_count; i-- > 0;) {
        if (is_configured(config, redundant, element, &superblock->members[i]) ||
            !is_written(config, images, element, &superblock->members[i]))
            continue;
        superblock->members[i] = superblock->members[--superblock->members_count];
        images->changed[element] = true;
    }
}

int superblocks_judge(const struct config *config, struct images *images,
                      struct config_error *ret_error)
{
    struct redundant redundant;
    int error = list_redundant(config, &redundant);

    if (error != 0) {
        snprintf(ret_error->text, sizeof ret_error->text, "%s: not enough memory", config->path);
        return error;
    }
    for (uint32_t i = 0; i < images->count; i++) {
        if (images->superblocks[i] != NULL)
            drop_written(config, &redundant, images, i);
    }
    free(redundant.volumes);
    for (uint32_t i = 0; i < config->volumes_count && error == 0; i++) {
        if (layout_kind_redundant(config->volumes[i].layout))
            error = judge_volume(config, images, i, ret_error);
    }
    return error;
}
