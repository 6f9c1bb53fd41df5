#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config_path.h"

char *config_path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* Shortens in place: what is written never passes what is read. */
static void normalise(char *path)
{
    const char *from = path;
    char *to = path;

    assert(*path);
    if (*from == '/')
        *to++ = *from++;
    while (*from) {
        size_t bytes = strcspn(from, "/");

        if (bytes > 0 && !(bytes == 1 && from[0] == '.')) {
            if (to > path && to[-1] != '/')
                *to++ = '/';
            memmove(to, from, bytes);
            to += bytes;
        }
        from += bytes;
        from += *from == '/';
    }
    if (to == path)
        *to++ = '.';
    *to = '\0';
}

char *config_path_resolve(const char *folder, const char *path)
{
    char *resolved = NULL;

    if (path[0] == '/')
        resolved = strdup(path);
    else if (asprintf(&resolved, "%s/%s", folder, path) < 0)
        return NULL;
    if (resolved)
        normalise(resolved);
    return resolved;
}
