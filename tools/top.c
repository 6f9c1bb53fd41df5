/*
 * anyport top: what a running array is doing, live. It reads the counters where the controllers
 * count, through a read-only view of the segment, and asks nobody after that.
 */
#include <argp.h>
#include <errno.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/top_text.h"
#include "tools/words.h"

#define INTERVAL_S_MIN 0.1
#define INTERVAL_S_MAX 3600.0

enum { OPTION_ONCE = 256 };

struct options {
    const char *array;
    double interval_s;
    bool batch;
    bool once;
};

static double interval_of(const char *argument, struct argp_state *state)
{
    char *end;
    double seconds = strtod(argument, &end);

    if (end == argument || *end != '\0' || !(seconds >= INTERVAL_S_MIN) || seconds > INTERVAL_S_MAX)
        argp_error(state, "%s: not an interval; allowed: %.1f to %.0f seconds", argument,
                   INTERVAL_S_MIN, INTERVAL_S_MAX);
    return seconds;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;

    switch (key) {
    case 'b':
        options->batch = true;
        return 0;
    case 'i':
        options->interval_s = interval_of(argument, state);
        return 0;
    case OPTION_ONCE:
        options->batch = options->once = true;
        return 0;
    case ARGP_KEY_ARG:
        words_take(argument, state, WORDS(&options->array));
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option known_options[] = {
    {"batch", 'b', NULL, 0, "Print plain text, all panes at each interval, without end", 0},
    {"interval", 'i', "SECONDS", 0, "Time between two looks, 0.1 to 3600 (default: 1)", 0},
    {"once", OPTION_ONCE, NULL, 0, "Print plain text after one interval, then exit", 0},
    {0}};

static const struct argp parser = {
    known_options,
    parse_option,
    "[ARRAY]",
    "Show what a running array is doing: rates, depth, latency, busy share.\v"
    "ARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.\n"
    "Keys: 1 to 8 choose controllers, links, elements, volumes, members, locks (how controllers "
    "coordinate on virtual volumes), cache or jobs; the arrows, Page Up, Page Down, Home and End "
    "scroll; q leaves.",
    NULL,
    NULL,
    NULL};

/* --- plain text --- */

static void print_all(const struct top_view *view)
{
    char line[TOP_LINE_BYTES];

    top_title(view, line);
    puts(line);
    for (enum top_pane pane = 0; pane < TOP_PANES; pane++) {
        if (pane >= TOP_MEMBERS && top_rows(view, pane) == 0)
            continue; /* no virtual volumes, no caches, or no jobs */
        putchar('\n');
        top_heading(pane, line);
        puts(line);
        for (uint32_t row = 0; row < top_rows(view, pane); row++) {
            top_row(view, pane, row, line);
            puts(line);
        }
    }
}

static void sleep_for(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};

    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

static int run_batch(struct top_view *view, const struct options *options)
{
    bool over;

    do {
        sleep_for(options->interval_s);
        top_view_look(view);
        over = options->once || top_view_is_over(view);
        print_all(view);
        if (!over)
            putchar('\n');
        if (fflush(stdout) != 0)
            return EXIT_FAILED;
    } while (!over);
    return EXIT_FINE;
}

/* --- the screen --- */

enum { HEAD_LINES = 4 }; /* title, panes, an empty line, heading */

struct view_port {
    enum top_pane pane;
    uint32_t first[TOP_PANES]; /* the row at the top of each */
};

/* Rows that fit below the head. */
static uint32_t room(void)
{
    return LINES > HEAD_LINES ? (uint32_t)(LINES - HEAD_LINES) : 1;
}

static void scroll_to(const struct top_view *view, struct view_port *port, int64_t first)
{
    int64_t last = (int64_t)top_rows(view, port->pane) - room();

    if (first > last)
        first = last;
    port->first[port->pane] = first > 0 ? (uint32_t)first : 0;
}

/* As much of a text as fits on the rest of the line. */
static void put(const char *text)
{
    int left = COLS - getcurx(stdscr) - 1; /* the last column would begin the next line */

    if (left > 0)
        addnstr(text, left);
}

static void draw_panes(const struct top_view *view, const struct view_port *port)
{
    char text[64];

    move(1, 0);
    for (enum top_pane pane = 0; pane < TOP_PANES; pane++) {
        bool chosen = pane == port->pane;
        snprintf(text, sizeof text, "%u %s", (unsigned)pane + 1, top_pane_name(pane));
        if (chosen) {
            snprintf(text, sizeof text, "%u %s (%u)", (unsigned)pane + 1, top_pane_name(pane),
                     top_rows(view, pane));
            attron(A_REVERSE);
        }
        put(text);
        attroff(A_REVERSE);
        put(" ");
    }
    put("q leaves");
}

static void draw(const struct top_view *view, struct view_port *port)
{
    char line[TOP_LINE_BYTES];

    scroll_to(view, port, port->first[port->pane]); /* rows or lines may have become fewer */
    erase();
    top_title(view, line);
    mvaddnstr(0, 0, line, COLS);
    draw_panes(view, port);
    top_heading(port->pane, line);
    attron(A_BOLD);
    mvaddnstr(HEAD_LINES - 1, 0, line, COLS);
    attroff(A_BOLD);
    for (uint32_t i = 0; i < room(); i++) {
        top_row(view, port->pane, port->first[port->pane] + i, line);
        mvaddnstr(HEAD_LINES + (int)i, 0, line, COLS);
    }
    refresh();
}

/* False: leave. */
static bool handle_key(const struct top_view *view, struct view_port *port, int key)
{
    int64_t first = port->first[port->pane];

    if (key >= '1' && key < '1' + TOP_PANES) {
        port->pane = (enum top_pane)(key - '1');
        return true;
    }
    switch (key) {
    case 'q':
        return false;
    case KEY_UP:
        first--;
        break;
    case KEY_DOWN:
        first++;
        break;
    case KEY_PPAGE:
        first -= room();
        break;
    case KEY_NPAGE:
        first += room();
        break;
    case KEY_HOME:
        first = 0;
        break;
    case KEY_END:
        first = top_rows(view, port->pane);
        break;
    default: /* a resize among them: it is drawn again, in the new size */
        return true;
    }
    scroll_to(view, port, first);
    return true;
}

static uint64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void show(struct top_view *view, const struct options *options)
{
    struct view_port port = {0};
    uint64_t interval_ms = (uint64_t)(options->interval_s * 1000);
    uint64_t due_ms = clock_ms() + interval_ms;

    for (;;) {
        uint64_t now_ms = clock_ms();
        if (now_ms >= due_ms) {
            top_view_look(view);
            due_ms = now_ms + interval_ms;
        }
        if (top_view_is_over(view))
            return;
        draw(view, &port);
        timeout((int)(due_ms > now_ms ? due_ms - now_ms : 0));
        if (!handle_key(view, &port, getch()))
            return;
    }
}

static int run_screen(struct top_view *view, const struct options *options)
{
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
        fputs("anyport: not a terminal; allowed: --batch, --once\n", stderr);
        return EXIT_WRONG;
    }
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        fputs("anyport: the terminal's kind ($TERM) is not known; allowed: --batch, --once\n",
              stderr);
        return EXIT_FAILED;
    }
    cbreak();
    noecho();
    keypad(stdscr, true);
    (void)curs_set(0); /* not every terminal can hide it */
    show(view, options);
    endwin();
    delscreen(screen);
    if (top_view_is_over(view))
        fputs("anyport: the array has stopped\n", stderr);
    return EXIT_FINE;
}

/* --- the verb --- */

int verb_top(int argc, char **argv)
{
    struct options options = {.interval_s = 1};
    struct segment segment;
    struct top_view view;

    argp_parse(&parser, argc, argv, 0, NULL, &options);
    if (admin_attach(options.array, &segment) != 0)
        return EXIT_FAILED;
    int error = top_view_new(&view, &segment);
    if (error != 0) {
        segment_done(&segment);
        fprintf(stderr, "anyport: cannot keep the array's counters: %s\n", strerror(-error));
        return EXIT_FAILED;
    }
    int status = options.batch ? run_batch(&view, &options) : run_screen(&view, &options);
    top_view_done(&view);
    return status;
}
