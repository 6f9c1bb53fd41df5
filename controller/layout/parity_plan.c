#include "controller/layout/parity_plan.h"

#include <assert.h>
#include <errno.h>

#include "controller/layout/parity.h"

/* --- making: what a planner knows of the slice --- */

struct planner {
    const struct layout *layout;
    const struct parity_slice *slice;
    struct parity_plan *plan;
    uint32_t failed;     /* members */
    uint32_t lost;       /* data columns of failed members */
    uint32_t data_there; /* and the others */
    uint32_t p_member, q_member;
    bool p_there, q_there;
    uint32_t slots;
};

static bool has(uint32_t mask, uint32_t bit)
{
    return (mask >> bit & 1) != 0;
}

static uint32_t count(uint32_t mask)
{
    return (uint32_t)__builtin_popcount(mask);
}

static struct planner planner_of(struct parity_plan *plan, const struct layout *layout,
                                 const struct parity_slice *slice, uint32_t failed)
{
    struct planner planner = {.layout = layout,
                              .slice = slice,
                              .plan = plan,
                              .failed = failed,
                              .p_member = layout_p_member(layout, slice->row),
                              .q_member = layout_q_member(layout, slice->row)};

    assert(layout->parities != 0 && slice->length_bytes <= PARITY_COLUMN_BYTES);
    for (uint32_t i = 0; i < layout->columns; i++)
        if (has(failed, layout_data_member(layout, slice->row, i)))
            planner.lost |= (uint32_t)1 << i;
        else
            planner.data_there |= (uint32_t)1 << i;
    planner.p_there = !has(failed, planner.p_member);
    planner.q_there = layout->parities == 2 && !has(failed, planner.q_member);
    *plan = (struct parity_plan){.member_offset_bytes = slice->member_offset_bytes,
                                 .length_bytes = slice->length_bytes,
                                 .columns = layout->columns};
    return planner;
}

/* Whether parity makes up for the data that are lost. */
static bool enough(const struct planner *planner)
{
    return count(planner->lost) <= (uint32_t)planner->p_there + (uint32_t)planner->q_there;
}

static struct parity_place payload_of(const struct planner *planner, uint32_t column)
{
    return (struct parity_place){
        .payload = true, .at_bytes = parity_slice_payload(planner->layout, planner->slice, column)};
}

static struct parity_place new_slot(struct planner *planner)
{
    uint32_t within = (uint32_t)(planner->slice->member_offset_bytes % BLOCK_BYTES);
    uint32_t bytes = within + planner->slice->length_bytes;
    uint32_t slot_bytes = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    uint32_t slot = planner->slots++;

    planner->plan->workspace_bytes = planner->slots * slot_bytes;
    return (struct parity_place){.at_bytes = slot * slot_bytes + within};
}

static void add_read(struct planner *planner, uint32_t member, struct parity_place place)
{
    assert(!has(planner->failed, member));
    planner->plan->read[planner->plan->reads++] = (struct parity_transfer){member, place};
}

static void add_write(struct planner *planner, uint32_t member, struct parity_place place)
{
    planner->plan->write[planner->plan->writes++] = (struct parity_transfer){member, place};
}

static uint32_t member_of(const struct planner *planner, uint32_t column)
{
    return layout_data_member(planner->layout, planner->slice->row, column);
}

/* Reads the columns of the mask into slots of their own. */
static void read_old(struct planner *planner, uint32_t columns)
{
    for (uint32_t i = 0; i < planner->layout->columns; i++) {
        if (has(columns, i)) {
            planner->plan->old[i] = new_slot(planner);
            add_read(planner, member_of(planner, i), planner->plan->old[i]);
        }
    }
}

static void read_p(struct planner *planner)
{
    planner->plan->p = new_slot(planner);
    add_read(planner, planner->p_member, planner->plan->p);
}

static void read_q(struct planner *planner)
{
    planner->plan->q = new_slot(planner);
    add_read(planner, planner->q_member, planner->plan->q);
}

/* Has the lost columns recovered; those whose place is not in the payload get a slot. All other
 * columns have been planned to be read. */
static void recover_lost(struct planner *planner, uint32_t into_payload)
{
    struct parity_plan *plan = planner->plan;

    plan->lost = planner->lost;
    for (uint32_t i = 0; i < planner->layout->columns; i++)
        if (has(planner->lost, i))
            plan->old[i] = has(into_payload, i) ? payload_of(planner, i) : new_slot(planner);
    plan->use_p = planner->p_there;
    plan->use_q = planner->q_there && (!planner->p_there || count(planner->lost) == 2);
    if (plan->use_p)
        read_p(planner);
    if (plan->use_q)
        read_q(planner);
}

/* --- reads --- */

