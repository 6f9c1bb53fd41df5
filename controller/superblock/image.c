#include "controller/superblock/image.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "io/random.h"

int superblock_read(const struct element *element, struct superblock_of_image *ret_superblock)
{
    if (element->image_bytes <= SUPERBLOCK_BYTES)
        return -ENOENT;
    uint8_t *copies = malloc(SUPERBLOCK_BYTES);
    if (copies == NULL)
        return -ENOMEM;
    int error = element_bytes_read(element, copies, SUPERBLOCK_BYTES,
                                   element->image_bytes - SUPERBLOCK_BYTES);
    if (error == 0)
        error = superblock_choose(copies, &ret_superblock->content, &ret_superblock->copy);
    free(copies);
    return error;
}

static int write_copy(const struct element *element, const struct superblock *content,
                      uint32_t copy)
{
    assert(element->tail_bytes == tail_bytes(&content->tail) && copy < SUPERBLOCK_COPIES);
    uint8_t *bytes = malloc(SUPERBLOCK_COPY_BYTES);
    if (bytes == NULL)
        return -ENOMEM;
    superblock_encode(content, bytes);
    int error = element_bytes_write(element, bytes, SUPERBLOCK_COPY_BYTES,
                                    element->image_bytes - SUPERBLOCK_BYTES +
                                        copy * (uint64_t)SUPERBLOCK_COPY_BYTES);
    free(bytes);
    return error;
}

int superblock_write(const struct element *element, struct superblock_of_image *superblock)
{
    uint32_t copy = 1 - superblock->copy;

    superblock->content.sequence++;
    int error = write_copy(element, &superblock->content, copy);
    if (error == 0)
        superblock->copy = copy;
    else
        superblock->content.sequence--;
    return error;
}

int superblock_create(const struct element *element, struct superblock_of_image *superblock)
{
    superblock->copy = 0;
    int error = superblock_write(element, superblock);
    return error != 0 ? error : superblock_write(element, superblock);
}

int superblock_make_id(uint8_t ret_id[SUPERBLOCK_ID_BYTES])
{
    return random_bytes(ret_id, SUPERBLOCK_ID_BYTES);
}
