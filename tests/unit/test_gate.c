/*
 * The gate: writes of one block follow each other, and nobody else waits.
 */
#include "controller/path/gate.h"

#include <string.h>
#include <time.h>

#include "tests/unit/unit.h"

static struct command write_of(uint64_t offset_bytes, uint64_t bytes)
{
    return (struct command){.element_offset_bytes = offset_bytes, .length_bytes = bytes};
}

static void writes_of_one_block_follow_each_other(void)
{
    struct gate gate = {0};
    struct command first = write_of(0, 8192), same = write_of(0, 8192), next = write_of(4096, 4096);
    struct command beside = write_of(8192, 4096);

    CU_ASSERT_TRUE(gate_enter(&gate, &first));
    CU_ASSERT_FALSE(gate_enter(&gate, &same));
    CU_ASSERT_FALSE(gate_enter(&gate, &next));
    CU_ASSERT_TRUE(gate_enter(&gate, &beside));
    CU_ASSERT_PTR_NULL(gate_next_ready(&gate));
    gate_leave(&gate, &first);
    CU_ASSERT_PTR_EQUAL(gate_next_ready(&gate), &same);
    CU_ASSERT_PTR_NULL(gate_next_ready(&gate));
    gate_leave(&gate, &same);
    CU_ASSERT_PTR_EQUAL(gate_next_ready(&gate), &next);
    gate_leave(&gate, &beside);
    gate_leave(&gate, &next);
    CU_ASSERT_PTR_NULL(gate.first);
    CU_ASSERT_PTR_NULL(gate.last);
    CU_ASSERT_EQUAL(gate.waiting, 0);
}

static void those_that_share_do_not_wait_for_each_other(void)
{
    struct gate gate = {0};
    struct command one = write_of(0, 8192), other = write_of(4096, 8192), change = write_of(0, 512);

    one.io.gate_shared = other.io.gate_shared = true;
    CU_ASSERT_TRUE(gate_enter(&gate, &one));
    CU_ASSERT_TRUE(gate_enter(&gate, &other));
    CU_ASSERT_FALSE(gate_enter(&gate, &change));
    gate_leave(&gate, &other);
    CU_ASSERT_PTR_NULL(gate_next_ready(&gate));
    gate_leave(&gate, &one);
    CU_ASSERT_PTR_EQUAL(gate_next_ready(&gate), &change);
    gate_leave(&gate, &change);
}

static void a_partial_write_waits_for_its_block(void)
{
    struct gate gate = {0};
    struct command whole = write_of(0, 8192), partial = write_of(4090, 10);
    struct command beside = write_of(8192, 1), behind = write_of(8191, 1);

    CU_ASSERT_TRUE(gate_enter(&gate, &whole));
    CU_ASSERT_FALSE(gate_enter(&gate, &partial));
    CU_ASSERT_TRUE(gate_enter(&gate, &beside)); /* another block */
    CU_ASSERT_FALSE(gate_enter(&gate, &behind));
    CU_ASSERT_PTR_NULL(gate_next_ready(&gate));
    gate_leave(&gate, &whole);
    CU_ASSERT_PTR_EQUAL(gate_next_ready(&gate), &partial);
    CU_ASSERT_PTR_NULL(gate_next_ready(&gate)); /* behind shares block 1 with partial */
    gate_leave(&gate, &partial);
    CU_ASSERT_PTR_EQUAL(gate_next_ready(&gate), &behind);
    gate_leave(&gate, &behind);
    gate_leave(&gate, &beside);
    CU_ASSERT_EQUAL(gate.waiting, 0);
}

/* Commands that come and go in a random order: at no time do two go on that must not, and all that
 * entered leave in the end. */
enum { COMMANDS = 48, STEPS = 20000, SEEDS = 20 };

struct crowd {
    struct gate gate;
    struct command commands[COMMANDS];
    bool inside[COMMANDS], going[COMMANDS];
    uint64_t order[COMMANDS], entered;
    uint32_t seed;
};

static uint32_t crowd_random(struct crowd *crowd, uint32_t below)
{
    crowd->seed = crowd->seed * 1664525u + 1013904223u;
    return (crowd->seed >> 16) % below;
}

