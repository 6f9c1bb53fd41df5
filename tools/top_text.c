#include "tools/top_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "controller/volume_state.h"
#include "shm/link.h"
#include "shm/mapping.h"
#include "shm/seat.h"
#include "tools/size_text.h"
#include "tools/top_jobs.h"
#include "tools/top_number.h"

static const char *const pane_names[TOP_PANES] = {"controllers", "links", "elements", "volumes",
                                                  "members",     "locks", "cache",    "jobs"};
static const char *const fabric_names[FABRICS] = {"primary", "redundant"};

/* --- the view --- */

/* They come and go while the array runs. */
static void find_volumes(struct top_view *view)
{
    view->volumes_count = 0;
    for (uint32_t i = 0; i < mapping_volumes_end(&view->segment); i++) {
        if (mapping_has_volume(&view->segment, i))
            view->volumes[view->volumes_count++] = i;
    }
}

/* The mapping table of an array that went wrong may name a member twice: no more than there are. */
static void find_members(struct top_view *view)
{
    const struct segment *segment = &view->segment;
    struct mapping_members members;

    view->members_count = 0;
    for (uint32_t row = 0; row < view->volumes_count; row++) {
        uint32_t i = view->volumes[row];
        if (mapping_members(segment, i, &members) != 0)
            continue;
        for (uint32_t place = 0; place < members.count; place++) {
            if (view->members_count < segment->geometry.members)
                view->members[view->members_count++] = (struct top_member){i, place};
        }
    }
}

static void find_jobs(struct top_view *view)
{
    view->jobs_count = 0;
    for (uint32_t row = 0; row < view->volumes_count; row++) {
        if (top_jobs_has(&view->after, view->volumes[row]))
            view->jobs[view->jobs_count++] = view->volumes[row];
    }
}

int top_view_new(struct top_view *ret_view, const struct segment *segment)
{
    struct top_view view = {.segment = *segment};

    view.used_links = calloc(top_links_count(segment) + 1u, sizeof *view.used_links);
    view.volumes = calloc(segment->geometry.volumes + 1u, sizeof *view.volumes);
    view.members = calloc(segment->geometry.members + 1u, sizeof *view.members);
    view.jobs = calloc(segment->geometry.volumes + 1u, sizeof *view.jobs);
    bool room = view.used_links != NULL && view.volumes != NULL && view.members != NULL &&
                view.jobs != NULL;
    int error = room ? 0 : -ENOMEM;
    if (error == 0)
        error = top_sample_new(&view.before, segment);
    if (error == 0)
        error = top_sample_new(&view.after, segment);
    if (error != 0) {
        top_sample_done(&view.before);
        free(view.jobs);
        free(view.members);
        free(view.volumes);
        free(view.used_links);
        return error;
    }
    find_volumes(&view);
    find_members(&view);
    top_sample_take(&view.after, segment);
    find_jobs(&view);
    *ret_view = view;
    return 0;
}

void top_view_done(struct top_view *view)
{
    top_sample_done(&view->before);
    top_sample_done(&view->after);
    free(view->jobs);
    free(view->members);
    free(view->volumes);
    free(view->used_links);
    segment_done(&view->segment);
}

void top_view_look(struct top_view *view)
{
    struct top_sample older = view->before;

    view->before = view->after;
    view->after = older;
    find_volumes(view);
    find_members(view);
    top_sample_take(&view->after, &view->segment);
    find_jobs(view);
    view->used_links_count = 0;
    for (uint32_t i = 0; i < top_links_count(&view->segment); i++) {
        if (view->after.links[i].requests != 0 || view->after.links[i].answers != 0)
            view->used_links[view->used_links_count++] = i;
    }
}

static uint32_t count_running(const struct segment *segment, uint32_t *ret_gone)
{
    uint32_t running = 0, gone = 0;

    for (uint32_t i = 0; i < segment->geometry.controllers; i++) {
        enum seat_state state = seat_state(segment_seat(segment, i));
        running += state == SEAT_RUNNING;
        gone += seat_is_gone(state);
    }
    *ret_gone = gone;
    return running;
}

bool top_view_is_over(const struct top_view *view)
{
    uint32_t gone;

    (void)count_running(&view->segment, &gone);
    return gone == view->segment.geometry.controllers;
}

const char *top_pane_name(enum top_pane pane)
{
    return pane_names[pane];
}

