/* Time; see time.h. */
#include "base/time.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define SEC_PER_DAY (24 * 60 * 60)

/* What Go's time.Time{} is, in seconds since the epoch. */
#define GO_ZERO_SEC (-62135596800LL)

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t) ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

struct timespec deadline_in(int64_t ns)
{
	int64_t at;

	if (__builtin_add_overflow(monotonic_ns(), ns < 0 ? 0 : ns, &at))
		at = INT64_MAX;
	return (struct timespec){.tv_sec = at / NSEC_PER_SEC, .tv_nsec = at % NSEC_PER_SEC};
}

int64_t deadline_left_ns(const struct timespec *deadline)
{
	int64_t at;

	if (__builtin_mul_overflow((int64_t) deadline->tv_sec, NSEC_PER_SEC, &at) ||
	    __builtin_add_overflow(at, deadline->tv_nsec, &at))
		at = INT64_MAX;
	at -= monotonic_ns();
	return at > 0 ? at : 0;
}

/* The calendar: days since the epoch <-> year, month, day, counted in years that begin in March so
 * that the leap day is the last (Howard Hinnant, chrono-compatible low-level date algorithms). */

static int64_t days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t days, int *y, int *m, int *d)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*d = (int) (doy - (153 * mp + 2) / 5 + 1);
	*m = (int) (mp < 10 ? mp + 3 : mp - 9);
	*y = (int) (yoe + era * 400 + (*m <= 2));
}

static char *put_digits(char *to, int64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		to[i] = (char) ('0' + v % 10);
	return to + n;
}

/* By hand, for the shim does it for every log line: snprintf costs ten times as much. */
char *rfc3339_format(int64_t ns, char ret[static RFC3339_MAX])
{
	int64_t sec = ns / NSEC_PER_SEC, frac = ns % NSEC_PER_SEC, days;
	int y, m, d, rest;
	char *p = ret;

	if (ns == 0)
		return strcpy(ret, "0001-01-01T00:00:00Z");
	if (frac < 0) {
		frac += NSEC_PER_SEC;
		sec--;
	}
	days = sec / SEC_PER_DAY - (sec % SEC_PER_DAY < 0);
	rest = (int) (sec - days * SEC_PER_DAY);
	civil_from_days(days, &y, &m, &d);

	p = put_digits(p, y, 4);
	*p++ = '-';
	p = put_digits(p, m, 2);
	*p++ = '-';
	p = put_digits(p, d, 2);
	*p++ = 'T';
	p = put_digits(p, rest / 3600, 2);
	*p++ = ':';
	p = put_digits(p, rest / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, rest % 60, 2);
	*p++ = '.';
	p = put_digits(p, frac, 9);
	*p++ = 'Z';
	*p = '\0';
	return ret;
}

/* Readers that take from *s what they know and leave the rest; false where it is not there. */

static bool scan_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static bool scan_digits(const char **s, int n, int lo, int hi, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + *(*s)++ - '0';
	}
	*ret = v;
	return v >= lo && v <= hi;
}

static bool scan_date(const char **s, int64_t *ret_days)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int y, m, d, last;

	if (!scan_digits(s, 4, 0, 9999, &y) || !scan_char(s, '-') ||
	    !scan_digits(s, 2, 1, 12, &m) || !scan_char(s, '-') || !scan_digits(s, 2, 1, 31, &d))
		return false;
	last = month_days[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
	*ret_days = days_from_civil(y, m, d);
	return d <= last;
}

/* Digits behind a point as ns; those after the ninth count for nothing. */
static bool scan_fraction(const char **s, int64_t *ret_ns)
{
	int64_t unit = NSEC_PER_SEC / 10;

	if (**s < '0' || **s > '9')
		return false;
	*ret_ns = 0;
	for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
		*ret_ns += (**s - '0') * unit;
	return true;
}

static bool scan_zone(const char **s, int *ret_sec)
{
	int h, m, sign = **s == '-' ? -1 : 1;

	*ret_sec = 0;
	if (scan_char(s, 'Z'))
		return true;
	if (!scan_char(s, '+') && !scan_char(s, '-'))
		return false;
	if (!scan_digits(s, 2, 0, 23, &h) || !scan_char(s, ':') || !scan_digits(s, 2, 0, 59, &m))
		return false;
	*ret_sec = sign * (h * 3600 + m * 60);
	return true;
}

