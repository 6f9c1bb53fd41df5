/*
 * What is left when all hosts are done and all controllers idle: nothing.
 */
#undef NDEBUG
#include <assert.h>

#include "controller/cache/cache.h"
#include "tests/sim/judge.h"
#include "tests/sim/machine.h"

static uint32_t length(const struct command *list)
{
    uint32_t count = 0;

    for (; list != NULL; list = list->next)
        count++;
    return count;
}

static uint64_t buffers_bytes(const struct controller *controller)
{
    uint64_t bytes = pool_taken_bytes(controller->pool);

    if (controller->workspaces == NULL)
        return bytes;
    return bytes - WORKSPACES_BYTES + pool_taken_bytes(controller->workspaces);
}

/* A buffer that the I/O of a dead controller may still reach is kept until somebody finds out that
 * it has landed, which the configuration controller does. */
static bool may_keep_buffers(const struct world *world)
{
    return world->configurator_dead;
}

/* What is dirty may be: only an end or time writes it back. */
static void judge_cache(struct world *world, const struct controller *controller)
{
    const struct cache *cache = controller->cache;

    if (cache == NULL)
        return;
    if (cache->reserved != 0 || cache->busy != 0 || cache->ahead_blocks != 0 ||
        cache->room_waiters.head != NULL || cache->own_waiters.head != NULL ||
        cache->write_back.watchers.head != NULL || length(cache->free_own) != CACHE_COMMANDS_MAX ||
        cache->write_back.in_flight != 0)
        sim_fail(world, "c%u: something is still on its way through the cache", controller->id);
    cache_blocks_validate(&cache->blocks);
}

static void judge_controller(struct world *world, const struct controller *controller)
{
    uint32_t id = controller->id;

    if (length(controller->free_commands) != COMMANDS_MAX)
        sim_fail(world, "c%u: host commands are not given back", id);
    if (length(controller->free_peer_commands) != PEER_COMMANDS_MAX)
        sim_fail(world, "c%u: peers' commands are not given back", id);
    if (length(controller->free_components) != COMPONENTS_MAX)
        sim_fail(world, "c%u: components are not given back", id);
    if (controller->slots.free_count != controller->slots.count)
        sim_fail(world, "c%u: %u of %u slots are free", id, controller->slots.free_count,
                 controller->slots.count);
    if (controller->scratch_free_count != SCRATCH_BLOCKS || controller->executing != 0 ||
        controller->element_io_in_flight != 0)
        sim_fail(world, "c%u: something is still executed", id);
    if (buffers_bytes(controller) != 0 && !may_keep_buffers(world))
        sim_fail(world, "c%u: %llu bytes of buffers are not given back", id,
                 (unsigned long long)buffers_bytes(controller));
    judge_cache(world, controller);
    pool_validate(controller->pool);
}

static void count_word(void *context, const struct reserve_view *view)
{
    (void)view;
    ++*(uint32_t *)context;
}

void judge_leaks(struct world *world)
{
    uint32_t words = 0, alive = 0;

    for (uint32_t i = 0; i < world->machines_count && !world->failed; i++) {
        if (!machine_lives(&world->machines[i]))
            continue;
        alive++;
        judge_controller(world, world->machines[i].controller);
    }
    const struct region_table table = segment_region_table(&world->segment);
    reserve_walk(&table, count_word, &words);
    if (words != 0 && alive > 0)
        sim_fail(world, "%u reservations are left", words);
}
