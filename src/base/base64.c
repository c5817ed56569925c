/* Base64; see base64.h. */
#include "base/base64.h"

#include <stdint.h>

#include "base/mem.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t n)
{
	const uint8_t *p = data;
	char *text = xmalloc((n + 2) / 3 * 4 + 1), *t = text;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t) p[i] << 16 | (left > 1 ? (uint32_t) p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0);

		*t++ = digits[v >> 18];
		*t++ = digits[v >> 12 & 63];
		*t++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*t++ = left > 2 ? digits[v & 63] : '=';
	}
	*t = '\0';
	return text;
}
