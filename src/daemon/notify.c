/* See notify.h. */
#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/time.h"

#define FDS_MAX	   4
#define PATIENCE_S 10 /* with one who hears us on a host that is busy */

static int address_of(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t n = strlen(name);

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof ret->sun_path)
		return -EINVAL;
	memcpy(ret->sun_path, name, n);
	if (name[0] == '@')
		ret->sun_path[0] = '\0';
	*ret_len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n);
	return 0;
}

static void add_fds(struct msghdr *m, void *control, const int *fds, size_t n)
{
	struct cmsghdr *c;

	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(n * sizeof *fds);
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof *fds);
	memcpy(CMSG_DATA(c), fds, n * sizeof *fds);
}

int notify_open(const char *name)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un addr;
	autoclose int fd = -1;
	socklen_t len;

	if (address_of(name, &addr, &len) < 0)
		return -EINVAL;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
	    connect(fd, (struct sockaddr *) &addr, len) < 0)
		return -errno;
	return take_fd(fd);
}

int notify_send(int fd, const char *text, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *) text, .iov_len = strlen(text)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t r;

	if (n_fds > FDS_MAX)
		return -EINVAL;
	if (n_fds)
		add_fds(&m, control.bytes, fds, n_fds);
	/* Having its patience, it is not begun again by the kernel where the process was stopped. */
	do
		r = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

void notify_tell(const char *name, const char *text)
{
	autoclose int fd = name ? notify_open(name) : -1;

	if (fd >= 0)
		(void) notify_send(fd, text, NULL, 0);
}

void notify_reloading(const char *name)
{
	autofree char *text =
		xasprintf("RELOADING=1\nMONOTONIC_USEC=%lld", (long long) (monotonic_ns() / 1000));

	notify_tell(name, text);
}
