/*
 * Reservations: who is granted, who is held, who is told, and that nothing is left behind.
 */
#include "shm/reserve.h"

#include "tests/unit/table.h"
#include "tests/unit/unit.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

static struct table table;
static struct coordination *const a = &table.seats[0], *const b = &table.seats[1],
                                  *const c = &table.seats[2];

static void begin(void)
{
    table_open(&table, MIB(1));
}

static void end(void)
{
    CU_ASSERT_EQUAL(table_words(&table), 0);
    CU_ASSERT_EQUAL(table.told.count, 0);
    table_close(&table);
}

static void what_does_not_overlap_is_granted(void)
{
    struct reservation one = wish(0, KIB(4), true, 1), two = wish(KIB(4), KIB(4), true, 2);
    struct reservation wide = wish(KIB(8), KIB(500), true, 3), far = wish(MIB(900), 1, true, 4);

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &two, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &wide, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(a, &far, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(table_words(&table), 4);
    reserve_release(a, &one);
    reserve_release(b, &two);
    reserve_release(b, &wide);
    reserve_release(a, &far);
    CU_ASSERT_EQUAL(COUNTED(a, granted), 2);
    CU_ASSERT_EQUAL(COUNTED(b, released), 2);
    end();
}

/* Which of two ranges conflict, in cells and across them, at edges and in other volumes. */
static void ranges_conflict_when_they_overlap_and_one_is_exclusive(void)
{
    static const struct {
        uint64_t first[2], second[2];
        bool overlap;
    } cases[] = {
        {{0, 4096}, {4095, 1}, true},
        {{0, 4096}, {4096, 1}, false},
        {{0, MIB(1)}, {KIB(700), 512}, true},
        {{KIB(700), 512}, {0, MIB(1)}, true},
        {{KIB(60), KIB(8)}, {KIB(66), KIB(1)}, true},
        {{KIB(60), KIB(8)}, {KIB(68), KIB(1)}, false},
        {{KIB(60), KIB(8)}, {KIB(52), KIB(8)}, false},
        {{MIB(1) - 1, 2}, {MIB(1), 1}, true},
        {{MIB(1) - 1, 1}, {MIB(1), 1}, false},
        {{MIB(5) - 1, MIB(3) + 2}, {MIB(8), KIB(64)}, true},
        {{MIB(5), MIB(3)}, {MIB(8), KIB(64)}, false},
        {{0, MIB(32) + 1}, {MIB(32), 1}, true},
        {{0, MIB(32)}, {MIB(32), 1}, false},
    };

    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int modes = 0; modes < 4; modes++) {
            struct reservation one = wish(cases[i].first[0], cases[i].first[1], modes & 1, 1);
            struct reservation two = wish(cases[i].second[0], cases[i].second[1], modes & 2, 2);
            struct reservation other = two;
            bool conflict = cases[i].overlap && modes != 0;
            other.volume = 4;
            CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
            CU_ASSERT_EQUAL(reserve_start(b, &other, 0), RESERVE_GRANTED);
            CU_ASSERT_EQUAL(reserve_start(b, &two, 0), conflict ? RESERVE_HELD : RESERVE_GRANTED);
            reserve_release(b, &other);
            reserve_release(a, &one);
            if (conflict) {
                CU_ASSERT_TRUE(table_told_only(&table, 1, 2));
                CU_ASSERT_EQUAL(reserve_continue(b, &two, 0), RESERVE_GRANTED);
            }
            reserve_release(b, &two);
        }
    }
    end();
}

static void first_come_is_first_served(void)
{
    struct reservation holder = wish(0, KIB(8), true, 1), first = wish(0, KIB(16), true, 2);
    struct reservation second = wish(KIB(8), KIB(8), true, 3);

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &holder, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &first, 0), RESERVE_HELD);
    /* Nothing granted overlaps the newcomer; a held command does. */
    CU_ASSERT_EQUAL(reserve_start(c, &second, 0), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_continue(c, &second, 0), RESERVE_HELD);
    reserve_release(a, &holder);
    CU_ASSERT_TRUE(table_told_only(&table, 1, 2));
    CU_ASSERT_EQUAL(reserve_continue(c, &second, 0), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_continue(b, &first, 0), RESERVE_GRANTED);
    reserve_release(b, &first);
    CU_ASSERT_TRUE(table_told_only(&table, 2, 3));
    CU_ASSERT_EQUAL(reserve_continue(c, &second, 0), RESERVE_GRANTED);
    reserve_release(c, &second);
    end();
}

