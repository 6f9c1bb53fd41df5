#include <assert.h>
#include <errno.h>
#include <string.h>

#include <yaml.h>

#include "controller/config/config_scan.h"
#include "controller/config/config_value.h"
#include "shm/limits.h"

/* Where the scan stands: the mapping, and its field unless `field` is NO_FIELD. */
enum { NO_FIELD = CONFIG_FIELDS_MAX };

struct scan {
    struct config_reading *reading;
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at; freed when the next is asked for */
    struct config_field_ref at;
    bool inside; /* the top mapping was entered: `at` is valid */
    unsigned depth;
};

static unsigned event_line(const struct scan *scan)
{
    return (unsigned)scan->event.start_mark.line + 1;
}

/* "elements[2].size", "elements[2]", or "file" outside any mapping and directly in the top one. */
static void name_here(const struct scan *scan, char ret_name[FIELD_NAME_BYTES])
{
    const struct config_mapping *mapping = &config_mappings[scan->at.part];
    const char *key = NULL;

    if (scan->inside && scan->at.field != NO_FIELD)
        key = mapping->fields[scan->at.field].key;
    if (!scan->inside || (!key && scan->at.part == PART_TOP))
        strcpy(ret_name, "file");
    else
        config_field_name(scan->at.part, scan->at.index, key, ret_name);
}

static int refuse_here(const struct scan *scan, const char *what, const char *allowed)
{
    char name[FIELD_NAME_BYTES];

    name_here(scan, name);
    return config_refuse_at(scan->reading, event_line(scan), name, "%s; allowed: %s", what,
                            allowed);
}

/* A field whose value is not what its rule says. */
static int refuse_value(const struct scan *scan, const char *what)
{
    char allowed[ALLOWED_BYTES];

    config_value_allowed(&config_mappings[scan->at.part], scan->at.field, allowed);
    return refuse_here(scan, what, allowed);
}

/* --- events --- */

static int refuse_syntax(const struct scan *scan)
{
    const yaml_parser_t *parser = &scan->parser;
    const char *problem = parser->problem ? parser->problem : "unreadable";
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    char name[FIELD_NAME_BYTES];

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    name_here(scan, name);
    if (!parser->context || parser->context_mark.line == parser->problem_mark.line)
        return config_refuse_at(scan->reading, line, name, "%s; allowed: YAML", problem);
    return config_refuse_at(scan->reading, line, name, "%s, %s from line %zu; allowed: YAML",
                            problem, parser->context, parser->context_mark.line + 1);
}

/* The anchor and the tag of an event, NULL where its type has none. */
static void event_properties(const yaml_event_t *event, const yaml_char_t **ret_anchor,
                             const yaml_char_t **ret_tag)
{
    *ret_anchor = NULL;
    *ret_tag = NULL;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        *ret_anchor = event->data.scalar.anchor;
        *ret_tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        *ret_anchor = event->data.sequence_start.anchor;
        *ret_tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        *ret_anchor = event->data.mapping_start.anchor;
        *ret_tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
}

/* Escapes of quoted scalars bring in characters that the text itself may not hold. */
static int check_scalar(const struct scan *scan)
{
    const unsigned char *value = scan->event.data.scalar.value;
    size_t bytes = scan->event.data.scalar.length;
    char allowed[64];

    if (bytes > CONFIG_SCALAR_BYTES_MAX) {
        snprintf(allowed, sizeof(allowed), "up to %d bytes", CONFIG_SCALAR_BYTES_MAX);
        return refuse_here(scan, "too long", allowed);
    }
    for (size_t i = 0; i < bytes; i++)
        if (value[i] < ' ' || value[i] == 0x7f)
            return refuse_here(scan, "control character or line break", "one line of text");
    return 0;
}

static int next_event(struct scan *scan)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;

    yaml_event_delete(&scan->event);
    if (!yaml_parser_parse(&scan->parser, &scan->event))
        return refuse_syntax(scan);
    if (scan->event.type == YAML_ALIAS_EVENT)
        return refuse_here(scan, "YAML alias", "the value itself");
    event_properties(&scan->event, &anchor, &tag);
    if (anchor)
        return refuse_here(scan, "YAML anchor", "the value itself");
    if (tag)
        return refuse_here(scan, "YAML tag", "the value itself");
    return scan->event.type == YAML_SCALAR_EVENT ? check_scalar(scan) : 0;
}

static const char *event_words(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_MAPPING_START_EVENT:
        return "a mapping";
    default:
        return "a single value";
    }
}

/* --- the document --- */

static int scan_mapping(struct scan *scan, enum config_part part);

static bool is_null(const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;

    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*value || strcmp(value, "~") == 0 || strcmp(value, "null") == 0);
}

static int scan_scalar(struct scan *scan)
{
    const struct config_mapping *mapping = &config_mappings[scan->at.part];
    char problem[PROBLEM_BYTES];

    if (scan->event.type != YAML_SCALAR_EVENT)
        return refuse_value(scan, event_words(&scan->event));
    if (is_null(&scan->event))
        return refuse_value(scan, "no value");
    if (!config_value_check(mapping, scan->at.field, (const char *)scan->event.data.scalar.value,
                            problem))
        return refuse_value(scan, problem);
    return 0;
}

static int scan_entry(struct scan *scan, const struct config_rule *rule)
{
    if (rule->kind == RULE_NAMES)
        return scan_scalar(scan);
    if (scan->event.type != YAML_MAPPING_START_EVENT)
        return refuse_value(scan, "an entry is no mapping");
    return scan_mapping(scan, rule->part);
}

