#include "controller/finish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller.h"
#include "controller/integrity/ending.h"
#include "controller/loss.h"
#include "shm/mapping.h"

static bool is_online(const struct owned_element *element)
{
    /* relaxed: its only writer is this controller */
    return load_relaxed(&element->record->state) == ELEMENT_ONLINE;
}

static bool is_ours_to_write(const struct owned_element *element)
{
    return element->file.fd >= 0 && !element->file.read_only;
}

/* --- members --- */

/* The member of a redundant volume that lies on the element, from `from` on; -1: there is none. */
static int next_member(const struct controller *controller, const struct virtual_volume *virtual,
                       uint32_t element, uint32_t from)
{
    for (uint32_t i = from; i < virtual->layout.members; i++) {
        uint32_t volume = virtual->members[i].volume;
        if (segment_volume(&controller->segment, volume)->element == element)
            return (int)i;
    }
    return -1;
}

/* Volumes that bear it do without their members on the element from now on. */
static void fail_members(struct controller *controller, uint32_t element)
{
    for (uint32_t i = 0; i < mapping_volumes_end(&controller->segment); i++) {
        const struct virtual_volume *virtual = virtual_find(controller, i);
        if (virtual == NULL || !layout_kind_redundant(virtual->layout.kind))
            continue;
        for (int member = next_member(controller, virtual, element, 0); member >= 0;
             member = next_member(controller, virtual, element, (uint32_t)member + 1))
            (void)virtual_fail(controller, virtual, UINT32_C(1) << member);
    }
}

/* --- elements --- */

/* What its superblock is to say by now, if it does not say so yet. */
static int write_mark(const struct controller *controller, struct owned_element *element)
{
    if (element->mark == NULL || !mark_begin(element->mark, &controller->segment))
        return 0;
    struct loop_io io = mark_io(element->mark);
    int error = element_write_tail_now(&element->file, io.memory, io.bytes, io.offset_bytes);
    if (error == 0)
        error = element_sync_now(&element->file);
    if (error == 0)
        mark_written(element->mark);
    return error;
}

static void say_unwritten(const struct controller *controller, const struct owned_element *element)
{
    fprintf(stderr,
            "anyport: c%u: element %s: what is kept beside its data cannot be "
            "written; the next start finds it as after a crash\n",
            controller->id, element->record->name);
}

static void flush(struct controller *controller, uint32_t index, bool *failed_now)
{
    if (element_sync_now(&controller->elements[index].file) == 0)
        return;
    *failed_now = is_online(&controller->elements[index]);
    controller_lose_writes(controller, index, "the last flush of it failed");
    if (*failed_now)
        fail_members(controller, index);
}

/* All are flushed before the first is marked: then one marking says all that this controller has
 * found. Of an image that failed before nothing is written: it may have become shorter. */
static void settle(struct controller *controller, uint32_t index, bool failed_now)
{
    struct owned_element *element = &controller->elements[index];
    bool online = is_online(element);
    int error = online || failed_now ? write_mark(controller, element) : 0;

    /* What one that failed lacks is not known: its intents stay. */
    if (error == 0 && online)
        error = ending_settle(controller, index);
    if (error != 0)
        say_unwritten(controller, element);
}

/* What nobody has come to take over while there was time. */
static void fail_what_died_dirty(struct controller *controller)
{
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        if (!controller_owns(controller, i) && loss_is_left_dirty(&controller->segment, i))
            fail_members(controller, i);
    }
}

int finish_elements(struct controller *controller)
{
    bool failed_now[ELEMENTS_MAX] = {false}, lost = false;

    fail_what_died_dirty(controller);
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        if (is_ours_to_write(&controller->elements[i]))
            flush(controller, i, &failed_now[i]);
    }
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        if (is_ours_to_write(&controller->elements[i]))
            settle(controller, i, failed_now[i]);
        lost = lost || (controller_owns(controller, i) && loss_is_there(&controller->segment, i));
    }
    return lost ? -EIO : 0;
}

/* --- locks --- */

/* Everything that was taken has been given back, so nothing of ours is on its way to an element. */
static bool nothing_in_flight(const struct controller *controller)
{
    return controller_buffers_bytes(controller) == 0 &&
           controller->free_peer_commands_count == PEER_COMMANDS_MAX &&
           /* relaxed: our own counter */
           load_relaxed(&controller->counters->host_in_flight) == 0;
}

void finish_unlock(struct controller *controller)
{
    for (uint32_t i = 0; i < controller->elements_count && nothing_in_flight(controller); i++) {
        if (controller->elements[i].file.fd >= 0)
            element_unlock(&controller->elements[i].file);
    }
    if (controller->journal != NULL)
        element_unlock(&controller->journal->file); /* it writes no more */
}
