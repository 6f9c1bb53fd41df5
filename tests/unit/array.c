#include "tests/unit/array.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/channel.h"

enum { LIMIT_MS = 20000, LOOK_MS = 5 };

static void ring(int fd)
{
    uint64_t one = 1;

    assert(write(fd, &one, sizeof one) == sizeof one);
}

void array_ring(struct array *array, uint32_t seat)
{
    ring(array->doorbells[seat]);
}

/* --- a host: in its controller's thread --- */

static bool all_bytes_are(const uint8_t *memory, uint64_t bytes, uint8_t fill)
{
    return bytes == 0 || (memory[0] == fill && memcmp(memory, memory + 1, bytes - 1) == 0);
}

static void host_reply(struct controller *controller, struct command *command)
{
    struct host *host = controller->hooks.context;

    command_queue_push(&host->replies, command);
}

/* Wherever it lies: a cache answers from its own blocks. */
static bool is_read(const struct command *command, const struct job *job)
{
    uint64_t run_bytes;
    bool right = true;

    if (job->tag != 0)
        return memcmp(command->payload + command_place(command, 0, &run_bytes), &job->tag,
                      sizeof job->tag) == 0;
    for (uint64_t at = 0; at < job->bytes; at += run_bytes) {
        const uint8_t *place = command->payload + command_place(command, (int64_t)at, &run_bytes);
        if (run_bytes > job->bytes - at)
            run_bytes = job->bytes - at;
        right = right && all_bytes_are(place, run_bytes, job->fill);
    }
    return right;
}

static const struct command_origin host_origin = {
    .name = "test", .host = true, .travels = true, .finds = true, .reply = host_reply};

static void take_reply(struct host *host, struct command *command)
{
    struct job *job = command->owner;

    job->status = command->status;
    if (job->op == COMMAND_READ && command->status == 0)
        job->wrong = !is_read(command, job);
    job->replied = true;
    command_give(host->controller, command);
    host->in_flight--;
    /* relaxed: we are its only writer.  pairs with the test's load: the job is complete */
    store_release(&host->answered, load_relaxed(&host->answered) + 1);
    ring(host->answered_fd);
}

/* False: it has to wait for a command or a buffer. */
static bool issue(struct host *host, struct job *job)
{
    uint64_t payload = job->op == COMMAND_EXTENTS     ? EXTENTS_MAX * sizeof(struct extent)
                       : command_has_payload(job->op) ? job->bytes
                                                      : 0;
    struct command *command;
    int error = command_take(host->controller, payload, job->offset_bytes, &host->waiter, &command);

    if (error == -EAGAIN)
        return false;
    assert(error == 0);
    command->origin = &host_origin;
    command->owner = job;
    command->op = job->op;
    command->flags = job->flags;
    command->volume = job->volume;
    command->offset_bytes = job->offset_bytes;
    command->length_bytes = job->bytes;
    command->status = 0;
    command->count = 0;
    if (job->op == COMMAND_WRITE)
        memset(command->payload, job->fill, job->bytes);
    if (job->op == COMMAND_WRITE && job->tag != 0)
        memcpy(command->payload, &job->tag, sizeof job->tag);
    host->issued++;
    host->in_flight++;
    command_start(host->controller, command, STAGE_MAP);
    return true;
}

static void issue_some(struct host *host)
{
    /* pairs with host_submit: the job is complete */
    while (!host->stopping && host->in_flight < host->depth &&
           host->issued < load_acquire(&host->submitted)) {
        if (host->array->wanted.before_job != NULL)
            host->array->wanted.before_job(host);
        if (!issue(host, &host->jobs[host->issued % ARRAY_JOBS_MAX]))
            return;
    }
}

static void may_go_on(struct command_waiter *waiter)
{
    issue_some((struct host *)((char *)waiter - offsetof(struct host, waiter)));
}

static uint32_t host_random(struct host *host, uint32_t below)
{
    host->seed = host->seed * 1664525u + 1013904223u;
    return (host->seed >> 16) % below;
}

