#include <errno.h>
#include <stdlib.h>

#include "controller/config/config_layout.h"
#include "controller/config/config_value.h"
#include "controller/config/config_virtual.h"
#include "shm/limits.h"

static struct config_field_ref volume_field(uint32_t index, unsigned field)
{
    return (struct config_field_ref){PART_VOLUMES, index, field};
}

static unsigned line_of(const struct config_reading *reading, uint32_t index, unsigned field)
{
    return config_line(reading, PART_VOLUMES, index, field);
}

/* --- fields --- */

static int check_virtual(const struct config_reading *reading, uint32_t index)
{
    static const unsigned of_plain_ones[] = {VOLUME_ELEMENT, VOLUME_OFFSET, VOLUME_SIZE};
    char allowed[ALLOWED_BYTES];

    for (unsigned i = 0; i < sizeof(of_plain_ones) / sizeof(of_plain_ones[0]); i++) {
        if (line_of(reading, index, of_plain_ones[i]))
            return config_refuse(reading, volume_field(index, of_plain_ones[i]),
                                 "a virtual volume lies where its members do; allowed: layout, "
                                 "chunk, members, copies, or else element, offset, size");
    }
    if (line_of(reading, index, VOLUME_MEMBERS))
        return 0;
    config_value_allowed(&config_mappings[PART_VOLUMES], VOLUME_MEMBERS, allowed);
    return config_refuse(reading, volume_field(index, VOLUME_MEMBERS), "missing; allowed: %s",
                         allowed);
}

static int check_plain(const struct config_reading *reading, uint32_t index)
{
    static const unsigned of_virtual_ones[] = {VOLUME_MEMBERS, VOLUME_CHUNK, VOLUME_COPIES};
    char allowed[ALLOWED_BYTES];

    config_value_allowed(&config_mappings[PART_VOLUMES], VOLUME_LAYOUT, allowed);
    for (unsigned i = 0; i < sizeof(of_virtual_ones) / sizeof(of_virtual_ones[0]); i++) {
        if (line_of(reading, index, of_virtual_ones[i]))
            return config_refuse(reading, volume_field(index, of_virtual_ones[i]),
                                 "only a volume with a layout has it; allowed: with layout: %s",
                                 allowed);
    }
    if (line_of(reading, index, VOLUME_ELEMENT))
        return 0;
    return config_refuse(reading, volume_field(index, VOLUME_ELEMENT),
                         "missing; allowed: the name of one of elements, or, in a virtual volume, "
                         "layout and members instead");
}

int config_virtual_check_fields(const struct config_reading *reading, const struct raw_volume *raw,
                                uint32_t index)
{
    return raw->layout != LAYOUT_NONE ? check_virtual(reading, index) : check_plain(reading, index);
}

/* --- members --- */

static int add_member(const struct config_reading *reading, uint32_t index, const char *name,
                      const struct config_name *names, struct config *config)
{
    const struct config_name *found = config_names_find(names, config->volumes_count, name);
    const struct config_field_ref where = volume_field(index, VOLUME_MEMBERS);
    struct config_volume *volume = &config->volumes[index];

    if (!found)
        return config_refuse(reading, where,
                             "there is no volume '%s'; allowed: names of plain volumes", name);
    struct config_volume *member = &config->volumes[found->index];
    if (member == volume)
        return config_refuse(reading, where,
                             "%s cannot be a member of itself; allowed: names of plain volumes",
                             name);
    if (member->layout != LAYOUT_NONE)
        return config_refuse(reading, where,
                             "%s is a virtual volume itself; allowed: names of plain volumes (a "
                             "stripe of mirrors is raid10)",
                             name);
    if (member->member_of == index)
        return config_refuse(reading, where, "%s stands there twice; allowed: each member once",
                             name);
    if (member->member_of != CONFIG_NONE)
        return config_refuse(reading, where,
                             "%s is already a member of %s (line %u); allowed: each volume in one "
                             "virtual volume",
                             name, config->volumes[member->member_of].name,
                             config->volumes[member->member_of].line);
    member->member_of = index;
    volume->members[volume->members_count++] = found->index;
    return 0;
}

static int add_members(const struct config_reading *reading, const struct raw_volume *raw,
                       uint32_t index, const struct config_name *names, struct config *config)
{
    int result = 0;

    config->volumes[index].members =
        calloc(raw->members_count, sizeof(*config->volumes[index].members));
    if (!config->volumes[index].members)
        return -ENOMEM;
    for (uint32_t i = 0; i < raw->members_count && result == 0; i++)
        result = add_member(reading, index, raw->members[i], names, config);
    return result;
}

/* Nobody can write to a member that is read-only, and a volume must not seem writable where a part
 * of it is not. */
