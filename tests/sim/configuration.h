/*
 * The configuration controller of a simulation. Its parts that start, watch and end processes
 * (controller/config/configurator.c) are replaced here; asking controllers, and jobs, are the
 * program's own. It lives outside the fibers: what it does, it does when it hears of something.
 *
 * When it dies it hears nothing any more, and its control channels hang up.
 */
#ifndef TESTS_SIM_CONFIGURATION_H
#define TESTS_SIM_CONFIGURATION_H

#include "controller/config/configurator.h"
#include "tests/sim/machine.h"

/* With the segment, the images and the configuration of this life; before its controllers start. */
void configuration_open(struct world *world);

/* All controllers run. */
void configuration_runs(struct world *world);

/* Everything of it that is in memory goes; the segment is still there. */
void configuration_forget(struct world *world);

void configuration_dies(struct world *world);

/* A controller has changed its seat's state, or a job's (its notice). */
void configuration_noticed(struct world *world);

/* A controller is gone, which is heard a little later. */
void configuration_will_hear_end(struct machine *machine);

/* All controllers look at what has been written to shared memory. */
/* Asks all to flush before they end; whether they have answered, or could not be asked. */
void configuration_flush_all(struct world *world);
bool configuration_is_flushed(struct world *world);

void configuration_publish(struct world *world);
void configuration_request_all(struct world *world, enum seat_request request);

/* Whether some job is being worked on, or will be. */
bool configuration_has_jobs(struct world *world);

/* Starts a scrub of a redundant volume. */
void configuration_scrub(struct world *world, uint32_t volume, bool repairs);

/* Whether nothing is known of a volume's members that may differ. */
bool configuration_is_equal(const struct world *world, uint32_t volume);

#endif
