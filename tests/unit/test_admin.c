/*
 * The admin socket: what clients may get wrong, many of them at once, and the descriptor it passes.
 */
#include "tools/admin.h"

#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

#include <jansson.h>

#include "shm/mapping.h"
#include "tests/unit/unit.h"

enum { TURNS_MAX = 100000 };

static struct segment segment;
static struct watch watch;
static struct admin *admin;
static struct sockaddr_storage address;
static socklen_t address_bytes;
static int listener;

/* A method that is answered when the test says so. */
static struct admin_reply *slow_reply;

static void slow(const struct admin_service *with, const json_t *params, struct admin_reply *reply)
{
    CU_ASSERT_PTR_EQUAL(with->segment, &segment);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(params, "n")), 7);
    slow_reply = reply;
}

static void refusing(const struct admin_service *with, const json_t *params,
                     struct admin_reply *reply)
{
    (void)with;
    CU_ASSERT_PTR_NULL(params);
    admin_reply_error(reply, RPC_FAILED, "no");
}

static const struct admin_method changes[] = {
    {.name = "slow", .start = slow}, {.name = "refusing", .start = refusing}, {0}};

static int begin(void)
{
    const struct admin_service service = {.segment = &segment, .changes = changes};
    static const struct segment_wanted wanted = {.controllers = 2,
                                                 .elements = 2,
                                                 .volumes = 2,
                                                 .slots = 4,
                                                 .ring_entries = 4,
                                                 .buffers_bytes = BLOCK_BYTES};
    const struct volume_record volume = {.size_bytes = 4096, .name = "vol0"};
    const sa_family_t unnamed = AF_UNIX; /* a name of the system's own choosing */

    address_bytes = sizeof address;
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(segment_create(&segment, &wanted, "lab") == 0);
    assert(mapping_add_volume(&segment, 0, &volume) == 0);
    assert(bind(listener, (const struct sockaddr *)(const void *)&unnamed, sizeof unnamed) == 0);
    assert(listen(listener, 64) == 0);
    assert(getsockname(listener, (struct sockaddr *)&address, &address_bytes) == 0);
    assert(watch_init(&watch) == 0 && admin_new(&admin, &watch, listener, &service) == 0);
    return 0;
}

static int end(void)
{
    admin_free(admin);
    watch_done(&watch);
    segment_done(&segment);
    close(listener);
    return 0;
}

static int attach(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert(connect(fd, (const struct sockaddr *)&address, address_bytes) == 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* The next line, turning the watch meanwhile; false at the end of the file. */
static bool line_of(int fd, char *into, size_t room)
{
    size_t bytes = 0;

    for (int turns = 0; turns < TURNS_MAX && bytes + 1 < room; turns++) {
        ssize_t got = recv(fd, into + bytes, 1, MSG_DONTWAIT);
        if (got == 1 && into[bytes++] == '\n') {
            into[bytes - 1] = '\0';
            return true;
        }
        if (got == 0)
            return false;
        if (got < 0)
            watch_once(&watch, 0);
    }
    return false;
}

/* The error code of the next answer, 0 when it is a result, 1 when there is none. */
static int code_of(int fd)
{
    static char line[1 << 20];

    if (!line_of(fd, line, sizeof line))
        return 1;
    json_t *answer = json_loads(line, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL(answer);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(answer, "jsonrpc")), "2.0");
    json_t *error = json_object_get(answer, "error");
    int code = (int)json_integer_value(json_object_get(error, "code"));
    CU_ASSERT_EQUAL(error == NULL, json_object_get(answer, "result") != NULL);
    json_decref(answer);
    return code;
}

static int ask(const char *text)
{
    int fd = attach();

    say(fd, text);
    int code = code_of(fd);
    close(fd);
    return code;
}

/* --- tests --- */

static void each_method_is_answered(void)
{
    CU_ASSERT_EQUAL(ask("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":1}\n"), 0);
    CU_ASSERT_EQUAL(ask("{\"jsonrpc\":\"2.0\",\"method\":\"volume.list\",\"id\":\"x\"}\n"), 0);
    CU_ASSERT_EQUAL(ask("{\"jsonrpc\":\"2.0\",\"method\":\"controller.list\",\"id\":null}\n"), 0);
    CU_ASSERT_EQUAL(ask("{\"jsonrpc\":\"2.0\",\"method\":\"element.list\",\"id\":2}\n"), 0);
}

static void what_is_no_request_is_told_so(void)
{
    static const struct {
        const char *text;
        int code;
    } wrong[] = {
        {"\n", -32700},
        {"nonsense\n", -32700},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":1\n", -32700},
        {"\xff\xfe\n", -32700},
        {"5\n", -32700},
        {"[]\n", -32600},
        {"{}\n", -32600},
        {"{\"method\":\"status\",\"id\":1}\n", -32600},
        {"{\"jsonrpc\":\"1.0\",\"method\":\"status\",\"id\":1}\n", -32600},
        {"{\"jsonrpc\":\"2.0\",\"method\":7,\"id\":1}\n", -32600},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":[1]}\n", -32600},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"nothing\",\"id\":1}\n", -32601},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"slow\",\"params\":[7],\"id\":1}\n", -32602},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"slow\",\"params\":\"n\",\"id\":1}\n", -32602},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CU_ASSERT_EQUAL(ask(wrong[i].text), wrong[i].code);
}

