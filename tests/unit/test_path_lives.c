/*
 * A seat's next life, as its peers see it: it is greeted when nothing of the last one is left, and
 * is a peer again when it runs.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/channel.h"
#include "shm/owner.h"
#include "tests/unit/puppet.h"
#include "tests/unit/unit.h"

enum { SECOND_LIFE = 3, THIRD_LIFE = 5 };

static const struct array_wanted three_with_a_puppet = {.controllers = 3,
                                                        .puppets = 1,
                                                        .slots = 8,
                                                        .ring_entries = 16,
                                                        .buffers_bytes = BUFFERS_BYTES_MIN};

static struct seat *seat_of_puppet(struct array *array)
{
    return segment_seat(&array->segment, PUPPET);
}

static int greet(struct array *array, uint32_t host, uint64_t seat, uint64_t life)
{
    return array_ask(
        array, host,
        (struct control_message){.kind = CONTROL_GREET_PEER, .arguments = {seat, life}},
        eventfd(0, EFD_CLOEXEC));
}

static void greet_all(struct array *array, uint64_t life)
{
    for (uint32_t host = 0; host < PUPPET; host++)
        CU_ASSERT_EQUAL(greet(array, host, PUPPET, life), 0);
}

/* The status of a flush of the puppet's volume that nobody has to answer. */
static int32_t flush(struct array *array)
{
    uint32_t job = host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = PUPPET});

    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    return array->hosts[0]->jobs[job].status;
}

/* Controller 0 has looked at all seats since: what began before a turn is seen in the next. */
static void let_look(struct array *array)
{
    for (int turn = 0; turn < 2; turn++) {
        host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = 0});
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    }
}

static void begin(struct array *array, uint32_t life)
{
    seat_begin_life(seat_of_puppet(array), life, 0);
    array_publish(array);
    let_look(array);
}

/* Its element is its own in this life too. */
static void own(struct array *array, uint32_t life)
{
    _Atomic uint64_t *word = &segment_element(&array->segment, PUPPET)->owner;
    struct owner owner = owner_load(word);

    CU_ASSERT_TRUE(
        owner_change(word, owner, owner_next(owner, OWNER_OWNED, PUPPET, (uint16_t)life)));
}

static void run(struct array *array, uint32_t life)
{
    own(array, life);
    array_set_seat(array, PUPPET, SEAT_RUNNING);
    let_look(array);
}

static void die(struct array *array)
{
    array_set_seat(array, PUPPET, SEAT_DEAD);
    array_set_seat(array, PUPPET, SEAT_DRAINED);
}

/* Takes a request of controller 0 in this life and answers it. */
static void answer_one(struct puppet *puppet, uint16_t life)
{
    const struct slot_answer answer = {.status = 0};
    struct slot_request request;
    struct doorbell doorbell;

    do {
        doorbell = next_doorbell(puppet);
    } while (!slot_claim(&puppet->theirs[doorbell.index], doorbell.generation, 0, EPOCH, PUPPET,
                         life, &request));
    CU_ASSERT_EQUAL(request.op, COMMAND_FLUSH);
    CU_ASSERT_TRUE(
        slot_complete(&puppet->theirs[doorbell.index], doorbell.generation, PUPPET, life, &answer));
    doorbell.kind = DOORBELL_ANSWER;
    send_doorbell(puppet, doorbell);
}

/* --- a life that runs --- */

/* As one that is killed may leave it. */
static void damage_ring(struct array *array)
{
    struct ring *ring = &segment_link(&array->segment, PUPPET, 0, 1)->ring;

    store_relaxed(&ring->tail, load_relaxed(&ring->head) + 1000); /* relaxed: nobody looks now */
}

static bool a_command_waits_for_its_owner(struct array *array)
{
    /* relaxed: a counter */
    return load_relaxed(&segment_seat(&array->segment, 0)->counters.waits_for_owner) > 0;
}

/* What it left in a ring is not there for the next life. Who owns something already is waited for.
 */
static void a_new_life_is_a_peer_when_it_runs(void)
{
    struct array *array = array_start(&three_with_a_puppet);
    struct puppet last = attach(array);
    struct slot_request request;

    host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = PUPPET});
    claim(&last, &request);
    die(array);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(array->hosts[0]->jobs[0].status, -EIO);
    send_entry(&last, UINT64_MAX);
    damage_ring(array);

    greet_all(array, SECOND_LIFE);
    struct puppet next = attach(array);
    CU_ASSERT_FALSE(ring_has_entries(&next.from));
    CU_ASSERT_TRUE(ring_is_drained(&next.to));
    CU_ASSERT_EQUAL(flush(array), -EIO);
    begin(array, SECOND_LIFE);
    own(array, SECOND_LIFE);
    uint32_t job = host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = PUPPET});
    CU_ASSERT_TRUE(array_wait_until(array, a_command_waits_for_its_owner));
    array_set_seat(array, PUPPET, SEAT_RUNNING);
    answer_one(&next, SECOND_LIFE);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(array->hosts[0]->jobs[job].status, 0);
    CU_ASSERT_FALSE(seat_is_done_with(segment_seat(&array->segment, 0), PUPPET));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* And what it asks is executed; what the last life had posted is not. */
