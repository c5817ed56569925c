/*
 * Network namespaces. A thread enters one for the time of a system call or two; what it opens there
 * stays there. One that cannot come back would do the host's work in a container's network, so
 * then the process ends: the shims keep the containers, and a restart restores.
 */
#include "network/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "network/private.h"
#include "network/rtnl.h"

#define OWN_NETNS "/proc/thread-self/ns/net"

int netns_enter(int netns, int *ret_back)
{
	autoclose int back = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);

	if (back < 0 || setns(netns, CLONE_NEWNET) < 0)
		return -errno;
	*ret_back = take_fd(back);
	return 0;
}

void netns_return(int back)
{
	if (setns(back, CLONE_NEWNET) < 0) {
		log_error("a thread cannot leave a container's network namespace: error %d", errno);
		abort();
	}
	(void) close(back);
}

static int make(int *ret)
{
	autoclose int back = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);

	if (back < 0 || unshare(CLONE_NEWNET) < 0)
		return -errno;
	*ret = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	int r = *ret < 0 ? -errno : 0;
	netns_return(take_fd(back));
	return r;
}

int netns_new(struct err *err)
{
	autoclose int fd = -1;
	autortnl nl = {0};
	int r;

	r = make(&fd);
	if (r < 0)
		return err_sys(err, -r, "make a network namespace");
	r = rtnl_open(fd, &nl);
	if (r == 0)
		r = rtnl_up(&nl, 1); /* lo is always the first */
	if (r < 0)
		return err_sys(err, -r, "bring the loopback interface up");
	return take_fd(fd);
}
