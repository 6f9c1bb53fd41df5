/*
 * The history checker with histories written by hand: what it must refuse and what it must let
 * pass.
 *
 * A history is a text, a line an operation: HOST SENT ANSWERED w FIRST TAG [BLOCKS] for a write,
 * HOST SENT ANSWERED r FIRST TAG... for a read; ANSWERED may be `-`, for never. All blocks hold tag
 * 1 at first. Tags: 0 torn, 9999 astray.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/history/history.h"
#include "tests/unit/unit.h"

enum { BLOCKS = 8, TORN_IN_TEXT = 0, ASTRAY_IN_TEXT = 9999 };

static const uint64_t ones[BLOCKS] = {1, 1, 1, 1, 1, 1, 1, 1};

static uint64_t tag_of_text(uint64_t number)
{
    return number == TORN_IN_TEXT     ? HISTORY_TORN
           : number == ASTRAY_IN_TEXT ? HISTORY_ASTRAY
                                      : number;
}

static int add_line(struct history *history, const char *line)
{
    uint64_t numbers[BLOCKS] = {0}, tags[BLOCKS] = {0};
    char answered[16], kind;
    unsigned host, first;
    uint64_t sent;
    int at = 0, count = 0, used;

    if (sscanf(line, "%u %" SCNu64 " %15s %c %u%n", &host, &sent, answered, &kind, &first, &at) !=
        5)
        return -EINVAL;
    while (count < BLOCKS && sscanf(line + at, "%" SCNu64 "%n", &numbers[count], &used) == 1) {
        tags[count] = tag_of_text(numbers[count]);
        count++;
        at += used;
    }
    struct history_operation operation = {
        .invoke_ns = sent,
        .return_ns = *answered == '-' ? HISTORY_LOST : strtoull(answered, NULL, 10),
        .first_block = first,
        .blocks = kind == 'r' ? (uint32_t)count
                  : count > 1 ? (uint32_t)numbers[1]
                              : 1,
        .host = host,
        .kind = kind == 'r' ? HISTORY_READ : HISTORY_WRITE};
    return history_add(history, &operation, tags);
}

static struct history *history_of(const char *text)
{
    struct history *history = history_new(BLOCKS, ones);

    CU_ASSERT_PTR_NOT_NULL_FATAL(history);
    while (*text != '\0') {
        char line[128];
        size_t length = strcspn(text, "\n");
        CU_ASSERT_FATAL(length < sizeof line);
        memcpy(line, text, length);
        line[length] = '\0';
        CU_ASSERT_EQUAL_FATAL(add_line(history, line), 0);
        text += length + 1;
    }
    return history;
}

static struct history_violation verdict_of(const char *text, enum history_scope scope)
{
    struct history *history = history_of(text);
    struct history_violation found = {0};

    CU_ASSERT_EQUAL_FATAL(history_check(history, scope, &found), 0);
    history_free(history);
    return found;
}

static void expect(const char *text, enum history_verdict blocks, enum history_verdict commands)
{
    enum history_verdict by_block = verdict_of(text, HISTORY_BLOCKS).verdict;
    enum history_verdict whole = verdict_of(text, HISTORY_COMMANDS).verdict;

    if (by_block != blocks || whole != commands)
        printf("\n%sblocks: %s, commands: %s\n", text, history_verdict_name(by_block),
               history_verdict_name(whole));
    CU_ASSERT_EQUAL(by_block, blocks);
    CU_ASSERT_EQUAL(whole, commands);
}

static void expect_valid(const char *text)
{
    expect(text, HISTORY_VALID, HISTORY_VALID);
}

/* A violation within one block is one in both scopes. */
static void expect_violation(const char *text, enum history_verdict verdict)
{
    expect(text, verdict, verdict);
}

/* Each block is linearizable, the commands are not. */
static void expect_not_whole(const char *text)
{
    expect(text, HISTORY_VALID, HISTORY_COMMAND_ORDER);
}

