/*
 * io/element.h over images in memory (image.h): opening, and all that ends at once. I/O that takes
 * time is in sim_element_io.c.
 */
#undef NDEBUG
#include "tests/sim/sim_element.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/machine.h"

static struct image *find(const char *path)
{
    for (uint32_t i = 0; i < sim_world->images_count; i++) {
        if (strcmp(sim_world->images[i].path, path) == 0)
            return &sim_world->images[i];
    }
    return NULL;
}

struct image *sim_image_of(const struct element *element)
{
    uint32_t index = (uint32_t)(element->fd - SIM_FD_ELEMENT);

    assert(index < sim_world->images_count);
    return &sim_world->images[index];
}

bool element_exists(const char *image)
{
    return find(image) != NULL;
}

void element_remove(const char *image)
{
    struct image *found = find(image);

    if (found != NULL)
        image_free(found);
}

/* Nobody takes over here yet. */
int element_open_again(struct element *ret_element, const struct witness *witness,
                       const struct element_wanted *wanted, struct element_error *ret_error)
{
    (void)ret_element, (void)witness, (void)wanted;
    snprintf(ret_error->text, sizeof ret_error->text, "it cannot be opened again");
    return -EOPNOTSUPP;
}

int element_open(struct element *ret_element, const struct element_wanted *wanted,
                 struct element_error *ret_error)
{
    struct image *image = find(wanted->image);

    if (image == NULL || image->is_open || image->in_flight > 0) {
        snprintf(ret_error->text, sizeof ret_error->text, "it is locked, or is not there");
        return -EBUSY;
    }
    *ret_element = (struct element){
        .fd = SIM_FD_ELEMENT + (int)(image - sim_world->images),
        .file = -1,
        .mode = image->mode,
        .read_only = wanted->read_only,
        .size_bytes = wanted->size_bytes != 0 ? wanted->size_bytes : image->bytes,
        .image_bytes = image->bytes,
    };
    image->is_open = true;
    return 0;
}

int element_check_creatable(const struct element_wanted *wanted, struct element_error *ret_error)
{
    (void)wanted;
    (void)ret_error;
    return 0;
}

int element_keep_tail(struct element *element, uint64_t wanted_bytes, uint32_t tail_bytes,
                      struct element_error *ret_error)
{
    (void)ret_error;
    assert(element->image_bytes > tail_bytes);
    element->tail_bytes = tail_bytes;
    element->tail_offset_bytes = element->image_bytes - tail_bytes;
    element->size_bytes = wanted_bytes != 0 ? wanted_bytes : element->tail_offset_bytes;
    return 0;
}

int element_create(struct element *ret_element, const struct element_wanted *wanted,
                   struct element_error *ret_error)
{
    struct world *world = sim_world;

    assert(world->images_count < SIM_ELEMENTS_MAX);
    struct image *image = &world->images[world->images_count];
    image_create(image, wanted->size_bytes + wanted->tail_bytes);
    snprintf(image->path, sizeof image->path, "%s", wanted->image);
    image->mode = world->plan.modes[world->images_count];
    image->unit_bytes = world->plan.unit_bytes;
    world->images_count++;
    int error = element_open(ret_element, wanted, ret_error);
    if (error == 0 && wanted->tail_bytes != 0)
        error = element_keep_tail(ret_element, wanted->size_bytes, wanted->tail_bytes, ret_error);
    return error;
}

void element_close(struct element *element)
{
    if (element->fd >= 0)
        sim_image_of(element)->is_open = false;
    element->fd = -1;
}

void element_unlock(const struct element *element)
{
    assert(sim_image_of(element)->in_flight == 0); /* it promises that nothing of it is under way */
}

int element_attach(struct element *element, struct loop *loop)
{
    element->file = loop_register_file(loop, element->fd);
    return 0;
}

void element_release(struct element *element, struct loop *loop)
{
    (void)loop;
    if (element->fd >= 0)
        element_unlock(element);
    element_close(element);
}

int element_replace(struct element *element, const struct element *fresh, struct loop *loop)
{
    int file = element->file >= 0 ? element->file : loop_register_file(loop, fresh->fd);

    *element = *fresh;
    element->file = file;
    return 0;
}

int element_check_size(const struct element *element)
{
    return sim_image_of(element)->bytes >= element->size_bytes + element->tail_bytes ? 0 : -EIO;
}

int element_bytes_read(const struct element *element, void *into, size_t bytes,
                       uint64_t offset_bytes)
{
    image_read(sim_image_of(element), into, bytes, offset_bytes);
    return 0;
}

int element_bytes_write(const struct element *element, const void *from, size_t bytes,
                        uint64_t offset_bytes)
{
    image_write(sim_image_of(element), from, bytes, offset_bytes, true);
    return 0;
}

int element_read_tail_now(const struct element *element, void *into, uint64_t bytes,
                          uint64_t offset_bytes)
{
    assert(offset_bytes + bytes <= element->tail_bytes);
    image_read(sim_image_of(element), into, bytes, element->tail_offset_bytes + offset_bytes);
    return 0;
}

int element_write_tail_now(const struct element *element, const void *from, uint64_t bytes,
                           uint64_t offset_bytes)
{
    assert(offset_bytes + bytes <= element->tail_bytes);
    image_write(sim_image_of(element), from, bytes, element->tail_offset_bytes + offset_bytes,
                false);
    return 0;
}

int element_sync_now(const struct element *element)
{
    struct image *image = sim_image_of(element);

    image_flush(image, image->order);
    return 0;
}

int element_extents(const struct element *element, uint64_t offset_bytes, uint64_t bytes,
                    struct extent *ret_extents, uint32_t extents_max)
{
    assert(extents_max > 0 && offset_bytes + bytes <= element->size_bytes);
    ret_extents[0] = (struct extent){.length_bytes = bytes};
    return 1;
}
