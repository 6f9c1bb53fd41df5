/*
 * What the parts of the judge share (judge.h).
 */
#ifndef TESTS_SIM_JUDGE_PARTS_H
#define TESTS_SIM_JUDGE_PARTS_H

#include "tests/sim/judge.h"

static inline bool is_redundant(const struct sim_volume *volume)
{
    return layout_kind_redundant(volume->kind);
}

static inline bool has_parity(const struct sim_volume *volume)
{
    return volume->kind != LAYOUT_NONE && volume->layout.parities > 0;
}

static inline bool is_write(const struct record *record)
{
    return command_changes_data(record->op);
}

static inline bool answered_well(const struct record *record)
{
    return record->return_ns != RECORD_NEVER && record->status == 0;
}

static inline bool covers(const struct record *record, uint32_t volume, uint32_t sector)
{
    return record->volume == volume && sector >= record->first &&
           sector - record->first < record->sectors;
}

/* Opens the sectors in which members may differ because a write was not answered well, until one
 * that was has made them equal; and, after a loss of power, those in which it is not sure what
 * stands. */
void judge_open_failed(struct world *world);
void judge_open_unsure(struct world *world, enum sim_end end);

/* When the last of the writes of a sector began that are sure to be there: what had been answered
 * before it cannot be there. 0: none is. */
uint64_t judge_last_sure_ns(const struct world *world, uint32_t volume, uint32_t sector,
                            enum sim_end end);

/* Whether what hosts were told of this volume in this life is linearizable. */
void judge_history(struct world *world, uint32_t number);

#endif
