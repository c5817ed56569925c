#include "wire/runs.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "wire/layout.h"

static struct run_record seen[16];
static size_t n_seen;

static void see(void *arg, const struct run_record *r)
{
	assert_ptr_equal(arg, seen);
	seen[n_seen++] = *r;
}

static unsigned read_text(const char *text, size_t len)
{
	int dir = test_dir_fd();
	unsigned damaged = 99;

	n_seen = 0;
	assert_int_equal(save_file_at(dir, LAYOUT_RUNS, text, len, SAVE_ATOMIC, NULL), 0);
	assert_int_equal(runs_read(dir, see, seen, &damaged, NULL), 0);
	close(dir);
	return damaged;
}

static const struct run_record all[] = {
	{.event = RUN_STARTED,
	 .run = 3,
	 .time_ns = 1795493254874222246,
	 .pid = 71,
	 .pid_ticks = 8812},
	{.event = RUN_ENDED,
	 .run = 3,
	 .time_ns = 1795493254874222247,
	 .code = 137,
	 .signal = 9,
	 .oom = true},
	{.event = RUN_ENDED, .run = 4, .time_ns = 1},
	{.event = RUN_FAILED,
	 .run = 3,
	 .time_ns = 1795493254000000000,
	 .text = "exec: \"f\\o\n\": \xc3\xa9 <&>"},
	{.event = RUN_RESTART, .run = 4, .time_ns = 5, .due_ns = 1795493255000000001, .count = 12},
	{.event = RUN_GAVE_UP, .run = 3, .time_ns = 6, .text = "maximum retries (3)"},
};

TEST(what_is_written_is_read_again)
{
	autobuf b = {0};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		run_record_format(&b, &all[i]);
	assert_int_equal(read_text(b.text, b.len), 0);
	assert_int_equal(n_seen, ARRAY_SIZE(all));
	for (size_t i = 0; i < n_seen; i++) {
		assert_int_equal(seen[i].event, all[i].event);
		assert_int_equal(seen[i].run, all[i].run);
		assert_int_equal(seen[i].time_ns, all[i].time_ns);
		assert_int_equal(seen[i].pid, all[i].pid);
		assert_int_equal(seen[i].pid_ticks, all[i].pid_ticks);
		assert_int_equal(seen[i].code, all[i].code);
		assert_int_equal(seen[i].signal, all[i].signal);
		assert_int_equal(seen[i].oom, all[i].oom);
		assert_int_equal(seen[i].due_ns, all[i].due_ns);
		assert_int_equal(seen[i].count, all[i].count);
		assert_string_equal(seen[i].text, all[i].text);
	}
}

TEST(a_file_cut_anywhere_gives_its_whole_lines)
{
	autobuf b = {0};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		run_record_format(&b, &all[i]);
	for (size_t len = 0; len <= b.len; len++) {
		size_t whole = 0;

		for (size_t i = 0; i < len; i++)
			whole += b.text[i] == '\n';
		assert_int_equal(read_text(b.text, len), 0); /* torn, not damaged */
		assert_int_equal(n_seen, whole);
	}
}

TEST(damaged_lines_are_counted_and_skipped)
{
	static const char *const damaged[] = {
		"",
		"{}",
		"null",
		"[1]",
		"{\"v\":1,\"event\":\"ended\"",
		"{\"event\":\"ended\",\"run\":1,\"time\":\"2026-01-01T00:00:00Z\"}",
		"{\"event\":\"ended\",\"run\":1,\"time\":\"2026-01-01T00:00:00Z\",\"code\":256,"
		"\"signal\":0,\"oom\":false}",
		"{\"event\":\"ended\",\"run\":1,\"time\":\"2026-01-01T00:00:00Z\",\"code\":-1,"
		"\"signal\":0,\"oom\":false}",
		"{\"event\":\"ended\",\"run\":1,\"time\":\"2026-01-01T00:00:00Z\",\"code\":\"0\","
		"\"signal\":0,\"oom\":false}",
		"{\"event\":\"ended\",\"run\":-1,\"time\":\"2026-01-01T00:00:00Z\",\"code\":0,"
		"\"signal\":0,\"oom\":false}",
		"{\"event\":\"ended\",\"run\":1,\"time\":\"yesterday\",\"code\":0,\"signal\":0,"
		"\"oom\":false}",
		"{\"event\":\"started\",\"run\":1,\"time\":\"2026-01-01T00:00:00Z\",\"pid\":0,"
		"\"ticks\":1}",
		"{\"event\":\"started\",\"run\":1,\"time\":\"2026-01-01T00:00:00Z\",\"pid\":"
		"99999999999,\"ticks\":1}",
		"{\"event\":7}",
		"\xff\xfe",
	};
	autobuf b = {0};

	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		buf_adds(&b, damaged[i]);
		buf_addc(&b, '\n');
	}
	buf_add(&b, "a\0b\n", 4);
	run_record_format(&b, &all[0]);
	assert_int_equal(read_text(b.text, b.len), ARRAY_SIZE(damaged) + 1);
	assert_int_equal(n_seen, 1);
	assert_int_equal(seen[0].pid, 71);
}

TEST(what_later_shims_write_is_no_damage)
{
	static const char text[] =
		"{\"v\":1,\"event\":\"paused\",\"run\":1,\"time\":\"2026-01-01T00:00:00Z\"}\n"
		"{\"v\":1,\"event\":\"started\",\"run\":1,\"time\":\"2026-01-01T00:00:00Z\","
		"\"pid\":7,\"ticks\":1,\"new\":[{}]}\n";

	assert_int_equal(read_text(text, sizeof text - 1), 0);
	assert_int_equal(n_seen, 1);
}

TEST(a_missing_file_has_no_records_and_an_unreadable_one_is_an_error)
{
	int dir = test_dir_fd();
	struct err err = {0};

	(void) unlinkat(dir, LAYOUT_RUNS, 0);
	n_seen = 0;
	assert_int_equal(runs_read(dir, see, seen, NULL, &err), 0);
	assert_int_equal(n_seen, 0);
	assert_int_equal(mkdirat(dir, LAYOUT_RUNS, 0700), 0);
	assert_true(runs_read(dir, see, seen, NULL, &err) < 0);
	assert_non_null(strstr(err.text, LAYOUT_RUNS));
	assert_int_equal(unlinkat(dir, LAYOUT_RUNS, AT_REMOVEDIR), 0);
	close(dir);
}

TEST(append_is_whole_or_nothing)
{
	int dir = test_dir_fd();
	int fd = openat(dir, LAYOUT_RUNS, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_int_equal(runs_append(fd, &all[0]), 0);
	assert_int_equal(runs_append(fd, &all[1]), 0);
	n_seen = 0;
	assert_int_equal(runs_read(dir, see, seen, NULL, NULL), 0);
	assert_int_equal(n_seen, 2);
	assert_true(runs_append(full, &all[0]) < 0);
	close(full);
	close(fd);
	close(dir);
}

TEST(a_line_of_a_later_format_is_no_damage_but_refused)
{
	static const char text[] =
		"{\"v\":2,\"event\":\"ended\",\"run\":1,\"why\":\"new words\"}\n";
	int dir = test_dir_fd();
	struct err err = {0};

	n_seen = 0;
	assert_int_equal(save_file_at(dir, LAYOUT_RUNS, text, sizeof text - 1, SAVE_ATOMIC, NULL),
			 0);
	assert_int_equal(runs_read(dir, see, seen, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_SUPPORTED);
	assert_int_equal(n_seen, 0);
	close(dir);
}
