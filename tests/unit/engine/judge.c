/* The judge's table: no cell is empty, and the cells that users' data hangs on say what DESIGN
 * says. */
#include "test.h"

#include "engine/internal.h"

TEST(every_cell_has_a_verdict)
{
	for (unsigned p = 0; p < PHASE_COUNT; p++)
		for (unsigned s = 0; s < SEEN_COUNT; s++)
			if (judge(p, s) == VERDICT_UNSET)
				fail_msg("%s x %s is empty", phase_text(p), seen_text(s));
}

TEST(unknown_is_asked_again_and_never_settled)
{
	for (unsigned p = 0; p < PHASE_COUNT; p++)
		if (p != PHASE_DEAD)
			assert_int_equal(judge(p, SEEN_UNKNOWN), VERDICT_ASK_AGAIN);
}

TEST(what_lives_is_never_settled_or_released)
{
	static const enum seen living[] = {SEEN_ALIVE, SEEN_ORPHAN};

	for (unsigned p = 0; p < PHASE_COUNT; p++)
		for (size_t i = 0; i < ARRAY_SIZE(living); i++) {
			enum verdict v = judge(p, living[i]);

			assert_true(v == VERDICT_ADOPT || v == VERDICT_ADOPT_WARN ||
				    v == VERDICT_ADOPT_ORPHAN || v == VERDICT_RESUME_STOP ||
				    v == VERDICT_STOP_THEN_REMOVE || v == VERDICT_LEAVE);
			assert_true(v != VERDICT_LEAVE || p == PHASE_DEAD);
		}
}

TEST(the_rows_of_the_design)
{
	static const struct {
		enum phase written;
		enum seen seen;
		enum verdict verdict;
	} rows[] = {
		{PHASE_CREATED, SEEN_ABSENT, VERDICT_LEAVE},
		{PHASE_STARTING, SEEN_ABSENT, VERDICT_UNDO_START},
		{PHASE_STARTING, SEEN_ALIVE, VERDICT_ADOPT},
		{PHASE_RUNNING, SEEN_ABSENT, VERDICT_SETTLE_LOST},
		{PHASE_RUNNING, SEEN_ENDED, VERDICT_SETTLE},
		{PHASE_PAUSED, SEEN_ALIVE, VERDICT_ADOPT},
		{PHASE_STOPPING, SEEN_ALIVE, VERDICT_RESUME_STOP},
		{PHASE_STOPPING, SEEN_ENDED, VERDICT_SETTLE},
		{PHASE_OVER, SEEN_ENDED, VERDICT_SETTLE_REST},
		{PHASE_EXITED, SEEN_ENDED, VERDICT_REST},
		{PHASE_REMOVING, SEEN_ALIVE, VERDICT_STOP_THEN_REMOVE},
		{PHASE_REMOVING, SEEN_ABSENT, VERDICT_FINISH_REMOVAL},
		{PHASE_DEAD, SEEN_ABSENT, VERDICT_LEAVE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(judge(rows[i].written, rows[i].seen), rows[i].verdict);
}
