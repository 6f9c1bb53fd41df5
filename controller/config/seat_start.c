/*
 * A seat's next life.
 *
 *      WAITS    the last life is over: its process and the last of its I/O, and of all I/O of
 * others that have died, which may be to its buffers; no job says that it runs there, nothing that
 * only its cache has belongs to somebody else's element, no volume is being made or deleted, and no
 * other seat is being started GREETS   every controller that lives has nothing left of it
 * (peer_is_over), makes the rings to it anew, and listens to the new lifeline STARTS   the seat has
 * a new epoch and is STARTING, the process is forked; it serves when its seat is RUNNING, and then
 * the others speak to it
 *
 * Why nobody mistakes one life for another. A life's epoch is odd and its death makes it even, so
 * what is said with the epoch of the last life, or of its death, fits no later one. Between GREETS
 * and RUNNING the peer is lost to all others: they post nothing to it and take nothing of it. A
 * controller that has answered can not be in the middle of declaring the last life dead, for it
 * answers from its loop, and that it has heard of its end; one that has not answered, perhaps
 * because it is stopped, keeps the seat from being started, or is found to be stuck and killed.
 *
 * It may end at any step. Before the fork, nothing has changed but what the others know: that a
 * life is awaited, which does not come; the next start greets them again. After it, the process
 * dies like any other. A controller that dies while it is greeted makes all of it begin again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/config/images_again.h"
#include "controller/config/journals.h"
#include "controller/config/seats_parts.h"
#include "controller/layout/layout.h"
#include "controller/volume_state.h"
#include "shm/cache_region.h"
#include "shm/crash_point.h"
#include "shm/mapping.h"
#include "shm/member_states.h"
#include "shm/redo.h"

enum {
    WAIT_SECONDS = 30, /* for the last life to be over */
    PORT_SECONDS = 3,
};

/* --- what it waits for --- */

static bool owns(const struct configurator *configurator, uint32_t id, uint32_t element)
{
    return owner_load(&segment_element(&configurator->segment, element)->owner).seat == id;
}

/* Of elements that have failed the image is not used any more. */
static bool has_image(const struct configurator *configurator, uint32_t id, uint32_t element)
{
    /* relaxed: their owner, who writes it, is gone */
    return owns(configurator, id, element) &&
           load_relaxed(&segment_element(&configurator->segment, element)->state) == ELEMENT_ONLINE;
}

/* Blocks that were acknowledged and are nowhere but in its cache. Those of its own elements it
 * adopts itself. */
static bool has_dirty_of_others(const struct configurator *configurator, uint32_t id)
{
    const struct segment *segment = &configurator->segment;

    if (segment->geometry.cache_bytes == 0)
        return false;
    const struct cache_region region = segment_cache_region(segment, id);
    for (uint32_t i = 0; i < segment->geometry.elements; i++) {
        if (!owns(configurator, id, i) && cache_region_has_dirty(&region, i))
            return true;
    }
    return false;
}

/* Where survivors take them, it begins without any. */
static bool has_images_of_others(const struct configurator *configurator, uint32_t id)
{
    const struct segment *segment = &configurator->segment;

    for (uint32_t i = 0; i < segment->geometry.elements; i++) {
        if (segment_header(segment)->takeover != 0 && has_image(configurator, id, i))
            return true;
    }
    return false;
}

/* A job that another controller has not been given yet would be taken for one that runs here. */
static bool has_job(const struct configurator *configurator, uint32_t id)
{
    for (uint32_t i = 0; i < mapping_volumes_end(&configurator->segment); i++) {
        const struct job_record *job = &segment_volume(&configurator->segment, i)->job;
        /* pairs with the runner's stores */
        uint32_t state = load_acquire(&job->state);
        /* relaxed: written before the state */
        if (state == JOB_RUNNING && load_relaxed(&job->runner) == id)
            return true;
    }
    return false;
}

/* One whose channel has ended has died, and that is about to be known. */
static bool all_alive_can_be_asked(const struct configurator *configurator)
{
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        if (configurator->controllers[id].alive && !configurator_can_ask(configurator, id))
            return false;
    }
    return true;
}

/* What another dead one had been asked for by the last life still reaches that one's buffers, which
 * are the new life's. */
