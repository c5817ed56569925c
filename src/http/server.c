/*
 * The server: one epoll thread that accepts, reads heads as they come and holds idle connections,
 * and workers that serve requests whose head is whole. A connection belongs to the one or to a
 * worker, never to both: it is in the epoll set one-shot, so that it is silent while a worker has
 * it.
 *
 * Nobody polls: the epoll thread sleeps until a socket wakes it, or until the oldest half-sent head
 * has used up its time.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/time.h"
#include "http/server.h"

#define CONNECTIONS_MAX 16384
#define HEAD_TIMEOUT_NS (30 * NSEC_PER_SEC)

static int watch_source(struct http_server *s, int op, int *fd, bool on)
{
	struct epoll_event ev = {.events = on ? EPOLLIN : 0, .data.ptr = fd};

	return epoll_ctl(s->epoll_fd, op, *fd, &ev);
}

/* Where connections come from. */
static int watch_sources(struct http_server *s, int op, bool on)
{
	int r = 0;

	if (s->queue_fd > 0)
		return watch_source(s, op, &s->queue_fd, on);
	for (unsigned i = 0; r == 0 && i < s->n_listen; i++)
		r = watch_source(s, op, &s->listen_fds[i], on);
	return r;
}

static void set_accepting(struct http_server *s, bool on)
{
	(void) watch_sources(s, EPOLL_CTL_MOD, on);
	s->accepting = on;
	s->accept_again_ns = 0;
}

/* Connections ---------------------------------------- */

struct conn *conn_new(struct http_server *s, int fd, int slot)
{
	struct conn *c = xnew(struct conn);

	c->server = s;
	c->fd = fd;
	c->shelf = s->shelf;
	c->slot = slot;
	hold(&s->lock);
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	s->n_conns++;
	return c;
}

void conn_free_locked(struct conn *c)
{
	struct http_server *s = c->server;

	*(c->prev ? &c->prev->next : &s->conns) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n_conns--;
	/* One that is handed over lives on elsewhere, and would stay in our set. */
	if (c->handing && c->in_epoll)
		(void) epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	/* Closed under the lock, because http_server_stop() shuts down the descriptors it sees in
	 * the list. */
	shelf_drop(c->shelf, c->slot);
	close_p(&c->fd);
	buf_free(&c->in);
	free(c);
	if (s->full) {
		s->full = false;
		(void) eventfd_write(s->wake_fd, 1);
	}
	if (s->stopping || s->paused)
		pthread_cond_broadcast(&s->changed);
}

void conn_set_handing(struct conn *c, bool handing)
{
	hold(&c->server->lock);
	c->handing = handing;
}

static void conn_free(struct conn *c)
{
	struct http_server *s = c->server;

	hold(&s->lock);
	conn_free_locked(c);
}

/* Only the epoll thread has connections that are in this list. */
static void heads_remove(struct http_server *s, struct conn *c)
{
	if (!c->head_deadline_ns)
		return;
	*(c->head_prev ? &c->head_prev->head_next : &s->heads_first) = c->head_next;
	*(c->head_next ? &c->head_next->head_prev : &s->heads_last) = c->head_prev;
	c->head_prev = c->head_next = NULL;
	c->head_deadline_ns = 0;
}

void conn_watch(struct conn *c)
{
	struct http_server *s = c->server;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = c};
	bool added = c->in_epoll;

	if (!c->in.len && c->slot < 0)
		c->slot = shelf_put(c->shelf, c->fd, 0);
	/* Half a head is there already: let the epoll thread see to its time. */
	if (c->in.len && !c->head_deadline_ns)
		ev.events |= EPOLLOUT;

	hold(&s->lock);
	c->busy = false;
	if (s->paused && !s->stopping) {
		pthread_cond_broadcast(&s->changed);
		return;
	}
	c->in_epoll = true;
	if (s->stopping ||
	    epoll_ctl(s->epoll_fd, added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &ev) < 0) {
		heads_remove(s, c);
		conn_free_locked(c);
	}
}

static bool is_paused(struct http_server *s)
{
	hold(&s->lock);
	return s->paused;
}

static const struct {
	int status;
	const char *why;
} refusals[] = {
	[HEAD_BAD] = {400, "malformed request head"},
	[HEAD_LINE_TOO_LONG] = {414, "request line too long"},
	[HEAD_TOO_LARGE] = {431, "request headers too large"},
};

