/* SHA-256, in lower-case hexadecimal, over libcrypto. */
#pragma once

#include <stddef.h>

#include "image/layout.h"

struct digest; /* in the making */

typedef char digest_hex[DIGEST_HEX_LEN + 1];

struct digest *digest_new(void);
void digest_add(struct digest *d, const void *data, size_t n);
/* What was added so far; nothing can be added after. */
void digest_end(struct digest *d, digest_hex ret);
void digest_free(struct digest *d);
void digest_of(const void *data, size_t n, digest_hex ret);

/* The hex of "sha256:<hex>", or NULL where text is not that. */
const char *digest_parse(const char *text);
