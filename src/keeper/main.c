/*
 * holdfast-keeper [--adopt FD PID] N PROGRAM [ARGUMENT...]
 *
 * What `holdfastd --keeper` becomes once it has bound the listening sockets, which are descriptors
 * 3 and following, N of them. PROGRAM is the daemon. --adopt: one whose keeper has died serves
 * already; FD is a pidfd of it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "keeper/keeper.h"

static int fail(const char *what, int errnum)
{
	log_error("keeper: %s: %s", what, strerror(errnum));
	return 1;
}

/* Blocked for good; the daemon gets a clean mask. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	(void) sigprocmask(SIG_BLOCK, &set, NULL);
	(void) signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == k->pid && k->pidfd < 0)
			daemon_ended(k, status);
}

static void take_signal(struct keeper *k, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof info) != sizeof info)
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		/* What it has said before its end is said first. */
		notify_receive(k);
		reap(k);
		break;
	case SIGHUP:
		daemon_signal(k, SIGHUP);
		break;
	default:
		k->ending = true;
		daemon_signal(k, SIGTERM);
	}
}

/* Until the next start is due, or a connection is passed on again for which there was no room; -1
 * while neither is. */
static int timeout_ms(const struct keeper *k)
{
	int64_t left = k->start_at_ns - monotonic_ns();

	if (k->pid > 0)
		return k->waiting >= 0 ? FULL_MS : -1;
	return left <= 0 ? 0 : (int) ((left + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

static nfds_t what_to_poll(const struct keeper *k, int signals, struct pollfd *p)
{
	nfds_t n = 0;

	p[n++] = (struct pollfd){.fd = signals, .events = POLLIN};
	p[n++] = (struct pollfd){.fd = k->notify_fd, .events = POLLIN};
	p[n++] = (struct pollfd){.fd = k->pidfd, .events = POLLIN};
	for (unsigned i = 0; queue_has_room(k) && i < k->n_listen; i++)
		p[n++] = (struct pollfd){.fd = k->kept[i].fd, .events = POLLIN};
	return n;
}

static void keep(struct keeper *k, int signals)
{
	while (k->pid > 0 || !k->ending) {
		struct pollfd p[3 + KEPT_MAX];
		nfds_t n = what_to_poll(k, signals, p);
		int r = poll(p, n, timeout_ms(k));

		if (r < 0 && errno != EINTR)
			return;
		(void) queue_push(k);
		for (nfds_t i = 3; r > 0 && i < n && queue_has_room(k); i++)
			if (p[i].revents)
				accept_from(k, p[i].fd);
		if (r > 0 && p[1].revents)
			notify_receive(k);
		if (r > 0 && p[0].revents)
			take_signal(k, signals);
		if (r > 0 && p[2].revents && k->pidfd >= 0)
			daemon_ended(k, -1);
		if (k->pid == 0 && !k->ending && monotonic_ns() >= k->start_at_ns)
			daemon_start(k);
	}
}

int main(int argc, char **argv)
{
	struct keeper k = {.notify_fd = -1, .pidfd = -1, .waiting = -1};
	int at = 1, signals, r;

	if (argc > 4 && strcmp(argv[1], "--adopt") == 0) {
		k.pidfd = atoi(argv[2]);
		k.pid = atoi(argv[3]);
		k.ready = true;
		k.started_ns = monotonic_ns();
		at = 4;
	}
	if (argc < at + 2) {
		(void) fputs("holdfast-keeper is started by holdfastd --keeper\n", stderr);
		return 2;
	}
	for (int i = 0; i < atoi(argv[at]); i++)
		kept_add(&k, 3 + i, "holdfast");
	k.n_listen = k.n_kept;
	k.argv = argv + at + 1;

	signals = open_signals();
	if (signals < 0)
		return fail("signalfd", errno);
	r = notify_open(&k);
	if (r < 0)
		return fail("open the notification socket", -r);
	r = queue_open(&k);
	if (r < 0)
		return fail("open the queue of connections", -r);
	keep(&k, signals);
	return 0;
}
