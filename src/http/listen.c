/* Listening unix sockets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/time.h"
#include "http/http.h"

#define DEAD_WAIT_NS (5 * NSEC_PER_SEC)

/* Does he live who called listen(2)? The kernel tells it to those who have connected. */
static bool listener_lives(int fd)
{
	struct ucred who;
	socklen_t len = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.pid <= 0 ||
	       proc_start_ticks(who.pid) > 0;
}

/* Connects to see whether somebody answers: 0, or -ECONNREFUSED where nobody does. A daemon killed
 * between fork and exec leaves a child that has its socket until it execs, a moment later: that is
 * nobody. */
static int look_for_listener(const struct sockaddr_un *addr)
{
	struct timespec deadline = deadline_in(DEAD_WAIT_NS);
	const struct timespec moment = {.tv_nsec = 10 * NSEC_PER_MSEC};

	for (;;) {
		autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *) addr, sizeof *addr) < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (listener_lives(fd) || deadline_left_ns(&deadline) <= 0)
			return 0;
		(void) nanosleep(&moment, NULL);
	}
}

/* Removes the socket that an earlier process left behind; refuses where one still listens, or where
 * it is something else. */
static int remove_dead_socket(const char *path, const struct sockaddr_un *addr, struct err *err)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "stat %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFLICT,
			       "listen on %s: there is something that is not a socket", path);
	r = look_for_listener(addr);
	if (r == 0)
		return err_set(err, ERR_CONFLICT, "listen on %s: another process answers there",
			       path);
	if (r != -ECONNREFUSED)
		return err_sys(err, -r, "connect to %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove %s", path);
	return 0;
}

int http_listen_unix(const char *path, int gid, int *ret_fd, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, errno, "socket");
	if (strlen(path) >= sizeof addr.sun_path)
		return err_set(err, ERR_INVALID,
			       "listen on %s: the path is longer than %zu characters", path,
			       sizeof addr.sun_path - 1);
	memcpy(addr.sun_path, path, strlen(path));

	if (remove_dead_socket(path, &addr, err) < 0)
		return -1;
	/* The mode before the bind, so that the socket never has a wider one; and after it, for the
	 * umask. */
	if (fchmod(fd, 0600) < 0)
		return err_sys(err, errno, "fchmod of %s", path);
	if (bind(fd, (struct sockaddr *) &addr, sizeof addr) < 0)
		return err_sys(err, errno, "listen on %s", path);
	if (gid >= 0 && chown(path, (uid_t) -1, (gid_t) gid) < 0)
		return err_sys(err, errno, "set the group of %s", path);
	if (chmod(path, 0660) < 0)
		return err_sys(err, errno, "set the mode of %s", path);
	if (listen(fd, 4096) < 0)
		return err_sys(err, errno, "listen on %s", path);
	*ret_fd = take_fd(fd);
	return 0;
}