/* --- one block --- */

static void nothing_is_valid(void)
{
    expect_valid("");
    expect_valid("0 10 20 r 0 1\n");
}

static void reads_beside_a_write_see_either(void)
{
    expect_valid("0 10 50 w 0 2\n"
                 "1 20 30 r 0 1\n"
                 "2 25 40 r 0 2\n"
                 "3 60 70 r 0 2\n");
    expect_valid("0 10 50 w 0 2\n"
                 "1 20 40 r 0 2\n"
                 "2 20 40 r 0 1\n");
}

static void a_stale_read(void)
{
    expect_violation("0 10 20 w 0 2\n"
                     "1 30 40 r 0 1\n",
                     HISTORY_BLOCK_ORDER);
    expect_violation("0 10 20 w 0 2\n"
                     "1 30 40 w 0 3\n"
                     "2 50 60 r 0 2\n",
                     HISTORY_BLOCK_ORDER);
}

static void a_moment_is_enough_to_be_beside(void)
{
    expect_valid("0 10 20 w 0 2\n"
                 "1 20 40 r 0 1\n");
    expect_violation("0 10 20 w 0 2\n"
                     "1 21 40 r 0 1\n",
                     HISTORY_BLOCK_ORDER);
}

static void new_then_old(void)
{
    expect_violation("0 10 90 w 0 2\n"
                     "1 20 30 r 0 2\n"
                     "2 40 50 r 0 1\n",
                     HISTORY_BLOCK_ORDER);
}

static void two_writes_seen_in_both_orders(void)
{
    expect_violation("0 10 90 w 0 2\n"
                     "1 10 90 w 0 3\n"
                     "2 20 30 r 0 2\n"
                     "2 40 50 r 0 3\n"
                     "3 60 70 r 0 2\n",
                     HISTORY_BLOCK_ORDER);
    expect_violation("0 10 99 w 0 2\n"
                     "1 10 99 w 0 3\n"
                     "2 20 30 r 0 2\n"
                     "3 40 50 r 0 3\n"
                     "2 60 70 r 0 2\n"
                     "3 80 90 r 0 3\n",
                     HISTORY_BLOCK_ORDER);
}

static void a_lost_update(void)
{
    expect_violation("0 10 20 w 0 2\n"
                     "0 30 40 w 0 3\n"
                     "1 50 60 r 0 2\n"
                     "1 70 80 r 0 2\n",
                     HISTORY_BLOCK_ORDER);
}

static void a_write_within_the_time_of_another_tag(void)
{
    /* 3 was written and answered while 2 was seen before and after it */
    expect_violation("0 10 20 w 0 2\n"
                     "1 30 40 w 0 3\n"
                     "2 50 60 r 0 2\n",
                     HISTORY_BLOCK_ORDER);
    /* but one still going on when 2 was first seen may have been before it */
    expect_valid("0 10 20 w 0 2\n"
                 "1 15 40 w 0 3\n"
                 "2 50 60 r 0 2\n");
}

static void what_was_never_written(void)
{
    expect_violation("0 10 20 r 0 7\n", HISTORY_NEVER_WRITTEN);
    expect_violation("0 10 20 w 1 7\n"
                     "1 30 40 r 0 7\n",
                     HISTORY_NEVER_WRITTEN); /* but to another block */
}

static void from_the_future(void)
{
    expect_violation("0 10 20 r 0 7\n"
                     "1 30 40 w 0 7\n",
                     HISTORY_FROM_FUTURE);
}

static void torn_and_astray_blocks(void)
{
    expect_violation("0 10 20 r 0 0\n", HISTORY_TORN_BLOCK);
    expect_violation("0 10 20 r 0 1 1 9999\n", HISTORY_ASTRAY_BLOCK);
}

/* --- whole commands --- */

