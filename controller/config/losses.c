#include "controller/config/losses.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "controller/config/refusal.h"

enum { TEXT_BYTES = 512, RANGES_SAID_MAX = 8 };

struct text {
    char said[TEXT_BYTES];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->said + text->length, TEXT_BYTES - text->length, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->length += (size_t)length;
    if (text->length >= TEXT_BYTES)
        text->length = TEXT_BYTES - 1;
}

bool losses_possible(const struct config *config, const struct images *images, uint32_t volume)
{
    return layout_parities(config->volumes[volume].layout) > 0 &&
           images->standings[volume].stale != 0;
}

static void say_members(struct text *text, const struct config *config, uint32_t volume,
                        uint32_t members)
{
    const struct config_volume *wanted = &config->volumes[volume];
    const char *separator = "";

    for (uint32_t i = 0; i < wanted->members_count; i++) {
        if ((members >> i & 1) == 0)
            continue;
        say(text, "%s%s", separator, config->volumes[wanted->members[i]].name);
        separator = ", ";
    }
}

/* The rows of which anything lies there, as a range of the volume. */
static struct loss in_volume(const struct layout *layout, const struct loss *loss)
{
    uint64_t row_bytes = (uint64_t)layout->chunk_bytes * layout->columns;
    uint64_t rows = (loss->end_bytes + layout->chunk_bytes - 1) / layout->chunk_bytes;
    struct loss found = {.from_bytes = loss->from_bytes / layout->chunk_bytes * row_bytes,
                         .end_bytes = rows * row_bytes};

    if (found.end_bytes > layout->size_bytes)
        found.end_bytes = layout->size_bytes;
    return found;
}

static void say_ranges(struct text *text, const struct layout *layout, const struct loss *losses,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count && i < RANGES_SAID_MAX; i++) {
        const struct loss range = in_volume(layout, &losses[i]);
        say(text, "%s%" PRIu64 " to %" PRIu64, i > 0 ? ", " : "", range.from_bytes,
            range.end_bytes);
    }
    if (count > RANGES_SAID_MAX)
        say(text, " and %" PRIu32 " more", count - RANGES_SAID_MAX);
}

/* Where parity makes up for nothing more than what is missing, whatever it says is what the volume
 * holds, from now on: its members cannot contradict each other. */
static void take_as_it_is(struct images *images, uint32_t volume, const struct layout *layout)
{
    uint32_t stale = (uint32_t)__builtin_popcount(images->standings[volume].stale);

    if (stale >= layout->parities)
        images->doubtful[volume] = 0;
}

int losses_judge(const struct config *config, struct images *images, uint32_t volume,
                 const struct loss *losses, uint32_t count, struct config_error *ret_error)
{
    struct layout layout;
    struct text members = {.length = 0}, ranges = {.length = 0};
    int error = images_layout_of(config, images, volume, &layout, NULL, ret_error);

    if (error != 0)
        return error;
    say_members(&members, config, volume, images->standings[volume].stale);
    say_ranges(&ranges, &layout, losses, count);
    if (!config->accept_losses)
        return refuse_volume(
            config, volume, -EUCLEAN, ret_error,
            "it was being written when the array ended without order, and %s is stale: what that "
            "one "
            "held may be lost, of bytes %s; anyport run --force starts with what is left",
            members.said, ranges.said);
    fprintf(
        stderr,
        "anyport: volume %s: it was being written when the array ended without order, and %s is "
        "stale: what that one held may be lost, of bytes %s\n",
        config->volumes[volume].name, members.said, ranges.said);
    take_as_it_is(images, volume, &layout);
    return 0;
}
