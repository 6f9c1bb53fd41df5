/*
 * EXECUTE: QUIET and CLEAR, the two steps by which write intents of a range of an element go while
 * the array runs (controller/integrity/intents.h has the states of a region; split_clear.c says why
 * the range of a volume may be cleared).
 *
 * QUIET says whether nothing is being written in any region of the range, and makes durable what
 * was. A write wakes its regions when it begins (intents_want), so one that is under way in a
 * region that rests began before the element's intents aged last. Those are counted apart
 * (execute_age): while there is one, nothing is quiet. So when the flush begins all writes of what
 * rests have ended, and what settles until the flush has ended was written before it began.
 *
 * Checksums of the range are written before that flush. Their words stand still: they change by
 * writes, or by reads of a block of which nothing was known, and then either word is right.
 *
 * CLEAR drops the bits of what is settled still. It comes after QUIET, under the same reservation;
 * where another owner has the element by now, nothing is settled, and the bits stay.
 */
#include <errno.h>

#include "controller/path/execute.h"
#include "controller/superblock/superblock.h"

/* Regions [first, end) that the command's range touches. */
static void regions_of(const struct intents *intents, const struct command *command,
                       uint64_t *ret_first, uint64_t *ret_end)
{
    uint64_t last_bytes = command->element_offset_bytes + command->length_bytes - 1;

    *ret_first = command->element_offset_bytes >> intents->region_shift;
    *ret_end = (last_bytes >> intents->region_shift) + 1;
}

/* --- QUIET --- */

bool execute_age(struct owned_element *element)
{
    uint8_t before = 1 - element->writes_age;

    if (element->writes[before] > 0) /* later */
        return true;
    element->writes_age = before;
    return intents_age(element->integrity->intents);
}

static int answer_quiet(struct command *command, bool quiet)
{
    command->count = !quiet;
    return NEXT_OVER;
}

/* A flush is for all regions of the element, but those whose checksums it does not cover. */
static int begin_flush(struct owned_element *element, struct command *command, uint64_t first,
                       uint64_t end)
{
    bool has_checksums = execute_checksums(element) != NULL;

    intents_settle(element->integrity->intents, has_checksums ? first : 0,
                   has_checksums ? end : element->integrity->intents->regions);
    command->io.step = has_checksums ? STEP_CHECKSUMS : STEP_SYNC;
    return NEXT_STEP;
}

int execute_quiet(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);
    uint64_t first, end;

    if (element->integrity == NULL || command->length_bytes == 0)
        return answer_quiet(command, false); /* nothing is known of it */
    struct intents *intents = element->integrity->intents;
    regions_of(intents, command, &first, &end);
    if (element->writes[1 - element->writes_age] > 0)
        return answer_quiet(command, false);
    if (intents_are_settled(intents, first, end))
        return answer_quiet(command, true);
    if (!intents_rest(intents, first, end) || intents->flushing)
        return answer_quiet(command, false);
    return begin_flush(element, command, first, end);
}

int64_t execute_start_checksums(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);
    uint64_t first, end;

    regions_of(element->integrity->intents, command, &first, &end);
    return element_write_tail(&element->file, controller->loop,
                              integrity_checksums_io(element->integrity, first, end),
                              &command->io.completion);
}

/* Written with one request, or not: then the regions stay as they are. */
int execute_after_checksums(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);
    uint64_t first, end;

    regions_of(element->integrity->intents, command, &first, &end);
    if (command->io.result == integrity_checksums_io(element->integrity, first, end).bytes) {
        command->io.step = STEP_SYNC;
        return NEXT_STEP;
    }
    intents_flushed(element->integrity->intents, false);
    return command->io.result < 0 ? execute_write_failed(controller, command)
                                  : answer_quiet(command, false);
}

int execute_after_quiet_flush(struct controller *controller, struct command *command)
{
    struct intents *intents = execute_owned(controller, command)->integrity->intents;
    uint64_t first, end;

    intents_flushed(intents, command->io.result == 0);
    regions_of(intents, command, &first, &end);
    return answer_quiet(command, intents_are_settled(intents, first, end));
}

/* --- CLEAR --- */

/* What of a member is used: one that is longer than the others of its volume is not, as a whole. */
static uint64_t used_bytes(const struct controller *controller, const struct mark *mark,
                           uint32_t record)
{
    const struct virtual_volume *virtual = mark->volumes[record] != ELEMENT_NONE
                                               ? virtual_find(controller, mark->volumes[record])
                                               : NULL;

    return virtual != NULL ? virtual->layout.member_bytes
                           : mark->superblock->content.members[record].size_bytes;
}

/* Whether the region has nothing of a redundant volume's member outside of [from, end). */
static bool is_of_range_alone(const struct controller *controller,
                              const struct owned_element *element, uint64_t region,
                              uint64_t from_bytes, uint64_t end_bytes)
{
    const struct superblock *content = &element->mark->superblock->content;
    uint32_t shift = element->integrity->intents->region_shift;
    uint64_t region_from = region << shift, region_end = (region + 1) << shift;

    for (uint32_t i = 0; i < content->members_count; i++) {
        const struct superblock_member *member = &content->members[i];
        uint64_t from = member->offset_bytes;
        uint64_t end = from + used_bytes(controller, element->mark, i);
        from = from < region_from ? region_from : from;
        end = end > region_end ? region_end : end;
        if (from < end && (from < from_bytes || end > end_bytes))
            return false;
    }
    return true;
}

static bool drop(const struct controller *controller, struct owned_element *element,
                 const struct command *command)
{
    struct intents *intents = element->integrity->intents;
    uint64_t from = command->element_offset_bytes, end = from + command->length_bytes;
    uint64_t region, end_region;
    bool any = false;

    regions_of(intents, command, &region, &end_region);
    for (; region < end_region; region++)
        any = (is_of_range_alone(controller, element, region, from, end) &&
               intents_drop(intents, region)) ||
              any;
    return any;
}

int execute_clear(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);

    if (element->integrity == NULL || command->length_bytes == 0)
        return NEXT_OVER;
    if (element->integrity->intents->writing) {
        command->io.waits_for = WAIT_INTENT;
        command_queue_push(&element->intent_waiters, command);
        return NEXT_WAIT;
    }
    if (!drop(controller, element, command))
        return NEXT_OVER;
    intents_begin(element->integrity->intents);
    command->io.step = STEP_INTENT;
    return NEXT_STEP;
}
