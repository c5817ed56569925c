/* Whether and when an ended container starts again: one pure function, shared by daemon and shim. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum restart_name {
	RESTART_NO = 0,
	RESTART_ALWAYS,
	RESTART_UNLESS_STOPPED,
	RESTART_ON_FAILURE,
	RESTART_ON_REBOOT,
};

#define RESTART_DELAY_MIN_NS (100 * 1000000LL)
#define RESTART_DELAY_MAX_NS (60 * 1000000000LL)
#define RESTART_RESET_NS     (10 * 1000000000LL) /* a run this long starts the back-off anew */

struct restart_input {
	enum restart_name policy;
	int64_t max_retries;	 /* on-failure; 0: without end */
	bool wanted_running;	 /* the user's wish; a manual stop ends every policy */
	int code;		 /* exit code of the run that ended */
	bool rebooted;		 /* it ended by the container's own reboot(2) */
	int64_t ran_ns;		 /* how long it ran */
	int64_t count;		 /* restarts in a row before this one */
	int64_t last_delay_ns;	 /* delay before this run; 0: none */
};

struct restart_output {
	bool restart;
	int64_t delay_ns;
	int64_t count;		/* to be kept for the next decision */
	const char *why_not;	/* static text where restart is false */
};

struct restart_output restart_next(const struct restart_input *in);
/* "", "no", ... -> name; 0 or -EINVAL. */
int restart_name_parse(const char *s, enum restart_name *ret);
const char *restart_name_text(enum restart_name name);
