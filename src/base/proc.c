/* Processes; see proc.h. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* The same on all architectures; musl 1.2.3 does not know them all. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* Identity */

const char *boot_id(void)
{
	static _Atomic(char *) known;
	char *id = atomic_load(&known), *other = NULL;
	char buf[BOOT_ID_LEN + 2];

	if (id)
		return id;
	if (read_small_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", buf, sizeof buf) < 0)
		return "";
	id = xstrdup(buf);
	/* Two threads may come here at once: the first one's copy stays. */
	if (!atomic_compare_exchange_strong(&known, &other, id)) {
		free(id);
		id = other;
	}
	return id;
}

/* Field 22 of /proc/PID/stat. The name in field 2 may hold blanks and parentheses, but what follows
 * its last ')' is a letter and numbers. */
static int read_start_ticks(pid_t pid, uint64_t *ret)
{
	char path[32], text[2048], *p;
	int r;

	snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
	r = read_small_at(AT_FDCWD, path, text, sizeof text);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EIO;
	p += 2;
	if (*p == 'Z' || *p == 'X')
		return -ESRCH;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EIO;
		p++;
	}
	*ret = strtoull(p, NULL, 10);
	return 0;
}

uint64_t proc_start_ticks(pid_t pid)
{
	uint64_t ticks;

	return pid > 0 && read_start_ticks(pid, &ticks) == 0 ? ticks : 0;
}

int pidfd_open_checked(pid_t pid, uint64_t start_ticks)
{
	autoclose int fd = -1;
	uint64_t ticks;
	int r;

	if (pid <= 0 || start_ticks == 0)
		return -ESRCH;
	fd = (int) syscall(SYS_pidfd_open, pid, 0);
	/* EINVAL, in newer kernels ENOENT: the number is a thread's now, so the process is gone. */
	if (fd < 0)
		return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;

	/* Only now, when the pid cannot change hands any more, look whose it is. */
	r = read_start_ticks(pid, &ticks);
	if (r < 0)
		return r;
	return ticks == start_ticks ? take_fd(fd) : -ESRCH;
}

int pidfd_kill(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int place_fds(int *fds, size_t n, int first)
{
	/* All above first, for one may lie where another shall. */
	for (size_t i = 0; i < n; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, first + (int) n);
		if (fds[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(fds[i], first + (int) i) < 0)
			return -errno;
	return 0;
}

/* Signals. The real-time ones count from 34 as docker and glibc do; musl's SIGRTMIN is 35. */

#define RTMIN 34
#define RTMAX 64

static const struct {
	const char *name;
	int sig;
} signals[] = {
	/* clang-format off */
	{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ILL", SIGILL}, {"TRAP", SIGTRAP},
	{"ABRT", SIGABRT}, {"BUS", SIGBUS}, {"FPE", SIGFPE}, {"KILL", SIGKILL}, {"USR1", SIGUSR1},
	{"SEGV", SIGSEGV}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
	{"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"STOP", SIGSTOP},
	{"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"URG", SIGURG}, {"XCPU", SIGXCPU},
	{"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
	{"IO", SIGIO}, {"PWR", SIGPWR}, {"SYS", SIGSYS},
	/* second names */
	{"IOT", SIGABRT}, {"CLD", SIGCHLD}, {"POLL", SIGIO}, {"UNUSED", SIGSYS},
	/* clang-format on */
};

/* "RTMIN", "RTMIN+3", "RTMAX-1"; the prefix is checked already. */
static int realtime_parse(const char *s)
{
	bool from_min = strncasecmp(s, "RTMIN", 5) == 0;
	int base = from_min ? RTMIN : RTMAX;
	uint64_t n;

	s += 5;
	if (!*s)
		return base;
	if (*s != (from_min ? '+' : '-') || parse_u64(s + 1, &n) < 0 || n > RTMAX - RTMIN)
		return -EINVAL;
	return from_min ? base + (int) n : base - (int) n;
}

int signal_parse(const char *s)
{
	uint64_t n;

	if (!s)
		return -EINVAL;
	if (parse_u64(s, &n) == 0)
		return n >= 1 && n <= RTMAX ? (int) n : -EINVAL;
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcasecmp(s, signals[i].name) == 0)
			return signals[i].sig;
	if (strncasecmp(s, "RTMIN", 5) == 0 || strncasecmp(s, "RTMAX", 5) == 0)
		return realtime_parse(s);
	return -EINVAL;
}

char *signal_name(int sig, char ret[static 16])
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].sig == sig) {
			snprintf(ret, 16, "SIG%s", signals[i].name);
			return ret;
		}
	if (sig == RTMIN || sig == RTMAX)
		snprintf(ret, 16, "SIG%s", sig == RTMIN ? "RTMIN" : "RTMAX");
	else if (sig > RTMIN && sig <= RTMIN + 15)
		snprintf(ret, 16, "SIGRTMIN+%d", sig - RTMIN);
	else if (sig > RTMIN && sig < RTMAX)
		snprintf(ret, 16, "SIGRTMAX-%d", RTMAX - sig);
	else
		snprintf(ret, 16, "SIG%d", sig);
	return ret;
}
