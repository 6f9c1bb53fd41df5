#include "tests/sim/host.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/machine.h"
#include "tests/sim/operation.h"
#include "tests/sim/record.h"

enum {
    THINK_NS_MAX = 150000,
    SEND_NS_MAX = 4000,
    HOT_SECTORS = 64, /* most commands go where others go too */
    SECTORS_MAX = 96,
};

#define HOST_OF(pointer, member)                                                                   \
    ((struct host *)(void *)((char *)(pointer)-offsetof(struct host, member)))

/* An answer on its way: what sendmsg is to a session. */
struct answer {
    struct operation operation;
    struct world *world;
    struct command *command;
    uint32_t record;
};

/* A command's own, while it is under way. */
struct asked {
    struct completion sent;
    struct asked *next;
    struct host *host;
    struct command *command;
    uint32_t record;
};

/* --- what is asked for --- */

static bool may_zero(const struct sim_volume *volume, const struct wish *wish)
{
    for (uint32_t i = wish->first; i < wish->first + wish->sectors; i++) {
        if (volume->zeroed[i] != 0)
            return false;
    }
    return true;
}

static void draw_range(struct dice *dice, const struct sim_volume *volume, struct wish *wish)
{
    uint32_t area = dice_once_in(dice, 4) ? volume->sectors : HOT_SECTORS;
    uint32_t most = dice_once_in(dice, 3) ? SECTORS_MAX : 8;

    if (area > volume->sectors)
        area = volume->sectors;
    wish->first = (uint32_t)dice_below(dice, area);
    wish->sectors = (uint32_t)dice_between(dice, 1, most);
    if (dice_once_in(dice, 2)) { /* whole blocks */
        wish->first &= ~7u;
        wish->sectors = (wish->sectors + 7) & ~7u;
    }
    if (wish->sectors > volume->sectors - wish->first)
        wish->sectors = volume->sectors - wish->first;
}

static void draw_wish(struct world *world, struct wish *wish)
{
    struct dice *dice = &world->dice;
    uint32_t kind = (uint32_t)dice_below(dice, 100);

    *wish = (struct wish){.volume = (uint32_t)dice_below(dice, world->volumes_count)};
    const struct sim_volume *volume = &world->volumes[wish->volume];
    draw_range(dice, volume, wish);
    wish->op = kind < 42   ? COMMAND_READ
               : kind < 86 ? COMMAND_WRITE
               : kind < 94 ? COMMAND_FLUSH
               : kind < 98 ? COMMAND_ZERO
                           : COMMAND_PREFETCH;
    if (wish->op == COMMAND_ZERO && !may_zero(volume, wish))
        wish->op = COMMAND_WRITE;
    if (wish->op == COMMAND_FLUSH)
        wish->first = wish->sectors = 0;
    if (command_changes_data(wish->op) && dice_once_in(dice, 5))
        wish->flags |= COMMAND_FUA;
    if (wish->op == COMMAND_ZERO && dice_once_in(dice, 2))
        wish->flags |= COMMAND_NO_HOLE;
}

/* --- answers --- */

static void take_tags(struct record *record, const struct command *command)
{
    record->seen = calloc(record->sectors + 1u, sizeof *record->seen);
    assert(record->seen != NULL);
    for (uint32_t i = 0; i < record->sectors; i++)
        record->seen[i] = stamp_of_sector(command->payload + i * (uint64_t)IMAGE_SECTOR_BYTES,
                                          record->volume, record->first + i);
}

/* The host has its answer. */
static uint64_t arrives(struct operation *operation)
{
    struct answer *answer = (struct answer *)(void *)operation;
    struct world *world = answer->world;
    struct record *record = &world->records[answer->record];

    record->return_ns = sim_tick(world);
    record->status = answer->command->status;
    if (record->op == COMMAND_READ && record->status == 0)
        take_tags(record, answer->command);
    sim_note(world, "record %u of host %u is answered: %d", answer->record, record->host,
             record->status);
    return 0;
}

_Static_assert(offsetof(struct answer, operation) == 0, "arrives relies on it");

/* What the answer was sent from may be given back. */
static void answer_left(struct completion *completion, int result)
{
    struct asked *asked = (struct asked *)(void *)completion;
    struct host *host = asked->host;

    (void)result;
    host->in_flight--;
    command_give(host->machine->controller, asked->command);
}

static void send_answer(struct host *host, struct command *command)
{
    struct asked *asked = command->owner;
    struct answer *answer = calloc(1, sizeof *answer);
    struct world *world = host->machine->world;

    assert(answer != NULL);
    asked->sent.fire = answer_left;
    *answer = (struct answer){.operation = {.completion = &asked->sent,
                                            .effect = arrives,
                                            .delay_ns = dice_below(&world->dice, SEND_NS_MAX)},
                              .world = world,
                              .command = command,
                              .record = asked->record};
    operation_start(host->machine->loop, &answer->operation);
}

static void reply(struct controller *controller, struct command *command)
{
    struct host *host = controller->hooks.context;

    command_queue_push(&host->replies, command);
}

static const struct command_origin origin = {
    .name = "sim", .host = true, .travels = true, .reply = reply};

/* --- asking --- */

static uint64_t payload_bytes(const struct wish *wish)
{
    return command_has_payload(wish->op) ? wish->sectors * (uint64_t)IMAGE_SECTOR_BYTES : 0;
}

static uint64_t draw_tag(struct world *world, const struct wish *wish)
{
    struct sim_volume *volume = &world->volumes[wish->volume];

    if (!command_changes_data(wish->op))
        return 0;
    world->tags++;
    for (uint32_t i = wish->first; wish->op == COMMAND_ZERO && i < wish->first + wish->sectors; i++)
        volume->zeroed[i] = world->tags;
    return world->tags;
}

