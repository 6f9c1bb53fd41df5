/*
 * The segment as one process sees it: a private copy of the geometry and the address it is mapped
 * at.
 */
#ifndef SHM_SEGMENT_H
#define SHM_SEGMENT_H

#include "shm/layout.h"

struct segment {
    int fd;
    uint8_t *base;
    bool read_only;
    struct segment_geometry geometry;
};

/* What decides the geometry; the rest is computed. All within limits.h. */
struct segment_wanted {
    uint32_t controllers;
    uint32_t elements;
    uint32_t volumes;
    uint32_t members;
    uint32_t slots;
    uint32_t ring_entries;
    uint64_t buffers_bytes;
    uint64_t cache_bytes;  /* of each controller; a multiple of BLOCK_BYTES; 0: no caches */
    uint32_t regions;      /* 0: REGIONS_DEFAULT */
    uint64_t region_bytes; /* a power of two; 0: 1 << REGION_SHIFT_DEFAULT */
    uint32_t trace_events; /* a power of two; 0: there is no trace */
};

/* Makes, sizes, seals and maps a segment; seats EMPTY, rings empty, slots FREE, names empty.
 * 0 or -errno (nothing is left then). */
int segment_create(struct segment *ret_segment, const struct segment_wanted *wanted,
                   const char *array);

/* Maps somebody's segment for reading only, from a descriptor received; the descriptor is ours from
 * then on. -EPROTO when what the header says does not fit the file: nothing is kept. */
int segment_attach_read_only(struct segment *ret_segment, int fd);

/* The same for reading and writing, of one of the array's own processes. */
int segment_attach(struct segment *ret_segment, int fd);

/* A descriptor that can only be mapped for reading, for tools; the caller closes it. Or -errno. */
int segment_open_read_only(const struct segment *segment);

/* Unmaps and closes; a zeroed struct is allowed. */
void segment_done(struct segment *segment);

/* Asks for memory behind a range, so that touching it cannot raise SIGBUS. 0, -ENOMEM or -errno. */
int segment_commit(const struct segment *segment, uint64_t offset_bytes, uint64_t bytes);

/* Maps a committed range that begins on a page, so that touching it first costs nothing later: a
 * fault and the clearing of a page cost more than a read of one. Where the kernel cannot, that is
 * all. */
void segment_populate(const struct segment *segment, uint64_t offset_bytes, uint64_t bytes);

static inline struct segment_header *segment_header(const struct segment *segment)
{
    return (struct segment_header *)(void *)segment->base;
}

/* Everybody looks at what has changed: at the next turn, those that are awake; who sleeps is to be
 * rung by the caller. */
static inline void segment_raise_membership(const struct segment *segment)
{
    /* pairs with look_at_membership's load */
    add_release(&segment_header(segment)->membership, 1);
}

struct seat *segment_seat(const struct segment *segment, uint32_t seat);
struct element_record *segment_element(const struct segment *segment, uint32_t element);
struct volume_record *segment_volume(const struct segment *segment, uint32_t volume);
struct member_record *segment_member(const struct segment *segment, uint32_t member);
struct link *segment_link(const struct segment *segment, uint32_t source, uint32_t target,
                          uint32_t fabric);
struct slot *segment_slots(const struct segment *segment, uint32_t seat);

/* A controller's redo records: one for each of its COMMANDS_MAX host commands. */
struct redo_record *segment_redo(const struct segment *segment, uint32_t seat);

/* A controller's trace; NULL when the segment has none. */
struct trace_ring *segment_trace(const struct segment *segment, uint32_t seat);

/* Where the coordination table lies (reserve.h). */
struct region_table segment_region_table(const struct segment *segment);

/* Offset of a controller's buffer pool in the segment. */
uint64_t segment_buffers_offset(const struct segment *segment, uint32_t seat);

/* The seat whose buffer pool holds the whole range, or -1: what a target checks before it lets the
 * kernel read or write where another process said. */
int segment_buffers_seat(const struct segment *segment, uint64_t offset_bytes, uint64_t bytes);

/* A controller's cache; its region begins at this offset in the segment. */
uint64_t segment_cache_offset(const struct segment *segment, uint32_t seat);
struct cache_region segment_cache_region(const struct segment *segment, uint32_t seat);

#endif
