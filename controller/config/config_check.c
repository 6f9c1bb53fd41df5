#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config_check.h"
#include "controller/config/config_interconnect.h"
#include "controller/config/config_names.h"
#include "controller/config/config_path.h"
#include "controller/config/config_value.h"
#include "controller/config/config_virtual.h"
#include "shm/limits.h"

/* --- helpers --- */

static struct config_field_ref ref(enum config_part part, uint32_t index, unsigned field)
{
    return (struct config_field_ref){part, index, field};
}

static bool given(const struct config_reading *reading, enum config_part part, unsigned field)
{
    return config_line(reading, part, 0, field) != 0;
}

static char *take(char **string)
{
    char *taken = *string;

    *string = NULL;
    return taken;
}

/* The scan has let only sizes through. */
static uint64_t size_or(const char *text, uint64_t absent)
{
    uint64_t bytes = 0;
    int result = 0;

    if (!text)
        return absent;
    result = config_parse_size(text, &bytes);
    assert(result == 0);
    return bytes;
}

static uint64_t whole_blocks(uint64_t bytes)
{
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* --- elements --- */

/* Their table has whole blocks only, is found by the superblock, and is held in memory. */
static int check_checksums(const struct config_reading *reading, uint32_t index,
                           const struct config_element *element)
{
    if (!element->checksums)
        return 0;
    if (element->superblock == SUPERBLOCK_NO)
        return config_refuse(reading, ref(PART_ELEMENTS, index, ELEMENT_CHECKSUMS),
                             "true, and superblock is false, which says where they are; allowed: "
                             "with a superblock only");
    if (element->size_bytes % BLOCK_BYTES != 0)
        return config_refuse(reading, ref(PART_ELEMENTS, index, ELEMENT_CHECKSUMS),
                             "true, and size is %" PRIu64 "; allowed: with a multiple of %d bytes",
                             element->size_bytes, BLOCK_BYTES);
    if (element->size_bytes > CHECKSUMMED_BYTES_MAX)
        return config_refuse(reading, ref(PART_ELEMENTS, index, ELEMENT_CHECKSUMS),
                             "true, and size is %" PRIu64 ", whose checksums would take %" PRIu64
                             " bytes of memory; allowed: up to %" PRIu64 " bytes (1TiB), whose "
                             "checksums take 1GiB",
                             element->size_bytes,
                             element->size_bytes / BLOCK_BYTES * CHECKSUM_BYTES,
                             CHECKSUMMED_BYTES_MAX);
    return 0;
}

static int check_element(const struct config_reading *reading, struct raw_element *raw,
                         uint32_t index, struct config *config)
{
    struct config_element *element = &config->elements[index];

    element->name = take(&raw->name);
    element->size_bytes = size_or(raw->size, 0);
    element->controller = raw->controller;
    element->read_only = raw->read_only;
    element->redundant_volume = CONFIG_NONE;
    if (config_line(reading, PART_ELEMENTS, index, ELEMENT_SUPERBLOCK))
        element->superblock = raw->superblock ? SUPERBLOCK_YES : SUPERBLOCK_NO;
    element->checksums = raw->checksums;
    element->missing_ok = raw->missing_ok;
    element->line = reading->parts[PART_ELEMENTS].place[index].line;
    element->image = config_path_resolve(config->folder, raw->image);
    if (!element->image)
        return -ENOMEM;
    if (strlen(element->image) > PATH_BYTES_MAX)
        return config_refuse(reading, ref(PART_ELEMENTS, index, ELEMENT_IMAGE),
                             "too long below the configuration's folder: %zu bytes; allowed: %d",
                             strlen(element->image), PATH_BYTES_MAX);
    if (element->controller >= config->controllers)
        return config_refuse(reading, ref(PART_ELEMENTS, index, ELEMENT_CONTROLLER),
                             "there is no controller %u; allowed: 0 to %u (controllers is %u)",
                             element->controller, config->controllers - 1, config->controllers);
    if (element->missing_ok && element->size_bytes == 0)
        return config_refuse(reading, ref(PART_ELEMENTS, index, ELEMENT_MISSING_OK),
                             "true, and size is not said, which a missing image does not tell; "
                             "allowed: with size");
    return check_checksums(reading, index, element);
}

/* Two spellings of one path that go through ".." or links are not told apart here; the lock on the
 * image does that when the array starts. */
static int check_images(const struct config_reading *reading, const struct config *config)
{
    struct config_name *images = calloc(config->elements_count, sizeof(*images));
    int result = 0;

    if (!images)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->elements_count; i++)
        images[i] = (struct config_name){config->elements[i].image, i};
    result =
        config_names_sort(reading, images, config->elements_count, PART_ELEMENTS, ELEMENT_IMAGE);
    free(images);
    return result;
}