static void fill_in(struct host *host, struct command *command, const struct wish *wish)
{
    struct world *world = host->machine->world;
    struct asked *asked = calloc(1, sizeof *asked);
    const struct record record = {.op = wish->op,
                                  .flags = wish->flags,
                                  .scripted = host->script_left > 0,
                                  .host = host->machine->id,
                                  .volume = wish->volume,
                                  .first = wish->first,
                                  .sectors = wish->sectors,
                                  .tag = draw_tag(world, wish)};

    assert(asked != NULL);
    *asked = (struct asked){.next = host->asked,
                            .host = host,
                            .command = command,
                            .record = record_add(world, &record)};
    host->asked = asked;
    command->origin = &origin;
    command->owner = asked;
    command->op = wish->op;
    command->flags = wish->flags;
    command->volume = world->volumes[wish->volume].index;
    command->offset_bytes = wish->first * (uint64_t)IMAGE_SECTOR_BYTES;
    command->length_bytes = wish->sectors * (uint64_t)IMAGE_SECTOR_BYTES;
    command->status = 0;
    command->count = 0;
    command->shape = (struct payload_shape){0};
    if (wish->op == COMMAND_WRITE)
        stamp_sectors(command->payload, record.tag, wish->volume, wish->first, wish->sectors);
    sim_note(world, "record %u: host %u asks %s %s, %u sectors at %u, flags %u", asked->record,
             record.host, command_op_name(wish->op), world->volumes[wish->volume].name,
             wish->sectors, wish->first, wish->flags);
}

/* False: it has to wait for a command or a buffer. */
static bool ask(struct host *host)
{
    struct controller *controller = host->machine->controller;
    struct command *command;
    int error =
        command_take(controller, payload_bytes(&host->wish),
                     host->wish.first * (uint64_t)IMAGE_SECTOR_BYTES, &host->waiter, &command);

    if (error == -EAGAIN)
        return false;
    assert(error == 0);
    fill_in(host, command, &host->wish);
    host->has_wish = false;
    if (host->script_left > 0)
        host->script_left--;
    else
        host->issued++;
    host->in_flight++;
    command_start(controller, command, STAGE_MAP);
    return true;
}

static bool next_wish(struct host *host)
{
    struct world *world = host->machine->world;

    if (host->has_wish)
        return true;
    if (host->script_left > 0)
        host->wish = *host->script++;
    else if (host->issued < host->may_issue && !host->stopping)
        draw_wish(world, &host->wish);
    else
        return false;
    return host->has_wish = true;
}

static void ask_for_some(struct host *host)
{
    while (host->in_flight < host->depth && next_wish(host)) {
        if (!ask(host))
            return;
    }
}

static void may_go_on(struct command_waiter *waiter)
{
    ask_for_some(HOST_OF(waiter, waiter));
}

static void has_arrived(struct completion *completion, int result)
{
    struct host *host = HOST_OF(completion, arrival);

    (void)result;
    if (host->waiter.next == NULL) /* else it is told when to go on, as a session is */
        ask_for_some(host);
}

/* --- the ports' hooks --- */

static void think(struct host *host)
{
    struct world *world = host->machine->world;

    if (!host->next.is_set)
        events_set(&world->events, &host->next,
                   world->now_ns + dice_below(&world->dice, THINK_NS_MAX));
}

/* Before that nobody could connect to it. */
static bool serves(const struct host *host)
{
    const struct machine *machine = host->machine;

    return seat_state(segment_seat(&machine->world->segment, machine->id)) > SEAT_STARTING;
}

static void wants_more(struct event *event)
{
    struct host *host = HOST_OF(event, next);

    if (!machine_lives(host->machine))
        return;
    if (serves(host))
        loop_push(host->machine->loop, &host->arrival, 0);
    else
        think(host);
}

static void on_turn(void *context)
{
    struct host *host = context;
    struct command *command;

    while ((command = command_queue_pop(&host->replies)) != NULL)
        send_answer(host, command);
    if (host->in_flight < host->depth && (host->script_left > 0 || host->issued < host->may_issue))
        think(host);
}

static void on_quiesce(void *context)
{
    ((struct host *)context)->stopping = true;
}

static bool is_quiet(void *context)
{
    return ((struct host *)context)->in_flight == 0;
}

void host_init(struct host *host, struct machine *machine)
{
    *host = (struct host){.machine = machine,
                          .next = {.fire = wants_more, .set_count = host->next.set_count},
                          .arrival.fire = has_arrived,
                          .waiter.fire = may_go_on};
    machine->controller->hooks = (struct controller_hooks){
        .context = host, .on_turn = on_turn, .on_quiesce = on_quiesce, .is_quiet = is_quiet};
}

void host_begin(struct host *host, uint32_t commands, uint32_t depth)
{
    host->may_issue = commands;
    host->depth = depth;
    think(host);
}

void host_begin_script(struct host *host, const struct wish *wishes, uint32_t count)
{
    host->script = wishes;
    host->script_left = count;
    host->depth = 1;
    think(host);
}

void host_forget(struct asked *asked)
{
    while (asked != NULL) {
        struct asked *first = asked;
        asked = first->next;
        free(first);
    }
}

bool host_is_done(const struct host *host)
{
    return !machine_lives(host->machine) ||
           (host->in_flight == 0 && !host->has_wish && host->script_left == 0 &&
            (host->stopping || host->issued >= host->may_issue));
}
