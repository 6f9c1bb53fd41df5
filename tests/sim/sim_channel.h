/*
 * Control channels of a simulation (io/channel.h), beside what the program calls.
 */
#ifndef TESTS_SIM_SIM_CHANNEL_H
#define TESTS_SIM_SIM_CHANNEL_H

#include "io/watch.h"
#include "tests/sim/machine.h"

/* A controller's loop waits for its end. */
void sim_channel_listen(int fd, struct machine *machine, struct completion *completion);

/* Closes a descriptor, of this simulation or a real one: what the program calls close. */
int sim_close(int fd);

/* A life is over: nothing is left of its channels. */
void sim_channels_forget(void);

#endif
