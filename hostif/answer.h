/*
 * Answers: finished commands become what is sent, many of them in one message. Headers are written
 * into an arena, payload is named where it lies.
 */
#ifndef HOSTIF_ANSWER_H
#define HOSTIF_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "controller/path/command.h"
#include "hostif/nbd_parse.h"

enum {
    ANSWER_VECTORS = 512,
    ANSWER_HEADS_BYTES = 16 << 10,
    ANSWER_PIECES_MAX = 64,        /* data and holes of one sparse read */
    ANSWER_BYTES_SOFT = 256 << 10, /* one message takes no more commands beyond this */
};

struct answer {
    struct iovec vectors[ANSWER_VECTORS];
    uint8_t heads[ANSWER_HEADS_BYTES];
    uint32_t vectors_count;
    uint32_t heads_bytes;
    uint64_t bytes;
};

/* The request's own properties that decide the form of its answer; in command->cookie's company. */
enum { ANSWER_DONT_FRAGMENT = 1 << 0, ANSWER_LOCATION = 1 << 1, ANSWER_ALLOCATION = 1 << 2 };

void answer_begin(struct answer *answer);

/* Adds a command's answer. False: there is no room left for it, send first. Its payload must stay
 * until the message was sent. */
bool answer_add(struct answer *answer, struct command *command, const struct nbd_agreed *agreed);

#endif
