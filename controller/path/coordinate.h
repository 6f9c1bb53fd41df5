/*
 * COORDINATE and RELEASE: order between commands that overlap.
 *
 * A command on a plain volume is ordered by the single owner of its element and needs no
 * reservation.
 */
#ifndef CONTROLLER_PATH_COORDINATE_H
#define CONTROLLER_PATH_COORDINATE_H

#include "controller/path/command.h"

#endif
