/*
 * Starting a program; see spawn.h.
 *
 * By clone(CLONE_VM | CLONE_VFORK): the child runs in our memory, on a stack of its own, while this
 * thread waits until it has called exec. So it costs the same however large the daemon is, takes no
 * lock that another thread may hold, and can say in plain memory what went wrong. In return the
 * child may only make system calls: no malloc, no stdio, no handler of ours - hence all signals are
 * blocked before, and unblocked when none has a handler any more.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/time.h"

/* The same on all architectures; musl 1.2.3 does not know them all. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

#define SIGNAL_MAX 64

#define CHILD_STACK (64 * 1024)
/* Sanitizers keep books on our threads and calls, which the child would spoil: no checks in it, and
 * system calls past libc, which they intercept. */
#define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

#ifdef __SANITIZE_THREAD__
/* Its own clone() takes every child for a fork() and lets no thread start after it. */
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

struct child {
	const struct spawn *s;
	const char *path;
	const char *const *env;
	int *fds; /* n_fds sources: become 0, 1, 2, ... */
	unsigned n_fds;
	const char *failed; /* what did; NULL while nothing has */
	int errnum;
};

IN_CHILD static void child_reset_signals(void)
{
	/* The kernel's struct sigaction and mask: all zero means SIG_DFL, and nothing blocked. */
	static const uint64_t none[4];

	for (int sig = 1; sig <= SIGNAL_MAX; sig++)
		(void) syscall(SYS_rt_sigaction, sig, none, NULL, sizeof none[0]);
	(void) syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, sizeof none[0]);
}

/* Puts the sources to 0, 1, 2, ... and closes all else. Sources in that range are moved out of it
 * first, or one would overwrite the other. */
IN_CHILD static int child_place_fds(struct child *c)
{
	for (unsigned i = 0; i < c->n_fds; i++) {
		long fd = c->fds[i];

		if (fd <= 0 && i <= 2)
			fd = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0 && i <= 2)
			return -1;
		if (fd < (long) c->n_fds) /* gives -1 its EBADF as well */
			fd = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, c->n_fds);
		if (fd < 0)
			return -1;
		c->fds[i] = (int) fd;
	}
	for (unsigned i = 0; i < c->n_fds; i++)
		if (syscall(SYS_dup3, c->fds[i], i, 0) < 0)
			return -1;
	return (int) syscall(SYS_close_range, c->n_fds, ~0U, 0);
}

IN_CHILD static int child_main(void *arg)
{
	struct child *c = arg;

	child_reset_signals();
	if (c->s->cwd && syscall(SYS_chdir, c->s->cwd) < 0)
		c->failed = "chdir";
	else if (child_place_fds(c) < 0)
		c->failed = "place descriptors for";
	else if (syscall(SYS_execve, c->path, c->s->argv, c->env) < 0)
		c->failed = "exec";
	c->errnum = errno;
	(void) syscall(SYS_exit_group, 127);
	return 127; /* not reached */
}

/* The program's path, looked up in our PATH as execvp(3) does; NULL where there is none. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	autostrv char **dirs = NULL;

	if (strchr(name, '/'))
		return xstrdup(name);
	dirs = strv_split(
		path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ':');
	for (char **d = dirs; *d; d++) {
		autofree char *file = xasprintf("%s/%s", **d ? *d : ".", name);
		struct stat st;

		if (stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0)
			return take(file);
	}
	return NULL;
}

static pid_t clone_child(struct child *c, int *ret_pidfd)
{
	static const uint64_t all = ~0ULL;
	uint64_t before;
	char *stack;
	pid_t pid;
	int saved;

	stack = mmap(NULL, CHILD_STACK, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -1;
	/* Past libc, which holds back two signals it uses between threads. */
	(void) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
	pid = clone(child_main, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
		    c, ret_pidfd);
	saved = errno;
	(void) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
	(void) munmap(stack, CHILD_STACK);
	errno = saved;
	return pid;
}

static int spawn_pinned(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
	autofree char *path = find_program(s->argv[0]);
	autofree int *fds = xcalloc(3 + s->n_keep, sizeof *fds);
	autoclose int pidfd = -1;
	struct child c = {
		.s = s,
		.path = path,
		.env = s->env ? s->env : (const char *const *) environ,
		.fds = fds,
		.n_fds = 3 + (unsigned) s->n_keep,
	};
	pid_t pid;

	if (!path)
		return err_sys(err, ENOENT, "exec %s", s->argv[0]);
	fds[0] = s->in;
	fds[1] = s->out;
	fds[2] = s->err;
	for (size_t i = 0; i < s->n_keep; i++)
		fds[3 + i] = s->keep[i];

	pid = clone_child(&c, &pidfd);
	if (pid < 0)
		return err_sys(err, errno, "start %s", s->argv[0]);
	if (c.failed) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return err_sys(err, c.errnum, "%s %s", c.failed,
			       str_eq(c.failed, "chdir") ? s->cwd : s->argv[0]);
	}
	*ret_pid = pid;
	*ret_pidfd = take_fd(pidfd);
	return 0;
}

