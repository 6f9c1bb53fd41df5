/*
 * The array's phases, from the start of its controllers to their end.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/seats_parts.h"
#include "controller/loss.h"

enum {
    QUIESCE_SECONDS = 10, /* hosts that do not let go are dropped */
    STOP_SECONDS = 60,    /* a flush may take long; then it is killed */
};

/* --- telling controllers --- */

void configurator_publish_membership(struct configurator *configurator)
{
    uint64_t one = 1;

    segment_raise_membership(&configurator->segment);
    for (uint32_t i = 0; i < configurator->config->controllers; i++)
        (void)!write(configurator->doorbells[i], &one, sizeof one);
}

static void request_all(struct configurator *configurator, enum seat_request request)
{
    for (uint32_t i = 0; i < configurator->config->controllers; i++)
        /* relaxed: published below */
        store_relaxed(&configurator_seat(configurator, i)->request, request);
    configurator_publish_membership(configurator);
}

/* --- phases --- */

void configurator_enter_phase(struct configurator *configurator, enum configurator_phase phase,
                              uint32_t seconds)
{
    configurator->phase = phase;
    configurator->deadline_ns = watch_now_ns() + seconds * 1000000000ull;
    if (configurator->on_phase != NULL)
        configurator->on_phase(configurator->on_phase_context, phase);
}

static bool all_alive_are(const struct configurator *configurator, enum seat_state state)
{
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        if (configurator->controllers[i].alive &&
            seat_state(configurator_seat(configurator, i)) != state)
            return false;
    }
    return true;
}

/* What somebody who died has left is written first: it was acknowledged. */
static bool all_are_owned(const struct configurator *configurator)
{
    const struct segment *segment = &configurator->segment;

    for (uint32_t i = 0; configurator->config->takeover && i < segment->geometry.elements; i++) {
        struct owner owner = owner_load(&segment_element(segment, i)->owner);
        if (owner_is_gone(segment, owner) || owner.state == OWNER_TAKING)
            return false;
    }
    return true;
}

static bool any_alive(const struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        if (configurator->controllers[i].alive)
            return true;
    }
    return false;
}

void configurator_kill_all(struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        if (configurator->controllers[i].alive)
            (void)seat_send_kill(configurator, i);
    }
}

void configurator_stop(struct configurator *configurator)
{
    if (configurator->phase >= CONFIGURATOR_QUIESCING)
        return;
    configurator_enter_phase(configurator, CONFIGURATOR_QUIESCING, QUIESCE_SECONDS);
    request_all(configurator, SEAT_REQUEST_QUIESCE);
}

/* Without heartbeats nobody finds one that is stuck, and without a clock no element follows its
 * traffic; neither is worth an end. */
void configurator_begin_to_run(struct configurator *configurator)
{
    int error = heartbeats_begin(configurator);

    if (error != 0)
        fprintf(stderr, "anyport: nobody looks for controllers that are stuck: %s\n",
                strerror(-error));
    error = follow_traffic_begin(configurator);
    if (error != 0)
        fprintf(stderr, "anyport: elements do not follow traffic: %s\n", strerror(-error));
    configurator_enter_phase(configurator, CONFIGURATOR_RUNNING, 0);
}

/* All have ended. A controller that died is no failure of the array: what it had is elsewhere, but
 * for what is found here. */
static void look_back(struct configurator *configurator)
{
    const struct segment *segment = &configurator->segment;

    if (configurator->phase == CONFIGURATOR_RUNNING) {
        fprintf(stderr, "anyport: the array ends, because no controller is left\n");
        configurator->failed = true;
    }
    for (uint32_t i = 0; i < segment->geometry.elements; i++) {
        if (!loss_is_there(segment, i))
            continue;
        fprintf(stderr, "anyport: element %s lacks something that was acknowledged\n",
                segment_element(segment, i)->name);
        configurator->failed = true;
    }
}

static void stop_all(struct configurator *configurator)
{
    configurator_enter_phase(configurator, CONFIGURATOR_STOPPING, STOP_SECONDS);
    request_all(configurator, SEAT_REQUEST_STOP);
}

/* What went wrong with it the controllers say, and find again when they end. */
static void are_flushed(void *context, int status)
{
    struct configurator *configurator = context;

    (void)status;
    if (configurator->phase == CONFIGURATOR_FLUSHING)
        stop_all(configurator);
}

static void flush_all(struct configurator *configurator)
{
    const struct control_message message = {.kind = CONTROL_FLUSH_ELEMENTS};

    configurator_enter_phase(configurator, CONFIGURATOR_FLUSHING, STOP_SECONDS);
    if (configurator_ask_all(configurator, &message, are_flushed, configurator) != 0)
        stop_all(configurator);
}

void configurator_look_at_phase(struct configurator *configurator)
{
    bool late = watch_now_ns() > configurator->deadline_ns;

    if (!any_alive(configurator)) {
        if (configurator->phase == CONFIGURATOR_STOPPED)
            return;
        look_back(configurator);
        configurator_enter_phase(configurator, CONFIGURATOR_STOPPED, 0);
        return;
    }
    switch (configurator->phase) {
    case CONFIGURATOR_STARTING:
        if (all_alive_are(configurator, SEAT_RUNNING)) {
            configurator_begin_to_run(configurator);
            rebuilds_look(configurator);
        } else if (late) {
            fprintf(stderr, "anyport: controllers did not come up within %d s\n", START_SECONDS);
            configurator->failed = true;
            configurator_stop(configurator);
        }
        break;
    case CONFIGURATOR_QUIESCING:
        if (late)
            stop_all(configurator);
        else if (all_alive_are(configurator, SEAT_QUIESCED) && all_are_owned(configurator))
            flush_all(configurator);
        break;
    case CONFIGURATOR_FLUSHING:
        if (late)
            stop_all(configurator);
        break;
    case CONFIGURATOR_STOPPING:
        if (late) {
            fprintf(stderr, "anyport: controllers did not stop within %d s\n", STOP_SECONDS);
            configurator->failed = true;
            configurator->deadline_ns = UINT64_MAX; /* said and done once */
            configurator_kill_all(configurator);
        }
        break;
    case CONFIGURATOR_RUNNING:
    case CONFIGURATOR_STOPPED:
        break;
    }
    resyncs_look(configurator);
}
