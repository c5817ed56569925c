/* A ring of buffers between two threads; see pump.h. */
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/thread.h"
#include "imagetool/pump.h"

#define N_BUFFERS   8
#define BUFFER_SIZE (256 << 10)

struct pump {
	pthread_t thread;
	pump_fn fn;
	void *arg;
	size_t filled; /* of the buffer that the writer fills: its own */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned head; /* buffers handed over */
	unsigned tail; /* buffers done with */
	bool end;
	int result;
	struct err err;
	size_t len[N_BUFFERS];
	char *buffers[N_BUFFERS];
};

/* Waits for the next buffer; false at the end. */
static bool next_buffer(struct pump *p, unsigned *ret)
{
	hold(&p->lock);

	while (p->head == p->tail && !p->end)
		pthread_cond_wait(&p->changed, &p->lock);
	*ret = p->tail % N_BUFFERS;
	return p->head != p->tail;
}

static void *pump_run(void *arg)
{
	struct pump *p = arg;
	bool failed = false;
	unsigned i;

	while (next_buffer(p, &i)) {
		struct err err = {0};

		if (!failed)
			failed = p->fn(p->arg, p->buffers[i], p->len[i], &err) < 0;

		hold(&p->lock);
		if (failed && p->result == 0) {
			p->result = -1;
			p->err = err;
		}
		p->tail++;
		pthread_cond_broadcast(&p->changed);
	}
	return NULL;
}

struct pump *pump_new(pump_fn fn, void *arg)
{
	struct pump *p = xnew(struct pump);
	int r;

	p->fn = fn;
	p->arg = arg;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	for (int i = 0; i < N_BUFFERS; i++)
		p->buffers[i] = xmalloc(BUFFER_SIZE);
	r = pthread_create(&p->thread, NULL, pump_run, p);
	if (r != 0)
		abort(); /* a host without room for one thread */
	return p;
}

/* Hands the filled buffer over and waits for a free one. */
static int hand_over(struct pump *p, struct err *err)
{
	hold(&p->lock);

	p->len[p->head % N_BUFFERS] = p->filled;
	p->head++;
	p->filled = 0;
	pthread_cond_broadcast(&p->changed);
	while (p->head - p->tail >= N_BUFFERS)
		pthread_cond_wait(&p->changed, &p->lock);
	if (p->result < 0 && err)
		*err = p->err;
	return p->result;
}

int pump_write(struct pump *p, const void *data, size_t n, struct err *err)
{
	const char *from = data;

	while (n > 0) {
		size_t piece = BUFFER_SIZE - p->filled;

		if (piece > n)
			piece = n;
		memcpy(p->buffers[p->head % N_BUFFERS] + p->filled, from, piece);
		p->filled += piece;
		from += piece;
		n -= piece;
		if (p->filled == BUFFER_SIZE && hand_over(p, err) < 0)
			return -1;
	}
	return 0;
}

int pump_flush(struct pump *p, struct err *err)
{
	if (p->filled > 0)
		(void) hand_over(p, NULL);

	hold(&p->lock);
	while (p->head != p->tail)
		pthread_cond_wait(&p->changed, &p->lock);
	if (p->result < 0 && err)
		*err = p->err;
	return p->result;
}

void pump_free(struct pump *p)
{
	if (!p)
		return;
	{
		hold(&p->lock);
		p->end = true;
		pthread_cond_broadcast(&p->changed);
	}
	(void) pthread_join(p->thread, NULL);
	for (int i = 0; i < N_BUFFERS; i++)
		free(p->buffers[i]);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