static void a_torn_command_after_another(void)
{
    expect_not_whole("0 10 90 w 0 2 2\n"
                     "1 20 80 r 0 2 1\n");
    expect_valid("0 10 90 w 0 2 2\n"
                 "1 20 80 r 0 2 2\n");
}

static void two_writes_mixed(void)
{
    expect_not_whole("0 10 90 w 0 2 2\n"
                     "1 10 90 w 0 3 2\n"
                     "2 20 80 r 0 2 3\n");
}

static void two_writes_seen_in_different_orders_by_block(void)
{
    /* each block ends with another of the two, and each read is of one block */
    expect_not_whole("0 10 20 w 0 2 2\n"
                     "1 10 20 w 0 3 2\n"
                     "2 30 40 r 0 2\n"
                     "3 30 40 r 1 3\n");
}

static void two_reads_see_two_writes_in_opposite_order(void)
{
    expect_not_whole("0 10 90 w 0 2\n"
                     "1 10 90 w 1 3\n"
                     "2 20 80 r 0 2 1\n"
                     "3 20 80 r 0 1 3\n");
    expect_valid("0 10 90 w 0 2\n"
                 "1 10 90 w 1 3\n"
                 "2 20 80 r 0 2 1\n"
                 "3 20 80 r 0 2 3\n");
}

static void an_order_that_follows_from_another(void)
{
    /* Block 0 says 2 before 3, block 1 says 3 before 4, block 2 says 4 before 2: each by a read
     * that saw one of them after the other was answered to have been seen. */
    expect_not_whole("0 10 90 w 0 2 3\n"
                     "1 10 90 w 0 3 3\n"
                     "2 10 90 w 0 4 3\n"
                     "3 11 20 r 0 2\n"
                     "3 21 30 r 0 3\n"
                     "4 31 40 r 1 3\n"
                     "4 41 50 r 1 4\n"
                     "5 51 60 r 2 4\n"
                     "5 61 70 r 2 2\n");
}

static void a_contradiction_in_either_order(void)
{
    /* Two blocks that each change once cannot show all four combinations. Nothing says by itself
     * which of 2 and 3 was first: either must be assumed and followed. */
    expect_not_whole("0 10 90 w 0 2\n"
                     "1 10 90 w 0 3\n"
                     "2 10 90 w 1 4\n"
                     "3 10 90 w 1 5\n"
                     "4 10 90 r 0 2 4\n"
                     "5 10 90 r 0 2 5\n"
                     "6 10 90 r 0 3 4\n"
                     "7 10 90 r 0 3 5\n");
    expect_valid("0 10 90 w 0 2\n"
                 "1 10 90 w 0 3\n"
                 "2 10 90 w 1 4\n"
                 "3 10 90 w 1 5\n"
                 "4 10 90 r 0 2 4\n"
                 "5 10 90 r 0 2 5\n"
                 "7 10 90 r 0 3 5\n");
}

static void a_cycle_is_named(void)
{
    struct history_violation found = verdict_of("7 10 90 w 0 2 2\n"
                                                "8 20 80 r 0 2 1\n",
                                                HISTORY_COMMANDS);

    CU_ASSERT_EQUAL(found.verdict, HISTORY_COMMAND_ORDER);
    CU_ASSERT_EQUAL(found.count, 2);
    CU_ASSERT_EQUAL(found.steps[0].operation + found.steps[1].operation, 3);
}

static void the_explanation_names_the_operations(void)
{
    struct history *history = history_of("7 10 20 w 3 2 2\n"
                                         "8 30 40 r 4 1\n");
    struct history_violation found = {0};
    char text[2048] = "";
    FILE *out = fmemopen(text, sizeof text - 1, "w");

    CU_ASSERT_EQUAL_FATAL(history_check(history, HISTORY_BLOCKS, &found), 0);
    history_explain(history, &found, out);
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "block order"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "(block 4)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "host 7 wrote blocks 3 to 4: 2;"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "host 8 read block 4: 1;"));
    history_free(history);
}

/* --- lost operations --- */

