/*
 * Aggregate status: one status of all component statuses (claim 4). Pure.
 *
 * How many remain, and the first error in address order, whichever order the components end in.
 */
#ifndef CONTROLLER_PATH_AGGREGATE_H
#define CONTROLLER_PATH_AGGREGATE_H

#include <stdbool.h>
#include <stdint.h>

struct aggregate {
    uint32_t remaining;
    int32_t status;               /* 0 or -errno */
    uint64_t status_offset_bytes; /* where the component with this error begins */
};

static inline void aggregate_begin(struct aggregate *aggregate, uint32_t components)
{
    *aggregate = (struct aggregate){.remaining = components};
}

/* A component that begins at `offset_bytes` ended with `status`. True when it was the last. */
static inline bool aggregate_add(struct aggregate *aggregate, uint64_t offset_bytes, int32_t status)
{
    if (status != 0 && (aggregate->status == 0 || offset_bytes < aggregate->status_offset_bytes)) {
        aggregate->status = status;
        aggregate->status_offset_bytes = offset_bytes;
    }
    return --aggregate->remaining == 0;
}

#endif
