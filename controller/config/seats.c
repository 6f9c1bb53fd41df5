#include "controller/config/seats.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/config/seats_parts.h"

enum {
    SEAT_QUIESCE_SECONDS = 10, /* hosts that do not let go are dropped */
    SEAT_STOP_SECONDS = 60,
};

struct seat_care *seat_care_of(struct configurator *configurator, uint32_t id)
{
    return &configurator->controllers[id].care;
}

/* --- steps --- */

/* The care is free before its asker is told: it may ask for something else at once. */
void seat_task_over(struct configurator *configurator, uint32_t id, const char *why)
{
    struct seat_care over = *seat_care_of(configurator, id);

    if (over.task == SEAT_TASK_START && why != NULL)
        seat_start_undo(configurator, id);
    *seat_care_of(configurator, id) = (struct seat_care){.task = SEAT_TASK_NONE};
    if (over.changed != NULL)
        over.changed(over.context, why);
    if (over.task == SEAT_TASK_START)
        volume_changes_look(configurator);
}

static void begin(struct configurator *configurator, uint32_t id, enum seat_task task,
                  seat_changed *changed, void *context)
{
    *seat_care_of(configurator, id) =
        (struct seat_care){.task = task, .changed = changed, .context = context};
}

void seat_enter_step(struct configurator *configurator, uint32_t id, enum seat_step step,
                     uint32_t seconds)
{
    struct seat_care *care = seat_care_of(configurator, id);

    care->step = step;
    care->deadline_ns = watch_now_ns() + seconds * 1000000000ull;
}

bool seat_is_late(const struct seat_care *care)
{
    return watch_now_ns() > care->deadline_ns;
}

void seats_ended(struct configurator *configurator, uint32_t id, bool in_order)
{
    const struct seat_care *care = seat_care_of(configurator, id);
    const char *why = NULL;

    if (care->task == SEAT_TASK_START && care->step == SEAT_STEP_WAITS)
        return; /* what was asked for when the others had heard of its end, and we had not */
    if (care->task == SEAT_TASK_STOP && !in_order)
        why = care->late ? "it did not stop in time, and was killed" : "it died while it stopped";
    if (care->task == SEAT_TASK_START)
        why =
            care->late ? "it did not come up in time, and was killed" : "it died while it started";
    seat_task_over(configurator, id, why);
    if (!in_order)
        seat_start_after_death(configurator, id);
}

/* --- what can be done --- */

const char *seats_refusal(const struct configurator *configurator)
{
    switch (configurator->phase) {
    case CONFIGURATOR_STARTING:
        return "the array is still starting; allowed: when it runs";
    case CONFIGURATOR_RUNNING:
        return NULL;
    default:
        return "the array ends; allowed: while it runs";
    }
}

/* What is done to it already, or NULL. */
static const char *task_refusal(struct configurator *configurator, uint32_t id)
{
    switch (seat_care_of(configurator, id)->task) {
    case SEAT_TASK_KILL:
        return "it is being killed already";
    case SEAT_TASK_STOP:
        return "it is being stopped already";
    case SEAT_TASK_START:
        return "it is being started already";
    case SEAT_TASK_NONE:
        break;
    }
    return NULL;
}

bool seat_takes_jobs(const struct configurator *configurator, uint32_t id)
{
    return configurator_can_ask(configurator, id) &&
           configurator->controllers[id].care.task == SEAT_TASK_NONE;
}

/* One that is on its way out, or not there yet, keeps no array going. */
static bool is_last(const struct configurator *configurator, uint32_t id)
{
    for (uint32_t other = 0; other < configurator->config->controllers; other++) {
        if (other != id && seat_takes_jobs(configurator, other))
            return false;
    }
    return true;
}

/* --- killing --- */

int seat_send_kill(const struct configurator *configurator, uint32_t id)
{
    return syscall(SYS_pidfd_send_signal, configurator->controllers[id].death.fd, SIGKILL, NULL,
                   0) < 0
               ? -errno
               : 0;
}

static const char *why_not_kill(struct configurator *configurator, uint32_t id, bool force)
{
    const char *why = seats_refusal(configurator);

    if (why != NULL)
        return why;
    if (!configurator->controllers[id].alive)
        return "it does not run; allowed: one that does";
    if (seat_care_of(configurator, id)->task == SEAT_TASK_KILL)
        return task_refusal(configurator, id);
    if (!force && is_last(configurator, id))
        return "it is the last one that runs, and the array ends with it; allowed: another one, or "
               "--force";
    return NULL;
}

void seat_kill(struct configurator *configurator, uint32_t id, bool force, seat_changed *changed,
               void *context)
{
    const char *why = why_not_kill(configurator, id, force);
    int error = why == NULL ? seat_send_kill(configurator, id) : 0;

    if (error != 0)
        why = strerror(-error);
    if (why != NULL) {
        changed(context, why);
        return;
    }
    seat_task_over(configurator, id, "it was killed");
    begin(configurator, id, SEAT_TASK_KILL, changed, context);
}

/* --- stopping --- */

static bool owns_any(const struct configurator *configurator, uint32_t id)
{
    const struct segment *segment = &configurator->segment;

    for (uint32_t i = 0; i < segment->geometry.elements; i++) {
        if (owner_load(&segment_element(segment, i)->owner).seat == id)
            return true;
    }
    return false;
}