/* *ret_names: the elements' names, sorted, for look-ups; the caller frees it. */
static int check_elements(const struct config_reading *reading, struct raw_config *raw,
                          struct config *config, struct config_name **ret_names)
{
    struct config_name *names = NULL;
    int result = 0;

    config->elements = calloc(raw->elements_count, sizeof(*config->elements));
    if (!config->elements)
        return -ENOMEM;
    config->elements_count = raw->elements_count;
    for (uint32_t i = 0; i < raw->elements_count; i++) {
        result = check_element(reading, &raw->elements[i], i, config);
        if (result < 0)
            return result;
    }
    result = check_images(reading, config);
    if (result < 0)
        return result;
    names = calloc(config->elements_count, sizeof(*names));
    if (!names)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->elements_count; i++)
        names[i] = (struct config_name){config->elements[i].name, i};
    result = config_names_sort(reading, names, config->elements_count, PART_ELEMENTS, ELEMENT_NAME);
    if (result < 0) {
        free(names);
        return result;
    }
    *ret_names = names;
    return 0;
}

/* --- volumes --- */

/* A volume's end, as far as the file says: that of a volume without a size on an element without
 * one is not known before the image is looked at, and nothing can follow it. */
static uint64_t volume_end(const struct config *config, const struct config_volume *volume)
{
    const struct config_element *element = &config->elements[volume->element];

    if (volume->size_bytes)
        return volume->offset_bytes + volume->size_bytes;
    return element->size_bytes ? element->size_bytes : UINT64_MAX;
}

static int check_range(const struct config_reading *reading, uint32_t index,
                       const struct config *config)
{
    const struct config_volume *volume = &config->volumes[index];
    const struct config_element *element = &config->elements[volume->element];
    uint64_t end = volume->offset_bytes + volume->size_bytes;
    char size[SIZE_TEXT_BYTES];
    char room[SIZE_TEXT_BYTES];

    assert(volume->offset_bytes < ELEMENT_BYTES_MAX && volume->size_bytes < ELEMENT_BYTES_MAX);
    if (end >= ELEMENT_BYTES_MAX)
        return config_refuse(reading, ref(PART_VOLUMES, index, VOLUME_SIZE),
                             "offset and size are too large; allowed: below 4096PiB together");
    if (!element->size_bytes)
        return 0;
    config_format_size(element->size_bytes, size);
    if (volume->offset_bytes >= element->size_bytes)
        return config_refuse(reading, ref(PART_VOLUMES, index, VOLUME_OFFSET),
                             "beyond the end of element %s; allowed: below %s", element->name,
                             size);
    config_format_size(element->size_bytes - volume->offset_bytes, room);
    if (end > element->size_bytes)
        return config_refuse(reading, ref(PART_VOLUMES, index, VOLUME_SIZE),
                             "reaches beyond the end of element %s, %s; allowed: up to %s",
                             element->name, size, room);
    return 0;
}

