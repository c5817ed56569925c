/* Accepting for the daemon: each connection is a message of one byte and a descriptor. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/passfd.h"
#include "keeper/keeper.h"

int queue_open(struct keeper *k)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	k->queue = pair[0];
	kept_add(k, pair[1], QUEUE_NAME);
	return 0;
}

bool queue_has_room(const struct keeper *k)
{
	return k->accepts && k->waiting < 0;
}

bool queue_push(struct keeper *k)
{
	if (k->waiting >= 0 && fd_send(k->queue, k->waiting)) {
		(void) close(k->waiting);
		k->waiting = -1;
	}
	return k->waiting < 0;
}

void accept_from(struct keeper *k, int listen_fd)
{
	do {
		k->waiting = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (k->waiting >= 0 && queue_push(k));
	/* What cannot be accepted now would be there again at once. */
	if (k->waiting < 0 && errno != EAGAIN && errno != ECONNABORTED)
		(void) poll(NULL, 0, FULL_MS);
}
