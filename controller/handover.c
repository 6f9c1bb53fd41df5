#include "controller/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/controller.h"
#include "controller/deaths.h"

void handover_init(struct controller *controller, const int *single, const int *doorbells)
{
    struct handover *handover = &controller->handover;

    for (int what = 0; what < HANDOVER_SINGLE; what++)
        handover->single[what] = single != NULL ? single[what] : -1;
    handover->doorbells = doorbells;
}

/* Who may be everything that we are, may lead us. */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void somebody_came(struct completion *completion, int result)
{
    struct controller *controller =
        (struct controller *)((char *)completion -
                              offsetof(struct controller, handover.completion));
    int listening = controller->handover.single[HANDOVER_LISTENING];
    int fd = result < 0 ? -1 : accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0 && is_trusted(fd)) {
        control_listen_again(controller, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (result >= 0)
        handover_listen(controller);
}

void handover_listen(struct controller *controller)
{
    int listening = controller->handover.single[HANDOVER_LISTENING];

    controller->handover.completion.fire = somebody_came;
    if (listening >= 0)
        loop_poll_in(controller->loop, listening, &controller->handover.completion);
}

/* -1: there is none. */
static int find(const struct controller *controller, uint64_t what, uint64_t number)
{
    if (what < HANDOVER_SINGLE)
        return controller->handover.single[what];
    switch (what) {
    case HANDOVER_DOORBELL:
        return number < controller->peers.count ? controller->handover.doorbells[number] : -1;
    case HANDOVER_LIFELINE:
        return number < controller->peers.count ? deaths_lifeline(controller, (uint32_t)number)
                                                : -1;
    case HANDOVER_IMAGE:
        return number < controller->elements_count ? takeover_image(controller, (uint32_t)number)
                                                   : -1;
    default:
        return -1;
    }
}

/* Arguments: what, number. */
void control_give(struct control_request *request)
{
    const uint64_t *arguments = request->message.arguments;
    int fd = find(request->controller, arguments[0], arguments[1]);

    if (fd < 0)
        control_answer(request, -ENOENT);
    else
        control_answer_with(request, fd);
}