static void an_end_hands_on_to_all_who_share(void)
{
    struct reservation writer = wish(0, KIB(8), true, 1), later = wish(0, KIB(8), true, 9);
    struct reservation readers[3];

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &writer, 0), RESERVE_GRANTED);
    for (uint32_t i = 0; i < 3; i++) {
        readers[i] = wish(KIB(i), KIB(4), false, 2 + i);
        CU_ASSERT_EQUAL(reserve_start(b, &readers[i], 0), RESERVE_HELD);
    }
    CU_ASSERT_EQUAL(reserve_start(c, &later, 0), RESERVE_HELD);
    reserve_release(a, &writer);
    CU_ASSERT_EQUAL(table.told.count, 3);
    table.told.count = 0;
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(reserve_continue(b, &readers[i], 0), RESERVE_GRANTED);
        CU_ASSERT_EQUAL(reserve_continue(c, &later, 0), RESERVE_HELD);
    }
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(table.told.count, 0);
        reserve_release(b, &readers[i]);
    }
    CU_ASSERT_TRUE(table_told_only(&table, 2, 9));
    CU_ASSERT_EQUAL(reserve_continue(c, &later, 0), RESERVE_GRANTED);
    reserve_release(c, &later);
    end();
}

static void giving_up_hands_on_too(void)
{
    struct reservation reader = wish(0, KIB(8), false, 1), writer = wish(0, KIB(8), true, 2);
    struct reservation next = wish(0, KIB(8), false, 3);

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &reader, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &writer, 0), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_start(c, &next, 0), RESERVE_HELD);
    reserve_cancel(b, &writer);
    CU_ASSERT_TRUE(table_told_only(&table, 2, 3));
    CU_ASSERT_EQUAL(reserve_continue(c, &next, 0), RESERVE_GRANTED);
    reserve_release(c, &next);
    reserve_release(a, &reader);
    CU_ASSERT_EQUAL(COUNTED(b, cancelled), 1);
    end();
}

static void who_is_held_in_the_middle_keeps_what_it_has(void)
{
    struct reservation middle = wish(MIB(2), KIB(4), true, 1), all = wish(0, MIB(4), true, 2);
    struct reservation first = wish(0, KIB(4), false, 3), last = wish(MIB(3), KIB(4), false, 4);

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &middle, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &all, 0), RESERVE_HELD);
    CU_ASSERT_EQUAL(all.taken, 2);
    CU_ASSERT_EQUAL(reserve_start(c, &first, 0), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_start(c, &last, 0), RESERVE_GRANTED);
    reserve_release(a, &middle);
    CU_ASSERT_TRUE(table_told_only(&table, 1, 2));
    CU_ASSERT_EQUAL(reserve_continue(b, &all, 0), RESERVE_HELD);
    reserve_release(c, &last);
    CU_ASSERT_TRUE(table_told_only(&table, 1, 2));
    CU_ASSERT_EQUAL(reserve_continue(b, &all, 0), RESERVE_GRANTED);
    reserve_release(b, &all);
    CU_ASSERT_TRUE(table_told_only(&table, 2, 3));
    CU_ASSERT_EQUAL(reserve_continue(c, &first, 0), RESERVE_GRANTED);
    reserve_release(c, &first);
    end();
}

/* Whether the regions were taken in an order in which nobody can wait in a circle. */
static bool sets_ascend(const struct reservation *r)
{
    uint64_t first = r->offset_bytes >> a->table.region_shift;

    for (uint32_t step = 1; step < r->regions; step++) {
        uint32_t before = (r->first_step + step - 1) % r->regions;
        uint32_t after = (r->first_step + step) % r->regions;
        if (region_set_of(&a->table, r->volume, first + before) >=
            region_set_of(&a->table, r->volume, first + after))
            return false;
    }
    return true;
}

