#include "wire/logline.h"

#include "base/time.h"
#include "test.h"

#define END ",\"stream\":\"stdout\",\"time\":\"2024-02-29T12:34:56.123456789Z\"}"

static int parse(const char *line, struct buf *text, struct log_entry *ret)
{
	return log_line_parse(line, strlen(line), text, ret);
}

TEST(line_of_the_shim_is_read)
{
	autobuf text = {};
	struct log_entry e;
	int64_t want;

	assert_int_equal(rfc3339_parse("2024-02-29T12:34:56.123456789Z", &want), 0);
	assert_int_equal(parse("{\"log\":\"hello\\n\"" END, &text, &e), 0);
	assert_int_equal(e.stream, LOG_STDOUT);
	assert_int_equal(e.time_ns, want);
	assert_int_equal(e.len, 6);
	assert_memory_equal(e.text, "hello\n", 6);

	assert_int_equal(
		parse("{\"log\":\"\",\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:00Z\"}",
		      &text, &e),
		0);
	assert_int_equal(e.stream, LOG_STDERR);
	assert_int_equal(e.time_ns, 0);
	assert_int_equal(e.len, 0);
}

TEST(escapes_become_bytes)
{
	static const struct {
		const char *json, *text;
		size_t len;
	} rows[] = {
		{"\\n\\r\\t\\\"\\\\\\/\\b\\f", "\n\r\t\"\\/\b\f", 8},
		{"a\\\"b\\\"c", "a\"b\"c", 5},
		{"\\\\\\\"", "\\\"", 2},
		{"x\\\\", "x\\", 2},
		{"\\u003cb\\u003E", "<b>", 3},
		{"a\\u0000b", "a\0b", 3},
		{"\\u00e9\\u20AC", "\xc3\xa9\xe2\x82\xac", 5},
		{"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!", 5},
		{"\\ud83d", "\xef\xbf\xbd", 3},
		{"\\ud83dx\\ude00", "\xef\xbf\xbdx\xef\xbf\xbd", 7},
		{"\\ud83d\\u0041",
		 "\xef\xbf\xbd"
		 "A",
		 4},
		{"\xc3\xa9\xff", "\xc3\xa9\xff", 3},
	};
	autobuf text = {};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		autofree char *line = xasprintf("{\"log\":\"%s\"" END, rows[i].json);
		struct log_entry e;

		assert_int_equal(parse(line, &text, &e), 0);
		assert_int_equal(e.len, rows[i].len);
		assert_memory_equal(e.text, rows[i].text, e.len);
	}
}

TEST(other_writers_lines_are_read_too)
{
	static const char *const lines[] = {
		"{\"time\":\"2024-01-01T00:00:00Z\",\"log\":\"a\\u0000\\n\",\"stream\":\"stderr\"}",
		"{ \"log\": \"a\\u0000\\n\", \"stream\": \"stderr\", \"time\": "
		"\"2024-01-01T01:00:00+01:00\" }",
		"{\"log\":\"a\\u0000\\n\",\"stream\":\"stderr\",\"attrs\":{\"k\":\"v\"},"
		"\"time\":\"2024-01-01T00:00:00.000000000Z\"}",
		"{\"log\":\"b\",\"log\":\"a\\u0000\\n\",\"stream\":\"stderr\",\"n\":[-1.5e3,{\"}\":"
		"null}],"
		"\"time\":\"2024-01-01T00:00:00Z\"}",
	};
	autobuf text = {};
	struct log_entry e;

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		assert_int_equal(parse(lines[i], &text, &e), 0);
		assert_int_equal(e.stream, LOG_STDERR);
		assert_int_equal(e.time_ns, 1704067200 * NSEC_PER_SEC);
		assert_int_equal(e.len, 3);
		assert_memory_equal(e.text, "a\0\n", 3);
	}
}

TEST(damaged_lines_are_refused)
{
	static const char *const lines[] = {
		"",
		"x",
		"{",
		"{}",
		"[]",
		"{\"log\":\"",
		"{\"log\":\"a",
		"{\"log\":\"a\\",
		"{\"log\":\"a\\u12",
		"{\"log\":\"a\"" END "x",
		"{\"log\":\"a\\x\"" END,
		"{\"log\":\"a\\u12g4\"" END,
		"{\"log\":\"a\",\"stream\":\"stdin\",\"time\":\"2024-01-01T00:00:00Z\"}",
		"{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"2024-13-01T00:00:00Z\"}",
		"{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"\"}",
		"{\"log\":1,\"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:00Z\"}",
		"{\"log\":\"a\",\"x\":{[,\"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:00Z\"}",
		"{\"log\":\"a\",\"x\":,\"time\":\"2024-01-01T00:00:00Z\"}",
		"{\"log\":\"a\",\"x\":},\"time\":\"2024-01-01T00:00:00Z\"}",
		"{\"log\":\"a\",\"time\":\"2024-01-01T00:00:00Z\",}",
		"{\"log\":\"a\",\"stream\":\"stdout\"}",
		"{\"stream\":\"stdout\",\"time\":\"2024-01-01T00:00:00Z\"}",
		"{\"log\":\"abc{\"log\":\"def\\n\"" END,
	};
	autobuf text = {};
	struct log_entry e;

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		assert_int_equal(parse(lines[i], &text, &e), -1);
}

/* Whatever is cut off: no byte beyond is touched (the sanitizers look), and no half line is taken
 * for one. */
TEST(every_cut_is_refused)
{
	static const char line[] = "{\"log\":\"a\\n\\u20ac\\ud83d\\ude00\\\"z\"" END;
	autobuf text = {};
	struct log_entry e;

	for (size_t n = 0; n < sizeof line - 1; n++) {
		autofree char *cut = xmemdup(line, n);

		assert_int_equal(log_line_parse(cut, n, &text, &e), -1);
		assert_int_equal(log_line_time(cut, n), 0);
	}
	assert_int_equal(parse(line, &text, &e), 0);
	assert_int_equal(log_line_time(line, sizeof line - 1), e.time_ns);
}

TEST(times_are_those_of_the_calendar)
{
	autobuf text = {};

	for (int64_t sec = 1; sec < 9214646400; sec += 86400 * 13 + 3607) {
		char time[RFC3339_MAX];
		autofree char *line = NULL;
		struct log_entry e;

		rfc3339_format(sec * NSEC_PER_SEC + 7, time);
		line = xasprintf("{\"log\":\"\",\"stream\":\"stdout\",\"time\":\"%s\"}", time);
		assert_int_equal(parse(line, &text, &e), 0);
		assert_int_equal(e.time_ns, sec * NSEC_PER_SEC + 7);
		assert_int_equal(log_line_time(line, strlen(line)), e.time_ns);
	}
}
