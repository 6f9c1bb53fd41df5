#include "tests/history/options.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char summary[] =
    "Sends random overlapping reads and writes to a small range of a volume, through all URIs at "
    "once, and decides whether the answers are linearizable."
    "\vTHE RANGE IS OVERWRITTEN. Exit status: 0 no violation, 1 a violation, an error or a command "
    "without an answer, 2 usage.\n\n"
    "--block-bytes is the unit that must be whole in itself. Less than 4096 makes writes that "
    "cover "
    "parts of the array's blocks, at any multiple of it.";

enum key {
    KEY_BLOCKS = 'b',
    KEY_CONNECTIONS = 'c',
    KEY_DEPTH = 'd',
    KEY_OPERATIONS = 'n',
    KEY_SECONDS = 's',
    KEY_BLOCK_BYTES = 0x100,
    KEY_MOST_BLOCKS,
    KEY_OFFSET,
    KEY_WINDOW,
    KEY_READS,
    KEY_SEED,
    KEY_SCOPE,
    KEY_HAMMER,
    KEY_RECONNECT,
    KEY_ALLOW_ERRORS,
    KEY_JSON,
    KEY_PATIENCE,
};

static const struct argp_option table[] = {
    {"connections", KEY_CONNECTIONS, "N", 0, "Connections to each URI (1)", 0},
    {"depth", KEY_DEPTH, "N", 0, "Commands in flight on each connection (8)", 0},
    {"blocks", KEY_BLOCKS, "N", 0, "Blocks of the range (32)", 0},
    {"block-bytes", KEY_BLOCK_BYTES, "BYTES", 0, "Bytes of a block, a power of two (4096)", 0},
    {"most-blocks", KEY_MOST_BLOCKS, "N", 0, "Blocks of the largest command (8)", 0},
    {"offset", KEY_OFFSET, "BYTES", 0, "Where the range begins, in whole blocks (0)", 0},
    {"operations", KEY_OPERATIONS, "N", 0, "End after so many operations", 0},
    {"seconds", KEY_SECONDS, "S", 0, "End after so many seconds (5, without --operations)", 0},
    {"window", KEY_WINDOW, "N", 0, "Wait for all answers and check after so many (1024)", 0},
    {"reads", KEY_READS, "PERCENT", 0, "So many of 100 are reads (50)", 0},
    {"seed", KEY_SEED, "N", 0, "Repeat a run's choices (random)", 0},
    {"scope", KEY_SCOPE, "commands|blocks", 0,
     "Whether commands must be whole, or each block for itself (commands)", 0},
    {"hammer", KEY_HAMMER, NULL, 0,
     "Every command takes the whole range, 32 KiB; each third connection only reads, the others "
     "only write",
     0},
    {"reconnect", KEY_RECONNECT, NULL, 0,
     "Connections that break are made anew; needs "
     "--allow-errors where the array answers with errors",
     0},
    {"allow-errors", KEY_ALLOW_ERRORS, NULL, 0,
     "Errors are no failure; a write that ended with one may have taken effect", 0},
    {"json", KEY_JSON, NULL, 0, "Print one JSON object", 0},
    {"patience", KEY_PATIENCE, "S", 0, "How long to wait for an answer (60)", 0},
    {0},
};

static uint64_t number(struct argp_state *argp, const char *text, uint64_t least, uint64_t most)
{
    char *end;

    errno = 0;
    uint64_t value = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < least || value > most)
        argp_error(argp, "%s: not a number from %llu to %llu", text, (unsigned long long)least,
                   (unsigned long long)most);
    return value;
}

static double seconds(struct argp_state *argp, const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value > 0 && value < 1e9))
        argp_error(argp, "%s: not a number of seconds above 0", text);
    return value;
}

static enum history_scope scope(struct argp_state *argp, const char *text)
{
    if (strcmp(text, "blocks") == 0)
        return HISTORY_BLOCKS;
    if (strcmp(text, "commands") != 0)
        argp_error(argp, "%s: unknown scope; allowed: commands, blocks", text);
    return HISTORY_COMMANDS;
}

