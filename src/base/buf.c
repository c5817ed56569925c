/* The growing buffer, and what it is to know of JSON; see str.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

char *buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap;

	if (__builtin_add_overflow(b->len, n, &need) || __builtin_add_overflow(need, 1, &need))
		abort();
	if (need > b->cap) {
		cap = b->cap < 64 ? 64 : b->cap;
		while (cap < need)
			cap = cap > SIZE_MAX / 2 ? need : cap * 2;
		b->text = xrealloc(b->text, cap);
		b->cap = cap;
	}
	return b->text + b->len;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	char *to = buf_reserve(b, n);

	if (n > 0)
		memcpy(to, data, n);
	b->len += n;
	b->text[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	char *to = buf_reserve(b, 1);

	to[0] = c;
	to[1] = '\0';
	b->len++;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	/* Most additions are short: the second round is for those that are not. */
	for (size_t room = 128;; room = (size_t) n + 1) {
		char *to = buf_reserve(b, room);

		va_start(ap, fmt);
		n = vsnprintf(to, room + 1, fmt, ap);
		va_end(ap);
		if (n < 0)
			abort();
		if ((size_t) n <= room)
			break;
	}
	b->len += (size_t) n;
}

size_t utf8_len(const unsigned char *s, size_t n, bool *ret_cut)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (ret_cut)
		*ret_cut = false;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;

	/* Table 3-7 of the Unicode standard: only the second byte has special ranges. */
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	for (size_t i = 1; i < len; i++, lo = 0x80, hi = 0xbf) {
		if (i == n && ret_cut)
			*ret_cut = true;
		if (i == n || s[i] < lo || s[i] > hi)
			return 0;
	}
	return len;
}

static void add_json_escape(struct buf *b, unsigned char c)
{
	static const char letters[] = "btn\0fr"; /* for 8..13; 11 has none */

	if (c == '"' || c == '\\')
		buf_addf(b, "\\%c", c);
	else if (c >= 8 && c <= 13 && c != 11)
		buf_addf(b, "\\%c", letters[c - 8]);
	else
		buf_addf(b, "\\u%04x", c);
}

const bool json_plain[256] = {
	[0x20 ... '"' - 1] = true,
	['"' + 1 ... '\\' - 1] = true,
	['\\' + 1 ... 0x7f] = true,
};

void buf_add_json(struct buf *b, const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *) s;
	size_t plain = 0; /* start of what can be copied as it is */
	size_t i = 0;

	for (;;) {
		size_t len;

		while (i < n && json_plain[u[i]])
			i++;
		if (i == n)
			break;
		len = utf8_len(u + i, n - i, NULL);
		if (len > 1) {
			i += len;
			continue;
		}
		buf_add(b, s + plain, i - plain);
		if (len == 0)
			buf_adds(b, "\\ufffd");
		else
			add_json_escape(b, u[i]);
		plain = ++i;
	}
	buf_add(b, s + plain, n - plain);
}

void buf_consume(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	if (n > b->len)
		n = b->len;
	b->len -= n;
	memmove(b->text, b->text + n, b->len);
	b->text[b->len] = '\0';
}

char *buf_take(struct buf *b)
{
	char *text = b->text ? b->text : xstrdup("");

	*b = (struct buf){0};
	return text;
}

void buf_free(struct buf *b)
{
	free(b->text);
	*b = (struct buf){0};
}
