#include "controller/recovery/takeover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/controller.h"
#include "controller/control_element.h"
#include "controller/loss.h"
#include "shm/crash_point.h"

static struct takeover *takeover_of(struct controller *controller)
{
    return &controller->takeover;
}

static struct element_record *record_of(const struct controller *controller, uint32_t element)
{
    return controller->elements[element].record;
}

static bool has_failed(const struct controller *controller, uint32_t element)
{
    /* relaxed: who takes the element is its only writer */
    return load_relaxed(&record_of(controller, element)->state) != ELEMENT_ONLINE;
}

/* --- who takes what --- */

static bool runs(const struct controller *controller, uint32_t seat)
{
    return seat_state(segment_seat(&controller->segment, seat)) == SEAT_RUNNING;
}

/* How many others come before us: before one that is about to stop, all that go on. */
static uint32_t turns_before_us(const struct controller *controller, uint32_t element)
{
    uint32_t running = 0, ours = 0;

    for (uint32_t seat = 0; seat < controller->segment.geometry.controllers; seat++) {
        if (seat == controller->id)
            ours = running;
        running += seat == controller->id || runs(controller, seat);
    }
    return (ours + running - element % running) % running + (controller->quiescing ? running : 0);
}

/* Without takeover only a seat's later life takes what its earlier one had. What one left that
 * stopped in order is on its image: that is not for those who are about to stop themselves. */
static bool may_take(const struct controller *controller, struct owner owner)
{
    if (owner.state == OWNER_NONE || owner.seat >= controller->segment.geometry.controllers ||
        !owner_has_left(&controller->segment, owner))
        return false;
    if (controller->quiescing && !owner_is_gone(&controller->segment, owner))
        return false;
    return takeover_is_on(controller) || (owner.seat == controller->id && !controller->quiescing);
}

/* By the owner before, who has let it go. */
static bool was_handed_to_us(const struct controller *controller, struct owner owner)
{
    return owner.state == OWNER_TAKING && owner.seat == controller->id &&
           owner.epoch == controller->epoch;
}

/* --- the end --- */

static void tell_everybody(struct controller *controller)
{
    segment_raise_membership(&controller->segment);
    peers_wake(controller);
    loop_doorbell_ring(controller->loop, controller->notice_fd);
}

static void leave(struct takeover *takeover, struct taking *taking)
{
    taking->step = TAKE_NOT;
    takeover->active--;
}

/* relaxed: for status */
static void count_takeover(struct element_record *record, uint64_t taken_ns)
{
    store_relaxed(&record->takeovers, load_relaxed(&record->takeovers) + 1); /* relaxed: as above */
    store_relaxed(&record->taken_ns, taken_ns);                              /* relaxed: as above */
}

static void say_taken(const struct controller *controller, uint32_t element, uint64_t taken_ns)
{
    fprintf(stderr, "anyport: c%u: element %s is owned by c%u now%s, %llu ms after it was free\n",
            controller->id, record_of(controller, element)->name, controller->id,
            has_failed(controller, element) ? ", and has failed" : "",
            (unsigned long long)(taken_ns / 1000000u));
}

/* What the owner before was executing has ended with it, and counts for nobody: who waits for the
 * element to be idle (control_element.c) would wait for ever. */
static void forget_in_flight(const struct controller *controller, uint32_t element)
{
    const struct segment *segment = &controller->segment;

    /* relaxed: a dead owner's counters, which are ours now */
    store_relaxed(&record_of(controller, element)->counters.in_flight, 0);
    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        struct volume_record *volume = segment_volume(segment, i);
        if (mapping_has_volume(segment, i) && !mapping_is_virtual(segment, i) &&
            volume->element == element)
            store_relaxed(&volume->counters.in_flight, 0); /* relaxed: as above */
    }
}

/* Its owner before may not have come to mark its members. */
static void settle_failed(struct controller *controller, uint32_t element)
{
    settle_failed_elements(controller, NULL);
    if (loss_is_left_dirty(&controller->segment, element))
        /* relaxed: who takes the element is its only writer; it is read when all have ended */
        store_relaxed(&record_of(controller, element)->lost_writes, 1);
    adopt_drop(&takeover_of(controller)->adoption, element);
}

static void own(struct controller *controller, uint32_t element)
{
    struct taking *taking = &takeover_of(controller)->elements[element];
    struct element_record *record = record_of(controller, element);
    uint64_t taken_ns = loop_now_ns(controller->loop) - taking->begun_ns;

    CRASH_POINT("takeover.adopted");
    if (has_failed(controller, element))
        settle_failed(controller, element);
    forget_in_flight(controller, element);
    if (!taking->handed)
        count_takeover(record, taken_ns);
    (void)owner_change(&record->owner, taking->owner,
                       owner_next(taking->owner, OWNER_OWNED, controller->id, controller->epoch));
    clearing_wake(controller);
    CRASH_POINT("takeover.owned");
    tracing_event(controller, TRACE_ELEMENT_TAKEN, TRACE_NO_CONTROLLER, element);
    leave(takeover_of(controller), taking);
    if (!taking->handed)
        say_taken(controller, element, taken_ns);
    tell_everybody(controller);
}