/* What is about to be published is lost or said twice. */
static void sabotage_peer(struct host *host, struct peer *peer)
{
    struct outbox *outbox = &peer->outboxes[0];

    if (outbox->count == 0 || host_random(host, 4) != 0)
        return;
    if (host->array->wanted.sabotage == SABOTAGE_DROP)
        outbox->count--;
    else if (host->array->wanted.sabotage == SABOTAGE_DOUBLE)
        (void)outbox_put(
            outbox, outbox->entries[(outbox->first + outbox->count - 1) % outbox->capacity], 0);
}

static void on_turn(void *context)
{
    struct host *host = context;
    struct command *command;

    do { /* what is issued may end at once */
        while ((command = command_queue_pop(&host->replies)) != NULL)
            take_reply(host, command);
        if (host->waiter.next == NULL) /* else it is told when to go on, as a session is */
            issue_some(host);
    } while (host->replies.head != NULL);
    for (uint32_t id = 0; id < host->controller->peers.count; id++) {
        if (host->array->wanted.sabotage != SABOTAGE_NONE && id != host->id)
            sabotage_peer(host, &host->controller->peers.all[id]);
    }
}

static void on_quiesce(void *context)
{
    ((struct host *)context)->stopping = true;
}

static bool is_quiet(void *context)
{
    return ((struct host *)context)->in_flight == 0;
}

static void *run_controller(void *argument)
{
    struct host *host = argument;
    struct array *array = host->array;
    struct element elements[ARRAY_CONTROLLERS_MAX];
    const char *what;

    for (uint32_t i = 0; i < array->wanted.controllers; i++) {
        elements[i] = (struct element){.fd = -1, .file = -1};
        if (i == host->id)
            elements[i] = array->elements[i];
    }
    int control = host->control_end;
    struct controller_start start = {.id = host->id,
                                     .segment = array->segment,
                                     .elements = elements,
                                     .superblocks = array->superblocks,
                                     .images = array->witnesses,
                                     .doorbells = array->doorbells,
                                     .notice_fd = array->notice_fd,
                                     .control = &control};
    int error = controller_new(&host->controller, &start, &what);
    if (error != 0)
        fprintf(stderr, "%s: %s\n", what, strerror(-error));
    assert(error == 0);
    host->controller->hooks = (struct controller_hooks){
        .context = host, .on_turn = on_turn, .on_quiesce = on_quiesce, .is_quiet = is_quiet};
    host->run_status = controller_run(host->controller);
    controller_free(host->controller);
    close(control);
    return NULL;
}

/* --- the test's side --- */

uint32_t host_submit(struct array *array, uint32_t id, struct job job)
{
    struct host *host = array->hosts[id];
    /* relaxed: we are its only writer */
    uint32_t number = load_relaxed(&host->submitted);

    assert(number - load_acquire(&host->answered) < ARRAY_JOBS_MAX);
    host->jobs[number % ARRAY_JOBS_MAX] = job;
    /* pairs with issue_some's load */
    store_release(&host->submitted, number + 1);
    array_ring(array, id);
    return number;
}

bool host_wait(struct array *array, uint32_t id, uint32_t count)
{
    struct host *host = array->hosts[id];
    struct pollfd wait = {.fd = host->answered_fd, .events = POLLIN};
    uint64_t rung;

    while (load_acquire(&host->answered) < count) {
        if (poll(&wait, 1, LIMIT_MS) != 1)
            return false;
        assert(read(host->answered_fd, &rung, sizeof rung) == sizeof rung);
    }
    return true;
}

bool host_wait_all(struct array *array, uint32_t id)
{
    /* relaxed: we are its only writer */
    return host_wait(array, id, load_relaxed(&array->hosts[id]->submitted));
}

