/*
 * An array of real processes, for tests that kill them between any two steps. Seat SOURCE has a
 * host that writes and no element; seat REDOER has neither; seat READER has a host that reads; the
 * others own the elements of one virtual volume. The test is the configuration controller.
 */
#ifndef TESTS_CRASH_PROCESSES_H
#define TESTS_CRASH_PROCESSES_H

#include <sys/types.h>

#include "controller/controller.h"
#include "controller/layout/layout.h"

enum { SOURCE, REDOER, READER, OWNERS, CONTROLLERS = OWNERS + 2 };
enum { MEMBERS = 4, MEMBER_BYTES = 512 << 10, CHUNK = 32 << 10, VOLUME_BYTES_MAX = 2 << 20 };
enum { FILL_BEFORE = 0x11, FILL_WRITTEN = 0x77 };
enum { NAME_ROOM = 48 };

/* What outlives all processes but the test. */
struct stage_of_test {
    _Atomic uint32_t go;                  /* the source may begin its write; the reader, to read */
    _Atomic uint32_t is_said;             /* what was to be done before is done */
    _Atomic uint32_t passed[CONTROLLERS]; /* crash points, since it was armed */
    uint32_t kill_at[CONTROLLERS];        /* at that one; 0: never */
    char killed_at[CONTROLLERS][NAME_ROOM];
    _Atomic uint32_t answered;
    int32_t status;
    uint8_t content[VOLUME_BYTES_MAX]; /* of the volume, as the reader has read it */
};

struct wanted {
    enum layout_kind kind;
    uint32_t failed; /* mask of the members that have failed before */
    uint8_t op, flags;
    uint64_t offset_bytes, length_bytes; /* of what the source writes */
};

struct processes {
    const struct wanted *wanted;
    struct segment segment;
    struct layout layout;
    uint64_t starts[MEMBERS + 1];
    int images[MEMBERS];
    struct element elements[MEMBERS];
    int doorbells[CONTROLLERS];
    int notice_fd;
    pid_t pids[CONTROLLERS];
    struct stage_of_test *stage;
};

/* Starts all of them and has the volume filled with FILL_BEFORE. The source is killed at crash
 * point `kill_source_at` of its write, the redoer at `kill_redoer_at` after it has seen the death
 * (0: never).
 */
void processes_start(struct processes *processes, const struct wanted *wanted,
                     uint32_t kill_source_at, uint32_t kill_redoer_at);

/* Has the source write. Returns whether it was killed at it. */
bool processes_write(struct processes *processes);

/* The source is dead: tells all, the redoer last. Returns whether that one was killed; then it has
 * told the others of that, too. Waits until nothing is reserved and nothing is to be redone. */
bool processes_recover(struct processes *processes);

/* Has the reader read the whole volume into stage->content. */
void processes_read(struct processes *processes);

void processes_end(struct processes *processes);

#endif
