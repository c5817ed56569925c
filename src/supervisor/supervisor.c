/*
 * The supervisor's thread sleeps in one epoll over: the watched descriptors, one timerfd that is
 * set to the earliest timer (a binary heap holds them all), and an eventfd that says stop.
 *
 * A watch may be ended by another thread between epoll's answer and our call. So epoll is not given
 * the watch's address but a ticket: slot number and the slot's generation. A ticket whose
 * generation is over is news of a watch that is gone, and is dropped.
 *
 * The callback runs without the lock. `running` says whose it is: supervisor_unwatch() from another
 * thread waits until it is no longer that of its own watch.
 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"

#define NO_SLOT	       UINT32_MAX
#define NOT_IN_HEAP    SIZE_MAX
#define TICKET_STOP    UINT64_MAX
#define TICKET_TIMER   (UINT64_MAX - 1)
#define EVENTS_AT_ONCE 64

/* A watch on a descriptor, or a timer (fd -1). Every one has a slot, so that those that are left
 * can be found at the end; a timer is in the heap as well until it fires. */
struct watch {
	void (*fn)(void *arg, int fd);
	void *arg;
	int fd;
	uint32_t slot;
	int64_t at_ns;
	size_t heap_index;
};

struct slot {
	struct watch *watch; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

struct supervisor {
	int epoll_fd, timer_fd, stop_fd;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;  /* all below */
	pthread_cond_t rested; /* a callback has returned */
	struct watch *running;
	struct slot *slots;
	uint32_t n_slots;
	uint32_t free_slot; /* head of the free ones */
	struct watch **heap;
	size_t n_heap, heap_cap;
	int64_t armed_ns; /* what timer_fd is set to; 0: nothing */
};

/* slots ----------------------------------------------------------------------------------- */

static void slot_take(struct supervisor *s, struct watch *w)
{
	if (s->free_slot == NO_SLOT) {
		uint32_t more = s->n_slots ? s->n_slots * 2 : 64;

		s->slots = xreallocarray(s->slots, more, sizeof *s->slots);
		for (uint32_t i = s->n_slots; i < more; i++)
			s->slots[i] = (struct slot){.next_free = i + 1 < more ? i + 1 : NO_SLOT};
		s->free_slot = s->n_slots;
		s->n_slots = more;
	}
	w->slot = s->free_slot;
	s->free_slot = s->slots[w->slot].next_free;
	s->slots[w->slot].watch = w;
}

static void slot_give_back(struct supervisor *s, uint32_t i)
{
	s->slots[i].watch = NULL;
	s->slots[i].generation++;
	s->slots[i].next_free = s->free_slot;
	s->free_slot = i;
}

static uint64_t ticket_of(const struct supervisor *s, const struct watch *w)
{
	return (uint64_t) s->slots[w->slot].generation << 32 | w->slot;
}

static struct watch *watch_of_ticket(const struct supervisor *s, uint64_t ticket)
{
	uint32_t i = (uint32_t) ticket;

	if (i >= s->n_slots || s->slots[i].generation != ticket >> 32)
		return NULL;
	return s->slots[i].watch;
}

/* timers: a binary heap, the earliest first ----------------------------------------------- */

static void heap_put(struct supervisor *s, size_t i, struct watch *w)
{
	s->heap[i] = w;
	w->heap_index = i;
}

static void heap_up(struct supervisor *s, size_t i)
{
	struct watch *w = s->heap[i];

	for (; i > 0 && s->heap[(i - 1) / 2]->at_ns > w->at_ns; i = (i - 1) / 2)
		heap_put(s, i, s->heap[(i - 1) / 2]);
	heap_put(s, i, w);
}

static void heap_down(struct supervisor *s, size_t i)
{
	struct watch *w = s->heap[i];

	for (size_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
		if (child + 1 < s->n_heap && s->heap[child + 1]->at_ns < s->heap[child]->at_ns)
			child++;
		if (s->heap[child]->at_ns >= w->at_ns)
			break;
		heap_put(s, i, s->heap[child]);
	}
	heap_put(s, i, w);
}

static void heap_add(struct supervisor *s, struct watch *w)
{
	if (s->n_heap == s->heap_cap) {
		s->heap_cap = s->heap_cap ? s->heap_cap * 2 : 16;
		s->heap = xreallocarray(s->heap, s->heap_cap, sizeof(struct watch *));
	}
	s->heap[s->n_heap++] = w;
	heap_up(s, s->n_heap - 1);
}

static void heap_remove(struct supervisor *s, struct watch *w)
{
	size_t i = w->heap_index;
	struct watch *last = s->heap[--s->n_heap];

	w->heap_index = NOT_IN_HEAP;
	if (last == w)
		return;
	heap_put(s, i, last);
	heap_up(s, i);
	heap_down(s, last->heap_index);
}

/* Sets the timerfd to the earliest timer, so that it wakes us for nothing else. */
static void arm(struct supervisor *s)
{
	int64_t at = s->n_heap ? s->heap[0]->at_ns : 0;
	struct itimerspec spec;

	if (at == s->armed_ns)
		return;
	s->armed_ns = at;
	spec = (struct itimerspec){
		.it_value.tv_sec = at / NSEC_PER_SEC,
		.it_value.tv_nsec = at % NSEC_PER_SEC,
	};
	(void) timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* the thread ------------------------------------------------------------------------------ */

/* Calls the watch's fn without the lock. Afterwards the watch may be gone. */
static void call_unlocked(struct supervisor *s, struct watch *w)
{
	s->running = w;
	pthread_mutex_unlock(&s->lock);
	w->fn(w->arg, w->fd);
	pthread_mutex_lock(&s->lock);
	s->running = NULL;
	pthread_cond_broadcast(&s->rested);
}

static void handle_timers(struct supervisor *s)
{
	int64_t now = monotonic_ns();
	uint64_t expirations;

	hold(&s->lock);
	/* Reading makes it unreadable; what is still in the heap is armed anew below. */
	if (read(s->timer_fd, &expirations, sizeof expirations) == sizeof expirations)
		s->armed_ns = 0;
	while (s->n_heap && s->heap[0]->at_ns <= now) {
		struct watch *w = s->heap[0];

		heap_remove(s, w);
		call_unlocked(s, w);
	}
	arm(s);
}

static void handle_ticket(struct supervisor *s, uint64_t ticket)
{
	hold(&s->lock);
	struct watch *w = watch_of_ticket(s, ticket);

	if (w)
		call_unlocked(s, w);
}

static void *supervise(void *arg)
{
	struct supervisor *s = arg;

	for (;;) {
		struct epoll_event events[EVENTS_AT_ONCE];
		int n = epoll_wait(s->epoll_fd, events, EVENTS_AT_ONCE, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == TICKET_STOP)
				return NULL;
			if (events[i].data.u64 == TICKET_TIMER)
				handle_timers(s);
			else
				handle_ticket(s, events[i].data.u64);
		}
	}
}

/* what others call ------------------------------------------------------------------------ */

static struct watch *watch_new(int fd, void (*fn)(void *, int), void *arg)
{
	struct watch *w = xnew(struct watch);

