/*
 * anyport-history: sends random overlapping reads and writes through several ports at once, and
 * checks that the answers are linearizable (history.h).
 *
 * It works in windows, so that any number of operations fits in memory: after so many commands it
 * waits until all are answered, reads the whole range, and decides what it has; the next window
 * begins with what that read saw.
 *
 * Every command takes whole blocks of --block-bytes, because a block is the register that the
 * checker knows: a write to a part of one would leave two tags in it. Writes that cover parts of
 * the array's own blocks are made by a smaller unit: with --block-bytes 512 each sector is a
 * register, and most writes begin and end within a 4 KiB block.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "tests/history/hosts.h"
#include "tests/history/report.h"
#include "tests/history/stamp.h"

enum { WAIT_MS = 100, TAG_BITS = 40 };

struct run {
    struct options options;
    struct hosts hosts;
    struct history *history;
    struct findings found;
    uint64_t *tags;  /* a tag a block: of the answer that is looked at */
    uint64_t *range; /* what the last read of the whole range saw */
    uint64_t random, next_tag, begun;
    bool no_memory;
};

/* SIGINT or SIGTERM: finish the window, and report. */
static volatile sig_atomic_t asked_to_end;

static void ask_to_end(int signal_number)
{
    (void)signal_number;
    asked_to_end = 1;
}

static double now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint32_t random_below(struct run *run, uint32_t limit)
{
    /* splitmix64, of G. Steele, D. Lea and C. Flood, 2014 */
    uint64_t mixed = run->random += 0x9e3779b97f4a7c15ull;

    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
    return (uint32_t)(((mixed ^ mixed >> 31) >> 32) * limit >> 32);
}

/* --- what came back --- */

static void read_tags(struct run *run, const struct task *task)
{
    const struct options *options = &run->options;

    for (uint32_t i = 0; i < task->is.blocks; i++) {
        uint64_t at = (uint64_t)i * options->block_bytes;
        uint64_t offset_bytes =
            options->offset_bytes + (uint64_t)task->is.first_block * options->block_bytes + at;
        run->tags[i] = stamp_tag(task->data + at, offset_bytes, options->block_bytes);
    }
}

/* A write that ended with an error may have taken effect, like one that was lost. */
static void task_ended(void *context, struct task *task)
{
    struct run *run = context;
    struct history_operation is = task->is;
    bool is_read = is.kind == HISTORY_READ, is_good = task->is_answered && task->error == 0;

    run->found.operations += is_good;
    run->found.reads += is_good && is_read;
    run->found.lost += !task->is_answered;
    run->found.errors += task->is_answered && task->error != 0;
    if (!is_good)
        is.return_ns = HISTORY_LOST;
    if (is_good && is_read) {
        read_tags(run, task);
        if (is.blocks == run->options.blocks)
            memcpy(run->range, run->tags, is.blocks * sizeof *run->tags);
    }
    is.host = task->host->number;
    if (run->history != NULL &&
        history_add(run->history, &is, is_read ? run->tags : &task->tag) != 0)
        run->no_memory = true;
}

/* --- what is sent --- */

static enum history_kind choose_kind(struct run *run, const struct host *host)
{
    if (run->options.hammer)
        return host->number % 3 == 2 ? HISTORY_READ : HISTORY_WRITE;
    return random_below(run, 100) < run->options.reads_percent ? HISTORY_READ : HISTORY_WRITE;
}

static void choose_range(struct run *run, struct history_operation *is)
{
    const struct options *options = &run->options;

    is->blocks = options->hammer ? options->blocks : 1 + random_below(run, options->most_blocks);
    is->first_block = random_below(run, options->blocks - is->blocks + 1);
}

static void begin_write(struct run *run, struct task *task)
{
    uint32_t block_bytes = run->options.block_bytes;

    task->tag = run->next_tag++;
    stamp_put(task->data, (uint64_t)task->is.blocks * block_bytes,
              run->options.offset_bytes + (uint64_t)task->is.first_block * block_bytes, block_bytes,
              task->tag);
    host_begin(task);
}

static void begin_some(struct run *run, struct task *task)
{
    task->is = (struct history_operation){.kind = choose_kind(run, task->host)};
    choose_range(run, &task->is);
    run->begun++;
    if (task->is.kind == HISTORY_WRITE)
        begin_write(run, task);
    else
        host_begin(task);
}

/* Fills the hosts' free tasks in turn, a command a host at a time, until `until` were begun. */
static void begin_all(struct run *run, uint64_t until)
{
    bool any = true;

    while (any && run->begun < until) {
        any = false;
        for (uint32_t i = 0; i < run->hosts.count && run->begun < until; i++) {
            struct task *task = host_free_task(&run->hosts.each[i]);
            if (task == NULL)
                continue;
            begin_some(run, task);
            any = true;
        }
    }
}

/* --- a window --- */

/* Waits until something ended; what is in flight without any answer for too long is lost. */
static void wait_for_some(struct run *run)
{
    double end = now_seconds() + run->options.patience_seconds;

    while (run->hosts.in_flight > 0 && hosts_wait(&run->hosts, WAIT_MS) == 0) {
        if (now_seconds() > end) {
            run->found.unanswered = true;
            hosts_give_up(&run->hosts);
        }
    }
}