int parity_plan_read(struct parity_plan *ret_plan, const struct layout *layout,
                     const struct parity_slice *slice, uint32_t failed)
{
    struct parity_plan plan;
    struct planner planner = planner_of(&plan, layout, slice, failed);
    uint32_t wanted = slice->columns;
    bool recover = (wanted & planner.lost) != 0;

    if (recover && !enough(&planner))
        return -EIO;
    plan.method = recover ? PARITY_READ_RECOVER : PARITY_READ;
    for (uint32_t i = 0; i < layout->columns; i++) {
        if (has(wanted & planner.data_there, i)) {
            plan.old[i] = payload_of(&planner, i);
            add_read(&planner, member_of(&planner, i), plan.old[i]);
        }
    }
    if (recover) {
        read_old(&planner, planner.data_there & ~wanted);
        recover_lost(&planner, wanted);
    }
    *ret_plan = plan;
    return 0;
}

/* --- writes --- */

/* Members whose old content modifying reads, and reconstructing. */
static uint32_t read_to_modify(const struct planner *planner)
{
    uint32_t members = 0;

    for (uint32_t i = 0; i < planner->layout->columns; i++)
        members |= has(planner->slice->columns, i) ? 1u << member_of(planner, i) : 0;
    members |= planner->p_there ? 1u << planner->p_member : 0;
    return members | (planner->q_there ? 1u << planner->q_member : 0);
}

static uint32_t read_to_reconstruct(const struct planner *planner)
{
    uint32_t members = 0;

    for (uint32_t i = 0; i < planner->layout->columns; i++)
        members |= has(planner->slice->columns, i) ? 0 : 1u << member_of(planner, i);
    return members;
}

/* The method, by what is possible and then by what reads least. */
static enum parity_method method_of(const struct planner *planner, uint32_t unreadable)
{
    uint32_t written = planner->slice->columns;
    uint32_t parities = (uint32_t)planner->p_there + (uint32_t)planner->q_there;
    uint32_t others = (planner->data_there | planner->lost) & ~written;
    bool can_modify = (planner->lost & written) == 0 && (read_to_modify(planner) & unreadable) == 0;
    bool can_reconstruct =
        (planner->lost & others) == 0 && (read_to_reconstruct(planner) & unreadable) == 0;

    if (parities == 0)
        return PARITY_WRITE_PLAIN;
    if (!can_modify && !can_reconstruct)
        return PARITY_WRITE_RECOVER;
    if (!can_modify)
        return PARITY_WRITE_RECONSTRUCT;
    if (!can_reconstruct)
        return PARITY_WRITE_MODIFY;
    return count(others) <= count(written) + parities ? PARITY_WRITE_RECONSTRUCT
                                                      : PARITY_WRITE_MODIFY;
}

/* The columns as they will be: what is written from the payload, the rest as it was. */
static void place_fresh(struct planner *planner)
{
    for (uint32_t i = 0; i < planner->layout->columns; i++)
        planner->plan->fresh[i] =
            has(planner->slice->columns, i) ? payload_of(planner, i) : planner->plan->old[i];
}

static void write_columns(struct planner *planner)
{
    for (uint32_t i = 0; i < planner->layout->columns; i++)
        if (has(planner->slice->columns & planner->data_there, i))
            add_write(planner, member_of(planner, i), planner->plan->fresh[i]);
}

/* The parities that are left are made, in slots of their own unless they have been read, and
 * written. */
static void write_parity(struct planner *planner, bool have_slots)
{
    struct parity_plan *plan = planner->plan;

    plan->make_p = planner->p_there;
    plan->make_q = planner->q_there;
    if (plan->make_p) {
        plan->p = have_slots ? plan->p : new_slot(planner);
        add_write(planner, planner->p_member, plan->p);
    }
    if (plan->make_q) {
        plan->q = have_slots ? plan->q : new_slot(planner);
        add_write(planner, planner->q_member, plan->q);
    }
}

static void plan_modify(struct planner *planner)
{
    planner->plan->changed = planner->slice->columns;
    read_old(planner, planner->slice->columns);
    if (planner->p_there)
        read_p(planner);
    if (planner->q_there)
        read_q(planner);
}

static bool reads_any(const struct parity_plan *plan, uint32_t members)
{
    for (uint32_t i = 0; i < plan->reads; i++) {
        if (has(members, plan->read[i].member))
            return true;
    }
    return false;
}

int parity_plan_write(struct parity_plan *ret_plan, const struct layout *layout,
                      const struct parity_slice *slice, uint32_t failed, uint32_t unreadable)
{
    struct parity_plan plan;
    struct planner planner = planner_of(&plan, layout, slice, failed);

    if (!enough(&planner))
        return -EIO;
    plan.method = method_of(&planner, unreadable);
    if (plan.method == PARITY_WRITE_MODIFY)
        plan_modify(&planner);
    else if (plan.method == PARITY_WRITE_RECONSTRUCT)
        read_old(&planner, planner.data_there & ~slice->columns);
    else if (plan.method == PARITY_WRITE_RECOVER) {
        read_old(&planner, planner.data_there);
        recover_lost(&planner, 0);
    }
    plan.generate = plan.method == PARITY_WRITE_RECONSTRUCT || plan.method == PARITY_WRITE_RECOVER;
    place_fresh(&planner);
    write_columns(&planner);
    write_parity(&planner,
                 plan.method == PARITY_WRITE_MODIFY || plan.method == PARITY_WRITE_RECOVER);
    if (reads_any(&plan, unreadable))
        return -EIO;
    *ret_plan = plan;
    return 0;
}