/* Of a plain volume. */
static int check_place(const struct config_reading *reading, const struct raw_volume *raw,
                       uint32_t index, const struct config_name *elements, struct config *config)
{
    struct config_volume *volume = &config->volumes[index];
    const struct config_name *found =
        config_names_find(elements, config->elements_count, raw->element);

    if (!found)
        return config_refuse(reading, ref(PART_VOLUMES, index, VOLUME_ELEMENT),
                             "there is no element '%s'; allowed: the name of one of elements",
                             raw->element);
    volume->element = found->index;
    volume->read_only = volume->read_only || config->elements[found->index].read_only;
    volume->offset_bytes = size_or(raw->offset, 0);
    volume->size_bytes = size_or(raw->size, 0);
    return check_range(reading, index, config);
}

static int check_volume(const struct config_reading *reading, struct raw_volume *raw,
                        uint32_t index, const struct config_name *elements, struct config *config)
{
    struct config_volume *volume = &config->volumes[index];
    int result = config_virtual_check_fields(reading, raw, index);

    if (result < 0)
        return result;
    volume->name = take(&raw->name);
    volume->description = take(&raw->description);
    volume->element = volume->member_of = CONFIG_NONE;
    volume->layout = raw->layout;
    volume->chunk_bytes = (uint32_t)size_or(raw->chunk, 0);
    volume->copies = raw->copies;
    volume->read_only = raw->read_only;
    volume->export_said = config_line(reading, PART_VOLUMES, index, VOLUME_EXPORT) != 0;
    volume->export = !volume->export_said || raw->export;
    volume->rotational = raw->rotational;
    volume->line = reading->parts[PART_VOLUMES].place[index].line;
    if (volume->layout != LAYOUT_NONE)
        return 0;
    return check_place(reading, raw, index, elements, config);
}

/* Names are looked up among all volumes: a member may be defined behind the volume it is in. */
static int check_names_and_members(const struct config_reading *reading,
                                   const struct raw_config *raw, struct config *config)
{
    struct config_name *names = calloc(config->volumes_count, sizeof(*names));
    int result = 0;

    if (!names)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->volumes_count; i++)
        names[i] = (struct config_name){config->volumes[i].name, i};
    result = config_names_sort(reading, names, config->volumes_count, PART_VOLUMES, VOLUME_NAME);
    if (result == 0)
        result = config_virtual_resolve(reading, raw, names, config);
    free(names);
    return result;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct config_volume *a = *(const struct config_volume *const *)left;
    const struct config_volume *b = *(const struct config_volume *const *)right;

    if (a->element != b->element)
        return a->element < b->element ? -1 : 1;
    if (a->offset_bytes != b->offset_bytes)
        return a->offset_bytes < b->offset_bytes ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int refuse_overlap(const struct config_reading *reading, const struct config *config,
                          const struct config_volume *a, const struct config_volume *b)
{
    const struct config_volume *first = a < b ? a : b;
    const struct config_volume *second = a < b ? b : a;

    return config_refuse(reading,
                         ref(PART_VOLUMES, (uint32_t)(second - config->volumes), VOLUME_OFFSET),
                         "volume %s (line %u) overlaps volume %s (line %u) on element %s; allowed: "
                         "each block in one "
                         "volume",
                         second->name, second->line, first->name, first->line,
                         config->elements[first->element].name);
}

/* Of plain volumes only. Sorted by offset, ranges overlap somewhere only if two neighbours do. */
static int check_overlaps(const struct config_reading *reading, const struct config *config)
{
    const struct config_volume **sorted = calloc(config->volumes_count, sizeof(*sorted));
    uint32_t count = 0;
    int result = 0;

    if (!sorted)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        if (config->volumes[i].layout == LAYOUT_NONE)
            sorted[count++] = &config->volumes[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_ranges);
    for (uint32_t i = 1; i < count && result == 0; i++) {
        if (sorted[i - 1]->element == sorted[i]->element &&
            volume_end(config, sorted[i - 1]) > sorted[i]->offset_bytes)
            result = refuse_overlap(reading, config, sorted[i - 1], sorted[i]);
    }
    free(sorted);
    return result;
}

