/* Exit codes of containers that removed themselves, for who asks late. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/internal.h"
#include "test.h"

#define MINUTE (60 * NSEC_PER_SEC)
#define A      "aaaa000000000000000000000000000000000000000000000000000000000001"
#define AB     "aaaa000000000000000000000000000000000000000000000000000000000002"

static int fresh_dir(void)
{
	autofree char *path = xasprintf("%s/departed-XXXXXX", test_dir());
	int dir;

	assert_non_null(mkdtemp(path));
	dir = open_dir_at(AT_FDCWD, path);
	assert_true(dir >= 0);
	return dir;
}

static void add(int dir, int64_t time_ns, const char *id, const char *name, int code)
{
	const struct departed d = {
		.time_ns = time_ns, .id = (char *) id, .name = (char *) name, .exit_code = code};

	assert_int_equal(departed_add(dir, &d, NULL), 0);
}

/* The exit code that is told, or -1. */
static int64_t find(int dir, const char *ref, int64_t now)
{
	struct departed d;
	int64_t code;

	if (departed_find(dir, ref, now, &d) < 0)
		return -1;
	code = d.exit_code;
	departed_free(&d);
	return code;
}

static off_t size_of(int dir)
{
	struct stat st;

	assert_int_equal(fstatat(dir, "departed.jsonl", &st, 0), 0);
	return st.st_size;
}

TEST(found_by_id_name_and_unique_prefix)
{
	autoclose int dir = fresh_dir();

	assert_int_equal(find(dir, "web", 1), -1);
	add(dir, 1, A, "web", 7);
	assert_int_equal(find(dir, A, 1), 7);
	assert_int_equal(find(dir, "web", 1), 7);
	assert_int_equal(find(dir, "/web", 1), 7);
	assert_int_equal(find(dir, "aaaa", 1), 7);
	assert_int_equal(find(dir, "we", 1), -1);
	assert_int_equal(find(dir, "000", 1), -1);
	assert_int_equal(find(dir, "", 1), -1);
	assert_int_equal(find(dir, "/", 1), -1);
	add(dir, 2, AB, "db", 8);
	assert_int_equal(find(dir, "aaaa", 2), -1);
	assert_int_equal(find(dir, AB, 2), 8);
	assert_int_equal(find(dir, "web", 2), 7);
}

TEST(the_newest_of_a_name_and_twice_the_same_is_once)
{
	autoclose int dir = fresh_dir();

	add(dir, 1, A, "web", 7);
	add(dir, 2, A, "web", 7);
	assert_int_equal(find(dir, "aaaa", 2), 7);
	add(dir, 3, AB, "web", 9);
	assert_int_equal(find(dir, "web", 3), 9);
	assert_int_equal(find(dir, A, 3), 7);
	/* A name goes before a prefix, wherever it stands. */
	add(dir, 4, "bbbb", "aaaa", 5);
	add(dir, 5, A, "other", 7);
	assert_int_equal(find(dir, "aaaa", 5), 5);
}

TEST(forgotten_after_five_minutes)
{
	autoclose int dir = fresh_dir();

	add(dir, MINUTE, A, "web", 7);
	assert_int_equal(find(dir, A, 6 * MINUTE), 7);
	assert_int_equal(find(dir, A, 6 * MINUTE + 1), -1);
}

TEST(torn_and_foreign_lines_spoil_nothing)
{
	static const char torn[] = "{\"Id\":\"web";
	static const char foreign[] = "[]\nweb\n{\"Id\":5,\"Name\":\"web\"}\n";
	autoclose int dir = fresh_dir();
	autoclose int fd = -1;

	add(dir, 1, A, "web", 7);
	fd = openat(dir, "departed.jsonl", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write_all(fd, torn, strlen(torn)), 0);
	add(dir, 2, AB, "db", 8);
	assert_int_equal(write_all(fd, foreign, strlen(foreign)), 0);
	assert_int_equal(find(dir, "web", 2), 7);
	assert_int_equal(find(dir, "db", 2), 8);
}

TEST(it_is_bounded_and_keeps_the_newest)
{
	autoclose int dir = fresh_dir();
	char name[16];

	for (int i = 0; i < 12000; i++) {
		snprintf(name, sizeof name, "n%d", i);
		add(dir, i, A, name, i & 127);
	}
	assert_true(size_of(dir) < (1 << 20) + 200);
	assert_int_equal(find(dir, "n11999", 12000), 11999 & 127);
	assert_int_equal(find(dir, "n9000", 12000), 9000 & 127);
	assert_int_equal(find(dir, "n1", 12000), -1);
	/* The old ones go with the next time it is written anew. */
	for (int i = 0; size_of(dir) > 300000; i++)
		add(dir, 10 * MINUTE, A, "late", i & 127);
	assert_int_equal(find(dir, "n11999", 12000), -1);
}
