#include "controller/path/command.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "controller/cache/lend.h"
#include "controller/controller.h"
#include "controller/path/split.h"
#include "controller/path/trail.h"
#include "shm/crash_point.h"

static const struct {
    const char *name;
    stage_fn *run, *complete;
} stages[] = {
#define X(name, run, complete) {#name, run, complete},
    STAGES(X)
#undef X
};

const char *stage_name(enum stage stage)
{
    return stage < STAGES_COUNT ? stages[stage].name : "over";
}

const char *command_op_name(enum command_op op)
{
    static const char *const names[COMMAND_OPS_END] = {
        [COMMAND_READ] = "read",       [COMMAND_WRITE] = "write",
        [COMMAND_FLUSH] = "flush",     [COMMAND_TRIM] = "trim",
        [COMMAND_ZERO] = "zero",       [COMMAND_PREFETCH] = "prefetch",
        [COMMAND_EXTENTS] = "extents", [COMMAND_MARK] = "mark",
        [COMMAND_SCRUB] = "scrub",     [COMMAND_RESTORE] = "restore",
        [COMMAND_INTENTS] = "intents", [COMMAND_SETTLE] = "settle",
        [COMMAND_QUIET] = "quiet",     [COMMAND_CLEAR] = "clear",
    };

    return op < COMMAND_OPS_END && names[op] != NULL ? names[op] : "unknown";
}

/* --- the conductor --- */

static void conduct(struct controller *controller, struct command *command,
                    enum stage_verdict verdict)
{
    while (verdict != STAGE_WAIT) {
        assert(command->stage < STAGES_COUNT);
        if (verdict == STAGE_AGAIN)
            command->stage = STAGE_COORDINATE;
        else if (verdict == STAGE_MOVED)
            command->stage = STAGE_OWNER;
        else if (verdict == STAGE_DONE && command->stage < STAGE_AGGREGATE)
            command->stage = STAGE_AGGREGATE;
        else
            command->stage++;
        bool last = command->stage == STAGE_REPLY;
        CRASH_POINT(stages[command->stage].name);
        verdict = trail_run(controller, command, stages[command->stage].run);
        if (last)
            return; /* it is its origin's again, and may be gone or another one by now */
    }
}

void command_start(struct controller *controller, struct command *command, enum stage stage)
{
    aggregate_begin(&command->aggregate, 1);
    command->late_claimants = 0;
    command->stage = stage;
    trail_begun(controller, command);
    conduct(controller, command, trail_run(controller, command, stages[stage].run));
}

void command_complete(struct controller *controller, struct command *command, int64_t result)
{
    assert(command->stage < STAGES_COUNT && stages[command->stage].complete != NULL);
    command->io.result = result;
    conduct(controller, command, trail_run(controller, command, stages[command->stage].complete));
}

/* --- the small stages --- */

enum stage_verdict aggregate_status(struct controller *controller, struct command *command)
{
    (void)controller;
    assert(command->aggregate.remaining == 0);
    command->status = command->aggregate.status;
    return STAGE_NEXT;
}

enum stage_verdict reply_send(struct controller *controller, struct command *command)
{
    struct controller_counters *counters = controller->counters;

    if (command->origin->host) {
        count_up(&counters->host_latency_ns, loop_now_ns(controller->loop) - command->received_ns);
        if (command->status != 0)
            count_up(&counters->failed, 1);
    }
    if (command->split != NULL)
        command->split->active = false;
    trail_replied(controller, command);
    command->origin->reply(controller, command);
    return STAGE_DONE;
}

/* --- payload --- */

uint32_t command_name_places(const struct command *command, int64_t from_bytes, int64_t to_bytes,
                             struct iovec *vectors, uint32_t vectors_max, uint64_t *ret_bytes)
{
    int64_t at = from_bytes;
    uint64_t run_bytes;
    uint32_t count = 0;

    for (; at < to_bytes && count < vectors_max; count++) {
        uint8_t *memory = command->payload + command_place(command, at, &run_bytes);
        if (run_bytes > (uint64_t)(to_bytes - at))
            run_bytes = (uint64_t)(to_bytes - at);
        vectors[count] = (struct iovec){.iov_base = memory, .iov_len = run_bytes};
        at += (int64_t)run_bytes;
    }
    *ret_bytes = (uint64_t)(at - from_bytes);
    return count;
}

/* --- queues --- */

void command_queue_push(struct command_queue *queue, struct command *command)
{
    command->next = NULL;
    if (queue->tail != NULL)
        queue->tail->next = command;
    else
        queue->head = command;
    queue->tail = command;
}

