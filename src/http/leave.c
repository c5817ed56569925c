/*
 * The end of a server. It stops at once and for good, or it is paused first: the epoll thread ends,
 * nothing new begins, listening sockets and idle connections stay as they are; then what is left
 * goes to the server that comes after it.
 */
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/time.h"
#include "http/server.h"

/* Accepting has ended; what is idle goes. What a worker has is freed by it. */
static void end_idle(struct http_server *s)
{
	for (unsigned i = 0; i < s->n_listen; i++)
		(void) close(s->listen_fds[i]);
	s->n_listen = 0;
	if (s->queue_fd > 0)
		(void) close(s->queue_fd);

	hold(&s->lock);
	for (struct conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (!c->busy)
			conn_free_locked(c);
	}
	s->heads_first = s->heads_last = NULL;
}

/* Waits until no worker has a connection; false where that takes longer. */
static bool wait_for_busy(struct http_server *s, int64_t ns)
{
	struct timespec deadline = deadline_in(ns);
	bool busy;
	int r = 0;

	hold(&s->lock);
	for (;;) {
		busy = false;
		for (struct conn *c = s->conns; c && !busy; c = c->next)
			busy = c->busy;
		if (!busy || r != 0)
			return !busy;
		r = pthread_cond_clockwait(&s->changed, &s->lock, CLOCK_MONOTONIC, &deadline);
	}
}

/* Reads and writes of handlers fail from now on, and those that wait see it on http_fd(). */
static void hang_up_on_busy(struct http_server *s)
{
	hold(&s->lock);
	for (struct conn *c = s->conns; c; c = c->next)
		if (c->busy && !c->handing)
			(void) shutdown(c->fd, SHUT_RDWR);
}

static void end_thread(struct http_server *s)
{
	if (!s->started)
		return;
	(void) eventfd_write(s->wake_fd, 1);
	pthread_join(s->thread, NULL);
	s->started = false;
}

static void server_free(struct http_server *s)
{
	(void) close(s->epoll_fd);
	(void) close(s->wake_fd);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s);
}

void http_server_stop(struct http_server *s, int grace_ms)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	__atomic_store_n(&s->stopping, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&s->lock);
	end_thread(s);
	end_idle(s);
	if (!wait_for_busy(s, grace_ms * NSEC_PER_MSEC))
		hang_up_on_busy(s);
	workers_free(s->workers);
	server_free(s);
}

void http_server_pause(struct http_server *s)
{
	hold(&s->lock);
	s->paused = true;
	(void) eventfd_write(s->wake_fd, 1);
}

bool http_server_drain(struct http_server *s, int grace_ms)
{
	end_thread(s);
	return wait_for_busy(s, grace_ms * NSEC_PER_MSEC);
}

/* What is on the shelf is found there; there is room for one more in *ret. */
static void leave_conn(struct conn *c, struct http_left *ret)
{
	if (c->slot >= 0) {
		c->slot = -1;
		return;
	}
	ret->conns[ret->n_conns++] = (struct http_left_conn){.fd = c->fd, .in = c->in};
	c->fd = -1;
	c->in = (struct buf){0};
}

void http_server_leave(struct http_server *s, struct http_left *ret)
{
	end_thread(s);
	hang_up_on_busy(s);
	workers_free(s->workers);

	*ret = (struct http_left){.n_listen = s->n_listen, .queue_fd = s->queue_fd};
	ret->listen_fds = xreallocarray(NULL, s->n_listen + 1, sizeof *ret->listen_fds);
	for (unsigned i = 0; i < s->n_listen; i++)
		ret->listen_fds[i] = s->listen_fds[i];
	{
		hold(&s->lock);
		ret->conns = xcalloc(s->n_conns + 1, sizeof *ret->conns);
		while (s->conns) {
			leave_conn(s->conns, ret);
			conn_free_locked(s->conns);
		}
	}
	server_free(s);
}

void http_server_inherit(struct http_server *s, struct http_left *left)
{
	for (size_t i = 0; i < left->n_listen; i++)
		http_server_add(s, left->listen_fds[i]);
	s->queue_fd = left->queue_fd;
	for (size_t i = 0; i < left->n_conns; i++) {
		struct conn *c = conn_new(s, left->conns[i].fd, -1);

		c->in = left->conns[i].in;
		conn_watch(c);
	}
	free(left->listen_fds);
	free(left->conns);
	*left = (struct http_left){0};
}
