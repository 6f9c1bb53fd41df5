#include "controller/config/superblocks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/refusal.h"
#include "controller/config/superblocks_judge.h"

bool superblocks_wanted(const struct config_element *element)
{
    return element->superblock == SUPERBLOCK_YES || element->checksums ||
           (element->superblock == SUPERBLOCK_UNSAID && element->redundant_volume != CONFIG_NONE);
}

struct tail superblocks_new_tail(const struct config_element *element)
{
    /* Without a size nothing is created. */
    if (!superblocks_wanted(element) || element->size_bytes == 0)
        return (struct tail){0};
    return tail_of(element->size_bytes, element->checksums);
}

/* --- looking --- */

static struct superblock_of_image *keep(struct images *images, uint32_t element,
                                        const struct superblock_of_image *superblock)
{
    struct superblock_of_image *kept = malloc(sizeof *kept);

    if (kept != NULL)
        *kept = *superblock;
    images->superblocks[element] = kept;
    return kept;
}

/* Whether an image has checksums was settled when it was made: the configuration must agree, for
 * what is written without them would later be taken for damage. */
static int check_checksums(const struct config *config, const struct images *images,
                           uint32_t element, const struct tail *tail,
                           struct config_error *ret_error)
{
    bool wanted = config->elements[element].checksums, has = tail->checksums_bytes != 0;

    if (wanted && !has)
        return refuse_element(config, element, -EINVAL, ret_error,
                              "checksums is true, and it was created without; allowed: checksums: "
                              "false, or a new image (put this one elsewhere, and copy its data to "
                              "the volume when the array runs)");
    if (!wanted && has)
        return refuse_element(config, element, -EINVAL, ret_error,
                              "it was created with checksums, and the configuration does not say "
                              "checksums: true; allowed: checksums: true");
    if (!tail_covers(tail, images->elements[element].tail_offset_bytes))
        return refuse_element(config, element, -EINVAL, ret_error,
                              "it has %" PRIu64 " bytes, and its superblock is that of a smaller "
                              "one; allowed: the image as it was created",
                              images->elements[element].tail_offset_bytes);
    return 0;
}

static int keep_tail(const struct config *config, struct images *images, uint32_t element,
                     struct config_error *ret_error)
{
    const struct tail *tail = &images->superblocks[element]->content.tail;
    struct element_error why;
    int error = element_keep_tail(&images->elements[element], config->elements[element].size_bytes,
                                  tail_bytes(tail), &why);

    if (error != 0)
        return refuse_element(config, element, error, ret_error, "%s", why.text);
    return check_checksums(config, images, element, tail, ret_error);
}

/* An image that must have one, and has none that can be used. */
static int refuse_without(const struct config *config, uint32_t element, int error,
                          struct config_error *ret_error)
{
    uint32_t volume = config->elements[element].redundant_volume;
    const char *setting =
        config->elements[element].checksums ? "checksums: true" : "superblock: true";
    const char *who = volume != CONFIG_NONE ? config->volumes[volume].name : setting;

    switch (error) {
    case -ENOENT:
        return refuse_element(config, element, -EINVAL, ret_error,
                              "it has no superblock, which %s needs; allowed: an image that the "
                              "array creates (put this one elsewhere, say size, and copy its data "
                              "to the volume when the array runs)",
                              who);
    case -EBADMSG:
        return refuse_element(config, element, -EINVAL, ret_error,
                              "its superblock is damaged, so that nobody knows whether its data is "
                              "up to date; allowed: the undamaged image");
    case -EPROTONOSUPPORT:
        return refuse_element(
            config, element, -EINVAL, ret_error,
            "its superblock was written by a later version; allowed: up to version "
            "%d",
            SUPERBLOCK_VERSION);
    default:
        return refuse_element(config, element, error, ret_error,
                              "its superblock cannot be read: %s", strerror(-error));
    }
}

static bool names_fit(const struct config *config, uint32_t element,
                      const struct superblock *superblock)
{
    return strcmp(superblock->array, config->array) == 0 &&
           strcmp(superblock->element, config->elements[element].name) == 0;
}

