#include "controller/config/replace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/configurator.h"
#include "controller/config/saved.h"
#include "controller/control_element.h"
#include "controller/superblock/image.h"
#include "controller/volume_state.h"
#include "shm/mapping.h"
#include "shm/member_states.h"

/* One replacing, from the request to its end. */
struct replacing {
    struct configurator *configurator;
    uint32_t index;
    char *image;            /* of the new image; NULL: the one it had */
    uint64_t size_bytes;    /* of the element */
    struct element element; /* the new image; fd -1: not open */
    bool created;           /* it is to be taken away when the rest fails */
    uint32_t members;       /* that are to be rebuilt */
    replace_done *done;
    void *context;
    char text[512];
};

/* The image that the element has now, or had last. */
static const char *image_in_use(const struct configurator *configurator, uint32_t index)
{
    const char *later = configurator->images.later[index];

    return later != NULL ? later : configurator->config->elements[index].image;
}

__attribute__((format(printf, 3, 4))) static int refuse(struct replacing *replacing, int error,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(replacing->text, sizeof replacing->text, format, arguments);
    va_end(arguments);
    return error;
}

/* --- the end --- */

static void end(struct replacing *replacing, const struct replaced *replaced)
{
    element_close(&replacing->element);
    if (replaced->status != 0 && replacing->created)
        element_remove(replacing->image);
    replacing->done(replacing->context, replaced);
    free(replacing->image);
    free(replacing);
}

static void fail(struct replacing *replacing, int error)
{
    end(replacing, &(struct replaced){.status = error, .text = replacing->text});
}

/* --- what is on the element --- */

/* Calls for each redundant volume that has a member on the element. */
static int each_volume(const struct replacing *replacing,
                       int (*visit)(struct replacing *replacing, uint32_t volume, uint32_t place),
                       struct replacing *context)
{
    const struct segment *segment = &replacing->configurator->segment;
    struct mapping_members members;
    int error = 0;

    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        if (mapping_members(segment, i, &members) != 0 ||
            !layout_kind_redundant((enum layout_kind)members.layout))
            continue;
        for (uint32_t j = 0; j < members.count && error == 0; j++) {
            if (segment_volume(segment, members.records[j].volume)->element == replacing->index)
                error = visit(context, i, j);
        }
    }
    return error;
}

/* A member that has not failed though its element has: without it the volume is lost, and what is
 * not rebuilt would be taken for its data. */
static int check_member(struct replacing *replacing, uint32_t volume, uint32_t place)
{
    struct volume_record *record = segment_volume(&replacing->configurator->segment, volume);
    struct member_states now = member_states_now(record);

    /* The rebuild that goes on would take the new image for the one that it has written to. */
    if ((now.rebuilding >> place & 1) != 0)
        return refuse(replacing, -EBUSY,
                      "volume %s does not know yet that its member failed while it was rebuilt; "
                      "allowed: in a moment",
                      record->name);
    if ((now.failed >> place & 1) != 0)
        return 0;
    return refuse(replacing, -EINVAL,
                  "volume %s is lost without it, so there is nothing to rebuild its member from; "
                  "allowed: elements whose volumes can do without them",
                  record->name);
}

static int want_rebuild(struct replacing *replacing, uint32_t volume, uint32_t place)
{
    replacing->members++;
    rebuilds_want(replacing->configurator, volume, UINT32_C(1) << place);
    return 0;
}

static uint64_t needed_bytes(const struct replacing *replacing)
{
    const struct segment *segment = &replacing->configurator->segment;
    uint64_t needed = 0;

    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        const struct volume_record *volume = segment_volume(segment, i);
        uint64_t end_bytes = volume->offset_bytes + volume->size_bytes;
        if (mapping_has_volume(segment, i) && volume->layout == 0 &&
            volume->element == replacing->index && end_bytes > needed)
            needed = end_bytes;
    }
    return needed;
}

static int check_size(struct replacing *replacing)
{
    uint64_t needed = needed_bytes(replacing);

    if (replacing->size_bytes >= needed && replacing->size_bytes < ELEMENT_BYTES_MAX)
        return 0;
    return refuse(replacing, -EINVAL,
                  "size is %" PRIu64 " bytes, and its volumes reach to %" PRIu64
                  "; allowed: at least that",
                  replacing->size_bytes, needed);
}

