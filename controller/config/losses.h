/*
 * What an array cannot start with unless it is told to: volumes with parity of which something may
 * be lost. Where everything ended without order while a member was missing, a row of which data and
 * parity were not all written does not tell any more what that member held: any of it, also what
 * nobody wrote to for years. Nothing can be read wrong before somebody has said that he knows.
 */
#ifndef CONTROLLER_CONFIG_LOSSES_H
#define CONTROLLER_CONFIG_LOSSES_H

#include "controller/config/images.h"

/* A part of a member, as places on it; both ends at whole regions, or at its end. */
struct loss {
    uint64_t from_bytes, end_bytes;
};

/* Whether something of this volume may be lost, given its regions in doubt: it has parity, and
 * members that are stale. The standings are known. */
bool losses_possible(const struct config *config, const struct images *images, uint32_t volume);

/* The volume may have lost what its stale members held in these places (not 0 of them), in order.
 * 0 when config->accept_losses says so: then it is said on stderr. Else -EUCLEAN and *ret_error,
 * which names the volume, the members, the ranges of the volume and the way out. */
int losses_judge(const struct config *config, struct images *images, uint32_t volume,
                 const struct loss *losses, uint32_t count, struct config_error *ret_error);

#endif
