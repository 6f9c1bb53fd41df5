#include "tests/history/hosts.h"

#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- connections --- */

static int host_connect(struct host *host)
{
    struct nbd_handle *nbd = nbd_create();

    if (nbd == NULL)
        return -ENOMEM;
    /* every byte of a read that succeeds comes from the array, or it was lying */
    if (nbd_set_pread_initialize(nbd, false) == -1 || nbd_connect_uri(nbd, host->uri) == -1) {
        nbd_close(nbd);
        return -ENOTCONN;
    }
    host->nbd = nbd;
    host->hosts->connected++;
    return 0;
}

/* The task is over. Its place is free when `ended` has returned. */
static void end_task(struct task *task)
{
    struct host *host = task->host;

    task->busy = false;
    host->in_flight--;
    host->hosts->in_flight--;
    host->hosts->ended(host->hosts->context, task);
    task->next_free = host->free_tasks;
    host->free_tasks = task;
}

static void host_break(struct host *host)
{
    const struct options *options = host->hosts->options;

    nbd_close(host->nbd);
    host->nbd = NULL;
    host->hosts->connected--;
    for (uint32_t i = 0; i < options->depth; i++) {
        struct task *task = &host->tasks[i];
        if (!task->busy)
            continue;
        task->is.return_ns = HISTORY_LOST;
        task->is_answered = false;
        task->error = ENOTCONN;
        end_task(task);
    }
}

static int host_new(struct host *host, struct hosts *hosts, uint32_t number)
{
    const struct options *options = hosts->options;
    size_t bytes = (size_t)options->blocks * options->block_bytes;

    *host = (struct host){
        .hosts = hosts, .uri = options->uris[number % options->uris_count], .number = number};
    host->tasks = calloc(options->depth, sizeof *host->tasks);
    if (host->tasks == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < options->depth; i++) {
        struct task *task = &host->tasks[i];
        *task =
            (struct task){.host = host, .next_free = host->free_tasks, .data = calloc(1, bytes)};
        if (task->data == NULL)
            return -ENOMEM;
        host->free_tasks = task;
    }
    int error = host_connect(host);
    if (error == -ENOTCONN)
        fprintf(stderr, "anyport-history: %s: %s\n", host->uri, nbd_get_error());
    return error;
}

int hosts_new(struct hosts *ret_hosts, const struct options *options,
              void (*ended)(void *context, struct task *task), void *context)
{
    uint32_t count = options->uris_count * options->connections;
    int error = 0;

    *ret_hosts = (struct hosts){.options = options, .ended = ended, .context = context};
    ret_hosts->each = calloc(count, sizeof *ret_hosts->each);
    ret_hosts->polled = calloc(count, sizeof *ret_hosts->polled);
    if (ret_hosts->each == NULL || ret_hosts->polled == NULL)
        error = -ENOMEM;
    while (error == 0 && ret_hosts->count < count) {
        error = host_new(&ret_hosts->each[ret_hosts->count], ret_hosts, ret_hosts->count);
        ret_hosts->count++;
    }
    if (error != 0)
        hosts_done(ret_hosts);
    return error;
}

void hosts_done(struct hosts *hosts)
{
    for (uint32_t i = 0; i < hosts->count; i++) {
        struct host *host = &hosts->each[i];
        if (host->nbd != NULL) {
            nbd_shutdown(host->nbd, 0);
            nbd_close(host->nbd);
        }
        for (uint32_t j = 0; host->tasks != NULL && j < hosts->options->depth; j++)
            free(host->tasks[j].data);
        free(host->tasks);
    }
    free(hosts->polled);
    free(hosts->each);
}

void hosts_reconnect(struct hosts *hosts)
{
    for (uint32_t i = 0; i < hosts->count; i++) {
        if (hosts->each[i].nbd == NULL)
            host_connect(&hosts->each[i]);
    }
}

/* --- commands --- */

struct task *host_free_task(struct host *host)
{
    return host->nbd != NULL ? host->free_tasks : NULL;
}

/* libnbd's callback: the answer is here, or the connection broke and there will be none. */
static int task_answered(void *context, int *error)
{
    struct task *task = context;

    task->error = *error;
    task->is_answered =
        *error != ENOTCONN; /* no server's error: libnbd's for a broken connection */
    task->is.return_ns = task->is_answered ? now_ns() : HISTORY_LOST;
    if (*error == 0)
        latency_add(&task->host->latency, task->is.return_ns - task->is.invoke_ns);
    end_task(task);
    return 1; /* libnbd may forget it */
}

void host_begin(struct task *task)
{
    struct host *host = task->host;
    const struct options *options = host->hosts->options;
    uint64_t offset_bytes =
        options->offset_bytes + (uint64_t)task->is.first_block * options->block_bytes;
    size_t bytes = (size_t)task->is.blocks * options->block_bytes;
    nbd_completion_callback callback = {.callback = task_answered, .user_data = task};

    host->free_tasks = task->next_free;
    task->busy = true;
    host->in_flight++;
    host->hosts->in_flight++;
    task->is.invoke_ns = now_ns();
    int64_t cookie = task->is.kind == HISTORY_READ
                         ? nbd_aio_pread(host->nbd, task->data, bytes, offset_bytes, callback, 0)
                         : nbd_aio_pwrite(host->nbd, task->data, bytes, offset_bytes, callback, 0);
    /* When it could not be sent, the connection is broken: everything in flight is lost with it. */
    if (cookie == -1 && task->busy)
        host_break(host);
}

/* --- waiting --- */

static void host_poll_events(struct host *host, struct pollfd *polled)
{
    unsigned direction = nbd_aio_get_direction(host->nbd);

    *polled = (struct pollfd){.fd = nbd_aio_get_fd(host->nbd)};
    if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0)
        polled->events |= POLLIN;
    if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
        polled->events |= POLLOUT;
}

static void host_notify(struct host *host, short events)
{
    unsigned direction = nbd_aio_get_direction(host->nbd);

    if ((events & (POLLIN | POLLHUP)) != 0 && (direction & LIBNBD_AIO_DIRECTION_READ) != 0)
        nbd_aio_notify_read(host->nbd);
    else if ((events & POLLOUT) != 0 && (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
        nbd_aio_notify_write(host->nbd);
    if (nbd_aio_is_dead(host->nbd) || nbd_aio_is_closed(host->nbd) ||
        (events & (POLLERR | POLLNVAL)) != 0)
        host_break(host);
}

uint32_t hosts_wait(struct hosts *hosts, int timeout_ms)
{
    uint32_t before = hosts->in_flight;

    for (uint32_t i = 0; i < hosts->count; i++) {
        hosts->polled[i] = (struct pollfd){.fd = -1};
        if (hosts->each[i].nbd != NULL)
            host_poll_events(&hosts->each[i], &hosts->polled[i]);
    }
    if (poll(hosts->polled, hosts->count, timeout_ms) <= 0)
        return 0;
    for (uint32_t i = 0; i < hosts->count; i++) {
        if (hosts->polled[i].revents != 0)
            host_notify(&hosts->each[i], hosts->polled[i].revents);
    }
    return before - hosts->in_flight;
}

void hosts_give_up(struct hosts *hosts)
{
    for (uint32_t i = 0; i < hosts->count; i++) {
        if (hosts->each[i].nbd != NULL && hosts->each[i].in_flight > 0)
            host_break(&hosts->each[i]);
    }
}