static int scan_list(struct scan *scan)
{
    const struct config_rule *rule = &config_mappings[scan->at.part].rules[scan->at.field];
    struct config_field_ref list = scan->at;
    char what[64];
    uint64_t entries = 0;
    int result = 0;

    for (;; entries++) {
        result = next_event(scan);
        if (result < 0)
            return result;
        if (scan->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (entries == rule->max) {
            snprintf(what, sizeof(what), "more than %llu", (unsigned long long)rule->max);
            return refuse_value(scan, what);
        }
        result = scan_entry(scan, rule);
        if (result < 0)
            return result;
        scan->at = list;
    }
    return entries < rule->min ? refuse_value(scan, "an empty list") : 0;
}

/* The field's key was read; its value comes next. */
static int scan_field(struct scan *scan)
{
    const struct config_rule *rule = &config_mappings[scan->at.part].rules[scan->at.field];
    int result = next_event(scan);

    if (result < 0)
        return result;
    if (rule->kind == RULE_MAPPING) {
        if (scan->event.type != YAML_MAPPING_START_EVENT)
            return refuse_value(scan, event_words(&scan->event));
        return scan_mapping(scan, rule->part);
    }
    if (rule->kind == RULE_LIST || rule->kind == RULE_NAMES) {
        if (scan->event.type != YAML_SEQUENCE_START_EVENT)
            return refuse_value(scan, event_words(&scan->event));
        return scan_list(scan);
    }
    return scan_scalar(scan);
}

static int refuse_unknown(const struct scan *scan, const char *key)
{
    char name[FIELD_NAME_BYTES];
    char allowed[ALLOWED_BYTES];

    config_field_name(scan->at.part, scan->at.index, *key ? key : "''", name);
    config_fields_allowed(&config_mappings[scan->at.part], allowed);
    return config_refuse_at(scan->reading, event_line(scan), name, "unknown field; allowed: %s",
                            allowed);
}

/* A key: finds its field and records its line. */
static int scan_key(struct scan *scan)
{
    const struct config_mapping *mapping = &config_mappings[scan->at.part];
    struct config_place *place = &scan->reading->parts[scan->at.part].place[scan->at.index];
    const char *key = (const char *)scan->event.data.scalar.value;
    unsigned field = 0;
    char what[64];

    if (scan->event.type != YAML_SCALAR_EVENT) {
        char allowed[ALLOWED_BYTES];

        config_fields_allowed(mapping, allowed);
        return refuse_here(scan, "a field's name is a list or a mapping", allowed);
    }
    while (mapping->fields[field].key && strcmp(mapping->fields[field].key, key) != 0)
        field++;
    if (!mapping->fields[field].key)
        return refuse_unknown(scan, key);
    scan->at.field = field;
    if (place->field[field]) {
        snprintf(what, sizeof(what), "given twice, first on line %u", place->field[field]);
        return refuse_here(scan, what, "each field once");
    }
    place->field[field] = event_line(scan);
    return 0;
}

static int check_required(const struct scan *scan)
{
    const struct config_mapping *mapping = &config_mappings[scan->at.part];
    char allowed[ALLOWED_BYTES];

    for (unsigned field = 0; mapping->fields[field].key; field++) {
        struct config_field_ref where = {scan->at.part, scan->at.index, field};

        if (mapping->fields[field].value.flags & CYAML_FLAG_OPTIONAL ||
            config_line(scan->reading, scan->at.part, scan->at.index, field))
            continue;
        config_value_allowed(mapping, field, allowed);
        return config_refuse(scan->reading, where, "missing; allowed: %s", allowed);
    }
    return 0;
}

/* The mapping's start was read. Deeper nesting than the schema's ends here as a wrong type, so the
 * recursion is as deep as the schema and no deeper. */
static int scan_mapping(struct scan *scan, enum config_part part)
{
    int result = 0;

    assert(scan->depth < CONFIG_DEPTH_MAX);
    scan->depth++;
    scan->at = (struct config_field_ref){.part = part, .field = NO_FIELD};
    scan->inside = true;
    result = config_reading_add(scan->reading, part, event_line(scan), &scan->at.index);
    while (result == 0) {
        struct config_field_ref here = scan->at;

        here.field = NO_FIELD;
        result = next_event(scan);
        if (result < 0 || scan->event.type == YAML_MAPPING_END_EVENT)
            break;
        result = scan_key(scan);
        if (result == 0)
            result = scan_field(scan);
        if (result == 0)
            scan->at = here;
    }
    scan->depth--;
    return result < 0 ? result : check_required(scan);
}

static int scan_document(struct scan *scan)
{
    int result = next_event(scan); /* STREAM-START */

    assert(result < 0 || scan->event.type == YAML_STREAM_START_EVENT);
    if (result == 0)
        result = next_event(scan);
    if (result == 0 && scan->event.type == YAML_STREAM_END_EVENT)
        return refuse_here(scan, "empty", "a mapping of array, elements, volumes and others");
    if (result == 0)
        result = next_event(scan);
    if (result == 0 && scan->event.type != YAML_MAPPING_START_EVENT)
        return refuse_here(scan, event_words(&scan->event),
                           "a mapping of array, elements, volumes and others");
    if (result == 0)
        result = scan_mapping(scan, PART_TOP);
    scan->inside = false;
    if (result == 0)
        result = next_event(scan); /* DOCUMENT-END */
    if (result == 0)
        result = next_event(scan);
    if (result == 0 && scan->event.type != YAML_STREAM_END_EVENT)
        return refuse_here(scan, "a second YAML document", "one document");
    return result;
}

int config_scan(struct config_reading *reading)
{
    struct scan scan = {.reading = reading};
    int result = 0;

    if (!yaml_parser_initialize(&scan.parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&scan.parser, (const unsigned char *)reading->text,
                                 reading->text_bytes);
    result = scan_document(&scan);
    yaml_event_delete(&scan.event);
    yaml_parser_delete(&scan.parser);
    return result;
}
