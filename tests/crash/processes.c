#include "tests/crash/processes.h"

#undef NDEBUG
#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/crash_point.h"
#include "shm/reserve.h"

enum { LIMIT_MS = 20000, LOOK_MS = 1 };
enum { VOLUME = MEMBERS }; /* the virtual one; those before it are its members */
enum { GO_FILL = 1, GO_WRITE, GO_READ };

/* --- in a controller's process --- */

static struct {
    struct processes *processes;
    struct controller *controller;
    uint32_t id;
    bool is_child, armed;
    uint32_t begun; /* up to this of GO_ */
    struct command_waiter waiter;
} self;

/* The redoer is armed where it has found what the source left; all after that is the redoing. */
void crash_point(const char *name)
{
    if (!self.is_child)
        return;
    if (self.id == REDOER && strcmp(name, "redo.abandoned") == 0)
        self.armed = true;
    struct stage_of_test *stage = self.processes->stage;
    if (!self.armed || atomic_fetch_add(&stage->passed[self.id], 1) + 1 != stage->kill_at[self.id])
        return;
    snprintf(stage->killed_at[self.id], NAME_ROOM, "%s", name);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void ring(int fd)
{
    uint64_t one = 1;

    assert(write(fd, &one, sizeof one) == sizeof one);
}

static void replied(struct controller *controller, struct command *command)
{
    struct stage_of_test *stage = self.processes->stage;

    if (command->op == COMMAND_READ && command->status == 0)
        memcpy(stage->content, command->payload, command->length_bytes);
    stage->status = command->status;
    command_give(controller, command);
    self.armed = false;
    atomic_store(&stage->answered, self.begun);
    ring(self.processes->notice_fd);
}

static const struct command_origin origin = {
    .name = "test", .host = true, .travels = true, .reply = replied};

static void begin(uint8_t op, uint8_t flags, uint8_t fill, uint64_t offset_bytes,
                  uint64_t length_bytes)
{
    struct command *command;
    uint64_t payload_bytes = command_has_payload(op) ? length_bytes : 0;

    assert(command_take(self.controller, payload_bytes, offset_bytes, &self.waiter, &command) == 0);
    command->origin = &origin;
    command->op = op;
    command->flags = flags;
    command->volume = VOLUME;
    command->offset_bytes = offset_bytes;
    command->length_bytes = length_bytes;
    command->status = 0;
    command->count = 0;
    if (op == COMMAND_WRITE)
        memset(command->payload, fill, length_bytes);
    command_start(self.controller, command, STAGE_MAP);
}

static void on_turn(void *context)
{
    const struct processes *processes = context;
    const struct wanted *wanted = processes->wanted;
    uint32_t go = atomic_load(&processes->stage->go);
    uint32_t mine = go == GO_READ ? READER : SOURCE;

    if (go == self.begun || self.id != mine)
        return;
    self.begun = go;
    self.armed = go == GO_WRITE;
    if (go == GO_WRITE)
        begin(wanted->op, wanted->flags, FILL_WRITTEN, wanted->offset_bytes, wanted->length_bytes);
    else
        begin(go == GO_FILL ? COMMAND_WRITE : COMMAND_READ, 0, FILL_BEFORE, 0,
              processes->layout.size_bytes);
}

static void run(struct processes *processes, uint32_t id)
{
    struct element elements[MEMBERS];
    const char *what;

    for (uint32_t i = 0; i < MEMBERS; i++) {
        elements[i] = (struct element){.fd = -1, .file = -1};
        if (OWNERS + i % (CONTROLLERS - OWNERS) == id)
            elements[i] = processes->elements[i];
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    self.processes = processes;
    self.id = id;
    self.is_child = true;
    const struct controller_start start = {.id = id,
                                           .segment = processes->segment,
                                           .elements = elements,
                                           .doorbells = processes->doorbells,
                                           .notice_fd = processes->notice_fd};
    assert(controller_new(&self.controller, &start, &what) == 0);
    self.controller->hooks = (struct controller_hooks){.context = processes, .on_turn = on_turn};
    controller_run(self.controller);
    _exit(0);
}

/* --- the test's side --- */

static void wait_until(struct processes *processes, bool (*reached)(struct processes *processes))
{
    struct pollfd wait = {.fd = processes->notice_fd, .events = POLLIN};
    uint64_t rung;

    for (int looks = 0; looks < LIMIT_MS / LOOK_MS; looks++) {
        if (reached(processes))
            return;
        if (poll(&wait, 1, LOOK_MS) == 1)
            assert(read(wait.fd, &rung, sizeof rung) == sizeof rung);
    }
    fprintf(stderr, "in time: no; killed at %s, %s\n", processes->stage->killed_at[SOURCE],
            processes->stage->killed_at[REDOER]);
    abort();
}

static void publish(struct processes *processes)
{
    struct segment_header *header = segment_header(&processes->segment);

    /* relaxed: we are its only writer.  pairs with the controllers' load */
    store_release(&header->membership, load_relaxed(&header->membership) + 1);
}

static void ring_all_but(const struct processes *processes, uint32_t one)
{
    for (uint32_t i = 0; i < CONTROLLERS; i++) {
        if (i != one)
            ring(processes->doorbells[i]);
    }
}

static bool is_alive(const struct processes *processes, uint32_t id)
{
    return processes->pids[id] != 0;
}

/* Whether the process was killed meanwhile. Without waiting for it. */
static bool has_died(struct processes *processes, uint32_t id)
{
    int status;

    if (processes->pids[id] == 0 || waitpid(processes->pids[id], &status, WNOHANG) == 0)
        return processes->pids[id] == 0;
    assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* nothing else ends it */
    processes->pids[id] = 0;
    return true;
}

/* Its I/O was all done by system calls of its own. */
static void declare_dead(struct processes *processes, uint32_t id)
{
    struct seat *seat = segment_seat(&processes->segment, id);

    seat_declare_dead(seat, seat_epoch(seat));
    publish(processes);
    seat_set_state(seat, SEAT_DRAINED);
    publish(processes);
}

static void make_elements(struct processes *processes)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct element_record *record = segment_element(&processes->segment, i);
        struct volume_record volume = {.size_bytes = MEMBER_BYTES, .element = i};
        struct element_wanted wanted = {.size_bytes = MEMBER_BYTES};
        struct element_error why;
        char path[64];

        processes->images[i] = memfd_create("image", MFD_CLOEXEC);
        assert(processes->images[i] >= 0 && ftruncate(processes->images[i], MEMBER_BYTES) == 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", processes->images[i]);
        wanted.image = path;
        assert(element_open(&processes->elements[i], &wanted, &why) == 0);
        snprintf(record->name, sizeof record->name, "disk%u", i);
        record->size_bytes = MEMBER_BYTES;
        owner_enter(&record->owner, OWNERS + i % (CONTROLLERS - OWNERS), SEAT_EPOCH_FIRST);
        snprintf(volume.name, sizeof volume.name, "vol%u", i);
        assert(mapping_add_volume(&processes->segment, i, &volume) == 0);
        *segment_member(&processes->segment, i) =
            (struct member_record){.volume = i, .size_bytes = MEMBER_BYTES};
    }
}

static void make_virtual(struct processes *processes)
{
    const struct wanted *wanted = processes->wanted;
    const uint64_t sizes[MEMBERS] = {MEMBER_BYTES, MEMBER_BYTES, MEMBER_BYTES, MEMBER_BYTES};
    const struct layout_wanted layout = {.kind = wanted->kind,
                                         .members = MEMBERS,
                                         .chunk_bytes = wanted->kind == LAYOUT_MIRROR ? 0 : CHUNK,
                                         .member_bytes = sizes};

    assert(layout_init(&processes->layout, &layout, processes->starts) == 0);
    const struct volume_record record = {.name = "virtual",
                                         .size_bytes = processes->layout.size_bytes,
                                         .element = ELEMENT_NONE,
                                         .layout = wanted->kind,
                                         .members_count = MEMBERS,
                                         .copies = processes->layout.copies,
                                         .chunk_bytes = processes->layout.chunk_bytes,
                                         .run = 1,
                                         .members_now = wanted->failed};
    assert(mapping_add_volume(&processes->segment, VOLUME, &record) == 0);
}

static bool all_run(struct processes *processes)
{
    for (uint32_t i = 0; i < CONTROLLERS; i++) {
        if (seat_state(segment_seat(&processes->segment, i)) != SEAT_RUNNING)
            return false;
    }
    return true;
}

static bool is_answered(struct processes *processes)
{
    return atomic_load(&processes->stage->answered) == atomic_load(&processes->stage->go) ||
           has_died(processes, SOURCE);
}

static void have_done(struct processes *processes, uint32_t what, uint32_t by)
{
    atomic_store(&processes->stage->go, what);
    ring(processes->doorbells[by]);
    wait_until(processes, is_answered);
}

void processes_start(struct processes *processes, const struct wanted *wanted,
                     uint32_t kill_source_at, uint32_t kill_redoer_at)
{
    const struct segment_wanted shape = {.controllers = CONTROLLERS,
                                         .elements = MEMBERS,
                                         .volumes = MEMBERS + 1,
                                         .members = MEMBERS,
                                         .slots = 64,
                                         .ring_entries = 64,
                                         .buffers_bytes = BUFFERS_BYTES_MIN};

    *processes = (struct processes){.wanted = wanted};
    assert(segment_create(&processes->segment, &shape, "test") == 0);
    segment_header(&processes->segment)->coordination_policy = COORDINATION_STRICT;
    processes->stage = mmap(NULL, sizeof *processes->stage, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(processes->stage != MAP_FAILED);
    processes->stage->kill_at[SOURCE] = kill_source_at;
    processes->stage->kill_at[REDOER] = kill_redoer_at;
    make_elements(processes);
    make_virtual(processes);
    processes->notice_fd = eventfd(0, EFD_CLOEXEC);
    for (uint32_t i = 0; i < CONTROLLERS; i++) {
        processes->doorbells[i] = eventfd(0, EFD_CLOEXEC);
        /* relaxed: processes see what was written before they were started */
        store_relaxed(&segment_seat(&processes->segment, i)->epoch, SEAT_EPOCH_FIRST);
    }
    for (uint32_t i = 0; i < CONTROLLERS; i++) {
        processes->pids[i] = fork();
        assert(processes->pids[i] >= 0);
        if (processes->pids[i] == 0)
            run(processes, i);
    }
    wait_until(processes, all_run);
    have_done(processes, GO_FILL, SOURCE);
    assert(is_alive(processes, SOURCE) && processes->stage->status == 0);
}

bool processes_write(struct processes *processes)
{
    have_done(processes, GO_WRITE, SOURCE);
    return !is_alive(processes, SOURCE);
}

static bool others_are_done_with_the_source(struct processes *processes)
{
    for (uint32_t i = READER; i < CONTROLLERS; i++) {
        if (!seat_is_done_with(segment_seat(&processes->segment, i), SOURCE))
            return false;
    }
    return true;
}

static void count_word(void *context, const struct reserve_view *view)
{
    (void)view;
    ++*(uint32_t *)context;
}

static bool is_recovered(struct processes *processes)
{
    const struct region_table table = segment_region_table(&processes->segment);
    uint32_t words = 0;

    if (is_alive(processes, REDOER) && has_died(processes, REDOER)) {
        declare_dead(processes, REDOER);
        ring_all_but(processes, SOURCE);
    }
    reserve_walk(&table, count_word, &words);
    return words == 0 && !redo_pending(&processes->segment, SOURCE) &&
           !redo_pending(&processes->segment, REDOER);
}

bool processes_recover(struct processes *processes)
{
    declare_dead(processes, SOURCE);
    ring_all_but(processes, REDOER);
    wait_until(processes, others_are_done_with_the_source);
    ring(processes->doorbells[REDOER]);
    wait_until(processes, is_recovered);
    return !is_alive(processes, REDOER);
}

void processes_read(struct processes *processes)
{
    atomic_store(&processes->stage->go, GO_READ);
    ring(processes->doorbells[READER]);
    for (int looks = 0; atomic_load(&processes->stage->answered) != GO_READ; looks++) {
        struct pollfd wait = {.fd = processes->notice_fd, .events = POLLIN};
        uint64_t rung;
        assert(looks < LIMIT_MS);
        if (poll(&wait, 1, LOOK_MS) == 1)
            assert(read(wait.fd, &rung, sizeof rung) == sizeof rung);
    }
    assert(processes->stage->status == 0);
}

void processes_end(struct processes *processes)
{
    for (uint32_t i = 0; i < CONTROLLERS; i++) {
        if (processes->pids[i] != 0) {
            kill(processes->pids[i], SIGKILL);
            assert(waitpid(processes->pids[i], NULL, 0) == processes->pids[i]);
        }
        close(processes->doorbells[i]);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        element_close(&processes->elements[i]);
        close(processes->images[i]);
    }
    close(processes->notice_fd);
    munmap(processes->stage, sizeof *processes->stage);
    segment_done(&processes->segment);
}
