/*
 * What seats.c and seat_start.c share with each other.
 */
#ifndef CONTROLLER_CONFIG_SEATS_PARTS_H
#define CONTROLLER_CONFIG_SEATS_PARTS_H

#include "controller/config/configurator_parts.h"

struct seat_care *seat_care_of(struct configurator *configurator, uint32_t id);

/* What was done to the seat has ended: with success (NULL), or why not. */
void seat_task_over(struct configurator *configurator, uint32_t id, const char *why);

/* The next step of what is done to a seat, which is late after so many seconds. */
void seat_enter_step(struct configurator *configurator, uint32_t id, enum seat_step step,
                     uint32_t seconds);
bool seat_is_late(const struct seat_care *care);

/* Why nothing can be done to any seat at present, or NULL. */
const char *seats_refusal(const struct configurator *configurator);

/* SIGKILL to a controller by its pidfd: a number may be another process's by now. 0 or -errno. */
int seat_send_kill(const struct configurator *configurator, uint32_t id);

/* One that is being stopped owns nothing any more: its hosts are let go. */
void seat_stop_empty(struct configurator *configurator, uint32_t id);

/* One whose process is there already: its start is over when it serves. */
void seat_start_go_on(struct configurator *configurator, uint32_t id);

/* Goes on with a start. */
void seat_start_look(struct configurator *configurator, uint32_t id);

/* A start has ended early: takes away what was made for it. */
void seat_start_undo(struct configurator *configurator, uint32_t id);

/* Restarts it by itself, if the configuration says so and it has not died too often. */
void seat_start_after_death(struct configurator *configurator, uint32_t id);

#endif
