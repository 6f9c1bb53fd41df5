/*
 * Parity arithmetic: P and Q of data columns, and columns out of P and Q. Pure; by ISA-L.
 *
 *      P = d0 + d1 + d2 + ...
 *      Q = d0 + g d1 + g^2 d2 + ...
 *
 * over GF(2^8) with the polynomial 0x11d, where + is xor and g is 2: what md and others write.
 *
 * Lengths are any number of bytes up to INT_MAX and buffers may begin anywhere. What is written
 * must not overlap what is read, unless it says "in place". Buffers belong to the caller; nothing
 * is kept.
 *
 * Buffers that lie alike within 32 bytes, as all do that lie on their members alike, take half the
 * time.
 */
#ifndef CONTROLLER_LAYOUT_PARITY_H
#define CONTROLLER_LAYOUT_PARITY_H

#include <stddef.h>
#include <stdint.h>

#include "shm/limits.h"

/* Computes P, or Q, or both (NULL: not wanted; one of them is) of `columns` data buffers of
 * `length_bytes`. */
void parity_generate(const uint8_t *const *data, uint32_t columns, size_t length_bytes, uint8_t *p,
                     uint8_t *q);

/* Makes `old` what changes from it to `fresh`, in place: their difference. */
void parity_delta(uint8_t *old, const uint8_t *fresh, size_t length_bytes);

/* Brings P and Q (NULL: there is none) up to date, in place, with a change of column `column` by
 * the difference `delta`. */
void parity_update(const uint8_t *delta, uint32_t column, size_t length_bytes, uint8_t *p,
                   uint8_t *q);

/* Computes the lost ones (a mask, one or two) of `columns` data buffers into their places in
 * `data`, which only those of the lost are written to. One lost column wants P or Q, two want both;
 * what is not to be had is NULL. Where both are given for one, P is used. */
void parity_recover(uint8_t *const *data, uint32_t columns, uint32_t lost, size_t length_bytes,
                    const uint8_t *p, const uint8_t *q);

/* Which of `columns` data buffers is wrong, if one alone is: given what P and Q of the data differ
 * from those that were stored by. Then the Q's difference is the P's times g^column, byte for byte,
 * for one column and no other; and the P's is what that column differs by from what it held. -1: no
 * single column explains both. Two that are wrong at the same bytes alone can look like a third:
 * for bytes at random, one time in 256 / columns to the power of how many bytes are wrong. */
int parity_locate(const uint8_t *p_difference, const uint8_t *q_difference, uint32_t columns,
                  size_t length_bytes);

#endif
