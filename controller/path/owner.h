/*
 * OWNER: which controller executes a command on its element, now; and what is done while none does.
 *
 * An element changes hands when its owner dies or lets it go (shm/owner.h). Commands for it wait
 * meanwhile, holding their buffer and no slot, in the controller that received them, and go on to
 * whoever owns it then. One that had been sent to the owner before comes back here:
 *
 *      OWNER --> CACHE, EXECUTE          ours
 *        ^  \--> REDIRECT --slot--> the owner
 *        |           |  the slot was taken back, for the owner died; or it said -ESTALE: not mine
 *        +-----------+
 *
 * A read of one of several copies does not wait where another one can be read at once: it ends with
 * COMPONENT_AWAY, and SPLIT sends it there.
 *
 * It is executed once more then, perhaps: every component command is such that this does no harm.
 * What a dead owner may still read from a payload, or write to it, has landed before anybody else
 * owns the element, so only a command that ends without having found an owner has its buffer kept
 * aside (peer_quarantine).
 *
 * It cannot come back for ever: -ESTALE is believed only where the word has changed since.
 */
#ifndef CONTROLLER_PATH_OWNER_H
#define CONTROLLER_PATH_OWNER_H

#include "controller/path/stages.h"

/* What a command that was sent to its target goes on with, when that has died or does not own the
 * element: back to OWNER, or over with EIO. */
enum stage_verdict owner_again(struct controller *controller, struct command *command);

/* Those who wait look again: the membership has changed, or something may have been missed. */
void owner_wake_waiters(struct controller *controller);

#endif