static bool all_dead_are_drained(const struct configurator *configurator)
{
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        if (seat_state(configurator_seat(configurator, id)) == SEAT_DEAD)
            return false;
    }
    return true;
}

static bool is_starting(const struct configurator *configurator, uint32_t id)
{
    const struct seat_care *care = &configurator->controllers[id].care;

    return care->task == SEAT_TASK_START && care->step != SEAT_STEP_WAITS;
}

bool seats_are_starting(const struct configurator *configurator)
{
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        if (is_starting(configurator, id))
            return true;
    }
    return false;
}

/* NULL: it can begin. */
static const char *why_wait(const struct configurator *configurator, uint32_t id)
{
    enum seat_state state = seat_state(configurator_seat(configurator, id));

    if (configurator->controllers[id].alive)
        return "its last process has not ended";
    if (state != SEAT_DRAINED && state != SEAT_STOPPED)
        return "I/O that its last life had submitted has not landed";
    if (seats_are_starting(configurator))
        return "another controller is being started";
    if (configurator->volume_changes.first != NULL)
        return "a volume is being made or deleted";
    if (!all_alive_can_be_asked(configurator))
        return "another controller is dying";
    if (!all_dead_are_drained(configurator))
        return "I/O that another dead controller had submitted has not landed";
    if (has_job(configurator, id))
        return "a job that it ran has no other controller yet";
    if (has_images_of_others(configurator, id))
        return "its elements have not been taken over yet";
    if (redo_pending(&configurator->segment, id))
        return "what its last life had half written has not been finished yet";
    if (has_dirty_of_others(configurator, id))
        return "its cache has what nobody has taken over yet";
    if (!journals_is_free(configurator->config, id))
        return "what its last life had submitted to its journal has not landed";
    return NULL;
}

/* --- starting the process --- */

static uint32_t next_life(const struct configurator *configurator, uint32_t id)
{
    uint32_t epoch = seat_life(configurator_seat(configurator, id));

    return epoch % 2 == 0 ? epoch + 1 : epoch + 2;
}

static int open_elements(struct configurator *configurator, uint32_t id, struct config_error *why)
{
    const struct segment *segment = &configurator->segment;
    int error = 0;

    for (uint32_t i = 0; i < segment->geometry.elements && error == 0; i++) {
        struct element_record *record = segment_element(segment, i);
        if (has_image(configurator, id, i))
            error =
                images_open_again(configurator->config, &configurator->images, i,
                                  load_relaxed(&record->size_bytes), why); /* relaxed: as above */
    }
    return error;
}

/* Where the marks of the images that were opened are, and whose they will be. */
static void enter_marks(const struct configurator *configurator, uint32_t id)
{
    for (uint32_t i = 0; i < configurator->images.count; i++) {
        const struct element *element = &configurator->images.elements[i];
        struct element_record *record = segment_element(&configurator->segment, i);
        if (element->fd < 0)
            continue;
        store_relaxed(&record->mark_byte, element->mark_byte); /* relaxed: published below */
        /* pairs with the load by whoever has a witness: the mark is there */
        store_release(&record->mark_holder,
                      owner_holder(id, (uint16_t)next_life(configurator, id)));
    }
}

static void spawn(struct configurator *configurator, uint32_t id)
{
    struct seat *seat = configurator_seat(configurator, id);
    struct config_error why;

    if (open_elements(configurator, id, &why) != 0 ||
        journals_open_again(configurator->config, &configurator->images, id, &why) != 0) {
        seat_task_over(configurator, id, why.text);
        return;
    }
    CRASH_POINT("seat_start.opened");
    seat_enter_step(configurator, id, SEAT_STEP_STARTS, START_SECONDS);
    enter_marks(configurator, id);
    CRASH_POINT("seat_start.marked");
    configurator_open_witnesses(configurator);
    /* relaxed: we are its only writer */
    store_relaxed(&seat->restarts, load_relaxed(&seat->restarts) + 1);
    configurator_begin_life(configurator, id, next_life(configurator, id));
    CRASH_POINT("seat_start.begun");
    int error = configurator_spawn(configurator, id);
    CRASH_POINT("seat_start.spawned");
    if (error == 0) {
        configurator_hand_over_elements(configurator);
        return;
    }
    /* Nobody sits there, though the seat says so. */
    configurator_declare_dead(configurator, id);
    seat_task_over(configurator, id, strerror(-error));
}

