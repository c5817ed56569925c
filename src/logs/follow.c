/* Waking those who follow; see follow.h. */
#include "logs/follow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/wake.h"

#define NOT_ARMED (-1)

/* A directory that somebody follows. */
struct spot {
	dev_t dev;
	ino_t ino;
	int watch; /* NOT_ARMED: the one shot is fired */
	struct follow_seat *seats;
	struct spot *next;
};

/* One reader there. */
struct follow_seat {
	struct spot *spot;
	int dir, wake;
	struct follow_seat *next;
};

struct log_follower {
	pthread_mutex_t lock; /* all below */
	bool started;
	pthread_t thread;
	int inotify_fd, stop_fd;
	struct spot *spots;
};

struct log_follower *log_follower_new(void)
{
	struct log_follower *f = xnew(struct log_follower);

	pthread_mutex_init(&f->lock, NULL);
	f->inotify_fd = f->stop_fd = -1;
	return f;
}

void log_follower_free(struct log_follower *f)
{
	if (!f)
		return;
	if (f->started) {
		(void) eventfd_write(f->stop_fd, 1);
		pthread_join(f->thread, NULL);
	}
	close_p(&f->inotify_fd);
	close_p(&f->stop_fd);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* the thread ------------------------------------------------------------------------------ */

static void wake_spot(struct spot *s)
{
	s->watch = NOT_ARMED;
	for (struct follow_seat *seat = s->seats; seat; seat = seat->next)
		wake_up(seat->wake);
}

/* Events were lost, and with them perhaps a shot: all look for themselves. */
static void wake_all_locked(struct log_follower *f)
{
	for (struct spot *s = f->spots; s; s = s->next) {
		if (s->watch != NOT_ARMED)
			(void) inotify_rm_watch(f->inotify_fd, s->watch);
		wake_spot(s);
	}
}

static void handle_event(struct log_follower *f, const struct inotify_event *e)
{
	hold(&f->lock);
	if (e->mask & IN_Q_OVERFLOW) {
		wake_all_locked(f);
		return;
	}
	/* The kernel does not give the number of a watch again, so a late one finds nobody. */
	for (struct spot *s = f->spots; s; s = s->next) {
		if (s->watch == e->wd) {
			wake_spot(s);
			return;
		}
	}
}

static void read_events(struct log_follower *f)
{
	_Alignas(struct inotify_event) char buf[8192];
	ssize_t n = read(f->inotify_fd, buf, sizeof buf);

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *) (buf + at);

		handle_event(f, e);
		at += (ssize_t) (sizeof *e + e->len);
	}
}

static void *follow(void *arg)
{
	struct log_follower *f = arg;
	struct pollfd fds[] = {
		{.fd = f->inotify_fd, .events = POLLIN},
		{.fd = f->stop_fd, .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			return NULL;
		if (fds[0].revents)
			read_events(f);
	}
}

/* readers --------------------------------------------------------------------------------- */

static int start_locked(struct log_follower *f, struct err *err)
{
	int r;

	if (f->started)
		return 0;
	if (f->inotify_fd < 0)
		f->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->stop_fd < 0)
		f->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (f->inotify_fd < 0 || f->stop_fd < 0)
		return err_sys(err, errno, "follow logs: inotify");
	r = thread_start(&f->thread, "log-follower", follow, f);
	if (r < 0)
		return err_sys(err, -r, "follow logs: thread");
	f->started = true;
	return 0;
}

static struct spot *spot_locked(struct log_follower *f, const struct stat *st)
{
	struct spot *s = f->spots;

	while (s && (s->dev != st->st_dev || s->ino != st->st_ino))
		s = s->next;
	if (!s) {
		s = xnew(struct spot);
		s->dev = st->st_dev;
		s->ino = st->st_ino;
		s->watch = NOT_ARMED;
		s->next = f->spots;
		f->spots = s;
	}
	return s;
}

int follow_join(struct log_follower *f, int dir, int wake, struct follow_seat **ret,
		struct err *err)
{
	struct follow_seat *seat;
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_sys(err, errno, "follow logs");

	hold(&f->lock);
	if (start_locked(f, err) < 0)
		return -1;
	seat = xnew(struct follow_seat);
	seat->spot = spot_locked(f, &st);
	seat->dir = dir;
	seat->wake = wake;
	seat->next = seat->spot->seats;
	seat->spot->seats = seat;
	*ret = seat;
	return 0;
}

int follow_arm(struct log_follower *f, struct follow_seat *seat, struct err *err)
{
	char path[64];

	hold(&f->lock);
	/* Still armed, or fired and its event on the way to our thread, which will wake us. */
	if (seat->spot->watch != NOT_ARMED)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", seat->dir);
	seat->spot->watch = inotify_add_watch(f->inotify_fd, path,
					      IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONESHOT);
	if (seat->spot->watch < 0) {
		seat->spot->watch = NOT_ARMED;
		return err_sys(err, errno, "follow logs: inotify watch");
	}
	return 0;
}

static void remove_spot_locked(struct log_follower *f, struct spot *s)
{
	struct spot **at = &f->spots;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	if (s->watch != NOT_ARMED)
		(void) inotify_rm_watch(f->inotify_fd, s->watch);
	free(s);
}

void follow_leave(struct log_follower *f, struct follow_seat *seat)
{
	struct follow_seat **at;

	if (!seat)
		return;

	hold(&f->lock);
	at = &seat->spot->seats;
	while (*at != seat)
		at = &(*at)->next;
	*at = seat->next;
	if (!seat->spot->seats)
		remove_spot_locked(f, seat->spot);
	free(seat);
}
