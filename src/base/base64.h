/* Base64 (RFC 4648, section 4), with padding. */
#pragma once

#include <stddef.h>

/* Text of n bytes; caller frees. */
char *base64_encode(const void *data, size_t n);