static void what_a_new_life_asks_is_executed(void)
{
    const struct slot_request request = {.op = COMMAND_FLUSH, .target = 0};
    struct array *array = array_start(&three_with_a_puppet);
    struct slot_answer answer;

    attach(array);
    uint32_t old = slot_post(&segment_slots(&array->segment, PUPPET)[1], &request, PUPPET, EPOCH);
    die(array);
    greet_all(array, SECOND_LIFE);
    begin(array, SECOND_LIFE);
    struct puppet next = attach(array);
    run(array, SECOND_LIFE);
    send_doorbell(&next,
                  (struct doorbell){.generation = old, .index = 1, .kind = DOORBELL_REQUEST});
    uint32_t generation = slot_post(&next.slots[0], &request, PUPPET, SECOND_LIFE);
    send_doorbell(&next, (struct doorbell){.generation = generation, .kind = DOORBELL_REQUEST});
    while (!slot_is_done(&next.slots[0], generation, &answer))
        thread_wait();
    CU_ASSERT_EQUAL(answer.status, 0);
    CU_ASSERT_FALSE(slot_is_done(&next.slots[1], old, &answer));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- lives that do not come to run --- */

static bool the_others_are_done_with_it(struct array *array)
{
    return seat_is_done_with(segment_seat(&array->segment, 0), PUPPET) &&
           seat_is_done_with(segment_seat(&array->segment, 1), PUPPET);
}

static void a_life_that_dies_before_it_runs_is_lost_like_any_other(void)
{
    struct array *array = array_start(&three_with_a_puppet);

    attach(array);
    die(array);
    greet_all(array, SECOND_LIFE);
    begin(array, SECOND_LIFE);
    die(array);
    CU_ASSERT_TRUE(array_wait_until(array, the_others_are_done_with_it));
    CU_ASSERT_EQUAL(flush(array), -EIO);
    greet_all(array, THIRD_LIFE);
    begin(array, THIRD_LIFE);
    struct puppet next = attach(array);
    run(array, THIRD_LIFE);
    host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = PUPPET});
    answer_one(&next, THIRD_LIFE);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* Whoever was to be started has died before it began: it is greeted anew, in the same life. */
static void one_that_was_greeted_in_vain_is_greeted_again(void)
{
    struct array *array = array_start(&three_with_a_puppet);

    attach(array);
    die(array);
    greet_all(array, SECOND_LIFE);
    greet_all(array, SECOND_LIFE);
    begin(array, SECOND_LIFE);
    struct puppet next = attach(array);
    run(array, SECOND_LIFE);
    host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = PUPPET});
    answer_one(&next, SECOND_LIFE);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- greetings --- */

static bool is_answered(struct array *array, int patience_ms)
{
    struct pollfd wait = {.fd = array->control[0], .events = POLLIN};

    return poll(&wait, 1, patience_ms) == 1;
}

/* I/O of the last life may still land: the greeting is not answered, however often it is looked at.
 */
static void greeting_waits(struct array *array, uint32_t life)
{
    const struct control_message message = {
        .number = 77, .kind = CONTROL_GREET_PEER, .arguments = {PUPPET, life}};
    int lifeline = eventfd(0, EFD_CLOEXEC), fd;
    struct control_answer answer;

    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE(array_wait_until(array, the_others_are_done_with_it));
    CU_ASSERT_EQUAL(channel_send(array->control[0], &message, sizeof message, lifeline), 0);
    close(lifeline);
    CU_ASSERT_FALSE(is_answered(array, 100));
    array_set_seat(array, PUPPET, SEAT_DRAINED);
    CU_ASSERT_TRUE_FATAL(is_answered(array, 20000));
    CU_ASSERT_EQUAL(channel_receive(array->control[0], &answer, sizeof answer, &fd), 0);
    CU_ASSERT_EQUAL(answer.number, 77);
    CU_ASSERT_EQUAL(answer.status, 0);
    CU_ASSERT_EQUAL(greet(array, 1, PUPPET, life), 0);
}

static void a_greeting_waits_for_the_end_of_the_last_life(void)
{
    struct array *array = array_start(&three_with_a_puppet);

    attach(array);
    greeting_waits(array, SECOND_LIFE);
    begin(array, SECOND_LIFE); /* which dies before it runs */
    greeting_waits(array, THIRD_LIFE);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_greeting_that_makes_no_sense_is_refused(void)
{
    struct array *array = array_start(&three_with_a_puppet);

    attach(array);
    die(array);
    CU_ASSERT_EQUAL(greet(array, 0, 0, SECOND_LIFE), -EPROTO); /* itself */
    CU_ASSERT_EQUAL(greet(array, 0, 3, SECOND_LIFE), -EPROTO);
    CU_ASSERT_EQUAL(greet(array, 0, PUPPET, 1), -EPROTO); /* the last life */
    CU_ASSERT_EQUAL(greet(array, 0, PUPPET, 2), -EPROTO); /* its death */
    CU_ASSERT_EQUAL(greet(array, 0, PUPPET, 4), -EPROTO);
    CU_ASSERT_EQUAL(greet(array, 0, PUPPET, UINT64_MAX), -EPROTO);
    CU_ASSERT_EQUAL(array_ask(array, 0,
                              (struct control_message){.kind = CONTROL_GREET_PEER,
                                                       .arguments = {PUPPET, SECOND_LIFE}},
                              -1),
                    -EPROTO); /* without a lifeline */
    CU_ASSERT_EQUAL(greet(array, 0, PUPPET, SECOND_LIFE), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a new life is a peer when it runs", a_new_life_is_a_peer_when_it_runs},
        {"what a new life asks is executed", what_a_new_life_asks_is_executed},
        {"a life that dies before it runs is lost like any other",
         a_life_that_dies_before_it_runs_is_lost_like_any_other},
        {"one that was greeted in vain is greeted again",
         one_that_was_greeted_in_vain_is_greeted_again},
        {"a greeting waits for the end of the last life",
         a_greeting_waits_for_the_end_of_the_last_life},
        {"a greeting that makes no sense is refused", a_greeting_that_makes_no_sense_is_refused},
    };
    return UNIT_RUN("path_lives", tests);
}
