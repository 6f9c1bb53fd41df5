/*
 * The reservations and conflicts of an array as they are now: read from the coordination table in
 * its segment, at no cost to the controllers.
 */
#ifndef TOOLS_RESERVATIONS_H
#define TOOLS_RESERVATIONS_H

#include <jansson.h>

#include "shm/reserve.h"
#include "shm/segment.h"

struct reservations {
    struct reserve_view *views; /* ours; by volume, then by offset */
    size_t count;
    uint64_t ns; /* CLOCK_MONOTONIC, when all had been looked at */
};

/* Looks at the whole table. -ENOMEM: nothing is kept. Each view is as it was at some instant, not
 * all at the same. */
int reservations_read(struct reservations *ret_reservations, const struct segment *segment);
void reservations_done(struct reservations *reservations); /* a zeroed struct is allowed */

/* The volume's name, or "-" of a number that is no volume's (the table was damaged). Lives as long
 * as the segment is mapped. */
const char *reservation_volume(const struct segment *segment, const struct reserve_view *view);

/* What the range is a range of: "volume", or "members" where parity ties together what lies at the
 * same place of all members (controller/path/coordinate.h). */
const char *reservation_of(const struct segment *segment, const struct reserve_view *view);

const char *reservation_mode(const struct reserve_view *view);
const char *reservation_state(const struct reserve_view *view);

/* Whether the command is held, or was until a reservation was handed to it just now; *ret_held_ns:
 * for how long. */
bool reservation_is_held(const struct reservations *reservations, const struct reserve_view *view,
                         uint64_t *ret_held_ns);

/* {"version", "reservations": [...]}. A new reference, or NULL without memory. */
json_t *reservations_json(const struct reservations *reservations, const struct segment *segment);

#endif
