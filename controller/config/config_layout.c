#include "controller/config/config_layout.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "controller/config/config_value.h"

static const char *const allowed_instead[] = {
    [LAYOUT_FAULT_MEMBERS] = "that many members, or another layout",
    [LAYOUT_FAULT_COPIES] = "none given, or another layout",
    [LAYOUT_FAULT_CHUNK] = "none given, or another layout",
    [LAYOUT_FAULT_MEMBER_SIZE] = "larger members, or a smaller chunk",
    [LAYOUT_FAULT_SIZE] = "fewer or smaller members",
};

enum layout_fault config_layout_make(const struct config_volume *volume,
                                     const uint64_t *member_bytes, struct layout *ret_layout,
                                     uint64_t *starts, char ret_text[CONFIG_LAYOUT_TEXT_BYTES])
{
    struct layout_wanted wanted = {.kind = volume->layout,
                                   .members = volume->members_count,
                                   .copies = volume->copies,
                                   .chunk_bytes = volume->chunk_bytes,
                                   .member_bytes = member_bytes};
    char why[LAYOUT_TEXT_BYTES];
    enum layout_fault fault = layout_explain(&wanted, why, sizeof(why));

    if (fault != LAYOUT_FINE) {
        snprintf(ret_text, CONFIG_LAYOUT_TEXT_BYTES, "%s; allowed: %s", why,
                 allowed_instead[fault]);
        return fault;
    }
    int result = layout_init(ret_layout, &wanted, starts);
    assert(result == 0);
    return LAYOUT_FINE;
}

/* Of a concat: the next member begins with a block, as on its element, so that direct I/O needs no
 * copy. An odd end of the last member is used. */
static void whole_blocks(const struct config_volume *volume, uint64_t *member_bytes)
{
    for (uint32_t i = 0; volume->layout == LAYOUT_CONCAT && i + 1 < volume->members_count; i++)
        member_bytes[i] -= member_bytes[i] % BLOCK_BYTES;
}

int config_layout_of(const struct config *config, uint32_t index, uint64_t *member_bytes,
                     struct layout *ret_layout, uint64_t *starts, struct config_error *ret_error)
{
    const struct config_volume *volume = &config->volumes[index];
    char why[CONFIG_LAYOUT_TEXT_BYTES];

    whole_blocks(volume, member_bytes);

    if (config_layout_make(volume, member_bytes, ret_layout, starts, why) == LAYOUT_FINE)
        return 0;
    snprintf(ret_error->text, sizeof(ret_error->text), "%s:%u: volumes[%u].members (%s): %s",
             config->path, volume->line, index, volume->name, why);
    return -EINVAL;
}

void config_layout_describe(const struct layout *layout, char ret_text[DESCRIPTION_BYTES_MAX + 1])
{
    char copies[32] = "", chunk[16 + SIZE_TEXT_BYTES] = "", size[SIZE_TEXT_BYTES];

    if (layout->kind == LAYOUT_RAID10)
        snprintf(copies, sizeof(copies), ", %u copies", layout->copies);
    if (layout->chunk_bytes != 0) {
        config_format_size(layout->chunk_bytes, size);
        snprintf(chunk, sizeof(chunk), ", chunk %s", size);
    }
    snprintf(ret_text, DESCRIPTION_BYTES_MAX + 1, "%s of %u volume%s%s%s",
             layout_name(layout->kind), layout->members, layout->members == 1 ? "" : "s", copies,
             chunk);
}