uint32_t top_rows(const struct top_view *view, enum top_pane pane)
{
    switch (pane) {
    case TOP_CONTROLLERS:
        return view->segment.geometry.controllers;
    case TOP_LINKS:
        return view->used_links_count;
    case TOP_ELEMENTS:
        return view->segment.geometry.elements;
    case TOP_VOLUMES:
        return view->volumes_count;
    case TOP_MEMBERS:
        return view->members_count;
    case TOP_LOCKS: /* without virtual volumes nothing is ever reserved */
        return view->members_count > 0 ? view->segment.geometry.controllers : 0;
    case TOP_CACHE:
        return segment_header(&view->segment)->cache_mode != CACHE_OFF ? view->volumes_count : 0;
    case TOP_JOBS:
        return view->jobs_count;
    case TOP_PANES:
        break;
    }
    return 0;
}

/* --- lines --- */

static struct looks looks_of(const struct top_view *view)
{
    return (struct looks){.before_ns = view->before.ns, .after_ns = view->after.ns};
}

void top_title(const struct top_view *view, char line[TOP_LINE_BYTES])
{
    const struct segment *segment = &view->segment;
    const struct segment_header *header = segment_header(segment);
    struct timespec now;
    uint32_t gone;

    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t started_s = header->started_ns / 1000000000u;
    uint64_t up = (uint64_t)now.tv_sec > started_s ? (uint64_t)now.tv_sec - started_s : 0;
    uint32_t running = count_running(segment, &gone);
    snprintf(line, TOP_LINE_BYTES, "array %.*s, up %u:%02u:%02u, %u of %u controllers running",
             NAME_COLUMNS, header->array, (unsigned)(up / 3600), (unsigned)(up / 60 % 60),
             (unsigned)(up % 60), running, segment->geometry.controllers);
}

static const char cache_line[] = "%-20s %-4s %7s %7s %6s %7s %7s %7s %7s";
static const char members_line[] = "%-20s %-6s %9s %-8s %-20s %s";

void top_heading(enum top_pane pane, char line[TOP_LINE_BYTES])
{
    static const char io[] = "%-20s %-4s %-11s %6s %6s %6s %6s %5s %6s";

    switch (pane) {
    case TOP_CONTROLLERS:
        snprintf(line, TOP_LINE_BYTES, "%-4s %-9s %6s %6s %6s %6s %7s %6s %5s %5s", "CTRL", "STATE",
                 "EXEC/s", "OUT/s", "IN/s", "MB/s", "LAT us", "FLIGHT", "BUSY", "CONNS");
        break;
    case TOP_LINKS:
        snprintf(line, TOP_LINE_BYTES, "%-4s %-4s %-9s %10s %10s %6s %6s %6s %6s %-6s", "FROM",
                 "TO", "FABRIC", "REQUESTS/s", "ANSWERS/s", "BATCH", "FULL", "LOST", "MOVED",
                 "STATE");
        break;
    case TOP_ELEMENTS:
        snprintf(line, TOP_LINE_BYTES, io, "ELEMENT", "CTRL", "STATE", "READ/s", "WRIT/s", "MB/s",
                 "LAT us", "DEPTH", "ERRORS");
        break;
    case TOP_VOLUMES:
        snprintf(line, TOP_LINE_BYTES, io, "VOLUME", "CTRL", "STATE", "READ/s", "WRIT/s", "MB/s",
                 "LAT us", "DEPTH", "ERRORS");
        break;
    case TOP_MEMBERS:
        snprintf(line, TOP_LINE_BYTES, members_line, "VOLUME", "LAYOUT", "CHUNK", "STATE", "MEMBER",
                 "STATE");
        break;
    case TOP_LOCKS:
        snprintf(line, TOP_LINE_BYTES, "%-4s %-9s %8s %8s %8s %8s %8s", "CTRL", "STATE", "GRANT/s",
                 "HELD/s", "HANDED/s", "FULL/s", "HELD us");
        break;
    case TOP_CACHE:
        snprintf(line, TOP_LINE_BYTES, cache_line, "VOLUME", "CTRL", "HIT/s", "MISS/s", "HIT %",
                 "DIRTY", "BACK/s", "AHEAD/s", "EVICT/s");
        break;
    case TOP_JOBS:
        top_jobs_heading(line);
        break;
    case TOP_PANES:
        line[0] = '\0';
        break;
    }
}

