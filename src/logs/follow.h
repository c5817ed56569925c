/*
 * Private to logs: who follows is woken when something happens in the log's directory. One inotify
 * instance and one thread serve all (a host allows a user 128 instances).
 *
 * The watches are one-shot: a reader that is behind does not cost a wake-up per line written. So a
 * reader that has come to the end resets its wake, arms, looks once more, and only then sleeps.
 */
#pragma once

#include "logs/logs.h"

struct follow_seat;

/* dir and wake (see base/wake.h) must stay open until follow_leave(). */
int follow_join(struct log_follower *f, int dir, int wake, struct follow_seat **ret,
		struct err *err);
int follow_arm(struct log_follower *f, struct follow_seat *seat, struct err *err);
/* Afterwards the wake is not touched any more. NULL is fine. */
void follow_leave(struct log_follower *f, struct follow_seat *seat);
