#include "wire/restart.h"

#include <errno.h>

#include "base/mem.h"
#include "test.h"

#define MS (1000000LL)
#define S  (1000 * MS)

TEST(policies)
{
	static const struct {
		enum restart_name policy;
		int64_t max, count;
		int code;
		bool wanted, rebooted, restart;
	} table[] = {
		{RESTART_NO, 0, 0, 1, true, false, false},
		{RESTART_NO, 0, 0, 0, true, true, false},
		{RESTART_ALWAYS, 0, 0, 0, true, false, true},
		{RESTART_ALWAYS, 0, 1000, 137, true, false, true},
		{RESTART_ALWAYS, 0, 0, 1, false, false, false},
		{RESTART_UNLESS_STOPPED, 0, 0, 0, true, false, true},
		{RESTART_UNLESS_STOPPED, 0, 0, 1, false, false, false},
		{RESTART_ON_FAILURE, 0, 0, 0, true, false, false},
		{RESTART_ON_FAILURE, 0, 0, 1, true, false, true},
		{RESTART_ON_FAILURE, 0, 1000000, 1, true, false, true},
		{RESTART_ON_FAILURE, 3, 2, 1, true, false, true},
		{RESTART_ON_FAILURE, 3, 3, 1, true, false, false},
		{RESTART_ON_FAILURE, 3, 9, 1, true, false, false},
		{RESTART_ON_FAILURE, 3, 0, 1, false, false, false},
		{RESTART_ON_REBOOT, 0, 0, 129, true, true, true},
		{RESTART_ON_REBOOT, 0, 0, 129, true, false, false},
		{RESTART_ON_REBOOT, 0, 0, 0, true, false, false},
		{RESTART_ON_REBOOT, 0, 0, 129, false, true, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct restart_input in = {
			.policy = table[i].policy,
			.max_retries = table[i].max,
			.count = table[i].count,
			.code = table[i].code,
			.wanted_running = table[i].wanted,
			.rebooted = table[i].rebooted,
		};
		struct restart_output out = restart_next(&in);

		assert_int_equal(out.restart, table[i].restart);
		assert_int_equal(out.count, table[i].count + (table[i].restart ? 1 : 0));
		assert_int_equal(out.why_not != NULL, !table[i].restart);
		assert_int_equal(out.delay_ns, table[i].restart ? RESTART_DELAY_MIN_NS : 0);
	}
}

TEST(the_delay_doubles_up_to_a_minute)
{
	static const int64_t want[] = {100 * MS,   200 * MS,   400 * MS,  800 * MS,
				       1600 * MS,  3200 * MS,  6400 * MS, 12800 * MS,
				       25600 * MS, 51200 * MS, 60 * S,	  60 * S};
	struct restart_input in = {
		.policy = RESTART_ALWAYS, .wanted_running = true, .ran_ns = 5 * S};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct restart_output out = restart_next(&in);

		assert_int_equal(out.delay_ns, want[i]);
		in.last_delay_ns = out.delay_ns;
		in.count = out.count;
	}
	assert_int_equal(in.count, ARRAY_SIZE(want));
}

TEST(a_long_run_resets_the_delay_and_not_the_count)
{
	struct restart_input in = {
		.policy = RESTART_ON_FAILURE,
		.max_retries = 5,
		.wanted_running = true,
		.code = 1,
		.count = 4,
		.last_delay_ns = 800 * MS,
		.ran_ns = 10 * S,
	};

	assert_int_equal(restart_next(&in).delay_ns, 100 * MS);
	assert_int_equal(restart_next(&in).count, 5);
	in.ran_ns--;
	assert_int_equal(restart_next(&in).delay_ns, 1600 * MS);
	in.last_delay_ns = INT64_MAX;
	assert_int_equal(restart_next(&in).delay_ns, 60 * S);
}

TEST(names)
{
	enum restart_name name = RESTART_ALWAYS;

	assert_int_equal(restart_name_parse("", &name), 0);
	assert_int_equal(name, RESTART_NO);
	assert_int_equal(restart_name_parse(NULL, &name), 0);
	for (enum restart_name n = RESTART_NO; n <= RESTART_ON_REBOOT; n++) {
		assert_int_equal(restart_name_parse(restart_name_text(n), &name), 0);
		assert_int_equal(name, n);
	}
	assert_int_equal(restart_name_parse("Always", &name), -EINVAL);
	assert_int_equal(restart_name_parse("on-failure:3", &name), -EINVAL);
	assert_int_equal(name, RESTART_ON_REBOOT);
}
