/*
 * The anyport command: one verb a file, each a function with the shape of main.
 */
#ifndef TOOLS_ANYPORT_H
#define TOOLS_ANYPORT_H

#include <jansson.h>

/* Exit statuses, the same for every verb. */
enum {
    EXIT_FINE = 0,
    EXIT_FAILED = 1, /* it was tried and did not work */
    EXIT_WRONG = 2,  /* the command line or the configuration is wrong: nothing was done */
};

int verb_run(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_top(int argc, char **argv);
int verb_locks(int argc, char **argv);
int verb_dump(int argc, char **argv);
int verb_trace(int argc, char **argv);
int verb_element(int argc, char **argv);
int verb_link(int argc, char **argv);
int verb_element_list(int argc, char **argv);
int verb_scrub(int argc, char **argv);
int verb_volume(int argc, char **argv);
int verb_volume_list(int argc, char **argv);
int verb_controller(int argc, char **argv);
int verb_controller_list(int argc, char **argv);

extern const char *const anyport_version;

#endif
