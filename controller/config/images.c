#include "controller/config/images.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/config/absences.h"
#include "controller/config/config_layout.h"
#include "controller/config/intents_look.h"
#include "controller/config/journals.h"
#include "controller/config/refusal.h"
#include "controller/config/superblocks.h"

static struct element_wanted wanted_of(const struct config_element *element)
{
    const struct tail tail = superblocks_new_tail(element);

    return (struct element_wanted){.image = element->image,
                                   .size_bytes = element->size_bytes,
                                   .read_only = element->read_only,
                                   .tail_bytes =
                                       superblocks_wanted(element) ? tail_bytes(&tail) : 0};
}

/* An image that cannot be opened, or made, and that the configuration lets the array start without.
 * One that somebody else serves is not away. */
static bool may_be_absent(const struct config *config, struct images *images, uint32_t element,
                          int error)
{
    if (!config->elements[element].missing_ok || error == -EBUSY)
        return false;
    images->missing[element] = images->absent[element] = true;
    return true;
}

/* Opens those that exist; notes which do not, after checking that they could be made. */
static int open_existing(const struct config *config, struct images *images,
                         struct config_error *ret_error)
{
    struct element_error why;

    for (uint32_t i = 0; i < config->elements_count; i++) {
        struct element_wanted wanted = wanted_of(&config->elements[i]);
        images->missing[i] = !element_exists(wanted.image);
        int error = images->missing[i] ? element_check_creatable(&wanted, &why)
                                       : element_open(&images->elements[i], &wanted, &why);
        if (error != 0 && may_be_absent(config, images, i, error))
            continue;
        if (error != 0)
            return refuse_element(config, i, error, ret_error, "%s", why.text);
    }
    return 0;
}

/* A volume on an element whose size the configuration leaves to the image: only now is it known
 * whether the image is large enough. */
static int check_volumes(const struct config *config, const struct images *images,
                         struct config_error *ret_error)
{
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        const struct config_volume *volume = &config->volumes[i];
        if (volume->layout != LAYOUT_NONE)
            continue;
        uint64_t size_bytes = images->elements[volume->element].size_bytes;
        if (images->missing[volume->element] ||
            (volume->offset_bytes < size_bytes &&
             volume->size_bytes <= size_bytes - volume->offset_bytes))
            continue;
        return refuse_volume(config, i, -EINVAL, ret_error,
                             "reaches beyond the end of element %s, whose image has %" PRIu64
                             " bytes; allowed: a range inside it",
                             config->elements[volume->element].name, size_bytes);
    }
    return 0;
}

/* A missing image will have the size that the configuration says; without one it was refused. */
static uint64_t element_bytes(const struct config *config, const struct images *images,
                              uint32_t element)
{
    return images->missing[element] ? config->elements[element].size_bytes
                                    : images->elements[element].size_bytes;
}

uint64_t images_volume_bytes(const struct config *config, const struct images *images,
                             uint32_t volume)
{
    const struct config_volume *wanted = &config->volumes[volume];

    return config_volume_bytes(wanted, element_bytes(config, images, wanted->element));
}

int images_layout_of(const struct config *config, const struct images *images, uint32_t volume,
                     struct layout *ret_layout, uint64_t *starts, struct config_error *ret_error)
{
    const struct config_volume *wanted = &config->volumes[volume];
    uint64_t member_bytes[MEMBERS_MAX];

    for (uint32_t i = 0; i < wanted->members_count; i++)
        member_bytes[i] = images_volume_bytes(config, images, wanted->members[i]);
    return config_layout_of(config, volume, member_bytes, ret_layout, starts, ret_error);
}

/* Whether the sizes of their members are those that the virtual volumes' layouts can be made of. */
static int check_layouts(const struct config *config, const struct images *images,
                         struct config_error *ret_error)
{
    uint64_t starts[MEMBERS_MAX + 1];
    struct layout layout;
    int error = 0;

    for (uint32_t i = 0; i < config->volumes_count && error == 0; i++) {
        if (config->volumes[i].layout != LAYOUT_NONE)
            error = images_layout_of(config, images, i, &layout, starts, ret_error);
    }
    return error;
}

static void unlink_created(const struct config *config, const struct images *images, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (images->missing[i] && !images->absent[i])
            element_remove(config->elements[i].image);
    }
}

