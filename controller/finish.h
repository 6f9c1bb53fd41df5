/*
 * The end of a controller, after its loop: what it owns is made durable, and where that fails, what
 * can still be said of it is said.
 */
#ifndef CONTROLLER_FINISH_H
#define CONTROLLER_FINISH_H

struct controller;

/* Flushes the elements, and writes what is kept beside their data. Nothing is on its way to them
 * any more. Blocks for as long as they take.
 *
 * A member whose last flush fails is marked as failed, if its volume bears that: in its own
 * superblock, if that can be written, for it may be the only one that is left to be written, and in
 * those of all members whose controllers end after this one. So the next start does not take it for
 * one that has all.
 *
 * 0; -EIO: something that was acknowledged is on no element that a volume can use: a flush, a
 * durable write or a write-back of an element failed, now or before, and a volume is lost by it. */
int finish_elements(struct controller *controller);

/* Gives up the locks of the elements, unless something is still on its way to one: then the kernel
 * does, when that has landed. */
void finish_unlock(struct controller *controller);

#endif
