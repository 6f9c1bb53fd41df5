#ifndef CONTROLLER_CONFIG_CONFIG_PATH_H
#define CONTROLLER_CONFIG_CONFIG_PATH_H

/* The folder of the file `path`: "." where it names none. NULL: no memory. The caller frees. */
char *config_path_folder(const char *path);

/* `path` as seen from `folder`, without empty and "." components. ".." stays as it is: what it
 * leads to depends on links, and nothing is looked at here. NULL: no memory. The caller frees. */
char *config_path_resolve(const char *folder, const char *path);

#endif
