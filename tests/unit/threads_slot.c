/*
 * One slot between a source and its targets: two claimants race, and a source that takes the slot
 * back races with a target on its last steps.
 */
#include "shm/slot.h"

#include "tests/unit/threads.h"
#include "tests/unit/unit.h"

enum { SOURCE = 1, EPOCH = 4, COMMANDS = 20000, CLAIMANTS = 2, SLOTS = 64, ROUNDS = 2000 };

static uint32_t post(struct slot *slot, uint64_t sequence)
{
    struct slot_request request = {.sequence = sequence, .length_bytes = ~sequence};
    return slot_post(slot, &request, SOURCE, EPOCH);
}

static void check_request(const struct slot_request *request)
{
    assert(request->length_bytes == ~request->sequence);
}

/* --- two claimants --- */

/* Many at once, so that both claimants go through the same ones at the same time. */
static struct slot slots[SLOTS];
static _Atomic uint32_t all_done;

struct claimant {
    uint8_t seat;
    uint64_t claims;
};

static void claim_and_complete(struct claimant *claimant, struct slot *posted)
{
    uint32_t generation = slot_word_generation(load_acquire(&posted->state));
    struct slot_request request;

    if (!slot_claim(posted, generation, SOURCE, EPOCH, claimant->seat, EPOCH, &request))
        return;
    check_request(&request);
    claimant->claims++;
    struct slot_answer answer = {.count = claimant->seat, .answer_bytes = request.sequence};
    assert(slot_complete(posted, generation, claimant->seat, EPOCH, &answer));
}

static void *run_claimant(void *argument)
{
    while (!load_acquire(&all_done)) {
        for (uint32_t i = 0; i < SLOTS; i++)
            claim_and_complete(argument, &slots[i]);
        thread_wait();
    }
    return NULL;
}

static void each_command_is_claimed_by_one_of_two(void)
{
    struct claimant claimants[CLAIMANTS] = {{.seat = 2}, {.seat = 3}};
    uint64_t answered[CLAIMANTS] = {0};
    pthread_t threads[CLAIMANTS];

    slots_init(slots, SLOTS, UINT32_MAX - ROUNDS / 2);
    for (int i = 0; i < CLAIMANTS; i++)
        threads[i] = thread_start(run_claimant, &claimants[i]);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t generation = 0;
        for (uint32_t i = 0; i < SLOTS; i++)
            generation = post(&slots[i], (uint64_t)round * SLOTS + i);
        for (uint32_t i = 0; i < SLOTS; i++) {
            struct slot_answer answer;
            while (!slot_is_done(&slots[i], generation, &answer))
                thread_wait();
            assert(answer.answer_bytes == (uint64_t)round * SLOTS + i);
            answered[answer.count - 2]++;
            slot_free(&slots[i]);
        }
    }
    /* pairs with the claimants' load */
    store_release(&all_done, 1);
    for (int i = 0; i < CLAIMANTS; i++) {
        thread_join(threads[i]);
        CU_ASSERT_EQUAL(claimants[i].claims, answered[i]);
    }
}

/* --- retract against claim and complete --- */

/* One slot, and the rounds begun by the source and ended by the target. A target that is dead
 * touches nothing any more, so the source posts again only after the target's round has ended. */
static struct slot slot;
static _Atomic uint32_t begun, ended;
static bool target_claimed, target_completed;

static void *run_target(void *unused)
{
    uint32_t seed = 5;

    for (uint32_t round = 0; round < COMMANDS; round++) {
        while (load_acquire(&begun) == round)
            thread_wait();
        struct slot_request request;
        struct slot_answer answer = {.answer_bytes = round};
        target_completed = false;
        target_claimed = slot_claim(&slot, round, SOURCE, EPOCH, 2, EPOCH, &request);
        if (target_claimed) {
            check_request(&request);
            for (uint32_t delay = thread_random(&seed) % 64; delay > 0; delay--)
                cpu_relax();
            target_completed = slot_complete(&slot, round, 2, EPOCH, &answer);
        }
        /* pairs with the source's load */
        store_release(&ended, round + 1);
    }
    return unused;
}

static void a_slot_is_retracted_or_completed_never_both(void)
{
    enum { POSTED, CLAIMED, DONE, OUTCOMES };
    uint64_t outcomes[OUTCOMES] = {0};
    uint32_t seed = 6;

    slots_init(&slot, 1, 0);
    pthread_t target = thread_start(run_target, NULL);
    for (uint32_t round = 0; round < COMMANDS; round++) {
        struct slot_answer answer;
        bool was_claimed = false;
        assert(post(&slot, round) == round);
        /* pairs with the target's load */
        store_release(&begun, round + 1);
        for (uint32_t delay = thread_random(&seed) % 512; delay > 0; delay--)
            cpu_relax();
        if (round % 16 == 0)
            thread_wait();
        bool retracted = slot_retract(&slot, round, &was_claimed);
        if (!retracted) {
            assert(slot_is_done(&slot, round, &answer));
            assert(answer.answer_bytes == round);
            slot_free(&slot);
        }
        while (load_acquire(&ended) == round)
            thread_wait();
        assert(target_completed == !retracted);
        assert(target_claimed == (!retracted || was_claimed));
        outcomes[retracted ? (was_claimed ? CLAIMED : POSTED) : DONE]++;
    }
    thread_join(target);
    printf("retracted when posted %lu, when claimed %lu, not %lu\n", outcomes[POSTED],
           outcomes[CLAIMED], outcomes[DONE]);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"each command is claimed by one of two", each_command_is_claimed_by_one_of_two},
        {"a slot is retracted or completed, never both",
         a_slot_is_retracted_or_completed_never_both},
    };
    return UNIT_RUN("slot, threads", tests);
}
