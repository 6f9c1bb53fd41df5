/*
 * Of ISA-L two things are used. Its erasure code computes any linear combination of buffers of any
 * length at any place. Its xor_gen and pq_gen compute just P, or P and Q, twice as fast, but want
 * two sources or more, all buffers aligned to 32 bytes, and whole multiples of 32. So they are
 * given the middle where all buffers have it at the same distance, and the ends go the general way.
 */
#include "controller/layout/parity.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <isa-l/raid.h>
#include <limits.h>
#include <stdbool.h>

enum {
    GENERATOR = 2,
    SOURCES_MAX = MEMBERS_MAX, /* data, P and Q of all other members */
    OUTPUTS_MAX = 2,
    TABLE_BYTES = 32, /* ISA-L's, of one factor */
    QUICK_ALIGNMENT = 32,
    QUICK_BYTES_MIN = 256, /* shorter ones do not repay three calls for one */
};

enum shape {
    SHAPE_ANY,
    SHAPE_SUM,    /* one output, all factors are 1 */
    SHAPE_P_AND_Q /* two outputs, the factors are those of P and of Q */
};

/* Linear combinations: each output is the sum of all sources, each times its factor. */
struct combination {
    enum shape shape;
    uint32_t sources, outputs;
    const uint8_t *source[SOURCES_MAX];
    uint8_t factor[OUTPUTS_MAX][SOURCES_MAX];
    uint8_t *output[OUTPUTS_MAX];
};

static void add_source(struct combination *sum, const uint8_t *source, uint8_t first,
                       uint8_t second)
{
    assert(sum->sources < SOURCES_MAX);
    sum->source[sum->sources] = source;
    sum->factor[0][sum->sources] = first;
    sum->factor[1][sum->sources] = second;
    sum->sources++;
}

/* ISA-L's tables, output by output. */
static void make_tables(const struct combination *sum, uint8_t *tables)
{
    for (uint32_t i = 0; i < sum->outputs; i++)
        for (uint32_t k = 0; k < sum->sources; k++, tables += TABLE_BYTES)
            gf_vect_mul_init(sum->factor[i][k], tables);
}

/* The general way, for [from, to) of each buffer. */
static void combine_any(const struct combination *sum, size_t from, size_t to)
{
    uint8_t tables[OUTPUTS_MAX * SOURCES_MAX * TABLE_BYTES];
    unsigned char *source[SOURCES_MAX], *output[OUTPUTS_MAX];

    if (from == to)
        return;
    make_tables(sum, tables);
    /* It does not write to its sources; only its types say that it could. */
    for (uint32_t k = 0; k < sum->sources; k++)
        source[k] = (unsigned char *)(uintptr_t)sum->source[k] + from;
    for (uint32_t i = 0; i < sum->outputs; i++)
        output[i] = sum->output[i] + from;
    ec_encode_data((int)(to - from), (int)sum->sources, (int)sum->outputs, tables, source, output);
}

/* The SSE and AVX forms of xor_gen and pq_gen write past the cache and do not wait for it. A
 * release that publishes what they wrote to another process does not cover such stores: this does.
 */
static void settle(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_sfence();
#endif
}

/* The quick way, for [from, to) of each buffer: aligned, as quick_begin says. */
static void combine_quick(const struct combination *sum, size_t from, size_t to)
{
    void *buffers[SOURCES_MAX + OUTPUTS_MAX];
    uint32_t count = 0;
    int failed;

    if (from == to)
        return;
    for (uint32_t k = 0; k < sum->sources; k++)
        buffers[count++] = (uint8_t *)(uintptr_t)sum->source[k] + from;
    for (uint32_t i = 0; i < sum->outputs; i++)
        buffers[count++] = sum->output[i] + from;
    for (uint32_t i = 0; i < count; i++)
        assert((uintptr_t)buffers[i] % QUICK_ALIGNMENT == 0);
    if (sum->shape == SHAPE_SUM)
        failed = xor_gen((int)count, (int)(to - from), buffers);
    else
        failed = pq_gen((int)count, (int)(to - from), buffers);
    assert(failed == 0);
    settle();
}

/* Whether the quick way can do some of it, and if so from where on: each buffer is aligned there.
 */
static bool quick_begin(const struct combination *sum, size_t length_bytes, size_t *ret_from)
{
    uintptr_t first = (uintptr_t)sum->output[0], unlike = 0;

    if (sum->shape == SHAPE_ANY || sum->sources < 2 || length_bytes < QUICK_BYTES_MIN)
        return false;
    for (uint32_t k = 0; k < sum->sources; k++)
        unlike |= (uintptr_t)sum->source[k] ^ first;
    for (uint32_t i = 0; i < sum->outputs; i++)
        unlike |= (uintptr_t)sum->output[i] ^ first;
    *ret_from = -first % QUICK_ALIGNMENT;
    return unlike % QUICK_ALIGNMENT == 0;
}

static void combine(const struct combination *sum, size_t length_bytes)
{
    size_t from, to;

    assert(length_bytes <= INT_MAX && sum->outputs <= OUTPUTS_MAX);
    if (quick_begin(sum, length_bytes, &from)) {
        to = length_bytes - (length_bytes - from) % QUICK_ALIGNMENT;
        combine_any(sum, 0, from);
        combine_quick(sum, from, to);
        combine_any(sum, to, length_bytes);
    } else
        combine_any(sum, 0, length_bytes);
}

/* g^exponent */
static uint8_t power(uint32_t exponent)
{
    uint8_t value = 1;

    while (exponent-- > 0)
        value = gf_mul(value, GENERATOR);
    return value;
}

