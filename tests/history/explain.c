/*
 * Violations in words.
 */
#include <inttypes.h>

#include "tests/history/window.h"

static const char *const names[] = {
    [HISTORY_VALID] = "valid",
    [HISTORY_UNDECIDED] = "undecided",
    [HISTORY_TORN_BLOCK] = "torn block",
    [HISTORY_ASTRAY_BLOCK] = "astray block",
    [HISTORY_NEVER_WRITTEN] = "never written",
    [HISTORY_FROM_FUTURE] = "from the future",
    [HISTORY_BLOCK_ORDER] = "block order",
    [HISTORY_COMMAND_ORDER] = "command order",
};

static const char *const meanings[] = {
    [HISTORY_VALID] = "these commands are linearizable",
    [HISTORY_UNDECIDED] = "no order of these commands was found in the tries allowed",
    [HISTORY_TORN_BLOCK] = "a read saw several writes in one block",
    [HISTORY_ASTRAY_BLOCK] = "a read brought bytes that belong to another place",
    [HISTORY_NEVER_WRITTEN] = "a read saw what was never written there, or was overwritten before",
    [HISTORY_FROM_FUTURE] = "a read was answered before the write that it saw was sent",
    [HISTORY_BLOCK_ORDER] = "in one block each of two tags must come before the other",
    [HISTORY_COMMAND_ORDER] = "each of these commands must come before the next, "
                              "and the last before the first",
};

const char *history_verdict_name(enum history_verdict verdict)
{
    return names[verdict];
}

static void print_tag(FILE *out, uint64_t tag)
{
    if (tag == HISTORY_TORN)
        fputs(" torn", out);
    else if (tag == HISTORY_ASTRAY)
        fputs(" astray", out);
    else
        fprintf(out, " %" PRIx64, tag);
}

static void print_tags(const struct history *history, const struct operation *operation, FILE *out)
{
    if (operation->is.kind == HISTORY_WRITE) {
        print_tag(out, operation->tag);
        return;
    }
    for (uint32_t i = 0; i < operation->is.blocks; i++)
        print_tag(out, history->seen[operation->seen + i]);
}

static void print_operation(const struct history *history, uint32_t index, uint64_t from_ns,
                            FILE *out)
{
    const struct operation *operation = &history->operations[index];
    const struct history_operation *is = &operation->is;

    if (index == 0) {
        fputs("the state before this window", out);
        return;
    }
    fprintf(out, "host %" PRIu32 " %s block", is->host,
            is->kind == HISTORY_READ ? "read" : "wrote");
    if (is->blocks == 1)
        fprintf(out, " %" PRIu32 ":", is->first_block);
    else
        fprintf(out, "s %" PRIu32 " to %" PRIu32 ":", is->first_block,
                is->first_block + is->blocks - 1);
    print_tags(history, operation, out);
    fprintf(out, "; sent at %.3f us, ", (double)(int64_t)(is->invoke_ns - from_ns) / 1000);
    if (is->return_ns == HISTORY_LOST)
        fputs("never answered", out);
    else
        fprintf(out, "answered at %.3f us", (double)(int64_t)(is->return_ns - from_ns) / 1000);
}

static void print_reason(const struct history_step *step, bool is_last, FILE *out)
{
    const char *next = is_last ? "the first" : "the next";

    if (step->reason == HISTORY_BY_TIME)
        fprintf(out, "\n      was answered before %s was sent", next);
    else if (step->reason == HISTORY_BY_TAG)
        fprintf(out, "\n      in block %" PRIu32 " has the tag of %s", step->block, next);
    else
        fprintf(out, "\n      in block %" PRIu32 " must come before the tag of %s", step->block,
                next);
}

static uint64_t earliest_ns(const struct history *history,
                            const struct history_violation *violation)
{
    uint64_t earliest = UINT64_MAX;

    for (uint32_t i = 0; i < violation->count; i++) {
        uint32_t index = violation->steps[i].operation;
        uint64_t invoke_ns = history->operations[index].is.invoke_ns;
        if (index != 0 && invoke_ns < earliest)
            earliest = invoke_ns;
    }
    return earliest;
}

void history_explain(const struct history *history, const struct history_violation *violation,
                     FILE *out)
{
    uint64_t from_ns = earliest_ns(history, violation);
    bool is_chain =
        violation->verdict == HISTORY_BLOCK_ORDER || violation->verdict == HISTORY_COMMAND_ORDER;

    fprintf(out, "%s: %s", names[violation->verdict], meanings[violation->verdict]);
    if (violation->count > 0 && violation->verdict != HISTORY_COMMAND_ORDER)
        fprintf(out, " (block %" PRIu32 ")", violation->block);
    fputc('\n', out);
    for (uint32_t i = 0; i < violation->count; i++) {
        fprintf(out, "  %2" PRIu32 ". ", i + 1);
        print_operation(history, violation->steps[i].operation, from_ns, out);
        if (is_chain)
            print_reason(&violation->steps[i], i + 1 == violation->count, out);
        fputc('\n', out);
    }
}
