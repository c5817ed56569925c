/* Base64 (RFC 4648, section 4), with padding. */
#pragma once

#include <stddef.h>

/* Text of n bytes; caller frees. */
char *base64_encode(const void *data, size_t n);
/* The n bytes that text stands for; caller frees. NULL where it is not base64 as written here. */
void *base64_decode(const char *text, size_t *ret_n);
