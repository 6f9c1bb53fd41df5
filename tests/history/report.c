#include "tests/history/report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

static bool is_violation(enum history_verdict verdict)
{
    return verdict != HISTORY_VALID && verdict != HISTORY_UNDECIDED;
}

int findings_status(const struct findings *findings, const struct options *options)
{
    bool bad = is_violation(findings->verdict) || findings->unanswered || findings->failed != NULL;

    bad = bad || (findings->errors > 0 && !options->allow_errors);
    bad = bad || (findings->lost > 0 && !options->reconnect);
    return bad ? 1 : 0;
}

static double rate(const struct findings *findings)
{
    return findings->seconds > 0 ? (double)findings->operations / findings->seconds : 0;
}

/* How much longer the slowest command of a connection took than its median. */
static double spread(const struct latency *latency)
{
    uint64_t median_ns = latency_median_ns(latency);

    return median_ns > 0 ? (double)latency->max_ns / (double)median_ns : 0;
}

/* The largest median of a connection over the smallest: 1 is fair. */
static double unfairness(const struct hosts *hosts)
{
    uint64_t least = UINT64_MAX, most = 0;

    for (uint32_t i = 0; i < hosts->count; i++) {
        uint64_t median_ns = latency_median_ns(&hosts->each[i].latency);
        least = median_ns < least ? median_ns : least;
        most = median_ns > most ? median_ns : most;
    }
    return least > 0 ? (double)most / (double)least : 0;
}

/* --- text --- */

static void print_hosts(const struct hosts *hosts)
{
    for (uint32_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->each[i];
        printf("host %" PRIu32 ": %" PRIu64 " operations, median %.1f us, maximum %.1f us (%.1f "
               "times the median), %s\n",
               i, host->latency.count, (double)latency_median_ns(&host->latency) / 1000,
               (double)host->latency.max_ns / 1000, spread(&host->latency), host->uri);
    }
    printf("largest median over smallest: %.2f\n", unfairness(hosts));
}

static void print_text(const struct findings *findings, const struct hosts *hosts)
{
    printf("%" PRIu64 " operations, %" PRIu64 " of them reads, in %.2f s: %.0f a second\n",
           findings->operations, findings->reads, findings->seconds, rate(findings));
    printf("%" PRIu64 " windows, %" PRIu64 " undecided; %" PRIu64 " errors, %" PRIu64 " lost\n",
           findings->windows, findings->undecided, findings->errors, findings->lost);
    print_hosts(hosts);
    if (findings->unanswered)
        printf("commands were not answered within %.0f s\n", hosts->options->patience_seconds);
    if (findings->failed != NULL)
        printf("ended early: %s\n", findings->failed);
    if (findings->explanation != NULL)
        fputs(findings->explanation, stdout);
    else
        printf("no violation\n");
}

/* --- JSON --- */

static json_t *hosts_object(const struct hosts *hosts)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->each[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:I, s:f}", "uri", host->uri, "operations",
                                        (json_int_t)host->latency.count, "median_ns",
                                        (json_int_t)latency_median_ns(&host->latency), "max_ns",
                                        (json_int_t)host->latency.max_ns, "max_over_median",
                                        spread(&host->latency)));
    }
    return list;
}

static int print_json(const struct findings *findings, const struct hosts *hosts)
{
    json_t *object = json_pack(
        "{s:i, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:b, s:s?, s:s, s:s?, s:f, s:o}",
        "version", 1, "seed", (json_int_t)hosts->options->seed, "operations",
        (json_int_t)findings->operations, "reads", (json_int_t)findings->reads, "seconds",
        findings->seconds, "operations_per_second", rate(findings), "windows",
        (json_int_t)findings->windows, "undecided", (json_int_t)findings->undecided, "errors",
        (json_int_t)findings->errors, "lost", (json_int_t)findings->lost, "unanswered",
        findings->unanswered, "failed", findings->failed, "verdict",
        history_verdict_name(findings->verdict), "explanation", findings->explanation,
        "median_max_over_min", unfairness(hosts), "hosts", hosts_object(hosts));

    if (object == NULL)
        return -ENOMEM;
    int error = json_dumpf(object, stdout, JSON_INDENT(1)) == 0 ? 0 : -ENOMEM;
    putchar('\n');
    json_decref(object);
    return error;
}

int report(const struct findings *findings, const struct hosts *hosts)
{
    if (hosts->options->json)
        return print_json(findings, hosts);
    print_text(findings, hosts);
    return 0;
}