static void controller_row(const struct top_view *view, uint32_t id, char line[TOP_LINE_BYTES])
{
    struct looks looks = looks_of(view);
    struct controller_rates rates =
        rates_of_controller(&looks, &view->before.controllers[id], &view->after.controllers[id]);
    char executed[NUMBER_BYTES], out[NUMBER_BYTES], in[NUMBER_BYTES], megabytes[NUMBER_BYTES];
    char latency[NUMBER_BYTES], flight[NUMBER_BYTES], connections[NUMBER_BYTES], name[NUMBER_BYTES];
    enum seat_state state = seat_state(segment_seat(&view->segment, id));

    snprintf(name, sizeof name, "c%u", id);
    /* A controller that is gone does not sleep, and is not busy either. */
    if (seat_is_gone(state))
        rates.busy = 0;
    snprintf(line, TOP_LINE_BYTES, "%-4s %-9s %6s %6s %6s %6s %7s %6s %4.0f%% %5s", name,
             seat_state_name(state), top_number(rates.executed, executed),
             top_number(rates.redirected_out, out), top_number(rates.redirected_in, in),
             top_measure(rates.bytes / 1e6, megabytes), top_measure(rates.latency_us, latency),
             top_number((double)rates.in_flight, flight), rates.busy * 100,
             top_number((double)rates.connections, connections));
}

static const char *link_state(const struct top_view *view, uint32_t index)
{
    uint32_t pair = index / FABRICS, controllers = view->segment.geometry.controllers;
    struct link_fault fault = link_fault_of(
        segment_link(&view->segment, pair / controllers, pair % controllers, index % FABRICS));

    if (fault.failed)
        return "failed";
    return fault.loss_per_mille != 0 || fault.delay_ns != 0 ? "faulty" : "works";
}

static void link_row(const struct top_view *view, uint32_t row, char line[TOP_LINE_BYTES])
{
    uint32_t index = view->used_links[row], pair = index / FABRICS;
    uint32_t controllers = view->segment.geometry.controllers;
    struct looks looks = looks_of(view);
    struct link_rates rates =
        rates_of_link(&looks, &view->before.links[index], &view->after.links[index]);
    char requests[NUMBER_BYTES], answers[NUMBER_BYTES], batch[NUMBER_BYTES], full[NUMBER_BYTES];
    char from[NUMBER_BYTES], to[NUMBER_BYTES], lost[NUMBER_BYTES], moved[NUMBER_BYTES];
    const struct link_values *after = &view->after.links[index];

    snprintf(from, sizeof from, "c%u", pair / controllers);
    snprintf(to, sizeof to, "c%u", pair % controllers);
    snprintf(line, TOP_LINE_BYTES, "%-4s %-4s %-9s %10s %10s %6s %6s %6s %6s %-6s", from, to,
             fabric_names[index % FABRICS], top_number(rates.requests, requests),
             top_number(rates.answers, answers), top_measure(rates.batch, batch),
             top_number((double)rates.full, full), top_number((double)after->lost, lost),
             top_number((double)after->moved, moved), link_state(view, index));
}

/* "-" where there is none, as of a virtual volume. */
static void put_owner(const struct segment *segment, uint32_t element, char ret_owner[NUMBER_BYTES])
{
    snprintf(ret_owner, NUMBER_BYTES, "-");
    if (element >= segment->geometry.elements)
        return;
    uint32_t owner = owner_load(&segment_element(segment, element)->owner).seat;
    if (owner < CONTROLLERS_MAX)
        snprintf(ret_owner, NUMBER_BYTES, "c%u", owner);
}

static void io_row(const struct top_view *view, const char *name, uint32_t element,
                   enum volume_state state, const struct io_rates *rates, char line[TOP_LINE_BYTES])
{
    char reads[NUMBER_BYTES], writes[NUMBER_BYTES], megabytes[NUMBER_BYTES];
    char latency[NUMBER_BYTES], depth[NUMBER_BYTES], errors[NUMBER_BYTES];
    char shown[NAME_COLUMNS + 1], owner[NUMBER_BYTES];

    top_put_name(name, shown);
    put_owner(&view->segment, element, owner);
    snprintf(line, TOP_LINE_BYTES, "%-20s %-4s %-11s %6s %6s %6s %6s %5s %6s", shown, owner,
             volume_state_name(state), top_number(rates->reads, reads),
             top_number(rates->writes, writes), top_measure(rates->bytes / 1e6, megabytes),
             top_measure(rates->latency_us, latency), top_number((double)rates->depth, depth),
             top_number((double)rates->errors, errors));
}

static void volume_row(const struct top_view *view, uint32_t volume, char line[TOP_LINE_BYTES])
{
    const struct volume_record *record = segment_volume(&view->segment, volume);
    struct looks looks = looks_of(view);
    struct io_rates rates =
        rates_of_io(&looks, &view->before.volumes[volume], &view->after.volumes[volume]);

    io_row(view, record->name, record->element, volume_state_now(&view->segment, volume), &rates,
           line);
}

