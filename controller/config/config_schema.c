#include <stddef.h>

#include "controller/config/config_schema.h"
#include "shm/limits.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

#define REQUIRED CYAML_FLAG_DEFAULT
#define OPTIONAL CYAML_FLAG_OPTIONAL
#define CHOICE   (CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT)

/* --- choices --- */

static const cyaml_strval_t cache_modes[] = {
    {"off", CACHE_OFF},
    {"write-through", CACHE_WRITE_THROUGH},
    {"write-back", CACHE_WRITE_BACK},
};

static const cyaml_strval_t cache_policies[] = {
    {"s3-fifo", CACHE_S3_FIFO},
    {"sieve", CACHE_SIEVE},
    {"arc", CACHE_ARC},
    {"lru", CACHE_LRU},
};

static const cyaml_strval_t placements[] = {
    {"auto", PLACEMENT_AUTO},
    {"none", PLACEMENT_NONE},
    {"spread", PLACEMENT_SPREAD},
};

static const cyaml_strval_t restarts[] = {
    {"never", RESTART_NEVER},
    {"on-death", RESTART_ON_DEATH},
};

static const cyaml_strval_t interconnect_models[] = {
#define X(value, name) {name, value},
    INTERCONNECT_MODELS(X)
#undef X
};

/* The names that layout_name gives. */
static const cyaml_strval_t layouts[] = {
    {"concat", LAYOUT_CONCAT}, {"stripe", LAYOUT_STRIPE}, {"mirror", LAYOUT_MIRROR},
    {"raid10", LAYOUT_RAID10}, {"raid5", LAYOUT_RAID5},   {"raid6", LAYOUT_RAID6},
};
_Static_assert(COUNT(layouts) == LAYOUT_KINDS - 1, "each layout but none");

static const cyaml_strval_t coordination_policies[] = {
#define X(value, name) {name, value},
    COORDINATION_POLICIES(X)
#undef X
};

static const cyaml_strval_t failbacks[] = {
    {"auto", FAILBACK_AUTO},
    {"manual", FAILBACK_MANUAL},
};

static const cyaml_strval_t trace_levels[] = {
#define X(value, name) {name, value},
    TRACE_LEVELS(X)
#undef X
};

const char *config_cache_mode_name(enum cache_mode mode)
{
    return (unsigned)mode < COUNT(cache_modes) ? cache_modes[mode].str : "unknown";
}

const char *config_cache_policy_name(enum cache_policy_kind policy)
{
    return (unsigned)policy < COUNT(cache_policies) ? cache_policies[policy].str : "unknown";
}

const char *config_placement_name(enum config_placement placement)
{
    return (unsigned)placement < COUNT(placements) ? placements[placement].str : "unknown";
}

const char *config_restart_name(enum config_restart restart)
{
    return (unsigned)restart < COUNT(restarts) ? restarts[restart].str : "unknown";
}

/* --- cache --- */