/* Puts an instant together; Go's zero time is our 0. */
static int instant(int64_t sec, int64_t frac, int64_t *ret_ns)
{
	int64_t ns;

	if (sec == GO_ZERO_SEC && frac == 0) {
		*ret_ns = 0;
		return 0;
	}
	/* Only 1677 to 2262 fit; the second before the earliest needs its fraction to do so. */
	if (__builtin_mul_overflow(sec, NSEC_PER_SEC, &ns) || __builtin_add_overflow(ns, frac, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

int rfc3339_parse(const char *s, int64_t *ret_ns)
{
	int64_t days, frac = 0;
	int h, m, sec, zone;

	if (!s || !scan_date(&s, &days) || !scan_char(&s, 'T') || !scan_digits(&s, 2, 0, 23, &h) ||
	    !scan_char(&s, ':') || !scan_digits(&s, 2, 0, 59, &m) || !scan_char(&s, ':') ||
	    !scan_digits(&s, 2, 0, 59, &sec))
		return -EINVAL;
	if (scan_char(&s, '.') && !scan_fraction(&s, &frac))
		return -EINVAL;
	if (!scan_zone(&s, &zone) || *s)
		return -EINVAL;
	return instant(days * SEC_PER_DAY + h * 3600 + m * 60 + sec - zone, frac, ret_ns);
}

/* "1136073600", "1136073600.000000001"; Go clients may send their zero time as "-62135596800". */
static int unix_parse(const char *s, int64_t *ret_ns)
{
	bool negative = scan_char(&s, '-');
	int64_t sec = 0, frac = 0;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(sec, 10, &sec) ||
		    __builtin_add_overflow(sec, *s - '0', &sec))
			return -EINVAL;
	if (scan_char(&s, '.') && !scan_fraction(&s, &frac))
		return -EINVAL;
	if (*s)
		return -EINVAL;
	return instant(negative ? -sec : sec, negative ? -frac : frac, ret_ns);
}

/* A time of day without an offset is local time. */
static int local_parse(const char *s, int64_t *ret_ns)
{
	char text[64];
	struct tm tm;
	time_t at;
	int64_t ns;
	int n;

	/* "2006-01-02T15:04" is 16 long; seconds and their fraction come behind. */
	n = snprintf(text, sizeof text, "%s%s", s, strlen(s) == 16 ? ":00Z" : "Z");
	if (n < 0 || (size_t) n >= sizeof text || rfc3339_parse(text, &ns) < 0)
		return -EINVAL;
	at = (time_t) (ns / NSEC_PER_SEC);
	if (!localtime_r(&at, &tm))
		return -EINVAL;
	*ret_ns = ns - tm.tm_gmtoff * NSEC_PER_SEC;
	return 0;
}

int instant_parse(const char *s, int64_t now, int64_t *ret_ns)
{
	int64_t ns;
	const char *p = s;

	if (!s)
		return -EINVAL;
	if (unix_parse(s, ret_ns) == 0 || rfc3339_parse(s, ret_ns) == 0 ||
	    local_parse(s, ret_ns) == 0)
		return 0;
	if (scan_date(&p, &ns) && !*p)
		return instant(ns * SEC_PER_DAY, 0, ret_ns);
	if (duration_parse(s, &ns) < 0 || __builtin_sub_overflow(now, ns, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

static int64_t scan_unit(const char **s)
{
	/* Longer names first where one begins with another. */
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{"ns", 1},
		{"us", 1000},
		{"\302\265s", 1000}, /* U+00B5, micro sign */
		{"\316\274s", 1000}, /* U+03BC, Greek mu */
		{"ms", NSEC_PER_MSEC},
		{"s", NSEC_PER_SEC},
		{"m", 60 * NSEC_PER_SEC},
		{"h", 3600 * NSEC_PER_SEC},
	};

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(*s, units[i].name, n) == 0) {
			*s += n;
			return units[i].ns;
		}
	}
	return 0;
}

/* One "<number><unit>" of a duration. */
static bool scan_duration_part(const char **s, int64_t *ret_ns)
{
	int64_t whole = 0, ns, unit;
	double frac = 0, place = 1;
	bool any = false;

	for (; **s >= '0' && **s <= '9'; (*s)++, any = true)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, **s - '0', &whole))
			return false;
	if (scan_char(s, '.'))
		for (; **s >= '0' && **s <= '9'; (*s)++, any = true)
			if (place < 1e15) { /* more digits are less than a nanosecond */
				frac = frac * 10 + (**s - '0');
				place *= 10;
			}
	unit = scan_unit(s);
	if (!any || unit == 0 || __builtin_mul_overflow(whole, unit, &ns) ||
	    __builtin_add_overflow(ns, (int64_t) (frac * ((double) unit / place)), &ns))
		return false;
	*ret_ns = ns;
	return true;
}

