#include "bench/pair.h"

#include <assert.h>
#include <stddef.h>

/* The number-th core of a set, alone in a set of its own; false when there are not so many. */
static bool core_of(const cpu_set_t *set, int number, cpu_set_t *ret_core)
{
    for (size_t core = 0; core < CPU_SETSIZE; core++) {
        if (!CPU_ISSET(core, set) || number-- > 0)
            continue;
        CPU_ZERO(ret_core);
        CPU_SET(core, ret_core);
        return true;
    }
    return false;
}

bool pair_start(struct pair *pair, struct bench *bench, void *(*run)(void *), void *argument)
{
    cpu_set_t first, second;
    pthread_attr_t attributes;

    if (sched_getaffinity(0, sizeof(pair->before), &pair->before) < 0 ||
        !core_of(&pair->before, 0, &first) || !core_of(&pair->before, 1, &second)) {
        bench_skip(bench, "needs two cores");
        return false;
    }
    sched_setaffinity(0, sizeof(first), &first);
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof(second), &second);
    int status = pthread_create(&pair->other, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    assert(status == 0);
    return true;
}

void pair_join(struct pair *pair)
{
    pthread_join(pair->other, NULL);
    sched_setaffinity(0, sizeof(pair->before), &pair->before);
}
