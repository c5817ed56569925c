/*
 * Publishing and listening; see events.h.
 *
 * One lock orders everything: under it an event is appended to the journal and put into the
 * listeners' queues; under it a new listener is added and takes its view of the journal. So what a
 * view holds was published before the listener came, and what its queue gets came after: no gap,
 * and nothing twice, although the view is read later and without the lock.
 */
#include "events/events.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include "base/wake.h"
#include "events/journal.h"

#define QUEUE_MAX 4096

/* A published event, shared by the queues it is in. */
struct told {
	atomic_uint refs;
	struct event event;
};

struct event_listener {
	struct events *events;
	struct filters filters;
	int64_t until_ns;
	int wake; /* see base/wake.h */

	/* The past: the listener's alone. */
	struct journal_view view;
	struct journal_place *past;
	size_t past_at, n_past;

	/* What comes: under the events' lock. A ring. */
	struct told **queue;
	size_t head, n, cap;
	bool ended; /* gets nothing more */
	struct event_listener *prev, *next;
};

struct events {
	atomic_uint refs; /* the opener and each listener */
	pthread_mutex_t lock;
	struct journal journal;
	struct event_listener *listeners;
	bool ended;
};

static void told_unref(struct told *t)
{
	if (atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	event_free(&t->event);
	free(t);
}

/* opening and ending ---------------------------------------------------------------------- */

static void events_unref(struct events *e)
{
	if (atomic_fetch_sub(&e->refs, 1) != 1)
		return;
	journal_close(&e->journal);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

int events_open(const char *data_root, struct events **ret, struct err *err)
{
	autofree struct events *e = xnew(struct events);

	if (journal_open(&e->journal, data_root, err) < 0)
		return err_wrap(err, "events");
	e->refs = 1;
	pthread_mutex_init(&e->lock, NULL);
	*ret = take(e);
	return 0;
}

void events_end(struct events *e)
{
	hold(&e->lock);
	e->ended = true;
	for (struct event_listener *l = e->listeners; l; l = l->next) {
		l->ended = true;
		wake_up(l->wake);
	}
}

void events_close(struct events *e)
{
	if (!e)
		return;
	events_end(e);
	events_unref(e);
}

/* publishing ------------------------------------------------------------------------------ */

static void enqueue(struct event_listener *l, struct told *t)
{
	if (l->n == QUEUE_MAX) {
		l->ended = true;
		return;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct told **queue = xreallocarray(NULL, cap, sizeof(struct told *));

		for (size_t i = 0; i < l->n; i++)
			queue[i] = l->queue[(l->head + i) % l->cap];
		free(l->queue);
		l->queue = queue;
		l->cap = cap;
		l->head = 0;
	}
	l->queue[(l->head + l->n++) % l->cap] = t;
	atomic_fetch_add(&t->refs, 1);
}

static bool listener_wants(const struct event_listener *l, const struct event *ev)
{
	return !l->ended && (!l->until_ns || ev->time_ns <= l->until_ns) &&
	       event_match(&l->filters, ev);
}

void events_publish(struct events *e, const struct event *ev)
{
	size_t len = 0;
	autofree char *line = journal_line(ev, &len);
	struct told *t = xnew(struct told);

	t->refs = 1;
	fields_copy(event_fields, &t->event, ev);
	{
		hold(&e->lock);
		if (line)
			journal_append(&e->journal, line, len);
		for (struct event_listener *l = e->listeners; l; l = l->next) {
			if (!listener_wants(l, ev))
				continue;
			enqueue(l, t);
			/* The first in an empty queue wakes; the others find it awake. */
			if (l->n == 1 || l->ended)
				wake_up(l->wake);
		}
	}
	told_unref(t);
}

/* listening ------------------------------------------------------------------------------- */

static void list_add(struct event_listener *l)
{
	struct events *e = l->events;

	l->next = e->listeners;
	if (l->next)
		l->next->prev = l;
	e->listeners = l;
}

static void list_remove(struct event_listener *l)
{
	if (l->prev)
		l->prev->next = l->next;
	else
		l->events->listeners = l->next;
	if (l->next)
		l->next->prev = l->prev;
}

int events_listen(struct events *e, int64_t since_ns, int64_t until_ns,
		  const struct filters *filters, struct event_listener **ret, struct err *err)
{
	/* As docker has it: "until" alone asks for the past, too. */
	bool wants_past = since_ns || until_ns;
	int wake = wake_new();
	struct event_listener *l;

	if (wake < 0)
		return err_sys(err, -wake, "listen to events");

	l = xnew(struct event_listener);
	l->events = e;
	l->until_ns = until_ns;
	l->wake = wake;
	l->view = (struct journal_view){.fd = {-1, -1}};
	if (filters)
		l->filters.pairs.kv = strv_copy(filters->pairs.kv);
	atomic_fetch_add(&e->refs, 1);
	{
		hold(&e->lock);
		l->ended = e->ended;
		if (wants_past)
			journal_look(&e->journal, &l->view);
		list_add(l);
	}
	journal_search(&l->view, since_ns, until_ns, &l->filters, &l->past, &l->n_past);
	wake_up(l->wake); /* events_next() then finds out, and sets the alarm for until */

	*ret = l;
	return 0;
}

int events_fd(const struct event_listener *l)
{
	return l->wake;
}

/* 1 and the next of the past, or 0 when that is over. */
static int next_of_past(struct event_listener *l, struct event *ret)
{
	while (l->past_at < l->n_past)
		if (journal_read(&l->view, &l->past[l->past_at++], ret) == 0)
			return 1;

	journal_view_close(&l->view);
	free(take(l->past));
	l->past_at = l->n_past = 0;
	return 0;
}

int events_next(struct event_listener *l, struct event *ret)
{
	struct told *t = NULL;

	if (next_of_past(l, ret))
		return 1;
	{
		hold(&l->events->lock);
		if (l->n > 0) {
			t = l->queue[l->head];
			l->head = (l->head + 1) % l->cap;
			l->n--;
		} else if (l->ended || (l->until_ns && now_ns() >= l->until_ns)) {
			return 2;
		} else {
			wake_reset(l->wake, l->until_ns);
			return 0;
		}
	}
	fields_copy(event_fields, ret, &t->event);
	told_unref(t);
	return 1;
}

void events_unlisten(struct event_listener *l)
{
	struct events *e;

	if (!l)
		return;
	e = l->events;
	{
		hold(&e->lock);
		list_remove(l);
	}
	while (l->n > 0) {
		told_unref(l->queue[l->head]);
		l->head = (l->head + 1) % l->cap;
		l->n--;
	}
	free(l->queue);
	free(l->past);
	journal_view_close(&l->view);
	filters_free(&l->filters);
	close_p(&l->wake);
	free(l);
	events_unref(e);
}
