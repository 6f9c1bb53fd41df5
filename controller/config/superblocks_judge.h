/*
 * What superblocks.c asks of superblocks_judge.c.
 */
#ifndef CONTROLLER_CONFIG_SUPERBLOCKS_JUDGE_H
#define CONTROLLER_CONFIG_SUPERBLOCKS_JUDGE_H

#include "controller/config/images.h"

/* What was announced in the records of the volumes that are started becomes their run, and that of
 * their standings. In memory. */
void superblocks_enter_runs(const struct config *config, struct images *images);

/* Why a member is stale, in words that live for ever. */
const char *superblocks_reason(const struct standing *standing, uint32_t place);

#endif
