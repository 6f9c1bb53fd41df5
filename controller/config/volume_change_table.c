#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config_layout.h"
#include "controller/config/table.h"
#include "controller/config/volume_change_steps.h"
#include "controller/superblock/standing.h"
#include "shm/mapping.h"
#include "shm/member_states.h"
#include "shm/redo.h"

__attribute__((format(printf, 2, 3))) static int refuse(struct volume_change *change,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(change->why.text, sizeof change->why.text, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static const struct segment *segment_of(const struct volume_change *change)
{
    return &change->configurator->segment;
}

static const struct config *config_of(const struct volume_change *change)
{
    return change->creates ? change->config : change->configurator->config;
}

void volume_table_find_members(struct volume_change *change)
{
    const struct config_volume *wanted = change->wanted;

    change->redundant = layout_kind_redundant(wanted->layout);
    for (uint32_t i = 0; i < wanted->members_count; i++) {
        const char *name = config_of(change)->volumes[wanted->members[i]].name;
        int error =
            mapping_find_volume(segment_of(change), name, strlen(name), &change->members[i]);
        assert(error == 0); /* the configuration's volumes are those of the table */
    }
}

/* --- room --- */

static int find_number(struct volume_change *change)
{
    const struct volume_changes *changes = &change->configurator->volume_changes;
    uint32_t count = segment_of(change)->geometry.volumes, volume = 0;

    /* Nor what somebody died writing to, while that is not finished. */
    while (volume < count &&
           (changes->used[volume] || redo_pending_of_volume(segment_of(change), volume)))
        volume++;
    if (volume == count)
        return refuse(change,
                      "the table of volumes is full: %u; allowed: %d more than there were "
                      "when the array was started",
                      count, VOLUMES_SPARE);
    change->volume = volume;
    return 0;
}

/* So many member records in a row that are nobody's. */
static int find_places(struct volume_change *change, uint32_t *ret_first)
{
    const struct volume_changes *changes = &change->configurator->volume_changes;
    const struct segment *segment = segment_of(change);
    uint32_t count = segment->geometry.members, run = 0, first = 0;
    bool *taken = calloc(count + 1u, sizeof *taken);

    if (taken == NULL)
        return refuse(change, "%s", strerror(ENOMEM));
    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        const struct volume_record *record = segment_volume(segment, i);
        for (uint32_t j = 0; changes->used[i] && record->layout != 0 && j < record->members_count;
             j++)
            taken[record->members_first + j] = true;
    }
    for (; first + run < count && run < change->wanted->members_count;) {
        if (taken[first + run]) {
            first += run + 1;
            run = 0;
        } else {
            run++;
        }
    }
    free(taken);
    if (run < change->wanted->members_count)
        return refuse(change,
                      "the table of members is full; allowed: %d more than there were when "
                      "the array was started",
                      MEMBERS_SPARE);
    *ret_first = first;
    return 0;
}

/* --- records --- */

static int enter_plain(struct volume_change *change)
{
    const struct config_volume *wanted = change->wanted;
    /* relaxed: its owner has answered since it wrote it */
    uint64_t size_bytes =
        load_relaxed(&segment_element(segment_of(change), wanted->element)->size_bytes);
    struct volume_record record = {.offset_bytes = wanted->offset_bytes,
                                   .size_bytes = config_volume_bytes(wanted, size_bytes),
                                   .element = wanted->element};

    table_name_volume(config_of(change), (uint32_t)(wanted - config_of(change)->volumes), &record);
    mapping_enter_volume(segment_of(change), change->volume, &record);
    return 0;
}

/* A new redundant volume is entered in the superblocks of its members' elements. */
static int check_superblocks(struct volume_change *change)
{
    const struct config *config = config_of(change);

    if (change->wanted->read_only)
        return refuse(change,
                      "read-only: nothing can be in it yet; allowed: a new redundant volume "
                      "that can be written");
    for (uint32_t i = 0; i < change->wanted->members_count; i++) {
        const struct config_volume *member = &config->volumes[change->wanted->members[i]];
        const struct element_record *element = segment_element(segment_of(change), member->element);
        if ((element->flags & ELEMENT_SUPERBLOCK) == 0)
            return refuse(change,
                          "members: %s lies on element %s, whose image has no superblock, which a "
                          "%s needs; allowed: elements that were started with superblock: true",
                          member->name, element->name, layout_name(change->wanted->layout));
    }
    return 0;
}

static int make_layout(struct volume_change *change, struct layout *ret_layout,
                       uint64_t *member_bytes)
{
    uint64_t starts[MEMBERS_MAX + 1];
    uint32_t index = (uint32_t)(change->wanted - change->config->volumes);

    for (uint32_t i = 0; i < change->wanted->members_count; i++)
        member_bytes[i] = segment_volume(segment_of(change), change->members[i])->size_bytes;
    return config_layout_of(change->config, index, member_bytes, ret_layout, starts, &change->why);
}

static void enter_members(const struct volume_change *change, uint32_t first,
                          const uint64_t *member_bytes)
{
    for (uint32_t i = 0; i < change->wanted->members_count; i++)
        *segment_member(segment_of(change), first + i) =
            (struct member_record){.volume = change->members[i], .size_bytes = member_bytes[i]};
}

static int enter_virtual(struct volume_change *change)
{
    uint32_t index = (uint32_t)(change->wanted - change->config->volumes), first = 0;
    uint64_t member_bytes[MEMBERS_MAX];
    struct layout layout;

    volume_table_find_members(change);
    int error = change->redundant ? check_superblocks(change) : 0;
    if (error == 0)
        error = make_layout(change, &layout, member_bytes);
    if (error == 0)
        error = find_places(change, &first);
    if (error != 0)
        return error;
    struct volume_record record = table_virtual_record(&layout, first);
    if (change->redundant)
        record.marked = 1;
    if (change->wanted->description == NULL)
        config_layout_describe(&layout, record.description);
    table_name_volume(change->config, index, &record);
    enter_members(change, first, member_bytes);
    mapping_enter_volume(segment_of(change), change->volume, &record);
    if (change->redundant) {
        struct volume_record *entered = segment_volume(segment_of(change), change->volume);
        member_states_start(entered, &(struct member_standing){.run = 0});
        member_states_announce(entered);
    }
    return 0;
}

int volume_table_enter(struct volume_change *change)
{
    int error = find_number(change);

    if (error == 0)
        error = change->wanted->layout == LAYOUT_NONE ? enter_plain(change) : enter_virtual(change);
    if (error == 0)
        change->configurator->volume_changes.used[change->volume] = true;
    return error;
}

void volume_table_free(struct volume_change *change)
{
    change->configurator->volume_changes.used[change->volume] = change->leaks;
    rebuilds_forget(change->configurator, change->volume);
}

/* --- members --- */

uint32_t volume_table_hide_members(struct volume_change *change, const struct config *config)
{
    const struct segment *segment = segment_of(change);
    uint32_t mask = VOLUME_EXPORTED | VOLUME_REDUNDANT_MEMBER, hidden = 0;

    for (uint32_t i = 0; i < change->wanted->members_count; i++) {
        const char *name = segment_volume(segment, change->members[i])->name;
        uint32_t flags = table_volume_flags(config, volume_named(config, name));
        uint32_t before = mapping_volume_flags(segment_volume(segment, change->members[i]));
        if ((before & ~flags & VOLUME_EXPORTED) != 0)
            hidden |= UINT32_C(1) << i;
        mapping_set_volume_flags(segment, change->members[i], mask, flags);
    }
    return hidden;
}
