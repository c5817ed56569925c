/*
 * holdfastd --keeper: binds the sockets and becomes holdfast-keeper, a far smaller program.
 *
 * A keeper that died has left a daemon that serves on, with sockets that nobody but it holds any
 * more. The new keeper takes them over from it (pidfd_getfd(2)) and watches it; clients notice
 * nothing, and when that daemon ends the new keeper starts the next.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "daemon/daemon.h"

#define FIRST_FD 3

/* A daemon that is there: its pid, pinned. */
struct orphan {
	pid_t pid;
	int pidfd;
};

/* Who holds the lock of the data root: 0, or -ENOENT where nobody does. */
static int find_daemon(const struct options *o, struct orphan *ret)
{
	autofree char *path = engine_lock_path(o->data_root);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[32];
	int64_t pid;

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK ||
	    read_small_at(AT_FDCWD, path, text, sizeof text) < 0 || parse_i64(text, &pid) < 0)
		return -ENOENT;
	ret->pid = (pid_t) pid;
	ret->pidfd = pidfd_open_checked(ret->pid, proc_start_ticks(ret->pid));
	return ret->pidfd < 0 ? -ENOENT : 0;
}

/* Of its sockets those that we were to bind. A process without any is not the daemon we mean,
 * whatever it holds. */
static void take_sockets(const struct orphan *who, const struct options *o, struct heritage *h)
{
	autofree char *path = xasprintf("/proc/%d/fd", (int) who->pid);
	DIR *d = opendir(path);
	struct dirent *ent;

	while (d && (ent = readdir(d))) {
		int64_t number;
		int fd;

		if (parse_i64(ent->d_name, &number) < 0)
			continue;
		fd = (int) syscall(SYS_pidfd_getfd, who->pidfd, (int) number, 0);
		if (fd >= 0 && fd_is_listening(fd) && socket_is_among(fd, o->hosts))
			heritage_add_socket(h, fd);
		else if (fd >= 0)
			(void) close(fd);
	}
	if (d)
		closedir(d);
}

/* Its keeper, if that lives: the parent. */
static pid_t keeper_of(pid_t pid)
{
	autofree char *path = xasprintf("/proc/%d/stat", (int) pid);
	char text[1024], name[32];
	const char *p;
	int parent;

	if (read_small_at(AT_FDCWD, path, text, sizeof text) < 0)
		return 0;
	p = strrchr(text, ')');
	if (!p || sscanf(p, ") %*c %d", &parent) != 1)
		return 0;
	autofree char *comm = xasprintf("/proc/%d/comm", parent);

	if (read_small_at(AT_FDCWD, comm, name, sizeof name) < 0 ||
	    !str_eq(name, "holdfast-keeper"))
		return 0;
	return parent;
}

/* Descriptors 3 and following, as the keeper expects them; the pidfd, if there is one, behind: its
 * number, or -errno. */
static int place(const struct heritage *h, int pidfd)
{
	size_t n = h->left.n_listen;
	autofree int *fds = xcalloc(n + 1, sizeof *fds);
	int r;

	for (size_t i = 0; i < n; i++)
		fds[i] = h->left.listen_fds[i];
	fds[n] = pidfd;
	r = place_fds(fds, n + (pidfd >= 0), FIRST_FD);
	return r < 0 ? r : FIRST_FD + (int) n;
}

static char **keeper_argv(const struct options *o, const struct heritage *h, int pidfd, pid_t pid,
			  const char *program, char **argv)
{
	char **v = NULL;

	strv_add(&v, "holdfast-keeper");
	if (pid > 0) {
		strv_add(&v, "--adopt");
		strv_add_owned(&v, xasprintf("%d", pidfd));
		strv_add_owned(&v, xasprintf("%d", (int) pid));
	}
	strv_add_owned(&v, xasprintf("%zu", h->left.n_listen));
	strv_add(&v, program);
	for (argv++; *argv; argv++)
		if (!str_eq(*argv, "--keeper"))
			strv_add(&v, *argv);
	return v;
}

static void forget(struct orphan *who)
{
	close_p(&who->pidfd);
	*who = (struct orphan){.pidfd = -1};
}

int become_keeper(const struct options *o, char **argv, struct err *err)
{
	struct orphan daemon = {.pid = 0, .pidfd = -1};
	autofree char *program = program_path();
	struct heritage h = {0};
	int pidfd;

	if (find_daemon(o, &daemon) == 0) {
		pid_t keeper = keeper_of(daemon.pid);

		if (keeper > 0)
			return err_set(
				err, ERR_CONFLICT,
				"the daemon of data root %s (pid %d) has a keeper already, pid %d",
				o->data_root, (int) daemon.pid, (int) keeper);
		take_sockets(&daemon, o, &h);
	}
	if (h.left.n_listen)
		log_info("keeper: takes over the daemon that serves already (pid %d)",
			 (int) daemon.pid);
	else
		forget(&daemon);
	if (sockets_open(o, &h, err) < 0)
		return -1;
	pidfd = place(&h, daemon.pidfd);
	if (pidfd < 0)
		return err_sys(err, -pidfd, "place the listening sockets");
	(void) execv(o->keeper_path, keeper_argv(o, &h, pidfd, daemon.pid, program, argv));
	return err_sys(err, errno, "exec %s", o->keeper_path);
}
