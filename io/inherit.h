/*
 * What a forked process keeps of the descriptors that it has inherited.
 */
#ifndef IO_INHERIT_H
#define IO_INHERIT_H

#include <stddef.h>

/* Closes all descriptors but 0, 1 and 2 and those named, in any order (-1: none is meant), so that
 * nothing depends on what else the parent had open. `keep` is sorted. 0 or -errno. */
int inherit_only(int *keep, size_t count);

#endif
