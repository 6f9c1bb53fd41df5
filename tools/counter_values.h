/*
 * Plain copies of the counters in a segment, under the same names: what tools compute with.
 *
 * Counters are made to be read at any time: each is one word, which is read late at worst, never
 * torn. Those of one copy are not of one instant.
 */
#ifndef TOOLS_COUNTER_VALUES_H
#define TOOLS_COUNTER_VALUES_H

#include "shm/segment.h"

#define X(name) uint64_t name;
struct controller_values {
    COUNTERS_CONTROLLER(X)
};

struct io_values {
    COUNTERS_IO(X)
};

struct link_values {
    COUNTERS_LINK(X)
};

struct cache_values {
    COUNTERS_CACHE(X)
};

struct coordination_values {
    COUNTERS_COORDINATION(X)
    uint64_t held_histogram[HELD_HISTOGRAM_BUCKETS];
};
#undef X

void controller_values_read(struct controller_values *ret_values,
                            const struct controller_counters *counters);
void io_values_read(struct io_values *ret_values, const struct io_counters *counters);
void link_values_read(struct link_values *ret_values, const struct link_counters *counters);
void coordination_values_read(struct coordination_values *ret_values,
                              const struct coordination_counters *counters);

/* The counters of a volume of the table. Nobody counts for a virtual volume as such: its values are
 * the sums over its members, which count component commands; all 0 where its record makes no
 * sense. */
void volume_values_read(struct io_values *ret_values, const struct segment *segment,
                        uint32_t volume);

/* What the cache did for a volume; of a virtual one, for its members. */
void cache_values_read(struct cache_values *ret_values, const struct segment *segment,
                       uint32_t volume);
/* What a controller's cache did: for the volumes on the elements that it owns. */
void controller_cache_values_read(struct cache_values *ret_values, const struct segment *segment,
                                  uint32_t controller);

/* Adds up those of several controllers. */
void coordination_values_add(struct coordination_values *sum,
                             const struct coordination_values *values);

#endif
