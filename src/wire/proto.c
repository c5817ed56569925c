/* Packets between daemon and shim; see proto.h. */
#include "wire/proto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

union fds_room {
	char bytes[CMSG_SPACE(PROTO_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

int proto_send(int fd, const struct buf *msg, const int *fds, size_t n_fds)
{
	struct iovec iov = {.iov_base = msg->text, .iov_len = msg->len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	union fds_room room = {0};

	/* An empty packet cannot be told from the end of the connection. */
	if (msg->len == 0 || msg->len > PROTO_PACKET_MAX || n_fds > PROTO_FDS_MAX)
		return -EMSGSIZE;
	if (n_fds > 0) {
		struct cmsghdr *c = &room.align;

		m.msg_control = room.bytes;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	for (;;) {
		if (sendmsg(fd, &m, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

/* Takes the descriptors that came along; what does not fit into max is closed. */
static size_t take_fds(struct msghdr *m, int *fds, size_t max)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t here;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (n < max)
				fds[n++] = fd;
			else
				(void) close(fd);
		}
	}
	return n;
}

static void close_fds(int *fds, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		(void) close(fds[i]);
	*n = 0;
}

/* Size of the packet that waits, so that nobody keeps 64 KiB ready for the few bytes that come. */
static ssize_t next_size(int fd)
{
	char probe;

	for (;;) {
		ssize_t n = recv(fd, &probe, sizeof probe, MSG_PEEK | MSG_TRUNC);

		if (n >= 0 || errno != EINTR)
			return n < 0 ? -errno : n;
	}
}

int proto_recv(int fd, struct kv *ret, int *fds, size_t *n_fds)
{
	autofree char *text = NULL;
	union fds_room room;
	struct iovec iov;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t size, n;
	size_t got;
	int r;

	size = next_size(fd);
	if (size < 0)
		return (int) size;

	/* One that is too large is read away, with its descriptors, and refused. */
	iov.iov_len = size > PROTO_PACKET_MAX ? PROTO_PACKET_MAX : (size_t) size;
	iov.iov_base = text = xmalloc(iov.iov_len + 1);
	m.msg_control = room.bytes;
	m.msg_controllen = sizeof room.bytes;
	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	got = take_fds(&m, fds, fds ? PROTO_FDS_MAX : 0);
	if (n == 0)
		r = 0;
	else if (m.msg_flags & MSG_TRUNC)
		r = -EMSGSIZE;
	else
		r = kv_parse(text, (size_t) n, ret);
	if (r < 0 || n == 0) {
		close_fds(fds, &got);
		return r;
	}
	if (n_fds)
		*n_fds = got;
	else
		close_fds(fds, &got);
	return 1;
}

/* The address of dir/name, short however long dir's own path is. */
static int address_at(int dir, const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (dir == AT_FDCWD)
		n = snprintf(ret->sun_path, sizeof ret->sun_path, "%s", name);
	else
		n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", dir, name);
	return n < (int) sizeof ret->sun_path ? 0 : -ENAMETOOLONG;
}

int proto_listen_at(int dir, const char *name)
{
	autoclose int fd = -1;
	struct sockaddr_un addr;
	int r;

	r = address_at(dir, name, &addr);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* The mode of the new file is the socket's own, masked: root's alone, without touching the
	 * umask, which is the whole process's. */
	if (fchmod(fd, 0600) < 0)
		return -errno;
	/* A left-over of one that died is in the way. */
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *) &addr, sizeof addr) < 0 || listen(fd, 16) < 0)
		return -errno;
	return take_fd(fd);
}

int proto_connect_at(int dir, const char *name)
{
	autoclose int fd = -1;
	struct sockaddr_un addr;
	int r;

	r = address_at(dir, name, &addr);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *) &addr, sizeof addr) < 0)
		return -errno;
	return take_fd(fd);
}
