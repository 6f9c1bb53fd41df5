/*
 * The fields that a configuration may have: one table for libcyaml, which loads them, and for the
 * scan, which goes before it and words the messages.
 *
 * Each mapping of the file has an enum of its fields. Two arrays are indexed by it: libcyaml's
 * fields (key, type, required or not, where it goes) and our rules (which values are allowed).
 */
#ifndef CONTROLLER_CONFIG_CONFIG_SCHEMA_H
#define CONTROLLER_CONFIG_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include <cyaml/cyaml.h>

#include "controller/config/config.h"

enum top_field {
    TOP_ARRAY,
    TOP_RUN_DIR,
    TOP_CONTROLLERS,
    TOP_CACHE,
    TOP_ELEMENTS,
    TOP_VOLUMES,
    TOP_PORTS,
    TOP_BUFFERS,
    TOP_CONNECTIONS,
    TOP_HANDSHAKE_TIMEOUT,
    TOP_PLACEMENT,
    TOP_INTERCONNECT,
    TOP_COORDINATION,
    TOP_TRACE,
    TOP_REBUILD,
    TOP_HEARTBEAT,
    TOP_FOLLOW_TRAFFIC,
    TOP_RESTART,
    TOP_TAKEOVER,
    TOP_JOURNAL,
    TOP_JOURNAL_SIZE,
    TOP_INTENTS,
    TOP_FIELDS,
};
enum cache_field { CACHE_SIZE, CACHE_MODE, CACHE_POLICY, CACHE_IN_MEMORY, CACHE_FIELDS };
enum element_field {
    ELEMENT_NAME,
    ELEMENT_IMAGE,
    ELEMENT_SIZE,
    ELEMENT_CONTROLLER,
    ELEMENT_READ_ONLY,
    ELEMENT_SUPERBLOCK,
    ELEMENT_CHECKSUMS,
    ELEMENT_MISSING_OK,
    ELEMENT_FIELDS,
};
enum volume_field {
    VOLUME_NAME,
    VOLUME_ELEMENT,
    VOLUME_OFFSET,
    VOLUME_SIZE,
    VOLUME_DESCRIPTION,
    VOLUME_READ_ONLY,
    VOLUME_EXPORT,
    VOLUME_ROTATIONAL,
    VOLUME_LAYOUT,
    VOLUME_CHUNK,
    VOLUME_MEMBERS,
    VOLUME_COPIES,
    VOLUME_FIELDS,
};
enum ports_field { PORTS_TCP, PORTS_FIELDS };
enum buffers_field { BUFFERS_SIZE, BUFFERS_FIELDS };
enum interconnect_field {
    INTERCONNECT_MODEL,
    INTERCONNECT_SLOTS,
    INTERCONNECT_RING_ENTRIES,
    INTERCONNECT_SHARE,
    INTERCONNECT_WAIT,
    INTERCONNECT_LATENCY,
    INTERCONNECT_BANDWIDTH,
    INTERCONNECT_HOP_DELAY,
    INTERCONNECT_FIELDS,
};
enum coordination_field { COORDINATION_POLICY, COORDINATION_REGION, COORDINATION_FIELDS };
enum trace_field { TRACE_FIELD_LEVEL, TRACE_FIELD_EVENTS, TRACE_FIELDS };
enum rebuild_field { REBUILD_RATE, REBUILD_FIELDS };
enum intents_field { INTENTS_CLEAR_AFTER, INTENTS_FIELDS };
enum takeover_field { TAKEOVER_ENABLED, TAKEOVER_FAILBACK, TAKEOVER_FIELDS };
enum { CONFIG_FIELDS_MAX = TOP_FIELDS };
_Static_assert((int)CONFIG_FIELDS_MAX >= (int)VOLUME_FIELDS, "a place holds a line for each field");

