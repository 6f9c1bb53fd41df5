#include "controller/config/config_dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config_path.h"
#include "controller/config/config_value.h"
#include "shm/limits.h"

/* --- values --- */

/* The character that begins at `text`, which is UTF-8 (config_text.c has seen to that). */
static uint32_t character_at(const char *text, size_t *ret_bytes)
{
    const unsigned char *at = (const unsigned char *)text;
    uint32_t character = at[0] < 0x80 ? at[0]
                                      : at[0] & (at[0] < 0xe0   ? 0x1fu
                                                 : at[0] < 0xf0 ? 0xfu
                                                                : 7u);
    size_t bytes = 1;

    while (at[0] >= 0xc0 && (at[bytes] & 0xc0) == 0x80)
        character = character << 6 | (at[bytes++] & 0x3fu);
    *ret_bytes = bytes;
    return character;
}

/* What may not stand in the text itself, but may come in as an escape (config_text.c). */
static bool must_be_escaped(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f) || character == 0x2028 ||
           character == 0x2029 || character == 0xfeff || (character & 0xfffe) == 0xfffe;
}

void config_dump_quoted(FILE *out, const char *text)
{
    size_t bytes;

    fputc('"', out);
    for (; *text != '\0'; text += bytes) {
        uint32_t character = character_at(text, &bytes);

        if (must_be_escaped(character))
            fprintf(out, "\\U%08" PRIX32, character);
        else
            fprintf(out, "%s%.*s", *text == '"' || *text == '\\' ? "\\" : "", (int)bytes, text);
    }
    fputc('"', out);
}

static void put_size(FILE *out, const char *key, uint64_t bytes)
{
    char text[SIZE_TEXT_BYTES];

    config_format_size(bytes, text);
    fprintf(out, "%s: %s", key, text);
}

static void put_text(FILE *out, const char *key, const char *text)
{
    fprintf(out, "%s: ", key);
    config_dump_quoted(out, text);
}

static int put_path(FILE *out, const char *key, const char *folder, const char *path)
{
    char *absolute = config_path_resolve(folder, path);

    if (!absolute)
        return -ENOMEM;
    put_text(out, key, absolute);
    free(absolute);
    return 0;
}

static const char *switch_name(bool on)
{
    return on ? "true" : "false";
}

/* --- the parts --- */

static void dump_interconnect(FILE *out, const struct config *config)
{
    const struct interconnect_settings *settings = &config->interconnect;

    fprintf(out, "interconnect: {model: %s, slots: %" PRIu32 ", ring-entries: %" PRIu32,
            interconnect_model_name(settings->model), config->slots, config->ring_entries);
    fprintf(out, ", share: %s, wait: %" PRIu64, switch_name(settings->share != 0),
            settings->wait_ns / 1000000000u);
    if (settings->model != MODEL_DIRECT) {
        fprintf(out, ", latency: %" PRIu64 "ns", settings->latency_ns);
        put_size(out, ", bandwidth", settings->bandwidth);
    }
    if (settings->model == MODEL_LOOP)
        fprintf(out, ", hop-delay: %" PRIu64 "ns", settings->hop_delay_ns);
    fputs("}\n", out);
}

static void dump_settings(FILE *out, const struct config *config)
{
    fprintf(out, "\ncontrollers: %" PRIu32 "\n", config->controllers);
    put_size(out, "cache: {size", config->cache.size_bytes);
    fprintf(
        out, ", mode: %s, policy: %s, in-memory: %s}\n", config_cache_mode_name(config->cache.mode),
        config_cache_policy_name(config->cache.policy), config->cache.in_memory ? "true" : "false");
    put_size(out, "buffers: {size", config->buffers_bytes);
    fprintf(out, "}\nconnections: %" PRIu32 "\nhandshake-timeout: %" PRIu32 "\nplacement: %s\n",
            config->connections, config->handshake_seconds,
            config_placement_name(config->placement));
    fprintf(out, "heartbeat: %" PRIu32 "\nfollow-traffic: %" PRIu32 "\nrestart: %s\n",
            config->heartbeat_seconds, config->follow_traffic_seconds,
            config_restart_name(config->restart));
    dump_interconnect(out, config);
    fprintf(out, "coordination: {policy: %s",
            coordination_policy_name(config->coordination.policy));
    put_size(out, ", region", config->coordination.region_bytes);
    fputs("}\n", out);
    fprintf(out, "trace: {level: %s, events: %" PRIu32 "}\n", trace_level_name(config->trace.level),
            config->trace.events);
    if (config->rebuild_rate_bytes != JOB_RATE_YIELDING) {
        put_size(out, "rebuild: {rate", config->rebuild_rate_bytes);
        fputs("}\n", out);
    }
    fprintf(out, "takeover: {enabled: %s, failback: %s}\n", switch_name(config->takeover),
            config->failback == FAILBACK_AUTO ? "auto" : "manual");
    fprintf(out, "intents: {clear-after: %" PRIu64 "ns}\n", config->intents_clear_ns);
}

