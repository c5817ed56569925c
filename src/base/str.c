/* Vectors of strings, tests and numbers; see str.h. */
#include "base/str.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Vectors */

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

void strv_add_owned(char ***v, char *s)
{
	size_t n = strv_len(*v);

	*v = xreallocarray(*v, n + 2, sizeof **v);
	(*v)[n] = s;
	(*v)[n + 1] = NULL;
}

void strv_add(char ***v, const char *s)
{
	strv_add_owned(v, xstrdup(s));
}

bool strv_contains(char *const *v, const char *s)
{
	for (; v && *v; v++)
		if (strcmp(*v, s) == 0)
			return true;
	return false;
}

char **strv_copy(char *const *v)
{
	size_t n = strv_len(v);
	char **copy;

	if (!v)
		return NULL;
	copy = xcalloc(n + 1, sizeof *copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(v[i]);
	return copy;
}

char **strv_split(const char *s, char sep)
{
	size_t n = 1, i = 0;
	char **v;

	for (const char *p = s; *p; p++)
		n += *p == sep;
	v = xcalloc(n + 1, sizeof *v);
	for (;;) {
		const char *end = strchrnul(s, sep);

		v[i++] = xstrndup(s, (size_t) (end - s));
		if (!*end)
			return v;
		s = end + 1;
	}
}

char *strv_join(char *const *v, const char *sep)
{
	struct buf b = {0};

	for (size_t i = 0; v && v[i]; i++) {
		if (i > 0)
			buf_adds(&b, sep);
		buf_adds(&b, v[i]);
	}
	return buf_take(&b);
}

void strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

/* Comparing */

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

uint64_t str_hash(const char *s) /* FNV-1a, its halves folded: short tables take the low bits */
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char) *s) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

bool str_empty(const char *s)
{
	return !s || !*s;
}

/* Patterns, after Go's path.Match. A character is a whole UTF-8 sequence, or a byte of none. */

static size_t char_len(const char *s)
{
	size_t n = strnlen(s, 4);
	size_t len = n > 0 ? utf8_len((const unsigned char *) s, n, NULL) : 0;

	return len > 0 ? len : 1;
}

/* A number that orders characters as their code points do (UTF-8 keeps that order). */
static uint32_t char_code(const char *s)
{
	uint32_t code = 0;

	for (size_t i = 0, n = char_len(s); i < n; i++)
		code = code << 8 | (unsigned char) s[i];
	return code;
}

/* Reads one, perhaps escaped, character of a class; NULL where the pattern is malformed. */
static const char *glob_class_char(const char *p, uint32_t *ret)
{
	if (*p == '\\')
		p++;
	else if (*p == '-' || *p == ']')
		return NULL;
	if (!*p)
		return NULL;
	*ret = char_code(p);
	return p + char_len(p);
}

/* Matches c with the class behind '['; returns what follows its ']', NULL if malformed. */
static const char *glob_class(const char *p, uint32_t c, bool *ret_matches)
{
	bool negated = *p == '^', in = false;
	const char *first;

	if (negated)
		p++;
	for (first = p; *p != ']' || p == first;) {
		uint32_t lo, hi;

		p = glob_class_char(p, &lo);
		if (!p)
			return NULL;
		hi = lo;
		if (*p == '-')
			p = glob_class_char(p + 1, &hi);
		if (!p)
			return NULL;
		in = in || (lo <= c && c <= hi);
	}
	*ret_matches = in != negated;
	return p + 1;
}

/* Matches one character of s with the head of p; returns what follows in p, NULL if it does not. */
static const char *glob_one(const char *p, const char *s)
{
	size_t n = char_len(s);
	bool matches;

	if (*p == '[') {
		p = glob_class(p + 1, char_code(s), &matches);
		return p && matches ? p : NULL;
	}
	if (*p == '?')
		return *s == '/' ? NULL : p + 1;
	if (*p == '\\')
		p++;
	return *p && strncmp(p, s, n) == 0 ? p + n : NULL;
}