	w->fn = fn;
	w->arg = arg;
	w->fd = fd;
	w->heap_index = NOT_IN_HEAP;
	return w;
}

int supervisor_watch(struct supervisor *s, int fd, void (*fn)(void *arg, int fd), void *arg,
		     struct watch **ret, struct err *err)
{
	autofree struct watch *w = watch_new(fd, fn, arg);
	struct epoll_event event = {.events = EPOLLIN};

	/* Under the lock to the end: fn, which may come at once, finds *ret filled. */
	hold(&s->lock);
	slot_take(s, w);
	event.data.u64 = ticket_of(s, w);
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int e = errno;

		slot_give_back(s, w->slot);
		return err_sys(err, e, "watch descriptor %d", fd);
	}
	*ret = take(w);
	return 0;
}

int supervisor_timer(struct supervisor *s, int64_t at_monotonic_ns, void (*fn)(void *arg, int fd),
		     void *arg, struct watch **ret, struct err *err)
{
	struct watch *w = watch_new(-1, fn, arg);

	/* 0 would disarm the timerfd; everything of the past is due now. */
	w->at_ns = at_monotonic_ns > 0 ? at_monotonic_ns : 1;

	hold(&s->lock);
	slot_take(s, w);
	heap_add(s, w);
	*ret = w;
	arm(s);
	return 0;
}

void supervisor_unwatch(struct supervisor *s, struct watch *w)
{
	if (!w)
		return;

	{
		hold(&s->lock);
		if (w->fd >= 0)
			(void) epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
		if (w->heap_index != NOT_IN_HEAP) {
			heap_remove(s, w);
			arm(s);
		}
		slot_give_back(s, w->slot);
		/* No new call can begin. One that has begun is waited for, unless we are in it. */
		if (pthread_equal(s->thread, pthread_self()) && s->running == w)
			s->running = NULL;
		while (s->running == w)
			pthread_cond_wait(&s->rested, &s->lock);
	}
	free(w);
}

static int epoll_add(struct supervisor *s, int fd, uint64_t ticket)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = ticket};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_descriptors(struct supervisor *s)
{
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	s->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->epoll_fd < 0 || s->timer_fd < 0 || s->stop_fd < 0 ||
	    epoll_add(s, s->timer_fd, TICKET_TIMER) < 0 ||
	    epoll_add(s, s->stop_fd, TICKET_STOP) < 0)
		return -errno;
	return 0;
}

DEFINE_AUTO(struct supervisor *, supervisor_free);

int supervisor_new(struct supervisor **ret, struct err *err)
{
	auto_(supervisor_free_p) struct supervisor *s = xnew(struct supervisor);
	int r;

	s->epoll_fd = s->timer_fd = s->stop_fd = -1;
	s->free_slot = NO_SLOT;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->rested, NULL);

	r = open_descriptors(s);
	if (r < 0)
		return err_sys(err, -r, "supervisor");
	{
		/* The thread's callbacks compare s->thread; they need the lock first. */
		hold(&s->lock);
		r = thread_start(&s->thread, "supervisor", supervise, s);
	}
	if (r < 0)
		return err_sys(err, -r, "start the supervisor's thread");
	s->started = true;

	*ret = take(s);
	return 0;
}

void supervisor_free(struct supervisor *s)
{
	if (!s)
		return;
	if (s->started) {
		(void) eventfd_write(s->stop_fd, 1);
		pthread_join(s->thread, NULL);
	}
	for (uint32_t i = 0; i < s->n_slots; i++)
		free(s->slots[i].watch);
	close_p(&s->epoll_fd);
	close_p(&s->timer_fd);
	close_p(&s->stop_fd);
	pthread_cond_destroy(&s->rested);
	pthread_mutex_destroy(&s->lock);
	free(s->slots);
	free(s->heap);
	free(s);
}
