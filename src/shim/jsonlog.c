/* See jsonlog.h. */
#include "shim/jsonlog.h"

#include <string.h>

#include "base/str.h"
#include "base/time.h"

#define HEAD "{\"log\":\""

/* "...05.120000000Z" -> "...05.12Z", as Go's RFC3339Nano has it. */
static size_t trim_time(char *text)
{
	size_t n = strlen(text) - 1;

	while (n > 0 && text[n - 1] == '0')
		n--;
	if (n > 0 && text[n - 1] == '.')
		n--;
	text[n++] = 'Z';
	return n;
}

void jsonlog_tail(struct jsonlog_tail *t, const char *stream, int64_t time_ns)
{
	char time[RFC3339_MAX];
	char *p = t->text;
	size_t n;

	p = stpcpy(p, "\\n\",\"stream\":\"");
	p = stpcpy(p, stream);
	p = stpcpy(p, "\",\"time\":\"");
	n = trim_time(rfc3339_format(time_ns, time));
	memcpy(p, time, n);
	p = stpcpy(p + n, "\"}\n");
	t->len = (size_t) (p - t->text);
}

/* A tail that belongs to a piece has no newline: its first two characters are left out. */
static char *put_tail(char *to, const struct jsonlog_tail *t, bool newline)
{
	size_t skip = newline ? 0 : 2;

	/* A constant length copies faster, and there is room. */
	memcpy(to, t->text + skip, sizeof t->text - 2);
	return to + t->len - skip;
}

/* Escaping, as docker does it: what JSON needs, what HTML and JavaScript are afraid of, and U+FFFD
 * for what is not UTF-8. */

typedef unsigned char vec __attribute__((vector_size(16)));

/* Copies 16 bytes. How many of them need no thought? Bytes that do need some: controls, above
 * ASCII, " & < > and the backslash. */
static inline size_t copy_plain(char *to, const char *s)
{
	uint64_t half[2];
	vec v, special;

	memcpy(&v, s, sizeof v);
	memcpy(to, &v, sizeof v);
	special = (vec) ((v - 0x20) > 0x5f);
	special |= (vec) ((v | 4) == '&') | (vec) ((v | 2) == '>') | (vec) (v == '\\');
	memcpy(half, &special, sizeof half);
	if ((half[0] | half[1]) == 0)
		return sizeof v;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return half[0] ? (size_t) __builtin_ctzll(half[0]) / 8
		       : 8 + (size_t) __builtin_ctzll(half[1]) / 8;
#else
	return 0;
#endif
}

static char *put_escape(char *to, unsigned char c)
{
	static const char hex[16] = "0123456789abcdef";

	*to++ = '\\';
	if (c == '\\' || c == '"') {
		*to++ = (char) c;
	} else if (c == '\r') {
		*to++ = 'r';
	} else {
		to = stpcpy(to, "u00");
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	return to;
}

/* Puts the character at s, which is above ASCII; returns the bytes used of s. */
static size_t put_wide(char **to, const char *s, size_t n)
{
	size_t len = utf8_len((const unsigned char *) s, n, NULL);

	if (len == 0) {
		*to = stpcpy(*to, "\\ufffd");
		return 1;
	}
	/* JavaScript takes these two for the ends of lines. */
	if (len == 3 && memcmp(s, "\xe2\x80\xa8", 3) == 0)
		*to = stpcpy(*to, "\\u2028");
	else if (len == 3 && memcmp(s, "\xe2\x80\xa9", 3) == 0)
		*to = stpcpy(*to, "\\u2029");
	else
		*to = (char *) memcpy(*to, s, len) + len;
	return len;
}

static inline bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '&' && c != '<' && c != '>';
}

/* Encodes up to a newline or n bytes; returns the bytes used, without the newline. */
static size_t put_text(char **to_p, const char *s, size_t n, bool *ret_newline)
{
	char *to = *to_p;
	size_t i = 0;

	*ret_newline = false;
	while (i < n) {
		unsigned char c;

		while (n - i >= sizeof(vec)) {
			size_t plain = copy_plain(to, s + i);

			to += plain;
			i += plain;
			if (plain < sizeof(vec))
				break;
		}
		if (i == n)
			break;
		c = (unsigned char) s[i];
		if (c == '\n') {
			*ret_newline = true;
			break;
		}
		if (is_plain(c)) {
			*to++ = (char) c;
			i++;
		} else if (c < 0x80) {
			to = put_escape(to, c);
			i++;
		} else {
			i += put_wide(&to, s + i, n - i);
		}
	}
	*to_p = to;
	return i;
}

/* Length of the first piece of s, of at most JSONLOG_PIECE bytes: no character is cut in two. */
static size_t piece_len(const char *s)
{
	for (size_t back = 1; back <= 3; back++) {
		const char *last = s + JSONLOG_PIECE - back;
		bool cut;

		if ((*last & 0xc0) == 0x80)
			continue; /* inside of a character: its first byte is further back */
		(void) utf8_len((const unsigned char *) last, back, &cut);
		return JSONLOG_PIECE - (cut ? back : 0);
	}
	return JSONLOG_PIECE;
}

size_t jsonlog_line(char *to, size_t *ret_len, const char *s, size_t n, bool end,
		    const struct jsonlog_tail *tail)
{
	char *p = (char *) memcpy(to, HEAD, strlen(HEAD)) + strlen(HEAD);
	size_t max = n < JSONLOG_PIECE ? n : piece_len(s);
	bool newline;
	size_t used = put_text(&p, s, max, &newline);

	if (!newline && n < JSONLOG_PIECE && !end)
		return 0;
	*ret_len = (size_t) (put_tail(p, tail, newline) - to);
	return used + (newline ? 1 : 0);
}
