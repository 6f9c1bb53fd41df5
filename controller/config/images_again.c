#include "controller/config/images_again.h"

#include <errno.h>
#include <string.h>

#include "controller/config/journals.h"
#include "controller/config/refusal.h"

/* The same image as before, not only one at the same path. */
static bool is_the_same(const struct superblock *before, const struct superblock *now)
{
    return memcmp(before->array_id, now->array_id, SUPERBLOCK_ID_BYTES) == 0 &&
           strcmp(before->element, now->element) == 0 &&
           tail_bytes(&before->tail) == tail_bytes(&now->tail);
}

static int read_superblock(const struct config *config, struct images *images, uint32_t element,
                           uint64_t size_bytes, struct config_error *ret_error)
{
    struct superblock_of_image *known = images->superblocks[element], found;
    struct element_error why;
    int error = superblock_read(&images->elements[element], &found);

    if (error != 0)
        return refuse_element(config, element, error, ret_error,
                              "its superblock cannot be read: %s", strerror(-error));
    if (!is_the_same(&known->content, &found.content))
        return refuse_element(config, element, -EINVAL, ret_error,
                              "it is not the one that the array was started with; allowed: that "
                              "one");
    error = element_keep_tail(&images->elements[element], size_bytes,
                              tail_bytes(&found.content.tail), &why);
    if (error != 0)
        return refuse_element(config, element, error, ret_error, "%s", why.text);
    *known = found;
    return 0;
}

int images_open_again(const struct config *config, struct images *images, uint32_t element,
                      uint64_t size_bytes, struct config_error *ret_error)
{
    const struct config_element *configured = &config->elements[element];
    bool marked = images->superblocks[element] != NULL;
    const struct element_wanted wanted = {
        .image = images->later[element] != NULL ? images->later[element] : configured->image,
        .size_bytes = marked ? 0 : size_bytes,
        .read_only = configured->read_only};
    struct element_error why;
    int error = element_open(&images->elements[element], &wanted, &why);

    if (error != 0)
        return refuse_element(config, element, error, ret_error, "%s", why.text);
    if (marked)
        error = read_superblock(config, images, element, size_bytes, ret_error);
    if (error != 0)
        element_close(&images->elements[element]);
    return error;
}

void images_close_again(struct images *images)
{
    for (uint32_t i = 0; i < images->count; i++)
        element_close(&images->elements[i]);
    journals_close(images->journals);
}
