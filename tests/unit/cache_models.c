#include "tests/unit/cache_models.h"

#include <string.h>

static int find(const struct model_list *list, uint64_t key)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->keys[i] == key)
            return (int)i;
    return -1;
}

static void add(struct model_list *list, uint64_t key, uint32_t mark)
{
    list->keys[list->count] = key;
    list->marks[list->count++] = mark;
}

static uint64_t take(struct model_list *list, int at)
{
    uint64_t key = list->keys[at];
    size_t behind = list->count - (uint32_t)at - 1;

    memmove(&list->keys[at], &list->keys[at + 1], behind * sizeof list->keys[0]);
    memmove(&list->marks[at], &list->marks[at + 1], behind * sizeof list->marks[0]);
    list->count--;
    return key;
}

bool model_lru(struct model *model, uint64_t key, uint64_t *ret_gone)
{
    int at = find(&model->a, key);

    *ret_gone = MODEL_NO_KEY;
    if (at >= 0)
        take(&model->a, at);
    else if (model->a.count == model->blocks)
        *ret_gone = take(&model->a, 0);
    add(&model->a, key, 0);
    return at >= 0;
}

bool model_sieve(struct model *model, uint64_t key, uint64_t *ret_gone)
{
    struct model_list *queue = &model->a;
    int at = find(queue, key);

    *ret_gone = MODEL_NO_KEY;
    if (at >= 0) {
        queue->marks[at] = 1;
        return true;
    }
    if (queue->count == model->blocks) {
        int hand = find(queue, model->hand);
        if (hand < 0)
            hand = 0;
        while (queue->marks[hand] != 0) {
            queue->marks[hand] = 0;
            hand = (hand + 1) % (int)queue->count;
        }
        model->hand = hand + 1 < (int)queue->count ? queue->keys[hand + 1] : MODEL_NO_KEY;
        *ret_gone = take(queue, hand);
    }
    add(queue, key, 0);
    return false;
}

static uint32_t s3_small(const struct model *model)
{
    return model->blocks / 10 > 0 ? model->blocks / 10 : 1;
}

static uint32_t s3_remembered(const struct model *model)
{
    return model->blocks > 1 ? model->blocks - s3_small(model) : 1;
}

/* a: small, b: main; a mark: how often it was asked for, up to 3. */
static uint64_t s3_evict(struct model *model, bool from_small)
{
    while (from_small && model->a.count > 0) {
        uint32_t asked = model->a.marks[0];
        uint64_t key = take(&model->a, 0);
        if (asked <= 1) {
            if (model->ghosts_a.count == s3_remembered(model))
                take(&model->ghosts_a, 0);
            add(&model->ghosts_a, key, 0);
            return key;
        }
        add(&model->b, key, 0);
    }
    while (model->b.count > 0) {
        uint32_t asked = model->b.marks[0];
        uint64_t key = take(&model->b, 0);
        if (asked == 0)
            return key;
        add(&model->b, key, asked - 1);
    }
    return s3_evict(model, true);
}

bool model_s3_fifo(struct model *model, uint64_t key, uint64_t *ret_gone)
{
    struct model_list *lists[] = {&model->a, &model->b};

    *ret_gone = MODEL_NO_KEY;
    for (int i = 0; i < 2; i++) {
        int at = find(lists[i], key);
        if (at < 0)
            continue;
        if (lists[i]->marks[at] < 3)
            lists[i]->marks[at]++;
        return true;
    }
    if (model->a.count + model->b.count == model->blocks)
        *ret_gone = s3_evict(model, model->a.count >= s3_small(model));
    int ghost = find(&model->ghosts_a, key);
    if (ghost >= 0)
        take(&model->ghosts_a, ghost);
    add(ghost >= 0 ? &model->b : &model->a, key, 0);
    return false;
}

/* REPLACE(x, p) of the paper; a: T1, b: T2. */
static uint64_t arc_replace(struct model *model, bool in_b2)
{
    struct model_list *t1 = &model->a, *t2 = &model->b;
    uint64_t key;

    if (t1->count > 0 &&
        (t1->count > model->target || (in_b2 && t1->count == model->target) || t2->count == 0)) {
        key = take(t1, 0);
        add(&model->ghosts_a, key, 0);
    } else {
        key = take(t2, 0);
        add(&model->ghosts_b, key, 0);
    }
    return key;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Case II and III of the paper: a ghost is asked for. */
static void arc_ghost(struct model *model, uint64_t key, bool in_b2, uint64_t *ret_gone)
{
    uint32_t b1 = model->ghosts_a.count, b2 = model->ghosts_b.count;

    if (in_b2)
        model->target -= least(model->target, b2 >= b1 ? 1 : b1 / b2);
    else
        model->target = least(model->target + (b1 >= b2 ? 1 : b2 / b1), model->blocks);
    *ret_gone = arc_replace(model, in_b2);
    struct model_list *ghosts = in_b2 ? &model->ghosts_b : &model->ghosts_a;
    take(ghosts, find(ghosts, key));
    add(&model->b, key, 0);
}

/* Case IV: nobody knows it. */
static void arc_new(struct model *model, uint64_t key, uint64_t *ret_gone)
{
    uint32_t l1 = model->a.count + model->ghosts_a.count;
    uint32_t l2 = model->b.count + model->ghosts_b.count;

    if (l1 == model->blocks) {
        if (model->a.count < model->blocks) {
            take(&model->ghosts_a, 0);
            *ret_gone = arc_replace(model, false);
        } else {
            *ret_gone = take(&model->a, 0);
        }
    } else if (l1 + l2 >= model->blocks) {
        if (l1 + l2 == 2 * model->blocks)
            take(&model->ghosts_b, 0);
        *ret_gone = arc_replace(model, false);
    }
    add(&model->a, key, 0);
}

bool model_arc(struct model *model, uint64_t key, uint64_t *ret_gone)
{
    struct model_list *lists[] = {&model->a, &model->b};

    *ret_gone = MODEL_NO_KEY;
    for (int i = 0; i < 2; i++) {
        int at = find(lists[i], key);
        if (at < 0)
            continue;
        take(lists[i], at);
        add(&model->b, key, 0);
        return true;
    }
    if (find(&model->ghosts_a, key) >= 0)
        arc_ghost(model, key, false, ret_gone);
    else if (find(&model->ghosts_b, key) >= 0)
        arc_ghost(model, key, true, ret_gone);
    else
        arc_new(model, key, ret_gone);
    return false;
}
