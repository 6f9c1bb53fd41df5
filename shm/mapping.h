/*
 * The mapping table (claims 2, 3, 8 and 10): volume -> element -> owner, and name -> volume.
 *
 * The configuration controller is its only writer, before any port accepts and later; the data path
 * only looks up, and waits for nobody. The life of a record:
 *
 *      free -- enter --> entered -- publish --> published -- withdraw --> withdrawn --> free
 *
 *  1. While it is entered, only those who are told its number know it: the controllers get ready.
 *  2. Published, it is found by name and listed. Nothing of it changes then but its _Atomic fields.
 *  3. Withdrawn, nobody finds it any more; who has found it before may still use it.
 *  4. It is entered anew only when every controller that is alive has said that it uses it no more
 *     (controller/control_volume.c). So whoever knows a volume's number knows one volume by it.
 *
 * Tools look at the table and are asked nothing: one that reads a record just when it becomes that
 * of another volume may show a mixture of both, once.
 */
#ifndef SHM_MAPPING_H
#define SHM_MAPPING_H

#include "shm/segment.h"

/* Where one range of a volume lies. A plain copy. */
struct mapping_place {
    uint32_t element;
    uint32_t owner; /* seat, in whatever state (owner.h); below the controllers there are */
    uint64_t element_offset_bytes;
};

/* Enters and publishes volume `index` under record->name; the record is copied. -EEXIST when the
 * name is taken: then nothing was changed. Configuration controller only, as the next three. */
int mapping_add_volume(const struct segment *segment, uint32_t index,
                       const struct volume_record *record);

/* Fills a free record. */
void mapping_enter_volume(const struct segment *segment, uint32_t index,
                          const struct volume_record *record);

/* The volume that was entered, or withdrawn, is found from now on, by its name. -EEXIST: another
 * one is. */
int mapping_publish_volume(const struct segment *segment, uint32_t index);

/* The volume is found no more. */
void mapping_withdraw_volume(const struct segment *segment, uint32_t index);

/* The volume of this name (not terminated), or -ENOENT. A hash look-up, whatever their number;
 * wait-free. */
int mapping_find_volume(const struct segment *segment, const char *name, size_t name_bytes,
                        uint32_t *ret_volume);

/* Those who look at all volumes look at those below mapping_volumes_end that are there. */
uint32_t mapping_volumes_end(const struct segment *segment);
bool mapping_has_volume(const struct segment *segment, uint32_t volume);

/* enum volume_flags, as they are now. */
uint32_t mapping_volume_flags(const struct volume_record *record);

/* Sets some of them (`mask`) as `flags` says, and leaves the others. Configuration controller only.
 */
void mapping_set_volume_flags(const struct segment *segment, uint32_t volume, uint32_t mask,
                              uint32_t flags);

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
