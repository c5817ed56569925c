/*
 * The shim's one loop: descriptors and timers. Everything else in the shim is called from here,
 * does what can be done at once, and returns.
 *
 * A watch or timer is embedded in what it serves and borrowed while it is set; it may be taken back
 * at any time, also from within a call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch {
	int fd;
	void (*fn)(void *arg, uint32_t events);
	void *arg;
};

struct timer {
	int64_t due_ns; /* CLOCK_MONOTONIC; 0: not set */
	void (*fn)(void *arg);
	void *arg;
	struct timer *next;
};

#define LOOP_BATCH 16

struct loop {
	int epoll;
	bool stop;
	struct timer *timers;
	struct epoll_event ready[LOOP_BATCH]; /* those not yet served have a pointer */
	int n_ready;
};

/* 0 or -errno. */
int loop_open(struct loop *l);
/* Calls w->fn whenever w->fd is ready for `events` (level-triggered; EPOLLHUP and EPOLLERR always).
 * 0 or -errno. */
int loop_watch(struct loop *l, struct watch *w, uint32_t events);
/* Of one that is watched: for other events from now on. */
int loop_change(struct loop *l, struct watch *w, uint32_t events);
/* No more calls. The descriptor stays open; one that is not watched (-1) is fine. */
void loop_unwatch(struct loop *l, struct watch *w);
/* Calls t->fn once, in_ns from now; one that was set already is moved. */
void loop_timer(struct loop *l, struct timer *t, int64_t in_ns);
void loop_timer_cancel(struct loop *l, struct timer *t);
/* Runs until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
