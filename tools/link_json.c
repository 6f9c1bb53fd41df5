#include "tools/link_json.h"

#include <time.h>

#include "shm/interconnect.h"
#include "shm/link.h"
#include "tools/json_set.h"

/* relaxed: counters are made to be read at any time; each is one word, and late is fine. */
#define READ(counter) ((json_int_t)load_relaxed(&(counter)))

const char *const link_fabric_names[FABRICS] = {"primary", "redundant"};

static uint64_t realtime_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void add_fault(json_t *object, const struct link *link)
{
    struct link_fault fault = link_fault_of(link);
    json_int_t since_ns = READ(link->failed_since_ns);

    json_set(object, "state", json_string(fault.failed ? "failed" : "works"));
    json_set(object, "failed_since",
             fault.failed ? json_integer(since_ns / 1000000000) : json_null());
    json_set(object, "loss", json_real(fault.loss_per_mille / 1000.0));
    json_set(object, "delay_ns", json_integer((json_int_t)fault.delay_ns));
}

/* Utilisation is that since the array was started; who wants another time looks twice at busy_ns.
 */
static void add_wires(json_t *object, const struct segment *segment, const struct link *link)
{
    uint64_t started_ns = segment_header(segment)->started_ns, now_ns = realtime_ns();
    json_int_t transfers = READ(link->wires.transfers), queued_ns = READ(link->wires.queued_ns);
    double lived_ns = now_ns > started_ns ? (double)(now_ns - started_ns) : 1.0;

    json_set(object, "transfers", json_integer(transfers));
    json_set(object, "bytes", json_integer(READ(link->wires.bytes)));
    json_set(object, "busy_ns", json_integer(READ(link->wires.busy_ns)));
    json_set(object, "utilisation", json_real((double)READ(link->wires.busy_ns) / lived_ns));
    json_set(object, "queued_mean_ns", json_integer(transfers > 0 ? queued_ns / transfers : 0));
    json_set(object, "queued_max_ns", json_integer(READ(link->wires.queued_max_ns)));
}

static json_t *link_json(const struct segment *segment, uint32_t source, uint32_t target,
                         uint32_t fabric)
{
    const struct link *link = segment_link(segment, source, target, fabric);
    json_t *object = json_object();

    json_set(object, "from", json_integer(source));
    json_set(object, "to", json_integer(target));
    json_set(object, "fabric", json_string(link_fabric_names[fabric]));
    add_fault(object, link);
#define X(name) json_set(object, #name, json_integer(READ(link->counters.name)));
    COUNTERS_LINK(X)
#undef X
    if (segment_header(segment)->interconnect.model != MODEL_DIRECT)
        add_wires(object, segment, link);
    return object;
}

json_t *link_json_all(const struct segment *segment)
{
    uint32_t controllers = segment->geometry.controllers;
    json_t *array = json_array();

    for (uint32_t source = 0; source < controllers; source++) {
        for (uint32_t target = 0; target < controllers; target++) {
            for (uint32_t fabric = 0; fabric < FABRICS && target != source; fabric++)
                (void)json_array_append_new(array, link_json(segment, source, target, fabric));
        }
    }
    return array;
}

json_t *link_json_interconnect(const struct segment *segment)
{
    const struct interconnect_settings *settings = &segment_header(segment)->interconnect;
    json_t *object = json_object();

    json_set(object, "model", json_string(interconnect_model_name(settings->model)));
    json_set(object, "share", json_boolean(settings->share != 0));
    json_set(object, "wait_ns", json_integer((json_int_t)settings->wait_ns));
    if (settings->model == MODEL_DIRECT)
        return object;
    json_set(object, "latency_ns", json_integer((json_int_t)settings->latency_ns));
    json_set(object, "bandwidth", json_integer((json_int_t)settings->bandwidth));
    if (settings->model == MODEL_LOOP)
        json_set(object, "hop_delay_ns", json_integer((json_int_t)settings->hop_delay_ns));
    return object;
}
