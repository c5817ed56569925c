/* Threads; see thread.h. */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/time.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SIZE (2 * 1024 * 1024) /* red zones make frames many times larger */
#else
#define STACK_SIZE (256 * 1024)
#endif

#ifndef WORKER_IDLE_NS /* the test has less patience */
#define WORKER_IDLE_NS (10 * NSEC_PER_SEC)
#endif

struct birth {
	void *(*fn)(void *arg);
	void *arg;
	char name[16];
};

/* A thread that names itself needs no file of /proc for it, as another's name would. */
static void *begin_life(void *arg)
{
	struct birth b = *(struct birth *) arg;

	free(arg);
	(void) prctl(PR_SET_NAME, b.name);
	return b.fn(b.arg);
}

int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *arg)
{
	sigset_t all, before;
	struct birth *birth;
	pthread_attr_t attr;
	pthread_t id;
	int r;

	r = pthread_attr_init(&attr);
	if (r != 0)
		return -r;
	(void) pthread_attr_setstacksize(&attr, STACK_SIZE);
	birth = xnew(struct birth);
	*birth = (struct birth){.fn = fn, .arg = arg};
	snprintf(birth->name, sizeof birth->name, "%s", name);
	/* The mask is inherited: only the thread that asks for signals shall ever see one. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&id, &attr, begin_life, birth);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (r != 0) {
		free(birth);
		return -r;
	}
	*ret = id;
	return 0;
}

/*
 * Workers
 *
 * `ready` holds the jobs that may run now. Of the jobs with one key only the first is there (or
 * runs); the others wait in the key's lane, and whoever finishes one moves the next to `ready`. So
 * taking a job is cheap however many wait behind a slow one.
 *
 * An idle worker leaves after a while, and joins those that left before it: at most one that has
 * left is ever unjoined, and it is joined by workers_free() at the latest.
 */
struct job {
	struct job *next;
	struct lane *lane; /* NULL: no key */
	void (*fn)(void *arg);
	void *arg;
};

struct jobs {
	struct job *first, *last;
};

struct lane {
	struct lane *next; /* in its bucket */
	const void *key;
	struct jobs waiting;
};

#define N_BUCKETS 256

struct worker {
	struct worker *next; /* among those that left */
	struct workers *pool;
	pthread_t id;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t work; /* something is ready, or closing */
	pthread_cond_t left; /* a worker left */
	char name[16];
	unsigned max, n_workers, n_idle;
	bool closing;
	struct jobs ready;
	unsigned n_ready;
	struct lane *lanes[N_BUCKETS];
	struct worker *gone;
};

static void jobs_push(struct jobs *q, struct job *job)
{
	job->next = NULL;
	if (q->last)
		q->last->next = job;
	else
		q->first = job;
	q->last = job;
}

static struct job *jobs_pop(struct jobs *q)
{
	struct job *job = q->first;

	if (job) {
		q->first = job->next;
		if (!q->first)
			q->last = NULL;
	}
	return job;
}

/* Where the key's lane hangs, or would: *result is NULL where there is none. */
static struct lane **lane_find(struct workers *w, const void *key)
{
	/* Keys are addresses mostly: the low bits are all alike, so let the product mix them up. */
	uint64_t mixed = (uint64_t) (uintptr_t) key * 0x9e3779b97f4a7c15ULL;
	struct lane **at = &w->lanes[mixed >> 56];

	while (*at && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

static void make_ready(struct workers *w, struct job *job)
{
	jobs_push(&w->ready, job);
	w->n_ready++;
}

/* Queues the job behind the others with its key, or makes it ready where there are none. */
static void enqueue(struct workers *w, const void *key, struct job *job)
{
	struct lane **at = key ? lane_find(w, key) : NULL;

	if (at && *at) {
		job->lane = *at;
		jobs_push(&job->lane->waiting, job);
		return;
	}
	if (at) {
		job->lane = *at = xnew(struct lane);
		job->lane->key = key;
	}
	make_ready(w, job);
}

/* The job is done: the next in its lane is ready, or the lane is over. */
static void finish(struct workers *w, struct job *job)
{
	struct lane *lane = job->lane;
	struct job *next = lane ? jobs_pop(&lane->waiting) : NULL;

	if (next) {
		make_ready(w, next);
	} else if (lane) {
		*lane_find(w, lane->key) = lane->next;
		free(lane);
	}
	free(job);
}

static void join_all(struct worker *list)
{
	while (list) {
		struct worker *next = list->next;

		pthread_join(list->id, NULL);
		free(list);
		list = next;
	}
}

/* Waits for work; false where none came in time. Lock held. */
static bool worker_idle(struct workers *w)
{
	struct timespec until = deadline_in(WORKER_IDLE_NS);
	int r = 0;

	w->n_idle++;
	while (!w->ready.first && !w->closing && r == 0)
		r = pthread_cond_clockwait(&w->work, &w->lock, CLOCK_MONOTONIC, &until);
	w->n_idle--;
	return w->ready.first != NULL;
}

static void *worker_main(void *arg)
{
	struct worker *self = arg, *before;
	struct workers *w = self->pool;

	pthread_mutex_lock(&w->lock);
	while (w->ready.first || worker_idle(w)) {
		struct job *job = jobs_pop(&w->ready);

		w->n_ready--;
		pthread_mutex_unlock(&w->lock);
		job->fn(job->arg);
		pthread_mutex_lock(&w->lock);
		finish(w, job);
	}
	before = w->gone;
	w->gone = self;
	self->next = NULL;
	w->n_workers--;
	pthread_cond_signal(&w->left);
	pthread_mutex_unlock(&w->lock);

	join_all(before);
	return NULL;
}

/* Lock held: the new worker reads its own id only after we have let go of it. */
static void add_worker(struct workers *w)
{
	struct worker *worker = xnew(struct worker);
	int r;

	worker->pool = w;
	r = thread_start(&worker->id, w->name, worker_main, worker);
	if (r == 0) {
		w->n_workers++;
		return;
	}
	free(worker);
	if (w->n_workers > 0)
		return; /* the others will get to it */
	log_error("cannot start a worker thread: %s", strerror(-r));
	abort();
}

struct workers *workers_new(const char *name, unsigned max)
{
	struct workers *w = xnew(struct workers);

	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->left, NULL);
	snprintf(w->name, sizeof w->name, "%s", name);
	w->max = max > 0 ? max : 1;
	return w;
}

void workers_submit(struct workers *w, const void *key, void (*fn)(void *arg), void *arg)
{
	struct job *job = xnew(struct job);

	*job = (struct job){.fn = fn, .arg = arg};
	hold(&w->lock);
	enqueue(w, key, job);
	/* An idle worker that was woken already but does not run yet still counts as idle, and the
	 * job it was woken for as ready; so comparing the two is right. */
	if (w->n_ready > w->n_idle && w->n_workers < w->max)
		add_worker(w);
	pthread_cond_signal(&w->work);
}

void workers_free(struct workers *w)
{
	struct worker *gone;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_broadcast(&w->work);
	while (w->n_workers > 0)
		pthread_cond_wait(&w->left, &w->lock);
	gone = w->gone;
	pthread_mutex_unlock(&w->lock);

	join_all(gone);
	pthread_cond_destroy(&w->left);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* Loops in parallel */

struct loop {
	atomic_size_t next;
	size_t n;
	void (*fn)(void *arg, size_t i);
	void *arg;
};

static void *loop_main(void *arg)
{
	struct loop *loop = arg;

	for (;;) {
		size_t i = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed);

		if (i >= loop->n)
			return NULL;
		loop->fn(loop->arg, i);
	}
}

void parallel_for(size_t n, unsigned threads, void (*fn)(void *arg, size_t i), void *arg)
{
	struct loop loop = {.n = n, .fn = fn, .arg = arg};
	autofree pthread_t *ids = xcalloc(threads, sizeof *ids);
	unsigned started = 0;

	/* This thread is one of them; where not all can be started, fewer do it. */
	while (started + 1 < threads && started + 1 < n &&
	       thread_start(&ids[started], "parallel", loop_main, &loop) == 0)
		started++;
	loop_main(&loop);
	while (started > 0)
		pthread_join(ids[--started], NULL);
}
