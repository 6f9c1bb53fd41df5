/*
 * The configuration controller of a simulation. What it does is the program's own, processes and
 * their ends are not (processes.h), and it has no files, no sockets and no tools: it is opened
 * here. It lives outside the fibers: what it does, it does when it hears of something.
 *
 * When it dies it hears nothing any more, and its control channels hang up.
 */
#ifndef TESTS_SIM_CONFIGURATION_H
#define TESTS_SIM_CONFIGURATION_H

#include "controller/config/configurator.h"
#include "tests/sim/machine.h"

/* With the segment, the images and the configuration of this life; before its controllers start. */
void configuration_open(struct world *world);

/* Starts them. */
void configuration_start(struct world *world);

/* All controllers run. */
bool configuration_runs(struct world *world);

/* Whether it is alive. */
bool configuration_hears(const struct world *world);

/* After something happened: it looks whether it needs its clock. */
void configuration_turn(struct world *world);

/* Everything of it that is in memory goes; the segment is still there. */
void configuration_forget(struct world *world);

void configuration_dies(struct world *world);

/* A controller has changed its seat's state, or a job's (its notice). */
void configuration_noticed(struct world *world);

/* All controllers look at what has been written to shared memory. */
void configuration_publish(struct world *world);
void configuration_request_all(struct world *world, enum seat_request request);

/* Begins the orderly end. */
void configuration_stop(struct world *world);

/* Whether some job is being worked on, or will be; or a seat, or an owner, is being changed. */
bool configuration_has_jobs(struct world *world);

/* Starts a scrub of a redundant volume. */
void configuration_scrub(struct world *world, uint32_t volume, bool repairs);

/* Whether nothing is known of a volume's members that may differ. */
bool configuration_is_equal(const struct world *world, uint32_t volume);

#endif
