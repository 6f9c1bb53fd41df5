/*
 * The history checker with random histories: against trying every order, on small ones; and on
 * large ones of a simulated array that is linearizable, as they are and with one lie put in.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/history/history.h"
#include "tests/unit/unit.h"

enum { SMALL = 7, SMALL_BLOCKS = 3, SMALL_HISTORIES = 10000 };
enum { LONG_TIMES = 30 }; /* with ANYPORT_TEST_LONG=1, so many times as many */
enum { LARGE = 1500, LARGE_BLOCKS = 12, LARGE_HISTORIES = 27, HOSTS = 8 };

struct sample {
    struct history_operation is;
    uint64_t tags[LARGE_BLOCKS]; /* [0] of a write */
};

static uint64_t state;
static uint32_t times = 1;

static uint32_t random_below(uint32_t limit)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((state >> 33) % limit);
}

static bool covers(const struct sample *sample, uint32_t block)
{
    return block >= sample->is.first_block && block - sample->is.first_block < sample->is.blocks;
}

static enum history_verdict check(const struct sample *samples, uint32_t count, uint32_t blocks,
                                  enum history_scope scope)
{
    uint64_t initial[LARGE_BLOCKS];
    struct history_violation found = {0};

    for (uint32_t i = 0; i < LARGE_BLOCKS; i++)
        initial[i] = 1;
    struct history *history = history_new(blocks, initial);
    CU_ASSERT_PTR_NOT_NULL_FATAL(history);
    for (uint32_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL_FATAL(history_add(history, &samples[i].is, samples[i].tags), 0);
    CU_ASSERT_EQUAL_FATAL(history_check(history, scope, &found), 0);
    history_free(history);
    return found.verdict;
}

/* --- small ones, against every order --- */

struct attempt {
    const struct sample *samples;
    uint32_t count;
    uint32_t first, end;          /* of the blocks that are looked at */
    uint64_t holds[SMALL_BLOCKS]; /* what the blocks hold so far */
};

static bool fits(const struct attempt *attempt, const struct sample *sample)
{
    for (uint32_t block = attempt->first; block < attempt->end; block++) {
        if (sample->is.kind == HISTORY_READ && covers(sample, block) &&
            sample->tags[block - sample->is.first_block] != attempt->holds[block])
            return false;
    }
    return true;
}

static bool may_be_next(const struct attempt *attempt, uint32_t placed, uint32_t which)
{
    for (uint32_t i = 0; i < attempt->count; i++) {
        if ((placed >> i & 1) == 0 &&
            attempt->samples[i].is.return_ns < attempt->samples[which].is.invoke_ns)
            return false;
    }
    return fits(attempt, &attempt->samples[which]);
}

static bool try_orders(struct attempt attempt, uint32_t placed)
{
    bool done = true;

    for (uint32_t i = 0; i < attempt.count; i++) {
        const struct sample *sample = &attempt.samples[i];
        if ((placed >> i & 1) != 0)
            continue;
        /* a lost write may be left out for ever */
        done = done && sample->is.return_ns == HISTORY_LOST;
        if (!may_be_next(&attempt, placed, i))
            continue;
        struct attempt next = attempt;
        for (uint32_t block = 0; block < SMALL_BLOCKS; block++) {
            if (sample->is.kind == HISTORY_WRITE && covers(sample, block))
                next.holds[block] = sample->tags[0];
        }
        if (try_orders(next, placed | 1u << i))
            return true;
    }
    return done;
}

static bool some_order_fits(const struct sample *samples, uint32_t first, uint32_t end)
{
    struct attempt attempt = {
        .samples = samples, .count = SMALL, .first = first, .end = end, .holds = {1, 1, 1}};

    return try_orders(attempt, 0);
}

static struct sample small_sample(uint64_t tag)
{
    uint32_t first = random_below(SMALL_BLOCKS), sent = 1 + random_below(20);
    struct sample sample = {.is = {.invoke_ns = sent,
                                   .return_ns = sent + random_below(25),
                                   .first_block = first,
                                   .blocks = 1 + random_below(SMALL_BLOCKS - first),
                                   .kind = random_below(2) == 0 ? HISTORY_READ : HISTORY_WRITE},
                            .tags = {tag}};

