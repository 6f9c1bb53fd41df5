#include <assert.h>
#include <stdbool.h>

#include "controller/config/config_text.h"
#include "controller/config/config_value.h"
#include "shm/limits.h"

enum { BYTE_ORDER_MARK = 0xfeff };

/* The character at `text`, of `bytes` bytes at most: its length, or 0 when it is not UTF-8.
 * Overlong forms, surrogates and what is over U+10FFFF are not UTF-8 (RFC 3629). */
static size_t decode(const unsigned char *text, size_t bytes, uint32_t *ret_character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = text[0];
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t character = length == 1 ? first : first & (0xffu >> (length + 1));

    assert(bytes > 0);
    if (length == 0 || length > bytes || first > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (text[i] & 0x3fu);
    }
    if (character < smallest[length] || character > 0x10ffff ||
        (character >= 0xd800 && character <= 0xdfff))
        return 0;
    *ret_character = character;
    return length;
}

/* The Unicode line separators count as controls: editors and libyaml number lines after them
 * differently, and our messages name lines. */
static bool is_control(uint32_t character)
{
    if (character == '\t' || character == '\n' || character == '\r')
        return false;
    return character < 0x20 || (character >= 0x7f && character <= 0x9f) || character == 0x2028 ||
           character == 0x2029 || character == BYTE_ORDER_MARK || (character & 0xfffe) == 0xfffe;
}

static int check_character(const struct config_reading *reading, size_t at, unsigned line,
                           size_t *ret_length)
{
    const unsigned char *text = (const unsigned char *)reading->text;
    uint32_t character = 0;

    *ret_length = decode(text + at, reading->text_bytes - at, &character);
    if (*ret_length == 0)
        return config_refuse_at(reading, line, "file",
                                "byte 0x%02x is not UTF-8; allowed: text in UTF-8", text[at]);
    if (is_control(character) && !(character == BYTE_ORDER_MARK && at == 0))
        return config_refuse_at(reading, line, "file",
                                "control character U+%04X; allowed: printable text", character);
    return 0;
}

int config_text_check(const struct config_reading *reading)
{
    const char *text = reading->text;
    unsigned line = 1;
    bool line_starts = true;
    size_t length = 0;

    if (reading->text_bytes > CONFIG_BYTES_MAX) {
        char max[SIZE_TEXT_BYTES];

        config_format_size(CONFIG_BYTES_MAX, max);
        return config_refuse_at(reading, 0, "file", "too large; allowed: up to %s", max);
    }
    for (size_t at = 0; at < reading->text_bytes; at += length) {
        int result = check_character(reading, at, line, &length);

        if (result < 0)
            return result;
        /* libyaml looks for each directive among all those before it: a file of them takes hours */
        if (line_starts && text[at] == '%')
            return config_refuse_at(reading, line, "file",
                                    "YAML directive; allowed: one document without directives");
        line_starts = text[at] == '\n' || text[at] == '\r';
        /* CR LF is one line break; CR alone is one too */
        if (text[at] == '\n' ||
            (text[at] == '\r' && (at + 1 == reading->text_bytes || text[at + 1] != '\n')))
            line++;
    }
    return 0;
}
