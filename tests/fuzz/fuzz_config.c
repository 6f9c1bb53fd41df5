/*
 * Any bytes as a configuration: it is refused with a message of one line, or what comes out keeps
 * the promises of config.h.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "controller/config/config.h"
#include "shm/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_element(const struct config *config, const struct config_element *element)
{
    assert(strlen(element->name) >= 1 && strlen(element->name) <= NAME_BYTES_MAX);
    assert(strlen(element->image) >= 1 && strlen(element->image) <= PATH_BYTES_MAX);
    assert(element->controller < config->controllers);
    assert(element->size_bytes < ELEMENT_BYTES_MAX && element->line > 0);
}

static void check_plain(const struct config *config, const struct config_volume *volume)
{
    const struct config_element *element = &config->elements[volume->element];
    uint64_t end = volume->offset_bytes + volume->size_bytes;

    assert(volume->element < config->elements_count && !volume->members && !volume->members_count);
    assert(volume->offset_bytes % BLOCK_BYTES == 0 && end < ELEMENT_BYTES_MAX);
    assert(!element->size_bytes || end <= element->size_bytes);
    assert(volume->read_only || !element->read_only);
}

/* Whatever sizes the members will have, the layout finds fault with nothing but them. */
static void check_layout(const struct config_volume *volume)
{
    uint64_t member_bytes[MEMBERS_MAX];
    struct layout_wanted wanted = {.kind = volume->layout,
                                   .members = volume->members_count,
                                   .copies = volume->copies,
                                   .chunk_bytes = volume->chunk_bytes,
                                   .member_bytes = member_bytes};

    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        member_bytes[i] = 0;
    assert(layout_check(&wanted) == LAYOUT_FAULT_MEMBER_SIZE);
}

static void check_virtual(const struct config *config, const struct config_volume *volume)
{
    uint32_t index = (uint32_t)(volume - config->volumes);
    bool redundant = volume->layout != LAYOUT_CONCAT && volume->layout != LAYOUT_STRIPE;

    assert(volume->members_count >= 1 && volume->members_count <= MEMBERS_MAX);
    assert(volume->element == CONFIG_NONE && volume->member_of == CONFIG_NONE);
    assert(volume->offset_bytes == 0 && volume->size_bytes == 0);
    check_layout(volume);
    for (uint32_t i = 0; i < volume->members_count; i++) {
        assert(volume->members[i] < config->volumes_count);
        const struct config_volume *member = &config->volumes[volume->members[i]];

        assert(member->member_of == index && member->layout == LAYOUT_NONE);
        assert(volume->read_only || !member->read_only);
        for (uint32_t j = 0; j < i; j++) {
            assert(volume->members[i] != volume->members[j]);
            assert(!redundant || member->element != config->volumes[volume->members[j]].element);
        }
    }
}

static void check_volume(const struct config *config, const struct config_volume *volume)
{
    assert(volume->line > 0);
    assert(strlen(volume->name) >= 1 && strlen(volume->name) <= NAME_BYTES_MAX);
    assert(!volume->description || strlen(volume->description) <= DESCRIPTION_BYTES_MAX);
    if (volume->layout == LAYOUT_NONE)
        check_plain(config, volume);
    else
        check_virtual(config, volume);
}

/* Pairs, so only of small lists: the loader's own check sorts, this one does not. */
static void check_no_overlap(const struct config *config)
{
    for (uint32_t i = 0; i < config->volumes_count && config->volumes_count < 100; i++) {
        const struct config_volume *a = &config->volumes[i];

        for (uint32_t j = 0; j < i; j++) {
            const struct config_volume *b = &config->volumes[j];
            uint64_t a_end = a->size_bytes ? a->offset_bytes + a->size_bytes : UINT64_MAX;
            uint64_t b_end = b->size_bytes ? b->offset_bytes + b->size_bytes : UINT64_MAX;

            assert(strcmp(a->name, b->name) != 0);
            assert(a->layout || b->layout || a->element != b->element || a_end <= b->offset_bytes ||
                   b_end <= a->offset_bytes);
        }
    }
}

static void check_config(const struct config *config)
{
    assert(config->controllers >= 1 && config->controllers <= CONTROLLERS_MAX);
    assert(config->elements_count >= 1 && config->elements_count <= ELEMENTS_MAX);
    assert(config->volumes_count >= 1 && config->volumes_count <= VOLUMES_MAX);
    assert(config->run_dir[0] && config->array[0]);
    assert(config->buffers_bytes >= BUFFERS_BYTES_MIN && config->buffers_bytes % BLOCK_BYTES == 0);
    assert(config->buffers_bytes <= BUFFERS_BYTES_MAX);
    assert(config->connections >= 1 && config->connections <= CONNECTIONS_MAX);
    assert(config->handshake_seconds >= 1);
    assert(config->slots >= SLOTS_MIN && config->slots <= SLOTS_MAX);
    assert((config->ring_entries & (config->ring_entries - 1)) == 0);
    assert(config->coordination.region_bytes >= REGION_BYTES_MIN);
    assert(config->coordination.region_bytes <= REGION_BYTES_MAX);
    assert(config->tcp_port == 0 || config->tcp_port + config->controllers <= UINT16_MAX);
    for (uint32_t i = 0; i < config->elements_count; i++)
        check_element(config, &config->elements[i]);
    for (uint32_t i = 0; i < config->volumes_count; i++)
        check_volume(config, &config->volumes[i]);
    check_no_overlap(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct config_error error = {""};
    int result = config_parse("lab/lab.yaml", (const char *)data, size, &config, &error);

    if (result == 0) {
        check_config(config);
        config_free(config);
        return 0;
    }
    assert(result == -EINVAL && !config);
    assert(strncmp(error.text, "lab/lab.yaml:", strlen("lab/lab.yaml:")) == 0);
    assert(!strchr(error.text, '\n') && strstr(error.text, "; allowed: "));
    return 0;
}
