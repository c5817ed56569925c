#include "base/time.h"

#include <errno.h>

#include "test.h"

#define T(sec, ns) ((sec) *NSEC_PER_SEC + (ns))

static void check_format(int64_t ns, const char *want)
{
	char text[RFC3339_MAX];

	assert_string_equal(rfc3339_format(ns, text), want);
}

TEST(format_has_nine_digits)
{
	check_format(0, "0001-01-01T00:00:00Z");
	check_format(1, "1970-01-01T00:00:00.000000001Z");
	check_format(-1, "1969-12-31T23:59:59.999999999Z");
	check_format(T(951782400LL, 0), "2000-02-29T00:00:00.000000000Z");
	check_format(T(1136214245LL, 123456789), "2006-01-02T15:04:05.123456789Z");
	check_format(INT64_MAX, "2262-04-11T23:47:16.854775807Z");
	check_format(INT64_MIN, "1677-09-21T00:12:43.145224192Z");
}

TEST(parse_undoes_format)
{
	static const int64_t times[] = {0, 1, -1, T(951782400LL, 0), T(4102444800LL, 5), INT64_MAX};
	char text[RFC3339_MAX];
	int64_t ns;

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		assert_int_equal(rfc3339_parse(rfc3339_format(times[i], text), &ns), 0);
		assert_true(ns == times[i]);
	}
	/* every day of 400 years has its own date */
	for (int64_t day = -100000; day < 46097; day += 1) {
		int64_t at = T(day * 86400, 1);

		if (at == 1)
			continue;
		assert_int_equal(rfc3339_parse(rfc3339_format(at, text), &ns), 0);
		assert_true(ns == at);
	}
}

TEST(parse_takes_offsets_and_any_fraction)
{
	static const struct {
		const char *s;
		int64_t want;
	} good[] = {
		{"2006-01-02T15:04:05Z", T(1136214245LL, 0)},
		{"2006-01-02T15:04:05.5Z", T(1136214245LL, 500000000)},
		{"2006-01-02T15:04:05.1234567891Z", T(1136214245LL, 123456789)},
		{"2006-01-02T22:04:05+07:00", T(1136214245LL, 0)},
		{"2006-01-02T08:34:05.25-06:30", T(1136214245LL, 250000000)},
		{"0001-01-01T00:00:00Z", 0},
		{"0001-01-01T01:00:00+01:00", 0},
	};
	static const char *const bad[] = {
		"",
		"2006-01-02",
		"2006-01-02T15:04:05",
		"2006-01-02 15:04:05Z",
		"2006-01-02T15:04:05.Z",
		"2006-01-02T15:04:05Zx",
		"2006-13-02T15:04:05Z",
		"2006-02-29T15:04:05Z",
		"2006-01-00T15:04:05Z",
		"2006-01-02T24:04:05Z",
		"2006-01-02T15:60:05Z",
		"2006-01-02T15:04:60Z",
		"2006-01-02T15:04:05+0700",
		"2006-01-02T15:04:05+24:00",
		"9999-12-31T23:59:59Z",
		"0001-01-01T00:00:01Z",
		"-006-01-02T15:04:05Z",
	};
	int64_t ns = 7;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (rfc3339_parse(good[i].s, &ns) < 0 || ns != good[i].want)
			fail_msg("%s gave %lld", good[i].s, (long long) ns);
	ns = 7;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (rfc3339_parse(bad[i], &ns) != -EINVAL || ns != 7)
			fail_msg("%s was taken", bad[i]);
}

TEST(instants_come_in_five_dresses)
{
	static const struct {
		const char *s;
		int64_t want;
	} good[] = {
		{"0", 0},
		{"1136073600", T(1136073600LL, 0)},
		{"1136073600.000000001", T(1136073600LL, 1)},
		{"1136073600.5", T(1136073600LL, 500000000)},
		{"-1.5", T(-1LL, -500000000)},
		{"-62135596800", 0},
		{"2006-01-01", T(1136073600LL, 0)},
		{"2006-01-01T00:00:00.1Z", T(1136073600LL, 100000000)},
		{"10m", T(1000000LL - 600, 0)},
		{"1h30m", T(1000000LL - 5400, 0)},
	};
	static const char *const bad[] = {"", "x", "10", "1.", "2006-01-", "10y", "99999999999999",
					  "."};
	int64_t ns = 7;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (instant_parse(good[i].s, T(1000000LL, 0), &ns) < 0 || ns != good[i].want)
			fail_msg("%s gave %lld", good[i].s, (long long) ns);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (strcmp(bad[i], "10") != 0 && instant_parse(bad[i], 0, &ns) != -EINVAL)
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(instant_parse(NULL, 0, &ns), -EINVAL);
}