/* Worker: serves what is there, then gives the connection back. */
static void serve(void *arg)
{
	struct conn *c = arg;
	struct http_server *s = c->server;
	enum head_state state;
	size_t len = 0;

	while ((state = head_scan(&c->scan, c->in.text, c->in.len, &len)) == HEAD_DONE) {
		if (is_paused(s))
			break;
		if (!request_serve(c, len, s->fn, s->arg, &s->stopping)) {
			conn_free(c);
			return;
		}
		shelf_end_answer(c->shelf, c->slot);
	}
	if (state != HEAD_MORE && state != HEAD_DONE) {
		conn_refuse(c, refusals[state].status, refusals[state].why);
		conn_free(c);
		return;
	}
	conn_watch(c);
}

/* The epoll thread ---------------------------------------- */

/* All have the same time, so the list is in order. */
static void heads_add(struct http_server *s, struct conn *c)
{
	if (c->head_deadline_ns)
		return;
	c->head_deadline_ns = monotonic_ns() + HEAD_TIMEOUT_NS;
	c->head_prev = s->heads_last;
	*(s->heads_last ? &s->heads_last->head_next : &s->heads_first) = c;
	s->heads_last = c;
}

static void conn_drop(struct http_server *s, struct conn *c)
{
	heads_remove(s, c);
	conn_free(c);
}

/* A GET or HEAD and nothing else: it can be left in the socket until it is answered. */
static bool is_one_repeatable(const char *data, size_t n)
{
	struct head_scan scan = {0};
	size_t len;

	return ((n > 4 && memcmp(data, "GET ", 4) == 0) ||
		(n > 5 && memcmp(data, "HEAD ", 5) == 0)) &&
	       head_scan(&scan, data, n, &len) == HEAD_DONE && len == n;
}

/* Receives what there is. On the shelf it is not taken out of the socket, or the connection is
 * taken off the shelf first. */
static ssize_t conn_receive(struct conn *c, char *data, size_t size)
{
	ssize_t r;

	if (c->slot < 0)
		return recv(c->fd, data, size, 0);
	r = recv(c->fd, data, size, MSG_PEEK);
	if (r <= 0)
		return r;
	c->peeked = (size_t) r;
	if (!is_one_repeatable(data, (size_t) r))
		conn_commit(c);
	return r;
}

static void give_to_worker(struct http_server *s, struct conn *c)
{
	heads_remove(s, c);
	/* The worker scans again from the start of the buffer. */
	c->scan = (struct head_scan){0};
	pthread_mutex_lock(&s->lock);
	c->busy = true;
	pthread_mutex_unlock(&s->lock);
	workers_submit(s->workers, NULL, serve, c);
}

/* Reads what has come; when the head is whole, a worker gets the connection. What an earlier server
 * has left may be a whole head already. */
static void conn_readable(struct http_server *s, struct conn *c)
{
	enum head_state state;
	size_t len = 0;

	while ((state = head_scan(&c->scan, c->in.text, c->in.len, &len)) == HEAD_MORE) {
		char piece[READ_SIZE];
		ssize_t r = conn_receive(c, piece, sizeof piece);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN) {
			if (c->in.len)
				heads_add(s, c);
			conn_watch(c);
			return;
		}
		if (r <= 0) {
			conn_drop(s, c);
			return;
		}
		buf_add(&c->in, piece, r);
	}
	if (state == HEAD_DONE) {
		give_to_worker(s, c);
		return;
	}
	conn_refuse(c, refusals[state].status, refusals[state].why);
	conn_drop(s, c);
}

