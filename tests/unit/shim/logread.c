#include "shim/logread.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/jsonlog.h"
#include "shim/logfile.h"
#include "test.h"
#include "wire/layout.h"

/* A log with one who reads it. */
struct reader {
	struct logread r;
	int64_t next; /* number that its next line should have, 0: whatever comes */
	int64_t lost; /* numbers that never came */
};

static char room[LOGREAD_ROOM];

static void open_reader(struct logread *r, int dir, const char *name, int64_t offset)
{
	int fd = name ? openat(dir, name, O_RDONLY | O_CLOEXEC) : -1;

	assert_true(fd >= 0 || !name);
	assert_int_equal(logread_open(r, dir, fd, offset), 0);
}

static void write_numbers(struct logfile *l, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++) {
		char line[32];
		int n = snprintf(line, sizeof line, "%lld\n", (long long) i);

		logfile_add(l, i % 3 ? LOG_FROM_STDOUT : LOG_FROM_STDERR, line, (size_t) n, 1);
	}
}

/* Texts of what it reads now, at most `lines` lines. Caller frees. */
static char *read_some(struct logread *r, int lines)
{
	autobuf all = {0}, text = {0};
	ssize_t n = 1;

	while (lines > 0 && (n = logread_lines(r, room)) > 0) {
		const char *at = room, *end = room + n, *newline;

		for (; lines > 0 && at < end; at = newline + 1, lines--) {
			struct log_entry e;

			newline = memchr(at, '\n', (size_t) (end - at));
			assert_non_null(newline);
			if (log_line_parse(at, (size_t) (newline - at), &text, &e) == 0 &&
			    logread_is_behind_start(r, e.stream, r->offset))
				buf_add(&all, e.text, e.len);
			r->offset += newline + 1 - at;
		}
	}
	assert_true(n >= 0);
	return buf_take(&all);
}

static void expect(struct logread *r, const char *want)
{
	autofree char *got = read_some(r, INT32_MAX);

	assert_string_equal(got, want);
}

/* The next `lines` lines are numbers in order. */
static void expect_numbers(struct reader *x, int lines)
{
	autofree char *got = read_some(&x->r, lines);
	char *at = got;

	while (*at) {
		int64_t n = strtoll(at, &at, 10);

		assert_true(n >= x->next);
		x->lost += n - x->next;
		x->next = n + 1;
		assert_int_equal(*at++, '\n');
	}
}

TEST(what_is_written_later_is_read_later)
{
	int dir = test_fresh_dir();
	struct logfile l;
	struct logread r;

	open_reader(&r, dir, NULL, 0);
	expect(&r, "");
	logfile_open(&l, dir, 0, 1);
	expect(&r, "");
	write_numbers(&l, 1, 4);
	expect(&r, "1\n2\n3\n");
	expect(&r, "");
	logfile_add(&l, LOG_FROM_STDOUT, "half", 4, 1);
	expect(&r, "");
	logfile_add(&l, LOG_FROM_STDOUT, "\n", 1, 1);
	expect(&r, "half\n");
	logread_close(&r);
	logfile_close(&l);
	close(dir);
}

TEST(streams_have_starts_of_their_own)
{
	int dir = test_fresh_dir();
	struct logfile l;
	struct logread r;
	struct stat st;

	/* stderr has 3, 6, 9, ... */
	logfile_open(&l, dir, 700, 9);
	write_numbers(&l, 0, 30);
	open_reader(&r, dir, LAYOUT_LOG ".1", 0);
	assert_int_equal(fstatat(dir, LAYOUT_LOG, &st, 0), 0);
	r.start[LOG_STDERR] = (struct log_place){st.st_ino, 0};
	r.start[LOG_STDOUT] = (struct log_place){r.ino, 1};
	/* ten to a file */
	expect(&r, "11\n13\n14\n16\n17\n19\n20\n21\n22\n23\n24\n25\n26\n27\n28\n29\n");
	write_numbers(&l, 30, 34);
	expect(&r, "30\n31\n32\n33\n");
	logread_close(&r);
	logfile_close(&l);
	close(dir);
}

