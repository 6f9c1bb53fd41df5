/*
 * The one place that spells memory orders.
 *
 * Naming: load_acquire pairs with store_release of the same word. A relaxed access stands where
 * another access orders it or where a stale value does no harm; the caller says which in a comment
 * that begins with "relaxed:". Every store_release, exchange and compare-and-swap carries a comment
 * that begins with "pairs with".
 *
 * The _seq_cst operations stand in one total order that all processes agree on. The coordination
 * table is built of nothing else, because its proof (order.h) speaks of that order: "published
 * after x had its number". A locked instruction is a full barrier anyway on x86, and a load is a
 * load, so they cost nothing over acquire and release there.
 *
 * fence_store_load() is the only full barrier: it keeps an earlier store from being overtaken by a
 * later load (the sleeper's and the waker's handshake in seat.h). ThreadSanitizer does not model
 * fences, so a build under it makes the fence a read-modify-write of a word that both sides touch.
 *
 * order_of_program() is for memory that others read only after this process has ended: a process
 * ends between two instructions, with all stores before that done, so it is enough that the
 * compiler keeps them in order. It costs nothing.
 */
#ifndef SHM_ATOMIC_H
#define SHM_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define ATOMIC_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ATOMIC_UNDER_TSAN 1
#endif
#endif

#define load_relaxed(word)         atomic_load_explicit((word), memory_order_relaxed)
#define load_acquire(word)         atomic_load_explicit((word), memory_order_acquire)
#define store_relaxed(word, value) atomic_store_explicit((word), (value), memory_order_relaxed)
#define store_release(word, value) atomic_store_explicit((word), (value), memory_order_release)
#define add_relaxed(word, value)   atomic_fetch_add_explicit((word), (value), memory_order_relaxed)
#define add_release(word, value)   atomic_fetch_add_explicit((word), (value), memory_order_release)
#define exchange_acq_rel(word, value)                                                              \
    atomic_exchange_explicit((word), (value), memory_order_acq_rel)

/* One compare-and-swap; *expected is updated when it fails. Acquire and release on success, acquire
 * on failure, so that what the winner published may be read by the loser. */
#define cas_acq_rel(word, expected, desired)                                                       \
    atomic_compare_exchange_strong_explicit((word), (expected), (desired), memory_order_acq_rel,   \
                                            memory_order_acquire)

/* Operations in the one total order, see above; *expected is updated when cas_seq_cst fails. */
#define load_seq_cst(word)         atomic_load_explicit((word), memory_order_seq_cst)
#define store_seq_cst(word, value) atomic_store_explicit((word), (value), memory_order_seq_cst)
#define exchange_seq_cst(word, value)                                                              \
    atomic_exchange_explicit((word), (value), memory_order_seq_cst)
#define add_seq_cst(word, value) atomic_fetch_add_explicit((word), (value), memory_order_seq_cst)
#define or_seq_cst(word, value)  atomic_fetch_or_explicit((word), (value), memory_order_seq_cst)
#define and_seq_cst(word, value) atomic_fetch_and_explicit((word), (value), memory_order_seq_cst)
#define cas_seq_cst(word, expected, desired)                                                       \
    atomic_compare_exchange_strong_explicit((word), (expected), (desired), memory_order_seq_cst,   \
                                            memory_order_seq_cst)

/* A counter with one writer: a plain increment that readers may see late but never torn. */
#define count_up(word, value)                                                                      \
    atomic_store_explicit((word),                                                                  \
                          atomic_load_explicit((word), memory_order_relaxed) + (uint64_t)(value),  \
                          memory_order_relaxed)

static inline void fence_store_load(_Atomic uint32_t *shared_word)
{
#ifdef ATOMIC_UNDER_TSAN
    atomic_fetch_add_explicit(shared_word, 0, memory_order_seq_cst);
#else
    (void)shared_word;
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void order_of_program(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
