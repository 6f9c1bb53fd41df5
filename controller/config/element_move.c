#include "controller/config/element_move.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/configurator.h"
#include "shm/crash_point.h"

struct element_move {
    struct configurator *configurator;
    struct element_move *next;
    uint32_t element, target;
    bool handed; /* its owner has let it go: the target is to take it */
    uint64_t deadline_ns;
    element_moved_fn *done;
    void *context;
    char text[256];
};

static struct element_record *record_of(const struct element_move *move)
{
    return segment_element(&move->configurator->segment, move->element);
}

/* --- the end --- */

static void unlink_move(struct element_move *move)
{
    struct element_move **at = &move->configurator->moves;

    while (*at != move)
        at = &(*at)->next;
    *at = move->next;
}

static void end(struct element_move *move, int status)
{
    unlink_move(move);
    move->done(move->context, &(struct element_moved){.status = status, .text = move->text});
    free(move);
}

__attribute__((format(printf, 3, 4))) static void fail(struct element_move *move, int error,
                                                       const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(move->text, sizeof move->text, format, arguments);
    va_end(arguments);
    end(move, error);
}

/* --- after its owner has let it go --- */

static bool is_late(const struct element_move *move)
{
    return watch_now_ns() > move->deadline_ns;
}

static void look_at(struct element_move *move)
{
    struct owner owner = owner_load(&record_of(move)->owner);

    if (!move->handed)
        return;
    if (owner.state == OWNER_OWNED && owner.seat != move->target)
        fail(move, -EHOSTDOWN, "controller %u died while it took it; controller %u owns it now",
             move->target, owner.seat);
    else if (owner.state == OWNER_OWNED &&
             /* relaxed: what is told may be old by the time it is heard */
             load_relaxed(&record_of(move)->state) != ELEMENT_ONLINE)
        fail(move, -EIO, "controller %u could not take its image; it has failed", move->target);
    else if (owner.state == OWNER_OWNED)
        end(move, 0);
    else if (is_late(move))
        fail(move, -ETIMEDOUT, "controller %u has not taken it yet, and still may", move->target);
}

void element_moves_look(struct configurator *configurator)
{
    struct element_move *next;

    for (struct element_move *move = configurator->moves; move != NULL; move = next) {
        next = move->next;
        look_at(move);
    }
}

void element_moves_done(struct configurator *configurator)
{
    while (configurator->moves != NULL)
        fail(configurator->moves, -ESHUTDOWN, "the array ends");
}

/* --- asking its owner --- */

static const char *words_of(int status)
{
    switch (status) {
    case -EIO:
        return "it has failed; allowed: one that is online (anyport element replace)";
    case -EHOSTDOWN:
        return "the target does not run; allowed: a controller that does";
    case -EBUSY:
        return "a volume on it is being changed; try again when that is done";
    case -ETIMEDOUT:
        return "what had begun on it did not end; it stays where it was";
    case -ENOENT:
    case -EPIPE:
        return "its owner has changed meanwhile";
    default:
        return strerror(-status);
    }
}

static void answered(void *context, int status)
{
    struct element_move *move = context;

    if (status != 0) {
        fail(move, status, "%s", words_of(status));
        return;
    }
    CRASH_POINT("element_move.handed");
    move->handed = true;
    move->deadline_ns = watch_now_ns() + MOVE_SECONDS * 1000000000ull;
    look_at(move);
}

bool element_moves_to(const struct configurator *configurator, uint32_t target)
{
    for (const struct element_move *move = configurator->moves; move != NULL; move = move->next) {
        if (move->target == target)
            return true;
    }
    return false;
}

static bool is_moved_already(const struct element_move *move)
{
    for (const struct element_move *other = move->configurator->moves; other != NULL;
         other = other->next) {
        if (other != move && other->element == move->element)
            return true;
    }
    return false;
}

/* It runs until its own elements are away. */
static bool target_ends(const struct element_move *move)
{
    enum seat_task task = move->configurator->controllers[move->target].care.task;

    return task == SEAT_TASK_STOP || task == SEAT_TASK_KILL;
}

static void start(struct element_move *move)
{
    struct configurator *configurator = move->configurator;
    const struct control_message message = {.kind = CONTROL_MOVE_ELEMENT,
                                            .arguments = {move->element, move->target}};
    struct owner owner = owner_load(&record_of(move)->owner);

    if (move->target >= configurator->config->controllers)
        fail(move, -EINVAL, "there is no controller %u; allowed: 0 to %u", move->target,
             configurator->config->controllers - 1);
    else if (is_moved_already(move) ||
             (owner.state != OWNER_OWNED && !owner_is_gone(&configurator->segment, owner)))
        fail(move, -EBUSY, "it changes hands already; try again when that is done");
    else if (owner_is_gone(&configurator->segment, owner))
        fail(move, -EHOSTDOWN, "its controller has died, and nobody has taken it over yet");
    else if (owner.seat == move->target)
        end(move, 0);
    else if (seat_state(segment_seat(&configurator->segment, move->target)) != SEAT_RUNNING)
        fail(move, -EHOSTDOWN, "controller %u does not run; allowed: one that does", move->target);
    else if (target_ends(move))
        fail(move, -EHOSTDOWN, "controller %u is being stopped; allowed: one that goes on",
             move->target);
    else if (configurator->volume_changes.first != NULL)
        fail(move, -EBUSY, "a volume is being changed; try again when that is done");
    else {
        int error = configurator_ask(configurator, owner.seat, &message, -1, answered, move);
        CRASH_POINT("element_move.asked");
        if (error != 0)
            fail(move, error, "its controller cannot be asked: %s", strerror(-error));
    }
}

void element_move_start(struct configurator *configurator, uint32_t element, uint32_t target,
                        element_moved_fn *done, void *context)
{
    struct element_move *move = calloc(1, sizeof *move);

    if (move == NULL) {
        done(context, &(struct element_moved){.status = -ENOMEM, .text = "not enough memory"});
        return;
    }
    *move = (struct element_move){.configurator = configurator,
                                  .next = configurator->moves,
                                  .element = element,
                                  .target = target,
                                  .done = done,
                                  .context = context};
    configurator->moves = move;
    start(move);
}
