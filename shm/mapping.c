#include "shm/mapping.h"

#include <assert.h>
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

/*
 * names: an open-addressing hash. A bucket is NAME_NONE, NAME_REMOVED, or a volume's number + 1.
 * Entries never move, so readers need nothing but to go on to the next bucket until one is NONE. A
 * bucket that is given up becomes NONE where no search can have gone on behind it, else REMOVED,
 * and the next name that comes by takes it.
 */
enum { NAME_NONE = 0 };
#define NAME_REMOVED UINT32_MAX

static _Atomic uint32_t *names_of(const struct segment *segment)
{
    return (_Atomic uint32_t *)(void *)(segment->base + segment->geometry.names_offset);
}

static bool name_equals(const struct volume_record *record, const char *name, size_t name_bytes)
{
    return name_bytes <= NAME_BYTES_MAX && memchr(name, '\0', name_bytes) == NULL &&
           memcmp(record->name, name, name_bytes) == 0 && record->name[name_bytes] == '\0';
}

/* Where a search stands. */
struct search {
    const struct segment *segment;
    uint32_t bucket, entry;
    uint32_t tries;
    uint32_t removed; /* the first REMOVED bucket on its way, or UINT32_MAX */
};

static void look(struct search *search)
{
    /* pairs with put: the record of a name that is found is complete */
    search->entry = load_acquire(&names_of(search->segment)[search->bucket]);
    if (search->entry == NAME_REMOVED && search->removed == UINT32_MAX)
        search->removed = search->bucket;
}

/* Finds the name, or NONE at the end of its search. A damaged table, without a NONE or with numbers
 * of no volume, ends it too. */
static struct search find(const struct segment *segment, const char *name, size_t name_bytes)
{
    uint32_t mask = segment->geometry.names_buckets - 1;
    struct search search = {
        .segment = segment, .bucket = hash_name(name, name_bytes) & mask, .removed = UINT32_MAX};

    for (look(&search); search.entry != NAME_NONE; look(&search)) {
        bool is_volume = search.entry <= segment->geometry.volumes;
        if (is_volume && name_equals(segment_volume(segment, search.entry - 1), name, name_bytes))
            return search;
        if ((!is_volume && search.entry != NAME_REMOVED) || search.tries++ == mask)
            break;
        search.bucket = (search.bucket + 1) & mask;
    }
    search.entry = NAME_NONE;
    return search;
}

static void put(const struct segment *segment, uint32_t bucket, uint32_t entry)
{
    /* pairs with look's load */
    store_release(&names_of(segment)[bucket], entry);
}

static uint32_t entry_of(const struct segment *segment, uint32_t bucket)
{
    /* relaxed: the caller is its only writer */
    return load_relaxed(&names_of(segment)[bucket]);
}

/* A search that comes to this bucket goes on to the next one, unless that is NONE. */
static void give_up(const struct segment *segment, uint32_t bucket)
{
    uint32_t mask = segment->geometry.names_buckets - 1;

    put(segment, bucket, NAME_REMOVED);
    if (entry_of(segment, (bucket + 1) & mask) != NAME_NONE)
        return;
    for (; entry_of(segment, bucket) == NAME_REMOVED; bucket = (bucket - 1) & mask)
        put(segment, bucket, NAME_NONE);
}

/* `present` is not copied: others look at it meanwhile. */
void mapping_enter_volume(const struct segment *segment, uint32_t index,
                          const struct volume_record *record)
{
    enum { AFTER_PRESENT = offsetof(struct volume_record, flags) };
    _Atomic uint32_t *end = &segment_header(segment)->volumes_end;
    struct volume_record *to = segment_volume(segment, index);

    memcpy((char *)to + AFTER_PRESENT, (const char *)record + AFTER_PRESENT,
           sizeof *record - AFTER_PRESENT);
    if (load_relaxed(end) <= index) /* relaxed: we are its only writer */
        /* pairs with mapping_volumes_end */
        store_release(end, index + 1);
}

int mapping_publish_volume(const struct segment *segment, uint32_t index)
{
    struct volume_record *record = segment_volume(segment, index);
    struct search search = find(segment, record->name, strlen(record->name));

    if (search.entry != NAME_NONE)
        return -EEXIST;
    /* pairs with mapping_has_volume */
    store_release(&record->present, 1);
    put(segment, search.removed != UINT32_MAX ? search.removed : search.bucket, index + 1);
    return 0;
}

int mapping_add_volume(const struct segment *segment, uint32_t index,
                       const struct volume_record *record)
{
    if (find(segment, record->name, strlen(record->name)).entry != NAME_NONE)
        return -EEXIST;
    mapping_enter_volume(segment, index, record);
    return mapping_publish_volume(segment, index);
}

void mapping_withdraw_volume(const struct segment *segment, uint32_t index)
{
    struct volume_record *record = segment_volume(segment, index);
    struct search search = find(segment, record->name, strlen(record->name));

    assert(search.entry == index + 1);
    give_up(segment, search.bucket);
    /* pairs with mapping_has_volume */
    store_release(&record->present, 0);
}

int mapping_find_volume(const struct segment *segment, const char *name, size_t name_bytes,
                        uint32_t *ret_volume)
{
    if (name_bytes > NAME_BYTES_MAX)
        return -ENOENT;
    struct search search = find(segment, name, name_bytes);
    if (search.entry == NAME_NONE)
        return -ENOENT;
    *ret_volume = search.entry - 1;
    return 0;
}

uint32_t mapping_volumes_end(const struct segment *segment)
{
    /* pairs with mapping_enter_volume's store */
    uint32_t end = load_acquire(&segment_header(segment)->volumes_end);

    return end < segment->geometry.volumes ? end : segment->geometry.volumes;
}

bool mapping_has_volume(const struct segment *segment, uint32_t volume)
{
    /* pairs with mapping_publish_volume's store: the record is complete */
    return volume < segment->geometry.volumes &&
           load_acquire(&segment_volume(segment, volume)->present) == 1;
}

uint32_t mapping_volume_flags(const struct volume_record *record)
{
    /* relaxed: they go with nothing else; that the record is complete is known by its finder */
    return load_relaxed(&record->flags);
}

void mapping_set_volume_flags(const struct segment *segment, uint32_t volume, uint32_t mask,
                              uint32_t flags)
{
    struct volume_record *record = segment_volume(segment, volume);
    uint32_t others = mapping_volume_flags(record) & ~mask;

    /* relaxed: as above. Who must know that it is seen asks all controllers. */
    store_relaxed(&record->flags, others | (flags & mask));
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
    const struct member_states states = member_states_now(segment_volume(segment, volume));
    *ret_members = (struct mapping_members){.layout = record->layout,
                                            .chunk_bytes = record->chunk_bytes,
                                            .copies = record->copies,
                                            .count = count,
                                            .failed = states.failed,
                                            .rebuilding = states.rebuilding,
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
    struct owner owner = owner_load(&element->owner);
    if (owner.seat >= segment->geometry.controllers)
        return -EPROTO;
    *ret_place =
        (struct mapping_place){.element = record->element,
                               .owner = owner.seat,
                               .element_offset_bytes = record->offset_bytes + offset_bytes};
    return 0;
}
