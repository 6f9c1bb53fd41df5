/*
 * Block status of a virtual volume: each member describes its own range, and the descriptions are
 * put together in the order of the virtual volume.
 *
 * The command's buffer has a slice of EXTENTS_MAX extents for the result, and one for each member.
 */
#ifndef CONTROLLER_PATH_SPLIT_EXTENTS_H
#define CONTROLLER_PATH_SPLIT_EXTENTS_H

#include <stdint.h>

struct command;
struct controller;

/* How large the buffer of a COMMAND_EXTENTS for this volume must be. */
uint64_t extents_buffer_bytes(const struct controller *controller, uint32_t volume);

/* How much of the command's range is described by one answer. */
uint64_t split_extents_part_bytes(const struct command *command);

/* Where a member's component puts its extents, in the segment. */
uint64_t split_extents_slice(const struct command *command, uint32_t member);

/* Says in the slice that all of `length_bytes` is data. Returns the number of extents. */
uint32_t split_extents_all_data(const struct controller *controller, uint64_t slice_offset_bytes,
                                uint64_t length_bytes);

/* Where a piece of a volume lies. */
struct location {
    uint32_t length_bytes;
    uint32_t place; /* owner in the upper 16 bits, element in the lower */
};

/* Puts the members' extents together in the first slice (command->count of them), and into the
 * second where the pieces of the volume lie (command->locations of them). */
void split_extents_merge(const struct controller *controller, struct command *command);

/* The locations that split_extents_merge has left. */
struct location *split_extents_locations(const struct command *command);

#endif
