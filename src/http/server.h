/* The server's inside, shared by server.c and leave.c (its end, and who comes after it). */
#pragma once

#include "base/thread.h"
#include "http/conn.h"

#define LISTEN_MAX 16

struct http_server {
	http_handler *fn;
	void *arg;
	struct workers *workers;
	pthread_t thread;
	bool started;
	int epoll_fd;
	int wake_fd; /* look again: stopping, or there is room for connections */
	int listen_fds[LISTEN_MAX];
	unsigned n_listen;
	int queue_fd; /* of connections that the keeper has accepted; 0: we accept */

	/* the epoll thread's */
	bool accepting;
	int64_t accept_again_ns; /* 0: when a connection closes */
	struct conn *heads_first, *heads_last;
	struct http_shelf *shelf;

	pthread_mutex_t lock; /* below */
	pthread_cond_t changed;
	struct conn *conns;
	unsigned n_conns;
	bool full; /* the epoll thread wants to be woken when a connection closes */
	bool stopping;
	bool paused;
};

/* A new connection, in the list; slot: on the shelf, or -1. */
struct conn *conn_new(struct http_server *s, int fd, int slot);
/* Gives the connection (back) to the epoll thread. */
void conn_watch(struct conn *c);
/* Frees it. By whoever owns it, lock held. */
void conn_free_locked(struct conn *c);
