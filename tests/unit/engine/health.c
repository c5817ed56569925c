/* What follows from a probe, as a table: dockerd's rules. */
#include "test.h"

#include "engine/internal.h"

#define S NSEC_PER_SEC

TEST(what_follows_from_a_probe)
{
	const struct healthcheck plain = {.interval_ns = 10 * S, .retries = 2},
				 patient = {.interval_ns = 10 * S,
					    .retries = 2,
					    .start_period_ns = 60 * S,
					    .start_interval_ns = 1 * S};
	const struct {
		const char *why;
		const struct healthcheck *check;
		enum health_status was;
		int64_t streak, begun, ended; /* seconds since the start */
		int64_t code;
		struct health_step want;
	} cases[] = {
		{"the first success",
		 &plain,
		 HEALTH_STARTING,
		 1,
		 10,
		 11,
		 0,
		 {HEALTH_HEALTHY, 0, 21}},
		{"a failure is not enough",
		 &plain,
		 HEALTH_STARTING,
		 0,
		 10,
		 11,
		 1,
		 {HEALTH_STARTING, 1, 21}},
		{"retries are used up",
		 &plain,
		 HEALTH_STARTING,
		 1,
		 20,
		 21,
		 1,
		 {HEALTH_UNHEALTHY, 2, 31}},
		{"healthy until then",
		 &plain,
		 HEALTH_HEALTHY,
		 0,
		 20,
		 21,
		 1,
		 {HEALTH_HEALTHY, 1, 31}},
		{"any code but 0 is a failure",
		 &plain,
		 HEALTH_HEALTHY,
		 1,
		 20,
		 21,
		 126,
		 {HEALTH_UNHEALTHY, 2, 31}},
		{"so is one that could not run",
		 &plain,
		 HEALTH_HEALTHY,
		 1,
		 20,
		 21,
		 -1,
		 {HEALTH_UNHEALTHY, 2, 31}},
		{"the streak goes on",
		 &plain,
		 HEALTH_UNHEALTHY,
		 7,
		 20,
		 21,
		 1,
		 {HEALTH_UNHEALTHY, 8, 31}},
		{"well again", &plain, HEALTH_UNHEALTHY, 8, 20, 21, 0, {HEALTH_HEALTHY, 0, 31}},
		{"failures of the start period do not count",
		 &patient,
		 HEALTH_STARTING,
		 0,
		 10,
		 11,
		 1,
		 {HEALTH_STARTING, 0, 12}},
		{"its last one, by its begin",
		 &patient,
		 HEALTH_STARTING,
		 0,
		 59,
		 61,
		 1,
		 {HEALTH_STARTING, 0, 71}},
		{"behind it they do",
		 &patient,
		 HEALTH_STARTING,
		 0,
		 60,
		 61,
		 1,
		 {HEALTH_STARTING, 1, 71}},
		{"who was healthy has no start period",
		 &patient,
		 HEALTH_HEALTHY,
		 0,
		 10,
		 11,
		 1,
		 {HEALTH_HEALTHY, 1, 21}},
		{"success ends the start interval",
		 &patient,
		 HEALTH_STARTING,
		 0,
		 10,
		 11,
		 0,
		 {HEALTH_HEALTHY, 0, 21}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const int64_t start = 1000 * S;
		const struct health_result r = {.start_ns = start + cases[i].begun * S,
						.end_ns = start + cases[i].ended * S,
						.exit_code = cases[i].code};
		struct health_step got =
			health_next(cases[i].check, start, cases[i].was, cases[i].streak, &r);

		if (got.status != cases[i].want.status ||
		    got.failing_streak != cases[i].want.failing_streak ||
		    got.due_ns != start + cases[i].want.due_ns * S)
			fail_msg("%s: %s, %lld, due %lld", cases[i].why,
				 health_status_text(got.status), (long long) got.failing_streak,
				 (long long) ((got.due_ns - start) / S));
	}
}

TEST(defaults_are_dockers)
{
	const struct healthcheck none = {0}, period = {.start_period_ns = 1};
	const struct health_result bad = {.exit_code = 1, .end_ns = 5};
	struct health_step step = {HEALTH_STARTING, 0, 0};

	assert_int_equal(health_timeout(&none), 30 * S);
	assert_int_equal(health_due(&none, 0, HEALTH_STARTING, 0), 30 * S);
	assert_int_equal(health_due(&period, 0, HEALTH_STARTING, 0), 5 * S);
	assert_int_equal(health_due(&period, 0, HEALTH_STARTING, 1), 30 * S + 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(step.status, HEALTH_STARTING);
		step = health_next(&none, 0, step.status, step.failing_streak, &bad);
	}
	assert_int_equal(step.status, HEALTH_UNHEALTHY);
}

TEST(names_round_trip)
{
	for (int s = HEALTH_STARTING; s <= HEALTH_UNHEALTHY; s++)
		assert_int_equal(health_status_parse(health_status_text(s)), s);
	assert_int_equal(health_status_parse("nonsense"), HEALTH_STARTING);
	assert_int_equal(health_status_parse(NULL), HEALTH_STARTING);
}

static char *argv_text(const char *words, const char *shell)
{
	struct config c = {0};
	autostrv char **argv = NULL;
	char *text = NULL;

	c.healthcheck.test = words ? strv_split(words, ' ') : NULL;
	c.shell = shell ? strv_split(shell, ' ') : NULL;
	argv = health_argv(&c);
	if (argv)
		text = strv_join(argv, "|");
	strv_free(c.healthcheck.test);
	strv_free(c.shell);
	return text;
}

TEST(what_is_run)
{
	static const char *const cases[][3] = {
		{NULL, NULL, NULL},
		{"NONE", NULL, NULL},
		{"SOMETHING else", NULL, NULL},
		{"CMD true -x", NULL, "true|-x"},
		{"CMD-SHELL exit", NULL, "/bin/sh|-c|exit"},
		{"CMD-SHELL exit", "/bin/bash -ec", "/bin/bash|-ec|exit"},
		{"CMD true", "/bin/bash -ec", "true"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = argv_text(cases[i][0], cases[i][1]);

		assert_true(str_eq(got, cases[i][2]));
	}
}