/* Its slot on the shelf as well. -1: errno. */
static int next_connection(struct http_server *s, const int *source, int *ret_slot)
{
	int fd;

	if (source == &s->queue_fd)
		return shelf_put_queued(s->shelf, *source, ret_slot);
	fd = accept4(*source, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	/* Between these two lines a connection can be lost with the process. */
	if (fd >= 0)
		*ret_slot = shelf_put(s->shelf, fd, 0);
	return fd;
}

/* The keeper is gone: we accept. */
static void leave_queue(struct http_server *s)
{
	log_warn("http: the keeper is gone: accepting without it");
	close_p(&s->queue_fd);
	s->queue_fd = 0;
	(void) watch_sources(s, EPOLL_CTL_ADD, true);
}

static void accept_some(struct http_server *s, const int *source)
{
	for (int i = 0; i < 64; i++) {
		int fd, slot;
		bool full;

		pthread_mutex_lock(&s->lock);
		full = s->full = s->n_conns >= CONNECTIONS_MAX;
		pthread_mutex_unlock(&s->lock);
		if (full) {
			log_warn("http: %d connections: no more are accepted until one ends",
				 CONNECTIONS_MAX);
			set_accepting(s, false);
			return;
		}

		fd = next_connection(s, source, &slot);
		if (fd >= 0) {
			/* Most often the request is there already. */
			conn_readable(s, conn_new(s, fd, slot));
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warn("http: accept: %s: trying again in a second", strerror(errno));
			set_accepting(s, false);
			s->accept_again_ns = monotonic_ns() + NSEC_PER_SEC;
		}
		if (errno == EPIPE)
			leave_queue(s);
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static int next_timeout_ms(const struct http_server *s)
{
	int64_t next = s->heads_first ? s->heads_first->head_deadline_ns : 0;
	int64_t left;

	if (s->accept_again_ns && (!next || s->accept_again_ns < next))
		next = s->accept_again_ns;
	if (!next)
		return -1;
	left = next - monotonic_ns();
	return left <= 0 ? 0 : (int) ((left + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

static void expire(struct http_server *s)
{
	int64_t now = s->heads_first || s->accept_again_ns ? monotonic_ns() : 0;

	while (s->heads_first && s->heads_first->head_deadline_ns <= now) {
		struct conn *c = s->heads_first;

		conn_refuse(c, 408, "the request's head did not come in time");
		conn_drop(s, c);
	}
	if (s->accept_again_ns && s->accept_again_ns <= now)
		set_accepting(s, true);
}

static bool is_source(const struct http_server *s, const void *p)
{
	return p == &s->queue_fd ||
	       ((const int *) p >= s->listen_fds && (const int *) p < s->listen_fds + s->n_listen);
}

static void *epoll_main(void *arg)
{
	struct http_server *s = arg;

	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(s->epoll_fd, events, ARRAY_SIZE(events), next_timeout_ms(s));

		/* Workers give connections back under the lock: having had it once, we see all they
		 * did. */
		pthread_mutex_lock(&s->lock);
		pthread_mutex_unlock(&s->lock);
		for (int i = 0; i < n; i++) {
			void *p = events[i].data.ptr;

			if (p == &s->wake_fd) {
				eventfd_t count;

				(void) eventfd_read(s->wake_fd, &count);
			} else if (is_source(s, p)) {
				accept_some(s, p);
			} else {
				conn_readable(s, p);
			}
		}
		pthread_mutex_lock(&s->lock);
		bool over = s->stopping || s->paused, full = s->full;
		pthread_mutex_unlock(&s->lock);
		if (over)
			return NULL;
		if (!s->accepting && !full && !s->accept_again_ns)
			set_accepting(s, true);
		expire(s);
	}
}

/* Life ---------------------------------------- */

int http_server_new(http_handler *fn, void *arg, unsigned max_threads, struct http_server **ret,
		    struct err *err)
{
	autoclose int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	autoclose int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN};
	struct http_server *s;

	if (epoll_fd < 0 || wake_fd < 0)
		return err_sys(err, errno, "http: epoll and eventfd");
	s = xnew(struct http_server);
	ev.data.ptr = &s->wake_fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &ev) < 0) {
		free(s);
		return err_sys(err, errno, "http: epoll_ctl");
	}
	s->fn = fn;
	s->arg = arg;
	s->epoll_fd = take_fd(epoll_fd);
	s->wake_fd = take_fd(wake_fd);
	s->workers = workers_new("http", max_threads);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	/* The library's own bound is below ours, which head_scan() keeps. */
	http_parser_set_max_header_size(HEAD_LINE_MAX + HEAD_FIELDS_MAX + 1024);
	*ret = s;
	return 0;
}

void http_server_add(struct http_server *s, int listen_fd)
{
	if (s->n_listen == LISTEN_MAX) {
		log_error("http: more than %d listening sockets", LISTEN_MAX);
		(void) close(listen_fd);
		return;
	}
	s->listen_fds[s->n_listen++] = listen_fd;
}

void http_server_use_shelf(struct http_server *s, struct http_shelf *h)
{
	s->shelf = h;
}

static void go_on_with(void *arg, int fd, int slot)
{
	conn_watch(conn_new(arg, fd, slot));
}

static bool is_there(void *arg, uint64_t cookie)
{
	struct http_server *s = arg;

	for (const struct conn *c = s->conns; c; c = c->next)
		if (shelf_cookie(c->fd) == cookie)
			return true;
	return false;
}

int http_server_start(struct http_server *s, struct err *err)
{
	int r;

	if (watch_sources(s, EPOLL_CTL_ADD, true) < 0)
		return err_sys(err, errno, "http: watch the listening socket");
	s->accepting = true;
	shelf_find(s->shelf, go_on_with, s);
	if (s->queue_fd > 0)
		shelf_drop_double(s->queue_fd, is_there, s);
	r = thread_start(&s->thread, "http-epoll", epoll_main, s);
	if (r < 0)
		return err_sys(err, -r, "http: start the thread");
	s->started = true;
	return 0;
}
