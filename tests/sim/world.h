/*
 * The world of a simulation: virtual time, dice, images, and an array over them, all from one seed.
 *
 * One thread runs it. Controllers are fibers (fiber.h) that give way at each turn of their loops
 * and, when the dice say so, at any crash point; the scheduler (machine.h) draws who runs next. The
 * floor io/ is replaced by sim_loop.c, sim_element.c and sim_random.c; everything above it, and
 * shm/, is the program's own.
 *
 * A run is a series of lives of one array: it starts on the images that are there, is inspected,
 * serves hosts while faults happen (plan.h), and ends in order, by SIGKILL of everything, or by a
 * loss of power. After each end the next life's inspection is judged (judge.h). Everything that
 * happens goes into a hash, so that two runs of one seed can be compared.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdio.h>

#include "controller/config/config.h"
#include "controller/config/images.h"
#include "controller/controller.h"
#include "tests/sim/dice.h"
#include "tests/sim/events.h"
#include "tests/sim/image.h"
#include "tests/sim/plan.h"

struct configurator;
struct machine;
struct record;

enum { SIM_DEATHS_MAX = 64 }; /* that are counted in a life */

enum sim_end { END_IN_ORDER, END_KILLED, END_POWER };

/* A volume that hosts see, as the judge knows it; it outlives the array's lives. */
struct sim_volume {
    char name[NAME_BYTES_MAX + 1];
    uint32_t index; /* in the mapping table */
    uint32_t sectors;
    enum layout_kind kind;
    uint64_t *initial;       /* by sector: the tag when this life's hosts began */
    uint64_t *open_from_ns;  /* by sector: since when copies may differ; UINT64_MAX: never */
    uint64_t *open_until_ns; /* and until when */
    uint64_t *zeroed;        /* by sector: tag of the one command that zeroes it in this life */
    uint32_t touched;        /* members that a fault has reached in this life */
    uint32_t lost_members;   /* that lack what was cached: their owner died, or they failed */
    bool lost_once;          /* more of them failed in the last life than it can do without */
    uint32_t stale_once;     /* that may have been stale in the last life */
    uint32_t failed_before;  /* members that were stale when it began */
    bool finished;        /* what dead controllers had begun to write was finished in this life */
    struct layout layout; /* virtual ones */
    uint64_t starts[MEMBERS_MAX + 1];
    uint32_t member_element[MEMBERS_MAX]; /* plain: [0] */
    uint64_t member_offset[MEMBERS_MAX];  /* of the member on its element */
    uint32_t members;                     /* plain: 1 */
};

/* A controller's life that ended otherwise than in order. */
struct sim_death {
    uint32_t seat;
    uint64_t at_ns;
};

struct world {
    uint64_t seed;
    struct dice dice;
    struct plan plan;
    uint64_t now_ns;
    struct events events;
    uint64_t hash, steps;
    FILE *trace; /* NULL: none */
    char failure[4096];
    bool failed;

    struct image images[SIM_IMAGES_MAX];
    uint32_t images_count;
    struct image *image_of[SIM_ELEMENTS_MAX]; /* by element: the one that it has */
    struct sim_volume volumes[SIM_VOLUMES_MAX];
    uint32_t volumes_count;
    uint64_t tags;  /* of writes, so far */
    uint64_t marks; /* of descriptions of images, so far */

    /* this life */
    uint32_t life;
    bool any_died_before; /* in the life before */
    bool settled;         /* it is judged while nothing is under way */
    struct config *config;
    struct images opened;
    struct segment segment;
    struct machine *machines;
    uint32_t machines_count;
    bool faults; /* may happen now */
    struct configurator *configurator;
    bool configurator_dead;
    struct event notice; /* to the configuration controller */
    struct event links_change, operator_next;
    bool replacing;                          /* an element's image */
    struct sim_death deaths[SIM_DEATHS_MAX]; /* of controllers, in order */
    uint32_t deaths_count;
    bool serves;                           /* hosts are to ask for something */
    bool journal_failed;                   /* some I/O of one did */
    bool element_failed[SIM_ELEMENTS_MAX]; /* some I/O of it did, or it was asked for */
    struct record *records;
    uint32_t records_count, records_room;
    uint32_t ends_after; /* so many records */
};

/* The one that runs. Set by sim_run; read by the floor that replaces io/, which has no argument to
 * carry it. */
extern struct world *sim_world;

/* Runs a seed to its end. True: nothing was wrong; else world->failure says what. */
bool sim_run(struct world *world, uint64_t seed, FILE *trace);
void sim_done(struct world *world);

/* Something is wrong: the first time counts, and the run ends soon. */
void sim_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes what happens, for the hash and the trace. */
void sim_note(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Virtual time never stands still between two things that are noted. */
static inline uint64_t sim_tick(struct world *world)
{
    return ++world->now_ns;
}

#endif
