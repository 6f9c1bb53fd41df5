/*
 * Slots: the way round, who loses, and doorbells that name what there is not.
 */
#include "shm/slot.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { SOURCE = 3, SOURCE_EPOCH = 7, TARGET = 5, TARGET_EPOCH = 9, GENERATION = 40 };

static struct slot slot;
static struct slot_request seen_request;
static struct slot_answer seen_answer;

static const struct slot_request request = {.sequence = 11,
                                            .op = 2,
                                            .flags = 3,
                                            .element = 4,
                                            .volume = 5,
                                            .offset_bytes = 1ull << 40,
                                            .length_bytes = 4096,
                                            .buffer = 8192,
                                            .target = TARGET};
static const struct slot_answer answer = {.status = -EIO, .count = 6, .answer_bytes = 123};

static void setup(uint32_t generation)
{
    slots_init(&slot, 1, generation);
    seen_request = (struct slot_request){0};
    seen_answer = (struct slot_answer){0};
}

static uint32_t post(void)
{
    return slot_post(&slot, &request, SOURCE, SOURCE_EPOCH);
}

static bool claim(uint32_t generation)
{
    return slot_claim(&slot, generation, SOURCE, SOURCE_EPOCH, TARGET, TARGET_EPOCH, &seen_request);
}

static bool complete(uint32_t generation)
{
    return slot_complete(&slot, generation, TARGET, TARGET_EPOCH, &answer);
}

static enum slot_state state(void)
{
    return slot_word_state(load_acquire(&slot.state));
}

static void slots_start_free_with_the_given_generation(void)
{
    struct slot slots[3];
    memset(slots, 0xa5, sizeof(slots));
    slots_init(slots, 3, GENERATION);
    for (int i = 0; i < 3; i++) {
        uint64_t word = load_acquire(&slots[i].state);
        CU_ASSERT_EQUAL(slot_word_state(word), SLOT_FREE);
        CU_ASSERT_EQUAL(slot_word_generation(word), GENERATION);
    }
}

static void a_command_goes_there_and_back(void)
{
    setup(GENERATION);
    CU_ASSERT_EQUAL(post(), GENERATION);
    CU_ASSERT_EQUAL(state(), SLOT_POSTED);
    CU_ASSERT_FALSE(slot_is_done(&slot, GENERATION, &seen_answer));
    CU_ASSERT_TRUE(claim(GENERATION));
    CU_ASSERT_EQUAL(memcmp(&seen_request, &request, sizeof(request)), 0);
    CU_ASSERT_EQUAL(state(), SLOT_CLAIMED);
    CU_ASSERT_FALSE(slot_is_done(&slot, GENERATION, &seen_answer));
    CU_ASSERT_TRUE(complete(GENERATION));
    CU_ASSERT_EQUAL(state(), SLOT_DONE);
    CU_ASSERT_TRUE(slot_is_done(&slot, GENERATION, &seen_answer));
    CU_ASSERT_EQUAL(memcmp(&seen_answer, &answer, sizeof(answer)), 0);
    slot_free(&slot);
    CU_ASSERT_EQUAL(state(), SLOT_FREE);
    CU_ASSERT_EQUAL(post(), GENERATION + 1);
}

static void the_word_is_laid_out_as_drawn(void)
{
    setup(0x01020304);
    post();
    CU_ASSERT_EQUAL(load_acquire(&slot.state), 0x0102030400070301);
    claim(0x01020304);
    CU_ASSERT_EQUAL(load_acquire(&slot.state), 0x0102030400090502);
    complete(0x01020304);
    CU_ASSERT_EQUAL(load_acquire(&slot.state), 0x0102030400090503);
    slot_free(&slot);
    CU_ASSERT_EQUAL(load_acquire(&slot.state), 0x0102030500000000);
}

