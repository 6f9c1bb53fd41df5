/*
 * What has been lost of what was acknowledged, as it stands in shared memory: looked at when
 * something ends. Nothing else of the array goes by it.
 */
#ifndef CONTROLLER_LOSS_H
#define CONTROLLER_LOSS_H

#include <stdbool.h>
#include <stdint.h>

struct segment;

/* Whether the cache of a controller that has died holds what the element's image may lack. Looks at
 * all headers of such caches. */
bool loss_is_left_dirty(const struct segment *segment, uint32_t element);

/* Whether something that was acknowledged of a volume is nowhere but in such a cache, or nowhere:
 * of a plain one, or of a member that its volume does not do without. */
bool loss_is_there(const struct segment *segment, uint32_t element);

#endif