bool str_glob(const char *pattern, const char *s)
{
	const char *star = NULL; /* the pattern behind the last '*' ... */
	const char *from = NULL; /* ... and how far that star reaches now */

	for (;;) {
		const char *next;

		if (*pattern == '*') {
			star = ++pattern;
			from = s;
			continue;
		}
		if (!*s && !*pattern)
			return true;
		next = *s && *pattern ? glob_one(pattern, s) : NULL;
		if (next) {
			pattern = next;
			s += char_len(s);
			continue;
		}
		if (!star || !*from || *from == '/')
			return false;
		from += char_len(from);
		pattern = star;
		s = from;
	}
}

/* Numbers */

int parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (str_empty(s))
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (*p < '0' || *p > '9')
			return -EINVAL;
	for (; *s; s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t) (*s - '0'), &v))
			return -ERANGE;
	*ret = v;
	return 0;
}

int parse_i64(const char *s, int64_t *ret)
{
	bool negative = s && *s == '-';
	uint64_t v, limit = (uint64_t) INT64_MAX + negative;
	int r;

	r = parse_u64(negative ? s + 1 : s, &v);
	if (r < 0)
		return r;
	if (v > limit)
		return -ERANGE;
	*ret = negative ? (int64_t) (0 - v) : (int64_t) v;
	return 0;
}

/* The factor of "", "b", "k", "kb", "kib", ...; 0 for what is no unit. */
static int64_t size_unit(const char *s)
{
	static const char units[] = "kmgtp";
	const char *u;

	if (!*s || ((*s | 0x20) == 'b' && !s[1]))
		return 1;
	u = strchr(units, *s | 0x20);
	if (!u)
		return 0;
	s++;
	if ((*s | 0x20) == 'i')
		return (s[1] | 0x20) == 'b' && !s[2] ? 1LL << (10 * (u - units + 1)) : 0;
	if (*s && ((*s | 0x20) != 'b' || s[1]))
		return 0;
	return 1LL << (10 * (u - units + 1));
}

int parse_size(const char *s, int64_t *ret)
{
	int64_t whole = 0, bytes, unit;
	double fraction = 0, place = 1;
	bool overflow = false;

	if (!s || !isdigit((unsigned char) *s))
		return -EINVAL;
	for (; isdigit((unsigned char) *s); s++)
		overflow |= __builtin_mul_overflow(whole, 10, &whole) ||
			    __builtin_add_overflow(whole, *s - '0', &whole);
	if (*s == '.')
		for (s++; isdigit((unsigned char) *s); s++)
			fraction += (*s - '0') * (place /= 10);
	if (*s == ' ')
		s++;
	unit = size_unit(s);
	if (unit == 0)
		return -EINVAL;
	if (overflow || __builtin_mul_overflow(whole, unit, &bytes) ||
	    __builtin_add_overflow(bytes, (int64_t) (fraction * (double) unit), &bytes))
		return -ERANGE;
	*ret = bytes;
	return 0;
}

/* Hexadecimal */

void hex_encode(const void *data, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *u = data;

	for (size_t i = 0; i < n; i++) {
		*ret++ = digits[u[i] >> 4];
		*ret++ = digits[u[i] & 15];
	}
	*ret = '\0';
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_is_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return s[n] == '\0';
}

bool str_is_ip(const char *s)
{
	unsigned char address[16];

	return inet_pton(AF_INET, s, address) == 1 || inet_pton(AF_INET6, s, address) == 1;
}

void random_hex(char *ret, size_t n)
{
	unsigned char bytes[32];
	char text[2 * sizeof bytes + 1];
	ssize_t r;

	/* Ids guard against mistaken identity: without randomness there is no going on. */
	do {
		r = getrandom(bytes, sizeof bytes, 0);
	} while (r < 0 && errno == EINTR);
	if (r != sizeof bytes || n > sizeof text - 1)
		abort();
	hex_encode(bytes, sizeof bytes, text);
	memcpy(ret, text, n);
	ret[n] = '\0';
}
