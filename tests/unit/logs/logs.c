#include "logs/logs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "test.h"
#include "wire/layout.h"

/* A log directory
 * ---------------------------------------------------------------------------------- */

static void append_raw(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

/* An entry of second `sec`; text without quotes, in JSON. */
static void format(struct buf *b, const char *stream, int sec, const char *text)
{
	char time[RFC3339_MAX];

	buf_addf(b, "{\"log\":\"%s\",\"stream\":\"%s\",\"time\":\"%s\"}\n", text, stream,
		 rfc3339_format(sec * NSEC_PER_SEC, time));
}

static void append(int dir, const char *name, const char *stream, int sec, const char *text)
{
	autobuf b = {};

	format(&b, stream, sec, text);
	append_raw(dir, name, b.text);
}

static void out(int dir, int sec, const char *text)
{
	append(dir, LAYOUT_LOG, "stdout", sec, text);
}

/* As the shim does it, of at most `max` files. */
static void rotate(int dir, int max)
{
	char from[32], to[32];

	for (int i = max - 1; i > 0; i--) {
		snprintf(from, sizeof from, i > 1 ? LAYOUT_LOG ".%d" : LAYOUT_LOG, i - 1);
		snprintf(to, sizeof to, LAYOUT_LOG ".%d", i);
		if (renameat(dir, from, dir, to) < 0 && errno != ENOENT)
			abort();
	}
	append_raw(dir, LAYOUT_LOG, "");
}

/* Reading
 * ------------------------------------------------------------------------------------------- */

#define ALL .want_stdout = true, .want_stderr = true, .tail = -1

static struct log_reader *opened(int dir, struct logs_query q, struct log_follower *f)
{
	struct log_reader *r = NULL;
	struct err err = {};

	if (logs_open(dir, &q, f, &r, &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

/* What is there: the texts one behind the other, newlines as '|'. Caller frees. */
static char *rest(struct log_reader *r, int *ret_last)
{
	struct buf all = {};
	struct log_entry e;
	struct err err = {};
	int n;

	while ((n = logs_next(r, &e, &err)) == 1)
		buf_add(&all, e.text, e.len);
	if (n < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < all.len; i++)
		if (all.text[i] == '\n')
			all.text[i] = '|';
	if (ret_last)
		*ret_last = n;
	return buf_take(&all);
}

static void assert_rest(struct log_reader *r, const char *want)
{
	autofree char *got = rest(r, NULL);

	assert_string_equal(got, want);
}

static void assert_logs(int dir, struct logs_query q, const char *want)
{
	struct log_reader *r = opened(dir, q, NULL);

	assert_rest(r, want);
	logs_close(r);
}

TEST(a_missing_log_is_an_empty_log)
{
	int dir = test_fresh_dir();

	assert_logs(dir, (struct logs_query){ALL}, "");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 5}, "");
	append_raw(dir, LAYOUT_LOG, "");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 5}, "");
	close(dir);
}

TEST(files_are_read_from_the_oldest_to_the_newest)
{
	int dir = test_fresh_dir();

	append(dir, LAYOUT_LOG ".2", "stdout", 1, "a\\n");
	append(dir, LAYOUT_LOG ".1", "stderr", 2, "b\\n");
	append(dir, LAYOUT_LOG ".1", "stdout", 3, "c\\n");
	out(dir, 4, "d\\n");
	assert_logs(dir, (struct logs_query){ALL}, "a|b|c|d|");
	assert_logs(dir, (struct logs_query){.want_stderr = true, .tail = -1}, "b|");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = -1}, "a|c|d|");
	close(dir);
}

TEST(since_and_until_bound_the_time)
{
	int dir = test_fresh_dir();
	int last;
	struct log_reader *r;

	for (int i = 1; i <= 5; i++) {
		char text[8];

		snprintf(text, sizeof text, "%d\\n", i);
		out(dir, i, text);
		if (i == 3)
			rotate(dir, 3);
	}
	assert_logs(dir, (struct logs_query){ALL, .since_ns = 3 * NSEC_PER_SEC}, "3|4|5|");
	assert_logs(dir,
		    (struct logs_query){ALL, .since_ns = 2 * NSEC_PER_SEC,
					.until_ns = 4 * NSEC_PER_SEC},
		    "2|3|4|");
	r = opened(dir, (struct logs_query){ALL, .until_ns = 2 * NSEC_PER_SEC}, NULL);
	free(rest(r, &last));
	assert_int_equal(last, 2);
	logs_close(r);

	assert_logs(
		dir,
		(struct logs_query){.want_stdout = true, .tail = 2, .until_ns = 4 * NSEC_PER_SEC},
		"3|4|");
	assert_logs(
		dir,
		(struct logs_query){.want_stdout = true, .tail = 4, .since_ns = 4 * NSEC_PER_SEC},
		"4|5|");
	close(dir);
}

