#include "controller/deaths.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/controller.h"

struct watched_life {
    struct completion hung_up;
    struct controller *controller;
    struct seat *seat;
    uint32_t epoch;
};

static void life_ended(struct completion *completion, int result)
{
    struct watched_life *life = (struct watched_life *)(void *)completion;

    if (result < 0) /* the kernel could not poll: the configuration controller is left */
        return;
    seat_declare_dead(life->seat, life->epoch);
    peers_look_at_seats(life->controller);
    takeover_look(life->controller);
}

_Static_assert(offsetof(struct watched_life, hung_up) == 0, "life_ended relies on it");

int deaths_watch(struct controller *controller, const int *lifelines)
{
    uint32_t count = controller->segment.geometry.controllers;

    if (lifelines == NULL)
        return 0;
    controller->lives = calloc(count, sizeof *controller->lives);
    if (controller->lives == NULL)
        return -ENOMEM;
    for (uint32_t id = 0; id < count; id++) {
        struct seat *seat = segment_seat(&controller->segment, id);
        if (id == controller->id)
            continue;
        controller->lives[id] = (struct watched_life){
            .hung_up.fire = life_ended,
            .controller = controller,
            .seat = seat,
            .epoch = load_relaxed(&seat->epoch), /* relaxed: set before we were started */
        };
        loop_poll_in(controller->loop, lifelines[id], &controller->lives[id].hung_up);
    }
    return 0;
}

void deaths_done(struct controller *controller)
{
    free(controller->lives);
}
