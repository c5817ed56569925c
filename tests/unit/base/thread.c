/* The file itself and not its library, for a shorter patience of idle workers. */
#define WORKER_IDLE_NS (20 * NSEC_PER_MSEC)
#include "../../../src/base/thread.c" /* NOLINT */

#include <signal.h>

#include "test.h"

static void *look_at_mask(void *arg)
{
	sigset_t *set = arg;

	pthread_sigmask(SIG_SETMASK, NULL, set);
	return NULL;
}

TEST(a_thread_blocks_all_signals)
{
	sigset_t set, ours;
	pthread_t id;

	sigemptyset(&set);
	assert_int_equal(thread_start(&id, "a-name-longer-than-it-may-be", look_at_mask, &set), 0);
	pthread_join(id, NULL);
	assert_true(sigismember(&set, SIGTERM));
	assert_true(sigismember(&set, SIGINT));
	pthread_sigmask(SIG_SETMASK, NULL, &ours);
	assert_false(sigismember(&ours, SIGTERM));
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

TEST(hold_lasts_to_the_end_of_the_block)
{
	{
		hold(&lock);
		assert_int_equal(pthread_mutex_trylock(&lock), EBUSY);
	}
	assert_int_equal(pthread_mutex_trylock(&lock), 0);
	pthread_mutex_unlock(&lock);
}

static atomic_int done;

static void count(void *arg)
{
	(void) arg;
	atomic_fetch_add(&done, 1);
}

TEST(free_runs_what_is_queued)
{
	struct workers *w = workers_new("test", 3);

	atomic_store(&done, 0);
	for (intptr_t i = 0; i < 1000; i++)
		workers_submit(w, i % 2 ? (void *) (i % 10 + 1) : NULL, count, NULL);
	workers_free(w);
	assert_int_equal(atomic_load(&done), 1000);
	workers_free(NULL);
	workers_free(workers_new("idle", 1));
}

#define N_KEYS 5
#define N_EACH 200

static struct lane_test {
	int key, nth;
} lane_tests[N_KEYS * N_EACH];
static int last_of[N_KEYS]; /* not atomic: the pool is the lock */
static atomic_int out_of_order;

static void in_order(void *arg)
{
	struct lane_test *t = arg;

	if (last_of[t->key] != t->nth)
		atomic_fetch_add(&out_of_order, 1);
	last_of[t->key]++;
}

TEST(jobs_of_one_key_run_in_order_one_by_one)
{
	struct workers *w = workers_new("test", 4);

	memset(last_of, 0, sizeof last_of);
	for (int i = 0; i < N_KEYS * N_EACH; i++) {
		lane_tests[i] = (struct lane_test){.key = i % N_KEYS, .nth = i / N_KEYS};
		workers_submit(w, &last_of[i % N_KEYS], in_order, &lane_tests[i]);
	}
	workers_free(w);
	assert_int_equal(atomic_load(&out_of_order), 0);
	for (int k = 0; k < N_KEYS; k++)
		assert_int_equal(last_of[k], N_EACH);
}

static pthread_barrier_t barrier;

static void meet(void *arg)
{
	(void) arg;
	pthread_barrier_wait(&barrier);
}

TEST(a_pool_grows_to_its_maximum)
{
	struct workers *w = workers_new("test", 4);

	/* Four that wait for each other: with fewer threads this would not end. */
	pthread_barrier_init(&barrier, NULL, 4);
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 4; i++)
			workers_submit(w, NULL, meet, NULL);
	workers_free(w);
	pthread_barrier_destroy(&barrier);
}

TEST(a_slow_key_does_not_hold_up_others)
{
	struct workers *w = workers_new("test", 2);
	int key, other;

	/* The two meet only if the second of `key` does not take the other thread. */
	pthread_barrier_init(&barrier, NULL, 2);
	workers_submit(w, &key, meet, NULL);
	workers_submit(w, &key, count, NULL);
	workers_submit(w, &key, count, NULL);
	workers_submit(w, &other, meet, NULL);
	workers_free(w);
	pthread_barrier_destroy(&barrier);
}

static unsigned workers_alive(struct workers *w)
{
	hold(&w->lock);
	return w->n_workers;
}

TEST(idle_workers_leave_and_new_ones_come)
{
	struct workers *w = workers_new("test", 3);

	atomic_store(&done, 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 10; i++)
			workers_submit(w, NULL, count, NULL);
		pthread_mutex_lock(&w->lock);
		while (w->n_workers > 0)
			pthread_cond_wait(&w->left, &w->lock);
		pthread_mutex_unlock(&w->lock);
		assert_int_equal(atomic_load(&done), 10 * (round + 1));
	}
	assert_int_equal(workers_alive(w), 0);
	workers_free(w);
}

struct chain {
	struct workers *w;
	atomic_int left;
};

static void submit_another(void *arg)
{
	struct chain *chain = arg;

	if (atomic_fetch_sub(&chain->left, 1) > 1)
		workers_submit(chain->w, chain, submit_another, chain);
}

TEST(jobs_may_submit_jobs_even_when_the_pool_closes)
{
	struct chain chain = {.w = workers_new("test", 2), .left = 500};

	workers_submit(chain.w, &chain, submit_another, &chain);
	workers_free(chain.w);
	assert_int_equal(atomic_load(&chain.left), 0);
}

static void square(void *arg, size_t i)
{
	size_t *v = arg;

	v[i] = i * i;
}

TEST(parallel_for_does_each_once)
{
	size_t v[1000] = {0};

	parallel_for(1000, 4, square, v);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(v[i], i * i);
	parallel_for(0, 4, square, NULL);
	memset(v, 0, sizeof v);
	parallel_for(3, 0, square, v);
	assert_int_equal(v[2], 4);
	parallel_for(2, 100, square, v);
}
