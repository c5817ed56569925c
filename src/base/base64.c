/* Base64; see base64.h. */
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

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

static int value_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int) (at - digits) : -1;
}

void *base64_decode(const char *text, size_t *ret_n)
{
	size_t len = strlen(text), n = 0;
	autofree uint8_t *data = xmalloc(len / 4 * 3 + 1);

	if (len % 4)
		return NULL;
	for (size_t i = 0; i < len; i += 4) {
		unsigned pad = i + 4 < len	    ? 0
			       : text[i + 2] == '=' ? 2
			       : text[i + 3] == '=' ? 1
						    : 0;
		uint32_t v = 0;

		for (unsigned k = 0; k < 4; k++) {
			int digit = k < 4 - pad ? value_of(text[i + k]) : 0;

			if (digit < 0 || (k >= 4 - pad && text[i + k] != '='))
				return NULL;
			v = v << 6 | (uint32_t) digit;
		}
		for (unsigned k = 0; k < 3 - pad; k++)
			data[n++] = (uint8_t) (v >> (16 - 8 * k));
	}
	*ret_n = n;
	return take(data);
}