TEST(durations_are_as_go_reads_them)
{
	static const struct {
		const char *s;
		int64_t want;
	} good[] = {
		{"0", 0},
		{"5s", T(5LL, 0)},
		{"-5s", T(-5LL, 0)},
		{"+5s", T(5LL, 0)},
		{"1h2m3.5s", T(3723LL, 500000000)},
		{"100ms", 100 * NSEC_PER_MSEC},
		{"1.5us", 1500},
		{"1\302\265s", 1000},
		{"1\316\274s", 1000},
		{"7ns", 7},
		{".5s", 500 * NSEC_PER_MSEC},
		{"1.s", T(1LL, 0)},
		{"0.333h", T(1198LL, 800000000)},
		{"0.3333333333333333333h", T(1200LL, 0) - 1},
		{"9223372036854775807ns", INT64_MAX},
	};
	static const char *const bad[] = {"",	 "3",	"-",   "s",    ".s", "+.s", "1y",
					  "5s ", " 5s", "1h5", "--5s", "5S", "1 s", "9999999h"};
	int64_t ns = 7;

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (duration_parse(good[i].s, &ns) < 0 || ns != good[i].want)
			fail_msg("%s gave %lld", good[i].s, (long long) ns);
	ns = 7;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (duration_parse(bad[i], &ns) != -EINVAL || ns != 7)
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(duration_parse(NULL, &ns), -EINVAL);
}

TEST(durations_are_written_as_go_does)
{
	static const struct {
		int64_t ns;
		const char *want;
	} cases[] = {
		{0, "0s"},
		{1, "1ns"},
		{1500, "1.5\u00b5s"},
		{1001000, "1.001ms"},
		{100 * NSEC_PER_MSEC, "100ms"},
		{NSEC_PER_SEC, "1s"},
		{30 * NSEC_PER_SEC, "30s"},
		{1050 * NSEC_PER_MSEC, "1.05s"},
		{90 * NSEC_PER_SEC, "1m30s"},
		{3600 * NSEC_PER_SEC, "1h0m0s"},
		{5415 * NSEC_PER_SEC + 1, "1h30m15.000000001s"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[DURATION_MAX];

		assert_string_equal(duration_text(cases[i].ns, text), cases[i].want);
	}
}

TEST(durations_are_said_in_dockers_words)
{
	static const struct {
		int64_t seconds;
		const char *want;
	} cases[] = {
		{-5, "Less than a second"},
		{0, "Less than a second"},
		{1, "1 second"},
		{45, "45 seconds"},
		{60, "About a minute"},
		{119, "About a minute"},
		{120, "2 minutes"},
		{59 * 60 + 59, "59 minutes"},
		{3600, "About an hour"},
		{3600 + 29 * 60, "About an hour"},
		{3600 + 31 * 60, "2 hours"},
		{24 * 3600, "24 hours"},
		{47 * 3600, "47 hours"},
		{48 * 3600, "2 days"},
		{13 * 86400, "13 days"},
		{14 * 86400, "2 weeks"},
		{59 * 86400, "8 weeks"},
		{60 * 86400, "2 months"},
		{729 * 86400, "24 months"},
		{730 * 86400, "2 years"},
	};
	char text[64];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		duration_human(cases[i].seconds * NSEC_PER_SEC, text, sizeof text);
		assert_string_equal(text, cases[i].want);
	}
	duration_human(NSEC_PER_SEC - 1, text, sizeof text);
	assert_string_equal(text, "Less than a second");
}

TEST(deadlines_pass_and_do_not_overflow)
{
	struct timespec past = deadline_in(-5), far = deadline_in(INT64_MAX);

	assert_true(deadline_left_ns(&past) == 0);
	assert_true(deadline_left_ns(&far) > INT64_MAX / 2);
	far.tv_sec = INT64_MAX;
	assert_true(deadline_left_ns(&far) > INT64_MAX / 2);
	assert_true(now_ns() > T(1600000000LL, 0));
	assert_true(monotonic_ns() <= monotonic_ns());
}

TEST(instants_without_an_offset_are_local)
{
	int64_t ns;

	assert_int_equal(setenv("TZ", "XYZ-2", 1), 0); /* two hours east */
	tzset();
	assert_int_equal(instant_parse("1970-01-01T03:00:01", 0, &ns), 0);
	assert_int_equal(ns, 3601 * NSEC_PER_SEC);
	assert_int_equal(instant_parse("1970-01-01T03:00", 0, &ns), 0);
	assert_int_equal(ns, 3600 * NSEC_PER_SEC);
	assert_true(instant_parse("1970-01-01T", 0, &ns) < 0);
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
}
