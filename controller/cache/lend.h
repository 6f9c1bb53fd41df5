/*
 * Blocks of the cache as payload, so that nothing is copied between the two.
 *
 *      a write of whole blocks             its blocks are taken before its payload comes; the
 *                                          socket is received into them; CACHE publishes them as
 *                                          dirty, or, when it was written through, KEEP as clean
 *      a read that the cache answers       its blocks are pinned, and the socket is sent from them,
 *                                          until the answer has left
 *
 * Either way the command names them in cache.blocks (path/command.h), and command_give returns
 * them. A pinned block may be replaced, dropped or evicted meanwhile, but nothing else is put into
 * its memory (blocks.h).
 */
#ifndef CONTROLLER_CACHE_LEND_H
#define CONTROLLER_CACHE_LEND_H

#include "controller/path/command.h"
#include "shm/mapping.h"

/* Whether a host's write is of whole blocks of an element that is cached here, and need not wait
 * for room to become dirty; then cache_lend finds blocks for it, if nothing else happens in
 * between. */
bool cache_lends(struct controller *controller, uint32_t volume, uint64_t offset_bytes,
                 uint64_t length_bytes, uint8_t flags, struct mapping_place *ret_place);

/* Gives such a write, which has no buffer, its blocks, and what room they need. */
void cache_lend(struct controller *controller, struct command *command,
                const struct mapping_place *place);

/* Answers a host's read of which the cache has all from where it lies. False: too much is pinned
 * already, or it is too long, or its origin wants it in its buffer. */
bool cache_pin(struct controller *controller, struct command *command);

/* The element of a write that was lent blocks is another controller's by now: gives it a buffer and
 * takes them back. False: there is none. */
bool cache_unlend(struct controller *controller, struct command *command);

/* What the command was lent, or has pinned, goes back. */
void cache_take_back(struct controller *controller, struct command *command);

#endif