static void fail(struct controller *controller, uint32_t element, const char *why)
{
    controller_fail_element(controller, element, why);
    own(controller, element);
}

/* --- steps --- */

static struct controller *controller_of(struct adoption *adoption)
{
    return adoption->controller;
}

static void adopted(struct adoption *adoption)
{
    struct controller *controller = controller_of(adoption);

    if (adoption->adopted > 0)
        fprintf(stderr, "anyport: c%u: element %s: %llu blocks that a dead cache held are on it\n",
                controller->id, record_of(controller, adoption->element)->name,
                (unsigned long long)adoption->adopted);
    if (adoption->status == 0)
        own(controller, adoption->element);
    else
        fail(controller, adoption->element, "what a dead controller's cache held of it is lost");
}

static void try_to_adopt(struct controller *controller, uint32_t element)
{
    struct takeover *takeover = takeover_of(controller);

    if (!takeover->adoption.running)
        adopt_start(&takeover->adoption, element);
}

static struct element_wanted wanted_of(const struct element_record *record)
{
    return (struct element_wanted){
        /* relaxed: constant while nobody owns the element */
        .size_bytes =
            load_relaxed(&record->tail_bytes) == 0 ? load_relaxed(&record->size_bytes) : 0,
        .read_only = (load_relaxed(&record->flags) & ELEMENT_READ_ONLY) != 0};
}

/* A description of our own, which has the lock. -EAGAIN: the one before us has it yet. */
static int open_image(struct controller *controller, uint32_t index, struct element *ret_element,
                      struct element_error *ret_why)
{
    const struct element_record *record = record_of(controller, index);
    const struct element_wanted wanted = wanted_of(record);
    struct witness *image = &takeover_of(controller)->images[index];
    /* relaxed: as in wanted_of */
    uint32_t tail_bytes = load_relaxed(&record->tail_bytes);

    image->mark_byte = load_relaxed(&record->mark_byte); /* relaxed: as above */
    int error = element_open_again(ret_element, image, &wanted, ret_why);
    if (error != 0 || tail_bytes == 0)
        return error;
    error =
        element_keep_tail(ret_element, load_relaxed(&record->size_bytes), /* relaxed: as above */
                          tail_bytes, ret_why);
    if (error != 0)
        element_close(ret_element);
    return error;
}

static int take_image(struct controller *controller, uint32_t index, struct element_error *ret_why)
{
    struct element fresh;
    int error = open_image(controller, index, &fresh, ret_why);

    if (error != 0)
        return error;
    CRASH_POINT("takeover.opened");
    error = controller_take_image(controller, index, &fresh);
    if (error != 0) {
        element_close(&fresh);
        snprintf(ret_why->text, sizeof ret_why->text, "what is kept beside its data: %s",
                 strerror(-error));
    }
    return error;
}

static void fail_to_open(struct controller *controller, uint32_t element,
                         const struct element_error *why)
{
    char text[sizeof why->text + 64];

    snprintf(text, sizeof text, "its image cannot be taken over: %s", why->text);
    fail(controller, element, text);
}

static void try_to_open(struct controller *controller, uint32_t element)
{
    struct taking *taking = &takeover_of(controller)->elements[element];
    struct element_error why = {.text = "its last owner's I/O does not end"};

    if (has_failed(controller, element)) {
        own(controller, element);
        return;
    }
    int error = take_image(controller, element, &why);
    if (error == -EAGAIN &&
        loop_now_ns(controller->loop) - taking->begun_ns < TAKEOVER_DRAIN_SECONDS * 1000000000ull)
        return;
    if (error != 0) {
        fail_to_open(controller, element, &why);
        return;
    }
    CRASH_POINT("takeover.taken");
    taking->step = TAKE_ADOPT;
    try_to_adopt(controller, element);
}

static void begin(struct controller *controller, uint32_t element, struct owner owner)
{
    struct taking *taking = &takeover_of(controller)->elements[element];

    tracing_event(controller, TRACE_ELEMENT_TAKING, owner.seat, element);
    taking->owner = owner;
    taking->step = TAKE_DRAIN;
    try_to_open(controller, element);
}