    if (sample.is.kind == HISTORY_WRITE && random_below(8) == 0)
        sample.is.return_ns = HISTORY_LOST;
    return sample;
}

/* What the reads saw: mostly some write's tag, now and then the state before. */
static void see_something(struct sample *samples, struct sample *read)
{
    for (uint32_t i = 0; i < read->is.blocks; i++) {
        const struct sample *other = &samples[random_below(SMALL)];
        bool is_its = other->is.kind == HISTORY_WRITE && covers(other, read->is.first_block + i);
        read->tags[i] = is_its ? other->tags[0] : 1;
    }
}

static void every_order_is_tried(void)
{
    struct sample samples[SMALL];
    uint32_t valid = 0, wrong = 0, whole_only = 0;

    for (uint32_t round = 0; round < times * SMALL_HISTORIES; round++) {
        for (uint32_t i = 0; i < SMALL; i++)
            samples[i] = small_sample(i + 2);
        for (uint32_t i = 0; i < SMALL; i++) {
            if (samples[i].is.kind == HISTORY_READ)
                see_something(samples, &samples[i]);
        }
        bool by_block = true, whole = some_order_fits(samples, 0, SMALL_BLOCKS);
        for (uint32_t block = 0; block < SMALL_BLOCKS && by_block; block++)
            by_block = some_order_fits(samples, block, block + 1);
        valid += whole;
        whole_only += by_block && !whole;
        wrong += (check(samples, SMALL, SMALL_BLOCKS, HISTORY_BLOCKS) == HISTORY_VALID) != by_block;
        wrong += (check(samples, SMALL, SMALL_BLOCKS, HISTORY_COMMANDS) == HISTORY_VALID) != whole;
    }
    printf("%u histories: %u valid, %u only by block ", times * SMALL_HISTORIES, valid, whole_only);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(valid > times * SMALL_HISTORIES / 50 && whole_only > times * SMALL_HISTORIES / 100);
}

/* --- large ones --- */

/*
 * An array of registers that does each command at one moment between its sending and its answer.
 * Each host has one command at a time; the hosts' moments are mixed at random.
 */
static void simulate(struct sample *samples, uint32_t writes_of_ten)
{
    uint64_t holds[LARGE_BLOCKS], now_ns = 1;
    struct sample *busy[HOSTS] = {NULL};
    bool is_done[HOSTS] = {false};
    uint32_t begun = 0, answered = 0;

    for (uint32_t i = 0; i < LARGE_BLOCKS; i++)
        holds[i] = 1;
    while (answered < LARGE) {
        uint32_t host = random_below(HOSTS);
        struct sample *sample = busy[host];
        now_ns += random_below(3);
        if (sample == NULL && begun < LARGE) {
            uint32_t first = random_below(LARGE_BLOCKS);
            sample = busy[host] = &samples[begun++];
            *sample = (struct sample){
                .is = {.invoke_ns = now_ns,
                       .host = host,
                       .first_block = first,
                       .blocks = 1 + random_below(LARGE_BLOCKS - first),
                       .kind = random_below(10) < writes_of_ten ? HISTORY_WRITE : HISTORY_READ},
                .tags = {begun + 1}};
            is_done[host] = false;
        } else if (sample != NULL && !is_done[host]) {
            for (uint32_t i = 0; i < sample->is.blocks; i++) {
                if (sample->is.kind == HISTORY_WRITE)
                    holds[sample->is.first_block + i] = sample->tags[0];
                else
                    sample->tags[i] = holds[sample->is.first_block + i];
            }
            is_done[host] = true;
        } else if (sample != NULL) {
            sample->is.return_ns = now_ns;
            busy[host] = NULL;
            answered++;
        }
    }
}

static void a_linearizable_array_is_valid(void)
{
    static struct sample samples[LARGE];
    uint32_t wrong = 0;

    for (uint32_t round = 0; round < times * LARGE_HISTORIES; round++) {
        simulate(samples, 1 + round % 9);
        wrong += check(samples, LARGE, LARGE_BLOCKS, HISTORY_BLOCKS) != HISTORY_VALID;
        wrong += check(samples, LARGE, LARGE_BLOCKS, HISTORY_COMMANDS) != HISTORY_VALID;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* The write of a tag; NULL for the state before. */
static const struct sample *writer(const struct sample *samples, uint64_t tag)
{
    return tag == 1 ? NULL : &samples[tag - 2];
}

static bool is_before(const struct sample *a, const struct sample *b)
{
    return a == NULL || (b != NULL && a->is.return_ns < b->is.invoke_ns);
}

/* The tag of some write of the block that was answered before `write` was sent, but not before
 * `after` was answered; the state before the history if there is none. */
static uint64_t older_tag(const struct sample *samples, const struct sample *write, uint32_t block)
{
    for (const struct sample *older = write; older-- > samples;) {
        if (older->is.kind == HISTORY_WRITE && covers(older, block) && is_before(older, write))
            return older->tags[0];
    }
    return 1;
}

/* A read that was sent after what it saw in a block was answered now saw something older there. */
static bool tell_stale(struct sample *samples, struct sample *read)
{
    uint32_t i = random_below(read->is.blocks);
    const struct sample *seen = writer(samples, read->tags[i]);

    if (seen == NULL || !is_before(seen, read))
        return false;
    read->tags[i] = older_tag(samples, seen, read->is.first_block + i);
    return true;
}

/* A read that saw one write in two blocks now saw something older in one of them. */
static bool tear(struct sample *samples, struct sample *read)
{
    uint32_t i = random_below(read->is.blocks), j = random_below(read->is.blocks);
    const struct sample *seen = writer(samples, read->tags[i]);

    if (i == j || seen == NULL || read->tags[j] != read->tags[i] || is_before(seen, read))
        return false;
    read->tags[j] = older_tag(samples, seen, read->is.first_block + j);
    return true;
}

/* Two reads, one after the other, exchange what they saw in one block. */
static bool invert(struct sample *samples, struct sample *read)
{
    struct sample *later = &samples[random_below(LARGE)];
    uint32_t i = random_below(read->is.blocks), block = read->is.first_block + i;

    if (later->is.kind != HISTORY_READ || !covers(later, block) || !is_before(read, later))
        return false;
    uint64_t *one = &read->tags[i], *other = &later->tags[block - later->is.first_block];
    uint64_t old = *one, new = *other;
    if (old == new || !is_before(writer(samples, old), writer(samples, new)))
        return false;
    *one = new, *other = old;
    return true;
}

static void lies_are_found(bool (*lie)(struct sample *samples, struct sample *read),
                           enum history_scope scope)
{
    static struct sample samples[LARGE];
    uint32_t missed = 0;

    for (uint32_t round = 0; round < times * LARGE_HISTORIES; round++) {
        struct sample *read;
        simulate(samples, 1 + round % 9);
        uint32_t draws = 0;
        do {
            read = &samples[random_below(LARGE)];
        } while ((read->is.kind != HISTORY_READ || !lie(samples, read)) && ++draws < 1000000);
        CU_ASSERT_FATAL(draws < 1000000);
        enum history_verdict verdict = check(samples, LARGE, LARGE_BLOCKS, scope);
        missed += verdict == HISTORY_VALID || verdict == HISTORY_UNDECIDED;
    }
    CU_ASSERT_EQUAL(missed, 0);
}

static void stale_reads_are_found(void)
{
    lies_are_found(tell_stale, HISTORY_BLOCKS);
    lies_are_found(tell_stale, HISTORY_COMMANDS);
}

static void inversions_are_found(void)
{
    lies_are_found(invert, HISTORY_BLOCKS);
    lies_are_found(invert, HISTORY_COMMANDS);
}

static void torn_commands_are_found(void)
{
    lies_are_found(tear, HISTORY_COMMANDS);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"small histories: as by trying every order", every_order_is_tried},
        {"a linearizable array is found so", a_linearizable_array_is_valid},
        {"stale reads are found", stale_reads_are_found},
        {"inverted reads are found", inversions_are_found},
        {"torn commands are found", torn_commands_are_found},
    };
    const char *seed = getenv("ANYPORT_TEST_SEED"), *is_long = getenv("ANYPORT_TEST_LONG");

    state = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    if (is_long != NULL && *is_long != '\0' && *is_long != '0')
        times = LONG_TIMES;
    printf("seed %llu (ANYPORT_TEST_SEED repeats it)\n", (unsigned long long)state);
    return UNIT_RUN("history random", tests);
}
