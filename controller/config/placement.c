#include "controller/config/placement.h"

#include <numa.h>
#include <sched.h>

/* The controller's own memory: its slots and its buffers. */
static void place_memory(const struct segment *segment, uint32_t id, int node)
{
    numa_set_preferred(node);
    numa_tonode_memory(segment->base + segment_buffers_offset(segment, id),
                       segment->geometry.buffers_bytes, node);
}

static void place_on_node(const struct segment *segment, uint32_t id)
{
    int node = (int)id % (numa_max_node() + 1);

    if (numa_run_on_node(node) == 0)
        place_memory(segment, id, node);
}

/* The n-th processor that this process may use, n modulo their number. */
static int allowed_processor(uint32_t n)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0 || CPU_COUNT(&allowed) == 0)
        return -1;
    n %= (uint32_t)CPU_COUNT(&allowed);
    for (size_t processor = 0; processor < CPU_SETSIZE; processor++) {
        if (CPU_ISSET(processor, &allowed) && n-- == 0)
            return (int)processor;
    }
    return -1;
}

static void place_on_processor(const struct segment *segment, uint32_t id)
{
    int processor = allowed_processor(id);
    cpu_set_t one;

    if (processor < 0)
        return;
    CPU_ZERO(&one);
    CPU_SET((size_t)processor, &one);
    if (sched_setaffinity(0, sizeof one, &one) < 0)
        return;
    /* relaxed: for status only */
    store_relaxed(&segment_seat(segment, id)->cpu_pinned, (uint32_t)processor + 1);
    if (numa_available() >= 0 && numa_max_node() > 0)
        place_memory(segment, id, numa_node_of_cpu(processor));
}

void placement_apply(enum config_placement placement, const struct segment *segment, uint32_t id)
{
    if (placement == PLACEMENT_SPREAD)
        place_on_processor(segment, id);
    else if (placement == PLACEMENT_AUTO && numa_available() >= 0 && numa_max_node() > 0)
        place_on_node(segment, id);
}
