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

/* --- configurator_phases.c --- */

/* After a seat or a link changed: everybody looks. */
void configurator_publish_membership(struct configurator *configurator);

/* The phase begins: it is late after so many seconds. */
void configurator_enter_phase(struct configurator *configurator, enum configurator_phase phase,
                              uint32_t seconds);

/* Goes on to the next phase when the present one is complete, or its time is over. */
void configurator_look_at_phase(struct configurator *configurator);

/* SIGKILL to all controllers that are alive. */
void configurator_kill_all(struct configurator *configurator);

enum { START_SECONDS = 30 }; /* then controllers will not come up any more */

/* --- configurator_deaths.c --- */

/* A pidfd became readable; of a struct watched_controller. */
void configurator_controller_died(struct watched *watched, uint32_t events);

/* I/O that a killed controller had submitted still lands: its seat becomes DRAINED when the
 * descriptions that its io_uring used are gone. */
void configurator_look_at_draining(struct configurator *configurator);

#endif
