#include "controller/path/coordinate.h"

#include <string.h>

#include "controller/controller.h"
#include "controller/path/redirect.h"
#include "controller/path/split.h"
#include "controller/path/trail.h"

/* --- what is reserved --- */

/* What others must not see half done. */
static bool is_exclusive(const struct command *command)
{
    return command_changes_data(command->op) || command->op == COMMAND_RESTORE ||
           command->op == COMMAND_CLEAR || (command->op == COMMAND_SCRUB && command->members != 0);
}

/* A read that computes what a member held from the others of its row, of which a write changes one
 * after the other: also a write of other bytes of the row. */
static bool reads_by_parity(const struct command *command)
{
    return command->op == COMMAND_READ && command->virtual->layout.parities > 0 &&
           (command->split->absent | virtual_failed(command->virtual)) != 0;
}

/* Its members are compared, or about to be. */
static bool is_scrubbed(struct volume_record *record)
{
    uint32_t state = load_acquire(&record->job.state); /* pairs with job_start_prepare */

    /* relaxed: written before the state */
    return load_relaxed(&record->job.kind) == JOB_KIND_SCRUB &&
           (state == JOB_WAITING || state == JOB_RUNNING);
}

static bool wants_reservation(const struct controller *controller, const struct command *command)
{
    if (command->virtual == NULL || command->length_bytes == 0 || command->split->redo.adopted)
        return false;
    if (reads_by_parity(command) || command->op == COMMAND_SCRUB)
        return true;
    switch (controller->coordinate.policy) {
    case COORDINATION_STRICT:
        return is_exclusive(command) || command->op == COMMAND_READ;
    case COORDINATION_WRITES:
        return is_exclusive(command);
    case COORDINATION_NONE:
        /* Parity, and what a member is rebuilt from, is read first and written then: a write in
         * between would be lost for ever. */
        return is_exclusive(command) &&
               (command->virtual->layout.parities > 0 || command->op == COMMAND_RESTORE ||
                member_states_now(command->virtual->record).rebuilding ||
                is_scrubbed(command->virtual->record));
    }
    return true;
}

static void fill(const struct controller *controller, struct command *command)
{
    struct reservation *reservation = &command->split->reservation;

    *reservation = (struct reservation){
        .offset_bytes = command->split->part_offset_bytes,
        .length_bytes = command->split->part_bytes,
        .volume = command->volume,
        .cookie = (uint32_t)(command - controller->commands),
        .exclusive = is_exclusive(command),
    };
    if (command->op == COMMAND_CLEAR)
        split_clear_reserves(command, &reservation->offset_bytes, &reservation->length_bytes);
    else if (command->virtual->layout.parities > 0)
        parity_member_range(&command->virtual->layout, command->split->part_offset_bytes,
                            command->split->part_bytes, &reservation->offset_bytes,
                            &reservation->length_bytes);
}

/* --- the stages --- */

static enum stage_verdict take(struct controller *controller, struct command *command,
                               enum reserve_verdict verdict)
{
    struct coordinate *coordinate = &controller->coordinate;
    struct split *split = command->split;

    split->waits = SPLIT_WAITS_NOT;
    switch (verdict) {
    case RESERVE_GRANTED:
        split->reserved = true;
        return STAGE_NEXT;
    case RESERVE_HELD:
        split->waits = SPLIT_WAITS_HELD;
        coordinate->held_count++;
        trail_held(controller, command);
        break;
    case RESERVE_FULL:
        split->waits = SPLIT_WAITS_PLACE;
        command_queue_push(&coordinate->without_place, command);
        break;
    }
    redirect_start_sweeping(controller);
    return STAGE_WAIT;
}

enum stage_verdict coordinate_reserve(struct controller *controller, struct command *command)
{
    if (!wants_reservation(controller, command))
        return STAGE_NEXT;
    fill(controller, command);
    return take(controller, command,
                reserve_start(&controller->coordinate.table, &command->split->reservation,
                              loop_now_ns(controller->loop)));
}

enum stage_verdict coordinate_complete(struct controller *controller, struct command *command)
{
    if (command->split->waits == SPLIT_WAITS_HELD)
        controller->coordinate.held_count--;
    return take(controller, command,
                reserve_continue(&controller->coordinate.table, &command->split->reservation,
                                 loop_now_ns(controller->loop)));
}

