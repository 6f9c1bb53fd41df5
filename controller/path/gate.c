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

static uint64_t first_region(const struct command *command)
{
    return block_start(command) / GATE_REGION_BLOCKS;
}

static uint64_t last_region(const struct command *command)
{
    uint64_t end = block_end(command);

    return end > block_start(command) ? (end - 1) / GATE_REGION_BLOCKS : first_region(command);
}

static bool is_long(const struct command *command)
{
    return last_region(command) - first_region(command) > 1;
}

/* Whether the later one of the two waits for the earlier one. */
static bool must_not_meet(const struct command *a, const struct command *b)
{
    if (block_start(a) >= block_end(b) || block_start(b) >= block_end(a))
        return false;
    return !a->io.gate_shared || !b->io.gate_shared;
}

/* --- places in chains --- */

static struct gate_chain *chain_of(struct gate *gate, uint64_t region)
{
    return &gate->chains[(region * 0x9e3779b97f4a7c15u >> 32) % GATE_CHAINS];
}

/* At the end, so that those who may go on together go on in the order in which they came. */
static void take_place(struct gate_chain *chain, struct gate_place *place, struct command *command,
                       uint64_t region)
{
    *place = (struct gate_place){
        .command = command, .region = region, .chain = chain, .previous = chain->last};
    *(chain->last != NULL ? &chain->last->next : &chain->first) = place;
    chain->last = place;
}

static void give_place(struct gate_place *place)
{
    *(place->previous != NULL ? &place->previous->next : &place->chain->first) = place->next;
    *(place->next != NULL ? &place->next->previous : &place->chain->last) = place->previous;
}

static void take_places(struct gate *gate, struct command *command)
{
    struct gate_place *places = command->io.gate_places;
    uint64_t first = first_region(command), last = last_region(command);

    if (is_long(command)) {
        take_place(&gate->long_ones, &places[0], command, first);
        return;
    }
    take_place(chain_of(gate, first), &places[0], command, first);
    if (last != first)
        take_place(chain_of(gate, last), &places[1], command, last);
}

static void give_places(struct command *command)
{
    give_place(&command->io.gate_places[0]);
    if (!is_long(command) && last_region(command) != first_region(command))
        give_place(&command->io.gate_places[1]);
}

/* --- who meets whom --- */

typedef void meeting_fn(struct gate *gate, struct command *command, struct command *other);

/* Two short ones that touch the same two regions would meet twice: only the first counts. */
static bool is_first_meeting(const struct gate_place *place, const struct command *command,
                             uint64_t region)
{
    uint64_t ours = first_region(command), theirs = first_region(place->command);

    return place->region == region && region == (ours > theirs ? ours : theirs);
}

static void meet_in_region(struct gate *gate, struct command *command, uint64_t region,
                           meeting_fn *meeting)
{
    for (struct gate_place *place = chain_of(gate, region)->first; place != NULL;
         place = place->next) {
        if (is_first_meeting(place, command, region) && must_not_meet(place->command, command))
            meeting(gate, command, place->command);
    }
}

/* Tells `meeting` once of each command on the list that must not meet this one, which is not in its
 * places now. */
static void meet_all(struct gate *gate, struct command *command, meeting_fn *meeting)
{
    if (is_long(command)) {
        for (struct command *other = gate->first; other != NULL; other = other->io.gate_next) {
            if (must_not_meet(other, command))
                meeting(gate, command, other);
        }
        return;
    }
    for (struct gate_place *place = gate->long_ones.first; place != NULL; place = place->next) {
        if (must_not_meet(place->command, command))
            meeting(gate, command, place->command);
    }
    for (uint64_t region = first_region(command); region <= last_region(command); region++)
        meet_in_region(gate, command, region, meeting);
}

/* --- entering and leaving --- */

static void is_held_by(struct gate *gate, struct command *command, struct command *earlier)
{
    (void)gate;
    (void)earlier;
    command->io.gate_held_by++;
}

/* All that meet one that leaves came later: an earlier one would still hold it up. */
static void lets_go_on(struct gate *gate, struct command *command, struct command *later)
{
    (void)command;
    assert(later->io.gate_waits && later->io.gate_held_by > 0);
    if (--later->io.gate_held_by > 0)
        return;
    later->io.gate_next_ready = NULL;
    *(gate->ready != NULL ? &gate->ready_last->io.gate_next_ready : &gate->ready) = later;
    gate->ready_last = later;
}

bool gate_enter(struct gate *gate, struct command *command)
{
    assert(!command->io.gated);
    command->io.gated = true;
    command->io.gate_held_by = 0;
    if (gate->first != NULL)
        meet_all(gate, command, is_held_by);
    command->io.gate_next = NULL;
    command->io.gate_previous = gate->last;
    *(gate->last != NULL ? &gate->last->io.gate_next : &gate->first) = command;
    gate->last = command;
    take_places(gate, command);
    command->io.gate_waits = command->io.gate_held_by > 0;
    gate->waiting += command->io.gate_waits;
    return !command->io.gate_waits;
}

bool gate_try_enter(struct gate *gate, struct command *command)
{
    command->io.gate_held_by = 0;
    meet_all(gate, command, is_held_by);
    return command->io.gate_held_by == 0 && gate_enter(gate, command);
}

void gate_leave(struct gate *gate, struct command *command)
{
    struct command *next = command->io.gate_next, *previous = command->io.gate_previous;

    assert(command->io.gated && !command->io.gate_waits);
    *(previous != NULL ? &previous->io.gate_next : &gate->first) = next;
    *(next != NULL ? &next->io.gate_previous : &gate->last) = previous;
    give_places(command);
    command->io.gated = false;
    command->io.gate_next = command->io.gate_previous = NULL;
    if (gate->waiting > 0)
        meet_all(gate, command, lets_go_on);
}

struct command *gate_next_ready(struct gate *gate)
{
    struct command *command = gate->ready;

    if (command == NULL)
        return NULL;
    gate->ready = command->io.gate_next_ready;
    command->io.gate_waits = false;
    gate->waiting--;
    return command;
}