/* Names those of P and Q that are wanted as the outputs. */
static void name_outputs(struct combination *sum, uint8_t *p, uint8_t *q)
{
    assert(p != NULL || q != NULL);
    if (p != NULL)
        sum->output[sum->outputs++] = p;
    if (q != NULL)
        sum->output[sum->outputs++] = q;
}

void parity_generate(const uint8_t *const *data, uint32_t columns, size_t length_bytes, uint8_t *p,
                     uint8_t *q)
{
    struct combination sum = {0};
    uint8_t factor = 1;

    name_outputs(&sum, p, q);
    for (uint32_t i = 0; i < columns; i++) {
        add_source(&sum, data[i], p != NULL ? 1 : factor, factor);
        factor = gf_mul(factor, GENERATOR);
    }
    if (p != NULL)
        sum.shape = q == NULL ? SHAPE_SUM : SHAPE_P_AND_Q;
    combine(&sum, length_bytes);
}

void parity_delta(uint8_t *old, const uint8_t *fresh, size_t length_bytes)
{
    for (size_t i = 0; i < length_bytes; i++)
        old[i] ^= fresh[i];
}

void parity_update(const uint8_t *delta, uint32_t column, size_t length_bytes, uint8_t *p,
                   uint8_t *q)
{
    struct combination sum = {0};
    uint8_t tables[OUTPUTS_MAX * TABLE_BYTES];

    name_outputs(&sum, p, q);
    add_source(&sum, delta, p != NULL ? 1 : power(column), power(column));
    make_tables(&sum, tables);
    assert(length_bytes <= INT_MAX);
    ec_encode_data_update((int)length_bytes, 1, (int)sum.outputs, 0, tables,
                          (unsigned char *)(uintptr_t)delta, sum.output);
}

/* lost = P + others */
static void recover_by_p(struct combination *sum, uint8_t *const *data, uint32_t columns,
                         uint32_t lost, const uint8_t *p)
{
    sum->shape = SHAPE_SUM;
    sum->outputs = 1;
    sum->output[0] = data[lost];
    for (uint32_t i = 0; i < columns; i++)
        if (i != lost)
            add_source(sum, data[i], 1, 0);
    add_source(sum, p, 1, 0);
}

/* g^lost lost = Q + others, each times its power */
static void recover_by_q(struct combination *sum, uint8_t *const *data, uint32_t columns,
                         uint32_t lost, const uint8_t *q)
{
    uint8_t by = gf_inv(power(lost));

    sum->outputs = 1;
    sum->output[0] = data[lost];
    for (uint32_t i = 0; i < columns; i++)
        if (i != lost)
            add_source(sum, data[i], gf_mul(power(i), by), 0);
    add_source(sum, q, by, 0);
}

/* Of the lost a and b, P gives a + b = x and Q gives g^a a + g^b b = y, where x and y are sums of
 * what there is. So (g^a + g^b) a = y + g^b x, and the other way round for b. */
static void recover_two(struct combination *sum, uint8_t *const *data, uint32_t columns, uint32_t a,
                        uint32_t b, const uint8_t *p, const uint8_t *q)
{
    uint8_t power_a = power(a), power_b = power(b), by = gf_inv(power_a ^ power_b), factor = 1;

    sum->outputs = 2;
    sum->output[0] = data[a];
    sum->output[1] = data[b];
    for (uint32_t i = 0; i < columns; i++) {
        if (i != a && i != b)
            add_source(sum, data[i], gf_mul(factor ^ power_b, by), gf_mul(factor ^ power_a, by));
        factor = gf_mul(factor, GENERATOR);
    }
    add_source(sum, p, gf_mul(power_b, by), gf_mul(power_a, by));
    add_source(sum, q, by, by);
}

void parity_recover(uint8_t *const *data, uint32_t columns, uint32_t lost, size_t length_bytes,
                    const uint8_t *p, const uint8_t *q)
{
    struct combination sum = {0};
    uint32_t first = (uint32_t)__builtin_ctz(lost), rest = lost & (lost - 1);

    assert(lost != 0 && (uint64_t)lost < (uint64_t)1 << columns && (rest & (rest - 1)) == 0);
    if (rest != 0) {
        assert(p != NULL && q != NULL);
        recover_two(&sum, data, columns, first, (uint32_t)__builtin_ctz(rest), p, q);
    } else if (p != NULL)
        recover_by_p(&sum, data, columns, first, p);
    else {
        assert(q != NULL);
        recover_by_q(&sum, data, columns, first, q);
    }
    combine(&sum, length_bytes);
}

/* --- which one is wrong --- */

static int column_of_factor(uint8_t factor, uint32_t columns)
{
    uint8_t power = 1;

    for (uint32_t column = 0; column < columns; column++) {
        if (power == factor)
            return (int)column;
        power = gf_mul(power, GENERATOR);
    }
    return -1;
}

int parity_locate(const uint8_t *p_difference, const uint8_t *q_difference, uint32_t columns,
                  size_t length_bytes)
{
    size_t first = 0;

    while (first < length_bytes && p_difference[first] == 0)
        first++;
    if (first == length_bytes)
        return -1;
    uint8_t factor = gf_mul(q_difference[first], gf_inv(p_difference[first]));
    for (size_t i = 0; i < length_bytes; i++) {
        if (gf_mul(factor, p_difference[i]) != q_difference[i])
            return -1;
    }
    return column_of_factor(factor, columns);
}