static int check(struct replacing *replacing)
{
    const struct segment *segment = &replacing->configurator->segment;
    const struct element_record *record = segment_element(segment, replacing->index);
    int64_t lost = volume_lost_without(segment, replacing->index);

    if (element_state_now(segment, replacing->index) == VOLUME_UNREACHABLE)
        return refuse(replacing, -EINVAL, "its controller is not there to take it");
    /* relaxed: its owner changes it, and says so itself when it has meanwhile */
    if (load_relaxed(&record->state) == ELEMENT_ONLINE)
        return refuse(replacing, -EINVAL,
                      "it has not failed; allowed: one that has (anyport element fail)");
    if (replacing->configurator->images.superblocks[replacing->index] == NULL)
        return refuse(replacing, -EINVAL,
                      "it has no superblock, so no redundant volume has a member on it; allowed: "
                      "elements with members of redundant volumes only");
    if (lost >= 0)
        return refuse(replacing, -EINVAL,
                      "volume %s is on it and cannot be rebuilt; allowed: elements with members of "
                      "redundant volumes only",
                      segment_volume(segment, (uint32_t)lost)->name);
    int error = each_volume(replacing, check_member, replacing);
    return error != 0 ? error : check_size(replacing);
}

/* --- the image --- */

/* What else the new image keeps: as the configuration wants it of new images. */
static struct tail new_tail(const struct replacing *replacing)
{
    const struct config *config = replacing->configurator->config;

    return tail_of(replacing->size_bytes, config->elements[replacing->index].checksums);
}

/* The same records as the image before it had, of an image that nobody can take for it: of no run,
 * and stale by its own word. */
static int make_superblock(struct replacing *replacing, struct superblock_of_image *superblock)
{
    *superblock = *replacing->configurator->images.superblocks[replacing->index];
    superblock->content.sequence = 0;
    superblock->content.tail = new_tail(replacing);
    for (uint32_t i = 0; i < superblock->content.members_count; i++) {
        struct superblock_member *record = &superblock->content.members[i];
        record->run = record->next_run = 0;
        record->failed = UINT32_C(1) << record->place;
        record->rebuilding = 0;
        record->rebuilt_bytes = 0;
    }
    return superblock_make_id(superblock->content.element_id);
}

static int create_image(struct replacing *replacing)
{
    const struct tail tail = new_tail(replacing);
    const struct element_wanted wanted = {.image = replacing->image,
                                          .size_bytes = replacing->size_bytes,
                                          .tail_bytes = tail_bytes(&tail)};
    struct superblock_of_image *superblock = malloc(sizeof *superblock);
    struct element_error why;

    if (superblock == NULL)
        return refuse(replacing, -ENOMEM, "not enough memory");
    int error = element_exists(wanted.image)
                    ? refuse(replacing, -EEXIST,
                             "%.300s exists, or cannot be looked at; allowed: the path of an image "
                             "that is to be created",
                             wanted.image)
                    : 0;
    if (error == 0 && (error = element_create(&replacing->element, &wanted, &why)) != 0)
        refuse(replacing, error, "%.200s: %s", wanted.image, why.text);
    replacing->created = error == 0;
    if (error == 0) {
        error = make_superblock(replacing, superblock);
        if (error == 0)
            error = superblock_create(&replacing->element, superblock);
        if (error != 0)
            refuse(replacing, error, "its superblock cannot be written: %s", strerror(-error));
    }
    free(superblock);
    return error;
}

static bool is_the_elements(const struct replacing *replacing, const struct superblock *found)
{
    const struct superblock *known =
        &replacing->configurator->images.superblocks[replacing->index]->content;

    return memcmp(known->array_id, found->array_id, SUPERBLOCK_ID_BYTES) == 0 &&
           strcmp(known->element, found->element) == 0;
}

static int open_same_image(struct replacing *replacing)
{
    const struct element_wanted wanted = {
        .image = image_in_use(replacing->configurator, replacing->index)};
    struct superblock_of_image *superblock = malloc(sizeof *superblock);
    struct element_error why;

    if (superblock == NULL)
        return refuse(replacing, -ENOMEM, "not enough memory");
    int error = element_open(&replacing->element, &wanted, &why);
    if (error != 0)
        refuse(replacing, error, "%.200s: %s", wanted.image, why.text);
    if (error == 0 && ((error = superblock_read(&replacing->element, superblock)) != 0 ||
                       !is_the_elements(replacing, &superblock->content)))
        error = refuse(replacing, error != 0 ? error : -EINVAL,
                       "%.200s has not the superblock of this element; allowed: the image that it "
                       "had, or a new one (--image)",
                       wanted.image);
    if (error == 0 && (error = element_keep_tail(&replacing->element, replacing->size_bytes,
                                                 tail_bytes(&superblock->content.tail), &why)) != 0)
        refuse(replacing, error, "%.200s: %s", wanted.image, why.text);
    free(superblock);
    return error;
}

