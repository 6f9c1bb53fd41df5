/*
 * anyport run: where processes are put together. The first process becomes the configuration
 * controller; each controller process is a controller with host ports on top.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "controller/config/adopt.h"
#include "controller/config/configurator.h"
#include "controller/config/saved.h"
#include "hostif/ports.h"
#include "tools/admin.h"
#include "tools/admin_methods.h"
#include "tools/anyport.h"
#include "tools/run_command.h"

/* --- a controller process --- */

struct orphan_stop {
    struct completion completion;
    struct controller *controller;
    pid_t parent;
    int signal_fd;
};

/* Its end is seen at once by who our parent is; that another one has taken its place, by our
 * control channel. */
static bool is_led(const struct orphan_stop *stop)
{
    const struct control *control = &stop->controller->control;

    return control->ours || getppid() == stop->parent;
}

/* While the configuration controller lives, it alone ends us in order: a signal to the whole group
 * must not end us before hosts are served. Without it, SIGTERM is the way to stop. */
static void signal_came(struct completion *completion, int result)
{
    struct orphan_stop *stop = (struct orphan_stop *)(void *)completion;
    struct signalfd_siginfo info;

    (void)result;
    while (read(stop->signal_fd, &info, sizeof info) == sizeof info)
        continue;
    if (!is_led(stop))
        controller_stop(stop->controller);
    loop_poll_in(stop->controller->loop, stop->signal_fd, completion);
}

static void watch_signals(struct orphan_stop *stop, struct controller *controller, pid_t parent)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    *stop = (struct orphan_stop){.completion.fire = signal_came,
                                 .controller = controller,
                                 .parent = parent,
                                 .signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (stop->signal_fd >= 0)
        loop_poll_in(controller->loop, stop->signal_fd, &stop->completion);
}

static uint32_t own_sockets(const struct controller_process *process,
                            struct port_listening listening[PORTS_LISTENERS_MAX])
{
    const struct array_sockets *sockets = process->sockets;
    uint32_t id = process->start.id, count = 0;

    listening[count++] = (struct port_listening){.fd = sockets->front.fd};
    listening[count++] = (struct port_listening){.fd = sockets->own[id].fd};
    if (sockets->front_tcp.fd >= 0) {
        listening[count++] = (struct port_listening){.fd = sockets->front_tcp.fd, .tcp = true};
        listening[count++] = (struct port_listening){.fd = sockets->own_tcp[id].fd, .tcp = true};
    }
    return count;
}

static int controller_process_main(const struct controller_process *process)
{
    struct port_limits limits = {.connections = process->config->connections,
                                 .handshake_seconds = process->config->handshake_seconds};
    struct port_listening listening[PORTS_LISTENERS_MAX];
    struct controller *controller;
    struct host_ports *ports = NULL;
    struct orphan_stop stop;
    const char *what;

    int error = controller_new(&controller, &process->start, &what);
    if (error != 0) {
        fprintf(stderr, "anyport: c%u: cannot start: %s: %s\n", process->start.id, what,
                strerror(-error));
        return EXIT_FAILED;
    }
    watch_signals(&stop, controller, process->parent);
    error = ports_new(&ports, controller, &limits, listening, own_sockets(process, listening));
    if (error == 0)
        error = controller_run(controller);
    controller_free(controller);
    ports_free(ports);
    if (stop.signal_fd >= 0)
        close(stop.signal_fd);
    return error == 0 ? EXIT_FINE : EXIT_FAILED;
}

/* --- the first process --- */

struct runner {
    const char *config_path;
    const char *command; /* NULL: none */
    bool force;          /* start though something may be lost */
    bool adopt;
    struct config *config;
    struct watch watch;
    struct configurator configurator;
    struct admin *admin;
    struct watched signals;
    struct run_command running_command;
    int exit_status;
    bool over;
    bool array_ended_first; /* before anybody had asked the command to end */
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct runner *runner = state->input;

    switch (key) {
    case 'a':
        runner->adopt = true;
        return 0;
    case 'r':
        runner->command = argument;
        return 0;
    case 'f':
        runner->force = true;
        return 0;
    case ARGP_KEY_ARG:
        if (runner->config_path != NULL)
            argp_error(state, "%s: one configuration only", argument);
        runner->config_path = argument;
        return 0;
    case ARGP_KEY_END:
        if (runner->config_path == NULL)
            argp_error(state, "which configuration?");
        if (runner->adopt && runner->command != NULL)
            argp_error(state, "--run is for an array that is started; allowed: without --adopt");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"adopt", 'a', NULL, 0,
     "Take the place of the configuration controller of this array, which has died while its "
     "controllers go on",
     0},
    {"run", 'r', "COMMAND", 0,
     "When every port answers, run COMMAND under sh -c with $front, $c0, $c1 ... (socket paths), "
     "$config and $ANYPORT_ADMIN set; then shut down and exit with its status",
     0},
    {"force", 'f', NULL, 0,
     "Start although something of a volume with parity may be lost, which the start says otherwise "
     "and ends with 2",
     0},
    {0}};

static const struct argp parser = {
    options,
    parse_option,
    "CONFIGURATION",
    "Run an array in the foreground until SIGTERM or SIGINT, then flush and exit.\v"
    "Exit status: 0, or COMMAND's; 1 when something failed; 2 when the configuration is wrong, and "
    "nothing was created.",
    NULL,
    NULL,
    NULL};

static void set_variables(const struct runner *runner)
{
    const struct array_sockets *sockets = &runner->configurator.sockets;
    char name[24];

    setenv("front", sockets->front.path, 1);
    setenv("config", runner->config_path, 1);
    setenv("ANYPORT_ADMIN", sockets->admin.path, 1);
    for (uint32_t i = 0; i < runner->config->controllers; i++) {
        snprintf(name, sizeof name, "c%u", i);
        setenv(name, sockets->own[i].path, 1);
    }
}

