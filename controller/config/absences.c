#include "controller/config/absences.h"

#include <errno.h>

#include "controller/config/refusal.h"

/* What lies on an element. */
struct carried {
    uint32_t started; /* a redundant volume that was started before, or CONFIG_NONE */
    uint32_t needs;   /* one that cannot do without the image, or CONFIG_NONE */
};

/* Of a redundant volume that is new nobody knows what its other members hold; any other volume is
 * its image. */
static struct carried carried_by(const struct config *config, const struct images *images,
                                 uint32_t element)
{
    struct carried carried = {.started = CONFIG_NONE, .needs = CONFIG_NONE};

    for (uint32_t i = 0; i < config->volumes_count; i++) {
        const struct config_volume *volume = &config->volumes[i];
        if (volume->layout != LAYOUT_NONE || volume->element != element)
            continue;
        uint32_t of = volume->member_of;
        bool redundant = of != CONFIG_NONE && layout_kind_redundant(config->volumes[of].layout);
        if (redundant && !images->standings[of].is_new)
            carried.started = of;
        else
            carried.needs = redundant ? of : i;
    }
    return carried;
}

static int check_element(const struct config *config, struct images *images, uint32_t element,
                         struct config_error *ret_error)
{
    struct carried carried = carried_by(config, images, element);

    /* One that is missing before its volumes were ever started is created like any other. */
    if (!images->absent[element] && carried.started == CONFIG_NONE)
        return 0;
    if (carried.needs != CONFIG_NONE || carried.started == CONFIG_NONE)
        return refuse_element(
            config, element, -ENOENT, ret_error,
            "it is missing or cannot be used, and %s cannot start without it; allowed without an "
            "image: members of redundant volumes that were started before",
            carried.needs != CONFIG_NONE ? config->volumes[carried.needs].name : "its element");
    images->absent[element] = true;
    images->elements[element].size_bytes = config->elements[element].size_bytes;
    return 0;
}

int absences_check(const struct config *config, struct images *images,
                   struct config_error *ret_error)
{
    int error = 0;

    for (uint32_t i = 0; i < config->elements_count && error == 0; i++) {
        if (images->missing[i] && config->elements[i].missing_ok)
            error = check_element(config, images, i, ret_error);
    }
    return error;
}