static void a_doorbell_that_arrives_twice_is_claimed_once(void)
{
    setup(GENERATION);
    post();
    CU_ASSERT_TRUE(claim(GENERATION));
    seen_request.sequence = 77;
    CU_ASSERT_FALSE(claim(GENERATION));
    complete(GENERATION);
    CU_ASSERT_FALSE(claim(GENERATION));
    slot_free(&slot);
    CU_ASSERT_FALSE(claim(GENERATION));
    CU_ASSERT_EQUAL(seen_request.sequence, 77);
}

static void a_stale_generation_matches_nothing(void)
{
    bool was_claimed;

    setup(GENERATION);
    post();
    claim(GENERATION);
    complete(GENERATION);
    slot_free(&slot);
    post();
    CU_ASSERT_FALSE(claim(GENERATION));
    CU_ASSERT_FALSE(slot_retract(&slot, GENERATION, &was_claimed));
    CU_ASSERT_TRUE(claim(GENERATION + 1));
    CU_ASSERT_FALSE(complete(GENERATION));
    CU_ASSERT_FALSE(slot_retract(&slot, GENERATION, &was_claimed));
    CU_ASSERT_TRUE(complete(GENERATION + 1));
    CU_ASSERT_FALSE(slot_is_done(&slot, GENERATION, &seen_answer));
    CU_ASSERT_TRUE(slot_is_done(&slot, GENERATION + 1, &seen_answer));
}

static void the_generation_wraps(void)
{
    setup(UINT32_MAX);
    CU_ASSERT_EQUAL(post(), UINT32_MAX);
    CU_ASSERT_TRUE(claim(UINT32_MAX));
    CU_ASSERT_TRUE(complete(UINT32_MAX));
    slot_free(&slot);
    CU_ASSERT_EQUAL(load_acquire(&slot.state), 0);
    CU_ASSERT_EQUAL(post(), 0);
    CU_ASSERT_TRUE(claim(0));
}

static void what_a_dead_source_posted_is_not_claimed(void)
{
    setup(GENERATION);
    post();
    CU_ASSERT_FALSE(slot_claim(&slot, GENERATION, SOURCE, SOURCE_EPOCH + 1, TARGET, TARGET_EPOCH,
                               &seen_request));
    CU_ASSERT_FALSE(slot_claim(&slot, GENERATION, SOURCE + 1, SOURCE_EPOCH, TARGET, TARGET_EPOCH,
                               &seen_request));
    CU_ASSERT_EQUAL(seen_request.sequence, 0);
    CU_ASSERT_TRUE(claim(GENERATION));
}

static void only_the_claimant_completes(void)
{
    setup(GENERATION);
    post();
    CU_ASSERT_FALSE(complete(GENERATION));
    CU_ASSERT_EQUAL(state(), SLOT_POSTED);
    claim(GENERATION);
    CU_ASSERT_FALSE(slot_complete(&slot, GENERATION, TARGET + 1, TARGET_EPOCH, &answer));
    CU_ASSERT_FALSE(slot_complete(&slot, GENERATION, TARGET, TARGET_EPOCH + 1, &answer));
    CU_ASSERT_EQUAL(slot.answer.count, 0);
    CU_ASSERT_TRUE(complete(GENERATION));
    CU_ASSERT_FALSE(complete(GENERATION));
}

static void a_posted_slot_is_retracted(void)
{
    bool was_claimed = true;

    setup(GENERATION);
    post();
    CU_ASSERT_TRUE(slot_retract(&slot, GENERATION, &was_claimed));
    CU_ASSERT_FALSE(was_claimed);
    CU_ASSERT_FALSE(claim(GENERATION));
    CU_ASSERT_EQUAL(seen_request.sequence, 0);
    CU_ASSERT_EQUAL(post(), GENERATION + 1);
}

static void a_claimed_slot_is_retracted_and_not_completed(void)
{
    bool was_claimed = false;

    setup(GENERATION);
    post();
    claim(GENERATION);
    CU_ASSERT_TRUE(slot_retract(&slot, GENERATION, &was_claimed));
    CU_ASSERT_TRUE(was_claimed);
    CU_ASSERT_FALSE(complete(GENERATION));
    CU_ASSERT_EQUAL(slot.answer.count, 0);
    CU_ASSERT_EQUAL(state(), SLOT_FREE);
    CU_ASSERT_EQUAL(post(), GENERATION + 1);
    CU_ASSERT_FALSE(complete(GENERATION));
    CU_ASSERT_TRUE(claim(GENERATION + 1));
}

