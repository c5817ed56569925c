/*
 * The supervisor: one thread in one epoll, which learns of container exits (pidfds, shim
 * connections) and of due timers, and does no slow work: it calls back with plain values, and the
 * callback hands them to the workers. It knows no containers. An idle supervisor sleeps; there is
 * no polling.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct supervisor;
struct watch;

/* Starts the thread. */
int supervisor_new(struct supervisor **ret, struct err *err);
/* Stops and joins it; watches and timers that are left are dropped without a call. NULL is fine. */
void supervisor_free(struct supervisor *s);

/* Calls fn(arg, fd) in the supervisor's thread whenever fd is readable or hung up
 * (level-triggered), until unwatched. fn must not block and may unwatch its own watch. The fd stays
 * the caller's, who closes it after supervisor_unwatch(). < 0 where epoll refuses. */
int supervisor_watch(struct supervisor *s, int fd, void (*fn)(void *arg, int fd), void *arg,
		     struct watch **ret, struct err *err);
/* Calls fn(arg, -1) once at wall-clock independent time monotonic_ns (CLOCK_MONOTONIC). */
int supervisor_timer(struct supervisor *s, int64_t at_monotonic_ns, void (*fn)(void *arg, int fd),
		     void *arg, struct watch **ret, struct err *err);
/* Ends a watch or timer and frees it. When it returns, fn does not run and will not run any more
 * (called from within fn itself: will not run again). A timer that fired is still freed by this.
 * NULL is fine. */
void supervisor_unwatch(struct supervisor *s, struct watch *w);
