#include "tools/reservations.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "controller/layout/layout.h"
#include "shm/mapping.h"
#include "tools/json_set.h"

enum { LOCKS_VERSION = 1, VIEWS_FIRST = 256 };

/* --- reading --- */

struct gathering {
    struct reservations list;
    size_t room;
    int error;
};

static void gather(void *context, const struct reserve_view *view)
{
    struct gathering *gathering = context;
    struct reservations *list = &gathering->list;

    if (gathering->error != 0)
        return;
    if (list->count == gathering->room) {
        size_t room = gathering->room == 0 ? VIEWS_FIRST : gathering->room * 2;
        struct reserve_view *views = realloc(list->views, room * sizeof *views);
        if (views == NULL) {
            gathering->error = -ENOMEM;
            return;
        }
        list->views = views;
        gathering->room = room;
    }
    list->views[list->count++] = *view;
}

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Who is in the way and who waits for him stand next to each other. */
static int compare_views(const void *a, const void *b)
{
    const struct reserve_view *one = a, *other = b;
    int order = compare(one->volume, other->volume);

    if (order == 0)
        order = compare(one->offset_bytes, other->offset_bytes);
    if (order == 0)
        order = compare(one->state, other->state);
    if (order == 0)
        order = compare(one->since_ns, other->since_ns);
    return order != 0 ? order : compare(one->seat, other->seat);
}

int reservations_read(struct reservations *ret_reservations, const struct segment *segment)
{
    struct region_table table = segment_region_table(segment);
    struct gathering gathering = {0};
    struct timespec now;

    reserve_walk(&table, gather, &gathering);
    if (gathering.error != 0) {
        reservations_done(&gathering.list);
        return gathering.error;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    gathering.list.ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (gathering.list.count > 0)
        qsort(gathering.list.views, gathering.list.count, sizeof *gathering.list.views,
              compare_views);
    *ret_reservations = gathering.list;
    return 0;
}

void reservations_done(struct reservations *reservations)
{
    free(reservations->views);
    *reservations = (struct reservations){0};
}

/* --- one of them --- */

const char *reservation_volume(const struct segment *segment, const struct reserve_view *view)
{
    if (view->volume >= segment->geometry.volumes)
        return "-";
    return segment_volume(segment, view->volume)->name;
}

const char *reservation_of(const struct segment *segment, const struct reserve_view *view)
{
    struct mapping_members members;
    bool parity = mapping_members(segment, view->volume, &members) == 0 &&
                  layout_parities((enum layout_kind)members.layout) > 0;

    return parity ? "members" : "volume";
}

const char *reservation_mode(const struct reserve_view *view)
{
    return view->exclusive ? "exclusive" : "shared";
}

const char *reservation_state(const struct reserve_view *view)
{
    switch (view->state) {
    case RESERVE_VIEW_PENDING:
        return "pending";
    case RESERVE_VIEW_RESERVED:
        return "reserved";
    case RESERVE_VIEW_HELD:
        return "held";
    case RESERVE_VIEW_HANDED:
        return "handed";
    }
    return "unknown";
}

bool reservation_is_held(const struct reservations *reservations, const struct reserve_view *view,
                         uint64_t *ret_held_ns)
{
    if (view->state != RESERVE_VIEW_HELD && view->state != RESERVE_VIEW_HANDED)
        return false;
    *ret_held_ns = reservations->ns > view->since_ns ? reservations->ns - view->since_ns : 0;
    return true;
}

/* --- JSON --- */

static json_t *view_json(const struct reservations *reservations, const struct segment *segment,
                         const struct reserve_view *view)
{
    json_t *object = json_object();
    uint64_t held_ns;

    json_set(object, "volume", json_string(reservation_volume(segment, view)));
    json_set(object, "of", json_string(reservation_of(segment, view)));
    json_set(object, "controller", json_integer(view->seat));
    json_set(object, "mode", json_string(reservation_mode(view)));
    json_set(object, "offset", json_integer((json_int_t)view->offset_bytes));
    json_set(object, "length", json_integer((json_int_t)view->length_bytes));
    json_set(object, "exact", json_boolean(view->exact));
    json_set(object, "state", json_string(reservation_state(view)));
    if (reservation_is_held(reservations, view, &held_ns))
        json_set(object, "held_ns", json_integer((json_int_t)held_ns));
    return object;
}

json_t *reservations_json(const struct reservations *reservations, const struct segment *segment)
{
    json_t *object = json_object(), *array = json_array();

    for (size_t i = 0; i < reservations->count; i++)
        (void)json_array_append_new(array,
                                    view_json(reservations, segment, &reservations->views[i]));
    json_set(object, "version", json_integer(LOCKS_VERSION));
    json_set(object, "reservations", array);
    return object;
}
