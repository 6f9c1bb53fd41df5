/*
 * A sleeper and its wakers as threads: whatever is posted is found, though the sleeper blocks
 * without a time limit. One lost wake-up would hold this test for ever.
 */
#include "shm/seat.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/threads.h"
#include "tests/unit/unit.h"

enum { WAKERS = 2, POSTS = 30000, LIMIT_MS = 60000 };

static struct seat seat;
static _Atomic uint32_t posted[WAKERS];
static _Atomic uint32_t taken;
static int doorbell;

static void *run_waker(void *argument)
{
    _Atomic uint32_t *mine = argument;
    uint32_t seed = (uint32_t)(mine - posted) + 1;
    uint64_t one = 1;

    for (uint32_t post = 1; post <= POSTS; post++) {
        /* pairs with the sleeper's load */
        store_release(mine, post);
        if (seat_needs_doorbell(&seat))
            assert(write(doorbell, &one, sizeof one) == sizeof one);
        /* Nothing but the doorbell may wake the sleeper: wait until this one was found. */
        while (post % 4 == 0 && load_acquire(&taken) < post)
            thread_wait();
        for (uint32_t delay = thread_random(&seed) % 128; delay > 0; delay--)
            cpu_relax();
    }
    return NULL;
}

/* The least that any waker has posted. */
static uint32_t look(void)
{
    uint32_t least = POSTS;

    for (int i = 0; i < WAKERS; i++) {
        uint32_t count = load_acquire(&posted[i]);
        if (count < least)
            least = count;
    }
    return least;
}

static uint32_t sum(void)
{
    uint32_t all = 0;

    for (int i = 0; i < WAKERS; i++)
        all += load_acquire(&posted[i]);
    return all;
}

static void no_wake_up_is_lost(void)
{
    struct pollfd wait = {.events = POLLIN};
    pthread_t wakers[WAKERS];
    uint32_t seen = 0, sleeps = 0;
    uint64_t rung;

    wait.fd = doorbell = eventfd(0, EFD_CLOEXEC);
    assert(doorbell >= 0);
    for (int i = 0; i < WAKERS; i++)
        wakers[i] = thread_start(run_waker, &posted[i]);
    while (seen < WAKERS * POSTS) {
        uint32_t now = sum();
        /* pairs with the wakers' load */
        store_release(&taken, look());
        if (now != seen) {
            seen = now;
            continue;
        }
        seat_fall_asleep(&seat);
        if (sum() == seen) {
            assert(poll(&wait, 1, LIMIT_MS) == 1); /* else a wake-up was lost */
            assert(read(doorbell, &rung, sizeof rung) == sizeof rung);
            sleeps++;
        }
        seat_wake_up(&seat);
    }
    /* pairs with the wakers' load */
    store_release(&taken, POSTS);
    for (int i = 0; i < WAKERS; i++)
        thread_join(wakers[i]);
    printf("%u posts, %u sleeps\n", seen, sleeps);
    close(doorbell);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"no wake-up is lost", no_wake_up_is_lost},
    };
    return UNIT_RUN("seat, threads", tests);
}