static void deep_nesting_is_refused(void)
{
    static char text[50002];

    memset(text, '[', 50000);
    text[50000] = '\n';
    CU_ASSERT_EQUAL(ask(text), -32700);
}

static void requests_come_in_any_portions(void)
{
    const char *text = "{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":1}\nrubbish\n";
    int fd = attach();

    for (const char *at = text; *at != '\0'; at++) {
        assert(send(fd, at, 1, MSG_NOSIGNAL) == 1);
        watch_once(&watch, 0);
    }
    say(fd, text);
    CU_ASSERT_EQUAL(code_of(fd), 0);
    CU_ASSERT_EQUAL(code_of(fd), -32700);
    CU_ASSERT_EQUAL(code_of(fd), 0);
    CU_ASSERT_EQUAL(code_of(fd), -32700);
    close(fd);
}

static void a_line_that_is_too_long_ends_the_connection(void)
{
    static char text[ADMIN_LINE_BYTES_MAX + 1];
    int fd = attach();

    memset(text, ' ', sizeof text - 1);
    say(fd, text);
    CU_ASSERT_EQUAL(code_of(fd), -32600);
    CU_ASSERT_EQUAL(code_of(fd), 1);
    close(fd);
}

static void a_longest_line_is_answered(void)
{
    static char text[ADMIN_LINE_BYTES_MAX + 1];
    const char *request = "{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":1}";

    memset(text, ' ', sizeof text - 1);
    memcpy(text, request, strlen(request));
    text[sizeof text - 2] = '\n';
    CU_ASSERT_EQUAL(ask(text), 0);
}

static void a_notification_is_not_answered(void)
{
    int fd = attach();

    say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"status\"}\n"
            "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}\nrubbish\n");
    CU_ASSERT_EQUAL(code_of(fd), -32700);
    close(fd);
}

static const char status_please[] = "{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":1}\n";

/* One comes too many: who was idle longest goes, not the newcomer, and not who has just asked. */
static void the_longest_idle_makes_room(void)
{
    int fds[ADMIN_CONNECTIONS_MAX + 2];

    for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        fds[i] = attach();
        watch_once(&watch, 0);
    }
    say(fds[0], status_please);
    CU_ASSERT_EQUAL(code_of(fds[0]), 0);
    for (int i = ADMIN_CONNECTIONS_MAX; i < ADMIN_CONNECTIONS_MAX + 2; i++) {
        fds[i] = attach();
        say(fds[i], status_please);
        CU_ASSERT_EQUAL(code_of(fds[i]), 0);
    }
    CU_ASSERT_EQUAL(code_of(fds[1]), 1);
    CU_ASSERT_EQUAL(code_of(fds[2]), 1);
    say(fds[0], status_please);
    say(fds[3], status_please);
    CU_ASSERT_EQUAL(code_of(fds[0]), 0);
    CU_ASSERT_EQUAL(code_of(fds[3]), 0);
    for (int i = 0; i < ADMIN_CONNECTIONS_MAX + 2; i++)
        close(fds[i]);
    for (int i = 0; i < ADMIN_CONNECTIONS_MAX + 2; i++)
        watch_once(&watch, 0);
    CU_ASSERT_EQUAL(ask(status_please), 0);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* No descriptor for the next connection: it is not asked for again and again, and it is served when
 * there is one. */