static const char last_refusal[] =
    "it is the last one that runs; allowed: another one, or to end the array";

static const char *why_not_stop(struct configurator *configurator, uint32_t id)
{
    const char *why = seats_refusal(configurator);

    if (why == NULL)
        why = task_refusal(configurator, id);
    if (why != NULL)
        return why;
    if (!configurator->controllers[id].alive)
        return "it does not run; allowed: one that does";
    if (is_last(configurator, id))
        return last_refusal;
    if (!configurator->config->takeover && element_moves_to(configurator, id))
        return "an element is on its way to it; allowed: when it is there, and has gone again";
    if (!configurator->config->takeover && owns_any(configurator, id))
        return "it owns elements, which nobody would reach; allowed: one that owns none, kill, or "
               "takeover: {enabled: true}";
    return NULL;
}

static void request(struct configurator *configurator, uint32_t id, enum seat_request request)
{
    /* relaxed: published by the membership */
    store_relaxed(&configurator_seat(configurator, id)->request, request);
    configurator_publish_membership(configurator);
}

void seat_stop(struct configurator *configurator, uint32_t id, seat_changed *changed, void *context)
{
    const char *why = why_not_stop(configurator, id);

    if (why != NULL) {
        changed(context, why);
        return;
    }
    begin(configurator, id, SEAT_TASK_STOP, changed, context);
    seat_enter_step(configurator, id, SEAT_STEP_EMPTIES, 0);
    seat_moves_away(configurator, id);
}

/* Those that its elements went to may have died meanwhile. */
void seat_stop_empty(struct configurator *configurator, uint32_t id)
{
    if (is_last(configurator, id)) {
        seat_task_over(configurator, id, last_refusal);
        return;
    }
    seat_enter_step(configurator, id, SEAT_STEP_QUIESCES, SEAT_QUIESCE_SECONDS);
    request(configurator, id, SEAT_REQUEST_QUIESCE);
}

/* A move that had begun before, or a death, has brought it elements: who stops in order is not
 * taken over, so that they would be out of reach. They go away too; or, when there is no time left,
 * it is killed, which they survive. */
static bool came_late(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];

    /* The last one that is left writes what it has as the array would end. */
    if (!configurator->config->takeover || is_last(configurator, id))
        return false;
    if (!seat_has_elements(configurator, id))
        return element_moves_to(configurator, id) && !seat_is_late(&controller->care);
    if (seat_is_late(&controller->care) && !controller->care.late) {
        controller->care.late = true;
        (void)seat_send_kill(configurator, id);
    } else if (!controller->care.late && !controller->moves.under_way) {
        seat_moves_away(configurator, id);
    }
    return true;
}

static void look_at_stop(struct configurator *configurator, uint32_t id)
{
    struct seat_care *care = seat_care_of(configurator, id);
    bool late = seat_is_late(care);

    if (care->step == SEAT_STEP_EMPTIES) /* moves have time limits of their own */
        return;
    if (care->step == SEAT_STEP_QUIESCES) {
        if (!late && seat_state(configurator_seat(configurator, id)) != SEAT_QUIESCED)
            return;
        if (came_late(configurator, id))
            return;
        seat_enter_step(configurator, id, SEAT_STEP_FLUSHES, SEAT_STOP_SECONDS);
        request(configurator, id, SEAT_REQUEST_STOP);
    } else if (late && !care->late) {
        care->late = true;
        (void)seat_send_kill(configurator, id);
    }
}

/* --- one that somebody else led before --- */

static void go_on_stopping(struct configurator *configurator, uint32_t id, bool flushes)
{
    begin(configurator, id, SEAT_TASK_STOP, NULL, NULL);
    seat_enter_step(configurator, id, flushes ? SEAT_STEP_FLUSHES : SEAT_STEP_QUIESCES,
                    flushes ? SEAT_STOP_SECONDS : SEAT_QUIESCE_SECONDS);
}

void seat_go_on(struct configurator *configurator, uint32_t id)
{
    const struct seat *seat = configurator_seat(configurator, id);
    /* relaxed: who wrote it is gone */
    enum seat_request request = (enum seat_request)load_relaxed(&seat->request);

    if (!configurator->controllers[id].alive)
        return;
    if (request != SEAT_REQUEST_NONE)
        go_on_stopping(configurator, id, request == SEAT_REQUEST_STOP);
    else if (seat_state(seat) == SEAT_STARTING)
        seat_start_go_on(configurator, id);
}

/* --- looking --- */

void seats_look(struct configurator *configurator)
{
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        switch (seat_care_of(configurator, id)->task) {
        case SEAT_TASK_STOP:
            look_at_stop(configurator, id);
            break;
        case SEAT_TASK_START:
            seat_start_look(configurator, id);
            break;
        case SEAT_TASK_NONE:
        case SEAT_TASK_KILL:
            break;
        }
    }
}

bool seats_have_work(const struct configurator *configurator)
{
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        enum seat_task task = configurator->controllers[id].care.task;
        if (task == SEAT_TASK_STOP || task == SEAT_TASK_START)
            return true;
    }
    return false;
}