/* --- greeting --- */

static void greeted_all(struct configurator *configurator, uint32_t id)
{
    struct seat_care *care = seat_care_of(configurator, id);

    if (care->refusal != NULL)
        seat_task_over(configurator, id, care->refusal);
    else if (care->again)
        seat_enter_step(configurator, id, SEAT_STEP_WAITS, WAIT_SECONDS);
    else
        spawn(configurator, id);
}

/* All are waited for, also when one has refused: a late answer to this greeting would be taken for
 * one to the next, and a life would begin before everybody listens to its own lifeline. */
static void greeted(void *context, int status)
{
    const struct watched_controller *controller = context;
    struct configurator *configurator = controller->configurator;
    struct seat_care *care = seat_care_of(configurator, controller->id);

    if (care->task != SEAT_TASK_START || care->step != SEAT_STEP_GREETS)
        return; /* it was given up meanwhile */
    care->unanswered--;
    CRASH_POINT("seat_start.greeted");
    if (status == -EPIPE)
        care->again = true;
    else if (status != 0 && care->refusal == NULL)
        care->refusal = status == -ETIMEDOUT ? "another controller does not let go of its last life"
                                             : strerror(-status);
    if (care->unanswered == 0)
        greeted_all(configurator, controller->id);
}

static int greet(struct configurator *configurator, uint32_t id)
{
    const struct control_message message = {.kind = CONTROL_GREET_PEER,
                                            .arguments = {id, next_life(configurator, id)}};
    struct seat_care *care = seat_care_of(configurator, id);
    int error = 0;

    seat_enter_step(configurator, id, SEAT_STEP_GREETS, CONTROL_SECONDS);
    care->again = false;
    care->refusal = NULL;
    care->unanswered = 0;
    for (uint32_t other = 0; other < configurator->config->controllers && error == 0; other++) {
        if (!configurator->controllers[other].alive)
            continue;
        error = configurator_ask(configurator, other, &message, configurator->lifelines[id],
                                 greeted, &configurator->controllers[id]);
        care->unanswered += error == 0;
    }
    if (error == 0 || care->unanswered == 0)
        return error;
    care->refusal = strerror(-error);
    return 0;
}

/* The port of the last life is taken as long as the kernel takes its io_uring apart; after a few
 * seconds it is somebody else who has it. */
static bool port_may_come(struct seat_care *care, int error)
{
    uint64_t now_ns = watch_now_ns();

    if (care->port_deadline_ns == 0)
        care->port_deadline_ns = now_ns + PORT_SECONDS * 1000000000ull;
    return error == -EADDRINUSE && now_ns < care->port_deadline_ns;
}

/* What can be refused is found before anybody is greeted. */
static void begin_life(struct configurator *configurator, uint32_t id)
{
    struct config_error why;
    int refused = sockets_open_controller(configurator->config, &configurator->sockets, id, &why);

    if (refused != 0) {
        if (!port_may_come(seat_care_of(configurator, id), refused))
            seat_task_over(configurator, id, why.text);
        return;
    }
    int error = configurator_equip(configurator, id);
    CRASH_POINT("seat_start.equipped");
    if (error == 0)
        error = greet(configurator, id);
    CRASH_POINT("seat_start.asked");
    if (error != 0)
        seat_task_over(configurator, id, strerror(-error));
    else if (seat_care_of(configurator, id)->unanswered == 0)
        spawn(configurator, id);
}

/* --- the end of it --- */

/* Our copies of what was to be its own. The others hear that the lifeline has ended; of a life that
 * has not begun that says nothing. */
void seat_start_undo(struct configurator *configurator, uint32_t id)
{
    if (configurator->controllers[id].alive)
        return;
    images_close_again(&configurator->images);
    sockets_close_controller(&configurator->sockets, id);
    close_if_open(&configurator->lifelines_own[id]);
    close_if_open(&configurator->control_ends[id]);
    control_line_close(&configurator->lines[id]);
}

