/*
 * Two sides of a benchmark on two cores: the caller on one, a thread of its own on another.
 */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <pthread.h>
#include <sched.h>

#include "bench/bench.h"

struct pair {
    pthread_t other;
    cpu_set_t before; /* where the caller was allowed to run */
};

/* Pins the caller and starts `run` on another core. False, with the benchmark skipped, when there
 * is one core only. */
bool pair_start(struct pair *pair, struct bench *bench, void *(*run)(void *), void *argument);

/* Waits until `run` has returned, and unpins the caller. */
void pair_join(struct pair *pair);

#endif