static int check_volumes(const struct config_reading *reading, struct raw_config *raw,
                         const struct config_name *elements, struct config *config)
{
    int result = 0;

    config->volumes = calloc(raw->volumes_count, sizeof(*config->volumes));
    if (!config->volumes)
        return -ENOMEM;
    config->volumes_count = raw->volumes_count;
    for (uint32_t i = 0; i < raw->volumes_count; i++) {
        result = check_volume(reading, &raw->volumes[i], i, elements, config);
        if (result < 0)
            return result;
    }
    result = check_names_and_members(reading, raw, config);
    return result < 0 ? result : check_overlaps(reading, config);
}

/* --- the rest --- */

static int check_run_dir(const struct config_reading *reading, const struct raw_config *raw,
                         struct config *config)
{
    char own[NAME_BYTES_MAX + sizeof(".run")];

    snprintf(own, sizeof(own), "%s.run", config->array);
    config->run_dir = config_path_resolve(config->folder, raw->run_dir ? raw->run_dir : own);
    if (!config->run_dir)
        return -ENOMEM;
    if (strlen(config->run_dir) > PATH_BYTES_MAX)
        return config_refuse(reading, ref(PART_TOP, 0, TOP_RUN_DIR),
                             "too long below the configuration's folder: %zu bytes; allowed: %d",
                             strlen(config->run_dir), PATH_BYTES_MAX);
    return 0;
}

static int check_ports(const struct config_reading *reading, const struct raw_config *raw,
                       struct config *config)
{
    uint32_t highest = 0;
    int result = 0;

    if (!raw->ports.tcp)
        return 0;
    result = config_parse_address(raw->ports.tcp, &config->tcp_host, &config->tcp_port);
    if (result < 0)
        return result;
    highest = config->tcp_port + config->controllers;
    if (config->tcp_port != 0 && highest > UINT16_MAX)
        return config_refuse(reading, ref(PART_PORTS, 0, PORTS_TCP),
                             "port %u leaves no ports for the controllers, up to %u; allowed: a "
                             "port up to %u (controllers is %u), or 0",
                             config->tcp_port, highest, UINT16_MAX - config->controllers,
                             config->controllers);
    return 0;
}

static int check_journal(const struct config_reading *reading, const struct raw_config *raw,
                         struct config *config)
{
    if (!raw->journal && raw->journal_size)
        return config_refuse(reading, ref(PART_TOP, 0, TOP_JOURNAL_SIZE),
                             "there is no journal; allowed: journal-size beside journal: FILE");
    if (!raw->journal)
        return 0;
    config->journal = config_path_resolve(config->folder, raw->journal);
    config->journal_bytes = whole_blocks(size_or(raw->journal_size, JOURNAL_BYTES_DEFAULT));
    config->journal_line = config_line(reading, PART_TOP, 0, TOP_JOURNAL);
    if (!config->journal)
        return -ENOMEM;
    if (strlen(config->journal) + JOURNAL_SUFFIX_BYTES > PATH_BYTES_MAX)
        return config_refuse(reading, ref(PART_TOP, 0, TOP_JOURNAL),
                             "too long below the configuration's folder: %zu bytes; allowed: %d",
                             strlen(config->journal), PATH_BYTES_MAX - JOURNAL_SUFFIX_BYTES);
    return 0;
}

static void fill_cache(const struct config_reading *reading, const struct raw_cache *raw,
                       struct config_cache *cache)
{
    cache->size_bytes = whole_blocks(size_or(raw->size, CACHE_BYTES_DEFAULT));
    cache->mode = given(reading, PART_CACHE, CACHE_MODE) ? raw->mode : CACHE_WRITE_THROUGH;
    cache->policy = given(reading, PART_CACHE, CACHE_POLICY) ? raw->policy : CACHE_S3_FIFO;
    cache->in_memory = raw->in_memory;
}

