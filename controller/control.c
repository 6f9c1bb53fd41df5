#include "controller/control.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "controller/controller.h"
#include "io/channel.h"

enum { RECEIVE_BATCH = 16 }; /* requests looked at in one turn */

static const struct {
    uint32_t number;
    bool passes;
    void (*run)(struct control_request *request);
} kinds[] = {
#define X(name, number, run, passes) {number, passes, run},
    CONTROL_KINDS(X)
#undef X
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static int find_kind(const struct control_message *message)
{
    for (int i = 0; i < KINDS; i++) {
        if (kinds[i].number == message->kind)
            return i;
    }
    return -1;
}

static struct control_request *free_request(struct control *control)
{
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        if (!control->requests[i].in_use)
            return &control->requests[i];
    }
    return NULL;
}

/* An answer that does not go out is as good as none: who waits for it has a time limit. */
static void send_answer(const struct control *control, uint64_t number, int status, int pass_fd)
{
    const struct control_answer answer = {.number = number, .status = status};

    if (control->fd >= 0)
        (void)channel_send(control->fd, &answer, sizeof answer, pass_fd);
}

static void end_request(struct control_request *request)
{
    assert(request->in_use);
    if (request->fd >= 0)
        close(request->fd);
    request->fd = -1;
    request->in_use = false;
}

void control_answer(struct control_request *request, int status)
{
    assert(status <= 0);
    end_request(request);
    send_answer(&request->controller->control, request->message.number, status, -1);
}

void control_answer_with(struct control_request *request, int fd)
{
    end_request(request);
    send_answer(&request->controller->control, request->message.number, 0, fd);
}

/* What is wrong with a request is what is wrong with any input: -errno, or 0. */
static int check(const struct control_message *message, int kind, int fd)
{
    if (kind < 0)
        return -ENOSYS;
    return message->zero != 0 || kinds[kind].passes != (fd >= 0) ? -EPROTO : 0;
}

static void take(struct controller *controller, const struct control_message *message, int fd)
{
    struct control *control = &controller->control;
    struct control_request *request = free_request(control);
    int kind = find_kind(message);
    int error = request == NULL ? -EBUSY : check(message, kind, fd);

    if (error != 0) {
        if (fd >= 0)
            close(fd);
        send_answer(control, message->number, error, -1);
        return;
    }
    *request = (struct control_request){
        .controller = controller, .message = *message, .fd = fd, .in_use = true};
    kinds[kind].run(request);
}

/* The configuration controller is gone: we go on without, until there is another one. */
static void lose(struct controller *controller)
{
    struct control *control = &controller->control;

    if (control->ours)
        close(control->fd);
    control->fd = -1;
    control->ours = false;
    handover_listen(controller);
}

static void ready(struct completion *completion, int result)
{
    struct controller *controller =
        (struct controller *)((char *)completion - offsetof(struct controller, control.completion));
    struct control *control = &controller->control;
    struct control_message message;
    int fd, error = result < 0 ? result : 0;

    for (int i = 0; i < RECEIVE_BATCH && error == 0; i++) {
        error = channel_receive(control->fd, &message, sizeof message, &fd);
        if (error == 0)
            take(controller, &message, fd);
    }
    if (error == 0 || error == -EAGAIN || error == -EINTR || error == -EBADMSG)
        loop_poll_in(controller->loop, control->fd, completion);
    else
        lose(controller);
}

void control_listen(struct controller *controller, int fd)
{
    struct control *control = &controller->control;

    control->fd = fd;
    control->completion.fire = ready;
    if (fd >= 0)
        loop_poll_in(controller->loop, fd, &control->completion);
}

void control_listen_again(struct controller *controller, int fd)
{
    controller->control.ours = true;
    control_listen(controller, fd);
}
