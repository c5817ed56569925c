/* Phases: names round-trip, and the edges that must not be. */
#include "test.h"

#include "container/container.h"

TEST(names_round_trip)
{
	for (unsigned p = 0; p < PHASE_COUNT; p++) {
		enum phase back;

		assert_int_equal(phase_parse(phase_text(p), &back), 0);
		assert_int_equal(back, p);
		assert_non_null(phase_docker_text(p));
	}
	enum phase untouched = PHASE_DEAD;

	assert_true(phase_parse("sleeping", &untouched) < 0);
	assert_true(phase_parse(NULL, &untouched) < 0);
	assert_int_equal(untouched, PHASE_DEAD);
}

TEST(nothing_lives_again_without_a_start)
{
	assert_false(phase_edge_allowed(PHASE_EXITED, PHASE_PAUSED));
	assert_false(phase_edge_allowed(PHASE_CREATED, PHASE_PAUSED));
	assert_false(phase_edge_allowed(PHASE_DEAD, PHASE_STARTING));
	assert_false(phase_edge_allowed(PHASE_REMOVING, PHASE_RUNNING));
	assert_false(phase_edge_allowed(PHASE_RUNNING, PHASE_STARTING));
	assert_true(phase_edge_allowed(PHASE_RUNNING, PHASE_PAUSED));
	assert_true(phase_edge_allowed(PHASE_STARTING, PHASE_RUNNING));
}

TEST(every_phase_but_removing_can_be_left_for_removal_or_rest)
{
	for (unsigned p = 0; p < PHASE_COUNT; p++)
		assert_true(p == PHASE_REMOVING || phase_edge_allowed(p, PHASE_REMOVING) ||
			    phase_edge_allowed(p, PHASE_OVER));
}
