/*
 * bench.h on top of Google Benchmark: the only C++ here.
 */
#include "bench/bench.h"

#include <benchmark/benchmark.h>

struct bench {
    benchmark::State &state;
    uint64_t argument;
};

static bool failed;

void bench_register(const char *name, bench_fn *run, uint64_t argument)
{
    benchmark::RegisterBenchmark(name,
                                 [run, argument](benchmark::State &state) {
                                     struct bench bench = {state, argument};
                                     run(&bench);
                                 })
        ->UseRealTime();
}

uint64_t bench_argument(const struct bench *bench)
{
    return bench->argument;
}

bool bench_more(struct bench *bench, uint32_t operations)
{
    return bench->state.KeepRunningBatch(operations);
}

void bench_fail(struct bench *bench, const char *why)
{
    failed = true;
    bench->state.SkipWithError(why);
}

void bench_skip(struct bench *bench, const char *why)
{
    bench->state.SkipWithError(why);
}

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return failed ? 1 : 0;
}