static bool must_not_meet(const struct command *a, const struct command *b)
{
    uint64_t a_end = a->element_offset_bytes + a->length_bytes;
    uint64_t b_end = b->element_offset_bytes + b->length_bytes;
    return a->element_offset_bytes / BLOCK_BYTES < (b_end + BLOCK_BYTES - 1) / BLOCK_BYTES &&
           b->element_offset_bytes / BLOCK_BYTES < (a_end + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

static void crowd_check(const struct crowd *crowd)
{
    for (uint32_t i = 0; i < COMMANDS; i++) {
        bool held = false;
        for (uint32_t j = 0; j < COMMANDS && crowd->inside[i]; j++) {
            if (!crowd->inside[j] || crowd->order[j] >= crowd->order[i] ||
                !must_not_meet(&crowd->commands[i], &crowd->commands[j]))
                continue;
            held = true;
            if (crowd->going[i])
                CU_FAIL("two go on that must not");
        }
        if (crowd->inside[i] && !held && !crowd->going[i])
            CU_FAIL("one waits for nobody");
    }
}

static void crowd_let_go_on(struct crowd *crowd)
{
    struct command *ready;

    while ((ready = gate_next_ready(&crowd->gate)) != NULL)
        crowd->going[ready - crowd->commands] = true;
}

static void crowd_step(struct crowd *crowd)
{
    uint32_t i = crowd_random(crowd, COMMANDS);

    if (!crowd->inside[i]) {
        uint32_t unit = crowd_random(crowd, 2) ? BLOCK_BYTES : 512;
        uint32_t units = crowd_random(crowd, 8) ? 4 : 64 * BLOCK_BYTES / unit; /* short, long */
        crowd->commands[i] = write_of((uint64_t)crowd_random(crowd, 72 * 4096 / unit) * unit,
                                      (1 + crowd_random(crowd, units)) * unit);
        crowd->inside[i] = true;
        crowd->order[i] = ++crowd->entered;
        crowd->going[i] = gate_enter(&crowd->gate, &crowd->commands[i]);
    } else if (crowd->going[i]) {
        gate_leave(&crowd->gate, &crowd->commands[i]);
        crowd->inside[i] = crowd->going[i] = false;
        crowd_let_go_on(crowd);
    }
}

static void random_writes_keep_the_order(void)
{
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        struct crowd crowd = {.seed = seed};
        unsigned failures = CU_get_number_of_failures();
        for (uint32_t step = 0; step < STEPS && CU_get_number_of_failures() == failures; step++) {
            crowd_step(&crowd);
            if (step % 16 == 0)
                crowd_check(&crowd);
        }
        for (uint32_t i = 0; i < COMMANDS; i++) {
            for (uint32_t j = 0; j < COMMANDS; j++) {
                if (!crowd.going[j])
                    continue;
                gate_leave(&crowd.gate, &crowd.commands[j]);
                crowd.inside[j] = crowd.going[j] = false;
                crowd_let_go_on(&crowd);
            }
        }
        CU_ASSERT_PTR_NULL(crowd.gate.first);
        CU_ASSERT_EQUAL(crowd.gate.waiting, 0);
        if (CU_get_number_of_failures() != failures) {
            printf("seed %u\n", seed);
            return;
        }
    }
}

/* As many as a controller can have at once, all partial, four in a block: each enters, leaves, and
 * lets the next one go on. Looking at everybody each time would take a thousand times as long. */
static void many_partial_writes_are_cheap(void)
{
    enum { MANY = COMMANDS_MAX + PEER_COMMANDS_MAX, PIECE = BLOCK_BYTES / 4, ROUNDS = 2 };
    static struct command commands[MANY];
    struct gate gate = {0};
    struct command *ready;
    uint32_t left = 0;
    clock_t began = clock();

    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct command *going[MANY];
        uint32_t going_count = 0;
        for (uint32_t i = 0; i < MANY; i++) {
            uint64_t block = i % (MANY / 4), piece = i / (MANY / 4);
            commands[i] = write_of(block * BLOCK_BYTES + piece * PIECE, PIECE);
            if (gate_enter(&gate, &commands[i]))
                going[going_count++] = &commands[i];
        }
        CU_ASSERT_EQUAL(going_count, MANY / 4);
        for (; going_count > 0; left++) {
            gate_leave(&gate, going[--going_count]);
            while ((ready = gate_next_ready(&gate)) != NULL)
                going[going_count++] = ready;
        }
    }
    CU_ASSERT_EQUAL(left, MANY * ROUNDS);
    CU_ASSERT_EQUAL(gate.waiting, 0);
    CU_ASSERT_TRUE((double)(clock() - began) / CLOCKS_PER_SEC < 1);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"writes of one block follow each other", writes_of_one_block_follow_each_other},
        {"those that share do not wait for each other",
         those_that_share_do_not_wait_for_each_other},
        {"a partial write waits for its block", a_partial_write_waits_for_its_block},
        {"random writes keep the order", random_writes_keep_the_order},
        {"many partial writes are cheap", many_partial_writes_are_cheap},
    };
    return UNIT_RUN("gate", tests);
}
