/*
 * The judge: whether what hosts were told, and what stands on the images, is what an array may say.
 *
 * While an array lives, each volume's history must be linearizable (tests/history): whole commands
 * on virtual volumes, sectors on plain ones. A command that failed or was never answered may have
 * taken effect at any time or never, each of its sectors for itself.
 *
 * Over an end, a sector holds what some write may have left: W may be there unless a write that
 * began after W had been answered is sure to be. After SIGKILL of everything, and after an end in
 * order, each write that was answered well is sure; after a loss of power, one with FUA, and one
 * that was answered before a FLUSH of its volume began that was answered well. Never is a sector
 * mixed.
 *
 * What the program does not promise yet is left out as narrowly as it can be told (ARCHITECTURE.md,
 * Death, Superblocks): copies, or data and parity, of redundant volumes may differ where a write
 * was not answered well, and after a loss of power where one was not sure. There:
 * a sector is "open", with copies until it is written again; with parity so is all that lies at
 * the same place of all members.
 */
#ifndef TESTS_SIM_JUDGE_H
#define TESTS_SIM_JUDGE_H

#include "tests/sim/record.h"

/* Before the life ends: the answers that were given so far. */
void judge_errors(struct world *world);

/* After it has ended, thus: the history, and which sectors are open. */
void judge_life(struct world *world, enum sim_end end);

/* Whether members may still differ there. */
bool judge_is_open(const struct sim_volume *volume, uint32_t sector);

/* No member may differ any more. */
void judge_close(struct sim_volume *volume);

/* What a scrub has found that ended last on this volume, if any did: nothing. */
void judge_scrub(struct world *world, uint32_t volume);

/* In the next life, before anything was written: copies and parity on the images. */
void judge_copies(struct world *world);

/* While hosts are done and controllers idle: what dead controllers had under way is finished. */
void judge_settled(struct world *world);

/* And what its inspection has read of each volume: the records from `first_inspected` on. */
void judge_inspection(struct world *world, enum sim_end end, uint32_t first_inspected);

/* What a volume holds from now on, by what the last inspection or writing of all of it says; the
 * records of the past are forgotten. */
void judge_begin(struct world *world);

/* While hosts are done and controllers idle: that nothing is held by anybody. */
void judge_leaks(struct world *world);

#endif
