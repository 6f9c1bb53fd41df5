#include "controller/config/refusal.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 3, 0))) static void append(struct config_error *error, int length,
                                                         const char *format, va_list arguments)
{
    size_t at = length < 0 ? 0 : (size_t)length;

    if (at < sizeof error->text)
        vsnprintf(error->text + at, sizeof error->text - at, format, arguments);
}

int refuse_array(const struct config *config, struct config_error *ret_error, int error,
                 const char *format, ...)
{
    va_list arguments;
    int length = snprintf(ret_error->text, sizeof ret_error->text, "%s: ", config->path);

    va_start(arguments, format);
    append(ret_error, length, format, arguments);
    va_end(arguments);
    return error;
}

int refuse_element(const struct config *config, uint32_t index, int error,
                   struct config_error *ret_error, const char *format, ...)
{
    const struct config_element *element = &config->elements[index];
    va_list arguments;
    int length = snprintf(ret_error->text, sizeof ret_error->text,
                          "%s:%u: elements[%u] (%s): image %s: ", config->path, element->line,
                          index, element->name, element->image);

    va_start(arguments, format);
    append(ret_error, length, format, arguments);
    va_end(arguments);
    return error;
}

int refuse_volume(const struct config *config, uint32_t index, int error,
                  struct config_error *ret_error, const char *format, ...)
{
    const struct config_volume *volume = &config->volumes[index];
    va_list arguments;
    int length =
        snprintf(ret_error->text, sizeof ret_error->text, "%s:%u: volumes[%u] (%s): ", config->path,
                 volume->line, index, volume->name);

    va_start(arguments, format);
    append(ret_error, length, format, arguments);
    va_end(arguments);
    return error;
}

int refuse_journal(const struct config *config, uint32_t seat, int error,
                   struct config_error *ret_error, const char *format, ...)
{
    va_list arguments;
    int length =
        snprintf(ret_error->text, sizeof ret_error->text, "%s:%u: journal: %s.%u: ", config->path,
                 config->journal_line, config->journal, seat);

    va_start(arguments, format);
    append(ret_error, length, format, arguments);
    va_end(arguments);
    return error;
}
