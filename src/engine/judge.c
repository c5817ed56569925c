/*
 * The judge: what we wrote x what we see -> what to do. A table without an empty cell; a test fails
 * on one that is VERDICT_UNSET.
 */
#include "engine/internal.h"

static const enum verdict table[PHASE_COUNT][SEEN_COUNT] = {
#define ROW(phase, unknown, absent, alive, orphan, ended)                             \
	[PHASE_##phase] = {                                                           \
		[SEEN_UNKNOWN] = VERDICT_##unknown, [SEEN_ABSENT] = VERDICT_##absent, \
		[SEEN_ALIVE] = VERDICT_##alive,	    [SEEN_ORPHAN] = VERDICT_##orphan, \
		[SEEN_ENDED] = VERDICT_##ended,                                       \
	}
	ROW(CREATED, ASK_AGAIN, LEAVE, ADOPT_WARN, ADOPT_ORPHAN, SETTLE),
	ROW(STARTING, ASK_AGAIN, UNDO_START, ADOPT, ADOPT_ORPHAN, SETTLE),
	ROW(RUNNING, ASK_AGAIN, SETTLE_LOST, ADOPT, ADOPT_ORPHAN, SETTLE),
	ROW(PAUSED, ASK_AGAIN, SETTLE_LOST, ADOPT, ADOPT_ORPHAN, SETTLE),
	ROW(STOPPING, ASK_AGAIN, SETTLE_LOST, RESUME_STOP, RESUME_STOP, SETTLE),
	ROW(OVER, ASK_AGAIN, SETTLE_REST, ADOPT_WARN, ADOPT_ORPHAN, SETTLE_REST),
	ROW(EXITED, ASK_AGAIN, REST, ADOPT_WARN, ADOPT_ORPHAN, REST),
	ROW(RESTARTING, ASK_AGAIN, BY_POLICY, ADOPT, ADOPT_ORPHAN, SHIM_RESTARTS),
	ROW(REMOVING, ASK_AGAIN, FINISH_REMOVAL, STOP_THEN_REMOVE, STOP_THEN_REMOVE,
	    FINISH_REMOVAL),
	ROW(DEAD, LEAVE, LEAVE, LEAVE, LEAVE, LEAVE),
#undef ROW
};

enum verdict judge(enum phase written, enum seen seen)
{
	return table[written][seen];
}

const char *seen_text(enum seen s)
{
	static const char *const text[SEEN_COUNT] = {
		[SEEN_UNKNOWN] = "unknown",
		[SEEN_ABSENT] = "absent",
		[SEEN_ALIVE] = "alive",
		[SEEN_ORPHAN] = "alive, shim gone",
		[SEEN_ENDED] = "ended, with record",
	};

	return text[s];
}

const char *verdict_text(enum verdict v)
{
	static const char *const text[] = {
		[VERDICT_UNSET] = "unset",
		[VERDICT_ASK_AGAIN] = "ask again",
		[VERDICT_LEAVE] = "leave",
		[VERDICT_UNDO_START] = "undo start",
		[VERDICT_ADOPT] = "adopt",
		[VERDICT_ADOPT_WARN] = "adopt, warn",
		[VERDICT_ADOPT_ORPHAN] = "adopt as orphan",
		[VERDICT_SETTLE] = "settle",
		[VERDICT_SETTLE_LOST] = "settle as lost",
		[VERDICT_SETTLE_REST] = "settle the rest",
		[VERDICT_RESUME_STOP] = "resume stop",
		[VERDICT_REST] = "rest",
		[VERDICT_BY_POLICY] = "by policy",
		[VERDICT_SHIM_RESTARTS] = "shim restarts it",
		[VERDICT_STOP_THEN_REMOVE] = "stop, then remove",
		[VERDICT_FINISH_REMOVAL] = "finish removal",
	};

	return text[v];
}
