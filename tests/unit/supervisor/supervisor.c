#include "supervisor/supervisor.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/thread.h"
#include "base/time.h"
#include "test.h"

/* A place to wait for callbacks. */
struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	int count;
	int order[64];
};
#define BELL                                                            \
	{                                                               \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, \
		{                                                       \
			0                                               \
		}                                                       \
	}

static void ring(struct bell *b, int what)
{
	hold(&b->lock);
	if (b->count < 64)
		b->order[b->count] = what;
	b->count++;
	pthread_cond_broadcast(&b->rung);
}

static void wait_for(struct bell *b, int count)
{
	struct timespec until = deadline_in(20 * NSEC_PER_SEC);

	hold(&b->lock);
	while (b->count < count)
		assert_int_equal(
			pthread_cond_clockwait(&b->rung, &b->lock, CLOCK_MONOTONIC, &until), 0);
}

static int count_of(struct bell *b)
{
	hold(&b->lock);
	return b->count;
}

static struct supervisor *started(void)
{
	struct supervisor *s = NULL;

	assert_int_equal(supervisor_new(&s, NULL), 0);
	return s;
}

static void ring_and_drain(void *arg, int fd)
{
	eventfd_t v;

	(void) eventfd_read(fd, &v);
	ring(arg, fd);
}

TEST(readable_descriptor_calls_back_each_time)
{
	struct supervisor *s = started();
	struct bell b = BELL;
	struct watch *w = NULL;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_int_equal(supervisor_watch(s, fd, ring_and_drain, &b, &w, NULL), 0);
	for (int i = 1; i <= 3; i++) {
		(void) eventfd_write(fd, 1);
		wait_for(&b, i);
	}
	supervisor_unwatch(s, w);
	(void) eventfd_write(fd, 1);
	supervisor_free(s);
	assert_int_equal(b.count, 3);
	close(fd);
}

struct owner {
	struct supervisor *s;
	struct watch *w;
	struct bell b;
};

static void unwatch_self(void *arg, int fd)
{
	struct owner *o = arg;

	supervisor_unwatch(o->s, o->w);
	o->w = NULL;
	ring(&o->b, fd);
}

TEST(callback_may_end_its_own_watch)
{
	struct owner o = {.s = started(), .b = BELL};
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	/* Stays readable: were the watch not over, it would ring for ever. */
	assert_int_equal(supervisor_watch(o.s, fd, unwatch_self, &o, &o.w, NULL), 0);
	wait_for(&o.b, 1);
	assert_int_equal(supervisor_timer(o.s, monotonic_ns(), unwatch_self, &o, &o.w, NULL), 0);
	wait_for(&o.b, 2);
	supervisor_free(o.s);
	assert_int_equal(o.b.count, 2);
	assert_int_equal(o.b.order[0], fd);
	assert_int_equal(o.b.order[1], -1);
	close(fd);
}