static int check_read_only(const struct config_reading *reading, uint32_t index,
                           const struct config *config)
{
    const struct config_volume *volume = &config->volumes[index];

    for (uint32_t i = 0; i < volume->members_count && !volume->read_only; i++) {
        const struct config_volume *member = &config->volumes[volume->members[i]];

        if (member->read_only)
            return config_refuse(reading, volume_field(index, VOLUME_MEMBERS),
                                 "%s is read-only and %s is not; allowed: members that can be "
                                 "written, or read-only: true",
                                 member->name, volume->name);
    }
    return 0;
}

/* Redundancy that one lost element would take away is none. */
static int check_elements_differ(const struct config_reading *reading, uint32_t index,
                                 const struct config *config)
{
    const struct config_volume *volume = &config->volumes[index];

    for (uint32_t i = 0; i < volume->members_count; i++) {
        const struct config_volume *member = &config->volumes[volume->members[i]];

        for (uint32_t j = 0; j < i; j++) {
            const struct config_volume *other = &config->volumes[volume->members[j]];

            if (member->element == other->element)
                return config_refuse(reading, volume_field(index, VOLUME_MEMBERS),
                                     "%s and %s both lie on element %s, and %s would lose both "
                                     "with it; allowed: one member on each element",
                                     other->name, member->name,
                                     config->elements[member->element].name,
                                     layout_name(volume->layout));
        }
    }
    return 0;
}

/* Without superblocks nobody would know, after the next start, which members are stale. */
static int check_superblocks(const struct config_reading *reading, uint32_t index,
                             struct config *config)
{
    const struct config_volume *volume = &config->volumes[index];

    for (uint32_t i = 0; i < volume->members_count; i++) {
        const struct config_volume *member = &config->volumes[volume->members[i]];
        struct config_element *element = &config->elements[member->element];

        element->redundant_volume = index;
        if (element->superblock == SUPERBLOCK_NO)
            return config_refuse(reading, volume_field(index, VOLUME_MEMBERS),
                                 "%s lies on element %s (line %u), which says superblock: false, "
                                 "and a %s needs the superblocks of its members; allowed: members "
                                 "on elements that have one",
                                 member->name, element->name, element->line,
                                 layout_name(volume->layout));
    }
    return 0;
}

/* --- the layout --- */

static const unsigned fields_at_fault[] = {
    [LAYOUT_FAULT_MEMBERS] = VOLUME_MEMBERS, [LAYOUT_FAULT_COPIES] = VOLUME_COPIES,
    [LAYOUT_FAULT_CHUNK] = VOLUME_CHUNK,     [LAYOUT_FAULT_MEMBER_SIZE] = VOLUME_MEMBERS,
    [LAYOUT_FAULT_SIZE] = VOLUME_MEMBERS,
};

/* What the layout says of the number of members, of copies and of the chunk, whatever the sizes
 * will be; and its defaults. */
static int fill_layout(const struct config_reading *reading, uint32_t index, struct config *config,
                       bool *ret_redundant)
{
    struct config_volume *volume = &config->volumes[index];
    uint64_t member_bytes[MEMBERS_MAX], starts[MEMBERS_MAX + 1];
    char why[CONFIG_LAYOUT_TEXT_BYTES];
    struct layout layout;

    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        member_bytes[i] = CHUNK_BYTES_MAX;
    enum layout_fault fault = config_layout_make(volume, member_bytes, &layout, starts, why);
    if (fault != LAYOUT_FINE)
        return config_refuse(reading, volume_field(index, fields_at_fault[fault]), "%s", why);
    volume->copies = layout.copies;
    volume->chunk_bytes = layout.chunk_bytes;
    *ret_redundant = layout.copies > 1 || layout.parities > 0;
    return 0;
}

static int resolve_one(const struct config_reading *reading, const struct raw_volume *raw,
                       uint32_t index, const struct config_name *names, struct config *config)
{
    bool redundant = false;
    int result = add_members(reading, raw, index, names, config);

    if (result == 0)
        result = fill_layout(reading, index, config, &redundant);
    if (result == 0)
        result = check_read_only(reading, index, config);
    if (result == 0 && redundant)
        result = check_elements_differ(reading, index, config);
    if (result == 0 && redundant)
        result = check_superblocks(reading, index, config);
    return result;
}

int config_virtual_resolve(const struct config_reading *reading, const struct raw_config *raw,
                           const struct config_name *names, struct config *config)
{
    int result = 0;

    for (uint32_t i = 0; i < config->volumes_count && result == 0; i++) {
        if (config->volumes[i].layout != LAYOUT_NONE)
            result = resolve_one(reading, &raw->volumes[i], i, names, config);
    }
    for (uint32_t i = 0; i < config->volumes_count && result == 0; i++) {
        struct config_volume *volume = &config->volumes[i];

        if (volume->member_of != CONFIG_NONE && !volume->export_said)
            volume->export = false;
    }
    return result;
}