void parity_plan_write_again(struct parity_plan *ret_plan, const struct layout *layout,
                             const struct parity_slice *slice, uint32_t failed,
                             const struct parity_place *p, const struct parity_place *q)
{
    struct planner planner = planner_of(ret_plan, layout, slice, failed);

    ret_plan->method = PARITY_WRITE_PLAIN;
    place_fresh(&planner);
    write_columns(&planner);
    if (planner.p_there && p != NULL)
        add_write(&planner, planner.p_member, *p);
    if (planner.q_there && q != NULL)
        add_write(&planner, planner.q_member, *q);
}

/* --- rebuilding --- */

static void rebuild_targets(struct planner *planner, uint32_t targets)
{
    struct parity_plan *plan = planner->plan;

    for (uint32_t i = 0; i < plan->columns; i++) {
        plan->fresh[i] = plan->old[i];
        if (has(targets, member_of(planner, i)))
            add_write(planner, member_of(planner, i), plan->old[i]);
    }
    plan->make_p = has(targets, planner->p_member);
    plan->make_q = planner->layout->parities == 2 && has(targets, planner->q_member);
    plan->generate = plan->make_p || plan->make_q;
    if (plan->make_p) {
        plan->p = new_slot(planner);
        add_write(planner, planner->p_member, plan->p);
    }
    if (plan->make_q) {
        plan->q = new_slot(planner);
        add_write(planner, planner->q_member, plan->q);
    }
}

int parity_plan_rebuild(struct parity_plan *ret_plan, const struct layout *layout,
                        const struct parity_slice *slice, uint32_t failed, uint32_t targets)
{
    struct parity_plan plan;
    struct planner planner = planner_of(&plan, layout, slice, failed | targets);

    if (!enough(&planner))
        return -EIO;
    plan.method = PARITY_REBUILD;
    read_old(&planner, planner.data_there);
    if (planner.lost != 0)
        recover_lost(&planner, 0);
    rebuild_targets(&planner, targets);
    *ret_plan = plan;
    return 0;
}

/* --- computing --- */

/* What a payload that is not there holds. */
static const uint8_t zeros[PARITY_COLUMN_BYTES];

/* The columns at their places; those of no place are not looked at. */
static void find_columns(const struct parity_plan *plan, const struct parity_place *places,
                         uint8_t *payload, uint8_t *workspace, const uint8_t **ret_columns)
{
    for (uint32_t i = 0; i < plan->columns; i++) {
        uint8_t *base = places[i].payload ? payload : workspace;
        ret_columns[i] = base == NULL ? zeros : base + places[i].at_bytes;
    }
}

static void recover(const struct parity_plan *plan, uint8_t *payload, uint8_t *workspace)
{
    const uint8_t *columns[MEMBERS_MAX];

    find_columns(plan, plan->old, payload, workspace, columns);
    parity_recover((uint8_t *const *)(uintptr_t)columns, plan->columns, plan->lost,
                   plan->length_bytes, plan->use_p ? workspace + plan->p.at_bytes : NULL,
                   plan->use_q ? workspace + plan->q.at_bytes : NULL);
}

static void modify(const struct parity_plan *plan, const uint8_t *const *fresh, uint8_t *workspace)
{
    for (uint32_t i = 0; i < plan->columns; i++) {
        if (has(plan->changed, i)) {
            uint8_t *delta = workspace + plan->old[i].at_bytes;
            parity_delta(delta, fresh[i], plan->length_bytes);
            parity_update(delta, i, plan->length_bytes,
                          plan->make_p ? workspace + plan->p.at_bytes : NULL,
                          plan->make_q ? workspace + plan->q.at_bytes : NULL);
        }
    }
}

void parity_plan_compute(const struct parity_plan *plan, uint8_t *payload, uint8_t *workspace)
{
    const uint8_t *fresh[MEMBERS_MAX];

    if (plan->lost != 0)
        recover(plan, payload, workspace);
    find_columns(plan, plan->fresh, payload, workspace, fresh);
    if (plan->changed != 0)
        modify(plan, fresh, workspace);
    if (plan->generate)
        parity_generate(fresh, plan->columns, plan->length_bytes,
                        plan->make_p ? workspace + plan->p.at_bytes : NULL,
                        plan->make_q ? workspace + plan->q.at_bytes : NULL);
}
