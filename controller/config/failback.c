#include "controller/config/failback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/config/configurator.h"

static struct element_record *record_of(const struct configurator *configurator, uint32_t element)
{
    return segment_element(&configurator->segment, element);
}

static bool runs(const struct configurator *configurator, uint32_t id)
{
    return seat_state(segment_seat(&configurator->segment, id)) == SEAT_RUNNING;
}

static bool is_home(const struct configurator *configurator, uint32_t element)
{
    const struct element_record *record = record_of(configurator, element);
    struct owner owner = owner_load(&record->owner);

    return owner.state == OWNER_OWNED && owner.seat == record->configured_owner &&
           !owner_is_gone(&configurator->segment, owner);
}

/* At another one that lives, and online: what is being taken over is looked at later. */
static bool can_go_back(const struct configurator *configurator, uint32_t element)
{
    const struct element_record *record = record_of(configurator, element);
    struct owner owner = owner_load(&record->owner);

    /* relaxed: what is found late is refused by its owner */
    return owner.state == OWNER_OWNED && owner.seat != record->configured_owner &&
           !owner_is_gone(&configurator->segment, owner) &&
           load_relaxed(&record->state) == ELEMENT_ONLINE;
}

static void moved_back(void *context, const struct element_moved *moved);

static void begin_next(struct configurator *configurator)
{
    struct failback *failback = &configurator->failback;

    if (watch_now_ns() < failback->again_ns)
        return;
    failback->again_ns = 0;
    for (uint32_t i = 0; i < configurator->config->elements_count && !failback->moving; i++) {
        uint32_t home = record_of(configurator, i)->configured_owner;
        if (is_home(configurator, i))
            failback->wanted[i] = false;
        if (!failback->wanted[i] || !runs(configurator, home) || !can_go_back(configurator, i))
            continue;
        failback->wanted[i] = false;
        failback->moving = true;
        failback->element = i;
        element_move_start(configurator, i, home, moved_back, configurator);
    }
}

/* A move may go well later: what keeps it is over by then. Whoever has died, or taken it meanwhile,
 * is looked at anew. */
static bool may_come(int status)
{
    return status == -EBUSY || status == -ETIMEDOUT || status == -ENOENT || status == -EPIPE;
}

static void moved_back(void *context, const struct element_moved *moved)
{
    struct configurator *configurator = context;
    struct failback *failback = &configurator->failback;

    failback->moving = false;
    if (may_come(moved->status)) {
        failback->wanted[failback->element] = true;
        failback->again_ns = watch_now_ns() + FAILBACK_AGAIN_MS * 1000000ull;
    } else if (moved->status != 0 && configurator->phase == CONFIGURATOR_RUNNING)
        fprintf(stderr, "anyport: an element does not go back to its controller: %s\n",
                moved->text);
    begin_next(configurator);
}

/* In its first life a controller has what the configuration gives it. */
static void want_all_of(struct configurator *configurator, uint32_t id)
{
    for (uint32_t i = 0; i < configurator->config->elements_count; i++) {
        if (record_of(configurator, i)->configured_owner == id)
            configurator->failback.wanted[i] = true;
    }
}

static void look_at_life(struct configurator *configurator, uint32_t id)
{
    struct failback *failback = &configurator->failback;
    uint32_t life = seat_epoch(segment_seat(&configurator->segment, id));

    if (!runs(configurator, id) || failback->lives[id] == life)
        return;
    if (failback->lives[id] != 0)
        want_all_of(configurator, id);
    failback->lives[id] = life;
}

void failback_look(struct configurator *configurator)
{
    const struct config *config = configurator->config;

    if (configurator->phase != CONFIGURATOR_RUNNING || !config->takeover ||
        config->failback != FAILBACK_AUTO)
        return;
    for (uint32_t id = 0; id < config->controllers; id++)
        look_at_life(configurator, id);
    begin_next(configurator);
}

bool failback_has_work(const struct configurator *configurator)
{
    return configurator->failback.again_ns != 0;
}

int failback_init(struct configurator *configurator)
{
    configurator->failback.wanted =
        calloc(configurator->config->elements_count, sizeof *configurator->failback.wanted);
    return configurator->failback.wanted == NULL ? -ENOMEM : 0;
}

void failback_done(struct configurator *configurator)
{
    free(configurator->failback.wanted);
    configurator->failback.wanted = NULL;
}
