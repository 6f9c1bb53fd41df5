#include "controller/path/gate.h"

#include <assert.h>
#include <stddef.h>

static uint64_t block_start(const struct command *command)
{
    return command->element_offset_bytes / BLOCK_BYTES;
}

static uint64_t block_end(const struct command *command)
{
    return (command->element_offset_bytes + command->length_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

static bool is_partial(const struct command *command)
{
    return (command->element_offset_bytes | command->length_bytes) % BLOCK_BYTES != 0;
}

static bool overlap(const struct command *a, const struct command *b)
{
    return block_start(a) < block_end(b) && block_start(b) < block_end(a);
}

/* Whether an earlier one on the list holds this one up. */
static bool is_held(const struct command *command)
{
    for (const struct command *earlier = command->io.gate_previous; earlier != NULL;
         earlier = earlier->io.gate_previous) {
        if (overlap(earlier, command) && (is_partial(earlier) || is_partial(command)))
            return true;
    }
    return false;
}

bool gate_enter(struct gate *gate, struct command *command)
{
    assert(!command->io.gated);
    command->io.gated = true;
    command->io.gate_next = NULL;
    command->io.gate_previous = gate->last;
    if (gate->last != NULL)
        gate->last->io.gate_next = command;
    else
        gate->first = command;
    gate->last = command;
    gate->partial += is_partial(command);
    command->io.gate_waits = gate->partial > 0 && is_held(command);
    gate->waiting += command->io.gate_waits;
    return !command->io.gate_waits;
}

void gate_leave(struct gate *gate, struct command *command)
{
    struct command *next = command->io.gate_next, *previous = command->io.gate_previous;

    assert(command->io.gated && !command->io.gate_waits);
    *(previous != NULL ? &previous->io.gate_next : &gate->first) = next;
    *(next != NULL ? &next->io.gate_previous : &gate->last) = previous;
    gate->partial -= is_partial(command);
    command->io.gated = false;
    command->io.gate_next = command->io.gate_previous = NULL;
}

struct command *gate_next_ready(struct gate *gate)
{
    if (gate->waiting == 0)
        return NULL;
    for (struct command *command = gate->first; command != NULL; command = command->io.gate_next) {
        if (command->io.gate_waits && !is_held(command)) {
            command->io.gate_waits = false;
            gate->waiting--;
            return command;
        }
    }
    return NULL;
}