static const cyaml_schema_field_t cache_fields[] = {
    [CACHE_SIZE] =
        CYAML_FIELD_STRING_PTR("size", OPTIONAL, struct raw_cache, size, 0, CYAML_UNLIMITED),
    [CACHE_MODE] =
        CYAML_FIELD_ENUM("mode", CHOICE, struct raw_cache, mode, cache_modes, COUNT(cache_modes)),
    [CACHE_POLICY] = CYAML_FIELD_ENUM("policy", CHOICE, struct raw_cache, policy, cache_policies,
                                      COUNT(cache_policies)),
    [CACHE_IN_MEMORY] = CYAML_FIELD_BOOL("in-memory", OPTIONAL, struct raw_cache, in_memory),
    [CACHE_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule cache_rules[] = {
    [CACHE_SIZE] = {.kind = RULE_SIZE, .min = CACHE_BYTES_MIN, .max = CACHE_BYTES_MAX},
    [CACHE_MODE] = {.kind = RULE_CHOICE},
    [CACHE_POLICY] = {.kind = RULE_CHOICE},
    [CACHE_IN_MEMORY] = {.kind = RULE_SWITCH},
};

/* --- elements --- */

static const cyaml_schema_field_t element_fields[] = {
    [ELEMENT_NAME] =
        CYAML_FIELD_STRING_PTR("name", REQUIRED, struct raw_element, name, 0, CYAML_UNLIMITED),
    [ELEMENT_IMAGE] =
        CYAML_FIELD_STRING_PTR("image", REQUIRED, struct raw_element, image, 0, CYAML_UNLIMITED),
    [ELEMENT_SIZE] =
        CYAML_FIELD_STRING_PTR("size", OPTIONAL, struct raw_element, size, 0, CYAML_UNLIMITED),
    [ELEMENT_CONTROLLER] = CYAML_FIELD_UINT("controller", OPTIONAL, struct raw_element, controller),
    [ELEMENT_READ_ONLY] = CYAML_FIELD_BOOL("read-only", OPTIONAL, struct raw_element, read_only),
    [ELEMENT_SUPERBLOCK] = CYAML_FIELD_BOOL("superblock", OPTIONAL, struct raw_element, superblock),
    [ELEMENT_CHECKSUMS] = CYAML_FIELD_BOOL("checksums", OPTIONAL, struct raw_element, checksums),
    [ELEMENT_MISSING_OK] = CYAML_FIELD_BOOL("missing-ok", OPTIONAL, struct raw_element, missing_ok),
    [ELEMENT_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule element_rules[] = {
    [ELEMENT_NAME] = {.kind = RULE_NAME},
    [ELEMENT_IMAGE] = {.kind = RULE_PATH},
    [ELEMENT_SIZE] = {.kind = RULE_SIZE, .min = 1, .max = ELEMENT_BYTES_MAX - 1},
    [ELEMENT_CONTROLLER] = {.kind = RULE_NUMBER, .min = 0, .max = CONTROLLERS_MAX - 1},
    [ELEMENT_READ_ONLY] = {.kind = RULE_SWITCH},
    [ELEMENT_SUPERBLOCK] = {.kind = RULE_SWITCH},
    [ELEMENT_CHECKSUMS] = {.kind = RULE_SWITCH},
    [ELEMENT_MISSING_OK] = {.kind = RULE_SWITCH},
};
static const cyaml_schema_value_t element_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_element, element_fields),
};

/* --- volumes --- */

static const cyaml_schema_value_t member_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};
static const cyaml_schema_field_t volume_fields[] = {
    [VOLUME_NAME] =
        CYAML_FIELD_STRING_PTR("name", REQUIRED, struct raw_volume, name, 0, CYAML_UNLIMITED),
    [VOLUME_ELEMENT] =
        CYAML_FIELD_STRING_PTR("element", OPTIONAL, struct raw_volume, element, 0, CYAML_UNLIMITED),
    [VOLUME_OFFSET] =
        CYAML_FIELD_STRING_PTR("offset", OPTIONAL, struct raw_volume, offset, 0, CYAML_UNLIMITED),
    [VOLUME_SIZE] =
        CYAML_FIELD_STRING_PTR("size", OPTIONAL, struct raw_volume, size, 0, CYAML_UNLIMITED),
    [VOLUME_DESCRIPTION] = CYAML_FIELD_STRING_PTR("description", OPTIONAL, struct raw_volume,
                                                  description, 0, CYAML_UNLIMITED),
    [VOLUME_READ_ONLY] = CYAML_FIELD_BOOL("read-only", OPTIONAL, struct raw_volume, read_only),
    [VOLUME_EXPORT] = CYAML_FIELD_BOOL("export", OPTIONAL, struct raw_volume, export),
    [VOLUME_ROTATIONAL] = CYAML_FIELD_BOOL("rotational", OPTIONAL, struct raw_volume, rotational),
    [VOLUME_LAYOUT] =
        CYAML_FIELD_ENUM("layout", CHOICE, struct raw_volume, layout, layouts, COUNT(layouts)),
    [VOLUME_CHUNK] =
        CYAML_FIELD_STRING_PTR("chunk", OPTIONAL, struct raw_volume, chunk, 0, CYAML_UNLIMITED),
    [VOLUME_MEMBERS] =
        CYAML_FIELD_SEQUENCE("members", CYAML_FLAG_POINTER | OPTIONAL, struct raw_volume, members,
                             &member_entry, 1, MEMBERS_MAX),
    [VOLUME_COPIES] = CYAML_FIELD_UINT("copies", OPTIONAL, struct raw_volume, copies),
    [VOLUME_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule volume_rules[] = {
    [VOLUME_NAME] = {.kind = RULE_NAME},
    [VOLUME_ELEMENT] = {.kind = RULE_NAME},
    [VOLUME_OFFSET] = {.kind = RULE_OFFSET, .min = 0, .max = ELEMENT_BYTES_MAX - 1},
    [VOLUME_SIZE] = {.kind = RULE_SIZE, .min = 1, .max = ELEMENT_BYTES_MAX - 1},
    [VOLUME_DESCRIPTION] = {.kind = RULE_TEXT, .min = 0, .max = DESCRIPTION_BYTES_MAX},
    [VOLUME_READ_ONLY] = {.kind = RULE_SWITCH},
    [VOLUME_EXPORT] = {.kind = RULE_SWITCH},
    [VOLUME_ROTATIONAL] = {.kind = RULE_SWITCH},
    [VOLUME_LAYOUT] = {.kind = RULE_CHOICE},
    [VOLUME_CHUNK] = {.kind = RULE_SIZE_POWER_OF_TWO,
                      .min = CHUNK_BYTES_MIN,
                      .max = CHUNK_BYTES_MAX},
    [VOLUME_MEMBERS] = {.kind = RULE_NAMES, .min = 1, .max = MEMBERS_MAX},
    [VOLUME_COPIES] = {.kind = RULE_NUMBER, .min = MIRROR_COPIES_MIN, .max = MIRROR_COPIES_MAX},
};
static const cyaml_schema_value_t volume_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_volume, volume_fields),
};

/* --- ports, buffers --- */

static const cyaml_schema_field_t ports_fields[] = {
    [PORTS_TCP] =
        CYAML_FIELD_STRING_PTR("tcp", OPTIONAL, struct raw_ports, tcp, 0, CYAML_UNLIMITED),
    [PORTS_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule ports_rules[] = {
    [PORTS_TCP] = {.kind = RULE_ADDRESS},
};

static const cyaml_schema_field_t buffers_fields[] = {
    [BUFFERS_SIZE] =
        CYAML_FIELD_STRING_PTR("size", OPTIONAL, struct raw_buffers, size, 0, CYAML_UNLIMITED),
    [BUFFERS_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule buffers_rules[] = {
    [BUFFERS_SIZE] = {.kind = RULE_SIZE, .min = BUFFERS_BYTES_MIN, .max = BUFFERS_BYTES_MAX},
};

/* --- interconnect --- */

static const cyaml_schema_field_t interconnect_fields[] = {
    [INTERCONNECT_MODEL] = CYAML_FIELD_ENUM("model", CHOICE, struct raw_interconnect, model,
                                            interconnect_models, COUNT(interconnect_models)),
    [INTERCONNECT_SLOTS] = CYAML_FIELD_UINT("slots", OPTIONAL, struct raw_interconnect, slots),
    [INTERCONNECT_RING_ENTRIES] =
        CYAML_FIELD_UINT("ring-entries", OPTIONAL, struct raw_interconnect, ring_entries),
    [INTERCONNECT_SHARE] = CYAML_FIELD_BOOL("share", OPTIONAL, struct raw_interconnect, share),
    [INTERCONNECT_WAIT] = CYAML_FIELD_UINT("wait", OPTIONAL, struct raw_interconnect, wait),
    [INTERCONNECT_LATENCY] = CYAML_FIELD_STRING_PTR("latency", OPTIONAL, struct raw_interconnect,
                                                    latency, 0, CYAML_UNLIMITED),
    [INTERCONNECT_BANDWIDTH] = CYAML_FIELD_STRING_PTR(
        "bandwidth", OPTIONAL, struct raw_interconnect, bandwidth, 0, CYAML_UNLIMITED),
    [INTERCONNECT_HOP_DELAY] = CYAML_FIELD_STRING_PTR(
        "hop-delay", OPTIONAL, struct raw_interconnect, hop_delay, 0, CYAML_UNLIMITED),
    [INTERCONNECT_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule interconnect_rules[] = {
    [INTERCONNECT_MODEL] = {.kind = RULE_CHOICE},
    [INTERCONNECT_SLOTS] = {.kind = RULE_NUMBER, .min = SLOTS_MIN, .max = SLOTS_MAX},
    [INTERCONNECT_RING_ENTRIES] = {.kind = RULE_POWER_OF_TWO,
                                   .min = RING_ENTRIES_MIN,
                                   .max = RING_ENTRIES_MAX},
    [INTERCONNECT_SHARE] = {.kind = RULE_SWITCH},
    [INTERCONNECT_WAIT] = {.kind = RULE_NUMBER, .min = 0, .max = INTERCONNECT_WAIT_SECONDS_MAX},
    [INTERCONNECT_LATENCY] = {.kind = RULE_TIME, .max = INTERCONNECT_TIME_NS_MAX},
    [INTERCONNECT_BANDWIDTH] = {.kind = RULE_SIZE,
                                .min = INTERCONNECT_BANDWIDTH_MIN,
                                .max = INTERCONNECT_BANDWIDTH_MAX},
    [INTERCONNECT_HOP_DELAY] = {.kind = RULE_TIME, .max = INTERCONNECT_TIME_NS_MAX},
};

/* --- coordination --- */

static const cyaml_schema_field_t coordination_fields[] = {
    [COORDINATION_POLICY] = CYAML_FIELD_ENUM("policy", CHOICE, struct raw_coordination, policy,
                                             coordination_policies, COUNT(coordination_policies)),
    [COORDINATION_REGION] = CYAML_FIELD_STRING_PTR("region", OPTIONAL, struct raw_coordination,
                                                   region, 0, CYAML_UNLIMITED),
    [COORDINATION_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule coordination_rules[] = {
    [COORDINATION_POLICY] = {.kind = RULE_CHOICE},
    [COORDINATION_REGION] = {.kind = RULE_SIZE_POWER_OF_TWO,
                             .min = REGION_BYTES_MIN,
                             .max = REGION_BYTES_MAX},
};

/* --- trace --- */

static const cyaml_schema_field_t trace_fields[] = {
    [TRACE_FIELD_LEVEL] = CYAML_FIELD_ENUM("level", CHOICE, struct raw_trace, level, trace_levels,
                                           COUNT(trace_levels)),
    [TRACE_FIELD_EVENTS] = CYAML_FIELD_UINT("events", OPTIONAL, struct raw_trace, events),
    [TRACE_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule trace_rules[] = {
    [TRACE_FIELD_LEVEL] = {.kind = RULE_CHOICE},
    [TRACE_FIELD_EVENTS] = {.kind = RULE_POWER_OF_TWO_OR_0,
                            .min = TRACE_EVENTS_MIN,
                            .max = TRACE_EVENTS_MAX},
};

/* --- rebuild --- */

static const cyaml_schema_field_t rebuild_fields[] = {
    [REBUILD_RATE] =
        CYAML_FIELD_STRING_PTR("rate", OPTIONAL, struct raw_rebuild, rate, 0, CYAML_UNLIMITED),
    [REBUILD_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule rebuild_rules[] = {
    [REBUILD_RATE] = {.kind = RULE_SIZE, .min = 0, .max = JOB_RATE_BYTES_MAX},
};

/* --- takeover --- */

static const cyaml_schema_field_t takeover_fields[] = {
    [TAKEOVER_ENABLED] = CYAML_FIELD_BOOL("enabled", OPTIONAL, struct raw_takeover, enabled),
    [TAKEOVER_FAILBACK] = CYAML_FIELD_ENUM("failback", CHOICE, struct raw_takeover, failback,
                                           failbacks, COUNT(failbacks)),
    [TAKEOVER_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule takeover_rules[] = {
    [TAKEOVER_ENABLED] = {.kind = RULE_SWITCH},
    [TAKEOVER_FAILBACK] = {.kind = RULE_CHOICE},
};

/* --- intents --- */

static const cyaml_schema_field_t intents_fields[] = {
    [INTENTS_CLEAR_AFTER] = CYAML_FIELD_STRING_PTR("clear-after", OPTIONAL, struct raw_intents,
                                                   clear_after, 0, CYAML_UNLIMITED),
    [INTENTS_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule intents_rules[] = {
    [INTENTS_CLEAR_AFTER] = {.kind = RULE_TIME, .max = INTENTS_CLEAR_NS_MAX},
};

/* --- top --- */

static const cyaml_schema_field_t top_fields[] = {
    [TOP_ARRAY] =
        CYAML_FIELD_STRING_PTR("array", REQUIRED, struct raw_config, array, 0, CYAML_UNLIMITED),
    [TOP_RUN_DIR] =
        CYAML_FIELD_STRING_PTR("run-dir", OPTIONAL, struct raw_config, run_dir, 0, CYAML_UNLIMITED),
    [TOP_CONTROLLERS] = CYAML_FIELD_UINT("controllers", OPTIONAL, struct raw_config, controllers),
    [TOP_CACHE] = CYAML_FIELD_MAPPING("cache", OPTIONAL, struct raw_config, cache, cache_fields),
    [TOP_ELEMENTS] = CYAML_FIELD_SEQUENCE("elements", CYAML_FLAG_POINTER, struct raw_config,
                                          elements, &element_entry, 1, ELEMENTS_MAX),
    [TOP_VOLUMES] = CYAML_FIELD_SEQUENCE("volumes", CYAML_FLAG_POINTER, struct raw_config, volumes,
                                         &volume_entry, 1, VOLUMES_MAX),
    [TOP_PORTS] = CYAML_FIELD_MAPPING("ports", OPTIONAL, struct raw_config, ports, ports_fields),
    [TOP_BUFFERS] =
        CYAML_FIELD_MAPPING("buffers", OPTIONAL, struct raw_config, buffers, buffers_fields),
    [TOP_CONNECTIONS] = CYAML_FIELD_UINT("connections", OPTIONAL, struct raw_config, connections),
    [TOP_HANDSHAKE_TIMEOUT] =
        CYAML_FIELD_UINT("handshake-timeout", OPTIONAL, struct raw_config, handshake_timeout),
    [TOP_PLACEMENT] = CYAML_FIELD_ENUM("placement", CHOICE, struct raw_config, placement,
                                       placements, COUNT(placements)),
    [TOP_INTERCONNECT] = CYAML_FIELD_MAPPING("interconnect", OPTIONAL, struct raw_config,
                                             interconnect, interconnect_fields),
    [TOP_COORDINATION] = CYAML_FIELD_MAPPING("coordination", OPTIONAL, struct raw_config,
                                             coordination, coordination_fields),
    [TOP_TRACE] = CYAML_FIELD_MAPPING("trace", OPTIONAL, struct raw_config, trace, trace_fields),
    [TOP_REBUILD] =
        CYAML_FIELD_MAPPING("rebuild", OPTIONAL, struct raw_config, rebuild, rebuild_fields),
    [TOP_HEARTBEAT] = CYAML_FIELD_UINT("heartbeat", OPTIONAL, struct raw_config, heartbeat),
    [TOP_FOLLOW_TRAFFIC] =
        CYAML_FIELD_UINT("follow-traffic", OPTIONAL, struct raw_config, follow_traffic),
    [TOP_RESTART] =
        CYAML_FIELD_ENUM("restart", CHOICE, struct raw_config, restart, restarts, COUNT(restarts)),
    [TOP_TAKEOVER] =
        CYAML_FIELD_MAPPING("takeover", OPTIONAL, struct raw_config, takeover, takeover_fields),
    [TOP_JOURNAL] =
        CYAML_FIELD_STRING_PTR("journal", OPTIONAL, struct raw_config, journal, 0, CYAML_UNLIMITED),
    [TOP_JOURNAL_SIZE] = CYAML_FIELD_STRING_PTR("journal-size", OPTIONAL, struct raw_config,
                                                journal_size, 0, CYAML_UNLIMITED),
    [TOP_INTENTS] =
        CYAML_FIELD_MAPPING("intents", OPTIONAL, struct raw_config, intents, intents_fields),
    [TOP_FIELDS] = CYAML_FIELD_END,
};
static const struct config_rule top_rules[] = {
    [TOP_ARRAY] = {.kind = RULE_NAME},
    [TOP_RUN_DIR] = {.kind = RULE_PATH},
    [TOP_CONTROLLERS] = {.kind = RULE_NUMBER, .min = 1, .max = CONTROLLERS_MAX},
    [TOP_CACHE] = {.kind = RULE_MAPPING, .part = PART_CACHE},
    [TOP_ELEMENTS] = {.kind = RULE_LIST, .min = 1, .max = ELEMENTS_MAX, .part = PART_ELEMENTS},
    [TOP_VOLUMES] = {.kind = RULE_LIST, .min = 1, .max = VOLUMES_MAX, .part = PART_VOLUMES},
    [TOP_PORTS] = {.kind = RULE_MAPPING, .part = PART_PORTS},
    [TOP_BUFFERS] = {.kind = RULE_MAPPING, .part = PART_BUFFERS},
    [TOP_CONNECTIONS] = {.kind = RULE_NUMBER, .min = 1, .max = CONNECTIONS_MAX},
    [TOP_HANDSHAKE_TIMEOUT] = {.kind = RULE_NUMBER, .min = 1, .max = HANDSHAKE_SECONDS_MAX},
    [TOP_PLACEMENT] = {.kind = RULE_CHOICE},
    [TOP_INTERCONNECT] = {.kind = RULE_MAPPING, .part = PART_INTERCONNECT},
    [TOP_COORDINATION] = {.kind = RULE_MAPPING, .part = PART_COORDINATION},
    [TOP_TRACE] = {.kind = RULE_MAPPING, .part = PART_TRACE},
    [TOP_REBUILD] = {.kind = RULE_MAPPING, .part = PART_REBUILD},
    [TOP_HEARTBEAT] = {.kind = RULE_NUMBER, .min = 0, .max = HEARTBEAT_SECONDS_MAX},
    [TOP_FOLLOW_TRAFFIC] = {.kind = RULE_NUMBER, .min = 0, .max = FOLLOW_TRAFFIC_SECONDS_MAX},
    [TOP_RESTART] = {.kind = RULE_CHOICE},
    [TOP_TAKEOVER] = {.kind = RULE_MAPPING, .part = PART_TAKEOVER},
    [TOP_JOURNAL] = {.kind = RULE_PATH},
    [TOP_JOURNAL_SIZE] = {.kind = RULE_SIZE, .min = JOURNAL_BYTES_MIN, .max = JOURNAL_BYTES_MAX},
    [TOP_INTENTS] = {.kind = RULE_MAPPING, .part = PART_INTENTS},
};

const struct config_mapping config_mappings[CONFIG_PARTS] = {
    [PART_TOP] = {"", top_fields, top_rules, false},
    [PART_CACHE] = {"cache", cache_fields, cache_rules, false},
    [PART_ELEMENTS] = {"elements", element_fields, element_rules, true},
    [PART_VOLUMES] = {"volumes", volume_fields, volume_rules, true},
    [PART_PORTS] = {"ports", ports_fields, ports_rules, false},
    [PART_BUFFERS] = {"buffers", buffers_fields, buffers_rules, false},
    [PART_INTERCONNECT] = {"interconnect", interconnect_fields, interconnect_rules, false},
    [PART_COORDINATION] = {"coordination", coordination_fields, coordination_rules, false},
    [PART_TRACE] = {"trace", trace_fields, trace_rules, false},
    [PART_REBUILD] = {"rebuild", rebuild_fields, rebuild_rules, false},
    [PART_TAKEOVER] = {"takeover", takeover_fields, takeover_rules, false},
    [PART_INTENTS] = {"intents", intents_fields, intents_rules, false},
};

const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, top_fields),
};
