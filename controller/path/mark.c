#include "controller/path/mark.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/mapping.h"
#include "shm/member_states.h"

/* The volume that a record is of: one whose failed members are to be marked, and that has this
 * member on this element. The configuration controller has checked what else the record says. */
static uint32_t volume_of(const struct segment *segment, uint32_t element,
                          const struct superblock_member *record)
{
    struct mapping_members members;
    uint32_t volume;

    if (mapping_find_volume(segment, record->volume, strlen(record->volume), &volume) != 0 ||
        segment_volume(segment, volume)->marked == 0 ||
        mapping_members(segment, volume, &members) != 0 || record->place >= members.count)
        return ELEMENT_NONE;
    uint32_t member = members.records[record->place].volume;
    if (member >= segment->geometry.volumes || segment_volume(segment, member)->element != element)
        return ELEMENT_NONE;
    return volume;
}

int mark_new(struct mark **ret_mark, const struct segment *segment, uint32_t element,
             struct superblock_of_image *superblock)
{
    struct mark *mark = calloc(1, sizeof *mark);
    void *copy;

    if (mark == NULL)
        return -ENOMEM;
    if (posix_memalign(&copy, BLOCK_BYTES, SUPERBLOCK_COPY_BYTES) != 0) {
        free(mark);
        return -ENOMEM;
    }
    mark->copy = copy;
    mark->superblock = superblock;
    for (uint32_t i = 0; i < superblock->content.members_count; i++)
        mark->volumes[i] = volume_of(segment, element, &superblock->content.members[i]);
    *ret_mark = mark;
    return 0;
}

void mark_free(struct mark *mark)
{
    if (mark == NULL)
        return;
    free(mark->copy);
    free(mark);
}

bool mark_has_members(const struct mark *mark)
{
    for (uint32_t i = 0; i < mark->superblock->content.members_count; i++) {
        if (mark->volumes[i] != ELEMENT_NONE)
            return true;
    }
    return false;
}

/* Within a run members only become absent. What a damaged table says of members that are not there
 * is left out. */
static struct superblock_member as_it_is_now(const struct segment *segment, uint32_t volume,
                                             const struct superblock_member *record)
{
    const struct member_standing now = member_states_standing(segment_volume(segment, volume));
    uint32_t there = UINT32_MAX >> (MEMBERS_MAX - record->members);
    bool same_run = record->run == now.run;
    struct superblock_member next = *record;

    next.run = now.run;
    next.next_run = now.next_run;
    next.failed = (now.failed & there) | (same_run ? record->failed : 0);
    next.rebuilding = now.rebuilding & next.failed;
    next.rebuilt_bytes = next.rebuilding != 0 ? now.rebuilt_bytes : 0;
    return next;
}

static bool same(const struct superblock_member *one, const struct superblock_member *other)
{
    return one->run == other->run && one->next_run == other->next_run &&
           one->failed == other->failed && one->rebuilding == other->rebuilding &&
           one->rebuilt_bytes == other->rebuilt_bytes;
}

/* --- edits --- */

static bool overlap(const struct superblock_member *one, const struct superblock_member *other)
{
    return one->offset_bytes < other->offset_bytes + other->size_bytes &&
           other->offset_bytes < one->offset_bytes + one->size_bytes;
}

int mark_want(struct mark *mark, struct mark_edit *edit)
{
    const struct superblock *content = &mark->superblock->content;

    if (mark->edit != NULL)
        return -EBUSY;
    if (edit->kind == MARK_ADD && superblock_find(content, edit->record.volume) != NULL)
        return -EEXIST;
    for (uint32_t i = 0; i < content->members_count && edit->kind == MARK_ADD; i++) {
        if (overlap(&content->members[i], &edit->record))
            return -EEXIST;
    }
    if (edit->kind == MARK_ADD && content->members_count == SUPERBLOCK_MEMBERS_MAX)
        return -ENOSPC;
    edit->begun = edit->written = false;
    mark->edit = edit;
    return 0;
}

void mark_want_no_more(struct mark *mark, const struct mark_edit *edit)
{
    if (mark->edit == edit)
        mark->edit = NULL;
}

static bool goes(const struct mark *mark, const struct mark_edit *edit, uint32_t i)
{
    if (edit->kind == MARK_CLEAR)
        return mark->next_volumes[i] == ELEMENT_NONE &&
               overlap(&mark->next.members[i], &edit->record);
    return edit->kind == MARK_REMOVE && mark->next_volumes[i] == edit->volume;
}

/* True: it changed something. */
static bool apply(struct mark *mark, struct mark_edit *edit)
{
    struct superblock *next = &mark->next;
    uint32_t before = next->members_count;

    for (uint32_t i = before; i-- > 0;) {
        if (!goes(mark, edit, i))
            continue;
        next->members[i] = next->members[--next->members_count];
        mark->next_volumes[i] = mark->next_volumes[next->members_count];
    }
    if (edit->kind == MARK_ADD) {
        mark->next_volumes[next->members_count] = edit->volume;
        next->members[next->members_count++] = edit->record;
    }
    edit->begun = true;
    return next->members_count != before;
}

/* --- writing --- */

bool mark_begin(struct mark *mark, const struct segment *segment)
{
    bool changed = false;

    assert(!mark->writing);
    mark->next = mark->superblock->content;
    memcpy(mark->next_volumes, mark->volumes, sizeof mark->volumes);
    if (mark->edit != NULL)
        changed = apply(mark, mark->edit);
    for (uint32_t i = 0; i < mark->next.members_count; i++) {
        struct superblock_member *record = &mark->next.members[i];
        if (mark->next_volumes[i] == ELEMENT_NONE)
            continue;
        const struct superblock_member next = as_it_is_now(segment, mark->next_volumes[i], record);
        changed = changed || !same(&next, record);
        *record = next;
    }
    if (!changed)
        return false;
    mark->next.sequence++;
    superblock_encode(&mark->next, mark->copy);
    mark->writing = true;
    return true;
}

struct loop_io mark_io(const struct mark *mark)
{
    return (struct loop_io){.buffer = LOOP_NO_BUFFER,
                            .memory = mark->copy,
                            .bytes = SUPERBLOCK_COPY_BYTES,
                            .offset_bytes =
                                tail_bytes(&mark->superblock->content.tail) - SUPERBLOCK_BYTES +
                                (1 - mark->superblock->copy) * (uint64_t)SUPERBLOCK_COPY_BYTES};
}

void mark_written(struct mark *mark)
{
    mark->superblock->content = mark->next;
    memcpy(mark->volumes, mark->next_volumes, sizeof mark->volumes);
    if (mark->edit != NULL && mark->edit->begun) {
        mark->edit->written = true;
        mark->edit = NULL;
    }
    mark->superblock->copy = 1 - mark->superblock->copy;
}
