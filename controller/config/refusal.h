/*
 * Messages about a configuration that was found good, or an element or a volume of it: what this
 * system, an image, or what lies on that, does not fit to.
 */
#ifndef CONTROLLER_CONFIG_REFUSAL_H
#define CONTROLLER_CONFIG_REFUSAL_H

#include "controller/config/config.h"

/* "FILE: ...". Returns `error`. */
__attribute__((format(printf, 4, 5))) int refuse_array(const struct config *config,
                                                       struct config_error *ret_error, int error,
                                                       const char *format, ...);

/* "FILE:LINE: journal: PATH.SEAT: ...". Returns `error`. */
__attribute__((format(printf, 5, 6))) int refuse_journal(const struct config *config, uint32_t seat,
                                                         int error, struct config_error *ret_error,
                                                         const char *format, ...);

/* "FILE:LINE: elements[I] (NAME): image PATH: ...". Returns `error`. */
__attribute__((format(printf, 5, 6))) int refuse_element(const struct config *config,
                                                         uint32_t index, int error,
                                                         struct config_error *ret_error,
                                                         const char *format, ...);

/* "FILE:LINE: volumes[I] (NAME): ...". Returns `error`. */
__attribute__((format(printf, 5, 6))) int refuse_volume(const struct config *config, uint32_t index,
                                                        int error, struct config_error *ret_error,
                                                        const char *format, ...);

#endif
