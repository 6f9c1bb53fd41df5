#include "controller/layout/parity.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <limits.h>

enum {
    GENERATOR = 2,
    SOURCES_MAX = MEMBERS_MAX, /* data, P and Q of all other members */
    OUTPUTS_MAX = 2,
    TABLE_BYTES = 32, /* ISA-L's, of one factor */
};

/* Linear combinations: each output is the sum of all sources, each times its factor. */
struct combination {
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

static void combine(const struct combination *sum, size_t length_bytes)
{
    uint8_t tables[OUTPUTS_MAX * SOURCES_MAX * TABLE_BYTES];

    assert(length_bytes <= INT_MAX && sum->outputs <= OUTPUTS_MAX);
    make_tables(sum, tables);
    /* It does not write to its sources, only its type says it could. */
    ec_encode_data((int)length_bytes, (int)sum->sources, (int)sum->outputs, tables,
                   (unsigned char **)(uintptr_t)sum->source,
                   (unsigned char **)(uintptr_t)sum->output);
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