/* The longest range at the smallest region size, beginning with a region's last byte, and wherever
 * its sets begin again with the first. */
static void the_longest_range_is_reserved_wherever_it_lies(void)
{
    table_open(&table, KIB(256));
    for (uint64_t region = 0; region < 300; region++) {
        struct reservation all =
            wish((region << 18) + KIB(256) - 1, RESERVATION_BYTES_MAX, true, 1);
        struct reservation last = wish(all.offset_bytes + all.length_bytes - 1, 1, false, 2);
        struct reservation past = wish(all.offset_bytes + all.length_bytes + 127, 1, false, 3);
        CU_ASSERT_EQUAL(reserve_start(a, &all, 0), RESERVE_GRANTED);
        CU_ASSERT_EQUAL(all.regions, REGIONS_PER_RESERVATION_MAX);
        CU_ASSERT_TRUE(sets_ascend(&all));
        CU_ASSERT_EQUAL(table_words(&table), REGIONS_PER_RESERVATION_MAX);
        CU_ASSERT_EQUAL(reserve_start(b, &last, 0), RESERVE_HELD);
        CU_ASSERT_EQUAL(reserve_start(b, &past, 0), RESERVE_GRANTED);
        reserve_release(a, &all);
        CU_ASSERT_TRUE(table_told_only(&table, 1, 2));
        CU_ASSERT_EQUAL(reserve_continue(b, &last, 0), RESERVE_GRANTED);
        reserve_release(b, &last);
        reserve_release(b, &past);
    }
    end();
}

static void regions_of_every_size_find_overlaps(void)
{
    for (uint32_t shift = REGION_SHIFT_MIN; shift <= REGION_SHIFT_MAX; shift++) {
        uint64_t region_bytes = 1ull << shift, unit_bytes = region_bytes / REGION_UNITS;
        struct reservation one = wish(region_bytes - unit_bytes, 2 * unit_bytes, true, 1);
        struct reservation before = wish(region_bytes - unit_bytes - 1, 1, true, 2);
        struct reservation after = wish(region_bytes + unit_bytes, 1, true, 3);
        struct reservation inside = wish(region_bytes + unit_bytes - 1, 1, true, 4);
        table_open(&table, region_bytes);
        CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
        CU_ASSERT_EQUAL(reserve_start(a, &before, 0), RESERVE_GRANTED);
        CU_ASSERT_EQUAL(reserve_start(a, &after, 0), RESERVE_GRANTED);
        CU_ASSERT_EQUAL(reserve_start(a, &inside, 0), RESERVE_HELD);
        reserve_cancel(a, &inside);
        reserve_release(a, &one);
        reserve_release(a, &before);
        reserve_release(a, &after);
        end();
    }
}

static void without_a_place_it_is_full_until_one_is_free(void)
{
    enum { PLACES = (2 + REGION_CROWD_LINES) * REGION_LINE_WORDS };
    struct reservation readers[PLACES], one_more = wish(0, 512, false, 99);

    begin();
    for (uint32_t i = 0; i < PLACES; i++) {
        readers[i] = wish(512ull * i, 512, false, i);
        CU_ASSERT_EQUAL(reserve_start(a, &readers[i], 0), RESERVE_GRANTED);
    }
    CU_ASSERT_EQUAL(reserve_start(b, &one_more, 0), RESERVE_FULL);
    CU_ASSERT_EQUAL(reserve_continue(b, &one_more, 0), RESERVE_FULL);
    CU_ASSERT_EQUAL(COUNTED(b, full), 2);
    reserve_release(a, &readers[7]);
    CU_ASSERT_TRUE(table_told_only(&table, 1, RESERVE_COOKIE_FULL));
    CU_ASSERT_EQUAL(reserve_continue(b, &one_more, 0), RESERVE_GRANTED);
    reserve_release(b, &one_more);
    for (uint32_t i = 0; i < PLACES; i++)
        if (i != 7)
            reserve_release(a, &readers[i]);
    end();
}