static void fill_settings(const struct config_reading *reading, const struct raw_config *raw,
                          struct config *config)
{
    bool timeout = given(reading, PART_TOP, TOP_HANDSHAKE_TIMEOUT);

    config->buffers_bytes = whole_blocks(size_or(raw->buffers.size, BUFFERS_BYTES_DEFAULT));
    config->connections =
        given(reading, PART_TOP, TOP_CONNECTIONS) ? raw->connections : CONNECTIONS_DEFAULT;
    config->handshake_seconds = timeout ? raw->handshake_timeout : HANDSHAKE_SECONDS_DEFAULT;
    config->placement = given(reading, PART_TOP, TOP_PLACEMENT) ? raw->placement : PLACEMENT_AUTO;
    config->heartbeat_seconds =
        given(reading, PART_TOP, TOP_HEARTBEAT) ? raw->heartbeat : HEARTBEAT_SECONDS_DEFAULT;
    config->follow_traffic_seconds = raw->follow_traffic;
    config->restart = given(reading, PART_TOP, TOP_RESTART) ? raw->restart : RESTART_NEVER;
    config->slots = given(reading, PART_INTERCONNECT, INTERCONNECT_SLOTS) ? raw->interconnect.slots
                                                                          : SLOTS_DEFAULT;
    config->ring_entries = given(reading, PART_INTERCONNECT, INTERCONNECT_RING_ENTRIES)
                               ? raw->interconnect.ring_entries
                               : RING_ENTRIES_DEFAULT;
    config->coordination = (struct config_coordination){
        .policy = raw->coordination.policy,
        .region_bytes = (uint32_t)size_or(raw->coordination.region, REGION_BYTES_DEFAULT)};
    config->trace.level =
        given(reading, PART_TRACE, TRACE_FIELD_LEVEL) ? raw->trace.level : TRACE_LEVEL_DEFAULT;
    config->trace.events =
        given(reading, PART_TRACE, TRACE_FIELD_EVENTS) ? raw->trace.events : TRACE_EVENTS_DEFAULT;
    config->rebuild_rate_bytes = size_or(raw->rebuild.rate, JOB_RATE_YIELDING);
    config->takeover = !given(reading, PART_TAKEOVER, TAKEOVER_ENABLED) || raw->takeover.enabled;
    config->failback = raw->takeover.failback;
    config->intents_clear_ns = INTENTS_CLEAR_NS_DEFAULT;
    if (raw->intents.clear_after != NULL) /* it has been checked: it parses */
        (void)config_parse_time(raw->intents.clear_after, &config->intents_clear_ns);
}

_Static_assert(FAILBACK_AUTO == 0 && MODEL_DIRECT == 0 && COORDINATION_STRICT == 0,
               "what is not given is 0");

int config_check(const struct config_reading *reading, struct raw_config *raw,
                 struct config *config)
{
    struct config_name *elements = NULL;
    int result = 0;

    assert(config->folder && raw->array && raw->elements_count > 0 && raw->volumes_count > 0);
    assert(reading->parts[PART_VOLUMES].count == raw->volumes_count);
    config->array = take(&raw->array);
    config->controllers = given(reading, PART_TOP, TOP_CONTROLLERS) ? raw->controllers : 1;
    fill_cache(reading, &raw->cache, &config->cache);
    fill_settings(reading, raw, config);
    result = config_interconnect(reading, &raw->interconnect, config);
    if (result == 0)
        result = check_run_dir(reading, raw, config);
    if (result == 0)
        result = check_journal(reading, raw, config);
    if (result == 0)
        result = check_ports(reading, raw, config);
    if (result == 0)
        result = check_elements(reading, raw, config, &elements);
    if (result == 0)
        result = check_volumes(reading, raw, elements, config);
    free(elements);
    return result;
}
