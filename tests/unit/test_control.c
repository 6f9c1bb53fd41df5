/*
 * The control channel: both of its ends, each against one that does what the test wants, and what a
 * controller does with requests that make no sense.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/config/control_line.h"
#include "io/channel.h"
#include "tests/unit/array.h"
#include "tests/unit/unit.h"

/* --- the channel itself --- */

static int open_descriptors(void)
{
    int next = dup(0);

    close(next);
    return next;
}

static void messages_are_whole_and_carry_a_descriptor(void)
{
    int ends[2], fd, before = open_descriptors();
    char into[8];

    assert(channel_pair(ends) == 0);
    CU_ASSERT_EQUAL(channel_receive(ends[1], into, 8, &fd), -EAGAIN);
    CU_ASSERT_EQUAL(channel_send(ends[0], "12345678", 8, ends[1]), 0);
    CU_ASSERT_EQUAL(channel_send(ends[0], "abcdefgh", 8, -1), 0);
    CU_ASSERT_EQUAL(channel_receive(ends[1], into, 8, &fd), 0);
    CU_ASSERT_EQUAL(memcmp(into, "12345678", 8), 0);
    CU_ASSERT_TRUE(fd > ends[1] && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
    CU_ASSERT_EQUAL(channel_receive(ends[1], into, 8, &fd), 0);
    CU_ASSERT_EQUAL(fd, -1);
    /* of another size: gone, and with it what it carried */
    CU_ASSERT_EQUAL(channel_send(ends[0], "1234567", 7, ends[1]), 0);
    CU_ASSERT_EQUAL(channel_send(ends[0], "123456789", 9, ends[1]), 0);
    CU_ASSERT_EQUAL(channel_receive(ends[1], into, 8, &fd), -EBADMSG);
    CU_ASSERT_EQUAL(channel_receive(ends[1], into, 8, &fd), -EBADMSG);
    close(ends[0]);
    CU_ASSERT_EQUAL(channel_receive(ends[1], into, 8, &fd), -EPIPE);
    CU_ASSERT_EQUAL(channel_send(ends[1], "12345678", 8, -1), -EPIPE);
    close(ends[1]);
    CU_ASSERT_EQUAL(open_descriptors(), before);
}

/* --- the configuration controller's end, against a controller that the test plays --- */

enum { NOT_YET = 1 };

static struct watch watch;
static struct control_line line;
static int other_end;

static void keep_status(void *context, int status)
{
    CU_ASSERT_EQUAL(*(int *)context, NOT_YET); /* once */
    *(int *)context = status;
}

static void begin(void)
{
    assert(watch_init(&watch) == 0);
    assert(control_line_open(&line, &watch, &other_end) == 0);
}

static void end(void)
{
    control_line_close(&line);
    watch_done(&watch);
    close(other_end);
}

static int ask(int *into)
{
    const struct control_message message = {.kind = CONTROL_FAIL_ELEMENT, .arguments = {3}};

    *into = NOT_YET;
    return control_line_ask(&line, &message, -1, keep_status, into);
}

static uint64_t take_number(void)
{
    struct control_message message;
    int fd;

    assert(channel_receive(other_end, &message, sizeof message, &fd) == 0);
    CU_ASSERT_EQUAL(message.kind, CONTROL_FAIL_ELEMENT);
    CU_ASSERT_EQUAL(message.arguments[0], 3);
    CU_ASSERT_EQUAL(fd, -1);
    return message.number;
}

static void answer(uint64_t number, int status)
{
    const struct control_answer answer = {.number = number, .status = status};

    assert(channel_send(other_end, &answer, sizeof answer, -1) == 0);
    watch_once(&watch, 0);
}

static void answers_come_in_any_order(void)
{
    int first, second;

    begin();
    CU_ASSERT_EQUAL(ask(&first), 0);
    CU_ASSERT_EQUAL(ask(&second), 0);
    uint64_t number = take_number(), next = take_number();
    answer(next, -EIO);
    CU_ASSERT_EQUAL(first, NOT_YET);
    CU_ASSERT_EQUAL(second, -EIO);
    answer(next, 0); /* again: nobody waits for it */
    answer(12345, 0);
    answer(0, 0);
    answer(number, 0);
    CU_ASSERT_EQUAL(first, 0);
    CU_ASSERT_EQUAL(line.waiting, 0);
    end();
}

static void an_answer_that_makes_no_sense_is_an_error(void)
{
    int status;

    begin();
    CU_ASSERT_EQUAL(ask(&status), 0);
    assert(send(other_end, "x", 1, 0) == 1);
    watch_once(&watch, 0);
    CU_ASSERT_EQUAL(status, NOT_YET);
    answer(take_number(), 5);
    CU_ASSERT_EQUAL(status, -EPROTO);
    end();
}

static void who_does_not_answer_is_given_up(void)
{
    int first, second;

    begin();
    CU_ASSERT_EQUAL(ask(&first), 0);
    uint64_t now_ns = watch_now_ns();
    control_line_look_at_time(&line, now_ns + (CONTROL_SECONDS - 1) * 1000000000ull);
    CU_ASSERT_EQUAL(first, NOT_YET);
    control_line_look_at_time(&line, now_ns + (CONTROL_SECONDS + 1) * 1000000000ull);
    CU_ASSERT_EQUAL(first, -ETIMEDOUT);
    uint64_t number = take_number();
    CU_ASSERT_EQUAL(ask(&second), 0);
    answer(number, 0); /* too late, and not the second's */
    CU_ASSERT_EQUAL(second, NOT_YET);
    answer(take_number(), 0);
    CU_ASSERT_EQUAL(second, 0);
    end();
}

static void a_death_answers_everything(void)
{
    int all[CONTROL_REQUESTS_MAX], one;

    begin();
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
        CU_ASSERT_EQUAL(ask(&all[i]), 0);
    CU_ASSERT_EQUAL(ask(&one), -EBUSY);
    CU_ASSERT_EQUAL(one, NOT_YET);
    close(other_end);
    other_end = dup(0);
    for (uint32_t i = 0; i < 2 * CONTROL_REQUESTS_MAX; i++)
        watch_once(&watch, 0);
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
        CU_ASSERT_EQUAL(all[i], -EPIPE);
    CU_ASSERT_EQUAL(ask(&one), -EPIPE);
    CU_ASSERT_EQUAL(one, NOT_YET);
    end();
}

/* --- a controller, against a configuration controller that the test plays --- */

static struct array *start(void)
{
    return array_start(&(struct array_wanted){
        .controllers = 2, .slots = 8, .ring_entries = 8, .buffers_bytes = BUFFERS_BYTES_MIN});
}

static void a_controller_checks_what_it_is_asked(void)
{
    struct array *array = start();

    CU_ASSERT_EQUAL(array_ask(array, 0, (struct control_message){.kind = 0}, -1), -ENOSYS);
    CU_ASSERT_EQUAL(array_ask(array, 0, (struct control_message){.kind = UINT32_MAX}, -1), -ENOSYS);
    struct control_message fail = {.kind = CONTROL_FAIL_ELEMENT, .arguments = {0}};
    CU_ASSERT_EQUAL(array_ask(array, 0, fail, dup(0)), -EPROTO);
    fail.zero = 1;
    CU_ASSERT_EQUAL(array_ask(array, 0, fail, -1), -EPROTO);
    fail.zero = 0;
    fail.arguments[0] = 2;
    CU_ASSERT_EQUAL(array_ask(array, 0, fail, -1), -EPROTO);
    fail.arguments[0] = (uint64_t)1 << 32;
    CU_ASSERT_EQUAL(array_ask(array, 0, fail, -1), -EPROTO);
    fail.arguments[0] = 1; /* the other's */
    CU_ASSERT_EQUAL(array_ask(array, 0, fail, -1), -ENOENT);
    assert(send(array->control[0], "rubbish", 7, 0) == 7);
    fail.arguments[0] = 0;
    CU_ASSERT_EQUAL(array_ask(array, 0, fail, -1), 0);
    CU_ASSERT_EQUAL(load_acquire(&segment_element(&array->segment, 0)->state), ELEMENT_FAILED);
    CU_ASSERT_EQUAL(load_acquire(&segment_element(&array->segment, 1)->state), ELEMENT_ONLINE);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void without_a_configuration_controller_it_goes_on(void)
{
    struct array *array = start();
    struct job job = {.op = COMMAND_WRITE, .volume = 0, .bytes = 4096, .fill = 1};

    close(array->control[0]);
    array->control[0] = -1;
    host_submit(array, 0, job);
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(array->hosts[0]->jobs[0].status, 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"messages are whole and carry a descriptor", messages_are_whole_and_carry_a_descriptor},
        {"answers come in any order", answers_come_in_any_order},
        {"an answer that makes no sense is an error", an_answer_that_makes_no_sense_is_an_error},
        {"who does not answer is given up", who_does_not_answer_is_given_up},
        {"a death answers everything", a_death_answers_everything},
        {"a controller checks what it is asked", a_controller_checks_what_it_is_asked},
        {"without a configuration controller it goes on",
         without_a_configuration_controller_it_goes_on},
    };
    return UNIT_RUN("control", tests);
}