/* --- the steps --- */

static void remember_image(struct replacing *replacing)
{
    char **later = &replacing->configurator->images.later[replacing->index];

    if (replacing->image == NULL)
        return;
    free(*later);
    *later = replacing->image;
    replacing->image = NULL;
    replacing->created = false;
    saved_write(replacing->configurator);
}

/* Of the description that the owner has now; see hand_over_elements. */
static void renew_witness(struct replacing *replacing)
{
    struct witness *witness = &replacing->configurator->witnesses[replacing->index];

    witness_close(witness);
    replacing->configurator->images.absent[replacing->index] = false;
    (void)witness_open(witness, replacing->element.fd, replacing->element.mark_byte);
}

static void watched(void *context, int status)
{
    (void)context, (void)status; /* who has none cannot take the element over, and says so then */
}

/* All controllers get a descriptor of the image, for the case that its owner dies. */
static void pass_witness(struct replacing *replacing)
{
    struct configurator *configurator = replacing->configurator;
    const struct control_message message = {.kind = CONTROL_WATCH_ELEMENT,
                                            .arguments = {replacing->index}};
    int fd = configurator->witnesses[replacing->index].fd;

    for (uint32_t id = 0; id < configurator->config->controllers && fd >= 0; id++)
        (void)configurator_ask(configurator, id, &message, fd, watched, NULL);
}

/* A controller that was too slow may take the image yet, so that stays where it is. */
static void fail_late(struct replacing *replacing)
{
    refuse(replacing, -ETIMEDOUT,
           "its controller has not said whether it took the image: Connection timed out; if the "
           "element is online later, fail it before it is replaced again");
    replacing->created = false;
    fail(replacing, -ETIMEDOUT);
}

static void taken(void *context, int status)
{
    struct replacing *replacing = context;

    if (status == -ETIMEDOUT) {
        fail_late(replacing);
        return;
    }
    if (status != 0) {
        refuse(replacing, status, "its controller could not take the image: %s", strerror(-status));
        fail(replacing, status);
        return;
    }
    renew_witness(replacing);
    pass_witness(replacing);
    remember_image(replacing);
    (void)each_volume(replacing, want_rebuild, replacing);
    end(replacing,
        &(struct replaced){.image = image_in_use(replacing->configurator, replacing->index),
                           .size_bytes = replacing->size_bytes,
                           .members = replacing->members});
}

static int ask_owner(struct replacing *replacing, const struct control_message *message, int fd,
                     control_answered *answered)
{
    const struct segment *segment = &replacing->configurator->segment;
    uint32_t owner = owner_load(&segment_element(segment, replacing->index)->owner).seat;
    int error = configurator_ask(replacing->configurator, owner, message, fd, answered, replacing);

    if (error != 0)
        refuse(replacing, error, "its controller cannot be asked: %s", strerror(-error));
    return error;
}

static void released(void *context, int status)
{
    struct replacing *replacing = context;
    struct control_message message;

    if (status != 0)
        refuse(replacing, status, "its controller does not give up the image it has: %s",
               strerror(-status));
    if (status == 0)
        status = replacing->image != NULL ? create_image(replacing) : open_same_image(replacing);
    if (status == 0) {
        control_element_describe(&message, replacing->index, &replacing->element);
        status = ask_owner(replacing, &message, replacing->element.fd, taken);
    }
    if (status != 0)
        fail(replacing, status);
}

void replace_element(struct configurator *configurator, uint32_t element, const char *image,
                     uint64_t size_bytes, replace_done *done, void *context)
{
    const struct control_message message = {.kind = CONTROL_RELEASE_ELEMENT,
                                            .arguments = {element}};
    struct replacing *replacing = calloc(1, sizeof *replacing);
    const struct element_record *record = segment_element(&configurator->segment, element);

    if (replacing == NULL) {
        done(context, &(struct replaced){.status = -ENOMEM, .text = "not enough memory"});
        return;
    }
    /* relaxed: its owner changes it by our request only */
    uint64_t old_bytes = load_relaxed(&record->size_bytes);
    *replacing = (struct replacing){.configurator = configurator,
                                    .index = element,
                                    .image = image != NULL ? strdup(image) : NULL,
                                    .size_bytes = size_bytes != 0 ? size_bytes : old_bytes,
                                    .element = {.fd = -1},
                                    .done = done,
                                    .context = context};
    int error = image != NULL && replacing->image == NULL
                    ? refuse(replacing, -ENOMEM, "not enough memory")
                    : check(replacing);
    if (error == 0)
        error = ask_owner(replacing, &message, -1, released);
    if (error != 0)
        fail(replacing, error);
}