static int dump_journal(FILE *out, const struct config *config, const char *folder)
{
    if (!config->journal)
        return 0;
    int result = put_path(out, "journal", folder, config->journal);
    put_size(out, "\njournal-size", config->journal_bytes);
    fputc('\n', out);
    return result;
}

/* The brackets of an IPv6 address were taken off when it was read. */
static void dump_ports(FILE *out, const struct config *config)
{
    if (!config->tcp_host)
        return;
    bool bracketed = strchr(config->tcp_host, ':') != NULL;
    fprintf(out, "ports: {tcp: \"%s%s%s:%u\"}\n", bracketed ? "[" : "", config->tcp_host,
            bracketed ? "]" : "", config->tcp_port);
}

static int dump_element(FILE *out, const struct config_element *element, uint64_t size_bytes,
                        const char *folder)
{
    put_text(out, "  - {name", element->name);
    int result = put_path(out, ", image", folder, element->image);
    if (size_bytes)
        put_size(out, ", size", size_bytes);
    fprintf(out, ", controller: %" PRIu32 ", read-only: %s, checksums: %s, missing-ok: %s",
            element->controller, switch_name(element->read_only), switch_name(element->checksums),
            switch_name(element->missing_ok));
    if (element->superblock != SUPERBLOCK_UNSAID)
        fprintf(out, ", superblock: %s", switch_name(element->superblock == SUPERBLOCK_YES));
    fputs("}\n", out);
    return result;
}

static void dump_place(FILE *out, const struct config *config, const struct config_volume *volume)
{
    put_text(out, ", element", config->elements[volume->element].name);
    put_size(out, ", offset", volume->offset_bytes);
    if (volume->size_bytes)
        put_size(out, ", size", volume->size_bytes);
}

static void dump_layout(FILE *out, const struct config *config, const struct config_volume *volume)
{
    fprintf(out, ", layout: %s", layout_name(volume->layout));
    if (volume->chunk_bytes)
        put_size(out, ", chunk", volume->chunk_bytes);
    if (volume->layout == LAYOUT_RAID10)
        fprintf(out, ", copies: %" PRIu32, volume->copies);
    for (uint32_t i = 0; i < volume->members_count; i++) {
        fputs(i == 0 ? ", members: [" : ", ", out);
        config_dump_quoted(out, config->volumes[volume->members[i]].name);
    }
    fputc(']', out);
}

static void dump_volume(FILE *out, const struct config *config, const struct config_volume *volume)
{
    put_text(out, "  - {name", volume->name);
    if (volume->layout == LAYOUT_NONE)
        dump_place(out, config, volume);
    else
        dump_layout(out, config, volume);
    if (volume->description)
        put_text(out, ", description", volume->description);
    fprintf(out, ", read-only: %s, rotational: %s", switch_name(volume->read_only),
            switch_name(volume->rotational));
    if (volume->export_said)
        fprintf(out, ", export: %s", switch_name(volume->export));
    fputs("}\n", out);
}

static int dump_elements(FILE *out, const struct config *config,
                         const struct config_dump_wanted *wanted)
{
    int result = 0;

    fputs("elements:\n", out);
    for (uint32_t i = 0; i < config->elements_count && result == 0; i++) {
        uint64_t said_bytes = config->elements[i].size_bytes;

        if (!said_bytes && wanted->element_bytes)
            said_bytes = wanted->element_bytes[i];
        result = dump_element(out, &config->elements[i], said_bytes, wanted->folder);
    }
    return result;
}

static int dump_all(FILE *out, const struct config *config, const struct config_dump_wanted *wanted)
{
    put_text(out, "array", config->array);
    fputc('\n', out);
    int result = put_path(out, "run-dir", wanted->folder, config->run_dir);
    dump_settings(out, config);
    if (result == 0)
        result = dump_journal(out, config, wanted->folder);
    dump_ports(out, config);
    if (result == 0)
        result = dump_elements(out, config, wanted);
    fputs("volumes:\n", out);
    for (uint32_t i = 0; i < config->volumes_count && result == 0; i++) {
        if (i != wanted->omit)
            dump_volume(out, config, &config->volumes[i]);
    }
    if (wanted->append)
        fprintf(out, "  - %s\n", wanted->append);
    return result;
}

int config_dump(const struct config *config, const struct config_dump_wanted *wanted,
                char **ret_text)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    if (!out)
        return -ENOMEM;
    int result = dump_all(out, config, wanted);
    if (ferror(out) && result == 0)
        result = -ENOMEM;
    if (fclose(out) != 0 && result == 0)
        result = -ENOMEM;
    if (result == 0)
        *ret_text = text;
    else
        free(text);
    return result;
}
