/*
 * What every unit test includes, once: cmocka, and tests that register themselves.
 *
 *	#include "test.h"
 *
 *	TEST(stop_resumes_with_remaining_time)
 *	{
 *		assert_int_equal(left(...), 3);
 *	}
 *
 * The name says the promise. main() is here and runs them in the order of the file. Then a line in
 * tests/unit/meson.build: ['engine', 'stop', [lib_engine, ..., lib_base]].
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static struct CMUnitTest test_list_[512];
static size_t test_count_;
static char test_path_[64];

#define TEST(promise)                                                     \
	static void test_##promise(void **test_state_);                   \
	__attribute__((constructor)) static void register_##promise(void) \
	{                                                                 \
		test_add_(#promise, test_##promise);                      \
	}                                                                 \
	static void test_##promise(__attribute__((unused)) void **test_state_)

static void test_add_(const char *name, CMUnitTestFunction fn)
{
	if (test_count_ == sizeof test_list_ / sizeof test_list_[0])
		abort();
	test_list_[test_count_++] = (struct CMUnitTest){.name = name, .test_func = fn};
}

/* A directory for this run, made at the first call and removed at the end. */
__attribute__((unused)) static const char *test_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (!test_path_[0]) {
		snprintf(test_path_, sizeof test_path_, "%.40s/unit-XXXXXX", tmp ? tmp : "/tmp");
		assert_non_null(mkdtemp(test_path_));
	}
	return test_path_;
}

/* A new descriptor of test_dir(). */
__attribute__((unused)) static int test_dir_fd(void)
{
	int fd = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A descriptor of a new, empty directory in test_dir(). */
__attribute__((unused)) static int test_fresh_dir(void)
{
	static int n;
	int top = test_dir_fd(), dir;
	char name[16];

	snprintf(name, sizeof name, "%d", n++);
	assert_int_equal(mkdirat(top, name, 0700), 0);
	dir = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	close(top);
	return dir;
}

int main(void)
{
	int failed = _cmocka_run_group_tests("unit", test_list_, test_count_, NULL, NULL);

	if (test_path_[0])
		(void) remove_tree_at(AT_FDCWD, test_path_);
	return failed;
}