/* The mappings of the file, as parts. ELEMENTS and VOLUMES occur once for each list entry. */
enum config_part {
    PART_TOP,
    PART_CACHE,
    PART_ELEMENTS,
    PART_VOLUMES,
    PART_PORTS,
    PART_BUFFERS,
    PART_INTERCONNECT,
    PART_COORDINATION,
    PART_TRACE,
    PART_REBUILD,
    PART_TAKEOVER,
    PART_INTENTS,
    CONFIG_PARTS,
};

enum config_rule_kind {
    RULE_MAPPING,
    RULE_LIST,  /* of mappings, min to max of them */
    RULE_NAMES, /* a list of names, min to max of them */
    RULE_NAME,
    RULE_PATH,
    RULE_TEXT,
    RULE_SIZE,   /* min to max bytes */
    RULE_OFFSET, /* a size that is a multiple of a block */
    RULE_SIZE_POWER_OF_TWO,
    RULE_TIME,   /* at most max ns */
    RULE_NUMBER, /* min to max */
    RULE_POWER_OF_TWO,
    RULE_POWER_OF_TWO_OR_0, /* min to max, or 0 */
    RULE_SWITCH,
    RULE_CHOICE, /* one of libcyaml's strings */
    RULE_ADDRESS,
};

struct config_rule {
    enum config_rule_kind kind;
    uint64_t min;
    uint64_t max;
    enum config_part part; /* MAPPING, LIST: the part that the value, or each entry, is */
};

struct config_mapping {
    const char *prefix;                 /* of a field's name in messages */
    const cyaml_schema_field_t *fields; /* ends with a NULL key */
    const struct config_rule *rules;
    bool listed; /* one of several: the prefix is followed by [INDEX] */
};

extern const struct config_mapping config_mappings[CONFIG_PARTS];
extern const cyaml_schema_value_t config_schema;

/* What libcyaml fills in. Sizes stay strings until config_check: libcyaml has no such type. A field
 * that was not given is 0 or NULL. The strings and lists belong to libcyaml. */
struct raw_element {
    char *name;
    char *image;
    char *size;
    uint32_t controller;
    bool read_only;
    bool superblock;
    bool checksums;
    bool missing_ok;
};

struct raw_volume {
    char *name;
    char *element;
    char *offset;
    char *size;
    char *description;
    bool read_only;
    bool export;
    bool rotational;
    enum layout_kind layout;
    char *chunk;
    char **members;
    uint32_t members_count;
    uint32_t copies;
};

struct raw_cache {
    char *size;
    enum cache_mode mode;
    enum cache_policy_kind policy;
    bool in_memory;
};

struct raw_ports {
    char *tcp;
};

struct raw_buffers {
    char *size;
};

struct raw_interconnect {
    enum interconnect_model model;
    uint32_t slots;
    uint32_t ring_entries;
    bool share;
    uint32_t wait;
    char *latency;
    char *bandwidth;
    char *hop_delay;
};

struct raw_coordination {
    enum coordination_policy policy;
    char *region;
};

struct raw_trace {
    enum trace_level level;
    uint32_t events;
};

struct raw_rebuild {
    char *rate;
};

struct raw_takeover {
    bool enabled;
    enum config_failback failback;
};

struct raw_intents {
    char *clear_after;
};

struct raw_config {
    char *array;
    char *run_dir;
    uint32_t controllers;
    struct raw_cache cache;
    struct raw_element *elements;
    uint32_t elements_count;
    struct raw_volume *volumes;
    uint32_t volumes_count;
    struct raw_ports ports;
    struct raw_buffers buffers;
    uint32_t connections;
    uint32_t handshake_timeout;
    enum config_placement placement;
    struct raw_interconnect interconnect;
    struct raw_coordination coordination;
    struct raw_trace trace;
    struct raw_rebuild rebuild;
    uint32_t heartbeat;
    uint32_t follow_traffic;
    enum config_restart restart;
    struct raw_takeover takeover;
    char *journal;
    char *journal_size;
    struct raw_intents intents;
};

#endif
