/*
 * The mapping table (claims 2, 3 and 8): volume -> element -> owner, and name -> volume. The
 * configuration controller fills it before any port accepts; the data path only looks up.
 */
#ifndef SHM_MAPPING_H
#define SHM_MAPPING_H

#include "shm/segment.h"

/* Where one range of a volume lies. A plain copy. */
struct mapping_place {
    uint32_t element;
    uint32_t owner; /* seat; checked to be below the controllers there are */
    uint64_t element_offset_bytes;
};

/* Enters volume `index` under record->name; the record is copied. -EEXIST when the name is taken.
 * Before any controller starts. */
int mapping_add_volume(const struct segment *segment, uint32_t index,
                       const struct volume_record *record);

/* The volume of this name (not terminated), or -ENOENT. A hash look-up, whatever their number. */
int mapping_find_volume(const struct segment *segment, const char *name, size_t name_bytes,
                        uint32_t *ret_volume);

/* A virtual volume as the data path sees it (claims 5 and 6). A plain copy; every index is checked.
 */
struct mapping_members {
    uint32_t layout, chunk_bytes, copies;
    uint32_t count;
    uint32_t failed;                     /* mask of those whose data is stale, as it is now */
    uint32_t rebuilding;                 /* and of those of them that are being rebuilt */
    const struct member_record *records; /* `count` of them, in shared memory */
};

/* The members of a virtual volume. -ENOENT: no such volume, or a plain one. -EPROTO: the table
 * itself is damaged. */
int mapping_members(const struct segment *segment, uint32_t volume,
                    struct mapping_members *ret_members);

/* Whether a volume is a virtual one; false where there is none. */
bool mapping_is_virtual(const struct segment *segment, uint32_t volume);

/* Where [offset, offset + length) of a volume lies. -ENOENT: no such volume. -ERANGE: the range is
 * not inside it. -EISDIR: a virtual volume. -EPROTO: the table itself is damaged. Two cache lines,
 * no search. */
int mapping_resolve(const struct segment *segment, uint32_t volume, uint64_t offset_bytes,
                    uint64_t length_bytes, struct mapping_place *ret_place);

#endif
