#include "shm/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

_Static_assert(sizeof(struct segment_header) <= PAGE_BYTES, "the header is one page");

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

static uint32_t buckets_for(uint32_t volumes)
{
    uint32_t buckets = 16;
    while (buckets < 2 * volumes)
        buckets *= 2;
    return buckets;
}

static uint64_t place(uint64_t *end, uint64_t count, uint64_t each_bytes)
{
    uint64_t start = *end;
    *end = page_up(start + count * each_bytes);
    return start;
}

static bool is_power_of_two(uint64_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* The logarithm of a region's size; of a size that is no power of two, one that is not allowed. */
static uint32_t region_shift_of(uint64_t region_bytes)
{
    if (region_bytes == 0)
        return REGION_SHIFT_DEFAULT;
    return is_power_of_two(region_bytes) ? (uint32_t)__builtin_ctzll(region_bytes) : UINT32_MAX;
}

static bool regions_plausible(const struct segment_geometry *g)
{
    return g->regions >= REGIONS_MIN && g->regions <= REGIONS_MAX && is_power_of_two(g->regions) &&
           g->region_shift >= REGION_SHIFT_MIN && g->region_shift <= REGION_SHIFT_MAX;
}

static bool trace_plausible(uint32_t events)
{
    return events == 0 ||
           (events >= TRACE_EVENTS_MIN && events <= TRACE_EVENTS_MAX && is_power_of_two(events));
}

/* Whether every count is one that segment_create would have taken, so that no product overflows. */
static bool geometry_plausible(const struct segment_geometry *g)
{
    return g->controllers >= 1 && g->controllers <= CONTROLLERS_MAX &&
           g->elements <= ELEMENTS_MAX && g->volumes <= VOLUMES_MAX && g->members <= VOLUMES_MAX &&
           g->slots >= SLOTS_MIN && g->slots <= SLOTS_MAX && g->ring_entries >= RING_ENTRIES_MIN &&
           g->ring_entries <= RING_ENTRIES_MAX && is_power_of_two(g->ring_entries) &&
           regions_plausible(g) && trace_plausible(g->trace_events) &&
           g->buffers_bytes <= BUFFERS_BYTES_MAX && g->buffers_bytes % BLOCK_BYTES == 0 &&
           g->cache_bytes <= CACHE_BYTES_MAX && g->cache_bytes % BLOCK_BYTES == 0;
}

static void geometry_compute(struct segment_geometry *g)
{
    uint64_t end = PAGE_BYTES;

    g->names_buckets = buckets_for(g->volumes);
    g->link_bytes = offsetof(struct link, ring) + ring_size_bytes(g->ring_entries);
    g->seats_offset = place(&end, g->controllers, sizeof(struct seat));
    g->elements_offset = place(&end, g->elements, sizeof(struct element_record));
    g->volumes_offset = place(&end, g->volumes, sizeof(struct volume_record));
    g->members_offset = place(&end, g->members, sizeof(struct member_record));
    g->names_offset = place(&end, g->names_buckets, sizeof(uint32_t));
    g->links_offset =
        place(&end, (uint64_t)g->controllers * g->controllers * FABRICS, g->link_bytes);
    g->slots_offset = place(&end, (uint64_t)g->controllers * g->slots, sizeof(struct slot));
    g->redo_offset =
        place(&end, (uint64_t)g->controllers * COMMANDS_MAX, sizeof(struct redo_record));
    g->region_sets_offset = place(&end, g->regions / REGION_WAYS, sizeof(struct region_set));
    g->region_words_offset = place(&end, g->regions, sizeof(struct region_words));
    g->region_conflicts_offset = place(&end, g->regions, sizeof(struct region_conflicts));
    g->traces_offset =
        place(&end, g->trace_events == 0 ? 0 : g->controllers, trace_ring_bytes(g->trace_events));
    g->buffers_offset = place(&end, g->controllers, g->buffers_bytes);
    g->caches_offset = place(&end, g->controllers, cache_region_bytes(g->cache_bytes));
    g->bytes = end;
}

static void fill_header(const struct segment *segment, const char *array)
{
    struct segment_header *header = segment_header(segment);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    header->magic = SEGMENT_MAGIC;
    header->version = SEGMENT_VERSION;
    header->pid = (uint32_t)getpid();
    header->geometry = segment->geometry;
    header->started_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    snprintf(header->array, sizeof header->array, "%s", array);
}

/* A fresh memfd reads as zeroes, and zero is EMPTY, FREE of generation 0 and an empty ring; so only
 * what is not zero is written, and untouched parts cost no memory. */
int segment_create(struct segment *ret_segment, const struct segment_wanted *wanted,
                   const char *array)
{
    struct segment segment = {.fd = -1};
    int error;

    segment.geometry =
        (struct segment_geometry){.controllers = wanted->controllers,
                                  .elements = wanted->elements,
                                  .volumes = wanted->volumes,
                                  .members = wanted->members,
                                  .slots = wanted->slots,
                                  .ring_entries = wanted->ring_entries,
                                  .regions = wanted->regions,
                                  .region_shift = region_shift_of(wanted->region_bytes),
                                  .trace_events = wanted->trace_events,
                                  .buffers_bytes = wanted->buffers_bytes,
                                  .cache_bytes = wanted->cache_bytes};
    if (segment.geometry.regions == 0)
        segment.geometry.regions = REGIONS_DEFAULT;
    if (!geometry_plausible(&segment.geometry))
        return -EINVAL;
    geometry_compute(&segment.geometry);

    segment.fd = memfd_create("anyport", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (segment.fd < 0)
        return -errno;
    if (ftruncate(segment.fd, (off_t)segment.geometry.bytes) < 0 ||
        fcntl(segment.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        goto failed;
    /* Everything in front of the buffers is touched by somebody soon; the buffers commit themselves
     * as they are taken (pool.h). */
    segment.base = mmap(NULL, segment.geometry.bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_NORESERVE, segment.fd, 0);
    if (segment.base == MAP_FAILED)
        goto failed;
    fill_header(&segment, array);
    *ret_segment = segment;
    return 0;

failed:
    error = -errno;
    close(segment.fd);
    return error;
}

static int check_attached(struct segment *segment, uint64_t file_bytes)
{
    const struct segment_header *header = segment_header(segment);
    struct segment_geometry claimed = header->geometry, computed;

    if (header->magic != SEGMENT_MAGIC || header->version != SEGMENT_VERSION ||
        !geometry_plausible(&claimed))
        return -EPROTO;
    computed = claimed;
    geometry_compute(&computed);
    if (memcmp(&computed, &claimed, sizeof claimed) != 0 || computed.bytes != file_bytes)
        return -EPROTO;
    segment->geometry = computed;
    return 0;
}

static int attach(struct segment *ret_segment, int fd, bool read_only)
{
    struct segment segment = {.fd = fd, .read_only = read_only};
    int protection = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    struct stat status;
    int error;

    if (fstat(fd, &status) < 0) {
        error = -errno;
        goto failed;
    }
    error = -EPROTO;
    /* One that can be made shorter would end us with SIGBUS, in the middle of reading it. */
    int seals = fcntl(fd, F_GET_SEALS);
    if (status.st_size < PAGE_BYTES || seals < 0 || (seals & F_SEAL_SHRINK) == 0)
        goto failed;
    segment.geometry.bytes = (uint64_t)status.st_size;
    segment.base =
        mmap(NULL, segment.geometry.bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (segment.base == MAP_FAILED) {
        error = -errno;
        goto failed;
    }
    error = check_attached(&segment, (uint64_t)status.st_size);
    if (error == 0) {
        *ret_segment = segment;
        return 0;
    }
    munmap(segment.base, (size_t)status.st_size);
failed:
    close(fd);
    return error;
}

int segment_attach_read_only(struct segment *ret_segment, int fd)
{
    return attach(ret_segment, fd, true);
}

int segment_attach(struct segment *ret_segment, int fd)
{
    return attach(ret_segment, fd, false);
}

int segment_open_read_only(const struct segment *segment)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/self/fd/%d", segment->fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void segment_done(struct segment *segment)
{
    if (segment->base == NULL)
        return;
    munmap(segment->base, segment->geometry.bytes);
    close(segment->fd);
    *segment = (struct segment){.fd = -1};
}

int segment_commit(const struct segment *segment, uint64_t offset_bytes, uint64_t bytes)
{
    assert(offset_bytes + bytes <= segment->geometry.bytes);
    while (fallocate(segment->fd, 0, (off_t)offset_bytes, (off_t)bytes) < 0) {
        if (errno == EINTR)
            continue;
        return errno == ENOSPC ? -ENOMEM : -errno;
    }
    return 0;
}

void segment_populate(const struct segment *segment, uint64_t offset_bytes, uint64_t bytes)
{
    assert(offset_bytes + bytes <= segment->geometry.bytes);
    (void)madvise(segment->base + offset_bytes, bytes, MADV_POPULATE_WRITE);
}

struct seat *segment_seat(const struct segment *segment, uint32_t seat)
{
    assert(seat < segment->geometry.controllers);
    return (struct seat *)(void *)(segment->base + segment->geometry.seats_offset) + seat;
}

struct element_record *segment_element(const struct segment *segment, uint32_t element)
{
    assert(element < segment->geometry.elements);
    return (struct element_record *)(void *)(segment->base + segment->geometry.elements_offset) +
           element;
}

struct volume_record *segment_volume(const struct segment *segment, uint32_t volume)
{
    assert(volume < segment->geometry.volumes);
    return (struct volume_record *)(void *)(segment->base + segment->geometry.volumes_offset) +
           volume;
}

struct member_record *segment_member(const struct segment *segment, uint32_t member)
{
    assert(member < segment->geometry.members);
    return (struct member_record *)(void *)(segment->base + segment->geometry.members_offset) +
           member;
}

struct link *segment_link(const struct segment *segment, uint32_t source, uint32_t target,
                          uint32_t fabric)
{
    const struct segment_geometry *g = &segment->geometry;

    assert(source < g->controllers && target < g->controllers && fabric < FABRICS);
    uint64_t index = ((uint64_t)source * g->controllers + target) * FABRICS + fabric;
    return (struct link *)(void *)(segment->base + g->links_offset + index * g->link_bytes);
}

struct slot *segment_slots(const struct segment *segment, uint32_t seat)
{
    const struct segment_geometry *g = &segment->geometry;

    assert(seat < g->controllers);
    return (struct slot *)(void *)(segment->base + g->slots_offset) + (uint64_t)seat * g->slots;
}

struct redo_record *segment_redo(const struct segment *segment, uint32_t seat)
{
    const struct segment_geometry *g = &segment->geometry;

    assert(seat < g->controllers);
    return (struct redo_record *)(void *)(segment->base + g->redo_offset) +
           (uint64_t)seat * COMMANDS_MAX;
}

struct trace_ring *segment_trace(const struct segment *segment, uint32_t seat)
{
    const struct segment_geometry *g = &segment->geometry;

    assert(seat < g->controllers);
    if (g->trace_events == 0)
        return NULL;
    return (struct trace_ring *)(void *)(segment->base + g->traces_offset +
                                         seat * trace_ring_bytes(g->trace_events));
}

struct region_table segment_region_table(const struct segment *segment)
{
    const struct segment_geometry *g = &segment->geometry;

    return (struct region_table){
        .sets = (struct region_set *)(void *)(segment->base + g->region_sets_offset),
        .words = (struct region_words *)(void *)(segment->base + g->region_words_offset),
        .conflicts =
            (struct region_conflicts *)(void *)(segment->base + g->region_conflicts_offset),
        .regions = g->regions,
        .controllers = g->controllers,
        .region_shift = g->region_shift};
}

uint64_t segment_buffers_offset(const struct segment *segment, uint32_t seat)
{
    assert(seat < segment->geometry.controllers);
    return segment->geometry.buffers_offset + (uint64_t)seat * segment->geometry.buffers_bytes;
}

int segment_buffers_seat(const struct segment *segment, uint64_t offset_bytes, uint64_t bytes)
{
    const struct segment_geometry *g = &segment->geometry;

    if (offset_bytes < g->buffers_offset || offset_bytes >= g->caches_offset)
        return -1;
    uint64_t seat = (offset_bytes - g->buffers_offset) / g->buffers_bytes;
    uint64_t start = offset_bytes - g->buffers_offset - seat * g->buffers_bytes;
    if (seat >= g->controllers || bytes > g->buffers_bytes - start)
        return -1;
    return (int)seat;
}

uint64_t segment_cache_offset(const struct segment *segment, uint32_t seat)
{
    const struct segment_geometry *g = &segment->geometry;

    assert(seat < g->controllers);
    return g->caches_offset + seat * cache_region_bytes(g->cache_bytes);
}

struct cache_region segment_cache_region(const struct segment *segment, uint32_t seat)
{
    return cache_region_at(segment->base + segment_cache_offset(segment, seat),
                           segment->geometry.cache_bytes);
}