bool array_wait_until(struct array *array, bool (*reached)(struct array *array))
{
    struct pollfd wait = {.fd = array->notice_fd, .events = POLLIN};
    uint64_t rung;

    for (int looks = 0; looks < LIMIT_MS / LOOK_MS; looks++) {
        if (reached(array))
            return true;
        if (poll(&wait, 1, LOOK_MS) == 1)
            assert(read(array->notice_fd, &rung, sizeof rung) == sizeof rung);
    }
    return false;
}

int array_ask(struct array *array, uint32_t id, struct control_message message, int pass_fd)
{
    struct pollfd wait = {.fd = array->control[id], .events = POLLIN};
    struct control_answer answer;
    int fd;

    message.number = ++array->asked;
    assert(channel_send(wait.fd, &message, sizeof message, pass_fd) == 0);
    if (pass_fd >= 0)
        close(pass_fd);
    assert(poll(&wait, 1, LIMIT_MS) == 1);
    assert(channel_receive(wait.fd, &answer, sizeof answer, &fd) == 0);
    assert(answer.number == message.number && answer.zero == 0 && fd == -1);
    return answer.status;
}

void array_publish(struct array *array)
{
    segment_raise_membership(&array->segment);
    for (uint32_t i = 0; i < array->wanted.controllers; i++)
        array_ring(array, i);
}

void array_inject(struct array *array, uint32_t source, uint32_t target, uint32_t fabric,
                  struct link_fault fault)
{
    link_inject(segment_link(&array->segment, source, target, fabric), fault, 1);
}

void array_set_seat(struct array *array, uint32_t id, enum seat_state state)
{
    struct seat *seat = segment_seat(&array->segment, id);

    if (state == SEAT_DEAD)
        /* relaxed: we are its only writer.  pairs with seat_epoch */
        store_release(&seat->epoch, load_relaxed(&seat->epoch) + 1);
    seat_set_state(seat, state);
    array_publish(array);
}

void array_request(struct array *array, enum seat_request request)
{
    for (uint32_t i = 0; i < array->wanted.controllers; i++)
        /* relaxed: published with the membership */
        store_relaxed(&segment_seat(&array->segment, i)->request, request);
    array_publish(array);
}

/* What is behind the data of an image that has a superblock. */
static struct tail tail_of_image(const struct array *array)
{
    return tail_of(ARRAY_ELEMENT_BYTES, array->wanted.checksums);
}

static int new_image(const struct array *array)
{
    const struct tail tail = tail_of_image(array);
    char path[] = "/tmp/anyport-test-XXXXXX";
    int fd = array->wanted.direct ? mkstemp(path) : memfd_create("image", MFD_CLOEXEC);

    assert(fd >= 0 && ftruncate(fd, ARRAY_ELEMENT_BYTES + tail_bytes(&tail)) == 0);
    if (array->wanted.direct)
        assert(unlink(path) == 0);
    return fd;
}

/* With a record of the member that the virtual volume has on this element: all of it. */
static void make_superblock(struct array *array, uint32_t id)
{
    struct superblock_of_image *superblock = calloc(1, sizeof *superblock);
    struct element *element = &array->elements[id];
    struct element_error why;

    assert(superblock != NULL);
    snprintf(superblock->content.array, sizeof superblock->content.array, "test");
    snprintf(superblock->content.element, sizeof superblock->content.element, "disk%u", id);
    superblock->content.members_count = 1;
    superblock->content.members[0] =
        (struct superblock_member){.volume = "virtual",
                                   .layout = array->wanted.layout,
                                   .members = array->wanted.controllers,
                                   .place = id,
                                   .size_bytes = ARRAY_ELEMENT_BYTES,
                                   .run = 1};
    superblock->content.tail = tail_of_image(array);
    assert(element_keep_tail(element, ARRAY_ELEMENT_BYTES, tail_bytes(&superblock->content.tail),
                             &why) == 0);
    assert(superblock_create(element, superblock) == 0);
    array->superblocks[id] = superblock;
}

