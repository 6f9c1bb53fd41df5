/*
 * What the configuration says of the interconnect.
 */
#ifndef SHM_INTERCONNECT_SETTINGS_H
#define SHM_INTERCONNECT_SETTINGS_H

#include <stdint.h>

/* How long what travels is under way; interconnect.h says it in numbers. */
#define INTERCONNECT_MODELS(X)                                                                     \
    X(MODEL_DIRECT, "direct")                                                                      \
    X(MODEL_SERIAL, "serial")                                                                      \
    X(MODEL_LOOP, "loop")                                                                          \
    X(MODEL_SWITCH, "switch")

enum interconnect_model {
#define X(value, name) value,
    INTERCONNECT_MODELS(X)
#undef X
};

/* "direct", ... or "unknown". */
const char *interconnect_model_name(uint32_t model);

/* In the segment's header; constant. */
struct interconnect_settings {
    uint32_t model; /* enum interconnect_model */
    uint32_t share; /* 1: both fabrics carry traffic while both work */
    uint64_t latency_ns;
    uint64_t bandwidth; /* bytes in a second, of each wire */
    uint64_t hop_delay_ns;
    uint64_t wait_ns; /* of a command to whose target no way leads */
};

#endif
