#include "controller/deaths.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "controller/controller.h"

struct watched_life {
    struct completion hung_up;
    struct controller *controller;
    struct seat *seat;
    uint32_t epoch;
    int lifeline;
    int own_fd; /* of a lifeline that came later; -1: it is the caller's */
    bool heard;
};

static void life_ended(struct completion *completion, int result)
{
    struct watched_life *life = (struct watched_life *)(void *)completion;

    life->heard = true;
    if (result < 0) /* the kernel could not poll: the configuration controller is left */
        return;
    seat_declare_dead(life->seat, life->epoch);
    peers_look_at_seats(life->controller);
    takeover_look(life->controller);
}

_Static_assert(offsetof(struct watched_life, hung_up) == 0, "life_ended relies on it");

static void watch_life(struct watched_life *life, uint32_t epoch, int lifeline)
{
    life->epoch = epoch;
    life->lifeline = lifeline;
    life->heard = false;
    loop_poll_in(life->controller->loop, lifeline, &life->hung_up);
}

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
        controller->lives[id] = (struct watched_life){.hung_up.fire = life_ended,
                                                      .controller = controller,
                                                      .seat = seat,
                                                      .lifeline = lifelines[id],
                                                      .own_fd = -1};
        if (id == controller->id)
            continue;
        /* relaxed: set before we were started; of one that was declared dead it says nothing */
        watch_life(&controller->lives[id], load_relaxed(&seat->epoch), lifelines[id]);
    }
    return 0;
}

bool deaths_was_heard(const struct controller *controller, uint32_t id)
{
    return controller->lives == NULL || controller->lives[id].heard;
}

int deaths_lifeline(const struct controller *controller, uint32_t id)
{
    return controller->lives != NULL ? controller->lives[id].lifeline : -1;
}

static void close_own(struct watched_life *life)
{
    if (life->own_fd >= 0)
        close(life->own_fd);
    life->own_fd = -1;
}

void deaths_watch_again(struct controller *controller, uint32_t id, uint32_t epoch, int lifeline)
{
    assert(deaths_was_heard(controller, id));
    if (controller->lives == NULL) {
        close(lifeline);
        return;
    }
    struct watched_life *life = &controller->lives[id];
    close_own(life);
    life->own_fd = lifeline;
    watch_life(life, epoch, lifeline);
}

void deaths_done(struct controller *controller)
{
    for (uint32_t i = 0; controller->lives != NULL && i < controller->segment.geometry.controllers;
         i++)
        close_own(&controller->lives[i]);
    free(controller->lives);
}
