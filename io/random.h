/*
 * Bytes that nobody can guess, for identities. On this floor so that a simulation can draw them
 * from its seed.
 */
#ifndef IO_RANDOM_H
#define IO_RANDOM_H

#include <stddef.h>

/* Fills `bytes` (at most 256) from the kernel. 0 or -errno. */
int random_bytes(void *into, size_t bytes);

#endif
