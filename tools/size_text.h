/* Byte counts as people read them: "4.0 KiB", "1.5 GiB". */
#ifndef TOOLS_SIZE_TEXT_H
#define TOOLS_SIZE_TEXT_H

#include <stdint.h>

enum { SIZE_TEXT_BYTES = 24 };

const char *size_text(uint64_t bytes, char into[SIZE_TEXT_BYTES]);

#endif
