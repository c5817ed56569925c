/* Tables, words, and times before log lines. */
#include "cli/table.h"

#include "base/time.h"
#include "cli/logs_stamp.h"
#include "cli/words.h"
#include "test.h"

static void check_table(unsigned width, const char *wanted)
{
	autotable t = {0};
	autobuf out = {0};

	table_add(&t, "CONTAINER ID\tIMAGE\tCOMMAND\tNAMES");
	table_add(&t, "0123456789ab\tbusybox\t\"sleep a very long time\"\ta_very_long_name_of_it");
	table_add(&t, "ba9876543210\tx\t\"é\"\tshort");
	table_format(&t, width, &out);
	assert_string_equal(out.text, wanted);
}

TEST(columns_line_up_whatever_the_bytes)
{
	check_table(0,
		    "CONTAINER ID   IMAGE     COMMAND                    NAMES\n"
		    "0123456789ab   busybox   \"sleep a very long time\"   a_very_long_name_of_it\n"
		    "ba9876543210   x         \"é\"                        short\n");
}

TEST(tables_fit_and_names_stay_whole)
{
	check_table(70, "CONTAINER ID   IMAGE     COMMAND                NAMES\n"
			"0123456789ab   busybox   \"sleep a very long …   a_very_long_name_of_it\n"
			"ba9876543210   x         \"é\"                    short\n");
}

TEST(a_terminal_too_narrow_is_overflown)
{
	check_table(20, "CONTAINER ID   IMAGE     COMMAND        NAMES\n"
			"0123456789ab   busybox   \"sleep a ve…   a_very_long_name_of_it\n"
			"ba9876543210   x         \"é\"            short\n");
}

TEST(ellipsis_counts_characters)
{
	static const struct {
		const char *text;
		size_t max;
		const char *wanted;
	} rows[] = {
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"},
		{"äöü", 3, "äöü"}, {"abc", 1, "…"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *got = text_ellipsis(rows[i].text, rows[i].max);

		assert_string_equal(got, rows[i].wanted);
	}
}

TEST(sizes_are_in_dockers_words)
{
	static const struct {
		int64_t bytes;
		const char *decimal, *binary;
	} rows[] = {
		{0, "0B", "0B"},
		{999, "999B", "999B"},
		{4261234, "4.26MB", "4.064MiB"},
		{1234567890, "1.23GB", "1.15GiB"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		autofree char *decimal = size_words(rows[i].bytes);
		autofree char *binary = size_words_binary(rows[i].bytes);

		assert_string_equal(decimal, rows[i].decimal);
		assert_string_equal(binary, rows[i].binary);
	}
}

TEST(what_upsets_a_terminal_is_told_in_letters)
{
	autofree char *got = text_quoted("a\nb\t\x1b[31m");

	assert_string_equal(got, "a\\nb\\t\\x1b[31m");
}

TEST(quotes_within_quotes_are_escaped)
{
	autofree char *got = text_in_quotes("sh -c 'echo \"a\\b\"\r\n'…");

	assert_string_equal(got, "\"sh -c 'echo \\\"a\\\\b\\\"\\r\\n'…\"");
}

TEST(ids_are_short_unless_whole)
{
	autofree char *cut = short_id("sha256:0123456789abcdef", false);
	autofree char *whole = short_id("sha256:0123456789abcdef", true);

	assert_string_equal(cut, "0123456789ab");
	assert_string_equal(whole, "sha256:0123456789abcdef");
}

TEST(times_before_log_lines_are_known_by_their_shape)
{
	static const char line[] = "2026-11-24T03:45:34.123456789Z hello";
	int64_t ns = 0, again;

	assert_int_equal(logs_stamp(line, sizeof line - 1, &ns), 31);
	assert_int_equal(rfc3339_parse("2026-11-24T03:45:34.123456789Z", &again), 0);
	assert_true(ns == again);
	assert_int_equal(logs_stamp(line, 30, &ns), 0);
	assert_int_equal(logs_stamp("2026-11-24 03:45:34.123456789Z hello", 36, &ns), 0);
	assert_int_equal(logs_stamp("2026-99-24T03:45:34.123456789Z hello", 36, &ns), 0);
	assert_true(logs_stamp_may_begin(line, 30));
	assert_true(logs_stamp_may_begin("2", 1));
	assert_false(logs_stamp_may_begin("x", 1));
	assert_false(logs_stamp_may_begin(line, 36));
}