TEST(exit_of_a_process_is_learned_from_its_pidfd)
{
	struct owner o = {.s = started(), .b = BELL};
	int gate[2];
	pid_t pid;
	int fd;

	assert_int_equal(pipe(gate), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(gate[1]);
		_exit(read(gate[0], &c, 1) == 0 ? 7 : 1);
	}
	close(gate[0]);
	fd = pidfd_open_checked(pid, proc_start_ticks(pid));
	assert_true(fd >= 0);
	assert_int_equal(supervisor_watch(o.s, fd, unwatch_self, &o, &o.w, NULL), 0);
	assert_int_equal(count_of(&o.b), 0);
	close(gate[1]);
	wait_for(&o.b, 1);
	supervisor_free(o.s);
	close(fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

struct numbered {
	struct bell *b;
	int number;
};

static void ring_number(void *arg, int fd)
{
	struct numbered *n = arg;

	assert_int_equal(fd, -1);
	ring(n->b, n->number);
}

TEST(timers_fire_once_and_in_order)
{
	enum { N = 60 };
	struct supervisor *s = started();
	struct bell b = BELL;
	struct numbered args[N];
	struct watch *w[N];
	int64_t start = monotonic_ns() + 20 * NSEC_PER_MSEC;

	for (int i = 0; i < N; i++) {
		int64_t at;

		args[i] = (struct numbered){&b, (i * 37) % N};
		at = start + args[i].number * 100000LL;
		assert_int_equal(supervisor_timer(s, at, ring_number, &args[i], &w[i], NULL), 0);
	}
	/* Every third is called off again. */
	for (int i = 0; i < N; i++)
		if (args[i].number % 3 == 0)
			supervisor_unwatch(s, take(w[i]));
	wait_for(&b, N - N / 3);
	assert_true(monotonic_ns() >= start);
	for (int i = 0; i < N; i++)
		supervisor_unwatch(s, w[i]);
	supervisor_free(s);

	assert_int_equal(b.count, N - N / 3);
	for (int i = 0; i < b.count; i++)
		assert_int_equal(b.order[i], i / 2 * 3 + i % 2 + 1);
}

TEST(timer_of_the_past_fires_at_once)
{
	struct owner o = {.s = started(), .b = BELL};

	assert_int_equal(supervisor_timer(o.s, -5, unwatch_self, &o, &o.w, NULL), 0);
	wait_for(&o.b, 1);
	supervisor_free(o.s);
}

struct slow {
	struct bell entered;
	int gate;
	atomic_bool done;
};

static void wait_at_gate(void *arg, int fd)
{
	struct slow *slow = arg;
	struct pollfd p = {.fd = slow->gate, .events = POLLIN};

	ring_and_drain(&slow->entered, fd);
	(void) poll(&p, 1, -1);
	atomic_store(&slow->done, true);
}

static void *open_gate(void *arg)
{
	(void) eventfd_write(*(int *) arg, 1);
	return NULL;
}

TEST(unwatch_waits_for_a_running_callback)
{
	struct supervisor *s = started();
	struct slow slow = {.entered = BELL, .gate = eventfd(0, EFD_CLOEXEC)};
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	struct watch *w = NULL;
	pthread_t opener;

	assert_int_equal(supervisor_watch(s, fd, wait_at_gate, &slow, &w, NULL), 0);
	wait_for(&slow.entered, 1);
	assert_int_equal(pthread_create(&opener, NULL, open_gate, &slow.gate), 0);
	supervisor_unwatch(s, w);
	assert_true(atomic_load(&slow.done));
	pthread_join(opener, NULL);
	supervisor_free(s);
	close(slow.gate);
	close(fd);
}

static void count_up(void *arg, int fd)
{
	eventfd_t v;

	if (fd >= 0)
		(void) eventfd_read(fd, &v);
	atomic_fetch_add((atomic_int *) arg, 1);
}

static void *churn(void *arg)
{
	struct supervisor *s = arg;

	for (int i = 0; i < 500; i++) {
		/* On the stack: a call after unwatch would be seen by the sanitizers. */
		atomic_int calls = 0;
		struct watch *w = NULL, *t = NULL;
		int fd = eventfd(i % 2, EFD_CLOEXEC | EFD_NONBLOCK);
		int64_t at = monotonic_ns() + i * 1000;

		if (supervisor_watch(s, fd, count_up, &calls, &w, NULL) < 0 ||
		    supervisor_timer(s, at, count_up, &calls, &t, NULL) < 0)
			abort();
		supervisor_unwatch(s, w);
		supervisor_unwatch(s, t);
		close(fd);
	}
	return NULL;
}

TEST(watches_come_and_go_from_many_threads)
{
	struct supervisor *s = started();
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	supervisor_free(s);
}

TEST(what_epoll_refuses_is_an_error)
{
	struct supervisor *s = started();
	struct watch *w = NULL;
	struct err err = {};
	int dir = test_dir_fd();

	assert_true(supervisor_watch(s, dir, ring_and_drain, NULL, &w, &err) < 0);
	assert_null(w);
	assert_int_equal(err.kind, ERR_SYSTEM);
	close(dir);
	supervisor_free(s);
}

/* How often the supervisor's thread went to sleep, itself read in that thread. */
static void read_sleeps(void *arg, int fd)
{
	static const char key[] = "\nvoluntary_ctxt_switches:";
	struct bell *b = arg;
	char text[4096];
	const char *line;

	(void) fd;
	if (read_small_at(AT_FDCWD, "/proc/thread-self/status", text, sizeof text) < 0)
		abort();
	line = strstr(text, key);
	ring(b, line ? atoi(line + sizeof key - 1) : -1);
}

TEST(a_thousand_idle_watches_cost_no_wakeups)
{
	enum { N = 1000 };
	static struct watch *w[N];
	static int fds[N];
	struct supervisor *s = started();
	struct bell unused = BELL, sleeps = BELL;
	struct watch *far = NULL, *first = NULL, *second = NULL;
	int64_t now;

	for (int i = 0; i < N; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_int_equal(supervisor_watch(s, fds[i], ring_and_drain, &unused, &w[i], NULL),
				 0);
	}
	now = monotonic_ns();
	(void) supervisor_timer(s, now + 3600 * NSEC_PER_SEC, read_sleeps, &unused, &far, NULL);
	(void) supervisor_timer(s, now, read_sleeps, &sleeps, &first, NULL);
	wait_for(&sleeps, 1);
	(void) supervisor_timer(s, now + 60 * NSEC_PER_MSEC, read_sleeps, &sleeps, &second, NULL);
	wait_for(&sleeps, 2);
	assert_true(sleeps.order[0] >= 0);
	/* It slept until the timer, and perhaps met us at a lock. */
	assert_true(sleeps.order[1] - sleeps.order[0] <= 4);
	assert_int_equal(count_of(&unused), 0);

	supervisor_unwatch(s, first);
	supervisor_unwatch(s, second);
	supervisor_unwatch(s, far);
	for (int i = 0; i < N; i++) {
		supervisor_unwatch(s, w[i]);
		close(fds[i]);
	}
	supervisor_free(s);
}