/* The set's structures all hold a reservation of another region that the hash leads to it. */
static void without_a_structure_it_is_full_until_one_is_free(void)
{
    const uint64_t sets = REGIONS_MIN / REGION_WAYS;
    struct reservation others[REGION_WAYS], one_more = wish(MIB(sets * REGION_WAYS), 1, true, 99);

    begin();
    for (uint32_t i = 0; i < REGION_WAYS; i++) {
        others[i] = wish(MIB(sets * i), 1, true, i);
        CU_ASSERT_EQUAL(reserve_start(a, &others[i], 0), RESERVE_GRANTED);
    }
    CU_ASSERT_EQUAL(reserve_start(b, &one_more, 0), RESERVE_FULL);
    reserve_release(a, &others[3]);
    CU_ASSERT_TRUE(table_told_only(&table, 1, RESERVE_COOKIE_FULL));
    CU_ASSERT_EQUAL(reserve_continue(b, &one_more, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(COUNTED(b, evictions), 1);
    CU_ASSERT_EQUAL(reserve_start(a, &others[3], 0), RESERVE_FULL);
    reserve_cancel(a, &others[3]);
    reserve_release(b, &one_more);
    table.told.count = 0;
    for (uint32_t i = 0; i < REGION_WAYS; i++)
        if (i != 3)
            reserve_release(a, &others[i]);
    table.told.count = 0;
    end();
}

/* Sets the number of the one word there is, as if so many had come before it in its queue. */
static void set_number(uint32_t number)
{
    for (uint32_t i = 0; i < REGIONS_MIN; i++) {
        struct region region = region_at(&a->table, i);
        for (uint32_t place = 0; place < REGION_PLACES; place++) {
            uint64_t word = load_seq_cst(&region.words->words[place]);
            if (word != 0) /* pairs with nobody: one thread */
                store_seq_cst(&region.words->words[place], word_numbered(word, number));
        }
    }
}

static void the_last_number_breaks_the_queue_and_it_begins_again(void)
{
    struct reservation one = wish(0, 512, true, 1), two = wish(0, 512, true, 2);
    struct reservation three = wish(0, 512, true, 3), aside = wish(512, 512, true, 4);

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
    set_number(RESERVATION_NUMBER_MAX - 1);
    CU_ASSERT_EQUAL(reserve_start(b, &two, 0), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_start(c, &three, 0), RESERVE_FULL);
    CU_ASSERT_EQUAL(reserve_start(c, &aside, 0), RESERVE_GRANTED);
    reserve_release(a, &one);
    CU_ASSERT_EQUAL(table.told.count, 2); /* who was held, and who was told FULL */
    table.told.count = 0;
    CU_ASSERT_EQUAL(reserve_continue(b, &two, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_continue(c, &three, 0), RESERVE_FULL);
    reserve_release(b, &two);
    CU_ASSERT_TRUE(table_told_only(&table, 2, RESERVE_COOKIE_FULL));
    CU_ASSERT_EQUAL(reserve_continue(c, &three, 0), RESERVE_GRANTED);
    reserve_release(c, &three);
    reserve_release(c, &aside);
    end();
}

static void a_word_left_pending_is_numbered_or_withdrawn_by_who_meets_it(void)
{
    struct reservation one = wish(0, 512, true, 1), two = wish(512, 512, true, 2);
    struct region region;
    struct word_range range = {0, 1, true};

    begin();
    CU_ASSERT_EQUAL(region_find(a, 3, 0, &region), 0);
    int place = order_publish(b, &region, word_pending(range, 1, TABLE_EPOCH, 5));
    CU_ASSERT_TRUE_FATAL(place > 0);
    /* a has the lesser place and the same number: it goes first, and b's has its number now. */
    CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(COUNTED(a, helped), 1);
    uint64_t word = load_seq_cst(&region.words->words[place]);
    CU_ASSERT_EQUAL(word_state(word), WORD_NUMBERED);
    CU_ASSERT_EQUAL(word_number(word), 2);
    CU_ASSERT_FALSE(order_grantable(b, &region, (uint32_t)place, word));
    reserve_release(a, &one);
    CU_ASSERT_TRUE(order_grantable(b, &region, (uint32_t)place, word));
    /* With a number that is the last: the next one that is pending is withdrawn. */
    set_number(RESERVATION_NUMBER_MAX);
    range.first_unit = 1;
    range.last_unit = 3;
    CU_ASSERT_TRUE(order_publish(c, &region, word_pending(range, 2, TABLE_EPOCH, 6)) > 0);
    CU_ASSERT_EQUAL(table_words(&table), 2);
    two.offset_bytes = 1024;
    CU_ASSERT_EQUAL(reserve_start(a, &two, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(table_words(&table), 2);
    reserve_release(a, &two);
    reserve_recover(a, 1, TABLE_EPOCH);
    table.told.count = 0;
    end();
}

static void of_two_with_one_number_the_lesser_place_goes_first(void)
{
    const struct word_range range = {3, 4, true};
    struct region region;
    uint64_t words[2];
    int places[2];

    begin();
    CU_ASSERT_EQUAL(region_find(a, 3, 0, &region), 0);
    for (uint32_t i = 0; i < 2; i++) {
        struct coordination *seat = &table.seats[i];
        uint64_t pending = word_pending(range, i, TABLE_EPOCH, 1);
        places[i] = order_publish(seat, &region, pending);
        CU_ASSERT_TRUE_FATAL(places[i] > 0);
        words[i] = word_numbered(pending, 9);
        /* pairs with nobody: one thread */
        store_seq_cst(&region.words->words[places[i]], words[i]);
    }
    CU_ASSERT_TRUE(places[0] < places[1]);
    CU_ASSERT_TRUE(order_grantable(a, &region, (uint32_t)places[0], words[0]));
    CU_ASSERT_FALSE(order_grantable(b, &region, (uint32_t)places[1], words[1]));
    reserve_recover(c, 0, TABLE_EPOCH);
    CU_ASSERT_TRUE(order_grantable(b, &region, (uint32_t)places[1], words[1]));
    reserve_recover(c, 1, TABLE_EPOCH);
    table.told.count = 0;
    end();
}

static void who_was_taken_for_dead_ends_nothing_of_others(void)
{
    struct reservation one = wish(0, 512, true, 1), two = wish(0, 512, true, 2);

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
    reserve_recover(c, 0, TABLE_EPOCH);
    b->seat = 0; /* the seat's next life, at the same place */
    b->epoch = TABLE_EPOCH + 1;
    CU_ASSERT_EQUAL(reserve_start(b, &two, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(one.spots[0], two.spots[0]);
    reserve_release(a, &one);
    CU_ASSERT_EQUAL(table_words(&table), 1);
    reserve_release(b, &two);
    table.told.count = 0;
    end();
}

static void counters_tell_true_from_false_conflicts_and_how_long_it_took(void)
{
    struct reservation one = wish(0, 100, true, 1), near = wish(200, 100, true, 2);
    struct reservation same = wish(50, 10, true, 3);

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &one, 1000), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &near, 1000), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_continue(b, &near, 1500), RESERVE_HELD);
    reserve_release(a, &one);
    CU_ASSERT_EQUAL(COUNTED(a, conflicts_false), 1);
    CU_ASSERT_EQUAL(COUNTED(a, handed_off), 1);
    CU_ASSERT_TRUE(table_told_only(&table, 1, 2));
    CU_ASSERT_EQUAL(reserve_continue(b, &near, 2024), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(COUNTED(b, held), 1);
    CU_ASSERT_EQUAL(COUNTED(b, held_ns), 1024);
    CU_ASSERT_EQUAL(COUNTED(b, held_histogram[10]), 1);
    reserve_release(b, &near);
    CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &same, 5), RESERVE_HELD);
    reserve_release(a, &one);
    CU_ASSERT_EQUAL(COUNTED(a, conflicts_true), 1);
    CU_ASSERT_TRUE(table_told_only(&table, 1, 3));
    /* A clock that went back, and one that says nothing for years. */
    CU_ASSERT_EQUAL(reserve_continue(b, &same, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(COUNTED(b, held_histogram[0]), 1);
    reserve_release(b, &same);
    end();
}

struct seen {
    struct reserve_view views[8];
    uint32_t count;
};

static void see(void *context, const struct reserve_view *view)
{
    struct seen *seen = context;
    if (seen->count < 8)
        seen->views[seen->count++] = *view;
}

static void a_walk_shows_what_is_reserved_and_what_is_held(void)
{
    struct reservation one = wish(MIB(7) + KIB(4) + 1, 100, false, 1);
    struct reservation two = wish(MIB(7) + KIB(4) + 7, 10, true, 2);
    struct seen seen = {0};

    begin();
    CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &two, 77), RESERVE_HELD);
    reserve_walk(&a->table, see, &seen);
    CU_ASSERT_EQUAL_FATAL(seen.count, 2);
    const struct reserve_view *granted = &seen.views[0], *held = &seen.views[1];
    CU_ASSERT_TRUE(granted->state == RESERVE_VIEW_RESERVED && granted->volume == 3 &&
                   granted->seat == 0 && !granted->exclusive && !granted->exact);
    CU_ASSERT_TRUE(granted->offset_bytes == MIB(7) + KIB(4) && granted->length_bytes == 512);
    CU_ASSERT_TRUE(held->state == RESERVE_VIEW_HELD && held->seat == 1 && held->exclusive &&
                   held->exact && held->since_ns == 77);
    CU_ASSERT_TRUE(held->offset_bytes == two.offset_bytes && held->length_bytes == 10);
    reserve_release(a, &one);
    seen.count = 0;
    reserve_walk(&a->table, see, &seen);
    CU_ASSERT_EQUAL(seen.views[0].state, RESERVE_VIEW_HANDED);
    CU_ASSERT_TRUE(table_told_only(&table, 1, 2));
    CU_ASSERT_EQUAL(reserve_continue(b, &two, 78), RESERVE_GRANTED);
    reserve_release(b, &two);
    end();
}

static void a_dead_controller_leaves_nothing_and_stops_nobody(void)
{
    struct reservation granted = wish(0, MIB(3), true, 1), held = wish(MIB(5), KIB(8), true, 2);
    struct reservation block = wish(MIB(5), KIB(4), true, 3), late = wish(MIB(2), 1, true, 4);
    struct reservation next = wish(MIB(5) + KIB(4), KIB(4), false, 5);
    struct reservation lived = wish(MIB(9), 1, true, 6);

    begin();
    a->epoch = TABLE_EPOCH - 1; /* an earlier life of the same seat stays what it is */
    CU_ASSERT_EQUAL(reserve_start(a, &lived, 0), RESERVE_GRANTED);
    a->epoch = TABLE_EPOCH;
    CU_ASSERT_EQUAL(reserve_start(b, &block, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(a, &granted, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(a, &held, 0), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_start(c, &late, 0), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_start(c, &next, 0), RESERVE_HELD);
    reserve_recover(b, 0, TABLE_EPOCH);
    CU_ASSERT_EQUAL(reserve_continue(c, &late, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_continue(c, &next, 0), RESERVE_GRANTED);
    uint32_t told_late = 0, told_next = 0;
    for (uint32_t i = 0; i < table.told.count; i++) {
        told_late += table.told.notes[i].seat == 2 && table.told.notes[i].cookie == 4;
        told_next += table.told.notes[i].seat == 2 && table.told.notes[i].cookie == 5;
    }
    CU_ASSERT_TRUE(told_late >= 1 && told_next >= 1);
    CU_ASSERT_EQUAL(COUNTED(b, recovered), 4);
    CU_ASSERT_EQUAL(table_words(&table), 4);
    reserve_recover(c, 0, TABLE_EPOCH); /* a second time does no harm */
    CU_ASSERT_EQUAL(COUNTED(c, recovered), 0);
    CU_ASSERT_EQUAL(table_words(&table), 4);
    reserve_release(b, &block);
    reserve_release(c, &late);
    reserve_release(c, &next);
    a->epoch = TABLE_EPOCH - 1;
    reserve_release(a, &lived);
    table.told.count = 0;
    end();
}

/* What a broken peer may have written anywhere in the table makes nobody index outside or loop. */
static void scribble(uint32_t *seed, void *at, size_t bytes)
{
    _Atomic uint64_t *words = at;

    for (size_t i = 0; i < bytes / 8; i++) {
        uint64_t value = 0;
        for (int part = 0; part < 4; part++) {
            *seed = *seed * 1664525u + 1013904223u;
            value = value << 16 | *seed >> 16;
        }
        if (*seed >> 8 & 1) /* pairs with nobody: one thread */
            store_seq_cst(&words[i], value);
    }
}

static void ignore(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    (void)cookie;
    (void)generation;
    CU_ASSERT_TRUE_FATAL(seat < TABLE_SEATS);
    ++*(uint32_t *)context;
}

static void a_scribbled_table_is_survived(void)
{
    uint32_t seed = 11, notified = 0;

    begin();
    for (uint32_t seat = 0; seat < TABLE_SEATS; seat++) {
        table.seats[seat].notify = ignore;
        table.seats[seat].context = &notified;
    }
    for (uint32_t round = 0; round < 300; round++) {
        struct reservation one = wish(KIB(64 * (round % 8)), MIB(2), round & 1, 1);
        struct reservation two = wish(KIB(4 * round), KIB(4), round & 2, 2);
        uint32_t set = region_set_of(&a->table, 3, round % 2);
        enum reserve_verdict first = reserve_start(a, &one, 0);
        scribble(&seed, &a->table.words[set * REGION_WAYS], sizeof(struct region_words));
        scribble(&seed, &a->table.conflicts[set * REGION_WAYS], sizeof(struct region_conflicts));
        if (round % 3 == 0)
            scribble(&seed, &a->table.sets[set], sizeof(struct region_set));
        enum reserve_verdict second = reserve_start(b, &two, 0);
        if (first != RESERVE_GRANTED)
            first = reserve_continue(a, &one, 0);
        first == RESERVE_GRANTED ? reserve_release(a, &one) : reserve_cancel(a, &one);
        second == RESERVE_GRANTED ? reserve_release(b, &two) : reserve_cancel(b, &two);
        table_words(&table);
        for (uint32_t seat = 0; seat < TABLE_SEATS; seat++)
            reserve_recover(c, seat, round & 255);
    }
    table_close(&table);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what does not overlap is granted", what_does_not_overlap_is_granted},
        {"ranges conflict when they overlap and one is exclusive",
         ranges_conflict_when_they_overlap_and_one_is_exclusive},
        {"first come is first served", first_come_is_first_served},
        {"an end hands on to all who share", an_end_hands_on_to_all_who_share},
        {"giving up hands on too", giving_up_hands_on_too},
        {"who is held in the middle keeps what it has",
         who_is_held_in_the_middle_keeps_what_it_has},
        {"the longest range is reserved wherever it lies",
         the_longest_range_is_reserved_wherever_it_lies},
        {"regions of every size find overlaps", regions_of_every_size_find_overlaps},
        {"without a place it is full until one is free",
         without_a_place_it_is_full_until_one_is_free},
        {"without a structure it is full until one is free",
         without_a_structure_it_is_full_until_one_is_free},
        {"the last number breaks the queue, and it begins again",
         the_last_number_breaks_the_queue_and_it_begins_again},
        {"a word left pending is numbered or withdrawn by who meets it",
         a_word_left_pending_is_numbered_or_withdrawn_by_who_meets_it},
        {"of two with one number, the lesser place goes first",
         of_two_with_one_number_the_lesser_place_goes_first},
        {"who was taken for dead ends nothing of others",
         who_was_taken_for_dead_ends_nothing_of_others},
        {"counters tell true from false conflicts and how long it took",
         counters_tell_true_from_false_conflicts_and_how_long_it_took},
        {"a walk shows what is reserved and what is held",
         a_walk_shows_what_is_reserved_and_what_is_held},
        {"a dead controller leaves nothing and stops nobody",
         a_dead_controller_leaves_nothing_and_stops_nobody},
        {"a scribbled table is survived", a_scribbled_table_is_survived},
    };
    return UNIT_RUN("reserve", tests);
}