/* The first row of a virtual volume says what it is. */
static void member_row(const struct top_view *view, uint32_t row, char line[TOP_LINE_BYTES])
{
    const struct segment *segment = &view->segment;
    const struct top_member *at = &view->members[row];
    char name[NAME_COLUMNS + 1] = "", chunk[SIZE_TEXT_BYTES] = "-", member[NAME_COLUMNS + 1] = "-";
    struct mapping_members members;

    if (mapping_members(segment, at->volume, &members) != 0 || at->place >= members.count)
        return; /* the table was damaged since the look */
    const struct member_record *record = &members.records[at->place];
    const char *layout = layout_name((enum layout_kind)members.layout);
    bool first = at->place == 0;
    if (first)
        top_put_name(segment_volume(segment, at->volume)->name, name);
    if (members.chunk_bytes != 0)
        size_text(members.chunk_bytes, chunk);
    if (record->volume < segment->geometry.volumes)
        top_put_name(segment_volume(segment, record->volume)->name, member);
    snprintf(line, TOP_LINE_BYTES, members_line, name, first && layout != NULL ? layout : "",
             first ? chunk : "",
             first ? volume_state_name(volume_state_now(segment, at->volume)) : "", member,
             volume_state_name(member_state_now(segment, &members, at->place)));
}

static void locks_row(const struct top_view *view, uint32_t id, char line[TOP_LINE_BYTES])
{
    struct looks looks = looks_of(view);
    struct coordination_rates rates = rates_of_coordination(&looks, &view->before.coordination[id],
                                                            &view->after.coordination[id]);
    char granted[NUMBER_BYTES], held[NUMBER_BYTES], handed_off[NUMBER_BYTES], full[NUMBER_BYTES];
    char held_us[NUMBER_BYTES], name[NUMBER_BYTES];

    snprintf(name, sizeof name, "c%u", id);
    snprintf(line, TOP_LINE_BYTES, "%-4s %-9s %8s %8s %8s %8s %8s", name,
             seat_state_name(seat_state(segment_seat(&view->segment, id))),
             top_number(rates.granted, granted), top_number(rates.held, held),
             top_number(rates.handed_off, handed_off), top_number(rates.full, full),
             top_measure(rates.held_us, held_us));
}

static void cache_row(const struct top_view *view, uint32_t index, char line[TOP_LINE_BYTES])
{
    const struct volume_record *volume = segment_volume(&view->segment, index);
    struct looks looks = looks_of(view);
    struct cache_rates rates =
        rates_of_cache(&looks, &view->before.caches[index], &view->after.caches[index]);
    char hits[NUMBER_BYTES], misses[NUMBER_BYTES], share[NUMBER_BYTES], dirty[NUMBER_BYTES];
    char back[NUMBER_BYTES], ahead[NUMBER_BYTES], evictions[NUMBER_BYTES];
    char shown[NAME_COLUMNS + 1], owner[NUMBER_BYTES];

    top_put_name(volume->name, shown);
    put_owner(&view->segment, volume->element, owner);
    snprintf(line, TOP_LINE_BYTES, cache_line, shown, owner, top_number(rates.hits, hits),
             top_number(rates.misses, misses), top_measure(rates.hit_share * 100, share),
             top_number((double)rates.dirty, dirty), top_number(rates.written_back, back),
             top_number(rates.read_ahead, ahead), top_number(rates.evictions, evictions));
}

void top_row(const struct top_view *view, enum top_pane pane, uint32_t row,
             char line[TOP_LINE_BYTES])
{
    struct looks looks = looks_of(view);
    struct io_rates rates;

    line[0] = '\0';
    if (row >= top_rows(view, pane))
        return;
    switch (pane) {
    case TOP_CONTROLLERS:
        controller_row(view, row, line);
        break;
    case TOP_LINKS:
        link_row(view, row, line);
        break;
    case TOP_ELEMENTS:
        rates = rates_of_io(&looks, &view->before.elements[row], &view->after.elements[row]);
        io_row(view, segment_element(&view->segment, row)->name, row,
               element_state_now(&view->segment, row), &rates, line);
        break;
    case TOP_VOLUMES:
        volume_row(view, view->volumes[row], line);
        break;
    case TOP_MEMBERS:
        member_row(view, row, line);
        break;
    case TOP_LOCKS:
        locks_row(view, row, line);
        break;
    case TOP_CACHE:
        cache_row(view, view->volumes[row], line);
        break;
    case TOP_JOBS:
        top_jobs_row(view, view->jobs[row], line);
        break;
    case TOP_PANES:
        break;
    }
}
