#include "controller/config/config_interconnect.h"

#include "controller/config/config_value.h"
#include "shm/limits.h"

static bool given(const struct config_reading *reading, unsigned field)
{
    return config_line(reading, PART_INTERCONNECT, 0, field) != 0;
}

static int refuse(const struct config_reading *reading, unsigned field, const char *whose)
{
    const struct config_field_ref where = {.part = PART_INTERCONNECT, .field = field};

    return config_refuse(reading, where, "it belongs to %s; allowed: with that model only", whose);
}

static int check_model(const struct config_reading *reading, enum interconnect_model model)
{
    if (model == MODEL_DIRECT && given(reading, INTERCONNECT_LATENCY))
        return refuse(reading, INTERCONNECT_LATENCY, "model: serial, loop or switch");
    if (model == MODEL_DIRECT && given(reading, INTERCONNECT_BANDWIDTH))
        return refuse(reading, INTERCONNECT_BANDWIDTH, "model: serial, loop or switch");
    if (model != MODEL_LOOP && given(reading, INTERCONNECT_HOP_DELAY))
        return refuse(reading, INTERCONNECT_HOP_DELAY, "model: loop");
    return 0;
}

/* What was given has been checked: it parses. */
static uint64_t time_or(const char *text, uint64_t default_ns)
{
    uint64_t ns = default_ns;

    if (text != NULL)
        (void)config_parse_time(text, &ns);
    return ns;
}

static uint64_t size_or(const char *text, uint64_t default_bytes)
{
    uint64_t bytes = default_bytes;

    if (text != NULL)
        (void)config_parse_size(text, &bytes);
    return bytes;
}

int config_interconnect(const struct config_reading *reading, const struct raw_interconnect *raw,
                        struct config *config)
{
    struct interconnect_settings *settings = &config->interconnect;
    uint64_t wait_seconds =
        given(reading, INTERCONNECT_WAIT) ? raw->wait : INTERCONNECT_WAIT_SECONDS_DEFAULT;

    settings->model = raw->model;
    settings->share = raw->share;
    settings->wait_ns = wait_seconds * 1000000000u;
    int result = check_model(reading, raw->model);
    if (result < 0 || raw->model == MODEL_DIRECT)
        return result;
    settings->latency_ns = time_or(raw->latency, INTERCONNECT_LATENCY_NS_DEFAULT);
    settings->bandwidth = size_or(raw->bandwidth, INTERCONNECT_BANDWIDTH_DEFAULT);
    if (raw->model == MODEL_LOOP)
        settings->hop_delay_ns = time_or(raw->hop_delay, INTERCONNECT_HOP_DELAY_NS_DEFAULT);
    return 0;
}
