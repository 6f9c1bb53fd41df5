#include "controller/path/mark.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/mapping.h"

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

/* A mask only grows. What a damaged table says of members that are not there is left out. */
static uint32_t failed_now(const struct segment *segment, uint32_t volume,
                           const struct superblock_member *record)
{
    uint32_t there = UINT32_MAX >> (MEMBERS_MAX - record->members);

    /* pairs with virtual_fail's swap: whoever asked for this marking has marked there first */
    return record->failed |
           (load_acquire(&segment_volume(segment, volume)->members_failed) & there);
}

bool mark_begin(struct mark *mark, const struct segment *segment)
{
    bool changed = false;

    assert(!mark->writing);
    mark->next = mark->superblock->content;
    for (uint32_t i = 0; i < mark->next.members_count; i++) {
        struct superblock_member *record = &mark->next.members[i];
        if (mark->volumes[i] == ELEMENT_NONE)
            continue;
        uint32_t failed = failed_now(segment, mark->volumes[i], record);
        changed = changed || failed != record->failed;
        record->failed = failed;
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
    mark->superblock->copy = 1 - mark->superblock->copy;
}
