/*
 * Journals at a start: what controllers' journals (controller/journal/journal.h) of the last run
 * hold is written to the members once more, before anybody looks at them, and the journals begin
 * anew.
 *
 * Each controller has a file of its own, the configured path and its seat, FILE.0 and so on. All
 * files of a run have one generation, and so have the superblocks of members that were written with
 * it. What a start does, in steps of which each may be the last:
 *
 *      1. all records that count are written, in the order of their sequences, and flushed
 *      2. each file gets a header with the next generation, which names the one before
 *      3. superblocks say the next generation, while the new run is entered (superblocks.h)
 *
 *      killed in     files say              superblocks say    the next start
 *      1             the last one           the last one       replays
 *      2             some the next one      the last one       replays nothing: all has been
 *      3             the next one           some the next one  as in 2, or there is nothing to
 * replay
 *
 * A volume is covered when the superblocks of all its members that are up to date say the
 * generation that the files hold whole, or have replayed: then nothing in it is in doubt, whatever
 * its intents say. Else (a run without a journal, files that are lost, images from a backup)
 * nothing is replayed to it, and intents say what is in doubt.
 */
#ifndef CONTROLLER_CONFIG_JOURNALS_H
#define CONTROLLER_CONFIG_JOURNALS_H

#include "controller/config/images.h"
#include "controller/journal/record.h"
#include "shm/segment.h"

/* A batch that counts. */
struct journal_found {
    uint64_t sequence, previous, place_bytes;
    uint32_t bytes, seat;
};

struct journals {
    struct element files[CONTROLLERS_MAX]; /* open and locked, or fd -1 */
    bool created[CONTROLLERS_MAX];         /* by this start */
    bool has[CONTROLLERS_MAX];             /* a header, from a run before */
    struct journal_header headers[CONTROLLERS_MAX];
    uint32_t looked_at;  /* files: those of this run, and of the one before */
    uint64_t last;       /* the generation that is whole, and to be replayed; 0: none */
    uint64_t passed;     /* the one that has been replayed already; 0: none */
    uint64_t generation; /* of this start */
    uint64_t replay_from;
    struct journal_found *found; /* batches of `last`, in order */
    uint32_t found_count;
};

/* Opens those that exist, and looks what they hold; images->covered follows. Nothing is written.
 * 0 or -errno with *ret_error. Standings are known. */
int journals_look(const struct config *config, struct images *images,
                  struct config_error *ret_error);

/* Steps 1 and 2; creates those that are missing. What superblocks are to say is entered there. On
 * failure what it created is taken away. */
int journals_begin(const struct config *config, struct images *images,
                   struct config_error *ret_error);

/* Whether the last of what a seat's last life wrote to its journal has landed. */
bool journals_is_free(const struct config *config, uint32_t seat);

/* Opens the journal of a seat for its next life. */
int journals_open_again(const struct config *config, struct images *images, uint32_t seat,
                        struct config_error *ret_error);

/* For controllers: what they have in common. Before the first one starts. */
void journals_enter(const struct config *config, const struct images *images,
                    const struct segment *segment);

/* The file of a seat, or NULL. */
const struct element *journals_file(const struct images *images, uint32_t seat);

void journals_close(struct journals *journals); /* the files; NULL is allowed */
void journals_free(struct journals *journals);

/* --- between its parts --- */

void journals_path(const struct config *config, uint32_t seat, char ret_path[PATH_BYTES_MAX + 1]);

/* The array's, as in its superblocks; NULL: no image has one. */
const uint8_t *journals_array_id(const struct images *images);

/* Whether a header names the volume as lost. */
bool journals_is_lost(const struct config *config, const struct journals *journals,
                      uint32_t volume);

/* By which records know a volume. */
uint64_t journals_tag_of(const struct config *config, uint32_t volume);

/* The batches of `last` in all files. -EUCLEAN: some are missing in between. */
int journals_scan(struct journals *journals);

/* Step 1. */
int journals_replay(const struct config *config, struct images *images,
                    struct config_error *ret_error);

#endif
