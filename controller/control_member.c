/*
 * Members that come and go while the array runs: what the configuration controller asks of the
 * owner of the element that a member lies on. Each ends with a durable superblock.
 *
 *      ENTER_MEMBER   a new redundant volume was entered in the mapping table, its first run is
 *                     announced: the member gets a record. It must hold zeroes only, as at a start
 *                     (config/superblocks_judge.c): then all members agree.
 *      MARK_MEMBER    its record says what the mapping table says now: the run has begun.
 *      LEAVE_MEMBER   the redundant volume goes: so does the record.
 *      CLEAR_VOLUME   a plain volume comes: records of volumes that are not there and claim its
 *                     range go, for hosts may write there from now on.
 *
 * The member's plain volume names the element. Where the element has no superblock, there is
 * nothing to do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller.h"

struct member_change {
    struct errand errand;
    struct control_request *request;
    struct owned_element *element;
    const struct volume_record *member; /* the plain volume */
    struct mark_edit edit;
    bool edits;
};

static void end(struct member_change *change, int status)
{
    struct control_request *request = change->request;

    if (change->element->mark != NULL)
        mark_want_no_more(change->element->mark, &change->edit);
    free(change);
    control_answer(request, status);
}

/* --- errands: to the member, which is ours --- */

static void run_errand(struct member_change *change, uint8_t op,
                       void (*over)(struct errand *errand))
{
    change->errand = (struct errand){
        .over = over, .op = op, .volume = (uint32_t)change->request->message.arguments[0]};
    errand_send(change->request->controller, &change->errand);
}

static void is_marked(struct errand *errand)
{
    end((struct member_change *)errand, errand->status);
}

_Static_assert(offsetof(struct member_change, errand) == 0, "as the casts rely on");

/* Makes the edit, if there is one, durable. */
static void mark(struct member_change *change)
{
    struct mark *mark = change->element->mark;
    int error = mark == NULL ? -EOPNOTSUPP : change->edits ? mark_want(mark, &change->edit) : 0;

    if (error != 0)
        end(change, error);
    else
        run_errand(change, COMMAND_MARK, is_marked);
}

/* --- ENTER_MEMBER --- */

static bool holds_zeroes(const struct member_change *change)
{
    const struct volume_record *member = change->member;
    struct extent extent;

    return element_extents(&change->element->file, member->offset_bytes, member->size_bytes,
                           &extent, 1) == 1 &&
           extent.hole != 0 && extent.length_bytes == member->size_bytes;
}

/* What waited to be written is on the image now. Intents are kept where there are members; reading
 * them is a few blocks, once. */
static void is_flushed(struct errand *errand)
{
    struct member_change *change = (struct member_change *)errand;
    struct owned_element *element = change->element;
    int error = errand->status;

    if (error == 0 && !holds_zeroes(change))
        error = -ENOTEMPTY;
    if (error == 0)
        error = controller_keep_intents(element);
    if (error != 0)
        end(change, error);
    else
        mark(change);
}

static struct superblock_member record_of(const struct segment *segment, uint32_t volume,
                                          uint32_t place, const struct volume_record *member)
{
    struct volume_record *virtual = segment_volume(segment, volume);
    const struct member_standing standing = member_states_standing(virtual);
    struct superblock_member record = {.layout = virtual->layout,
                                       .chunk_bytes = virtual->chunk_bytes,
                                       .copies = virtual->copies,
                                       .members = virtual->members_count,
                                       .place = place,
                                       .offset_bytes = member->offset_bytes,
                                       .size_bytes = member->size_bytes,
                                       .run = standing.run,
                                       .next_run = standing.next_run};

    snprintf(record.volume, sizeof record.volume, "%s", virtual->name);
    return record;
}

/* --- requests --- */

/* Arguments: the member, and what the kind has more. *ret_change NULL: it was answered. */
static struct member_change *begin(struct control_request *request)
{
    struct controller *controller = request->controller;
    struct mapping_place place;
    uint64_t member = request->message.arguments[0];
    int error = member > UINT32_MAX
                    ? -EPROTO
                    : mapping_resolve(&controller->segment, (uint32_t)member, 0, 0, &place);

    if (error == 0 &&
        (place.owner != controller->id || controller->elements[place.element].file.fd < 0))
        error = -ENOENT;
    struct member_change *change = error == 0 ? calloc(1, sizeof *change) : NULL;
    if (change == NULL) {
        control_answer(request, error != 0 ? error : -ENOMEM);
        return NULL;
    }
    change->request = request;
    change->element = &controller->elements[place.element];
    change->member = segment_volume(&controller->segment, (uint32_t)member);
    return change;
}

/* Arguments: member, virtual volume, place in it. */
void control_enter_member(struct control_request *request)
{
    const struct segment *segment = &request->controller->segment;
    uint64_t volume = request->message.arguments[1], place = request->message.arguments[2];
    struct member_change *change = begin(request);

    if (change == NULL)
        return;
    if (change->element->mark == NULL) {
        end(change, -EOPNOTSUPP);
        return;
    }
    if (volume >= segment->geometry.volumes || place >= MEMBERS_MAX) {
        end(change, -EPROTO);
        return;
    }
    change->edits = true;
    change->edit = (struct mark_edit){
        .kind = MARK_ADD,
        .volume = (uint32_t)volume,
        .record = record_of(segment, (uint32_t)volume, (uint32_t)place, change->member)};
    run_errand(change, COMMAND_FLUSH, is_flushed);
}

/* Arguments: member. */
void control_mark_member(struct control_request *request)
{
    struct member_change *change = begin(request);

    if (change != NULL)
        mark(change);
}

/* Arguments: member, virtual volume. */
void control_leave_member(struct control_request *request)
{
    struct member_change *change = begin(request);

    if (change == NULL)
        return;
    change->edits = true;
    change->edit =
        (struct mark_edit){.kind = MARK_REMOVE, .volume = (uint32_t)request->message.arguments[1]};
    mark(change);
}

/* Arguments: the plain volume. */
void control_clear_volume(struct control_request *request)
{
    struct member_change *change = begin(request);

    if (change == NULL)
        return;
    if (change->element->mark == NULL) {
        end(change, 0);
        return;
    }
    change->edits = true;
    change->edit = (struct mark_edit){.kind = MARK_CLEAR,
                                      .record = {.offset_bytes = change->member->offset_bytes,
                                                 .size_bytes = change->member->size_bytes}};
    mark(change);
}