static void without_descriptors_it_waits_quietly(void)
{
    struct rlimit before, none;
    int turns = 0;

    for (int i = 0; i < 10; i++)
        watch_once(&watch, 0); /* those who have left give their descriptors back */
    int fd = attach(), highest = dup(fd);
    close(highest);
    assert(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    none.rlim_cur = (rlim_t)highest;
    assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
    for (uint64_t began = now_ms(); now_ms() < began + 5 * ADMIN_ACCEPT_AGAIN_MS; turns++)
        watch_once(&watch, ADMIN_ACCEPT_AGAIN_MS);
    CU_ASSERT_TRUE(turns <= 5 * 3);
    assert(setrlimit(RLIMIT_NOFILE, &before) == 0);
    say(fd, status_please);
    CU_ASSERT_EQUAL(code_of(fd), 0);
    close(fd);
}

/* Sends requests until the socket takes no more; their answers are not read. */
static void flood(int fd)
{
    while (send(fd, status_please, strlen(status_please), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        watch_once(&watch, 0);
}

static size_t heap_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 heap = mallinfo2();

    return heap.uordblks + heap.hblkhd;
#endif
}

static bool was_dropped(int fd)
{
    struct pollfd look = {.fd = fd};

    return poll(&look, 1, 0) == 1 && (look.revents & POLLHUP) != 0;
}

/* It holds up nobody, no memory grows by it, and it is let go. */
static void who_does_not_read_is_dropped(void)
{
    size_t before = heap_bytes();
    uint64_t began = now_ms();
    int fd = attach();

    flood(fd);
    CU_ASSERT_EQUAL(ask(status_please), 0);
    CU_ASSERT_TRUE(heap_bytes() - before < 2 * ADMIN_LINE_BYTES_MAX + 65536);
    while (now_ms() - began < 4 * ADMIN_UNREAD_SECONDS * 1000 && !was_dropped(fd))
        watch_once(&watch, 100);
    CU_ASSERT_TRUE(was_dropped(fd));
    CU_ASSERT_TRUE(now_ms() - began >= ADMIN_UNREAD_SECONDS * 1000);
    close(fd);
    CU_ASSERT_EQUAL(ask(status_please), 0);
}

/* Slowly, but it reads: every request is answered. */
static void who_reads_late_gets_all_answers(void)
{
    int fd = attach(), asked = 0;

    while (asked < 2000 &&
           send(fd, status_please, strlen(status_please), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
        asked++;
        watch_once(&watch, 0);
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < asked; i++)
        CU_ASSERT_EQUAL(code_of(fd), 0);
    CU_ASSERT_EQUAL(code_of(fd), 1);
    close(fd);
}

static int receive_descriptor(int fd)
{
    char text[256], control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec range = {text, sizeof text};
    struct msghdr message = {.msg_iov = &range,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    int passed = -1;

    for (int turns = 0; turns < TURNS_MAX; turns++) {
        watch_once(&watch, 0);
        if (recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) > 0)
            break;
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_type == SCM_RIGHTS)
        memcpy(&passed, CMSG_DATA(header), sizeof passed);
    return passed;
}

static void the_segment_is_passed_for_reading_only(void)
{
    struct segment attached = {.fd = -1};
    int fd = attach();

    say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"segment\",\"id\":1}\n");
    int passed = receive_descriptor(fd);
    CU_ASSERT_TRUE_FATAL(passed >= 0);
    CU_ASSERT_EQUAL(fcntl(passed, F_GETFL) & O_ACCMODE, O_RDONLY);
    CU_ASSERT_PTR_EQUAL(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, passed, 0), MAP_FAILED);
    CU_ASSERT_EQUAL_FATAL(segment_attach_read_only(&attached, passed), 0);
    CU_ASSERT_STRING_EQUAL(segment_volume(&attached, 0)->name, "vol0");
    segment_done(&attached);
    close(fd);
}

/* The descriptor waits to be sent when the client leaves. */
static void who_asks_for_the_segment_and_leaves_leaks_nothing(void)
{
    int before = dup(0), after;

    close(before);
    for (int i = 0; i < 50; i++) {
        int fd = attach();
        say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"segment\"}\n"
                "{\"jsonrpc\":\"2.0\",\"method\":\"segment\"}\n");
        for (int turn = 0; turn < 3; turn++)
            watch_once(&watch, 0);
        close(fd);
        for (int turn = 0; turn < 3; turn++)
            watch_once(&watch, 0);
    }
    after = dup(0);
    close(after);
    CU_ASSERT_EQUAL(after, before);
}

