#include "tests/sim/image.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct pending_write {
    struct pending_write *next;
    uint64_t order, offset_bytes, bytes;
    uint8_t data[];
};

void image_create(struct image *image, uint64_t bytes)
{
    assert(bytes % IMAGE_SECTOR_BYTES == 0);
    image->bytes = bytes;
    image->seen = calloc(1, bytes);
    image->durable = calloc(1, bytes);
    image->durable_order = calloc(bytes / IMAGE_SECTOR_BYTES, sizeof *image->durable_order);
    assert(image->seen != NULL && image->durable != NULL && image->durable_order != NULL);
    image->pending_end = &image->pending;
}

static void drop_first(struct image *image)
{
    struct pending_write *first = image->pending;

    image->pending = first->next;
    if (image->pending == NULL)
        image->pending_end = &image->pending;
    free(first);
}

void image_free(struct image *image)
{
    while (image->pending != NULL)
        drop_first(image);
    free(image->seen);
    free(image->durable);
    free(image->durable_order);
    *image = (struct image){0};
}

void image_read(const struct image *image, void *into, uint64_t bytes, uint64_t offset_bytes)
{
    assert(offset_bytes <= image->bytes && bytes <= image->bytes - offset_bytes);
    memcpy(into, image->seen + offset_bytes, bytes);
}

/* One unit that lies within a sector: kept, unless something later is durable there. */
static void keep(struct image *image, const struct pending_write *write, uint64_t at_bytes,
                 uint64_t bytes)
{
    uint64_t *order = &image->durable_order[at_bytes / IMAGE_SECTOR_BYTES];

    if (*order > write->order)
        return;
    *order = write->order;
    memcpy(image->durable + at_bytes, write->data + (at_bytes - write->offset_bytes), bytes);
}

static void keep_sectors(struct image *image, const struct pending_write *write, uint64_t at_bytes,
                         uint64_t end_bytes)
{
    while (at_bytes < end_bytes) {
        uint64_t next = (at_bytes / IMAGE_SECTOR_BYTES + 1) * IMAGE_SECTOR_BYTES;
        if (next > end_bytes)
            next = end_bytes;
        keep(image, write, at_bytes, next - at_bytes);
        at_bytes = next;
    }
}

static void keep_all(struct image *image, const struct pending_write *write)
{
    keep_sectors(image, write, write->offset_bytes, write->offset_bytes + write->bytes);
}

void image_write(struct image *image, const void *from, uint64_t bytes, uint64_t offset_bytes,
                 bool durable)
{
    assert(offset_bytes <= image->bytes && bytes <= image->bytes - offset_bytes);
    struct pending_write *write = malloc(sizeof *write + bytes);

    assert(write != NULL);
    *write = (struct pending_write){
        .order = ++image->order, .offset_bytes = offset_bytes, .bytes = bytes};
    memcpy(write->data, from, bytes);
    memcpy(image->seen + offset_bytes, from, bytes);
    if (durable) {
        keep_all(image, write);
        free(write);
        return;
    }
    *image->pending_end = write;
    image->pending_end = &write->next;
}

void image_flush(struct image *image, uint64_t order)
{
    while (image->pending != NULL && image->pending->order <= order) {
        keep_all(image, image->pending);
        drop_first(image);
    }
}

void image_lose_power(struct image *image, struct dice *dice, uint32_t keep_once_in)
{
    for (; image->pending != NULL; drop_first(image)) {
        const struct pending_write *write = image->pending;
        uint64_t at = write->offset_bytes, end = at + write->bytes;
        while (at < end) {
            uint64_t next = (at / image->unit_bytes + 1) * image->unit_bytes;
            next = next < end ? next : end;
            if (dice_once_in(dice, keep_once_in))
                keep_sectors(image, write, at, next);
            at = next;
        }
    }
    memcpy(image->seen, image->durable, image->bytes);
}