/* Members that failed because they were not reached. */
static void rebuild_members(struct configurator *configurator, uint32_t id)
{
    const struct segment *segment = &configurator->segment;
    struct mapping_members members;

    for (uint32_t volume = 0; volume < mapping_volumes_end(segment); volume++) {
        uint32_t wanted = 0;
        if (mapping_members(segment, volume, &members) != 0 ||
            !layout_kind_redundant((enum layout_kind)members.layout))
            continue;
        for (uint32_t i = 0; i < members.count; i++) {
            uint32_t element = segment_volume(segment, members.records[i].volume)->element;
            if ((members.failed >> i & 1) != 0 && (members.rebuilding >> i & 1) == 0 &&
                owns(configurator, id, element) &&
                element_state_now(segment, element) == VOLUME_ONLINE)
                wanted |= UINT32_C(1) << i;
        }
        if (wanted != 0)
            rebuilds_want(configurator, volume, wanted);
    }
}

static void runs_again(struct configurator *configurator, uint32_t id)
{
    const struct watched_controller *controller = &configurator->controllers[id];

    fprintf(stderr, "anyport: controller %u runs again (process %d)\n", id, (int)controller->pid);
    CRASH_POINT("seat_start.runs");
    configurator_publish_membership(configurator);
    seat_task_over(configurator, id, NULL);
    rebuild_members(configurator, id);
}

static void look_at_process(struct configurator *configurator, uint32_t id)
{
    struct seat_care *care = seat_care_of(configurator, id);

    if (seat_state(configurator_seat(configurator, id)) == SEAT_RUNNING) {
        runs_again(configurator, id);
    } else if (seat_is_late(care) && !care->late) {
        care->late = true;
        (void)seat_send_kill(configurator, id);
    }
}

void seat_start_look(struct configurator *configurator, uint32_t id)
{
    const struct seat_care *care = seat_care_of(configurator, id);
    const char *why = seats_refusal(configurator);

    if (care->step == SEAT_STEP_STARTS) {
        look_at_process(configurator, id);
        return;
    }
    if (why == NULL && care->step == SEAT_STEP_GREETS)
        return; /* the answers, or their time limit, lead on */
    if (why == NULL) {
        why = why_wait(configurator, id);
        if (why == NULL) {
            begin_life(configurator, id);
            return;
        }
        if (!seat_is_late(care))
            return;
    }
    seat_task_over(configurator, id, why);
}

/* --- asking for it --- */

static void begin(struct configurator *configurator, uint32_t id, seat_changed *changed,
                  void *context)
{
    *seat_care_of(configurator, id) =
        (struct seat_care){.task = SEAT_TASK_START, .changed = changed, .context = context};
    seat_enter_step(configurator, id, SEAT_STEP_WAITS, WAIT_SECONDS);
    seat_start_look(configurator, id);
}

void seat_start(struct configurator *configurator, uint32_t id, seat_changed *changed,
                void *context)
{
    const char *why = seats_refusal(configurator);

    if (why == NULL && configurator->controllers[id].alive &&
        !seat_is_gone(seat_state(configurator_seat(configurator, id))))
        why = "it runs; allowed: one that does not";
    if (why == NULL && seat_care_of(configurator, id)->task == SEAT_TASK_START)
        why = "it is being started already";
    if (why != NULL)
        changed(context, why);
    else
        begin(configurator, id, changed, context);
}

static void started_by_itself(void *context, const char *why)
{
    const struct watched_controller *controller = context;

    if (why != NULL)
        fprintf(stderr, "anyport: controller %u is not started again: %s\n", controller->id, why);
}

void seat_start_after_death(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];
    bool soon = watch_now_ns() - controller->began_ns < RESTART_SOON_SECONDS * 1000000000ull;

    controller->deaths_in_a_row = soon ? controller->deaths_in_a_row + 1 : 1;
    if (configurator->config->restart != RESTART_ON_DEATH || seats_refusal(configurator) != NULL)
        return;
    if (controller->deaths_in_a_row < RESTART_DEATHS_MAX)
        begin(configurator, id, started_by_itself, controller);
    else
        fprintf(stderr,
                "anyport: controller %u is not started again: it has died %u times in a row within "
                "%d s of its start; allowed: anyport controller start %u\n",
                id, controller->deaths_in_a_row, RESTART_SOON_SECONDS, id);
}

void seat_start_go_on(struct configurator *configurator, uint32_t id)
{
    *seat_care_of(configurator, id) = (struct seat_care){.task = SEAT_TASK_START,
                                                         .changed = started_by_itself,
                                                         .context = &configurator->controllers[id]};
    seat_enter_step(configurator, id, SEAT_STEP_STARTS, START_SECONDS);
}
