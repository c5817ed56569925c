#include "shim/jsonlog.h"

#include "base/mem.h"
#include "test.h"

static const int64_t when = 1795493254874222240;
#define BEHIND "\",\"stream\":\"stdout\",\"time\":\"2026-11-24T04:07:34.87422224Z\"}\n"

static char out[JSONLOG_ROOM];

static size_t encode(const char *s, size_t n, bool end)
{
	struct jsonlog_tail tail;
	size_t len = 0, used;

	jsonlog_tail(&tail, "stdout", when);
	memset(out, 'X', sizeof out);
	used = jsonlog_line(out, &len, s, n, end, &tail);
	out[len] = '\0';
	return used;
}

static void expect(const char *s, size_t n, const char *inside)
{
	autofree char *want = xasprintf("{\"log\":\"%s\\n" BEHIND, inside);

	assert_int_equal(encode(s, n, false), n);
	assert_string_equal(out, want);
}

TEST(escapes_are_dockers)
{
	static const struct {
		const char *in, *inside;
	} table[] = {
		{"\n", ""},
		{"hello\n", "hello"},
		{"\"\\/\n", "\\\"\\\\/"},
		{"<&>'\n", "\\u003c\\u0026\\u003e'"},
		{"\t\r\b\x1b\x1f\x7f\n", "\\u0009\\r\\u0008\\u001b\\u001f\x7f"},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\n", "\xe2\x80\xa7\\u2028\\u2029"},
		{"\x80\xff\n", "\\ufffd\\ufffd"},
		{"\xc3\n", "\\ufffd"},
		{"\xc0\xaf\xed\xa0\x80\n", "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"\xe2\x82x\xf0\x9f\x98\n", "\\ufffd\\ufffdx\\ufffd\\ufffd\\ufffd"},
		{"\xf4\x90\x80\x80\n", "\\ufffd\\ufffd\\ufffd\\ufffd"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		expect(table[i].in, strlen(table[i].in), table[i].inside);
}

/* The fast path takes 16 bytes at a time: what needs thought may stand anywhere. */
TEST(every_byte_at_every_place)
{
	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < 40; at++) {
			char line[41], want[80], one[8];

			if (c == '\n')
				continue;
			memset(line, 'x', 40);
			line[at] = (char) c;
			line[40] = '\n';
			if (c >= 0x80)
				strcpy(one, "\\ufffd");
			else if (c == '"' || c == '\\')
				sprintf(one, "\\%c", c);
			else if (c == '\r')
				strcpy(one, "\\r");
			else if (c < 0x20 || c == '<' || c == '>' || c == '&')
				sprintf(one, "\\u%04x", (unsigned) c);
			else
				sprintf(one, "%c", c);
			snprintf(want, sizeof want, "%.*s%s%.*s", (int) at, line, one,
				 (int) (39 - at), line + at + 1);
			expect(line, sizeof line, want);
		}
}

TEST(only_the_first_line_is_taken)
{
	assert_int_equal(encode("one\ntwo\n", 8, false), 4);
	assert_string_equal(out, "{\"log\":\"one\\n" BEHIND);
}

TEST(what_is_unfinished_waits_until_the_end)
{
	assert_int_equal(encode("half", 4, false), 0);
	assert_int_equal(encode("half\xe2\x82", 6, false), 0);
	assert_int_equal(encode("half", 4, true), 4);
	assert_string_equal(out, "{\"log\":\"half" BEHIND);
}

TEST(long_lines_come_in_pieces)
{
	static char line[3 * JSONLOG_PIECE];

	memset(line, 'y', sizeof line);
	assert_int_equal(encode(line, JSONLOG_PIECE - 1, false), 0);
	assert_int_equal(encode(line, JSONLOG_PIECE, false), JSONLOG_PIECE);
	assert_int_equal(encode(line, sizeof line, false), JSONLOG_PIECE);
	assert_string_equal(out + strlen(out) - strlen(BEHIND), BEHIND);
	assert_int_equal(out[strlen(out) - strlen(BEHIND) - 1], 'y');
	line[JSONLOG_PIECE - 1] = '\n';
	assert_int_equal(encode(line, sizeof line, false), JSONLOG_PIECE);
	assert_non_null(strstr(out, "\\n" BEHIND));
	memset(line, 1, sizeof line);
	assert_int_equal(encode(line, sizeof line, false),
			 JSONLOG_PIECE); /* six times as long, and it fits */
}

TEST(a_piece_never_ends_within_a_character)
{
	static char line[JSONLOG_PIECE + 8];
	static const struct {
		const char *character;
		size_t fits;
	} table[] = {{"\xc3\xa9", 2}, {"\xe2\x82\xac", 3}, {"\xf0\x9f\x98\x80", 4}};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		for (size_t in = 1; in <= table[i].fits; in++) {
			memset(line, 'z', sizeof line);
			memcpy(line + JSONLOG_PIECE - in, table[i].character, table[i].fits);
			assert_int_equal(encode(line, sizeof line, false),
					 in == table[i].fits ? JSONLOG_PIECE : JSONLOG_PIECE - in);
			assert_null(strstr(out, "\\ufffd"));
		}
	/* What is no character may be cut. */
	memset(line, '\x80', sizeof line);
	assert_int_equal(encode(line, sizeof line, false), JSONLOG_PIECE);
}

TEST(times_are_as_go_writes_them)
{
	static const struct {
		int64_t ns;
		const char *text;
	} table[] = {
		{1795493254000000000, "04:07:34Z"},
		{1795493254000000001, "04:07:34.000000001Z"},
		{1795493254100000000, "04:07:34.1Z"},
		{1795493250000000000, "04:07:30Z"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		autofree char *want = xasprintf(
			"\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-24T%s\"}\n", table[i].text);
		struct jsonlog_tail tail;

		jsonlog_tail(&tail, "stderr", table[i].ns);
		assert_int_equal(tail.len, strlen(want));
		assert_memory_equal(tail.text, want, tail.len);
	}
}
