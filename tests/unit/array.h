/*
 * An array in one process, for tests: controllers as threads over one segment, each with one
 * element, and volume I on element I, owned by controller I; where a layout is wanted, one virtual
 * volume more, over all of those. The test plays the configuration
 * controller, one host a controller, and, for a seat that no controller was started for, a peer
 * that does whatever the test wants.
 *
 * A controller belongs to the thread that made it. The test hands jobs to its host and waits until
 * they are answered; nothing else is shared but the segment.
 */
#ifndef TESTS_UNIT_ARRAY_H
#define TESTS_UNIT_ARRAY_H

#include <pthread.h>

#include "controller/controller.h"
#include "controller/layout/layout.h"

enum { ARRAY_CONTROLLERS_MAX = 4, ARRAY_JOBS_MAX = 8192, ARRAY_ELEMENT_BYTES = 4 << 20 };

/* What a host asks, and what came of it. A WRITE writes bytes of `fill`, a READ expects them. */
struct job {
    uint8_t op, flags, fill;
    uint32_t volume;
    uint64_t offset_bytes, bytes;
    uint64_t tag;        /* not 0: the first 8 bytes of what is written, or is expected */
    bool replied, wrong; /* wrong: a READ brought something else */
    int32_t status;
};

/* What a host does to its controller's interconnect once a turn. */
enum sabotage { SABOTAGE_NONE, SABOTAGE_DROP, SABOTAGE_DOUBLE };

struct host {
    struct array *array;
    struct controller *controller;
    uint32_t id;
    pthread_t thread;
    int control_end;
    int run_status;
    uint32_t seed;
    uint32_t depth; /* jobs in flight at once */
    struct job jobs[ARRAY_JOBS_MAX];
    _Atomic uint32_t submitted, answered;
    int answered_fd; /* eventfd, rung for each answer */
    /* of the controller's thread */
    uint32_t issued, in_flight;
    bool stopping;
    struct command_waiter waiter;
    struct command_queue replies;
};

struct array_wanted {
    uint32_t controllers; /* seats; 4 at most */
    uint32_t puppets;     /* the last ones of them have no controller */
    uint32_t slots, ring_entries;
    uint64_t buffers_bytes;
    bool direct; /* images on disk instead of in memory */
    enum sabotage sabotage;
    enum layout_kind layout; /* 0: no virtual volume */
    uint32_t chunk_bytes, copies;
    enum coordination_policy policy;
    bool superblocks; /* the images have them, but for that of element `bare` - 1 */
    uint32_t bare;
    struct interconnect_settings interconnect;
    uint64_t cache_bytes; /* 0: no caches */
    enum cache_mode cache_mode;
    bool checksums; /* and checksums */
    bool buffered;  /* elements go through the page cache */
    /* Before each job of a host is issued, by its controller's thread; NULL: nothing. */
    void (*before_job)(struct host *host);
};

struct array {
    struct array_wanted wanted;
    struct segment segment;
    struct element elements[ARRAY_CONTROLLERS_MAX];
    struct superblock_of_image *superblocks[ARRAY_CONTROLLERS_MAX];
    int images[ARRAY_CONTROLLERS_MAX]; /* descriptors of their own, to look behind the array */
    struct witness witnesses[ARRAY_CONTROLLERS_MAX]; /* of them */
    int doorbells[ARRAY_CONTROLLERS_MAX];
    int notice_fd;
    uint64_t asked;
    int control[ARRAY_CONTROLLERS_MAX]; /* the configuration controller's ends */
    struct host *hosts[ARRAY_CONTROLLERS_MAX];
};

/* Makes the array and starts its controllers; what does not work ends the test. */
struct array *array_start(const struct array_wanted *wanted);

/* The virtual volume: its number, and its record. */
uint32_t array_virtual(const struct array *array);
struct volume_record *array_virtual_record(const struct array *array);

/* What the superblock of an element's image says durably of the members that have failed. */
uint32_t array_marked_on(const struct array *array, uint32_t element);

/* Hands a job to a host; returns its number: its place is that modulo ARRAY_JOBS_MAX, and so many
 * may wait for their answers at once. */
uint32_t host_submit(struct array *array, uint32_t host, struct job job);
/* Waits until `count` of the host's jobs were answered in all. False: they were not, in time. */
bool host_wait(struct array *array, uint32_t host, uint32_t count);
bool host_wait_all(struct array *array, uint32_t host);

/* Waits until `reached` says so, looking again after each of the controllers' own wake-ups. */
bool array_wait_until(struct array *array, bool (*reached)(struct array *array));

/* The configuration controller's part. array_ask waits for the answer, and closes `pass_fd` (-1:
 * none). */
int array_ask(struct array *array, uint32_t host, struct control_message message, int pass_fd);
void array_set_seat(struct array *array, uint32_t seat, enum seat_state state);
void array_request(struct array *array, enum seat_request request);
void array_ring(struct array *array, uint32_t seat);
/* Injects a fault; array_publish says that to the controllers, once for many. */
void array_inject(struct array *array, uint32_t source, uint32_t target, uint32_t fabric,
                  struct link_fault fault);
void array_publish(struct array *array);

/* Stops all controllers in order, joins them and takes the array away. Returns 0 when all of them
 * ended well. */
int array_stop(struct array *array);

#endif