/* What it is nobody knows: the array may start without it, and does not touch it. */
static int leave_out(struct images *images, uint32_t element)
{
    element_close(&images->elements[element]);
    images->missing[element] = images->absent[element] = true;
    return 0;
}

static int look_at_wanted(const struct config *config, struct images *images, uint32_t element,
                          struct config_error *ret_error)
{
    struct superblock_of_image found;
    int error = superblock_read(&images->elements[element], &found);

    if (config->elements[element].missing_ok &&
        (error != 0 || !names_fit(config, element, &found.content)))
        return leave_out(images, element);
    if (error != 0)
        return refuse_without(config, element, error, ret_error);
    if (!names_fit(config, element, &found.content))
        return refuse_element(config, element, -EINVAL, ret_error,
                              "it is that of element %s of array %s; allowed: that of element %s "
                              "of array %s",
                              found.content.element, found.content.array,
                              config->elements[element].name, config->array);
    if (keep(images, element, &found) == NULL)
        return refuse_element(config, element, -ENOMEM, ret_error, "not enough memory");
    return keep_tail(config, images, element, ret_error);
}

/* How far the configuration's own numbers reach. */
static uint64_t needed_bytes(const struct config *config, uint32_t element)
{
    uint64_t needed = config->elements[element].size_bytes;

    for (uint32_t i = 0; i < config->volumes_count; i++) {
        const struct config_volume *volume = &config->volumes[i];
        uint64_t end = volume->offset_bytes + (volume->size_bytes != 0 ? volume->size_bytes : 1);
        if (volume->layout == LAYOUT_NONE && volume->element == element && end > needed)
            needed = end;
    }
    return needed;
}

/* An image about which the configuration says nothing keeps the superblock that it has: so a member
 * that is used as a plain volume for a time is known to have been. But the end of a bare image is
 * data, and a host can write there what it likes: so only one that fits in every way, and is in
 * nobody's way, is taken for a superblock. */
static int look_at_other(const struct config *config, struct images *images, uint32_t element,
                         const uint8_t *array_id, struct config_error *ret_error)
{
    const struct element *file = &images->elements[element];
    struct superblock_of_image found;

    if (config->elements[element].superblock == SUPERBLOCK_NO ||
        superblock_read(file, &found) != 0 || !names_fit(config, element, &found.content) ||
        (array_id != NULL && memcmp(array_id, found.content.array_id, SUPERBLOCK_ID_BYTES) != 0) ||
        needed_bytes(config, element) + tail_bytes(&found.content.tail) > file->image_bytes)
        return 0;
    if (keep(images, element, &found) == NULL)
        return refuse_element(config, element, -ENOMEM, ret_error, "not enough memory");
    return keep_tail(config, images, element, ret_error);
}

/* --- whose they are --- */

enum { ID_TEXT_BYTES = 2 * SUPERBLOCK_ID_BYTES + 1 };

static const char *id_text(const uint8_t *id, char ret_text[ID_TEXT_BYTES])
{
    for (uint32_t i = 0; i < SUPERBLOCK_ID_BYTES; i++)
        snprintf(ret_text + 2 * i, 3, "%02x", id[i]);
    return ret_text;
}

/* The id that all of them say, or NULL where there is none yet. */
static int find_array_id(const struct config *config, const struct images *images,
                         const uint8_t **ret_id, struct config_error *ret_error)
{
    char text[2][ID_TEXT_BYTES];
    uint32_t first = CONFIG_NONE;

    *ret_id = NULL;
    for (uint32_t i = 0; i < images->count; i++) {
        if (images->superblocks[i] == NULL)
            continue;
        const uint8_t *id = images->superblocks[i]->content.array_id;
        if (*ret_id != NULL && memcmp(id, *ret_id, SUPERBLOCK_ID_BYTES) != 0)
            return refuse_element(config, i, -EINVAL, ret_error,
                                  "its array %s has the id %s, that of element %s the id %s: one "
                                  "of them is another array's; allowed: images of one array",
                                  config->array, id_text(id, text[0]), config->elements[first].name,
                                  id_text(*ret_id, text[1]));
        first = *ret_id == NULL ? i : first;
        *ret_id = images->superblocks[first]->content.array_id;
    }
    return 0;
}