static void take_uri(struct options *options, struct argp_state *argp, const char *uri)
{
    if (options->uris_count == URIS_MAX)
        argp_error(argp, "at most %d URIs", URIS_MAX);
    options->uris[options->uris_count++] = uri;
}

/* What only all options together can break. */
static void check_together(struct options *options, struct argp_state *argp)
{
    uint32_t bytes = options->block_bytes;

    if (options->uris_count == 0)
        argp_error(argp, "at least one URI is wanted");
    if ((bytes & (bytes - 1)) != 0)
        argp_error(argp, "--block-bytes %u: not a power of two", bytes);
    if (options->offset_bytes % bytes != 0)
        argp_error(argp, "--offset: not a multiple of --block-bytes");
    if (options->hammer)
        options->blocks = options->most_blocks = bytes > HAMMER_BYTES ? 1 : HAMMER_BYTES / bytes;
    if (options->hammer && options->uris_count * options->connections < 3)
        argp_error(argp, "--hammer: at least three connections are wanted");
    if ((uint64_t)options->blocks * bytes > RANGE_BYTES_MAX)
        argp_error(argp, "a range of at most %d bytes is allowed", RANGE_BYTES_MAX);
    if (options->most_blocks > options->blocks)
        options->most_blocks = options->blocks;
    if (options->operations == 0 && options->seconds == 0)
        options->seconds = 5;
}

static error_t parse(int key, char *text, struct argp_state *argp)
{
    struct options *options = argp->input;

    switch (key) {
    case KEY_CONNECTIONS:
        options->connections = (uint32_t)number(argp, text, 1, CONNECTIONS_MAX_OF_URI);
        break;
    case KEY_DEPTH:
        options->depth = (uint32_t)number(argp, text, 1, DEPTH_MAX);
        break;
    case KEY_BLOCKS:
        options->blocks = (uint32_t)number(argp, text, 1, HISTORY_BLOCKS_MAX);
        break;
    case KEY_BLOCK_BYTES:
        options->block_bytes = (uint32_t)number(argp, text, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
        break;
    case KEY_MOST_BLOCKS:
        options->most_blocks = (uint32_t)number(argp, text, 1, HISTORY_BLOCKS_MAX);
        break;
    case KEY_OFFSET:
        options->offset_bytes = number(argp, text, 0, INT64_MAX);
        break;
    case KEY_OPERATIONS:
        options->operations = number(argp, text, 1, INT64_MAX);
        break;
    case KEY_SECONDS:
        options->seconds = seconds(argp, text);
        break;
    case KEY_WINDOW:
        options->window = (uint32_t)number(argp, text, 1, WINDOW_MAX);
        break;
    case KEY_READS:
        options->reads_percent = (uint32_t)number(argp, text, 0, 100);
        break;
    case KEY_SEED:
        options->seed = number(argp, text, 0, UINT64_MAX);
        break;
    case KEY_SCOPE:
        options->scope = scope(argp, text);
        break;
    case KEY_HAMMER:
        options->hammer = true;
        break;
    case KEY_RECONNECT:
        options->reconnect = true;
        break;
    case KEY_ALLOW_ERRORS:
        options->allow_errors = true;
        break;
    case KEY_JSON:
        options->json = true;
        break;
    case KEY_PATIENCE:
        options->patience_seconds = seconds(argp, text);
        break;
    case ARGP_KEY_ARG:
        take_uri(options, argp, text);
        break;
    case ARGP_KEY_END:
        check_together(options, argp);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void options_read(struct options *ret_options, int argc, char **argv)
{
    static const struct argp argp = {table, parse, "URI...", summary, NULL, NULL, NULL};

    *ret_options = (struct options){.connections = 1,
                                    .depth = 8,
                                    .blocks = 32,
                                    .block_bytes = 4096,
                                    .most_blocks = 8,
                                    .window = 1024,
                                    .reads_percent = 50,
                                    .scope = HISTORY_COMMANDS,
                                    .patience_seconds = 60};
    if (getrandom(&ret_options->seed, sizeof ret_options->seed, 0) < 0)
        abort();
    ret_options->seed >>= 32; /* short enough to be typed */
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, ret_options);
}
