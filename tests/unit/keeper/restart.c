/* How long the keeper waits before it starts the daemon again. */
#include "keeper/keeper.h"

#include "base/time.h"
#include "test.h"

#define MS NSEC_PER_MSEC

TEST(a_daemon_that_served_for_a_while_comes_back_soon)
{
	assert_int_equal(keeper_delay(0, true, 60 * NSEC_PER_SEC), 100 * MS);
	assert_int_equal(keeper_delay(5 * NSEC_PER_SEC, true, 60 * NSEC_PER_SEC), 100 * MS);
	assert_int_equal(keeper_delay(0, false, 0), 100 * MS);
}

TEST(one_that_keeps_dying_comes_less_often_but_always)
{
	static const int expected_ms[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
	int64_t delay = 0;

	for (size_t i = 0; i < sizeof expected_ms / sizeof expected_ms[0]; i++) {
		delay = keeper_delay(delay, i % 2, 10 * MS);
		assert_int_equal(delay, expected_ms[i] * MS);
	}
	/* Long, but never ready: it hung. */
	assert_int_equal(keeper_delay(delay, false, 60 * NSEC_PER_SEC), 5000 * MS);
}
