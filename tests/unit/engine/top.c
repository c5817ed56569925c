/* Whose lines of ps are whose. */
#include "test.h"

#include "engine/internal.h"

static const pid_t pids[] = {7, 12, 300};

static int parse(const char *text, struct top *ret)
{
	autofree char *copy = xstrdup(text);

	return top_parse(copy, pids, ARRAY_SIZE(pids), ret, NULL);
}

TEST(lines_of_others_are_left_out)
{
	struct top t = {0};

	assert_int_equal(parse("UID          PID    PPID CMD\n"
			       "root           1       0 /sbin/init\n"
			       "root           7       1 sleep  1000 \n"
			       "me            70       7 sleep\n"
			       "me           300       7 sh -c echo  12\n",
			       &t),
			 0);
	assert_int_equal(strv_len(t.titles), 4);
	assert_int_equal(t.n_lines, 2);
	assert_string_equal(t.lines[0][1], "7");
	assert_string_equal(t.lines[0][3], "sleep  1000");
	assert_string_equal(t.lines[1][0], "me");
	assert_string_equal(t.lines[1][3], "sh -c echo  12");
	assert_null(t.lines[1][4]);
	top_free(&t);
}

TEST(threads_follow_their_process)
{
	struct top t = {0};

	assert_int_equal(parse("PID LWP\n1 -\n- 1\n12 -\n- 12\n- 13\n70 -\n- 70\n", &t), 0);
	assert_int_equal(t.n_lines, 3);
	assert_string_equal(t.lines[2][1], "13");
	top_free(&t);
}

TEST(a_short_line_has_empty_cells)
{
	struct top t = {0};

	assert_int_equal(parse("CPU PID CMD\n\n5\n5 12\n5 x y\n", &t), 0);
	assert_int_equal(t.n_lines, 1);
	assert_string_equal(t.lines[0][2], "");
	top_free(&t);
}

TEST(without_pids_nothing_can_be_told)
{
	struct top t = {0};

	assert_true(parse("UID CMD\nroot 7\n", &t) < 0);
	top_free(&t);
	assert_true(parse("", &t) < 0);
	top_free(&t);
}

TEST(no_other_column_may_be_called_pid)
{
	autostrv char **good = strv_split("-o pid=PID -o cmd", ' ');
	autostrv char **bad = strv_split("-o ppid=PID", ' ');

	assert_int_equal(top_check_args(good, NULL), 0);
	assert_int_equal(top_check_args(bad, NULL), -1);
}