/* On failure takes away what it has made. */
static int create_missing(const struct config *config, struct images *images,
                          struct config_error *ret_error)
{
    struct element_error why;

    for (uint32_t i = 0; i < config->elements_count; i++) {
        struct element_wanted wanted = wanted_of(&config->elements[i]);
        bool create = images->missing[i] && !images->absent[i];
        int error = create ? element_create(&images->elements[i], &wanted, &why) : 0;
        if (error == 0)
            continue;
        unlink_created(config, images, i);
        return refuse_element(config, i, error, ret_error, "%s", why.text);
    }
    int error = journals_begin(config, images, ret_error);
    if (error == 0)
        error = superblocks_write(config, images, ret_error);
    if (error != 0)
        unlink_created(config, images, config->elements_count);
    return error;
}

int images_make_lists(const struct config *config, struct images *images)
{
    uint32_t count = config->elements_count;

    *images = (struct images){.count = count,
                              .elements = calloc(count, sizeof *images->elements),
                              .missing = calloc(count, sizeof *images->missing),
                              .absent = calloc(count, sizeof *images->absent),
                              .superblocks = calloc(count, sizeof(struct superblock_of_image *)),
                              .changed = calloc(count, sizeof *images->changed),
                              .standings = calloc(config->volumes_count, sizeof *images->standings),
                              .later = calloc(count, sizeof *images->later),
                              .doubtful = calloc(config->volumes_count, sizeof *images->doubtful),
                              .covered = calloc(config->volumes_count, sizeof *images->covered),
                              .replayed = calloc(config->volumes_count, sizeof *images->replayed)};
    for (uint32_t i = 0; images->elements != NULL && i < count; i++)
        images->elements[i].fd = images->elements[i].file = -1;
    return images->elements != NULL && images->missing != NULL && images->absent != NULL &&
                   images->superblocks != NULL && images->changed != NULL &&
                   images->standings != NULL && images->later != NULL && images->doubtful != NULL &&
                   images->covered != NULL && images->replayed != NULL
               ? 0
               : -ENOMEM;
}

static int open_or_check(const struct config *config, bool create, struct images *images,
                         struct config_error *ret_error)
{
    int error = images_make_lists(config, images);

    if (error != 0)
        snprintf(ret_error->text, sizeof ret_error->text, "%s: not enough memory", config->path);
    if (error == 0)
        error = open_existing(config, images, ret_error);
    if (error == 0)
        error = superblocks_look(config, images, ret_error);
    if (error == 0)
        error = check_volumes(config, images, ret_error);
    if (error == 0)
        error = check_layouts(config, images, ret_error);
    if (error == 0)
        error = superblocks_judge(config, images, ret_error);
    if (error == 0)
        error = absences_check(config, images, ret_error);
    if (error == 0)
        error = journals_look(config, images, ret_error);
    if (error == 0)
        error = intents_look(config, images, ret_error);
    if (error == 0 && create)
        error = create_missing(config, images, ret_error);
    return error;
}

int images_open(const struct config *config, struct images *ret_images,
                struct config_error *ret_error)
{
    struct images images;
    int error = open_or_check(config, true, &images, ret_error);

    if (error == 0)
        *ret_images = images;
    else
        images_close(&images);
    return error;
}

int images_check(const struct config *config, struct config_error *ret_error)
{
    struct images images;
    int error = open_or_check(config, false, &images, ret_error);

    images_close(&images);
    return error;
}

void images_close(struct images *images)
{
    for (uint32_t i = 0; images->elements != NULL && i < images->count; i++)
        element_close(&images->elements[i]);
    journals_close(images->journals);
    images_free(images);
}

void images_free(struct images *images)
{
    for (uint32_t i = 0; images->superblocks != NULL && i < images->count; i++)
        free(images->superblocks[i]);
    for (uint32_t i = 0; images->later != NULL && i < images->count; i++)
        free(images->later[i]);
    free(images->elements);
    free(images->missing);
    free(images->absent);
    free(images->superblocks);
    free(images->changed);
    free(images->standings);
    free(images->later);
    free(images->doubtful);
    free(images->covered);
    free(images->replayed);
    journals_free(images->journals);
    *images = (struct images){0};
}
