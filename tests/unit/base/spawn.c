#include "base/spawn.h"

#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "test.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct spawn_result run(const char *const *argv)
{
	struct spawn s = {.argv = argv};
	struct spawn_result result = {0};
	struct err err = {0};

	if (spawn_run(&s, 10000, 1 << 20, &result, &err) < 0)
		fail_msg("%s", err.text);
	return result;
}

TEST(a_run_has_output_and_code)
{
	struct spawn_result r = run(ARGV("sh", "-c", "echo out; echo bad >&2; exit 3"));

	assert_int_equal(r.code, 3);
	assert_false(r.timed_out);
	assert_string_equal(r.out, "out\n");
	assert_int_equal(r.out_len, 4);
	assert_string_equal(r.err_text, "bad\n");
	spawn_result_free(&r);
	assert_null(r.out);
}

TEST(death_by_signal_is_128_and_more)
{
	struct spawn_result r = run(ARGV("sh", "-c", "kill -TERM $$"));

	assert_int_equal(r.code, 128 + SIGTERM);
	spawn_result_free(&r);
}

TEST(what_cannot_be_started_says_why)
{
	struct spawn s = {.argv = ARGV("no-such-program")};
	struct spawn_result r;
	struct err err = {0};
	pid_t pid;

	assert_true(spawn_start(&s, &pid, &err) < 0);
	assert_string_equal(err.text, "exec no-such-program: No such file or directory");
	assert_int_equal(err.errnum, ENOENT);
	s.argv = ARGV("/dev/null");
	assert_true(spawn_run(&s, -1, 10, &r, &err) < 0);
	assert_string_equal(err.text, "exec /dev/null: Permission denied");
	s = (struct spawn){.argv = ARGV("true"), .cwd = "/no/dir"};
	assert_true(spawn_start(&s, &pid, &err) < 0);
	assert_string_equal(err.text, "chdir /no/dir: No such file or directory");
	s = (struct spawn){.argv = ARGV("true"), .keep = (const int[]){-1}, .n_keep = 1};
	assert_true(spawn_start(&s, &pid, &err) < 0);
	assert_int_equal(err.errnum, EBADF);
	/* nothing is left to be waited for */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

TEST(output_is_cut_but_taken_to_its_end)
{
	struct spawn s = {.argv = ARGV("sh", "-c",
				       "head -c 300000 /dev/zero | tr '\\0' x;"
				       "head -c 300000 /dev/zero | tr '\\0' y >&2; exit 4")};
	struct spawn_result r;

	assert_int_equal(spawn_run(&s, 10000, 1000, &r, NULL), 0);
	assert_int_equal(r.code, 4);
	assert_int_equal(r.out_len, 1000);
	assert_int_equal(strlen(r.out), 1000);
	assert_int_equal(strlen(r.err_text), 8192);
	spawn_result_free(&r);
	assert_int_equal(spawn_run(&s, 10000, 0, &r, NULL), 0);
	assert_null(r.out);
	spawn_result_free(&r);
}

TEST(a_run_ends_with_its_program_not_with_its_grandchildren)
{
	int64_t before = monotonic_ns();
	struct spawn_result r = run(ARGV("sh", "-c", "sleep 1000 & echo $!"));

	assert_int_equal(r.code, 0);
	assert_true(monotonic_ns() - before < 5 * NSEC_PER_SEC);
	assert_int_equal(kill(atoi(r.out), SIGKILL), 0);
	spawn_result_free(&r);
}

TEST(a_run_is_killed_at_its_deadline)
{
	struct spawn s = {.argv = ARGV("sh", "-c", "echo first; exec sleep 1000")};
	int64_t before = monotonic_ns();
	struct spawn_result r;

	assert_int_equal(spawn_run(&s, 200, 100, &r, NULL), 0);
	assert_true(r.timed_out);
	assert_int_equal(r.code, 137);
	assert_string_equal(r.out, "first\n");
	assert_true(monotonic_ns() - before < 5 * NSEC_PER_SEC);
	spawn_result_free(&r);

	s.argv = ARGV("cat", "/dev/zero"); /* never silent */
	assert_int_equal(spawn_run(&s, 200, 100, &r, NULL), 0);
	assert_true(r.timed_out);
	spawn_result_free(&r);
}

TEST(only_the_named_descriptors_are_passed_in_order)
{
	int p[2], swap[2];
	struct spawn_result r;
	struct spawn s;

	assert_int_equal(pipe(p), 0); /* not close-on-exec */
	assert_int_equal(write(p[1], "hello", 5), 5);
	close(p[1]);
	swap[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	swap[1] = open("/dev/full", O_RDONLY | O_CLOEXEC);
	s = (struct spawn){
		.argv = ARGV("sh", "-c", "cat; cd /proc/$$/fd; ls; readlink 3 4"),
		.in = p[0],
		.keep = (const int[]){swap[1], swap[0]},
		.n_keep = 2,
	};
	assert_int_equal(spawn_run(&s, 10000, 1000, &r, NULL), 0);
	assert_non_null(strstr(r.out, "hello0\n1\n2\n3\n4\n"));
	assert_non_null(strstr(r.out, "/dev/full\n/dev/zero\n"));
	assert_null(strstr(r.out, "5\n"));
	spawn_result_free(&r);
	close(p[0]);
	close(swap[0]);
	close(swap[1]);
}

TEST(descriptors_in_the_way_of_each_other_find_their_places)
{
	int a = open("/dev/zero", O_RDONLY | O_CLOEXEC),
	    b = open("/dev/full", O_RDONLY | O_CLOEXEC);
	int three = fcntl(a, F_DUPFD_CLOEXEC, 3), four = fcntl(b, F_DUPFD_CLOEXEC, 4);
	struct spawn_result r;
	struct spawn s = {
		.argv = ARGV("sh", "-c", "cd /proc/$$/fd; readlink 3 4 5 6"),
		.in = 2, /* low, and in the way */
		.keep = (const int[]){four, three, four, three},
		.n_keep = 4,
	};

	assert_int_equal(spawn_run(&s, 10000, 1000, &r, NULL), 0);
	assert_string_equal(r.out, "/dev/full\n/dev/zero\n/dev/full\n/dev/zero\n");
	spawn_result_free(&r);
	close(a);
	close(b);
	close(three);
	close(four);
}

TEST(a_program_starts_with_clean_signals)
{
	sigset_t set, before;
	struct spawn_result r;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, &before);
	signal(SIGPIPE, SIG_IGN);
	r = run(ARGV("cat", "/proc/self/status"));
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	assert_non_null(strstr(r.out, "SigBlk:\t0000000000000000\n"));
	assert_non_null(strstr(r.out, "SigIgn:\t0000000000000000\n"));
	spawn_result_free(&r);
}

TEST(environment_and_directory_are_as_said)
{
	struct spawn s = {
		.argv = ARGV("sh", "-c", "echo $A; pwd"),
		.env = ARGV("A=b"),
		.cwd = "/proc",
	};
	struct spawn_result r;

	assert_int_equal(spawn_run(&s, 10000, 1000, &r, NULL), 0);
	assert_string_equal(r.out, "b\n/proc\n");
	spawn_result_free(&r);
}

static void *spawn_many(void *arg)
{
	(void) arg;
	for (int i = 0; i < 20; i++) {
		struct spawn_result r = run(ARGV("echo", "x"));

		assert_string_equal(r.out, "x\n");
		spawn_result_free(&r);
	}
	return NULL;
}

TEST(threads_may_start_programs_at_the_same_time)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, spawn_many, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}
