#include "controller/recovery/clearing.h"

#include "controller/controller.h"
#include "controller/path/execute.h"
#include "controller/path/split.h"
#include "controller/superblock/superblock.h"

static void go_on(struct controller *controller);

static uint64_t look_ns(const struct controller *controller)
{
    return segment_header(&controller->segment)->intents_clear_ns;
}

static struct clearing *clearing_of(struct controller *controller)
{
    return &controller->clearing;
}

/* --- where a region belongs --- */

/* A run of cold regions of an element: its bytes, and whose they are. */
struct run {
    uint64_t from_bytes, end_bytes; /* on the element */
    uint64_t end_region;
    uint32_t members; /* redundant volumes that have a member there */
    uint32_t record;  /* in the superblock: the last one of these */
};

static void find_members(const struct superblock *content, struct run *run)
{
    run->members = 0;
    for (uint32_t i = 0; i < content->members_count; i++) {
        const struct superblock_member *member = &content->members[i];
        if (member->offset_bytes >= run->end_bytes ||
            member->offset_bytes + member->size_bytes <= run->from_bytes)
            continue;
        run->members++;
        run->record = i;
    }
}

static bool is_same_place(const struct run *one, const struct run *other)
{
    return one->members == other->members && (one->members == 0 || one->record == other->record);
}

static struct run region_run(const struct owned_element *element, uint64_t region)
{
    uint32_t shift = element->integrity->intents->region_shift;
    struct run run = {.from_bytes = region << shift,
                      .end_bytes = (region + 1) << shift,
                      .end_region = region + 1};

    if (run.end_bytes > element->file.size_bytes)
        run.end_bytes = element->file.size_bytes;
    find_members(&element->mark->superblock->content, &run);
    return run;
}

/* As many regions from this one on as are cold, belong together and can be asked for at once. */
static struct run take_run(const struct owned_element *element, uint64_t region, uint64_t bytes_max)
{
    const struct intents *intents = element->integrity->intents;
    struct run run = region_run(element, region);

    while (run.end_region < intents->regions &&
           intents_next_cold(intents, run.end_region) == run.end_region) {
        struct run next = region_run(element, run.end_region);
        if (!is_same_place(&run, &next) || next.end_bytes - run.from_bytes > bytes_max)
            break;
        run.end_bytes = next.end_bytes;
        run.end_region = next.end_region;
    }
    return run;
}

/* --- sending --- */

/* The volume whose member it is, if it is one of which intents may go just now. */
static const struct virtual_volume *volume_of(const struct controller *controller,
                                              const struct owned_element *element,
                                              const struct run *run)
{
    uint32_t volume = element->mark->volumes[run->record];
    const struct virtual_volume *virtual = volume != ELEMENT_NONE ? virtual_find(controller, volume)
                                                                  : NULL;

    /* relaxed: SPLIT looks again */
    if (virtual == NULL || virtual_failed(virtual) != 0 ||
        load_relaxed(&virtual->record->resync_regions) != 0 ||
        (virtual->layout.parities == 0 && controller->coordinate.policy == COORDINATION_NONE))
        return NULL;
    return virtual;
}

/* False: there is nothing of the run that can go. */
static bool send_to_volume(struct controller *controller, struct owned_element *element,
                           struct run *run)
{
    const struct superblock_member *member =
        &element->mark->superblock->content.members[run->record];
    const struct virtual_volume *virtual = volume_of(controller, element, run);
    struct errand *errand = &clearing_of(controller)->errand;

    if (virtual == NULL)
        return false;
    uint64_t bytes_max = split_clear_bytes(&virtual->layout);
    *run = take_run(element, clearing_of(controller)->region, bytes_max);
    uint64_t from =
        run->from_bytes > member->offset_bytes ? run->from_bytes - member->offset_bytes : 0;
    uint64_t end = run->end_bytes - member->offset_bytes;
    end = end < virtual->layout.member_bytes ? end : virtual->layout.member_bytes;
    if (from >= end || end - from > bytes_max)
        return false;
    errand->op = COMMAND_CLEAR;
    errand->volume = virtual->volume;
    errand->offset_bytes = from;
    errand->length_bytes = end - from;
    errand_send(controller, errand);
    return true;
}

/* Nobody else has anything to do with it, and no volume need be asked: the element itself is. */
static bool send_to_element(struct controller *controller, struct owned_element *element,
                            struct run *run, uint8_t op)
{
    struct clearing *clearing = clearing_of(controller);
    struct command *command = &clearing->command;