int spawn_start(const struct spawn *s, pid_t *ret_pid, struct err *err)
{
	autoclose int pidfd = -1;

	return spawn_pinned(s, ret_pid, &pidfd, err);
}

/* Running a program to its end */

#define MAX_ERR_TEXT (8 * 1024)
#define MAX_PIPE     (1024 * 1024)
/* A killed program in an uninterruptible sleep dies when it can; we do not wait for that. */
#define KILL_GRACE_NS (5 * NSEC_PER_SEC)

enum { RUN_OUT, RUN_ERR, RUN_PIDFD, RUN_N };

struct run {
	struct pollfd fds[RUN_N];
	struct buf text[2];
	size_t max[2];
};

/* Takes in what the pipe holds now; closes it at its end. What is above the maximum is dropped. No
 * more than a pipe can hold at a time, or who writes without end could keep us here. */
static void run_drain(struct run *run, int i)
{
	char chunk[4096];

	for (size_t taken = 0; run->fds[i].fd >= 0 && taken < MAX_PIPE; taken += sizeof chunk) {
		ssize_t n = read(run->fds[i].fd, chunk, sizeof chunk);
		size_t room = run->max[i] - run->text[i].len;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			(void) close(run->fds[i].fd);
			run->fds[i].fd = -1;
			return;
		}
		buf_add(&run->text[i], chunk, (size_t) n < room ? (size_t) n : room);
	}
}

static int run_timeout_ms(const struct timespec *deadline)
{
	int64_t ms;

	if (!deadline)
		return -1;
	ms = (deadline_left_ns(deadline) + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	return ms < INT_MAX ? (int) ms : INT_MAX;
}

/* Reads along until the program is dead (1) or the deadline has passed (0). Not until the pipes
 * end: a grandchild may keep them open for ever. */
static int run_until(struct run *run, const struct timespec *deadline)
{
	for (;;) {
		int timeout = run_timeout_ms(deadline);
		int n = poll(run->fds, RUN_N, timeout);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		if (run->fds[RUN_PIDFD].revents)
			return 1;
		for (int i = 0; i < 2; i++)
			if (run->fds[i].revents)
				run_drain(run, i);
		if (timeout == 0)
			return 0;
	}
}

/* Returns 1 when it is dead, 0 where it would not die. */
static int run_wait(struct run *run, int timeout_ms, bool *ret_timed_out)
{
	struct timespec until = deadline_in(timeout_ms * NSEC_PER_MSEC);
	int r = run_until(run, timeout_ms < 0 ? NULL : &until);

	if (r > 0)
		return r;
	*ret_timed_out = true;
	(void) pidfd_kill(run->fds[RUN_PIDFD].fd, SIGKILL);
	until = deadline_in(KILL_GRACE_NS);
	return run_until(run, &until);
}

static int exit_code(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 255; /* reaped by somebody else: the code is lost */
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A pipe whose reading end does not block, but whose writing end, the program's, does. */
static int run_pipe(int *ret_read, int *ret_write)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = p[0];
	*ret_write = p[1];
	return fcntl(p[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int run_start(struct run *run, const struct spawn *like, pid_t *ret_pid, struct err *err)
{
	autoclose int out = -1, error = -1;
	struct spawn s = *like;
	int r = 0;

	if (run->max[RUN_OUT] > 0)
		r = run_pipe(&run->fds[RUN_OUT].fd, &out);
	if (r == 0)
		r = run_pipe(&run->fds[RUN_ERR].fd, &error);
	if (r < 0)
		return err_sys(err, -r, "pipe for %s", s.argv[0]);
	s.out = out;
	s.err = error;
	return spawn_pinned(&s, ret_pid, &run->fds[RUN_PIDFD].fd, err);
}

static void run_free(struct run *run)
{
	for (int i = 0; i < RUN_N; i++)
		close_p(&run->fds[i].fd);
	buf_free(&run->text[RUN_OUT]);
	buf_free(&run->text[RUN_ERR]);
}

int spawn_run(const struct spawn *s, int timeout_ms, size_t max_out, struct spawn_result *ret,
	      struct err *err)
{
	auto_(run_free) struct run run = {.max = {max_out, MAX_ERR_TEXT}};
	struct spawn_result result = {0};
	pid_t pid;

	for (int i = 0; i < RUN_N; i++)
		run.fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	if (run_start(&run, s, &pid, err) < 0)
		return -1;
	if (run_wait(&run, timeout_ms, &result.timed_out) > 0)
		result.code = exit_code(pid);
	else
		result.code = 128 + SIGKILL;

	run_drain(&run, RUN_OUT);
	run_drain(&run, RUN_ERR);
	result.out_len = run.text[RUN_OUT].len;
	result.out = max_out > 0 ? buf_take(&run.text[RUN_OUT]) : NULL;
	result.err_text = buf_take(&run.text[RUN_ERR]);
	*ret = result;
	return 0;
}

void spawn_result_free(struct spawn_result *r)
{
	free(r->out);
	free(r->err_text);
	*r = (struct spawn_result){0};
}
