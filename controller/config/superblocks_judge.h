/*
 * What superblocks.c asks of superblocks_judge.c.
 */
#ifndef CONTROLLER_CONFIG_SUPERBLOCKS_JUDGE_H
#define CONTROLLER_CONFIG_SUPERBLOCKS_JUDGE_H

#include "controller/config/images.h"

/* Whether this start is a new run of the volume: of a redundant one that can be written, and of any
 * redundant one at first. `standing` is that of before the start. */
bool superblocks_counts_runs(const struct config *config, uint32_t volume,
                             const struct standing *standing);

/* The run that is announced becomes that of the record. False: none was. */
bool superblocks_enter_run(struct superblock *superblock);

/* Why a member is stale, in words that live for ever. */
const char *superblocks_reason(const struct standing *standing, uint32_t place);

#endif