static void a_lost_write_may_or_may_not_have_taken_effect(void)
{
    expect_valid("0 10 - w 0 2\n"
                 "1 20 30 r 0 1\n"
                 "1 40 50 r 0 1\n");
    expect_valid("0 10 - w 0 2\n"
                 "1 20 30 r 0 1\n"
                 "1 40 50 r 0 2\n");
    expect_valid("0 10 - w 0 2\n"
                 "1 20 30 w 0 3\n"
                 "1 40 50 r 0 2\n");
}

static void a_lost_write_takes_effect_once_and_whole(void)
{
    expect_violation("0 10 - w 0 2\n"
                     "1 20 30 r 0 2\n"
                     "1 40 50 r 0 1\n",
                     HISTORY_BLOCK_ORDER);
    expect_not_whole("0 10 - w 0 2 2\n"
                     "1 20 30 r 0 2 1\n");
    expect_violation("1 10 20 r 0 2\n"
                     "0 30 - w 0 2\n",
                     HISTORY_FROM_FUTURE);
}

/* --- windows --- */

static void the_next_window_begins_with_what_was_seen(void)
{
    const uint64_t now[BLOCKS] = {2, 1, 1, 1, 1, 1, 1, 1};
    struct history *history = history_of("0 10 20 w 0 2\n"
                                         "1 30 - w 1 3 2\n"
                                         "2 30 - w 0 4\n"
                                         "0 50 60 r 0 2 1 1 1 1 1 1 1\n");
    struct history_violation found = {0};

    CU_ASSERT_EQUAL_FATAL(history_check(history, HISTORY_COMMANDS, &found), 0);
    CU_ASSERT_EQUAL(found.verdict, HISTORY_VALID);
    CU_ASSERT_EQUAL_FATAL(history_next_window(history, now), 0);
    CU_ASSERT_EQUAL(history_count(history), 2); /* the lost ones, of which nothing was seen */
    CU_ASSERT_EQUAL(add_line(history, "0 70 80 r 0 2 3 3"), 0);
    CU_ASSERT_EQUAL_FATAL(history_check(history, HISTORY_COMMANDS, &found), 0);
    CU_ASSERT_EQUAL(found.verdict, HISTORY_VALID);
    CU_ASSERT_EQUAL(add_line(history, "0 90 95 r 0 1"), 0);
    CU_ASSERT_EQUAL_FATAL(history_check(history, HISTORY_COMMANDS, &found), 0);
    CU_ASSERT_EQUAL(found.verdict, HISTORY_NEVER_WRITTEN);
    history_free(history);
}

/* A lost write of blocks 0 to 2 is seen in block 0 and overwritten there in one window. Its tag
 * is read in block 1 in the next, and then this read is done: the verdict. */
static enum history_verdict seen_later(enum history_scope scope, const char *read)
{
    const uint64_t now[BLOCKS] = {3, 1, 1, 1, 1, 1, 1, 1};
    struct history *history = history_of("0 10 - w 0 2 3\n"
                                         "1 20 30 r 0 2\n"
                                         "1 40 50 w 0 3\n");
    struct history_violation found = {0};

    if (scope == HISTORY_BLOCKS) /* else this read would be a violation */
        CU_ASSERT_EQUAL(add_line(history, "0 60 70 r 0 3 1 1 1 1 1 1 1"), 0);
    CU_ASSERT_EQUAL_FATAL(history_check(history, scope, &found), 0);
    CU_ASSERT_EQUAL(found.verdict, HISTORY_VALID);
    CU_ASSERT_EQUAL_FATAL(history_next_window(history, now), 0);
    CU_ASSERT_EQUAL(history_count(history), scope == HISTORY_BLOCKS);
    CU_ASSERT_EQUAL(add_line(history, "1 80 90 r 1 2"), 0);
    CU_ASSERT_EQUAL(add_line(history, read), 0);
    CU_ASSERT_EQUAL_FATAL(history_check(history, scope, &found), 0);
    if (scope == HISTORY_BLOCKS && found.verdict == HISTORY_VALID) {
        CU_ASSERT_EQUAL_FATAL(history_next_window(history, now), 0);
        CU_ASSERT_EQUAL(history_count(history), 1); /* block 2 is left */
    }
    history_free(history);
    return found.verdict;
}

