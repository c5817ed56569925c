#include "shim/records.h"

#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "wire/layout.h"

static int64_t first, last;
static size_t n_seen;

static void see(void *arg, const struct run_record *r)
{
	(void) arg;
	first = n_seen == 0 ? r->run : first;
	last = r->run;
	n_seen++;
}

static void count(int dir)
{
	unsigned damaged;

	n_seen = 0;
	assert_int_equal(runs_read(dir, see, NULL, &damaged, NULL), 0);
	assert_int_equal(damaged, 0);
}

static void add(struct records *rs, int64_t run)
{
	struct run_record r = {
		.event = RUN_FAILED, .run = run, .time_ns = run, .text = "it does not"};

	assert_int_equal(records_add(rs, &r, 1), 0);
}

static void finish(struct records *rs, int dir)
{
	buf_free(&rs->pending);
	close(rs->fd);
	close(dir);
}

TEST(a_torn_line_is_cut_before_the_next_is_written)
{
	int dir = test_dir_fd();
	struct records rs;

	assert_int_equal(save_file_at(dir, LAYOUT_RUNS, "{\"v\":1,\"ev", 10, SAVE_ATOMIC, NULL), 0);
	assert_int_equal(records_open(&rs, dir, NULL), 0);
	add(&rs, 1);
	count(dir);
	assert_int_equal(n_seen, 1);
	finish(&rs, dir);
}

TEST(the_file_is_bounded_though_nobody_says_forget)
{
	int dir = test_dir_fd();
	struct records rs;

	(void) unlinkat(dir, LAYOUT_RUNS, 0);
	assert_int_equal(records_open(&rs, dir, NULL), 0);
	for (int64_t i = 1; i <= 1500; i++)
		add(&rs, i);
	count(dir);
	assert_in_range(n_seen, 1000, 1200);
	assert_int_equal(last, 1500);
	assert_int_equal(first, 1500 - (int64_t) n_seen + 1);
	/* And the next shim goes on counting. */
	finish(&rs, dir);
	dir = test_dir_fd();
	assert_int_equal(records_open(&rs, dir, NULL), 0);
	assert_int_equal(rs.count, n_seen);
	finish(&rs, dir);
}

TEST(what_is_forgotten_goes_when_it_is_worth_it)
{
	int dir = test_dir_fd();
	struct records rs;

	(void) unlinkat(dir, LAYOUT_RUNS, 0);
	assert_int_equal(records_open(&rs, dir, NULL), 0);
	for (int64_t i = 1; i <= 10; i++)
		add(&rs, i);
	records_forget(&rs, 9);
	count(dir);
	assert_int_equal(n_seen, 10); /* two syncs for so little? */
	for (int64_t i = 11; i <= 500; i++)
		add(&rs, i);
	records_forget(&rs, 499);
	count(dir);
	assert_int_equal(n_seen, 1);
	assert_int_equal(first, 500);
	/* What comes then goes into the new file. */
	add(&rs, 501);
	count(dir);
	assert_int_equal(n_seen, 2);
	assert_int_equal(rs.count, 2);
	finish(&rs, dir);
}

TEST(room_is_reserved_without_changing_the_size)
{
	int dir = test_dir_fd();
	struct records rs;
	struct stat st;

	(void) unlinkat(dir, LAYOUT_RUNS, 0);
	assert_int_equal(records_open(&rs, dir, NULL), 0);
	assert_int_equal(records_reserve(&rs, NULL), 0);
	assert_int_equal(fstat(rs.fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	finish(&rs, dir);
}

TEST(what_cannot_be_written_stays_pending)
{
	struct run_record r = {.event = RUN_ENDED, .run = 7, .code = 3};
	int dir = test_dir_fd(), good;
	struct records rs;

	(void) unlinkat(dir, LAYOUT_RUNS, 0);
	assert_int_equal(records_open(&rs, dir, NULL), 0);
	good = rs.fd;
	rs.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	assert_true(records_add(&rs, &r, 1) < 0);
	assert_true(records_flush(&rs) < 0);
	close(rs.fd);
	rs.fd = good;
	assert_int_equal(records_flush(&rs), 0);
	count(dir);
	assert_int_equal(n_seen, 1);
	assert_int_equal(last, 7);
	finish(&rs, dir);
}