/* Numbers 0 to n - 1 are in a log of such files, and a reader stands at its beginning. */
static void begin(struct logfile *l, struct reader *x, int64_t max_files, int64_t n)
{
	int dir = test_fresh_dir();

	*x = (struct reader){0};
	logfile_open(l, dir, 1000, max_files);
	write_numbers(l, 0, n);
	open_reader(&x->r, dir, LAYOUT_LOG, 0);
}

static void end(struct logfile *l, struct reader *x)
{
	logread_close(&x->r);
	logfile_close(l);
	close(l->dir);
}

TEST(no_line_is_lost_while_its_files_are_kept)
{
	struct reader x;
	struct logfile l;

	begin(&l, &x, 4, 1);
	/* A file has about 14 lines; the reader is up to two files behind. */
	for (int64_t i = 1; i < 3000; i += 7) {
		write_numbers(&l, i, i + 7);
		if (i % 3 == 0)
			expect_numbers(&x, i % 2 ? 40 : 5);
	}
	expect_numbers(&x, INT32_MAX);
	assert_int_equal(x.lost, 0);
	assert_int_equal(x.next, 3004);
	end(&l, &x);
}

TEST(who_is_too_slow_goes_on_with_the_oldest_that_is_there)
{
	struct reader x;
	struct logfile l;

	begin(&l, &x, 3, 10);
	x.r.start[LOG_STDERR] = (struct log_place){x.r.ino + 12345, 7}; /* gone, too, by then */
	expect_numbers(&x, 0);
	write_numbers(&l, 10, 1000);
	expect_numbers(&x, INT32_MAX);
	/* The rest of the file it had open, then the last three files. */
	assert_int_equal(x.next, 1000);
	assert_in_range(x.lost, 1000 - 4 * 14, 1000 - 3 * 13);
	end(&l, &x);
}

TEST(a_file_emptied_in_place_begins_anew)
{
	int dir = test_fresh_dir();
	struct logfile l;
	struct logread r;

	logfile_open(&l, dir, 0, 1);
	write_numbers(&l, 1, 6);
	open_reader(&r, dir, LAYOUT_LOG, 0);
	r.start[LOG_STDOUT] = (struct log_place){r.ino, 100};
	expect(&r, "3\n4\n5\n");
	assert_int_equal(ftruncate(l.fd, 0), 0);
	l.size = 0;
	write_numbers(&l, 6, 8);
	expect(&r, "6\n7\n");
	logread_close(&r);
	logfile_close(&l);
	close(dir);
}

TEST(a_line_too_long_is_passed_over)
{
	int dir = test_fresh_dir(), fd;
	autofree char *junk = xmalloc(3 * LOGREAD_ROOM);
	struct logfile l;
	struct logread r;

	memset(junk, 'x', 3 * LOGREAD_ROOM);
	logfile_open(&l, dir, 0, 1);
	write_numbers(&l, 1, 2);
	fd = openat(dir, LAYOUT_LOG, O_WRONLY | O_APPEND | O_CLOEXEC);
	open_reader(&r, dir, LAYOUT_LOG, 0);
	expect(&r, "1\n");
	assert_int_equal(write_all(fd, junk, LOGREAD_ROOM + 5), 0);
	expect(&r, "");
	assert_int_equal(write_all(fd, junk, 2 * LOGREAD_ROOM), 0);
	expect(&r, "");
	assert_int_equal(write_all(fd, "\n", 1), 0);
	write_numbers(&l, 2, 4);
	expect(&r, "2\n3\n");
	close(fd);
	logread_close(&r);
	logfile_close(&l);
	close(dir);
}

TEST(what_is_no_log_is_refused)
{
	int dir = test_fresh_dir();
	struct logread r;

	assert_int_equal(logread_open(&r, dir, openat(dir, ".", O_RDONLY), 0), -EINVAL);
	logread_close(&r);
	close(dir);
}
