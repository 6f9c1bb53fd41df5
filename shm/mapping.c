#include "shm/mapping.h"

#include <errno.h>
#include <string.h>

#include "shm/member_states.h"

/* FNV-1a: names are short, and the table is built by a trusted configuration. */
static uint32_t hash_name(const char *name, size_t name_bytes)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name_bytes; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash;
}

static uint32_t *names_of(const struct segment *segment)
{
    return (uint32_t *)(void *)(segment->base + segment->geometry.names_offset);
}

static bool name_equals(const struct volume_record *record, const char *name, size_t name_bytes)
{
    return name_bytes <= NAME_BYTES_MAX && memchr(name, '\0', name_bytes) == NULL &&
           memcmp(record->name, name, name_bytes) == 0 && record->name[name_bytes] == '\0';
}

/* The bucket that holds the name, or the empty one where it would go. Open addressing; the table is
 * at most half full, so an empty bucket always ends the search. */
static uint32_t find_bucket(const struct segment *segment, const char *name, size_t name_bytes)
{
    const uint32_t *names = names_of(segment);
    uint32_t mask = segment->geometry.names_buckets - 1;
    uint32_t bucket = hash_name(name, name_bytes) & mask;

    for (uint32_t tries = 0; tries <= mask; tries++, bucket = (bucket + 1) & mask) {
        uint32_t entry = names[bucket];
        if (entry == 0 || entry > segment->geometry.volumes)
            break;
        if (name_equals(segment_volume(segment, entry - 1), name, name_bytes))
            break;
    }
    return bucket;
}

int mapping_add_volume(const struct segment *segment, uint32_t index,
                       const struct volume_record *record)
{
    uint32_t bucket = find_bucket(segment, record->name, strlen(record->name));

    if (names_of(segment)[bucket] != 0)
        return -EEXIST;
    *segment_volume(segment, index) = *record;
    names_of(segment)[bucket] = index + 1;
    return 0;
}

int mapping_find_volume(const struct segment *segment, const char *name, size_t name_bytes,
                        uint32_t *ret_volume)
{
    if (name_bytes > NAME_BYTES_MAX)
        return -ENOENT;
    uint32_t entry = names_of(segment)[find_bucket(segment, name, name_bytes)];
    /* Looked at again: in a damaged table without an empty bucket the search ends anywhere. */
    if (entry == 0 || entry > segment->geometry.volumes ||
        !name_equals(segment_volume(segment, entry - 1), name, name_bytes))
        return -ENOENT;
    *ret_volume = entry - 1;
    return 0;
}

bool mapping_is_virtual(const struct segment *segment, uint32_t volume)
{
    return volume < segment->geometry.volumes && segment_volume(segment, volume)->layout != 0;
}

int mapping_members(const struct segment *segment, uint32_t volume,
                    struct mapping_members *ret_members)
{
    if (!mapping_is_virtual(segment, volume))
        return -ENOENT;
    const struct volume_record *record = segment_volume(segment, volume);
    uint32_t first = record->members_first, count = record->members_count;
    if (count < 1 || count > MEMBERS_MAX || first > segment->geometry.members ||
        count > segment->geometry.members - first)
        return -EPROTO;
    *ret_members = (struct mapping_members){
        .layout = record->layout,
        .chunk_bytes = record->chunk_bytes,
        .copies = record->copies,
        .count = count,
        .failed = member_states_now(segment_volume(segment, volume)).failed,
        .records = segment_member(segment, first)};
    return 0;
}

int mapping_resolve(const struct segment *segment, uint32_t volume, uint64_t offset_bytes,
                    uint64_t length_bytes, struct mapping_place *ret_place)
{
    if (volume >= segment->geometry.volumes)
        return -ENOENT;
    const struct volume_record *record = segment_volume(segment, volume);
    if (offset_bytes > record->size_bytes || length_bytes > record->size_bytes - offset_bytes)
        return -ERANGE;
    if (record->layout != 0)
        return -EISDIR;
    if (record->element >= segment->geometry.elements)
        return -EPROTO;
    struct element_record *element = segment_element(segment, record->element);
    /* Pairs with the store of a new owner by whoever publishes a takeover: the old owner's work is
     * seen to be over before commands go to the new one. */
    uint32_t owner = load_acquire(&element->owner);
    if (owner >= segment->geometry.controllers)
        return -EPROTO;
    *ret_place =
        (struct mapping_place){.element = record->element,
                               .owner = owner,
                               .element_offset_bytes = record->offset_bytes + offset_bytes};
    return 0;
}
