/*
 * The dice of a simulation: everything that is left to chance is drawn here, from the seed alone.
 */
#ifndef TESTS_SIM_DICE_H
#define TESTS_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

/* One step of mixing: every bit of the result depends on every bit of `word`. */
static inline uint64_t dice_mix(uint64_t word)
{
    word = (word ^ (word >> 32)) * 0xd6e8feb86659fd93u;
    word = (word ^ (word >> 32)) * 0xd6e8feb86659fd93u;
    return word ^ (word >> 32);
}

static inline uint64_t dice_throw(struct dice *dice)
{
    dice->state += 0x9e3779b97f4a7c15u;
    return dice_mix(dice->state);
}

/* 0 <= result < sides; sides is 1 or more. */
static inline uint64_t dice_below(struct dice *dice, uint64_t sides)
{
    return dice_throw(dice) % sides;
}

static inline uint64_t dice_between(struct dice *dice, uint64_t least, uint64_t most)
{
    return least + dice_below(dice, most - least + 1);
}

/* True once in `times`; 0: never. */
static inline bool dice_once_in(struct dice *dice, uint64_t times)
{
    return times != 0 && dice_below(dice, times) == 0;
}

#endif
