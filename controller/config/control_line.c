#include "controller/config/control_line.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/channel.h"

/* The place is free before the asker is told: it may ask again at once. */
static void answer(struct control_line *line, struct control_asked *asked, int status)
{
    struct control_asked over = *asked;

    asked->number = 0;
    line->waiting--;
    over.answered(over.context, status);
}

/* An answer to something that is not outstanding (any more) has come too late. */
static void take(struct control_line *line, const struct control_answer *came)
{
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX && came->number != 0; i++) {
        if (line->asked[i].number != came->number)
            continue;
        answer(line, &line->asked[i], came->status <= 0 ? came->status : -EPROTO);
        return;
    }
}

static void ready(struct watched *watched, uint32_t events)
{
    struct control_line *line = (struct control_line *)(void *)watched;
    struct control_answer came;
    int fd, error = channel_receive(watched->fd, &came, sizeof came, &fd);

    (void)events;
    if (error == 0 && fd >= 0) /* no answer has one */
        close(fd);
    if (error == 0)
        take(line, &came);
    else if (error == -EPIPE)
        control_line_close(line);
}

_Static_assert(offsetof(struct control_line, watched) == 0, "ready relies on it");

static void close_end(struct control_line *line)
{
    close(line->watched.fd);
    line->watched.fd = -1;
}

/* Numbers begin anywhere: an answer to what somebody else has asked over another line must not be
 * taken for one of ours. */
int control_line_take(struct control_line *ret_line, struct watch *watch, int end)
{
    *ret_line = (struct control_line){
        .watched = {.ready = ready, .fd = end}, .watch = watch, .last_number = watch_now_ns()};
    int error = watch_add(watch, &ret_line->watched, EPOLLIN);

    if (error != 0)
        close_end(ret_line);
    return error;
}

int control_line_open(struct control_line *ret_line, struct watch *watch, int *ret_end)
{
    int ends[2], error = channel_pair(ends);

    if (error != 0)
        return error;
    error = control_line_take(ret_line, watch, ends[0]);
    if (error == 0)
        *ret_end = ends[1];
    else
        close(ends[1]);
    return error;
}

static struct control_asked *free_place(struct control_line *line)
{
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        if (line->asked[i].number == 0)
            return &line->asked[i];
    }
    return NULL;
}

int control_line_ask(struct control_line *line, const struct control_message *message, int pass_fd,
                     control_answered *answered, void *context)
{
    struct control_asked *asked = free_place(line);
    struct control_message numbered = *message;

    if (line->watched.fd < 0)
        return -EPIPE;
    if (asked == NULL)
        return -EBUSY;
    numbered.number = line->last_number + 1;
    int error = channel_send(line->watched.fd, &numbered, sizeof numbered, pass_fd);
    if (error != 0)
        return error == -EAGAIN ? -EBUSY : error;
    line->last_number++;
    line->waiting++;
    *asked = (struct control_asked){.number = numbered.number,
                                    .deadline_ns = watch_now_ns() + CONTROL_SECONDS * 1000000000ull,
                                    .answered = answered,
                                    .context = context};
    return 0;
}

void control_line_look_at_time(struct control_line *line, uint64_t now_ns)
{
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX && line->waiting > 0; i++) {
        if (line->asked[i].number != 0 && now_ns > line->asked[i].deadline_ns)
            answer(line, &line->asked[i], -ETIMEDOUT);
    }
}

void control_line_close(struct control_line *line)
{
    if (line->watched.fd < 0)
        return;
    watch_remove(line->watch, &line->watched);
    close(line->watched.fd);
    line->watched.fd = -1;
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        if (line->asked[i].number != 0)
            answer(line, &line->asked[i], -EPIPE);
    }
}
