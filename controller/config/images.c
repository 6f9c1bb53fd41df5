#include "controller/config/images.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "controller/config/config_layout.h"

static struct element_wanted wanted_of(const struct config_element *element)
{
    return (struct element_wanted){.image = element->image,
                                   .size_bytes = element->size_bytes,
                                   .read_only = element->read_only};
}

static int refuse(const struct config *config, uint32_t index, int error,
                  const struct element_error *why, struct config_error *ret_error)
{
    const struct config_element *element = &config->elements[index];

    snprintf(ret_error->text, sizeof ret_error->text, "%s:%u: elements[%u] (%s): image %s: %s",
             config->path, element->line, index, element->name, element->image, why->text);
    return error;
}

/* Opens those that exist; notes which do not, after checking that they could be made. */
static int open_existing(const struct config *config, struct element *elements, bool *missing,
                         struct config_error *ret_error)
{
    struct element_error why;

    for (uint32_t i = 0; i < config->elements_count; i++) {
        struct element_wanted wanted = wanted_of(&config->elements[i]);
        missing[i] = access(wanted.image, F_OK) < 0 && errno == ENOENT;
        int error = missing[i] ? element_check_creatable(&wanted, &why)
                               : element_open(&elements[i], &wanted, &why);
        if (error != 0)
            return refuse(config, i, error, &why, ret_error);
    }
    return 0;
}

/* A volume on an element whose size the configuration leaves to the image: only now is it known
 * whether the image is large enough. */
static int check_volumes(const struct config *config, const struct element *elements,
                         const bool *missing, struct config_error *ret_error)
{
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        const struct config_volume *volume = &config->volumes[i];
        if (volume->layout != LAYOUT_NONE)
            continue;
        uint64_t size_bytes = elements[volume->element].size_bytes;
        if (missing[volume->element] || (volume->offset_bytes < size_bytes &&
                                         volume->size_bytes <= size_bytes - volume->offset_bytes))
            continue;
        snprintf(ret_error->text, sizeof ret_error->text,
                 "%s:%u: volumes[%u] (%s): reaches beyond the end of element %s, whose image has "
                 "%" PRIu64 " bytes; allowed: a range inside it",
                 config->path, volume->line, i, volume->name,
                 config->elements[volume->element].name, size_bytes);
        return -EINVAL;
    }
    return 0;
}

/* A missing image will have the size that the configuration says; without one it was refused. */
static uint64_t volume_bytes(const struct config *config, const struct element *elements,
                             const bool *missing, uint32_t index)
{
    const struct config_volume *volume = &config->volumes[index];
    uint32_t element = volume->element;

    return config_volume_bytes(volume, missing[element] ? config->elements[element].size_bytes
                                                        : elements[element].size_bytes);
}

/* Whether the sizes of their members are those that the virtual volumes' layouts can be made of. */
static int check_layouts(const struct config *config, const struct element *elements,
                         const bool *missing, struct config_error *ret_error)
{
    uint64_t member_bytes[MEMBERS_MAX], starts[MEMBERS_MAX + 1];
    struct layout layout;
    int error = 0;

    for (uint32_t i = 0; i < config->volumes_count && error == 0; i++) {
        const struct config_volume *volume = &config->volumes[i];
        if (volume->layout == LAYOUT_NONE)
            continue;
        for (uint32_t j = 0; j < volume->members_count; j++)
            member_bytes[j] = volume_bytes(config, elements, missing, volume->members[j]);
        error = config_layout_of(config, i, member_bytes, &layout, starts, ret_error);
    }
    return error;
}

/* On failure takes away what it has made. */
static int create_missing(const struct config *config, struct element *elements,
                          const bool *missing, struct config_error *ret_error)
{
    struct element_error why;

    for (uint32_t i = 0; i < config->elements_count; i++) {
        struct element_wanted wanted = wanted_of(&config->elements[i]);
        int error = missing[i] ? element_create(&elements[i], &wanted, &why) : 0;
        if (error == 0)
            continue;
        for (uint32_t made = 0; made < i; made++) {
            if (missing[made])
                (void)unlink(config->elements[made].image);
        }
        return refuse(config, i, error, &why, ret_error);
    }
    return 0;
}

static int open_or_check(const struct config *config, bool create, struct element **ret_elements,
                         struct config_error *ret_error)
{
    struct element *elements = calloc(config->elements_count, sizeof *elements);
    bool *missing = calloc(config->elements_count, sizeof *missing);
    int error = -ENOMEM;

    if (elements == NULL || missing == NULL) {
        snprintf(ret_error->text, sizeof ret_error->text, "%s: not enough memory", config->path);
        goto done;
    }
    for (uint32_t i = 0; i < config->elements_count; i++)
        elements[i].fd = elements[i].file = -1;
    error = open_existing(config, elements, missing, ret_error);
    if (error == 0)
        error = check_volumes(config, elements, missing, ret_error);
    if (error == 0)
        error = check_layouts(config, elements, missing, ret_error);
    if (error == 0 && create)
        error = create_missing(config, elements, missing, ret_error);
done:
    free(missing);
    if (error != 0 || !create) {
        images_close(elements, config->elements_count);
        elements = NULL;
    }
    if (error == 0)
        *ret_elements = elements;
    return error;
}

int images_open(const struct config *config, struct element **ret_elements,
                struct config_error *ret_error)
{
    return open_or_check(config, true, ret_elements, ret_error);
}

int images_check(const struct config *config, struct config_error *ret_error)
{
    struct element *none;

    return open_or_check(config, false, &none, ret_error);
}

void images_close(struct element *elements, uint32_t count)
{
    for (uint32_t i = 0; elements != NULL && i < count; i++)
        element_close(&elements[i]);
    free(elements);
}