/* One command on all blocks, by any host that is connected, and its answer. */
static bool whole_range(struct run *run, enum history_kind kind)
{
    struct task *task = NULL;

    for (uint32_t i = 0; i < run->hosts.count && task == NULL; i++)
        task = host_free_task(&run->hosts.each[i]);
    if (task == NULL)
        return false;
    uint64_t done_before = run->found.operations;
    task->is = (struct history_operation){.kind = kind, .blocks = run->options.blocks};
    if (kind == HISTORY_WRITE)
        begin_write(run, task);
    else
        host_begin(task);
    while (run->hosts.in_flight > 0)
        wait_for_some(run);
    return run->found.operations > done_before;
}

/* Tries again, with connections made anew where that is asked for, until the patience ends. */
static bool whole_range_patiently(struct run *run, enum history_kind kind)
{
    double end = now_seconds() + run->options.patience_seconds;
    bool done = whole_range(run, kind);

    while (!done && run->options.reconnect && now_seconds() < end) {
        hosts_reconnect(&run->hosts);
        if (run->hosts.connected == 0)
            nanosleep(&(struct timespec){.tv_nsec = WAIT_MS * 1000000}, NULL);
        done = whole_range(run, kind);
    }
    return done;
}

static void keep_explanation(struct run *run, const struct history_violation *violation)
{
    size_t bytes;
    FILE *text = open_memstream(&run->found.explanation, &bytes);

    if (text == NULL)
        return;
    history_explain(run->history, violation, text);
    fclose(text);
}

/* Decides the window and begins the next. False: the run is over. */
static bool check_window(struct run *run)
{
    struct history_violation violation;
    int error = history_check(run->history, run->options.scope, &violation);

    if (error != 0) {
        run->found.failed = "no memory for the check";
        return false;
    }
    run->found.windows++;
    run->found.undecided += violation.verdict == HISTORY_UNDECIDED;
    if (violation.verdict != HISTORY_VALID && violation.verdict != HISTORY_UNDECIDED) {
        run->found.verdict = violation.verdict;
        keep_explanation(run, &violation);
        return false;
    }
    return true;
}

/* Sends up to `operations` commands, waits for all and decides. False: the run is over. */
static bool window(struct run *run, uint64_t operations, double end)
{
    uint64_t until = run->begun + operations;

    while (run->begun < until && run->hosts.connected > 0 && now_seconds() < end && !asked_to_end) {
        begin_all(run, until);
        wait_for_some(run);
    }
    while (run->hosts.in_flight > 0)
        wait_for_some(run);
    bool known = whole_range_patiently(run, HISTORY_READ);
    if (run->no_memory) {
        run->found.failed = "no memory for a window";
        return false;
    }
    if (!check_window(run))
        return false;
    if (!known) {
        run->found.failed = "the range cannot be read any more";
        return false;
    }
    if (history_next_window(run->history, run->range) != 0) {
        run->found.failed = "no memory for the next window";
        return false;
    }
    if (run->options.reconnect)
        hosts_reconnect(&run->hosts);
    return !run->found.unanswered;
}

/* --- the run --- */

static void run_windows(struct run *run)
{
    const struct options *options = &run->options;
    double start = now_seconds(), end = options->seconds > 0 ? start + options->seconds : 1e18;
    uint64_t most = options->operations > 0 ? options->operations : UINT64_MAX;
    bool more = true;

    while (more && run->begun < most && now_seconds() < end && !asked_to_end) {
        uint64_t left = most - run->begun;
        more = window(run, left < options->window ? left : options->window, end);
        if (run->hosts.connected < run->hosts.count && !options->reconnect)
            more = false;
    }
    run->found.seconds = now_seconds() - start;
}

/* A tag that no earlier run has left on the volume: the upper bits are drawn. */
static uint64_t first_tag(void)
{
    uint64_t drawn = 0;

    if (getrandom(&drawn, sizeof drawn, 0) < 0)
        abort();
    return (drawn >> (TAG_BITS + 1) << TAG_BITS) + 1;
}

/* Gives every block a tag, as nothing is known of what is there. */
static int prepare(struct run *run)
{
    uint32_t blocks = run->options.blocks;

    run->tags = calloc(blocks, sizeof *run->tags);
    run->range = calloc(blocks, sizeof *run->range);
    if (run->tags == NULL || run->range == NULL)
        return -ENOMEM;
    run->next_tag = first_tag();
    if (!whole_range_patiently(run, HISTORY_WRITE))
        return -EIO;
    for (uint32_t i = 0; i < blocks; i++)
        run->tags[i] = run->next_tag - 1;
    run->history = history_new(blocks, run->tags);
    return run->history == NULL ? -ENOMEM : 0;
}

static void run_done(struct run *run)
{
    history_free(run->history);
    hosts_done(&run->hosts);
    free(run->found.explanation);
    free(run->range);
    free(run->tags);
}

int main(int argc, char **argv)
{
    struct run run = {0};

    options_read(&run.options, argc, argv);
    run.random = run.options.seed;
    signal(SIGINT, ask_to_end);
    signal(SIGTERM, ask_to_end);
    if (!run.options.json)
        printf("seed %" PRIu64 "\n", run.options.seed);
    if (hosts_new(&run.hosts, &run.options, task_ended, &run) != 0)
        return 1;
    int error = prepare(&run);
    if (error == 0) {
        run.found = (struct findings){0};
        run_windows(&run);
        error = report(&run.found, &run.hosts);
    } else {
        fprintf(stderr, "anyport-history: the range cannot be written\n");
    }
    int status = error != 0 ? 1 : findings_status(&run.found, &run.options);
    run_done(&run);
    return status;
}
