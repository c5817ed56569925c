/*
 * Threads: locks that end with their block, and pools of workers. Whoever starts a thread joins it.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "base/mem.h"

static inline pthread_mutex_t *hold_lock_(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

static inline void hold_unlock_(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

#define HOLD_CAT2_(a, b) a##b
#define HOLD_CAT_(a, b)	 HOLD_CAT2_(a, b)
/* Holds the mutex to the end of the block. */
#define hold(m)                                                                                   \
	auto_(hold_unlock_) __attribute__((unused)) pthread_mutex_t *HOLD_CAT_(hold_, __LINE__) = \
		hold_lock_(m)

/* Starts a named thread (15 characters at most) with a small stack and all signals blocked: 0 or
 * -errno. */
int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg);

/*
 * A pool that grows on demand up to `max` threads and shrinks again after idle seconds. Jobs with
 * the same non-zero key run one after the other in the order given; others in parallel.
 */
struct workers;
struct workers *workers_new(const char *name, unsigned max);
/* Queues fn(arg). */
void workers_submit(struct workers *w, const void *key, void (*fn)(void *arg), void *arg);
/* Runs what is queued to its end, then joins and frees. NULL is fine. */
void workers_free(struct workers *w);

/* Calls fn(arg, i) for i in 0..n-1 on up to `threads` threads, and returns when all are done. */
void parallel_for(size_t n, unsigned threads, void (*fn)(void *arg, size_t i), void *arg);