void command_queue_push_front(struct command_queue *queue, struct command *command)
{
    command->next = queue->head;
    queue->head = command;
    if (queue->tail == NULL)
        queue->tail = command;
}

struct command *command_queue_pop(struct command_queue *queue)
{
    struct command *command = queue->head;

    if (command == NULL)
        return NULL;
    queue->head = command->next;
    if (queue->head == NULL)
        queue->tail = NULL;
    command->next = NULL;
    return command;
}

/* --- taking and giving --- */

static void wait_in_line(struct controller *controller, struct command_waiter *waiter)
{
    struct command_waiter *head = &controller->waiters;

    if (waiter->next != NULL)
        return;
    waiter->previous = head->previous;
    waiter->next = head;
    head->previous->next = waiter;
    head->previous = waiter;
    count_up(&controller->counters->waits_for_buffer, 1);
}

void command_stop_waiting(struct controller *controller, struct command_waiter *waiter)
{
    (void)controller;
    if (waiter->next == NULL)
        return;
    waiter->previous->next = waiter->next;
    waiter->next->previous = waiter->previous;
    waiter->next = waiter->previous = NULL;
}

/* Whether somebody is in line in front of this one. */
static bool others_wait(const struct controller *controller, const struct command_waiter *waiter)
{
    const struct command_waiter *first = controller->waiters.next;

    return first != &controller->waiters && first != waiter;
}

/* A buffer that starts where the offset starts within a block, so direct I/O of the whole blocks in
 * the payload finds them aligned in memory. */
static int take_buffer(struct controller *controller, struct command *command,
                       uint64_t payload_bytes, uint64_t offset_bytes)
{
    uint64_t lead_bytes = offset_bytes % BLOCK_BYTES;
    int error =
        pool_take(controller->pool, lead_bytes + payload_bytes, &command->buffer_offset_bytes);

    if (error != 0)
        return error == -ENOBUFS ? -EAGAIN : error;
    command->has_buffer = true;
    command->payload_offset_bytes =
        controller->pool_offset_bytes + command->buffer_offset_bytes + lead_bytes;
    command->payload = controller->segment.base + command->payload_offset_bytes;
    return 0;
}

int command_take(struct controller *controller, uint64_t payload_bytes, uint64_t offset_bytes,
                 struct command_waiter *waiter, struct command **ret_command)
{
    struct command *command = controller->free_commands;
    int error = -EAGAIN;

    assert(payload_bytes <= PAYLOAD_BYTES_MAX);
    if (command != NULL && !others_wait(controller, waiter)) {
        command->has_buffer = false;
        command->lost_claimants = 0;
        command->payload = NULL;
        command->payload_offset_bytes = 0;
        error =
            payload_bytes == 0 ? 0 : take_buffer(controller, command, payload_bytes, offset_bytes);
    }
    if (error == -EAGAIN)
        wait_in_line(controller, waiter);
    else
        command_stop_waiting(controller, waiter);
    if (error != 0)
        return error;
    controller->free_commands = command->next;
    command->next = NULL;
    command->received_ns = loop_now_ns(controller->loop);
    command->number = ++controller->sequence;
    controller->arrivals++;
    count_up(&controller->counters->host_in_flight, 1);
    *ret_command = command;
    return 0;
}

int command_take_memory(struct controller *controller, uint64_t bytes,
                        struct command_waiter *waiter, uint64_t *ret_offset_bytes)
{
    int error = others_wait(controller, waiter)
                    ? -ENOBUFS
                    : pool_take(controller->pool, bytes, ret_offset_bytes);

    if (error == -ENOBUFS)
        wait_in_line(controller, waiter);
    else
        command_stop_waiting(controller, waiter);
    return error == -ENOBUFS ? -EAGAIN : error;
}

void command_wake_waiters(struct controller *controller)
{
    struct command_waiter *head = &controller->waiters;

    if (controller->waking_waiters) /* a waiter's own work ended at once and gave something back */
        return;
    controller->waking_waiters = true;
    while (head->next != head) {
        struct command_waiter *first = head->next;
        first->fire(first);
        if (head->next == first)
            break;
    }
    controller->waking_waiters = false;
}

void command_give(struct controller *controller, struct command *command)
{
    if (command->lost_claimants != 0)
        peer_quarantine(controller, command);
    if (command->has_buffer)
        pool_give(controller->pool, command->buffer_offset_bytes);
    command->has_buffer = false;
    if (command->cache.lends != CACHE_LENDS_NOTHING)
        cache_take_back(controller, command);
    command->cache.blocks = NULL;
    count_down(&controller->counters->host_in_flight, 1);
    command->next = controller->free_commands;
    controller->free_commands = command;
    command_wake_waiters(controller);
}