static void try_to_take(struct controller *controller, uint32_t element)
{
    struct taking *taking = &takeover_of(controller)->elements[element];
    _Atomic uint64_t *word = &record_of(controller, element)->owner;
    struct owner owner = owner_load(word);

    if (!may_take(controller, owner)) { /* somebody else has */
        leave(takeover_of(controller), taking);
        return;
    }
    if (loop_now_ns(controller->loop) < taking->due_ns)
        return;
    struct owner ours = owner_next(owner, OWNER_TAKING, controller->id, controller->epoch);
    /* What its cache holds is adopted only of one that is said to be dead. */
    seat_finish_death(segment_seat(&controller->segment, owner.seat));
    CRASH_POINT("takeover.begin");
    if (!owner_change(word, owner, ours))
        return; /* somebody else was first: looked at again by the next tick */
    CRASH_POINT("takeover.begun");
    begin(controller, element, ours);
}

static void advance(struct controller *controller, uint32_t element)
{
    switch (takeover_of(controller)->elements[element].step) {
    case TAKE_NOT:
        break;
    case TAKE_LATER:
        try_to_take(controller, element);
        break;
    case TAKE_DRAIN:
        try_to_open(controller, element);
        break;
    case TAKE_ADOPT:
        try_to_adopt(controller, element);
        break;
    }
}

/* --- looking --- */

static void set_timer(struct controller *controller)
{
    struct takeover *takeover = takeover_of(controller);

    if (takeover->active > 0 && takeover->timer.next == NULL)
        loop_timer_start(controller->loop, &takeover->timer, TAKEOVER_TICK_MS * 1000000ull);
}

static void ticked(struct timer *timer)
{
    struct controller *controller =
        (struct controller *)((char *)timer - offsetof(struct controller, takeover.timer));

    if (controller->finished)
        return;
    for (uint32_t i = 0; i < controller->elements_count && controller->takeover.active > 0; i++)
        advance(controller, i);
    set_timer(controller);
}

static void look_at(struct controller *controller, uint32_t element)
{
    struct takeover *takeover = takeover_of(controller);
    struct taking *taking = &takeover->elements[element];
    struct owner owner = owner_load(&record_of(controller, element)->owner);
    bool handed = was_handed_to_us(controller, owner);
    uint64_t now_ns = loop_now_ns(controller->loop);

    if (taking->step > TAKE_LATER || (!handed && !may_take(controller, owner)))
        return;
    if (taking->step == TAKE_NOT) {
        takeover->active++;
        taking->begun_ns = now_ns;
        taking->handed = handed;
        taking->step = TAKE_LATER;
    }
    taking->due_ns =
        taking->begun_ns + turns_before_us(controller, element) * (TAKEOVER_TURN_MS * 1000000ull);
    if (handed)
        begin(controller, element, owner);
    else
        try_to_take(controller, element);
}

void takeover_look(struct controller *controller)
{
    for (uint32_t i = 0; i < controller->elements_count; i++)
        look_at(controller, i);
    set_timer(controller);
}

bool takeover_is_quiet(const struct controller *controller)
{
    return controller->takeover.active == 0;
}

/* --- starting --- */

int takeover_init(struct controller *controller, const struct witness *images)
{
    struct takeover *takeover = takeover_of(controller);
    uint32_t count = controller->elements_count;

    takeover->timer.fire = ticked;
    takeover->adoption.over = adopted;
    takeover->elements = calloc(count, sizeof *takeover->elements);
    takeover->images = calloc(count, sizeof *takeover->images);
    if (takeover->elements == NULL || takeover->images == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct witness none = {.fd = -1};
        int error = witness_copy(&takeover->images[i], images != NULL ? &images[i] : &none);
        if (error != 0)
            return error;
    }
    return adopt_init(controller, &takeover->adoption);
}

void takeover_done(struct controller *controller)
{
    struct takeover *takeover = takeover_of(controller);

    for (uint32_t i = 0; i < controller->elements_count && takeover->images != NULL; i++)
        witness_close(&takeover->images[i]);
    free(takeover->images);
    free(takeover->elements);
    adopt_done(&takeover->adoption);
}

bool takeover_has_landed(const struct controller *controller, uint32_t element)
{
    const struct element_record *record = record_of(controller, element);
    struct witness before = controller->takeover.images[element];

    /* relaxed: who owns the element is its only writer */
    if (load_relaxed(&record->mark_holder) == owner_holder(controller->id, controller->epoch) ||
        before.fd < 0)
        return true;
    before.mark_byte = load_relaxed(&record->mark_byte); /* relaxed: as above */
    return witness_saw_end(&before);
}

void takeover_image_replaced(struct controller *controller, uint32_t element, int fd)
{
    struct witness *image = &takeover_of(controller)->images[element];

    witness_close(image);
    image->fd = fd;
}

int takeover_image(const struct controller *controller, uint32_t element)
{
    const struct witness *images = controller->takeover.images;

    return images != NULL ? images[element].fd : -1;
}
