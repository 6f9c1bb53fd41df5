/*
 * What the files of the configuration controller share with each other: configurator.c opens and
 * closes it and turns, configurator_phases.c leads the array from start to end,
 * configurator_spawn.c makes controllers' processes, configurator_deaths.c sees them end. Everybody
 * else includes configurator.h.
 */
#ifndef CONTROLLER_CONFIG_CONFIGURATOR_PARTS_H
#define CONTROLLER_CONFIG_CONFIGURATOR_PARTS_H

#include "controller/config/configurator.h"

#define CONFIGURATOR_OF(pointer, member)                                                           \
    ((struct configurator *)((char *)(pointer)-offsetof(struct configurator, member)))

struct seat *configurator_seat(const struct configurator *configurator, uint32_t id);

/* Closes a descriptor that is open (not -1), and says so in it. */
void close_if_open(int *fd);

/* Nothing is made yet, so all of it can be closed. */
void configurator_clear(struct configurator *configurator, const struct config *config,
                        struct watch *watch);

/* Room for witnesses, of nothing. 0 or -ENOMEM. */
int configurator_make_witnesses(struct configurator *configurator);

/* Watches the eventfd that controllers ring, which is there, and a clock of its own. 0 or -errno.
 */
int configurator_watch_own(struct configurator *configurator);

/* A lifeline and a control line for a controller that is to be started; those that it had are
 * closed. 0 or -errno. */
int configurator_equip(struct configurator *configurator, uint32_t id);

/* --- configurator_phases.c --- */

/* After a seat or a link changed: everybody looks. */
void configurator_publish_membership(struct configurator *configurator);

/* The phase begins: it is late after so many seconds. */
void configurator_enter_phase(struct configurator *configurator, enum configurator_phase phase,
                              uint32_t seconds);

/* All controllers serve: RUNNING, with heartbeats, and elements follow traffic. */
void configurator_begin_to_run(struct configurator *configurator);

/* Goes on to the next phase when the present one is complete, or its time is over. */
void configurator_look_at_phase(struct configurator *configurator);

/* SIGKILL to all controllers that are alive. */
void configurator_kill_all(struct configurator *configurator);

enum { START_SECONDS = 30 }; /* then controllers will not come up any more */

/* --- configurator_spawn.c --- */

/* A life of this epoch begins in a seat, before a process can look at it. */
void configurator_begin_life(struct configurator *configurator, uint32_t id, uint32_t epoch);

/* Makes the controller's process: with its descriptors, those of the elements that are open, and
 * its sockets. Closes our copies of what is its own alone. 0 or -errno. */
int configurator_spawn(struct configurator *configurator, uint32_t id);

/* A second description of each image that is open, for us and for all controllers, which may take
 * its element over one day. Without one its owner, should it die, never counts as drained, and the
 * element fails: safe, and not worth an end. */
void configurator_open_witnesses(struct configurator *configurator);

/* The descriptions that hold the locks now belong to the controllers. */
void configurator_hand_over_elements(struct configurator *configurator);

/* --- configurator_deaths.c --- */

/* The process of a seat's life is gone: it is DEAD for everybody, and its sockets are closed. */
void configurator_declare_dead(struct configurator *configurator, uint32_t id);

/* A pidfd became readable; of a struct watched_controller. */
void configurator_controller_died(struct watched *watched, uint32_t events);

/* I/O that a killed controller had submitted still lands: its seat becomes DRAINED when the
 * descriptions that its io_uring used are gone. */
void configurator_look_at_draining(struct configurator *configurator);

#endif