TEST(torn_and_damaged_lines_are_skipped)
{
	int dir = test_fresh_dir();

	out(dir, 1, "a\\n");
	append_raw(dir, LAYOUT_LOG, "rubbish\n\n{\"log\":\"x\n\xff\xfe\n");
	out(dir, 2, "b\\n");
	append_raw(dir, LAYOUT_LOG, "{\"log\":\"torn");
	assert_logs(dir, (struct logs_query){ALL}, "a|b|");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 2}, "a|b|");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 1}, "b|");
	close(dir);
}

TEST(a_line_of_many_megabytes_is_skipped)
{
	int dir = test_fresh_dir();
	autofree char *huge = xmalloc(5000001);

	memset(huge, 'h', 5000000);
	huge[5000000] = '\0';
	out(dir, 1, "a\\n");
	out(dir, 2, huge);
	out(dir, 3, "b\\n");
	assert_logs(dir, (struct logs_query){ALL}, "a|b|");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 2}, "a|b|");
	close(dir);
}

/* Many lines of many lengths, so that every block border falls somewhere else. */
static void fill(int dir, int lines, int files)
{
	autobuf b = {};

	for (int i = 0; i < lines; i++) {
		char text[700];
		int len = snprintf(text, sizeof text, "%d", i);

		memset(text + len, '.', (size_t) (i * 7919 % 600));
		strcpy(text + len + i * 7919 % 600, "\\n");
		format(&b, i % 3 ? "stdout" : "stderr", 1 + i, text);
		if ((i + 1) % (lines / files) == 0 || i == lines - 1) {
			append_raw(dir, LAYOUT_LOG, b.text);
			b.len = 0;
			if (i < lines - 1)
				rotate(dir, files + 1);
		}
	}
}

TEST(tail_is_the_end_of_all)
{
	enum { LINES = 3000 };
	static const int tails[] = {0, 1, 2, 5, 99, 100, 999, 1000, 1001, 2500, 2999, 3000, 3001};
	int dir = test_fresh_dir();

	fill(dir, LINES, 3);
	for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
		struct log_reader *r =
			opened(dir,
			       (struct logs_query){
				       .want_stdout = true, .want_stderr = true, .tail = tails[i]},
			       NULL);
		int next = tails[i] < LINES ? LINES - tails[i] : 0;
		struct log_entry e;

		for (; logs_next(r, &e, NULL) == 1; next++)
			assert_int_equal(atoi(e.text), next);
		assert_int_equal(next, LINES);
		logs_close(r);
	}
	close(dir);
}

TEST(tail_counts_the_wanted_stream_only)
{
	int dir = test_fresh_dir();
	struct log_reader *r;
	struct log_entry e;

	fill(dir, 3000, 4);
	r = opened(dir, (struct logs_query){.want_stderr = true, .tail = 500}, NULL);
	for (int i = 1500; i < 3000; i += 3) {
		assert_int_equal(logs_next(r, &e, NULL), 1);
		assert_int_equal(e.stream, LOG_STDERR);
		assert_int_equal(atoi(e.text), i);
	}
	assert_int_equal(logs_next(r, &e, NULL), 0);
	logs_close(r);
	close(dir);
}

TEST(parts_of_a_line_are_one_line_for_tail)
{
	int dir = test_fresh_dir();

	out(dir, 1, "a\\n");
	out(dir, 2, "b1-");
	out(dir, 3, "b2-");
	rotate(dir, 5);
	out(dir, 4, "b3\\n");
	out(dir, 5, "c\\n");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 1}, "c|");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 2}, "b1-b2-b3|c|");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 3}, "a|b1-b2-b3|c|");
	/* The last line need not be ended yet. */
	out(dir, 6, "d1-");
	out(dir, 7, "d2");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 1}, "d1-d2");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .tail = 2}, "c|d1-d2");
	close(dir);
}

