#include "io/random.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

/* So many the kernel gives at once, or none. */
enum { AT_ONCE_MAX = 256 };

int random_bytes(void *into, size_t bytes)
{
    assert(bytes <= AT_ONCE_MAX);
    ssize_t got = getrandom(into, bytes, 0);

    if (got < 0)
        return -errno;
    return (size_t)got == bytes ? 0 : -EIO;
}
