/*
 * The plan of a run: the array's shape and which faults it may meet, drawn from the seed.
 */
#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include "io/element.h"
#include "shm/cache_mode.h"
#include "tests/sim/dice.h"

enum {
    SIM_CONTROLLERS_MAX = 4,
    SIM_ELEMENTS_MAX = 6,
    SIM_IMAGES_MAX = 24,
    SIM_VOLUMES_MAX = 8, /* that hosts see */
    SIM_CONFIG_BYTES = 8192,
};

struct plan {
    uint32_t controllers, elements;
    uint64_t element_bytes;
    enum element_mode modes[SIM_ELEMENTS_MAX];
    uint32_t unit_bytes;
    uint32_t slots, ring_entries;
    bool takeover;
    enum cache_mode cache_mode;
    uint32_t cache_blocks;  /* of each controller: few, so that blocks have to go */
    uint64_t journal_bytes; /* of each controller's; 0: the array has none */
    enum element_mode journal_mode;
    uint64_t job_rate_bytes;       /* as in the segment's header */
    uint64_t intents_clear_ns;     /* as there */
    uint32_t lives;                /* that serve hosts */
    uint32_t commands;             /* of all hosts, in a life */
    uint32_t depth;                /* of each host */
    char config[SIM_CONFIG_BYTES]; /* YAML */

    /* Faults, as "once in": 0 is never. */
    uint32_t switch_once_in;        /* crash points: another controller runs */
    uint32_t stuck_once_in;         /* turns: nobody hears of the controller for some time */
    uint32_t crash_once_in;         /* lives of a controller: it dies in the middle */
    uint32_t crash_steps_max;       /* after so many of its steps at most */
    uint32_t idle_crash_once_in;    /* ends in order: one dies when all hosts are done */
    uint32_t slow_once_in;          /* element I/O: 10 to 300 ms */
    uint32_t error_once_in;         /* element I/O of one that fails */
    uint32_t failing_once_in;       /* lives of an element: it fails */
    uint32_t short_once_in;         /* element I/O: moves less than was asked */
    uint32_t in_two_once_in;        /* element I/O: takes effect in two steps */
    uint32_t doorbell_once_in;      /* ring entries: lost, repeated or out of order */
    uint32_t late_doorbell_once_in; /* eventfds: heard late */
    bool cut_links;                 /* links fail, lose and delay, and are repaired */
    bool operates;                  /* elements fail and are replaced, volumes are scrubbed */
    uint32_t stuck_long_once_in;    /* of those that are stuck: so long that it is noticed */
    uint32_t restart_once_in;       /* what is operated: dead ones are started, elements moved */
    uint32_t stop_once_in;          /* of these: one that runs is stopped */
    uint32_t configurator_once_in;  /* lives of the configuration controller: it dies */
};

void plan_draw(struct plan *ret_plan, struct dice *dice);

#endif