TEST(parts_are_told_apart_by_stream)
{
	int dir = test_fresh_dir();

	out(dir, 1, "old\\n");
	out(dir, 2, "o1-");
	append(dir, LAYOUT_LOG, "stderr", 3, "e1\\n");
	append(dir, LAYOUT_LOG, "stderr", 4, "e2-");
	out(dir, 5, "o2\\n");
	append(dir, LAYOUT_LOG, "stderr", 6, "e3\\n");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .want_stderr = true, .tail = 1},
		    "e2-e3|");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .want_stderr = true, .tail = 2},
		    "o1-e2-o2|e3|");
	assert_logs(dir, (struct logs_query){.want_stdout = true, .want_stderr = true, .tail = 3},
		    "o1-e1|e2-o2|e3|");
	close(dir);
}

/* Following
 * ----------------------------------------------------------------------------------------- */

static bool is_readable(struct log_reader *r, int timeout_ms)
{
	struct pollfd p = {.fd = logs_fd(r), .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

/* Sleeps until the reader is woken, as often as it needs, for what is to come. */
static void assert_comes(struct log_reader *r, const char *want)
{
	autobuf got = {};

	buf_adds(&got, "");
	while (got.len < strlen(want)) {
		autofree char *more = NULL;

		assert_true(is_readable(r, 10000));
		more = rest(r, NULL);
		buf_adds(&got, more);
	}
	assert_string_equal(got.text, want);
}

TEST(follower_sleeps_and_is_woken)
{
	int dir = test_fresh_dir();
	struct log_follower *f = log_follower_new();
	struct log_reader *r = opened(dir, (struct logs_query){ALL, .follow = true}, f);

	assert_true(is_readable(r, 0));
	assert_rest(r, "");
	assert_false(is_readable(r, 0));
	out(dir, 1, "a\\n"); /* the file is born */
	assert_comes(r, "a|");
	assert_rest(r, "");
	out(dir, 2, "b\\n");
	out(dir, 3, "c\\n");
	assert_comes(r, "b|c|");
	assert_rest(r, "");
	append_raw(dir, LAYOUT_LOG, "{\"log\":\"d\\n\",\"stream\":");
	assert_true(is_readable(r, 10000));
	assert_rest(r, "");
	append_raw(dir, LAYOUT_LOG, "\"stdout\",\"time\":\"2024-01-01T00:00:00Z\"}\n");
	assert_comes(r, "d|");
	logs_close(r);
	log_follower_free(f);
	close(dir);
}

TEST(tail_and_follow_go_together)
{
	int dir = test_fresh_dir();
	struct log_follower *f = log_follower_new();
	struct log_reader *none, *one;

	out(dir, 1, "a\\n");
	out(dir, 2, "b\\n");
	none = opened(dir, (struct logs_query){.want_stdout = true, .tail = 0, .follow = true}, f);
	one = opened(dir, (struct logs_query){.want_stdout = true, .tail = 1, .follow = true}, f);
	out(dir, 3, "c\\n");
	assert_comes(none, "c|");
	assert_comes(one, "b|c|");
	logs_close(none);
	out(dir, 4, "d\\n");
	assert_comes(one, "d|");
	logs_close(one);
	log_follower_free(f);
	close(dir);
}

TEST(follower_reads_the_old_file_to_its_end_and_then_the_new)
{
	int dir = test_fresh_dir();
	struct log_follower *f = log_follower_new();
	struct log_reader *r = opened(dir, (struct logs_query){ALL, .follow = true}, f);

	out(dir, 1, "a\\n");
	assert_comes(r, "a|");
	assert_rest(r, "");
	out(dir, 2, "b\\n");
	rotate(dir, 5);
	out(dir, 3, "c\\n");
	rotate(dir, 5);
	rotate(dir, 5);
	out(dir, 4, "d\\n");
	assert_comes(r, "b|c|d|");
	logs_close(r);
	log_follower_free(f);
	close(dir);
}

TEST(follower_reads_the_end_of_a_file_that_is_rotated_away)
{
	int dir = test_fresh_dir();
	struct log_follower *f = log_follower_new();
	struct log_reader *r = opened(dir, (struct logs_query){ALL, .follow = true}, f);

	out(dir, 4, "d\\n");
	assert_comes(r, "d|");
	out(dir, 5, "e\\n");
	rotate(dir, 2);
	out(dir, 6, "gone for good\\n");
	rotate(dir, 2);
	out(dir, 7, "f\\n");
	rotate(dir, 2);
	out(dir, 8, "g\\n");
	assert_comes(r, "e|f|g|");
	assert_rest(r, "");
	logs_close(r);
	log_follower_free(f);
	close(dir);
}

TEST(follower_survives_a_log_emptied_in_place)
{
	int dir = test_fresh_dir();
	struct log_follower *f = log_follower_new();
	struct log_reader *r = opened(dir, (struct logs_query){ALL, .follow = true}, f);
	int fd;

	out(dir, 1, "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\\n");
	assert_comes(r, "aaaaaaaaaaaaaaaaaaaaaaaaaaaa|");
	fd = openat(dir, LAYOUT_LOG, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	out(dir, 2, "b\\n");
	assert_comes(r, "b|");
	logs_close(r);
	log_follower_free(f);
	close(dir);
}

TEST(half_a_line_that_is_cut_off_and_replaced_does_no_harm)
{
	int dir = test_fresh_dir();
	struct log_follower *f = log_follower_new();
	struct log_reader *r = opened(dir, (struct logs_query){ALL, .follow = true}, f);
	int fd;

	out(dir, 1, "a\\n");
	append_raw(dir, LAYOUT_LOG, "{\"log\":\"half");
	assert_comes(r, "a|");
	assert_rest(r, "");
	fd = openat(dir, LAYOUT_LOG, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 12), 0);
	close(fd);
	out(dir, 2, "whole\\n");
	assert_comes(r, "whole|");
	logs_close(r);
	log_follower_free(f);
	close(dir);
}

TEST(until_in_the_future_wakes_and_ends_the_follower)
{
	int dir = test_fresh_dir();
	struct log_follower *f = log_follower_new();
	int64_t until = now_ns() + 80 * NSEC_PER_MSEC;
	struct log_reader *r =
		opened(dir, (struct logs_query){ALL, .follow = true, .until_ns = until}, f);
	int last = 0;

	out(dir, 1, "a\\n");
	while (last != 2) {
		autofree char *more = NULL;

		assert_true(is_readable(r, 10000));
		more = rest(r, &last);
	}
	assert_true(now_ns() >= until);
	logs_close(r);
	log_follower_free(f);
	close(dir);
}

/* A container that counts, with rotation; nothing may be lost or come twice however the readers
 * fall behind. */
enum { COUNT = 4000, FILES = 100 };

static void *count(void *arg)
{
	int dir = *(int *) arg;
	autobuf b = {};

	for (int i = 0; i < COUNT; i++) {
		char text[32];

		snprintf(text, sizeof text, "%d\\n", i);
		format(&b, "stdout", 1, text);
		if (i % 7 == 0 || i == COUNT - 1) {
			append_raw(dir, LAYOUT_LOG, b.text);
			b.len = 0;
		}
		if (i % 200 == 199)
			rotate(dir, FILES);
	}
	return NULL;
}

struct counting {
	struct log_reader *r;
	atomic_int next;
};

static void *check_counting(void *arg)
{
	struct counting *c = arg;
	int next = 0;

	while (next < COUNT) {
		struct pollfd p = {.fd = logs_fd(c->r), .events = POLLIN};
		struct log_entry e;

		if (poll(&p, 1, 20000) != 1)
			break;
		while (logs_next(c->r, &e, NULL) == 1)
			if (atoi(e.text) != next++)
				return NULL;
		atomic_store(&c->next, next);
	}
	return NULL;
}

TEST(nothing_is_lost_or_doubled_across_rotations)
{
	int dir = test_fresh_dir();
	struct log_follower *f = log_follower_new();
	struct counting c[3] = {0};
	pthread_t writer, readers[3];

	for (int i = 0; i < 3; i++) {
		c[i].r = opened(dir, (struct logs_query){ALL, .follow = true}, f);
		assert_int_equal(pthread_create(&readers[i], NULL, check_counting, &c[i]), 0);
	}
	assert_int_equal(pthread_create(&writer, NULL, count, &dir), 0);
	pthread_join(writer, NULL);
	for (int i = 0; i < 3; i++) {
		pthread_join(readers[i], NULL);
		assert_int_equal(atomic_load(&c[i].next), COUNT);
		logs_close(c[i].r);
	}
	log_follower_free(f);
	close(dir);
}

TEST(a_log_opened_during_rotation_is_whole)
{
	int dir = test_fresh_dir();
	pthread_t writer;
	struct log_entry e;

	assert_int_equal(pthread_create(&writer, NULL, count, &dir), 0);
	for (int i = 0; i < 100; i++) {
		struct log_reader *r = opened(dir, (struct logs_query){ALL}, NULL);

		for (int next = 0; logs_next(r, &e, NULL) == 1; next++)
			assert_int_equal(atoi(e.text), next);
		logs_close(r);
	}
	pthread_join(writer, NULL);
	close(dir);
}

/* Handing over
 * -------------------------------------------------------------------------------------------- */

static void assert_position(int dir, struct logs_query q, const char *file, int64_t offset,
			    const char *want)
{
	struct log_reader *r = opened(dir, q, NULL);
	struct logs_position at;
	struct stat st, mine;

	assert_int_equal(logs_position(r, &at, NULL), 0);
	assert_int_equal(fstatat(dir, file, &st, 0), 0);
	assert_int_equal(fstat(at.fd, &mine), 0);
	assert_int_equal(mine.st_ino, st.st_ino);
	assert_int_equal(at.offset, offset);
	assert_rest(r, want);
	logs_close(r);
}

TEST(position_is_where_what_is_wanted_begins)
{
	int dir = test_fresh_dir();
	struct log_reader *r = opened(dir, (struct logs_query){ALL}, NULL);
	struct logs_position at;
	int64_t line;

	assert_int_equal(logs_position(r, &at, NULL), 0);
	assert_int_equal(at.fd, -1);
	logs_close(r);

	append(dir, LAYOUT_LOG ".1", "stdout", 1, "a\\n");
	append(dir, LAYOUT_LOG ".1", "stdout", 2, "b\\n");
	out(dir, 3, "c\\n");
	out(dir, 4, "d\\n");
	{
		autobuf b = {};

		format(&b, "stdout", 1, "a\\n");
		line = (int64_t) b.len;
	}
	assert_position(dir, (struct logs_query){ALL}, LAYOUT_LOG ".1", 0, "a|b|c|d|");
	assert_position(dir, (struct logs_query){ALL, .since_ns = 2 * NSEC_PER_SEC},
			LAYOUT_LOG ".1", line, "b|c|d|");
	assert_position(dir, (struct logs_query){ALL, .since_ns = 3 * NSEC_PER_SEC}, LAYOUT_LOG, 0,
			"c|d|");
	assert_position(dir, (struct logs_query){ALL, .since_ns = 9 * NSEC_PER_SEC}, LAYOUT_LOG,
			2 * line, "");
	assert_position(dir, (struct logs_query){.want_stdout = true, .tail = 1}, LAYOUT_LOG, line,
			"d|");
	assert_position(dir, (struct logs_query){.want_stdout = true, .tail = 0}, LAYOUT_LOG,
			2 * line, "");
	append_raw(dir, LAYOUT_LOG, "{\"log\":\"torn");
	assert_position(dir, (struct logs_query){.want_stdout = true, .tail = 0}, LAYOUT_LOG,
			2 * line, "");
	close(dir);
}

TEST(position_says_where_each_stream_begins)
{
	int dir = test_fresh_dir();
	struct logs_position at;
	struct log_reader *r;
	struct stat old, new;

	append(dir, LAYOUT_LOG ".1", "stdout", 1, "half");
	append(dir, LAYOUT_LOG ".1", "stderr", 2, "err\\n");
	out(dir, 3, " of a line\\n");
	assert_int_equal(fstatat(dir, LAYOUT_LOG ".1", &old, 0), 0);
	assert_int_equal(fstatat(dir, LAYOUT_LOG, &new, 0), 0);
	r = opened(dir, (struct logs_query){.want_stdout = true, .want_stderr = true, .tail = 1},
		   NULL);
	assert_int_equal(logs_position(r, &at, NULL), 0);
	assert_int_equal(at.offset, 0);
	assert_int_equal(at.start[LOG_STDOUT].ino, old.st_ino);
	assert_int_equal(at.start[LOG_STDOUT].offset, 0);
	assert_int_equal(at.start[LOG_STDERR].ino, new.st_ino);
	assert_int_not_equal(at.start[LOG_STDERR].offset, 0);
	logs_close(r);
	close(dir);
}
