#include "controller/config/intents_look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/losses.h"
#include "controller/config/refusal.h"
#include "controller/integrity/intents.h"

enum { LOSSES_MAX = 64 }; /* ranges that are told apart */

/* The regions of a volume's members, as far as they are known to be in doubt. They are counted from
 * the members' beginning on, in the largest regions that one of their elements has. */
struct doubt {
    uint32_t shift;
    uint64_t units;
    uint64_t *bits;
};

static const struct tail *tail_of_element(const struct images *images, uint32_t element)
{
    return &images->superblocks[element]->content.tail;
}

/* NULL where it has none, or there is no memory (then *ret_error is that). */
static struct intents *read_intents(const struct images *images, uint32_t element, int *ret_error)
{
    const struct tail *tail = tail_of_element(images, element);
    struct intents *intents = NULL;

    *ret_error = 0;
    if (images->missing[element] || tail->intents_bytes == 0)
        return NULL;
    *ret_error = intents_new(&intents, tail, images->elements[element].tail_offset_bytes);
    if (*ret_error == 0)
        *ret_error = element_read_tail_now(&images->elements[element], intents->image,
                                           tail->intents_bytes, tail->intents_offset_bytes);
    if (*ret_error == 0) {
        intents_load(intents);
        return intents;
    }
    intents_free(intents);
    return NULL;
}

/* Region `region` of the element, as far as it is of the member [start, start + bytes). */
static void doubt_region(struct doubt *doubt, const struct intents *intents, uint64_t region,
                         uint64_t start, uint64_t bytes)
{
    uint64_t from = region << intents->region_shift, end = (region + 1) << intents->region_shift;

    from = from < start ? start : from;
    end = end > start + bytes ? start + bytes : end;
    for (uint64_t unit = (from - start) >> doubt->shift; from < end; unit++) {
        doubt->bits[unit / 64] |= UINT64_C(1) << unit % 64;
        from = start + ((unit + 1) << doubt->shift);
    }
}

static void doubt_member(struct doubt *doubt, const struct intents *intents, uint64_t start,
                         uint64_t bytes)
{
    uint64_t region = start >> intents->region_shift;
    uint64_t last = (start + bytes - 1) >> intents->region_shift;

    for (; region <= last && region < intents->regions; region++) {
        if (intents_doubt(intents, region, INTENTS_MEMBERS_AGREE))
            doubt_region(doubt, intents, region, start, bytes);
    }
}

static int look_at_member(const struct config *config, const struct images *images, uint32_t member,
                          struct doubt *doubt)
{
    const struct config_volume *volume = &config->volumes[member];
    int error;
    struct intents *intents = read_intents(images, volume->element, &error);

    if (intents == NULL)
        return error;
    doubt_member(doubt, intents, volume->offset_bytes, images_volume_bytes(config, images, member));
    intents_free(intents);
    return 0;
}

static int new_doubt(const struct config *config, const struct images *images, uint32_t volume,
                     struct doubt *ret_doubt)
{
    const struct config_volume *wanted = &config->volumes[volume];
    struct doubt doubt = {.shift = 0};
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < wanted->members_count; i++) {
        const struct config_volume *member = &config->volumes[wanted->members[i]];
        uint32_t shift = tail_of_element(images, member->element)->region_shift;
        uint64_t member_bytes = images_volume_bytes(config, images, wanted->members[i]);
        doubt.shift = shift > doubt.shift ? shift : doubt.shift;
        bytes = member_bytes > bytes ? member_bytes : bytes;
    }
    doubt.units = tail_regions(bytes, doubt.shift);
    if (doubt.shift != 0) /* else none of them has intents */
        doubt.bits = calloc((doubt.units + 63) / 64, sizeof *doubt.bits);
    *ret_doubt = doubt;
    return doubt.shift != 0 && doubt.bits == NULL ? -ENOMEM : 0;
}

static uint64_t count_bits(const struct doubt *doubt)
{
    uint64_t count = 0;

    for (uint64_t word = 0; doubt->bits != NULL && word < (doubt->units + 63) / 64; word++)
        count += (uint64_t)__builtin_popcountll(doubt->bits[word]);
    return count;
}

static bool is_in_doubt(const struct doubt *doubt, uint64_t unit)
{
    return (doubt->bits[unit / 64] >> unit % 64 & 1) != 0;
}

/* Units that follow each other are one range; those past LOSSES_MAX are counted in the last. */
static uint32_t list_losses(const struct doubt *doubt, struct loss *losses)
{
    uint32_t count = 0;

    for (uint64_t unit = 0; unit < doubt->units; unit++) {
        if (!is_in_doubt(doubt, unit))
            continue;
        bool joins = count > 0 && losses[count - 1].end_bytes == unit << doubt->shift;
        if (!joins && count < LOSSES_MAX)
            losses[count++].from_bytes = unit << doubt->shift;
        losses[count - 1].end_bytes = (unit + 1) << doubt->shift;
    }
    return count;
}

static int judge_losses(const struct config *config, struct images *images, uint32_t volume,
                        const struct doubt *doubt, struct config_error *ret_error)
{
    struct loss losses[LOSSES_MAX];

    if (images->doubtful[volume] == 0 || !losses_possible(config, images, volume))
        return 0;
    return losses_judge(config, images, volume, losses, list_losses(doubt, losses), ret_error);
}

static int look_at_volume(const struct config *config, struct images *images, uint32_t volume,
                          struct config_error *ret_error)
{
    const struct config_volume *wanted = &config->volumes[volume];
    const struct standing *standing = &images->standings[volume];
    struct doubt doubt;
    int error = new_doubt(config, images, volume, &doubt);

    for (uint32_t i = 0; i < wanted->members_count && error == 0 && doubt.bits != NULL; i++) {
        if ((standing->stale >> i & 1) == 0)
            error = look_at_member(config, images, wanted->members[i], &doubt);
    }
    if (error != 0)
        refuse_volume(config, volume, error, ret_error,
                      "which of its regions were being written cannot be read: %s",
                      strerror(-error));
    if (error == 0 && images->covered[volume]) {
        images->replayed[volume] = doubt.bits == NULL || count_bits(&doubt) > 0;
    } else if (error == 0) {
        images->doubtful[volume] = count_bits(&doubt);
        error = judge_losses(config, images, volume, &doubt, ret_error);
    }
    free(doubt.bits);
    return error;
}

int intents_look(const struct config *config, struct images *images, struct config_error *ret_error)
{
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        if (!layout_kind_redundant(config->volumes[i].layout) || images->standings[i].is_new)
            continue;
        int error = look_at_volume(config, images, i, ret_error);
        if (error != 0)
            return error;
    }
    return 0;
}
