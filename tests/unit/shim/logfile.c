#include "shim/logfile.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "wire/layout.h"

static char *read_log(int dir, const char *name)
{
	char *text = NULL;

	return read_file_at(dir, name, 64 << 20, &text, NULL) == 0 ? text : NULL;
}

/* The texts of all lines, one behind the other, of one stream; simple ones without escapes only. */
static void expect_text(int dir, const char *stream, const char *want)
{
	autofree char *text = read_log(dir, LAYOUT_LOG);
	autofree char *got = xmalloc(strlen(text) + 1);
	char *rest = NULL;
	size_t n = 0;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *end = strstr(line, "\",\"stream\":\"");

		assert_non_null(end);
		if (strncmp(end + 12, stream, 6) != 0)
			continue;
		for (char *p = line + 8; p < end; p++)
			if (p[0] == '\\' && p[1] == 'n')
				p++, got[n++] = '\n';
			else
				got[n++] = *p;
	}
	got[n] = '\0';
	assert_string_equal(got, want);
}

static void add(struct logfile *l, enum log_source from, const char *text)
{
	logfile_add(l, from, text, strlen(text), 1);
}

TEST(lines_are_put_together_whatever_the_reads)
{
	static const char text[] = "one\ntwo\n\nfour five six seven eight nine\nlast";

	for (size_t step = 1; step < sizeof text; step++) {
		int dir = test_fresh_dir();
		struct logfile l;

		logfile_open(&l, dir, 0, 1);
		for (size_t i = 0; i < sizeof text - 1; i += step) {
			size_t n = sizeof text - 1 - i;

			logfile_add(&l, LOG_FROM_STDOUT, text + i, n < step ? n : step, 1);
			if (i == step)
				add(&l, LOG_FROM_STDERR, "between\n");
		}
		logfile_end(&l, LOG_FROM_STDOUT, 1);
		logfile_close(&l);
		expect_text(dir, "stdout", text);
		expect_text(dir, "stderr", step < sizeof text - 1 ? "between\n" : "");
		close(dir);
	}
}

TEST(long_lines_are_the_same_whatever_the_reads)
{
	static char line[50001];

	memset(line, 'l', 50000);
	line[49999] = '\n';
	for (size_t step = 1; step <= 65536; step = step * 3 + 1) {
		int dir = test_fresh_dir();
		autofree char *text = NULL;
		struct logfile l;
		size_t lines = 0;

		logfile_open(&l, dir, 0, 1);
		for (size_t i = 0; i < 50000; i += step)
			logfile_add(&l, LOG_FROM_STDOUT, line + i,
				    50000 - i < step ? 50000 - i : step, 1);
		logfile_close(&l);
		expect_text(dir, "stdout", line);
		text = read_log(dir, LAYOUT_LOG);
		for (char *p = text; (p = strchr(p, '\n')); p++)
			lines++;
		assert_int_equal(lines, 4); /* 3 * 16384 + 848 */
		close(dir);
	}
}

TEST(rotation_keeps_the_files_it_may)
{
	int dir = test_fresh_dir();
	struct logfile l;

	logfile_open(&l, dir, 200, 3);
	for (int i = 0; i < 30; i++) {
		char line[16];

		snprintf(line, sizeof line, "%d\n", i);
		add(&l, LOG_FROM_STDOUT, line);
	}
	logfile_close(&l);
	/* 70 bytes a line: three lines a file. */
	expect_text(dir, "stdout", "27\n28\n29\n");
	assert_false(exists_at(dir, LAYOUT_LOG ".3"));
	for (int i = 1; i <= 2; i++) {
		char name[32], want[16];
		autofree char *text = NULL;

		snprintf(name, sizeof name, LAYOUT_LOG ".%d", i);
		snprintf(want, sizeof want, "{\"log\":\"%d\\n", 27 - 3 * i);
		text = read_log(dir, name);
		assert_non_null(text);
		assert_memory_equal(text, want, strlen(want));
	}
	close(dir);
}

TEST(a_batch_is_split_where_the_file_is_full)
{
	int dir = test_fresh_dir();
	struct logfile l;

	logfile_open(&l, dir, 200, 2);
	add(&l, LOG_FROM_STDOUT, "a\nb\nc\nd\ne\nf\ng\nh\n");
	logfile_close(&l);
	expect_text(dir, "stdout", "g\nh\n");
	assert_true(exists_at(dir, LAYOUT_LOG ".1"));
	close(dir);
}

TEST(a_torn_line_is_cut_and_the_size_is_taken_from_the_file)
{
	int dir = test_fresh_dir();
	struct logfile l;

	logfile_open(&l, dir, 0, 1);
	add(&l, LOG_FROM_STDOUT, "whole\n");
	assert_int_equal(write(l.fd, "{\"log\":\"to", 10), 10);
	logfile_close(&l);
	logfile_open(&l, dir, 60, 2);
	assert_true(l.size > 60);
	add(&l, LOG_FROM_STDOUT, "next\n");
	logfile_close(&l);
	expect_text(dir, "stdout", "next\n");
	assert_true(exists_at(dir, LAYOUT_LOG ".1"));
	close(dir);

	dir = test_fresh_dir();
	assert_int_equal(save_file_at(dir, LAYOUT_LOG, "{\"lo", 4, SAVE_ATOMIC, NULL), 0);
	logfile_open(&l, dir, 0, 1);
	add(&l, LOG_FROM_STDOUT, "next\n");
	logfile_close(&l);
	expect_text(dir, "stdout", "next\n");
	close(dir);
}

TEST(what_cannot_be_written_is_counted_and_leaves_no_half_line)
{
	struct rlimit was, small;
	int dir = test_fresh_dir();
	struct logfile l;

	logfile_open(&l, dir, 0, 1);
	add(&l, LOG_FROM_STDOUT, "kept\n");
	(void) signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){.rlim_cur = (rlim_t) l.size + 100, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	add(&l, LOG_FROM_STDOUT, "fits\nlost\nlost\n");
	add(&l, LOG_FROM_STDOUT, "lost\n");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(l.lost_lines, 3);
	add(&l, LOG_FROM_STDOUT, "again\n");
	assert_int_equal(l.lost_lines, 0);
	logfile_close(&l);
	expect_text(dir, "stdout", "kept\nfits\nagain\n");
	close(dir);
}

TEST(a_log_that_cannot_be_opened_is_tried_again)
{
	int dir = test_fresh_dir();
	struct logfile l;

	assert_int_equal(mkdirat(dir, LAYOUT_LOG, 0700), 0);
	logfile_open(&l, dir, 0, 1);
	add(&l, LOG_FROM_STDOUT, "lost\n");
	assert_int_equal(l.lost_lines, 1);
	assert_int_equal(unlinkat(dir, LAYOUT_LOG, AT_REMOVEDIR), 0);
	add(&l, LOG_FROM_STDOUT, "kept\n");
	logfile_close(&l);
	expect_text(dir, "stdout", "kept\n");
	close(dir);
}

TEST(a_rotation_that_fails_is_not_tried_at_every_line)
{
	int dir = test_fresh_dir();
	struct logfile l;

	assert_int_equal(mkdirat(dir, LAYOUT_LOG ".1", 0700), 0);
	assert_int_equal(mkdirat(dir, LAYOUT_LOG ".1/x", 0700), 0);
	logfile_open(&l, dir, 100, 2);
	add(&l, LOG_FROM_STDOUT, "a\nb\nc\n");
	assert_int_equal(l.rotate_at, l.size / 3 * 2 + 100);
	logfile_close(&l);
	expect_text(dir, "stdout", "a\nb\nc\n");
	close(dir);
}
