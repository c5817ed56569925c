#include "shim/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"
#include "test.h"

static struct loop loop;
static int calls;

static void count_and_stop(void *arg, uint32_t events)
{
	struct watch *other = arg;

	calls++;
	if (other)
		loop_unwatch(&loop, other);
	loop_stop(&loop);
	assert_true(events & EPOLLIN);
}

TEST(a_watch_taken_back_in_the_same_batch_is_not_called)
{
	struct watch a = {.fd = eventfd(1, EFD_CLOEXEC), .fn = count_and_stop};
	struct watch b = {.fd = eventfd(1, EFD_CLOEXEC), .fn = count_and_stop};

	a.arg = &b;
	b.arg = &a;
	loop = (struct loop){0};
	calls = 0;
	assert_int_equal(loop_open(&loop), 0);
	assert_int_equal(loop_watch(&loop, &a, EPOLLIN), 0);
	assert_int_equal(loop_watch(&loop, &b, EPOLLIN), 0);
	loop_run(&loop);
	assert_int_equal(calls, 1);
	close(a.fd);
	close(b.fd);
	close(loop.epoll);
}

static char fired[8];

static void fire(void *arg)
{
	strcat(fired, arg);
	if (strcmp(arg, "c") == 0)
		loop_stop(&loop);
}

TEST(timers_fire_once_in_order_and_can_be_moved_and_cancelled)
{
	struct timer a = {.fn = fire, .arg = (char[]){"a"}}, b = {.fn = fire, .arg = (char[]){"b"}};
	struct timer c = {.fn = fire, .arg = (char[]){"c"}}, d = {.fn = fire, .arg = (char[]){"d"}};

	loop = (struct loop){0};
	assert_int_equal(loop_open(&loop), 0);
	loop_timer(&loop, &c, 3 * NSEC_PER_MSEC);
	loop_timer(&loop, &a, 60 * NSEC_PER_SEC);
	loop_timer(&loop, &b, 2 * NSEC_PER_MSEC);
	loop_timer(&loop, &d, 1);
	loop_timer(&loop, &a, -5);
	loop_timer_cancel(&loop, &d);
	loop_timer_cancel(&loop, &d);
	loop_run(&loop);
	assert_string_equal(fired, "abc");
	assert_null(loop.timers);
	close(loop.epoll);
}
