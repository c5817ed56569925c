/* The loop; see loop.h. */
#include "shim/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

#include "base/log.h"
#include "base/time.h"

int loop_open(struct loop *l)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	return l->epoll < 0 ? -errno : 0;
}

static int control(struct loop *l, int op, struct watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	return epoll_ctl(l->epoll, op, w->fd, &e) < 0 ? -errno : 0;
}

int loop_watch(struct loop *l, struct watch *w, uint32_t events)
{
	return control(l, EPOLL_CTL_ADD, w, events);
}

int loop_change(struct loop *l, struct watch *w, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, w, events);
}

void loop_unwatch(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	(void) epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	/* It may be ready in this very batch. */
	for (int i = 0; i < l->n_ready; i++)
		if (l->ready[i].data.ptr == w)
			l->ready[i].data.ptr = NULL;
}

void loop_timer_cancel(struct loop *l, struct timer *t)
{
	for (struct timer **p = &l->timers; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	t->due_ns = 0;
}

void loop_timer(struct loop *l, struct timer *t, int64_t in_ns)
{
	loop_timer_cancel(l, t);
	t->due_ns = monotonic_ns() + (in_ns > 0 ? in_ns : 0);
	t->next = l->timers;
	l->timers = t;
}

static struct timer *earliest(const struct loop *l)
{
	struct timer *first = l->timers;

	for (struct timer *t = first; t; t = t->next)
		if (t->due_ns < first->due_ns)
			first = t;
	return first;
}

/* Until the first timer, rounded up: waking early would only mean to sleep once more. */
static int timeout_ms(const struct loop *l)
{
	const struct timer *t = earliest(l);
	int64_t ms;

	if (!t)
		return -1;
	ms = (t->due_ns - monotonic_ns() + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	if (ms < 0)
		return 0;
	return ms < INT_MAX ? (int) ms : INT_MAX;
}

static void fire_timers(struct loop *l)
{
	int64_t now;

	if (!l->timers)
		return;
	now = monotonic_ns();
	for (struct timer *t; (t = earliest(l)) && t->due_ns <= now;) {
		loop_timer_cancel(l, t);
		t->fn(t->arg);
	}
}

void loop_run(struct loop *l)
{
	while (!l->stop) {
		int n = epoll_wait(l->epoll, l->ready, LOOP_BATCH, timeout_ms(l));

		if (n < 0 && errno != EINTR)
			log_error("epoll_wait: error %d", errno);
		l->n_ready = n > 0 ? n : 0;
		for (int i = 0; i < l->n_ready; i++) {
			struct watch *w = l->ready[i].data.ptr;

			if (w)
				w->fn(w->arg, l->ready[i].events);
		}
		l->n_ready = 0;
		fire_timers(l);
	}
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
