/*
 * reaper: kills a process at the entry of its N-th state-changing system call, so that this call has
 * not happened and all before it have. Calls of all threads are counted as one sequence, which
 * strace's injection cannot do: it counts for each thread and each call by itself.
 *
 *   reaper [--at N] --pid PID                 a running process
 *   reaper [--at N] --pid PID --child NAME    a program of that name which PID starts
 *   reaper [--at N] -- PROGRAM ARGUMENT...    started here; counted from its exec
 *
 * Says "ready PID" once it watches, and each call counted: "N name(file)". Without --at it only
 * tells.
 * Ends with the process; killed before, it leaves the process alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where a call's file is told: none, a path, or a descriptor, by the number of the argument. */
enum file { NOTHING, PATH, FD };

static const struct call {
	long nr;
	const char *name;
	enum file file;
	int arg;
} calls[] = {
	{SYS_openat, "openat", PATH, 1},
	{SYS_open, "open", PATH, 0},
	{SYS_creat, "creat", PATH, 0},
	{SYS_write, "write", FD, 0},
	{SYS_writev, "writev", FD, 0},
	{SYS_pwrite64, "pwrite64", FD, 0},
	{SYS_sendfile, "sendfile", FD, 0},
	{SYS_copy_file_range, "copy_file_range", FD, 2},
	{SYS_sendto, "sendto", NOTHING, 0},
	{SYS_sendmsg, "sendmsg", NOTHING, 0},
	{SYS_bind, "bind", NOTHING, 0},
	{SYS_listen, "listen", NOTHING, 0},
	{SYS_connect, "connect", NOTHING, 0},
	{SYS_rename, "rename", PATH, 0},
	{SYS_renameat, "renameat", PATH, 1},
	{SYS_renameat2, "renameat2", PATH, 1},
	{SYS_unlink, "unlink", PATH, 0},
	{SYS_unlinkat, "unlinkat", PATH, 1},
	{SYS_rmdir, "rmdir", PATH, 0},
	{SYS_mkdir, "mkdir", PATH, 0},
	{SYS_mkdirat, "mkdirat", PATH, 1},
	{SYS_link, "link", PATH, 0},
	{SYS_linkat, "linkat", PATH, 1},
	{SYS_symlink, "symlink", PATH, 1},
	{SYS_symlinkat, "symlinkat", PATH, 2},
	{SYS_mknodat, "mknodat", PATH, 1},
	{SYS_mount, "mount", PATH, 1},
	{SYS_umount2, "umount2", PATH, 0},
	{SYS_move_mount, "move_mount", PATH, 3},
	{SYS_fsconfig, "fsconfig", NOTHING, 0},
	{SYS_fsmount, "fsmount", NOTHING, 0},
	{SYS_mount_setattr, "mount_setattr", PATH, 1},
	{SYS_unshare, "unshare", NOTHING, 0},
	{SYS_setns, "setns", NOTHING, 0},
	{SYS_fsync, "fsync", FD, 0},
	{SYS_fdatasync, "fdatasync", FD, 0},
	{SYS_truncate, "truncate", PATH, 0},
	{SYS_ftruncate, "ftruncate", FD, 0},
	{SYS_fallocate, "fallocate", FD, 0},
	{SYS_chmod, "chmod", PATH, 0},
	{SYS_fchmod, "fchmod", FD, 0},
	{SYS_fchmodat, "fchmodat", PATH, 1},
	{SYS_chown, "chown", PATH, 0},
	{SYS_fchown, "fchown", FD, 0},
	{SYS_fchownat, "fchownat", PATH, 1},
	{SYS_flock, "flock", FD, 0},
	{SYS_fork, "fork", NOTHING, 0},
	{SYS_vfork, "vfork", NOTHING, 0},
	{SYS_clone, "clone", NOTHING, 0},
	{SYS_clone3, "clone3", NOTHING, 0},
	{SYS_kill, "kill", NOTHING, 0},
	{SYS_tgkill, "tgkill", NOTHING, 0},
	{SYS_pidfd_send_signal, "pidfd_send_signal", NOTHING, 0},
};

static pid_t root;	  /* --pid, or what was started */
static pid_t victim;	  /* whose calls count; 0: not there yet */
static const char *child; /* --child */
static long at, count;

static void die(const char *what)
{
	fprintf(stderr, "reaper: %s: %s\n", what, strerror(errno));
	exit(2);
}

static pid_t process_of(pid_t thread)
{
	char path[64], line[256];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", thread);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f) && sscanf(line, "Tgid: %d", &pid) != 1)
		;
	if (f)
		(void) fclose(f);
	return pid;
}

