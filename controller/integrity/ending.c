#include "controller/integrity/ending.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/controller.h"
#include "shm/member_states.h"

/* Whether no controller can have left something half done: all have ended, or wait for the end
 * without any host. One that died, or that was not waited for, may have. */
static bool all_are_quiet(const struct controller *controller)
{
    for (uint32_t i = 0; i < controller->segment.geometry.controllers; i++) {
        enum seat_state state = seat_state(segment_seat(&controller->segment, i));
        if (state != SEAT_QUIESCED && state != SEAT_STOPPED)
            return false;
    }
    return true;
}

static void keep_range(const struct intents *intents, uint64_t *keep, uint64_t offset_bytes,
                       uint64_t length_bytes)
{
    uint64_t region = offset_bytes >> intents->region_shift;
    uint64_t last = (offset_bytes + length_bytes - 1) >> intents->region_shift;

    for (; length_bytes > 0 && region <= last && region < intents->regions; region++)
        keep[region / 64] |= UINT64_C(1) << region % 64;
}

/* Keeps what must be kept of one member's range. False: its volume's members may not agree there.
 * Of a volume that is not in use nothing new is known. */
static bool keep_member(struct controller *controller, struct owned_element *element,
                        uint32_t record, bool quiet, uint64_t *keep)
{
    const struct superblock_member *member = &element->mark->superblock->content.members[record];
    const struct intents *intents = element->integrity->intents;
    uint32_t volume = element->mark->volumes[record];
    bool agrees, complete;

    if (volume == ELEMENT_NONE) {
        agrees = intents_count(intents, member->offset_bytes, member->size_bytes,
                               INTENTS_MEMBERS_AGREE) == 0;
        complete = false;
    } else {
        const struct volume_record *of = segment_volume(&controller->segment, volume);
        /* relaxed: written before the start, and by whoever makes them equal */
        agrees = quiet && load_relaxed(&of->resync_regions) == 0;
        complete = member_states_now(segment_volume(&controller->segment, volume)).failed == 0;
    }
    if (!agrees || !complete)
        keep_range(intents, keep, member->offset_bytes, member->size_bytes);
    return agrees;
}

int ending_settle(struct controller *controller, uint32_t index)
{
    struct owned_element *element = &controller->elements[index];
    bool quiet = all_are_quiet(controller), agree = true;

    if (element->integrity == NULL)
        return 0;
    uint64_t *keep = calloc(element->integrity->intents->words, sizeof *keep);
    if (keep == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < element->mark->superblock->content.members_count; i++)
        agree = keep_member(controller, element, i, quiet, keep) && agree;
    int error = integrity_end(element->integrity, &element->file, keep, agree);
    free(keep);
    return error;
}
