#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "test.h"

static void put(int dir, const char *name, const char *text)
{
	assert_int_equal(save_file_at(dir, name, text, strlen(text), SAVE_ATOMIC, NULL), 0);
}

static void expect_file(int dir, const char *name, const char *want)
{
	autofree char *text = NULL;
	size_t len;

	assert_int_equal(read_file_at(dir, name, 1000, &text, &len), 0);
	assert_string_equal(text, want);
	assert_int_equal(len, strlen(want));
}

/* How many entries the directory has, without . and .. */
static int count_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = -2;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

TEST(a_save_replaces_and_leaves_no_temp)
{
	autoclose int dir = test_dir_fd();
	struct err err = {0};
	struct stat st;

	assert_int_equal(save_file_at(dir, "a", "one", 3, SAVE_DURABLE, &err), 0);
	expect_file(dir, "a", "one");
	assert_int_equal(save_file_at(dir, "a", "two!", 4, SAVE_ATOMIC, &err), 0);
	expect_file(dir, "a", "two!");
	assert_int_equal(count_entries(test_dir()), 1);
	assert_int_equal(fstatat(dir, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(unlinkat(dir, "a", 0), 0);
}

TEST(a_stale_temp_is_not_in_the_way)
{
	autoclose int dir = test_dir_fd();

	assert_int_equal(symlinkat("/nowhere/at/all", dir, ".a.new"), 0);
	put(dir, "a", "one");
	expect_file(dir, "a", "one");
	assert_int_equal(count_entries(test_dir()), 1);
	assert_int_equal(unlinkat(dir, "a", 0), 0);
}

TEST(a_failed_save_leaves_old_file_and_no_temp)
{
	autoclose int dir = test_dir_fd();
	struct err err = {0};

	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	assert_true(save_file_at(dir, "d", "x", 1, SAVE_DURABLE, &err) < 0);
	assert_int_equal(err.errnum, EISDIR);
	assert_int_equal(count_entries(test_dir()), 1);
	assert_true(save_file_at(dir, "none/x", "x", 1, SAVE_DURABLE, &err) < 0);
	assert_int_equal(err.errnum, ENOENT);
	assert_int_equal(remove_tree_at(dir, "d"), 0);
}

TEST(a_save_takes_paths)
{
	autofree char *path = xasprintf("%s/p/q", test_dir());
	autofree char *file = xasprintf("%s/f", path);

	assert_int_equal(mkdir_p(path, 0700), 0);
	assert_int_equal(save_file_at(AT_FDCWD, file, "x", 1, SAVE_DURABLE, NULL), 0);
	expect_file(AT_FDCWD, file, "x");
	assert_int_equal(save_file_at(AT_FDCWD, "/x/", "x", 1, SAVE_DURABLE, NULL), -1);
}

TEST(only_regular_files_are_read_and_only_small_ones)
{
	autoclose int dir = test_dir_fd();
	char *text = NULL;

	put(dir, "five", "12345");
	assert_int_equal(read_file_at(dir, "five", 4, &text, NULL), -EFBIG);
	assert_int_equal(read_file_at(dir, "none", 4, &text, NULL), -ENOENT);
	assert_int_equal(read_file_at(dir, ".", 4, &text, NULL), -EISDIR);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(read_file_at(dir, "fifo", 4, &text, NULL), -EINVAL);
	assert_null(text);
	assert_int_equal(read_file_at(dir, "five", 5, &text, NULL), 0);
	assert_string_equal(text, "12345");
	free(text);
	text = NULL;
	put(dir, "empty", "");
	assert_int_equal(read_file_at(dir, "empty", 0, &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
	text = NULL;
	/* the size of these is 0 */
	assert_int_equal(read_file_at(AT_FDCWD, "/proc/self/status", 3, &text, NULL), -EFBIG);
	assert_int_equal(read_file_at(AT_FDCWD, "/proc/self/status", 100000, &text, NULL), 0);
	assert_non_null(strstr(text, "Pid:"));
	free(text);
}

TEST(small_files_fit_or_fail)
{
	autoclose int dir = test_dir_fd();
	char buf[6];

	put(dir, "small", "12345\n");
	assert_int_equal(read_small_at(dir, "small", buf, sizeof buf), -EFBIG);
	assert_int_equal(write_small_at(dir, "small", "abcd"), 0);
	expect_file(dir, "small", "abcd5\n");
	put(dir, "small", "1234\n");
	assert_int_equal(read_small_at(dir, "small", buf, sizeof buf), 0);
	assert_string_equal(buf, "1234");
	assert_int_equal(write_small_at(dir, "none", "x"), -ENOENT);
	assert_int_equal(read_small_at(dir, "none", buf, sizeof buf), -ENOENT);
}

TEST(directories_are_made_with_their_parents)
{
	autofree char *deep = xasprintf("%s/m//n/o/", test_dir());
	autofree char *file = xasprintf("%s/m/file", test_dir());
	autofree char *below = xasprintf("%s/below", file);

	assert_int_equal(mkdir_p(deep, 0700), 0);
	assert_int_equal(mkdir_p(deep, 0700), 0);
	assert_true(exists_at(AT_FDCWD, deep));
	assert_int_equal(save_file_at(AT_FDCWD, file, "", 0, SAVE_ATOMIC, NULL), 0);
	assert_int_equal(mkdir_p(file, 0700), -ENOTDIR);
	assert_int_equal(mkdir_p(below, 0700), -ENOTDIR);
	assert_int_equal(open_dir_at(AT_FDCWD, file), -ENOTDIR);
	assert_false(exists_at(AT_FDCWD, below));
}

TEST(removing_takes_files_links_and_trees)
{
	autoclose int dir = test_dir_fd();
	autofree char *tree = xasprintf("%s/tree/a/b", test_dir());

	put(dir, "keep", "x");
	assert_int_equal(mkdir_p(tree, 0700), 0);
	for (int i = 0; i < 3000; i++) {
		autofree char *name = xasprintf("tree/a/file%d", i);
		autoclose int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	}
	assert_int_equal(symlinkat("../keep", dir, "tree/link"), 0);
	assert_int_equal(symlinkat("..", dir, "tree/a/b/up"), 0);
	assert_int_equal(remove_tree_at(dir, "tree"), 0);
	assert_false(exists_at(dir, "tree"));
	assert_int_equal(remove_tree_at(dir, "tree"), 0);
	assert_int_equal(remove_tree_at(dir, "no/where"), 0);
	expect_file(dir, "keep", "x");
	assert_int_equal(remove_tree_at(dir, "keep"), 0);
	assert_false(exists_at(dir, "keep"));
	assert_int_equal(remove_tree_at(dir, "."), -EINVAL);
	assert_int_equal(remove_tree_at(dir, ".."), -EINVAL);
	assert_int_equal(remove_tree_at(dir, ""), -EINVAL);
}

/* A chain of n directories below dir/name, with a file in every tenth. */
static void make_chain(int dir, const char *name, int n)
{
	int at = dir;

	for (int i = 0; i < n; i++) {
		const char *part = i == 0 ? name : "d";
		int next;

		assert_int_equal(mkdirat(at, part, 0700), 0);
		next = openat(at, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		if (i % 10 == 0)
			close(openat(next, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		if (at != dir)
			close(at);
		at = next;
	}
	close(at);
}

static void *remove_chain(void *arg)
{
	int *dir = arg;

	return (void *) (intptr_t) remove_tree_at(*dir, "chain");
}

TEST(the_deepest_tree_needs_little_stack_and_few_descriptors)
{
	autoclose int dir = test_dir_fd();
	struct rlimit before, few;
	pthread_attr_t attr;
	pthread_t thread;
	void *result;

	make_chain(dir, "chain", 5000);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 48;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	assert_int_equal(pthread_create(&thread, &attr, remove_chain, &dir), 0);
	pthread_join(thread, &result);
	pthread_attr_destroy(&attr);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal((intptr_t) result, 0);
	assert_false(exists_at(dir, "chain"));
}

TEST(removing_atomically_leaves_nothing)
{
	autoclose int dir = test_dir_fd();
	autofree char *tree = xasprintf("%s/box/t/a", test_dir());
	autofree char *box = xasprintf("%s/box", test_dir());

	assert_int_equal(mkdir_p(tree, 0700), 0);
	assert_int_equal(remove_tree_atomically_at(dir, "box/t"), 0);
	assert_int_equal(count_entries(box), 0);
	assert_int_equal(remove_tree_atomically_at(dir, "box/t"), 0);
}

/* In a mount namespace of its own: exit code 0 where all is well, 77 where the host forbids it. */
static int remove_around_a_mount(const char *from, const char *to)
{
	int dir;

	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(from, to, NULL, MS_BIND, NULL) < 0)
		return 77;
	dir = open_dir_at(AT_FDCWD, test_dir()); /* older ones show the old namespace */
	if (remove_tree_at(dir, "tree") != -EXDEV)
		return 1;
	return exists_at(dir, "volume/data") ? 0 : 2;
}

TEST(a_mount_below_is_not_entered_though_its_file_system_is_the_same)
{
	autoclose int dir = test_dir_fd();
	autofree char *volume = xasprintf("%s/volume", test_dir());
	autofree char *mnt = xasprintf("%s/tree/mnt", test_dir());
	int status;
	pid_t pid;

	assert_int_equal(mkdir_p(volume, 0700), 0);
	assert_int_equal(mkdir_p(mnt, 0700), 0);
	put(dir, "volume/data", "a user's");
	pid = fork();
	if (pid == 0)
		_exit(remove_around_a_mount(volume, mnt));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(remove_tree_at(dir, "tree"), 0);
}

TEST(writing_and_reading_whole)
{
	char buf[16];
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write_all(p[1], "hello", 5), 0);
	close(p[1]);
	assert_int_equal(read_full(p[0], buf, sizeof buf), 5);
	assert_memory_equal(buf, "hello", 5);
	close(p[0]);
	assert_int_equal(write_all(p[0], "x", 1), -EBADF);
	assert_int_equal(read_full(p[0], buf, 1), -EBADF);
}