static void a_done_slot_is_not_retracted(void)
{
    bool was_claimed = false;

    setup(GENERATION);
    CU_ASSERT_FALSE(slot_retract(&slot, GENERATION, &was_claimed));
    post();
    claim(GENERATION);
    complete(GENERATION);
    CU_ASSERT_FALSE(slot_retract(&slot, GENERATION, &was_claimed));
    CU_ASSERT_TRUE(slot_is_done(&slot, GENERATION, &seen_answer));
    CU_ASSERT_EQUAL(seen_answer.status, -EIO);
}

static void a_doorbell_says_what_was_put_in(void)
{
    static const struct doorbell doorbells[] = {
        {.kind = DOORBELL_REQUEST},
        {.generation = UINT32_MAX, .index = SLOTS_MAX - 1, .kind = DOORBELL_ANSWER},
        {.generation = 0x12345678, .index = 77, .kind = DOORBELL_REQUEST},
        {.index = 7, .kind = DOORBELL_HANDED, .relay = DOORBELL_RELAY_TO, .party = 63},
        {.index = SLOTS_MAX - 1,
         .kind = DOORBELL_ANSWER,
         .relay = DOORBELL_RELAYED_OF,
         .party = CONTROLLERS_MAX - 1}};

    for (size_t i = 0; i < sizeof(doorbells) / sizeof(*doorbells); i++) {
        struct doorbell seen = {0};
        CU_ASSERT_TRUE(doorbell_unpack(doorbell_pack(doorbells[i]), SLOTS_MAX, &seen));
        CU_ASSERT_EQUAL(seen.generation, doorbells[i].generation);
        CU_ASSERT_EQUAL(seen.index, doorbells[i].index);
        CU_ASSERT_EQUAL(seen.kind, doorbells[i].kind);
        CU_ASSERT_EQUAL(seen.relay, doorbells[i].relay);
        CU_ASSERT_EQUAL(seen.party, doorbells[i].party);
    }
    CU_ASSERT_EQUAL(doorbell_pack(doorbells[2]), 0x1234567800004d01);
    CU_ASSERT_EQUAL(doorbell_pack(doorbells[3]), 0xfd000703);
}

static bool withdraw(uint32_t generation)
{
    return slot_withdraw(&slot, generation, SOURCE, SOURCE_EPOCH);
}

static bool is_done_by_target(uint32_t generation)
{
    return slot_is_done_by(&slot, generation, TARGET, TARGET_EPOCH);
}

static void what_was_claimed_is_not_withdrawn(void)
{
    setup(GENERATION);
    CU_ASSERT_EQUAL(post(), GENERATION);
    CU_ASSERT_TRUE(withdraw(GENERATION));
    CU_ASSERT_FALSE(claim(GENERATION));
    CU_ASSERT_EQUAL(post(), GENERATION + 1);
    CU_ASSERT_TRUE(claim(GENERATION + 1));
    CU_ASSERT_FALSE(withdraw(GENERATION + 1));
    CU_ASSERT_FALSE(is_done_by_target(GENERATION + 1));
    CU_ASSERT_TRUE(complete(GENERATION + 1));
    CU_ASSERT_FALSE(withdraw(GENERATION + 1));
    CU_ASSERT_TRUE(is_done_by_target(GENERATION + 1));
    CU_ASSERT_FALSE(is_done_by_target(GENERATION));
    CU_ASSERT_FALSE(slot_is_done_by(&slot, GENERATION + 1, TARGET + 1, TARGET_EPOCH));
}