    if (op == COMMAND_QUIET)
        *run = take_run(element, clearing->region, SPLIT_PART_BYTES_MAX);
    command->op = op;
    command->target = (uint8_t)controller->id;
    command->element = clearing->element;
    command->received_ns = loop_now_ns(controller->loop);
    if (op == COMMAND_QUIET) {
        command->offset_bytes = command->element_offset_bytes = run->from_bytes;
        command->length_bytes = run->end_bytes - run->from_bytes;
    }
    command->io.gated = command->io.gate_waits = command->io.gate_shared = false;
    command->cache = (struct command_cache){0};
    command->count = 0;
    command->status = 0;
    clearing->sent = true;
    command_start(controller, command, STAGE_EXECUTE);
    return true;
}

/* False: it is left as it is. */
static bool send_run(struct controller *controller, struct owned_element *element)
{
    struct clearing *clearing = clearing_of(controller);
    struct run run = region_run(element, clearing->region);
    bool sent = false;

    if (run.members == 0)
        sent = send_to_element(controller, element, &run, COMMAND_QUIET);
    else if (run.members == 1)
        sent = send_to_volume(controller, element, &run);
    clearing->region = run.end_region;
    return sent;
}

/* --- looking --- */

static bool can_be_looked_at(const struct controller *controller, uint32_t index)
{
    const struct owned_element *element = &controller->elements[index];

    /* relaxed: we are its only writer */
    return element->integrity != NULL && element->mark != NULL && element->file.fd >= 0 &&
           !element->file.read_only && controller_owns(controller, index) &&
           load_relaxed(&element->record->state) == ELEMENT_ONLINE;
}

/* To the next element. */
static void next_element(struct clearing *clearing)
{
    clearing->element++;
    clearing->region = 0;
}

/* True: something was sent; when that is over, this goes on. */
static bool look_at_element(struct controller *controller)
{
    struct clearing *clearing = clearing_of(controller);
    struct owned_element *element = &controller->elements[clearing->element];

    if (!can_be_looked_at(controller, clearing->element))
        return false;
    for (;;) {
        const struct intents *intents = element->integrity->intents;
        clearing->region = intents_next_cold(intents, clearing->region);
        if (clearing->region == intents->regions)
            break;
        if (send_run(controller, element))
            return true;
    }
    clearing->left = execute_age(element) || clearing->left;
    return false;
}

static void end_look(struct controller *controller)
{
    struct clearing *clearing = clearing_of(controller);

    clearing->looking = false;
    if (clearing->left)
        clearing_wake(controller);
}

static void go_on(struct controller *controller)
{
    struct clearing *clearing = clearing_of(controller);

    while (!controller->quiescing && clearing->element < controller->elements_count) {
        if (look_at_element(controller))
            return;
        next_element(clearing);
    }
    end_look(controller);
}

static void begin_look(struct controller *controller)
{
    struct clearing *clearing = clearing_of(controller);

    clearing->looking = true;
    clearing->left = false;
    clearing->element = 0;
    clearing->region = 0;
    go_on(controller);
}

/* --- times --- */

static void is_due(struct timer *timer)
{
    struct controller *controller =
        (struct controller *)((char *)timer - offsetof(struct controller, clearing.timer));

    if (controller->clearing.looking)
        go_on(controller);
    else
        begin_look(controller);
}

static void pause_then_go_on(struct controller *controller)
{
    loop_timer_start(controller->loop, &controller->clearing.timer,
                     controller->quiescing ? 0 : INTENT_CLEAR_PAUSE_MS * 1000000ull);
}

static void volume_over(struct errand *errand)
{
    pause_then_go_on(errand->controller);
}

/* The element may have been let go, or have failed, since: EXECUTE, and what is settled, know. */
static void element_over(struct controller *controller, struct command *command)
{
    struct clearing *clearing = clearing_of(controller);

    clearing->sent = false;
    if (command->op == COMMAND_QUIET && command->status == 0 && command->count == 0 &&
        can_be_looked_at(controller, command->element))
        (void)send_to_element(controller, &controller->elements[command->element], NULL,
                              COMMAND_CLEAR);
    else
        pause_then_go_on(controller);
}

static const struct command_origin origin = {
    .name = "clearing", .uncounted = true, .reply = element_over};

static void io_completed(struct completion *completion, int result)
{
    struct command *command = (struct command *)(void *)completion;

    command_complete(command->controller, command, result);
}

void clearing_init(struct controller *controller)
{
    struct clearing *clearing = clearing_of(controller);

    clearing->timer.fire = is_due;
    clearing->errand.over = volume_over;
    clearing->command.controller = controller;
    clearing->command.receiver = (uint8_t)controller->id;
    clearing->command.origin = &origin;
    clearing->command.io.completion.fire = io_completed;
}

void clearing_wake(struct controller *controller)
{
    struct clearing *clearing = clearing_of(controller);

    if (look_ns(controller) == 0 || clearing->looking || clearing->timer.next != NULL ||
        controller->quiescing)
        return;
    loop_timer_start(controller->loop, &clearing->timer, look_ns(controller));
}

bool clearing_is_quiet(const struct controller *controller)
{
    return !controller->clearing.sent; /* errands are waited for by themselves */
}
