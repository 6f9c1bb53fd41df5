#include "controller/config/volume_change_steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config_change.h"
#include "controller/config/saved.h"
#include "controller/config/job_start.h"
#include "shm/mapping.h"

static void begin_first(struct configurator *configurator);

/* --- the line --- */

static void change_free(struct volume_change *change)
{
    config_free(change->config);
    free(change->text);
    free(change);
}

/* Out of the line, and told; then the next one begins. */
static void end(struct volume_change *change, bool made)
{
    struct configurator *configurator = change->configurator;
    struct volume_changes *changes = &configurator->volume_changes;

    changes->first = change->next;
    if (changes->first == NULL)
        changes->last = NULL;
    change->changed(change->context, made ? NULL : &change->why);
    change_free(change);
    begin_first(configurator);
}

static void stand_in_line(struct configurator *configurator, struct volume_change *change)
{
    struct volume_changes *changes = &configurator->volume_changes;

    if (changes->last != NULL)
        changes->last->next = change;
    else
        changes->first = change;
    changes->last = change;
    if (changes->first == change)
        begin_first(configurator);
}

static void ask_for(struct configurator *configurator, bool creates, const char *text,
                    volume_changed *changed, void *context)
{
    static const struct config_error no_memory = {.text = "not enough memory"};
    struct volume_change *change = calloc(1, sizeof *change);
    char *copy = strdup(text);

    if (change == NULL || copy == NULL) {
        free(change);
        free(copy);
        changed(context, &no_memory);
        return;
    }
    *change = (struct volume_change){.configurator = configurator,
                                     .creates = creates,
                                     .text = copy,
                                     .changed = changed,
                                     .context = context};
    stand_in_line(configurator, change);
}

void volume_create(struct configurator *configurator, const char *entry, volume_changed *changed,
                   void *context)
{
    ask_for(configurator, true, entry, changed, context);
}

void volume_delete(struct configurator *configurator, const char *name, volume_changed *changed,
                   void *context)
{
    ask_for(configurator, false, name, changed, context);
}

/* --- steps --- */

/* The configuration that was made from the one before it takes its place. */
static void adopt(struct volume_change *change)
{
    struct configurator *configurator = change->configurator;

    config_free(configurator->volume_changes.config);
    configurator->volume_changes.config = change->config;
    configurator->config = change->config;
    change->config = NULL;
    saved_write(configurator);
}

/* In words what a status of a step means; that of others is the system's. */
static const char *reason(int status)
{
    switch (status) {
    case -EBUSY:
        return "a host is connected to it; allowed: a volume that no host uses";
    case -ENOTEMPTY:
        return "it has data; allowed: a range without data, as in an image that the array creates";
    case -EEXIST:
        return "its element's superblock knows a member of another volume there";
    case -ENOSPC:
        return "its element's superblock has no room for one more member";
    case -EPIPE:
        return "its controller is not there";
    default:
        return strerror(-status);
    }
}

static void explain(struct volume_change *change, int status)
{
    const struct segment *segment = &change->configurator->segment;
    uint32_t about = change->at < MEMBERS_MAX ? change->members[change->at] : change->volume;

    snprintf(change->why.text, sizeof change->why.text, "%s %s: %s", change->step->what,
             segment_volume(segment, about)->name, reason(status));
}

static const struct volume_step *first_step(const struct volume_change *change)
{
    return change->creates ? volume_create_steps : volume_delete_steps;
}

static void go_on(struct volume_change *change)
{
    change->at = MEMBERS_MAX;
    if (change->step->run != NULL) {
        change->step->run(change);
        return;
    }
    adopt(change);
    end(change, true);
}

/* `step` is the one behind those that are still to be undone. */
static void undo(struct volume_change *change)
{
    while (change->step > first_step(change)) {
        change->step--;
        change->at = MEMBERS_MAX;
        if (change->step->undo == NULL)
            continue;
        change->step->undo(change);
        return;
    }
    end(change, false);
}

/* A step that failed may have been done in part: it is undone as well. */
void volume_change_over(struct volume_change *change, int status)
{
    if (status != 0 && !change->undoing)
        explain(change, status);
    if (status != 0 && change->final)
        fprintf(stderr, "anyport: deleting %s\n", change->why.text);
    if (change->undoing) {
        undo(change);
        return;
    }
    change->step++;
    change->undoing = status != 0 && !change->final;
    if (change->undoing)
        undo(change);
    else
        go_on(change);
}

