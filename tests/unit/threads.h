/*
 * For tests that run two sides as threads under ThreadSanitizer.
 *
 * The sides assert() instead of using CUnit, whose bookkeeping belongs to one thread: a wrong value
 * ends the test at once, with the line.
 */
#ifndef TESTS_UNIT_THREADS_H
#define TESTS_UNIT_THREADS_H

#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

static inline pthread_t thread_start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    int status = pthread_create(&thread, NULL, run, argument);
    assert(status == 0);
    return thread;
}

static inline void thread_join(pthread_t thread)
{
    int status = pthread_join(thread, NULL);
    assert(status == 0);
}

/* A spinning wait lets the other side run, for there may be one core only. */
static inline void thread_wait(void)
{
    sched_yield();
}

/* Varies batch sizes and delays; the same in every run. */
static inline uint32_t thread_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

#endif