static void hostile_doorbells_are_refused(void)
{
    static const uint64_t hostile[] = {
        0,          /* no kind */
        0x0005,     /* an unknown kind */
        0xff,       /* an unknown kind */
        0x0801,     /* index 8 of 8 */
        0x00ffff01, /* the largest index */
        0x00100003, /* a command that there is not */
        0x04000101, /* of nobody's, and of a party */
        0x03000101, /* neither direct nor relayed */
        UINT64_MAX, /* all of it */
    };
    struct doorbell seen = {.index = 99};

    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++)
        CU_ASSERT_FALSE(doorbell_unpack(hostile[i], 8, &seen));
    CU_ASSERT_EQUAL(seen.index, 99);
    CU_ASSERT_TRUE(doorbell_unpack(0x0701, 8, &seen));
    CU_ASSERT_TRUE(doorbell_unpack(0x0803, 8, &seen)); /* names a command, not a slot */
    CU_ASSERT_EQUAL(seen.kind, DOORBELL_HANDED);
}

static void every_slot_is_taken_once(void)
{
    enum { COUNT = 5 };
    static struct slot slots[COUNT];
    struct slot_table table;
    uint32_t index;
    unsigned seen = 0;

    slots_init(slots, COUNT, 1);
    CU_ASSERT_EQUAL_FATAL(slot_table_init(&table, slots, COUNT), 0);
    for (int i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(slot_table_take(&table, &index), 0);
        CU_ASSERT_FATAL(index < COUNT);
        seen |= 1u << index;
    }
    CU_ASSERT_EQUAL(seen, (1u << COUNT) - 1);
    CU_ASSERT_EQUAL(slot_table_take(&table, &index), -ENOBUFS);
    slot_table_give(&table, 3);
    slot_table_give(&table, 1);
    CU_ASSERT_EQUAL(slot_table_take(&table, &index), 0);
    CU_ASSERT_EQUAL(index, 1); /* last freed, first used */
    CU_ASSERT_EQUAL(slot_table_take(&table, &index), 0);
    CU_ASSERT_EQUAL(index, 3);
    CU_ASSERT_EQUAL(slot_table_take(&table, &index), -ENOBUFS);
    slot_table_done(&table);
}

/* Whatever the last life had done with it. */
static void a_renewed_slot_is_free_of_a_later_generation(void)
{
    setup(GENERATION);
    for (int step = 0; step < 4; step++) {
        uint32_t generation = post();
        if (step >= 1)
            CU_ASSERT_TRUE(claim(generation));
        if (step >= 2)
            CU_ASSERT_TRUE(complete(generation));
        if (step >= 3)
            slot_free(&slot);
        slots_renew(&slot, 1);
        CU_ASSERT_EQUAL(state(), SLOT_FREE);
        CU_ASSERT_FALSE(claim(generation));
        CU_ASSERT_FALSE(complete(generation));
        CU_ASSERT_TRUE(post() > generation);
        slot_free(&slot);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"slots start free with the given generation", slots_start_free_with_the_given_generation},
        {"a command goes there and back", a_command_goes_there_and_back},
        {"the word is laid out as drawn", the_word_is_laid_out_as_drawn},
        {"a doorbell that arrives twice is claimed once",
         a_doorbell_that_arrives_twice_is_claimed_once},
        {"a stale generation matches nothing", a_stale_generation_matches_nothing},
        {"the generation wraps", the_generation_wraps},
        {"what a dead source posted is not claimed", what_a_dead_source_posted_is_not_claimed},
        {"only the claimant completes", only_the_claimant_completes},
        {"a posted slot is retracted", a_posted_slot_is_retracted},
        {"a claimed slot is retracted and not completed",
         a_claimed_slot_is_retracted_and_not_completed},
        {"a done slot is not retracted", a_done_slot_is_not_retracted},
        {"a doorbell says what was put in", a_doorbell_says_what_was_put_in},
        {"what was claimed is not withdrawn", what_was_claimed_is_not_withdrawn},
        {"hostile doorbells are refused", hostile_doorbells_are_refused},
        {"a renewed slot is free of a later generation",
         a_renewed_slot_is_free_of_a_later_generation},
        {"every slot is taken once", every_slot_is_taken_once},
    };
    return UNIT_RUN("slot", tests);
}