/* --- beginning --- */

static uint64_t *element_sizes(const struct segment *segment)
{
    uint64_t *sizes = calloc(segment->geometry.elements, sizeof *sizes);

    for (uint32_t i = 0; sizes != NULL && i < segment->geometry.elements; i++)
        /* relaxed: its owner has answered since it wrote it */
        sizes[i] = load_relaxed(&segment_element(segment, i)->size_bytes);
    return sizes;
}

static int refuse(struct volume_change *change, const char *text)
{
    snprintf(change->why.text, sizeof change->why.text, "%s", text);
    return -EINVAL;
}

const struct config_volume *volume_named(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        if (strcmp(config->volumes[i].name, name) == 0)
            return &config->volumes[i];
    }
    return NULL;
}

static int prepare_creation(struct volume_change *change, const uint64_t *sizes)
{
    const struct config *now = change->configurator->config;
    int error = config_with_volume(now, sizes, change->text, &change->config, &change->why);

    if (error != 0)
        return error;
    /* The entry was written by somebody else: it is one volume, and nothing more. */
    if (change->config->volumes_count != now->volumes_count + 1)
        return refuse(change, "it is not one volume");
    change->wanted = &change->config->volumes[now->volumes_count];
    return volume_table_enter(change);
}

static int prepare_deletion(struct volume_change *change, const uint64_t *sizes)
{
    const struct configurator *configurator = change->configurator;
    const struct config *now = configurator->config;

    change->wanted = volume_named(now, change->text);
    if (change->wanted == NULL)
        return refuse(change, "there is no such volume");
    if (change->wanted->member_of != CONFIG_NONE) {
        snprintf(change->why.text, sizeof change->why.text,
                 "it is a member of %s; allowed: a volume that is no member",
                 now->volumes[change->wanted->member_of].name);
        return -EINVAL;
    }
    uint32_t index = (uint32_t)(change->wanted - now->volumes);
    if (mapping_find_volume(&configurator->segment, change->text, strlen(change->text),
                            &change->volume) != 0)
        return refuse(change, "the mapping table does not know it");
    if (job_start_has_job(segment_volume(&configurator->segment, change->volume)))
        return refuse(change, "a job is working on it; allowed: when that is over");
    volume_table_find_members(change);
    return config_without_volume(now, sizes, index, &change->config, &change->why);
}

static int prepare(struct volume_change *change)
{
    struct configurator *configurator = change->configurator;
    struct volume_changes *changes = &configurator->volume_changes;
    const struct segment *segment = &configurator->segment;

    if (configurator->phase != CONFIGURATOR_RUNNING)
        return refuse(change, "the array is not running; allowed: while it is");
    if (changes->used == NULL) {
        changes->used = calloc(segment->geometry.volumes, sizeof *changes->used);
        for (uint32_t i = 0; changes->used != NULL && i < mapping_volumes_end(segment); i++)
            changes->used[i] = mapping_has_volume(segment, i);
    }
    uint64_t *sizes = element_sizes(segment);
    int error = -ENOMEM;
    if (sizes == NULL || changes->used == NULL)
        refuse(change, strerror(ENOMEM));
    else
        error = change->creates ? prepare_creation(change, sizes) : prepare_deletion(change, sizes);
    free(sizes);
    return error;
}

static void begin_first(struct configurator *configurator)
{
    struct volume_change *change = configurator->volume_changes.first;

    if (change == NULL || change->step != NULL) /* it is being made already */
        return;
    if (seats_are_starting(configurator)) /* who starts takes volumes as they are: later */
        return;
    if (prepare(change) != 0) {
        end(change, false);
        return;
    }
    change->step = first_step(change);
    go_on(change);
}

void volume_changes_look(struct configurator *configurator)
{
    begin_first(configurator);
}

void volume_changes_done(struct configurator *configurator)
{
    struct volume_changes *changes = &configurator->volume_changes;

    config_free(changes->config);
    free(changes->used);
    *changes = (struct volume_changes){0};
}
