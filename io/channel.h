/*
 * A channel: two connected ends for messages of a fixed size, each whole or not at all, with at
 * most one descriptor beside it (a SOCK_SEQPACKET pair). For what is rare: asking another process
 * of the array to do something. Nothing here ever waits; whoever has nothing to do until a message
 * comes watches the end for reading (loop_poll_in, watch_add).
 */
#ifndef IO_CHANNEL_H
#define IO_CHANNEL_H

#include <stddef.h>

/* Makes both ends, close-on-exec; they are the caller's to close. 0 or -errno. */
int channel_pair(int ret_ends[2]);

/* Sends a message, and a copy of the descriptor `pass_fd`, which stays the caller's (-1: none). 0;
 * -EAGAIN: the other end has not read so much for long; -EPIPE: it is closed; or -errno. */
int channel_send(int end, const void *message, size_t bytes, int pass_fd);

/* The next message, which must be of exactly so many bytes. *ret_fd is the descriptor that came
 * with it, the caller's to close, or -1. 0; -EAGAIN: there is none now; -EPIPE: the other end is
 * closed; -EBADMSG: it is of another size, and gone; or -errno. */
int channel_receive(int end, void *into, size_t bytes, int *ret_fd);

#endif
