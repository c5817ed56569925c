/* Lines of the json-file format; see logline.h. */
#include "wire/logline.h"

#include <string.h>

#include "base/time.h"

/* What is left to read. */
struct cursor {
	const char *at, *end;
};

static bool eat(struct cursor *c, const char *literal)
{
	size_t n = strlen(literal);

	if ((size_t) (c->end - c->at) < n || memcmp(c->at, literal, n) != 0)
		return false;
	c->at += n;
	return true;
}

/* strings --------------------------------------------------------------------------------- */

/* Four hexadecimal digits, or -1. */
static int32_t eat_hex4(struct cursor *c)
{
	int32_t v = 0;

	if (c->end - c->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(c->at[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	c->at += 4;
	return v;
}

static void add_utf8(struct buf *b, uint32_t rune)
{
	if (rune < 0x80) {
		buf_addc(b, (char) rune);
		return;
	}
	if (rune < 0x800) {
		buf_addc(b, (char) (0xc0 | rune >> 6));
	} else {
		if (rune < 0x10000) {
			buf_addc(b, (char) (0xe0 | rune >> 12));
		} else {
			buf_addc(b, (char) (0xf0 | rune >> 18));
			buf_addc(b, (char) (0x80 | (rune >> 12 & 0x3f)));
		}
		buf_addc(b, (char) (0x80 | (rune >> 6 & 0x3f)));
	}
	buf_addc(b, (char) (0x80 | (rune & 0x3f)));
}

/* Behind "\u": one or, for a surrogate pair, two units. Half a pair becomes U+FFFD. */
static bool eat_unicode(struct cursor *c, struct buf *text)
{
	int32_t unit = eat_hex4(c);
	struct cursor ahead = *c;
	int32_t low;

	if (unit < 0)
		return false;
	if (unit >= 0xd800 && unit < 0xdc00 && eat(&ahead, "\\u")) {
		low = eat_hex4(&ahead);
		if (low >= 0xdc00 && low < 0xe000) {
			*c = ahead;
			add_utf8(text, 0x10000 + ((uint32_t) (unit - 0xd800) << 10) +
					       (uint32_t) (low - 0xdc00));
			return true;
		}
	}
	add_utf8(text, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : (uint32_t) unit);
	return true;
}

/* Behind a backslash. */
static bool eat_escape(struct cursor *c, struct buf *text)
{
	static const char from[] = "nrt\"\\/bf", to[] = "\n\r\t\"\\/\b\f";
	const char *which;

	if (c->at == c->end || !*c->at)
		return false;
	if (eat(c, "u"))
		return eat_unicode(c, text);
	which = strchr(from, *c->at++);
	if (!which)
		return false;
	buf_addc(text, to[which - from]);
	return true;
}

/* The inside of a string and the quotation mark that ends it. */
static bool eat_string(struct cursor *c, struct buf *text)
{
	for (;;) {
		const char *quote = memchr(c->at, '"', (size_t) (c->end - c->at));
		const char *escape;

		if (!quote)
			return false;
		/* The quotation mark that was found may turn out to be an escaped one. */
		while ((escape = memchr(c->at, '\\', (size_t) (quote - c->at)))) {
			buf_add(text, c->at, (size_t) (escape - c->at));
			c->at = escape + 1;
			if (!eat_escape(c, text))
				return false;
			if (c->at > quote)
				break;
		}
		if (escape)
			continue;
		buf_add(text, c->at, (size_t) (quote - c->at));
		c->at = quote + 1;
		return true;
	}
}

/* time ------------------------------------------------------------------------------------ */

/* n digits, or -1. */
static int32_t eat_number(struct cursor *c, int n)
{
	int32_t v = 0;

	if (c->end - c->at < n)
		return -1;
	for (; n > 0; n--, c->at++) {
		if (*c->at < '0' || *c->at > '9')
			return -1;
		v = v * 10 + (*c->at - '0');
	}
	return v;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar: years begin in March, so that the leap
 * day is the last, and come in eras of 400. */
static int64_t days_of(int32_t year, int32_t month, int32_t day)
{
	int64_t y = year - (month <= 2);
	int64_t era = y / 400, of_era = y % 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* ".5Z", ".123456789Z", "Z" -> nanoseconds, or -1. */
static int64_t eat_fraction(struct cursor *c)
{
	int64_t ns = 0;
	int digits = 0;

	if (eat(c, ".")) {
		for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, digits++) {
			if (digits == 9)
				return -1;
			ns = ns * 10 + (*c->at - '0');
		}
		if (digits == 0)
			return -1;
		for (; digits < 9; digits++)
			ns *= 10;
	}
	return eat(c, "Z") ? ns : -1;
}

/* RFC 3339 in UTC of the years 1970 to 2261, which fit in nanoseconds; anything else is for the
 * slow way. */
static bool eat_time(struct cursor *c, int64_t *ret_ns)
{
	int32_t year, month, day, hour, minute, second;
	int64_t ns;

	if ((year = eat_number(c, 4)) < 1970 || year > 2261 || !eat(c, "-") ||
	    (month = eat_number(c, 2)) < 1 || month > 12 || !eat(c, "-") ||
	    (day = eat_number(c, 2)) < 1 || day > 31 || !eat(c, "T") ||
	    (hour = eat_number(c, 2)) < 0 || hour > 23 || !eat(c, ":") ||
	    (minute = eat_number(c, 2)) < 0 || minute > 59 || !eat(c, ":") ||
	    (second = eat_number(c, 2)) < 0 || second > 59 || (ns = eat_fraction(c)) < 0)
		return false;
	*ret_ns = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) *
			  NSEC_PER_SEC +
		  ns;
	return true;
}

int64_t log_line_time(const char *line, size_t len)
{
	static const char key[] = "\"time\":\"", example[] = "2006-01-02T15:04:05.123456789Z\"}";
	const size_t n = sizeof key - 1 + sizeof example - 1;
	struct cursor c;
	int64_t ns;

	if (len < n)
		return 0;
	c = (struct cursor){line + len - n, line + len};
	if (!eat(&c, key) || !eat_time(&c, &ns) || !eat(&c, "\"}"))
		return 0;
	return ns;
}

/* lines ----------------------------------------------------------------------------------- */

static bool parse_fast(const char *line, size_t len, struct buf *text, struct log_entry *ret)
{
	struct cursor c = {line, line + len};

	if (!eat(&c, "{\"log\":\"") || !eat_string(&c, text))
		return false;
	if (eat(&c, ",\"stream\":\"stdout\""))
		ret->stream = LOG_STDOUT;
	else if (eat(&c, ",\"stream\":\"stderr\""))
		ret->stream = LOG_STDERR;
	else
		return false;
	return eat(&c, ",\"time\":\"") && eat_time(&c, &ret->time_ns) && eat(&c, "\"}") &&
	       c.at == c.end;
}

static void skip_space(struct cursor *c)
{
	while (c->at < c->end && memchr(" \t\r\n", *c->at, 4))
		c->at++;
}

/* A string that stands where c does, into *ret. */
static bool eat_word(struct cursor *c, struct buf *ret)
{
	ret->len = 0;
	skip_space(c);
	return eat(c, "\"") && eat_string(c, ret);
}

static bool eat_bare(struct cursor *c)
{
	const char *from = c->at;

	while (c->at < c->end && (*c->at == '+' || *c->at == '-' || *c->at == '.' ||
				  (*c->at >= '0' && *c->at <= '9') ||
				  ((*c->at | 0x20) >= 'a' && (*c->at | 0x20) <= 'z')))
		c->at++;
	return c->at > from;
}

/* A value that says nothing to us: it must end, no more. */
static bool skip_value(struct cursor *c, struct buf *scrap)
{
	size_t depth = 0;

	do {
		skip_space(c);
		if (c->at == c->end)
			return false;
		if (*c->at == '"') {
			if (!eat_word(c, scrap))
				return false;
		} else if (*c->at == '{' || *c->at == '[') {
			depth++;
			c->at++;
		} else if (*c->at == '}' || *c->at == ']') {
			if (depth-- == 0)
				return false;
			c->at++;
		} else if (*c->at == ',' || *c->at == ':') {
			if (depth == 0)
				return false;
			c->at++;
		} else if (!eat_bare(c)) {
			return false;
		}
	} while (depth > 0);
	return true;
}

static bool is_word(const struct buf *b, const char *word)
{
	return b->len == strlen(word) && memcmp(b->text, word, b->len) == 0;
}

/* What of a line the slow way has found. */
struct found {
	bool log, time;
	bool bad_stream;
};

/* `"key": value`, of an object. */
static bool eat_member(struct cursor *c, struct buf *word, struct buf *text, struct found *f,
		       struct log_entry *ret)
{
	bool is_log, is_stream, is_time;

	if (!eat_word(c, word))
		return false;
	is_log = is_word(word, "log");
	is_stream = is_word(word, "stream");
	is_time = is_word(word, "time");
	skip_space(c);
	if (!eat(c, ":"))
		return false;
	if (is_log)
		return f->log = eat_word(c, text);
	if (!is_stream && !is_time)
		return skip_value(c, word);
	if (!eat_word(c, word))
		return false;
	if (is_time)
		return f->time = rfc3339_parse(word->text ? word->text : "", &ret->time_ns) == 0;
	f->bad_stream = !is_word(word, "stdout") && !is_word(word, "stderr");
	ret->stream = is_word(word, "stderr") ? LOG_STDERR : LOG_STDOUT;
	return true;
}

static bool parse_any(const char *line, size_t len, struct buf *text, struct log_entry *ret)
{
	struct cursor c = {line, line + len};
	struct found f = {0};
	autobuf word = {0};

	ret->stream = LOG_STDOUT;
	skip_space(&c);
	if (!eat(&c, "{"))
		return false;
	do {
		if (!eat_member(&c, &word, text, &f, ret))
			return false;
		skip_space(&c);
	} while (eat(&c, ","));
	if (!eat(&c, "}"))
		return false;
	skip_space(&c);
	return c.at == c.end && f.log && f.time && !f.bad_stream;
}

int log_line_parse(const char *line, size_t len, struct buf *text, struct log_entry *ret)
{
	struct log_entry e = {};

	text->len = 0;
	if (!parse_fast(line, len, text, &e)) {
		text->len = 0;
		if (!parse_any(line, len, text, &e))
			return -1;
	}
	e.text = text->text ? text->text : "";
	e.len = text->len;
	*ret = e;
	return 0;
}