int duration_parse(const char *s, int64_t *ret_ns)
{
	int64_t total = 0, part;
	bool negative;

	if (!s)
		return -EINVAL;
	negative = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	do {
		if (!scan_duration_part(&s, &part) || __builtin_add_overflow(total, part, &total))
			return -EINVAL;
	} while (*s);
	*ret_ns = negative ? -total : total;
	return 0;
}

/* A fraction without its trailing noughts: ".5", or nothing. */
static void add_fraction(struct buf *b, int64_t part, int64_t whole)
{
	if (part == 0)
		return;
	buf_addc(b, '.');
	for (; part > 0; part %= whole) {
		whole /= 10;
		buf_addc(b, (char) ('0' + part / whole));
	}
}

char *duration_text(int64_t ns, char ret[static DURATION_MAX])
{
	static const struct {
		const char *name;
		int64_t ns;
	} small[] = {{"ms", NSEC_PER_MSEC}, {"\u00b5s", 1000}, {"ns", 1}};
	int64_t minutes = ns / NSEC_PER_SEC / 60;
	autobuf b = {0};

	if (ns == 0 || ns >= NSEC_PER_SEC) {
		if (minutes >= 60)
			buf_addf(&b, "%lldh", (long long) minutes / 60);
		if (minutes > 0)
			buf_addf(&b, "%lldm", (long long) minutes % 60);
		buf_addf(&b, "%lld", (long long) (ns / NSEC_PER_SEC % 60));
		add_fraction(&b, ns % NSEC_PER_SEC, NSEC_PER_SEC);
		buf_addc(&b, 's');
	}
	for (size_t i = 0; i < ARRAY_SIZE(small) && b.len == 0; i++) {
		if (ns < small[i].ns)
			continue;
		buf_addf(&b, "%lld", (long long) (ns / small[i].ns));
		add_fraction(&b, ns % small[i].ns, small[i].ns);
		buf_adds(&b, small[i].name);
	}
	snprintf(ret, DURATION_MAX, "%s", b.text);
	return ret;
}

void duration_human(int64_t ns, char *ret, size_t size)
{
	int64_t seconds = ns / NSEC_PER_SEC;
	int64_t minutes = seconds / 60;
	int64_t hours = (seconds + 1800) / 3600; /* rounded, as go-units does */

	if (seconds < 1)
		snprintf(ret, size, "Less than a second");
	else if (seconds == 1)
		snprintf(ret, size, "1 second");
	else if (seconds < 60)
		snprintf(ret, size, "%lld seconds", (long long) seconds);
	else if (minutes == 1)
		snprintf(ret, size, "About a minute");
	else if (minutes < 60)
		snprintf(ret, size, "%lld minutes", (long long) minutes);
	else if (hours == 1)
		snprintf(ret, size, "About an hour");
	else if (hours < 48)
		snprintf(ret, size, "%lld hours", (long long) hours);
	else if (hours < 24 * 7 * 2)
		snprintf(ret, size, "%lld days", (long long) hours / 24);
	else if (hours < 24 * 30 * 2)
		snprintf(ret, size, "%lld weeks", (long long) hours / 24 / 7);
	else if (hours < 24 * 365 * 2)
		snprintf(ret, size, "%lld months", (long long) hours / 24 / 30);
	else
		snprintf(ret, size, "%lld years", (long long) seconds / 3600 / 24 / 365);
}
