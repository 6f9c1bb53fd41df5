#include "io/random.h"

#include "tests/sim/world.h"

int random_bytes(void *into, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)into)[i] = (uint8_t)dice_throw(&sim_world->dice);
    return 0;
}