/* What the call is about, for people. */
static const char *file_of(pid_t tid, const struct call *c, const uint64_t *args)
{
	static char text[PATH_MAX];
	char link[64];
	struct iovec to = {text, sizeof text - 1}, from = {(void *) args[c->arg], 256};
	ssize_t n = 0;

	if (c->file == FD) {
		snprintf(link, sizeof link, "/proc/%d/fd/%d", tid, (int) args[c->arg]);
		n = readlink(link, text, sizeof text - 1);
	} else if (c->file == PATH) {
		/* Up to the end of the page: what follows may not be there. */
		size_t page = 4096 - (args[c->arg] & 4095);

		if (from.iov_len > page)
			from.iov_len = page;
		n = process_vm_readv(tid, &to, 1, &from, 1, 0);
	}
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* A new thread changes no state but our own. */
static bool makes_thread(pid_t tid, long nr, const uint64_t *args)
{
	struct clone_args ca = {0};
	struct iovec to = {&ca, sizeof ca.flags}, from = {(void *) args[0], sizeof ca.flags};

	if (nr == SYS_clone)
		return args[0] & CLONE_THREAD;
	return nr == SYS_clone3 && process_vm_readv(tid, &to, 1, &from, 1, 0) > 0 &&
	       (ca.flags & CLONE_THREAD);
}

static bool changes_state(pid_t tid, const struct call *c, const uint64_t *args, const char *file)
{
	switch (c->nr) {
	case SYS_openat:
		return args[2] & (O_CREAT | O_TRUNC);
	case SYS_open:
		return args[1] & (O_CREAT | O_TRUNC);
	case SYS_write:
	case SYS_writev:
		/* An eventfd's writer and reader die together; the log tells what others do. */
		return strncmp(file, "anon_inode:", 11) != 0 && args[0] != STDERR_FILENO;
	default:
		return !makes_thread(tid, c->nr, args);
	}
}

static void on_call(pid_t tid, const struct __ptrace_syscall_info *info)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		const struct call *c = &calls[i];
		const char *file;

		if (c->nr != (long) info->entry.nr)
			continue;
		file = file_of(tid, c, (const uint64_t *) info->entry.args);
		if (!changes_state(tid, c, (const uint64_t *) info->entry.args, file))
			return;
		/* What the others still do until they see the signal they do unseen, as ever. */
		if (at && ++count == at)
			(void) kill(victim, SIGKILL);
		printf("%ld %s(%s)\n", at ? count : ++count, c->name, file);
		return;
	}
}

static void on_stop_at_call(pid_t tid)
{
	struct __ptrace_syscall_info info;

	if (at && count >= at)
		return;
	if (!victim || process_of(tid) != victim)
		return;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0 &&
	    info.op == PTRACE_SYSCALL_INFO_ENTRY)
		on_call(tid, &info);
}

/* Whether it is to be watched on. */
static bool on_exec(pid_t tid)
{
	char link[64], path[PATH_MAX];
	const char *slash;
	ssize_t n;

	if (!child) {
		victim = tid;
		count = 0;
		return true;
	}
	snprintf(link, sizeof link, "/proc/%d/exe", tid);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (victim || !slash || strcmp(slash + 1, child) != 0)
		return false;
	victim = tid;
	return true;
}

static void on_stop(pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		on_stop_at_call(tid);
		sig = 0;
	} else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		(void) ptrace(PTRACE_LISTEN, tid, 0, 0);
		return;
	} else if (event) {
		if (event == PTRACE_EVENT_EXEC && !on_exec(tid)) {
			(void) ptrace(PTRACE_DETACH, tid, 0, 0);
			return;
		}
		sig = 0;
	}
	(void) ptrace(PTRACE_SYSCALL, tid, 0, (void *) (intptr_t) sig);
}

static void seize(pid_t tid)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

	if (child)
		options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
	if (ptrace(PTRACE_SEIZE, tid, 0, (void *) options) < 0) {
		if (errno == EPERM || errno == ESRCH)
			return; /* it is watched already, or gone */
		die("seize");
	}
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0 && errno != ESRCH)
		die("interrupt");
}

/* Threads that are made meanwhile are watched through their makers. */
static void seize_threads(pid_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	d = opendir(path);
	if (!d)
		die(path);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			seize(atoi(e->d_name));
	(void) closedir(d);
}

static pid_t start(char **argv)
{
	char byte;
	int gate[2];
	pid_t pid;

	if (pipe2(gate, O_CLOEXEC) < 0)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		(void) close(gate[1]);
		(void) !read(gate[0], &byte, 1);
		execv(argv[0], argv);
		_exit(127);
	}
	seize(pid);
	(void) close(gate[0]);
	(void) close(gate[1]);
	return pid;
}

int main(int argc, char **argv)
{
	pid_t pid;
	int status, i;

	for (i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
		if (!strcmp(argv[i], "--at"))
			at = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "--pid"))
			root = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--child"))
			child = argv[i + 1];
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (root) {
		victim = child ? 0 : root;
		seize_threads(root);
	} else if (i + 1 < argc) {
		root = start(argv + i + 1);
	} else {
		fprintf(stderr, "usage: reaper [--at N] --pid PID [--child NAME] | -- PROGRAM...\n");
		return 2;
	}
	printf("ready %d\n", root);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status))
			on_stop(pid, status);
		else if (pid == victim || (pid == root && !victim))
			break;
	}
	return 0;
}
