#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "test.h"

static pid_t start_sleep(void)
{
	struct spawn s = {.argv = (const char *const[]){"sleep", "1000", NULL}};
	struct err err = {0};
	pid_t pid;

	if (spawn_start(&s, &pid, &err) < 0)
		fail_msg("%s", err.text);
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

TEST(descriptors_are_placed_whichever_way_they_lie)
{
	int p[2], q[2], fds[3];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(pipe2(q, O_CLOEXEC), 0);
	/* Two that are to change places, and one from elsewhere. */
	assert_int_equal(dup3(p[0], 50, O_CLOEXEC), 50);
	assert_int_equal(dup3(p[1], 51, O_CLOEXEC), 51);
	fds[0] = 51;
	fds[1] = 50;
	fds[2] = q[0];
	assert_int_equal(place_fds(fds, 3, 50), 0);
	assert_int_equal(write(50, "x", 1), 1);
	assert_int_equal(read(51, (char[1]){0}, 1), 1);
	assert_int_equal(fcntl(52, F_GETFD), 0);
	assert_int_equal(write(q[1], "y", 1), 1);
	assert_int_equal(read(52, (char[1]){0}, 1), 1);

	fds[0] = -1;
	assert_int_equal(place_fds(fds, 1, 60), -EBADF);
	assert_int_equal(close_range(50, 60, 0), 0);
	(void) close(p[0]), (void) close(p[1]);
	(void) close(q[0]), (void) close(q[1]);
}

TEST(the_boot_has_an_id)
{
	assert_int_equal(strlen(boot_id()), BOOT_ID_LEN);
	assert_true(boot_id() == boot_id());
}

TEST(an_identity_is_pid_and_start)
{
	uint64_t ticks = proc_start_ticks(getpid());
	autoclose int fd = pidfd_open_checked(getpid(), ticks);

	assert_true(ticks > 0);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(pidfd_open_checked(getpid(), ticks + 1), -ESRCH);
	assert_int_equal(pidfd_open_checked(getpid(), 0), -ESRCH);
	assert_int_equal(pidfd_open_checked(-1, 1), -ESRCH);
	assert_int_equal(pidfd_open_checked(0, 1), -ESRCH);
	assert_int_equal(proc_start_ticks(0), 0);
	assert_int_equal(pidfd_kill(fd, 0), 0);
	assert_int_equal(pidfd_kill(-1, 0), -EBADF);
}

TEST(a_name_with_parentheses_does_not_confuse)
{
	uint64_t ticks = proc_start_ticks(getpid());
	char name[16];

	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	assert_int_equal(prctl(PR_SET_NAME, "x) Z 1 (2 3) 4"), 0);
	assert_true(proc_start_ticks(getpid()) == ticks);
	prctl(PR_SET_NAME, name);
}

TEST(a_zombie_is_gone)
{
	pid_t pid = start_sleep();
	uint64_t ticks = proc_start_ticks(pid);
	autoclose int fd = pidfd_open_checked(pid, ticks);
	siginfo_t info;

	assert_true(ticks > 0 && fd >= 0);
	assert_int_equal(pidfd_kill(fd, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_start_ticks(pid), 0);
	assert_int_equal(pidfd_open_checked(pid, ticks), -ESRCH);
	assert_int_equal(WTERMSIG(status_of(pid)), SIGKILL);
	assert_int_equal(pidfd_open_checked(pid, ticks), -ESRCH);
	assert_int_equal(pidfd_kill(fd, SIGKILL), -ESRCH);
}

TEST(signals_are_read_as_docker_reads_them)
{
	static const struct {
		const char *s;
		int want;
	} cases[] = {
		{"KILL", SIGKILL},    {"SIGKILL", SIGKILL}, {"sigkill", SIGKILL},
		{"9", SIGKILL},	      {"Term", SIGTERM},    {"IOT", SIGABRT},
		{"RTMIN", 34},	      {"SIGRTMIN+3", 37},   {"RTMAX-14", 50},
		{"rtmax", 64},	      {"64", 64},	    {"0", -EINVAL},
		{"65", -EINVAL},      {"-1", -EINVAL},	    {"", -EINVAL},
		{"SIG", -EINVAL},     {"FOO", -EINVAL},	    {"RTMIN+31", -EINVAL},
		{"RTMIN-1", -EINVAL}, {"RTMAX+1", -EINVAL}, {"SIG9", -EINVAL},
		{"RTMIN+", -EINVAL},  {"KILL ", -EINVAL},   {NULL, -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (signal_parse(cases[i].s) != cases[i].want)
			fail_msg("%s gave %d", cases[i].s, signal_parse(cases[i].s));
}

TEST(signal_names_can_be_read_back)
{
	char name[16];

	assert_string_equal(signal_name(SIGKILL, name), "SIGKILL");
	assert_string_equal(signal_name(SIGABRT, name), "SIGABRT");
	assert_string_equal(signal_name(37, name), "SIGRTMIN+3");
	assert_string_equal(signal_name(64, name), "SIGRTMAX");
	assert_string_equal(signal_name(32, name), "SIG32");
	assert_string_equal(signal_name(-2147483647, name), "SIG-2147483647");
	for (int sig = 1; sig <= 64; sig++)
		if (sig != 32 && sig != 33)
			assert_int_equal(signal_parse(signal_name(sig, name)), sig);
}