enum stage_verdict coordinate_release(struct controller *controller, struct command *command)
{
    if (command->virtual == NULL)
        return STAGE_NEXT;
    split_redo_end(controller, command);
    if (!command->split->reserved)
        return STAGE_NEXT;
    command->split->reserved = false;
    reserve_release(&controller->coordinate.table, &command->split->reservation);
    return STAGE_NEXT;
}

/* --- notifications --- */

/* Called by reserve_*, which must not be called back: what concerns ourselves waits for the end of
 * the turn. */
static void notify(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    struct controller *controller = context;
    struct coordinate *coordinate = &controller->coordinate;
    bool places = cookie == RESERVE_COOKIE_FULL;

    if (!places && cookie >= COMMANDS_MAX) /* another process wrote it into the table */
        return;
    if (seat != controller->id)
        peer_post(controller, seat,
                  (struct doorbell){.generation = generation,
                                    .index = places ? 0 : cookie,
                                    .kind = places ? DOORBELL_PLACES : DOORBELL_HANDED});
    else if (places)
        coordinate->look_at_places = true;
    else if (coordinate->noticed_count == COORDINATE_NOTICED_MAX)
        coordinate->look_at_held = true;
    else {
        coordinate->noticed[coordinate->noticed_count].cookie = cookie;
        coordinate->noticed[coordinate->noticed_count++].generation = generation;
    }
}

void coordinate_handed(struct controller *controller, uint32_t by, uint32_t cookie,
                       uint32_t generation)
{
    if (cookie >= COMMANDS_MAX)
        return;
    struct command *command = &controller->commands[cookie];
    if (command->split->waits != SPLIT_WAITS_HELD ||
        command->split->reservation.generation != generation)
        return;
    trail_handed(controller, command, by);
    command_complete(controller, command, 0);
}

/* In order; who still finds no place stands behind again, in the same order. */
void coordinate_places(struct controller *controller)
{
    struct command_queue all = controller->coordinate.without_place;
    struct command *command;

    controller->coordinate.without_place = (struct command_queue){NULL, NULL};
    while ((command = command_queue_pop(&all)) != NULL)
        command_complete(controller, command, 0);
}

static void look_at_held(struct controller *controller)
{
    for (uint32_t i = 0; i < COMMANDS_MAX && controller->coordinate.held_count > 0; i++) {
        struct command *command = &controller->commands[i];
        if (command->split->waits == SPLIT_WAITS_HELD)
            command_complete(controller, command, 0);
    }
}

/* One that goes on here may end here and hand on to another one of ours: the next turn's. */
void coordinate_turn(struct controller *controller)
{
    struct coordinate *coordinate = &controller->coordinate;
    uint32_t count = coordinate->noticed_count;

    for (uint32_t i = 0; i < count; i++)
        coordinate_handed(controller, controller->id, coordinate->noticed[i].cookie,
                          coordinate->noticed[i].generation);
    coordinate->noticed_count -= count;
    memmove(coordinate->noticed, coordinate->noticed + count,
            coordinate->noticed_count * sizeof coordinate->noticed[0]);
    if (coordinate->look_at_held) {
        coordinate->look_at_held = false;
        look_at_held(controller);
    }
    if (coordinate->look_at_places) {
        coordinate->look_at_places = false;
        coordinate_places(controller);
    }
}

bool coordinate_has_work(const struct controller *controller)
{
    const struct coordinate *coordinate = &controller->coordinate;

    return coordinate->noticed_count > 0 || coordinate->look_at_held || coordinate->look_at_places;
}

bool coordinate_sweep(struct controller *controller)
{
    uint32_t held = controller->coordinate.held_count;

    look_at_held(controller);
    if (controller->coordinate.held_count < held)
        count_up(&controller->counters->hand_offs_swept, held - controller->coordinate.held_count);
    coordinate_places(controller);
    return controller->coordinate.held_count > 0 ||
           controller->coordinate.without_place.head != NULL;
}

void coordinate_recover(struct controller *controller, uint32_t seat, uint32_t epoch)
{
    reserve_recover(&controller->coordinate.table, seat, epoch);
}

void coordinate_init(struct controller *controller)
{
    struct coordinate *coordinate = &controller->coordinate;

    coordinate->policy =
        (enum coordination_policy)segment_header(&controller->segment)->coordination_policy;
    coordination_init(&coordinate->table, &controller->segment, controller->id, controller->epoch,
                      notify, controller, &controller->seat->coordination);
}