uint32_t array_marked_on(const struct array *array, uint32_t id)
{
    struct superblock *both = calloc(SUPERBLOCK_COPIES, sizeof *both);
    uint8_t *copies = malloc(SUPERBLOCK_BYTES);

    assert(both != NULL && copies != NULL);
    const struct tail tail = tail_of_image(array);
    off_t behind = ARRAY_ELEMENT_BYTES + (off_t)tail_bytes(&tail) - SUPERBLOCK_BYTES;
    assert(pread(array->images[id], copies, SUPERBLOCK_BYTES, behind) == SUPERBLOCK_BYTES);
    for (uint32_t i = 0; i < SUPERBLOCK_COPIES; i++)
        assert(superblock_decode(copies + i * SUPERBLOCK_COPY_BYTES, &both[i]) == 0);
    bool second = both[1].sequence > both[0].sequence;
    /* The one before it is still there. */
    assert(both[second].sequence == both[!second].sequence + 1);
    uint32_t failed = both[second].members[0].failed;
    free(both);
    free(copies);
    return failed;
}

static void make_element(struct array *array, uint32_t id)
{
    struct volume_record volume = {.size_bytes = ARRAY_ELEMENT_BYTES, .element = id};
    struct element_record *record = segment_element(&array->segment, id);
    struct element_error why;
    char path[64];

    array->images[id] = new_image(array);
    snprintf(path, sizeof path, "/proc/self/fd/%d", array->images[id]);
    struct element_wanted wanted = {.image = path, .size_bytes = ARRAY_ELEMENT_BYTES};
    assert(element_open(&array->elements[id], &wanted, &why) == 0);
    if (array->wanted.superblocks && array->wanted.bare != id + 1)
        make_superblock(array, id);
    if (array->wanted.buffered)
        array->elements[id].mode = ELEMENT_MODE_BUFFERED;
    snprintf(record->name, sizeof record->name, "disk%u", id);
    record->size_bytes = ARRAY_ELEMENT_BYTES;
    owner_enter(&record->owner, id, 1);
    array->witnesses[id] =
        (struct witness){.fd = array->images[id], .mark_byte = array->elements[id].mark_byte};
    /* relaxed: no controller has started yet */
    store_relaxed(&record->mark_byte, array->elements[id].mark_byte);
    store_relaxed(&record->tail_bytes, array->elements[id].tail_bytes); /* relaxed: as above */
    snprintf(volume.name, sizeof volume.name, "vol%u", id);
    assert(mapping_add_volume(&array->segment, id, &volume) == 0);
}

static void make_virtual(struct array *array)
{
    const struct array_wanted *wanted = &array->wanted;
    uint64_t sizes[ARRAY_CONTROLLERS_MAX], starts[ARRAY_CONTROLLERS_MAX + 1];
    const struct layout_wanted layout_wanted = {.kind = wanted->layout,
                                                .members = wanted->controllers,
                                                .copies = wanted->copies,
                                                .chunk_bytes = wanted->chunk_bytes,
                                                .member_bytes = sizes};
    struct layout layout;

    for (uint32_t i = 0; i < wanted->controllers; i++) {
        sizes[i] = ARRAY_ELEMENT_BYTES;
        *segment_member(&array->segment, i) =
            (struct member_record){.volume = i, .size_bytes = ARRAY_ELEMENT_BYTES};
    }
    assert(layout_init(&layout, &layout_wanted, starts) == 0);
    struct volume_record record = {.name = "virtual",
                                   .size_bytes = layout.size_bytes,
                                   .element = ELEMENT_NONE,
                                   .layout = wanted->layout,
                                   .members_count = wanted->controllers,
                                   .copies = wanted->copies,
                                   .chunk_bytes = wanted->chunk_bytes,
                                   .marked = wanted->superblocks,
                                   .run = 1};
    assert(mapping_add_volume(&array->segment, array_virtual(array), &record) == 0);
}

uint32_t array_virtual(const struct array *array)
{
    return array->wanted.controllers;
}

struct volume_record *array_virtual_record(const struct array *array)
{
    return segment_volume(&array->segment, array_virtual(array));
}

