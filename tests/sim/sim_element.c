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

#include "io/witness.h"
#include "tests/sim/machine.h"

struct image *sim_image_at(const char *path)
{
    for (uint32_t i = 0; i < sim_world->images_count; i++) {
        if (strcmp(sim_world->images[i].path, path) == 0)
            return &sim_world->images[i];
    }
    return NULL;
}

/* --- descriptors --- */

enum { CONFIGURATOR = IMAGE_HOLDERS_MAX - 2, ON_ITS_WAY };

static uint32_t holder(void)
{
    const struct machine *machine = machine_running();

    return machine != NULL ? machine->id : CONFIGURATOR;
}

bool sim_image_is_used(const struct image *image)
{
    uint32_t count = image->in_flight;

    for (uint32_t i = 0; i < IMAGE_HOLDERS_MAX; i++)
        count += image->opens[i];
    return count > 0;
}

static struct image *image_of(int fd)
{
    uint32_t index = (uint32_t)(fd - SIM_FD_ELEMENT);

    assert(index < sim_world->images_count);
    return &sim_world->images[index];
}

struct image *sim_image_of(const struct element *element)
{
    return image_of(element->fd);
}

/* Those of witnesses hold nothing; and a lifeline may be passed on as well. */
static bool is_own(int fd)
{
    return fd >= SIM_FD_ELEMENT && fd < SIM_FD_WITNESS;
}

void sim_element_share(int fd)
{
    if (is_own(fd))
        image_of(fd)->opens[ON_ITS_WAY]++;
}

void sim_element_take(int fd)
{
    if (!is_own(fd))
        return;
    image_of(fd)->opens[ON_ITS_WAY]--;
    image_of(fd)->opens[holder()]++;
}

/* What a controller has that is gone was closed then. */
void sim_element_close(int fd)
{
    if (is_own(fd) && image_of(fd)->opens[holder()] > 0)
        image_of(fd)->opens[holder()]--;
}

void sim_element_hand_over(int fd, uint32_t controller)
{
    image_of(fd)->opens[CONFIGURATOR]--;
    image_of(fd)->opens[controller]++;
}

void sim_element_forget(uint32_t controller)
{
    for (uint32_t i = 0; i < sim_world->images_count; i++)
        sim_world->images[i].opens[controller] = 0;
}

/* --- images --- */

/* As the plan names them: /sim/disk3-0.img. */
static uint32_t element_of_path(const char *path)
{
    uint32_t element = (uint32_t)(path[strlen("/sim/disk")] - '0');

    assert(element < SIM_ELEMENTS_MAX);
    return element;
}

bool element_exists(const char *image)
{
    return sim_image_at(image) != NULL;
}

void element_remove(const char *image)
{
    struct image *found = sim_image_at(image);

    if (found != NULL)
        image_free(found);
}

static int open_image(struct element *ret_element, struct image *image,
                      const struct element_wanted *wanted, struct element_error *ret_error)
{
    if (image == NULL || sim_image_is_used(image)) {
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
    image->opens[holder()]++;
    (void)witness_mark(ret_element->fd, &ret_element->mark_byte);
    return 0;
}

int element_open(struct element *ret_element, const struct element_wanted *wanted,
                 struct element_error *ret_error)
{
    return open_image(ret_element, sim_image_at(wanted->image), wanted, ret_error);
}

int element_open_again(struct element *ret_element, const struct witness *witness,
                       const struct element_wanted *wanted, struct element_error *ret_error)
{
    if (witness->fd < 0) {
        snprintf(ret_error->text, sizeof ret_error->text, "there is no descriptor of it");
        return -ENOENT;
    }
    if (!witness_saw_end(witness))
        return -EAGAIN;
    return open_image(ret_element, &sim_world->images[witness->fd - SIM_FD_WITNESS], wanted,
                      ret_error);
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

    if (world->images_count == SIM_IMAGES_MAX) {
        snprintf(ret_error->text, sizeof ret_error->text, "there is no room");
        return -ENOSPC;
    }
    struct image *image = &world->images[world->images_count];
    image_create(image, wanted->size_bytes + wanted->tail_bytes);
    snprintf(image->path, sizeof image->path, "%s", wanted->image);
    image->journal = strncmp(wanted->image, "/sim/journal", strlen("/sim/journal")) == 0;
    image->element = image->journal ? UINT32_MAX : element_of_path(wanted->image);
    image->mode = image->journal ? world->plan.journal_mode : world->plan.modes[image->element];
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
        sim_element_close(element->fd);
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

int element_bytes_put(const struct element *element, const void *from, size_t bytes,
                      uint64_t offset_bytes)
{
    image_write(sim_image_of(element), from, bytes, offset_bytes, false);
    return 0;
}

int element_take_space(const struct element *element)
{
    (void)element;
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