static void command_ended(struct run_command *command, int status)
{
    struct runner *runner =
        (struct runner *)((char *)command - offsetof(struct runner, running_command));

    if (!runner->array_ended_first) /* else that says more than how we ended the command */
        runner->exit_status = status;
    configurator_stop(&runner->configurator);
}

static void start_command(struct runner *runner)
{
    set_variables(runner);
    runner->running_command.on_end = command_ended;
    int error = run_command_start(&runner->running_command, &runner->watch, runner->command);
    if (error == 0)
        return;
    fprintf(stderr, "anyport: cannot start the command: %s\n", strerror(-error));
    runner->exit_status = EXIT_FAILED;
    configurator_stop(&runner->configurator);
}

static void say_ready(const struct runner *runner)
{
    const struct array_sockets *sockets = &runner->configurator.sockets;

    printf("anyport: array %s is running: nbd+unix:///VOLUME?socket=%s\n", runner->config->array,
           sockets->front.path);
    if (sockets->front_tcp.fd >= 0)
        printf("anyport: and nbd://%s:%u/VOLUME\n", runner->config->tcp_host,
               sockets->front_tcp.port);
    fflush(stdout);
}

static void phase_entered(void *context, enum configurator_phase phase)
{
    struct runner *runner = context;

    if (phase == CONFIGURATOR_RUNNING && runner->command != NULL)
        start_command(runner);
    else if (phase == CONFIGURATOR_RUNNING)
        say_ready(runner);
    if (phase == CONFIGURATOR_STOPPED) {
        runner->over = true;
        runner->array_ended_first = !runner->running_command.ending;
        run_command_end(&runner->running_command);
    }
}

static void signalled(struct watched *watched, uint32_t events)
{
    struct runner *runner = (struct runner *)((char *)watched - offsetof(struct runner, signals));
    struct signalfd_siginfo info;

    (void)events;
    if (read(watched->fd, &info, sizeof info) != sizeof info)
        return;
    run_command_end(&runner->running_command);
    configurator_stop(&runner->configurator);
}

static int watch_for_signals(struct runner *runner)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    /* Controllers inherit the mask: only what they look for themselves reaches them. */
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -errno;
    runner->signals = (struct watched){.ready = signalled,
                                       .fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (runner->signals.fd < 0)
        return -errno;
    return watch_add(&runner->watch, &runner->signals, EPOLLIN);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The configuration that the array has now takes the place of that which was named. */
static int adopt_array(struct runner *runner, struct config_error *ret_why)
{
    struct config *now;
    int error = saved_load(runner->config, &now, ret_why);

    if (error != 0)
        return error;
    config_free(runner->config);
    runner->config = now;
    return configurator_adopt(&runner->configurator, now, &runner->watch, controller_process_main,
                              ret_why);
}

static int open_array(struct runner *runner, struct config_error *ret_why)
{
    if (runner->adopt)
        return adopt_array(runner, ret_why);
    return configurator_open(&runner->configurator, runner->config, &runner->watch, ret_why);
}

static int start_array(struct runner *runner)
{
    struct configurator *configurator = &runner->configurator;
    struct config_error why;

    configurator->on_phase = phase_entered;
    configurator->on_phase_context = runner;
    if (runner->adopt) {
        say_ready(runner);
        return 0;
    }
    int error = configurator_start(configurator, controller_process_main, &why);
    if (error != 0)
        fprintf(stderr, "anyport: %s\n", why.text);
    return error;
}

static int prepare(struct runner *runner)
{
    struct config_error why;
    const char *missing;

    int error = config_load(runner->config_path, &runner->config, &why);
    if (error == 0) {
        runner->config->accept_losses = runner->force;
        error = loop_probe(&missing);
        if (error != 0)
            snprintf(why.text, sizeof why.text, "this system lacks what is needed: %s: %s",
                     missing != NULL ? missing : "io_uring", strerror(-error));
    }
    if (error == 0) {
        raise_descriptor_limit();
        error = open_array(runner, &why);
    }
    if (error != 0)
        fprintf(stderr, "anyport: %s\n", why.text);
    return error;
}

static int serve(struct runner *runner)
{
    struct configurator *configurator = &runner->configurator;

    if (start_array(runner) != 0)
        return EXIT_FAILED;
    int error = admin_new(&runner->admin, &runner->watch, configurator->sockets.admin.fd,
                          &(struct admin_service){.segment = &configurator->segment,
                                                  .configurator = configurator,
                                                  .changes = admin_methods});
    if (error != 0) {
        fprintf(stderr, "anyport: no admin socket: %s\n", strerror(-error));
        configurator_stop(configurator);
    }
    while (!runner->over || !run_command_is_over(&runner->running_command))
        configurator_turn(configurator);
    admin_free(runner->admin);
    if (runner->exit_status == 0 && configurator->failed)
        return EXIT_FAILED;
    return runner->exit_status;
}

int verb_run(int argc, char **argv)
{
    struct runner runner = {.signals.fd = -1};

    argp_parse(&parser, argc, argv, 0, NULL, &runner);
    if (watch_init(&runner.watch) != 0 || watch_for_signals(&runner) != 0) {
        fprintf(stderr, "anyport: cannot watch for signals: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    int status = EXIT_WRONG;
    if (prepare(&runner) == 0) {
        status = serve(&runner);
        configurator_close(&runner.configurator);
    }
    config_free(runner.config);
    close(runner.signals.fd);
    watch_done(&runner.watch);
    return status;
}
