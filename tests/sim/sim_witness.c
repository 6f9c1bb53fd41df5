/*
 * io/witness.h over images in memory: a description is known by its mark alone, and is gone when
 * its image was closed and all of its I/O has landed, or when the image was opened anew.
 */
#undef NDEBUG
#include <assert.h>

#include "io/witness.h"
#include "tests/sim/machine.h"
#include "tests/sim/sim_element.h"

static const struct image *image_of(const struct witness *witness)
{
    uint32_t index = (uint32_t)(witness->fd - SIM_FD_WITNESS);

    assert(index < sim_world->images_count);
    return &sim_world->images[index];
}

int witness_mark(int fd, uint64_t *ret_mark_byte)
{
    struct image *image = &sim_world->images[fd - SIM_FD_ELEMENT];

    *ret_mark_byte = image->mark = ++sim_world->marks;
    return 0;
}

int witness_open(struct witness *ret_witness, int fd, uint64_t mark_byte)
{
    *ret_witness =
        (struct witness){.fd = SIM_FD_WITNESS + (fd - SIM_FD_ELEMENT), .mark_byte = mark_byte};
    return 0;
}

int witness_copy(struct witness *ret_witness, const struct witness *witness)
{
    *ret_witness = *witness;
    return 0;
}

bool witness_saw_end(const struct witness *witness)
{
    if (witness->fd < 0)
        return false;
    const struct image *image = image_of(witness);
    return image->mark != witness->mark_byte || !sim_image_is_used(image);
}

void witness_close(struct witness *witness)
{
    witness->fd = -1;
}
