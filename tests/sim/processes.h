/*
 * The kernel as the configuration controller knows it: processes that it starts, kills and hears
 * end, pipes that hang up with them, timers, and what /proc says of a process.
 *
 * All of it is behind descriptors that are numbers only. The build puts what is defined here in the
 * place of what libc, or the making of a process, would do (meson.build, --wrap); so starting,
 * watching and ending controllers is the program's own (controller/config/configurator_*.c,
 * seats.c, seat_start.c, heartbeats.c).
 */
#ifndef TESTS_SIM_PROCESSES_H
#define TESTS_SIM_PROCESSES_H

#include "io/watch.h"
#include "tests/sim/machine.h"

/* A controller waits for the end of a lifeline. */
void processes_listen(int lifeline, struct machine *machine, struct completion *completion);

/* Who waited for lifelines is gone. */
void processes_stop_listening(struct machine *machine);

/* The configuration controller waits for a timer, a pidfd or its notice. False: it is none. */
bool processes_watch(struct watched *watched);

/* The process is gone: its parent hears that a little later. */
void processes_ended(struct machine *machine);

/* False: it is none of these descriptors. */
bool processes_close(int fd);

/* The life of the array is over. */
void processes_forget(void);

#endif
