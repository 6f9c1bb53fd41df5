/*
 * Pieces: how a job cuts a redundant volume. A piece is a range of all of its members, at the same
 * place of each.
 */
#ifndef CONTROLLER_RECOVERY_PIECE_H
#define CONTROLLER_RECOVERY_PIECE_H

#include <stdint.h>

#include "controller/layout/layout.h"

/* How long the piece is that begins there: within one chunk, where there are chunks. */
uint64_t piece_bytes(const struct layout *layout, uint64_t position_bytes);

/* The place of the piece of one column in the virtual volume. With parity any column says which
 * place of all members is meant. */
uint64_t piece_offset(const struct layout *layout, uint64_t position_bytes, uint32_t column);

#endif
