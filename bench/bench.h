/*
 * Google Benchmark for C. A file of benchmarks defines functions and names them with BENCH; nothing
 * else refers to it but the list in bench/meson.build.
 *
 *      static void give_and_take(struct bench *bench)
 *      {
 *          while (bench_more(bench, 1000))
 *              for (int i = 0; i < 1000; i++)
 *                  ...
 *      }
 *      BENCH(give_and_take, "pool/give and take", 4096)
 *
 * A benchmark checks what it measures, and calls bench_fail when it is wrong: a fast wrong answer
 * is no figure.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench; /* one run; belongs to the library and lives until the function returns */

typedef void bench_fn(struct bench *bench);

/* `name` lives for ever; `argument` is the function's to interpret. */
void bench_register(const char *name, bench_fn *run, uint64_t argument);
uint64_t bench_argument(const struct bench *bench);

/* Whether to go on, with `operations` operations before the next call. The time reported is that of
 * one operation; the clock runs from the first call to the one that says no. */
bool bench_more(struct bench *bench, uint32_t operations);

/* The figure is void and the program exits with 1. */
void bench_fail(struct bench *bench, const char *why);

/* There is nothing to measure here (one core only); the program goes on. */
void bench_skip(struct bench *bench, const char *why);

/* Keeps the compiler from leaving out what computes `value`. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

#define BENCH(function, name, argument)                                                            \
    __attribute__((constructor)) static void register_##function##_##argument(void)                \
    {                                                                                              \
        bench_register((name), (function), (argument));                                            \
    }

#ifdef __cplusplus
}
#endif

#endif