static void start_host(struct array *array, uint32_t id)
{
    struct host *host = calloc(1, sizeof *host);

    assert(host != NULL);
    host->array = array;
    host->id = id;
    host->depth = 64;
    host->seed = id + 1;
    host->waiter.fire = may_go_on;
    host->answered_fd = eventfd(0, EFD_CLOEXEC);
    assert(host->answered_fd >= 0);
    int ends[2];
    assert(channel_pair(ends) == 0);
    array->control[id] = ends[0];
    host->control_end = ends[1];
    array->hosts[id] = host;
    assert(pthread_create(&host->thread, NULL, run_controller, host) == 0);
}

static bool all_run(struct array *array)
{
    for (uint32_t i = 0; i < array->wanted.controllers - array->wanted.puppets; i++) {
        if (seat_state(segment_seat(&array->segment, i)) != SEAT_RUNNING)
            return false;
    }
    return true;
}

struct array *array_start(const struct array_wanted *wanted)
{
    struct array *array = calloc(1, sizeof *array);
    struct segment_wanted shape = {.controllers = wanted->controllers,
                                   .elements = wanted->controllers,
                                   .volumes = wanted->controllers + (wanted->layout != 0),
                                   .members = wanted->layout != 0 ? wanted->controllers : 0,
                                   .slots = wanted->slots,
                                   .ring_entries = wanted->ring_entries,
                                   .buffers_bytes = wanted->buffers_bytes,
                                   .cache_bytes = wanted->cache_bytes,
                                   .trace_events = TRACE_EVENTS_MIN};

    assert(array != NULL);
    array->wanted = *wanted;
    assert(segment_create(&array->segment, &shape, "test") == 0);
    segment_header(&array->segment)->interconnect = wanted->interconnect;
    segment_header(&array->segment)->cache_mode = wanted->cache_mode;
    segment_header(&array->segment)->cache_in_memory = !wanted->direct;
    segment_header(&array->segment)->coordination_policy = wanted->policy;
    /* relaxed: no controller has started yet */
    store_relaxed(&segment_header(&array->segment)->trace_level, TRACE_STAGES);
    array->notice_fd = eventfd(0, EFD_CLOEXEC);
    for (uint32_t i = 0; i < wanted->controllers; i++) {
        array->doorbells[i] = eventfd(0, EFD_CLOEXEC);
        make_element(array, i);
        /* relaxed: threads see what was written before they were started */
        store_relaxed(&segment_seat(&array->segment, i)->epoch, 1);
    }
    if (wanted->layout != 0)
        make_virtual(array);
    for (uint32_t i = 0; i < wanted->controllers - wanted->puppets; i++)
        start_host(array, i);
    for (uint32_t i = wanted->controllers - wanted->puppets; i < wanted->controllers; i++)
        seat_set_state(segment_seat(&array->segment, i), SEAT_RUNNING);
    assert(array_wait_until(array, all_run));
    return array;
}

static int join_host(struct host *host)
{
    int status;

    if (host == NULL)
        return 0;
    pthread_join(host->thread, NULL);
    status = host->run_status;
    close(host->answered_fd);
    free(host);
    return status;
}

int array_stop(struct array *array)
{
    int status = 0;

    array_request(array, SEAT_REQUEST_STOP);
    for (uint32_t i = 0; i < array->wanted.controllers; i++) {
        if (array->hosts[i] == NULL)
            element_close(&array->elements[i]);
        if (join_host(array->hosts[i]) != 0)
            status = -EIO;
        /* relaxed: its thread has ended. An end in order leaves no I/O on its way. */
        if (load_relaxed(&segment_element(&array->segment, i)->counters.in_flight) != 0)
            status = -EBUSY;
    }
    for (uint32_t i = 0; i < array->wanted.controllers; i++) { /* nobody rings any more */
        close(array->images[i]);
        free(array->superblocks[i]);
        close(array->doorbells[i]);
        if (array->control[i] > 0)
            close(array->control[i]);
    }
    close(array->notice_fd);
    segment_done(&array->segment);
    free(array);
    return status;
}
