/*
 * THE TABLE: the way of a command, one line a stage, top to bottom.
 *
 * A host command enters at MAP, in the controller that received it. A component command that came
 * from a peer enters at CACHE, in the controller that owns the element. Both leave at REPLY: the
 * one answers on its socket, the other on a ring.
 *
 *      X(name, run, complete)      complete: called when what the stage waits for has ended
 *
 * A host command on a virtual volume ends its way down at SPLIT: its components are commands of
 * their own, which enter at MAP, each with one member of the volume. One that lies in one piece on
 * one member, of which there is no other copy, goes on below like one on a plain volume.
 *
 * A stage returns
 *      STAGE_NEXT   go on with the stage below
 *      STAGE_WAIT   something was started; its end comes back through command_complete
 *      STAGE_DONE   the command has its status: go on with AGGREGATE (from REPLY: it is over)
 *      STAGE_AGAIN  go back to COORDINATE, with the next part of a command that is worked off in
 *                   parts
 *      STAGE_MOVED  go back to OWNER: the element has another one, or none yet
 * and never calls another stage. command.c moves commands through the table.
 */
#ifndef CONTROLLER_PATH_STAGES_H
#define CONTROLLER_PATH_STAGES_H

enum stage_verdict { STAGE_NEXT, STAGE_WAIT, STAGE_DONE, STAGE_AGAIN, STAGE_MOVED };

#define STAGES(X)                                                                                  \
    X(MAP, route_map, 0)                                   /* volume -> element */                 \
    X(COORDINATE, coordinate_reserve, coordinate_complete) /* order against what overlaps */       \
    X(SPLIT, split_run, split_complete)          /* virtual volumes: a component a member */       \
    X(OWNER, owner_look, owner_complete)         /* element -> the controller that has it now */   \
    X(CACHE, cache_look, cache_complete)         /* answer from the owner's cache */               \
    X(EXECUTE, execute_run, execute_complete)    /* here, if this controller is the owner */       \
    X(REDIRECT, redirect_run, redirect_complete) /* else at the owner, over the interconnect */    \
    X(AGGREGATE, aggregate_status, 0)            /* one status of all components */                \
    X(KEEP, cache_keep, 0)                       /* the owner's cache takes in what came by */     \
    X(RELEASE, coordinate_release, 0)            /* let those go on that waited */                 \
    X(REPLY, reply_send, 0)                      /* to the host's socket or the peer's ring */

enum stage {
#define X(name, run, complete) STAGE_##name,
    STAGES(X)
#undef X
        STAGES_COUNT
};

struct controller;
struct command;

typedef enum stage_verdict stage_fn(struct controller *, struct command *);

#define X(name, run, complete) enum stage_verdict run(struct controller *, struct command *);
STAGES(X)
#undef X

enum stage_verdict coordinate_complete(struct controller *controller, struct command *command);
enum stage_verdict split_complete(struct controller *controller, struct command *command);
enum stage_verdict owner_complete(struct controller *controller, struct command *command);
enum stage_verdict cache_complete(struct controller *controller, struct command *command);
enum stage_verdict execute_complete(struct controller *controller, struct command *command);
enum stage_verdict redirect_complete(struct controller *controller, struct command *command);

#endif