static int make_new(const struct config *config, struct images *images, uint32_t element,
                    const uint8_t *array_id, struct config_error *ret_error)
{
    struct superblock_of_image *made = calloc(1, sizeof *made);
    int error = made == NULL ? -ENOMEM : superblock_make_id(made->content.element_id);

    images->superblocks[element] = made;
    if (error != 0)
        return refuse_element(config, element, error, ret_error, "cannot make its superblock: %s",
                              strerror(-error));
    memcpy(made->content.array_id, array_id, SUPERBLOCK_ID_BYTES);
    snprintf(made->content.array, sizeof made->content.array, "%s", config->array);
    snprintf(made->content.element, sizeof made->content.element, "%s",
             config->elements[element].name);
    made->content.tail = superblocks_new_tail(&config->elements[element]);
    images->changed[element] = true;
    return 0;
}

int superblocks_look(const struct config *config, struct images *images,
                     struct config_error *ret_error)
{
    uint8_t new_id[SUPERBLOCK_ID_BYTES];
    const uint8_t *array_id;
    int error = 0;

    for (uint32_t i = 0; i < images->count && error == 0; i++) {
        if (!images->missing[i] && superblocks_wanted(&config->elements[i]))
            error = look_at_wanted(config, images, i, ret_error);
    }
    if (error == 0)
        error = find_array_id(config, images, &array_id, ret_error);
    for (uint32_t i = 0; i < images->count && error == 0; i++) {
        if (!images->missing[i] && !superblocks_wanted(&config->elements[i]))
            error = look_at_other(config, images, i, array_id, ret_error);
    }
    if (error == 0)
        error = find_array_id(config, images, &array_id, ret_error);
    if (error == 0 && array_id == NULL) {
        error = superblock_make_id(new_id);
        if (error != 0)
            snprintf(ret_error->text, sizeof ret_error->text, "%s: no random bytes: %s",
                     config->path, strerror(-error));
        array_id = new_id;
    }
    for (uint32_t i = 0; i < images->count && error == 0; i++) {
        if (images->missing[i] && superblocks_wanted(&config->elements[i]))
            error = make_new(config, images, i, array_id, ret_error);
    }
    return error;
}

/* --- writing --- */

static int write_one(const struct config *config, struct images *images, uint32_t element,
                     bool create, struct config_error *ret_error)
{
    const struct element *file = &images->elements[element];
    struct superblock_of_image *superblock = images->superblocks[element];
    int error = create ? superblock_create(file, superblock) : superblock_write(file, superblock);

    return error == 0 ? 0
                      : refuse_element(config, element, error, ret_error,
                                       "its superblock cannot be written: %s", strerror(-error));
}

int superblocks_write(const struct config *config, struct images *images,
                      struct config_error *ret_error)
{
    int error = 0;

    for (uint32_t i = 0; i < images->count && error == 0; i++) {
        if (images->changed[i] && !images->absent[i])
            error = write_one(config, images, i, images->missing[i], ret_error);
    }
    if (error == 0)
        superblocks_enter_runs(config, images);
    for (uint32_t i = 0; i < images->count && error == 0; i++) {
        if (images->changed[i] && !images->absent[i])
            error = write_one(config, images, i, false, ret_error);
    }
    return error;
}

/* --- telling --- */

void superblocks_say_stale(const struct config *config, const struct images *images)
{
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        const struct config_volume *volume = &config->volumes[i];
        const struct standing *standing = &images->standings[i];
        for (uint32_t j = 0; j < volume->members_count; j++) {
            if ((standing->stale >> j & 1) != 0)
                fprintf(stderr,
                        "anyport: volume %s: member %s is stale: %s; the volume is "
                        "degraded\n",
                        volume->name, config->volumes[volume->members[j]].name,
                        images->absent[config->volumes[volume->members[j]].element]
                            ? "the array starts without its image"
                            : superblocks_reason(standing, j));
        }
    }
}
