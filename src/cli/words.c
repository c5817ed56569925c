/* docker's words; see words.h. */
#include "cli/words.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"

static bool starts_character(char c)
{
	return ((unsigned char) c & 0xC0) != 0x80;
}

size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += starts_character(*s);
	return n;
}

char *text_ellipsis(const char *s, size_t max)
{
	const char *p = s;
	size_t n = 0;

	if (text_width(s) <= max || max == 0)
		return xstrdup(s);
	while (*p && n < max) {
		p++;
		if (starts_character(*p))
			n++;
		if (n == max - 1)
			break;
	}
	return max == 1 ? xstrdup("…") : xasprintf("%.*s…", (int) (p - s), s);
}

static void add_visibly(struct buf *b, char c)
{
	if (c >= '\a' && c <= '\r')
		buf_addf(b, "\\%c", "abtnvfr"[c - '\a']);
	else if ((unsigned char) c < 0x20 || c == 0x7f)
		buf_addf(b, "\\x%02x", (unsigned char) c);
	else
		buf_addc(b, c);
}

char *text_quoted(const char *s)
{
	autobuf b = {0};

	for (; *s; s++)
		add_visibly(&b, *s);
	return buf_take(&b);
}

char *text_in_quotes(const char *s)
{
	autobuf b = {0};

	buf_addc(&b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(&b, '\\');
		add_visibly(&b, *s);
	}
	buf_addc(&b, '"');
	return buf_take(&b);
}

static char *size_text(int64_t bytes, double base, const char *const *units, int digits)
{
	double size = (double) bytes;
	size_t i = 0;

	while (size >= base && units[i + 1]) {
		size /= base;
		i++;
	}
	return xasprintf("%.*g%s", digits, size, units[i]);
}

char *size_words(int64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", NULL};

	return size_text(bytes, 1000.0, units, 3);
}

char *size_words_binary(int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL};

	return size_text(bytes, 1024.0, units, 4);
}

char *ago_words(int64_t then_ns, int64_t now)
{
	char words[64];

	duration_human(now > then_ns ? now - then_ns : 0, words, sizeof words);
	return xasprintf("%s ago", words);
}

char *time_words(int64_t ns)
{
	time_t t = (time_t) (ns / NSEC_PER_SEC);
	char text[64];
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	return xstrdup(text);
}

char *time_stamp(int64_t ns)
{
	time_t t = (time_t) (ns / NSEC_PER_SEC);
	long offset;
	char text[32];
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	offset = tm.tm_gmtoff / 60;
	if (offset == 0)
		return xasprintf("%s.%09lldZ", text, (long long) (ns % NSEC_PER_SEC));
	return xasprintf("%s.%09lld%c%02ld:%02ld", text, (long long) (ns % NSEC_PER_SEC),
			 offset < 0 ? '-' : '+', labs(offset) / 60, labs(offset) % 60);
}

char *short_id(const char *id, int whole)
{
	const char *colon = strchr(id, ':');

	if (whole)
		return xstrdup(id);
	if (colon)
		id = colon + 1;
	return xstrndup(id, strnlen(id, 12));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

char *pairs_words(const json_t *object, const char *between)
{
	size_t n = json_object_size(object), i = 0;
	autofree const char **keys = xcalloc(n + 1, sizeof *keys);
	autobuf b = {0};
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *) object, key, value)
		keys[i++] = key;
	qsort(keys, n, sizeof *keys, by_text);
	for (i = 0; i < n; i++) {
		value = json_object_get(object, keys[i]);
		buf_addf(&b, "%s%s=%s", i ? between : "", keys[i],
			 json_is_string(value) ? json_string_value(value) : "");
	}
	return buf_take(&b);
}
