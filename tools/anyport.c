#include "tools/anyport.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *what;
} verbs[] = {
    {"run", verb_run, "run an array until SIGTERM, SIGINT, or the end of --run's command"},
    {"check", verb_check, "check a configuration and its images; change nothing"},
    {"status", verb_status, "what a running array is and has done"},
    {"top", verb_top, "the same, live"},
    {"locks", verb_locks, "the ranges that commands on virtual volumes have reserved now"},
    {"element", verb_element, "list, fail, replace: the elements of a running array"},
    {"dump", verb_dump, "the configuration of a running array, as it is now"},
    {"trace", verb_trace, "the last events of each controller, also of one that has died"},
    {"scrub", verb_scrub, "compare what the members of a redundant volume hold"},
    {"volume", verb_volume, "list, create, delete: the volumes of a running array"},
    {"link", verb_link, "list the links between controllers, make them fail, repair them"},
    {"controller", verb_controller, "list, kill, stop, start: the controllers of a running array"},
};

const char *const anyport_version = ANYPORT_VERSION;
const char *argp_program_version = "anyport " ANYPORT_VERSION;

static void help(FILE *out)
{
    fputs("Usage: anyport VERB [OPTION...]\n"
          "A storage array on one machine: controllers that share volumes, reached over NBD.\n\n",
          out);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].what);
    fputs("\n'anyport VERB --help' says more of a verb; so does 'man anyport-VERB'.\n"
          "The configuration file is described in 'man 5 anyport.yaml'.\n",
          out);
}

static int unknown(const char *name)
{
    fprintf(stderr, "anyport: %s: unknown verb; allowed:", name);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        fprintf(stderr, " %s", verbs[i].name);
    fputs(" (anyport --help)\n", stderr);
    return EXIT_WRONG;
}

int main(int argc, char **argv)
{
    char title[64];

    argp_err_exit_status = EXIT_WRONG;
    if (argc < 2) {
        help(stderr);
        return EXIT_WRONG;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return EXIT_FINE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts(argp_program_version);
        return EXIT_FINE;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[1], verbs[i].name) != 0)
            continue;
        snprintf(title, sizeof title, "anyport %s", verbs[i].name);
        argv[1] = title;
        return verbs[i].main(argc - 1, argv + 1);
    }
    return unknown(argv[1]);
}