static void where_blocks_are_for_themselves_a_lost_write_may_come_in_parts(void)
{
    CU_ASSERT_EQUAL(seen_later(HISTORY_BLOCKS, "1 95 99 r 1 2"), HISTORY_VALID);
    CU_ASSERT_EQUAL(seen_later(HISTORY_BLOCKS, "1 95 99 r 0 2"), HISTORY_NEVER_WRITTEN);
    CU_ASSERT_EQUAL(seen_later(HISTORY_COMMANDS, "1 95 99 r 1 2"), HISTORY_NEVER_WRITTEN);
}

static void what_makes_no_sense_is_refused(void)
{
    struct history *history = history_new(BLOCKS, ones);
    struct history_violation found = {0};

    CU_ASSERT_EQUAL(add_line(history, "0 10 20 w 7 2 2"), -EINVAL); /* past the end */
    CU_ASSERT_EQUAL(add_line(history, "0 10 20 w 8 2"), -EINVAL);
    CU_ASSERT_EQUAL(add_line(history, "0 20 10 w 0 2"), -EINVAL); /* answered before it was sent */
    CU_ASSERT_EQUAL(add_line(history, "0 0 10 w 0 2"), -EINVAL);
    CU_ASSERT_EQUAL(add_line(history, "0 10 20 w 0 0"), -EINVAL); /* a tag that means torn */
    CU_ASSERT_EQUAL(history_count(history), 0);
    CU_ASSERT_EQUAL(add_line(history, "0 10 20 w 0 2"), 0);
    CU_ASSERT_EQUAL(add_line(history, "0 10 20 w 0 2"), 0);
    CU_ASSERT_EQUAL(history_check(history, HISTORY_BLOCKS, &found), -EEXIST);
    CU_ASSERT_PTR_NULL(history_new(HISTORY_BLOCKS_MAX + 1, ones));
    history_free(history);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"nothing, and reads alone, are valid", nothing_is_valid},
        {"reads beside a write see either", reads_beside_a_write_see_either},
        {"a stale read", a_stale_read},
        {"touching in one moment is beside", a_moment_is_enough_to_be_beside},
        {"new, then old", new_then_old},
        {"two writes seen in both orders", two_writes_seen_in_both_orders},
        {"a lost update", a_lost_update},
        {"a write within the time of another tag", a_write_within_the_time_of_another_tag},
        {"what was never written", what_was_never_written},
        {"a read from the future", from_the_future},
        {"torn and astray blocks", torn_and_astray_blocks},
        {"a torn command", a_torn_command_after_another},
        {"two writes mixed in one read", two_writes_mixed},
        {"two writes, another last in each block", two_writes_seen_in_different_orders_by_block},
        {"two reads see two writes in opposite order", two_reads_see_two_writes_in_opposite_order},
        {"an order that follows from others", an_order_that_follows_from_another},
        {"a contradiction in either order", a_contradiction_in_either_order},
        {"a cycle is named, the shortest", a_cycle_is_named},
        {"the explanation names the operations", the_explanation_names_the_operations},
        {"a lost write may have taken effect", a_lost_write_may_or_may_not_have_taken_effect},
        {"a lost write takes effect once and whole", a_lost_write_takes_effect_once_and_whole},
        {"a window begins with what was seen", the_next_window_begins_with_what_was_seen},
        {"a lost write may come by blocks, where these are for themselves",
         where_blocks_are_for_themselves_a_lost_write_may_come_in_parts},
        {"what makes no sense is refused", what_makes_no_sense_is_refused},
    };
    return UNIT_RUN("history", tests);
}