static const char slow_please[] =
    "{\"jsonrpc\":\"2.0\",\"method\":\"slow\",\"params\":{\"n\":7},\"id\":1}\n";

static void turn_until_started(void)
{
    slow_reply = NULL;
    for (int turns = 0; turns < TURNS_MAX && slow_reply == NULL; turns++)
        watch_once(&watch, 0);
    assert(slow_reply != NULL);
}

/* Who waits holds up nobody, costs nothing, and has its next request answered afterwards. */
static void a_method_may_answer_later(void)
{
    int fd = attach(), turns = 0;

    say(fd, slow_please);
    say(fd, "rubbish\n");
    turn_until_started();
    CU_ASSERT_EQUAL(ask(status_please), 0);
    for (uint64_t end_ms = now_ms() + 50; now_ms() < end_ms; turns++)
        watch_once(&watch, 50);
    CU_ASSERT_TRUE(turns < 10);
    admin_reply_result(slow_reply, json_object());
    CU_ASSERT_EQUAL(code_of(fd), 0);
    CU_ASSERT_EQUAL(code_of(fd), -32700);
    say(fd, slow_please);
    turn_until_started();
    admin_reply_error(slow_reply, RPC_FAILED, "it did not work");
    CU_ASSERT_EQUAL(code_of(fd), -32000);
    close(fd);
}

static void a_method_may_refuse_at_once(void)
{
    CU_ASSERT_EQUAL(ask("{\"jsonrpc\":\"2.0\",\"method\":\"refusing\",\"id\":1}\n"), -32000);
}

static void who_waits_for_an_answer_may_go_away(void)
{
    for (int i = 0; i < 2 * ADMIN_CONNECTIONS_MAX; i++) {
        int fd = attach();
        say(fd, slow_please);
        turn_until_started();
        if (i % 2 == 0)
            shutdown(fd, SHUT_WR); /* only that it asks no more: it is answered */
        else
            close(fd);
        for (int turn = 0; turn < 3; turn++)
            watch_once(&watch, 0);
        admin_reply_result(slow_reply, json_object());
        if (i % 2 != 0)
            continue;
        CU_ASSERT_EQUAL(code_of(fd), 0);
        close(fd);
    }
    CU_ASSERT_EQUAL(ask(status_please), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"each method is answered", each_method_is_answered},
        {"what is no request is told so", what_is_no_request_is_told_so},
        {"deep nesting is refused", deep_nesting_is_refused},
        {"requests come in any portions", requests_come_in_any_portions},
        {"a line that is too long ends the connection",
         a_line_that_is_too_long_ends_the_connection},
        {"a longest line is answered", a_longest_line_is_answered},
        {"a notification is not answered", a_notification_is_not_answered},
        {"the longest idle makes room", the_longest_idle_makes_room},
        {"without descriptors it waits quietly", without_descriptors_it_waits_quietly},
        {"who does not read is dropped", who_does_not_read_is_dropped},
        {"who reads late gets all answers", who_reads_late_gets_all_answers},
        {"the segment is passed for reading only", the_segment_is_passed_for_reading_only},
        {"who asks for the segment and leaves leaks nothing",
         who_asks_for_the_segment_and_leaves_leaks_nothing},
        {"a method may answer later", a_method_may_answer_later},
        {"a method may refuse at once", a_method_may_refuse_at_once},
        {"who waits for an answer may go away", who_waits_for_an_answer_may_go_away},
    };

    begin();
    int status = UNIT_RUN("admin", tests);
    end();
    return status;
}
