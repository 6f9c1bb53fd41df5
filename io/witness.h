/*
 * A witness: knows when the last I/O that was submitted through one open file description has
 * landed, though its process was killed and whatever became of its path.
 *
 * The description carries a mark, a shared record lock (F_OFD) on one byte far behind any data, at
 * a place drawn at random. The kernel gives it up with the description, and that stays as long as
 * an io_uring uses it. The witness is a second description of the same inode, by which it asks
 * whether the mark is still there. The flock (io/element.h) would not do: other arrays may hold it
 * as well, where all of them only read.
 */
#ifndef IO_WITNESS_H
#define IO_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

struct witness {
    int fd;             /* -1: none */
    uint64_t mark_byte; /* of the description that is watched */
};

/* Marks the description of `fd`, which can be read. 0 with the mark's place, or -errno. */
int witness_mark(int fd, uint64_t *ret_mark_byte);

/* A witness of the marked description of `fd`; it is the caller's to close. 0 or -errno. */
int witness_open(struct witness *ret_witness, int fd, uint64_t mark_byte);

/* Another descriptor of the same inode; it is the caller's to close. Of none: none. 0 or -errno. */
int witness_copy(struct witness *ret_witness, const struct witness *witness);

/* Whether the description is gone, and with it all of its I/O. False when there is no witness. */
bool witness_saw_end(const struct witness *witness);

/* Nothing happens when there is none. */
void witness_close(struct witness *witness);

#endif
