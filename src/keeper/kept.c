/* What is kept for the daemon, and how it says so: sd_notify(3)'s datagrams. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "keeper/keeper.h"

#define FDS_AT_ONCE 16

void kept_add(struct keeper *k, int fd, const char *name)
{
	struct kept *kept;

	if (k->n_kept == KEPT_MAX) {
		(void) close(fd);
		return;
	}
	kept = &k->kept[k->n_kept++];
	kept->fd = fd;
	(void) snprintf(kept->name, sizeof kept->name, "%s", name);
}

static void kept_remove(struct keeper *k, const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->n_kept; i++) {
		if (strcmp(k->kept[i].name, name) == 0)
			(void) close(k->kept[i].fd);
		else
			k->kept[n++] = k->kept[i];
	}
	k->n_kept = n;
}

/* An abstract address of the kernel's choice: nothing to clean up. Anybody can send to it, so
 * senders are looked at. */
int notify_open(struct keeper *k)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof addr;
	const int on = 1;
	size_t n;

	k->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->notify_fd < 0 ||
	    setsockopt(k->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
	    bind(k->notify_fd, (struct sockaddr *) &addr, sizeof addr.sun_family) < 0 ||
	    getsockname(k->notify_fd, (struct sockaddr *) &addr, &len) < 0)
		return -errno;
	n = len - offsetof(struct sockaddr_un, sun_path) - 1;
	(void) snprintf(k->notify_name, sizeof k->notify_name, "@%.*s", (int) n, addr.sun_path + 1);
	return 0;
}

struct message {
	char text[1024];
	int fds[FDS_AT_ONCE];
	size_t n_fds;
	bool ours; /* from a process of our own user */
};

static void take_control(struct msghdr *m, struct message *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct ucred who;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&who, CMSG_DATA(c), sizeof who);
			msg->ours = who.uid == geteuid();
		} else if (c->cmsg_type == SCM_RIGHTS) {
			msg->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(msg->fds, CMSG_DATA(c), msg->n_fds * sizeof(int));
		}
	}
}

static void take_up(struct keeper *k, struct message *msg)
{
	const char *name = "stored";
	bool store = false, remove = false;
	char *save = NULL;

	for (char *line = strtok_r(msg->text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strcmp(line, "READY=1") == 0) {
			k->ready = true;
			k->accepts = false; /* of an earlier version it says no more */
		} else if (strcmp(line, "ACCEPT=1") == 0) {
			k->accepts = true;
		} else if (strcmp(line, "FDSTORE=1") == 0) {
			store = true;
		} else if (strcmp(line, "FDSTOREREMOVE=1") == 0) {
			remove = true;
		} else if (str_has_prefix(line, "FDNAME=")) {
			name = line + strlen("FDNAME=");
		}
	}
	if (remove)
		kept_remove(k, name);
	for (size_t i = 0; store && i < msg->n_fds; i++)
		kept_add(k, take_fd(msg->fds[i]), name);
}

static bool receive_one(struct keeper *k)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
	} control;
	struct message msg = {0};
	struct iovec iov = {.iov_base = msg.text, .iov_len = sizeof msg.text - 1};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	ssize_t r = recvmsg(k->notify_fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (r < 0)
		return false;
	take_control(&m, &msg);
	if (msg.ours && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		take_up(k, &msg);
	for (size_t i = 0; i < msg.n_fds; i++)
		close_p(&msg.fds[i]);
	return true;
}

void notify_receive(struct keeper *k)
{
	while (receive_one(k))
		;
}
