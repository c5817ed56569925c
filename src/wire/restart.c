/* The restart policies, with docker's meaning; see restart.h. */
#include "wire/restart.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {
	[RESTART_NO] = "no",
	[RESTART_ALWAYS] = "always",
	[RESTART_UNLESS_STOPPED] = "unless-stopped",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_ON_REBOOT] = "on-reboot",
};

/* NULL where the policy wants another run. */
static const char *why_not(const struct restart_input *in)
{
	if (in->policy == RESTART_NO)
		return "no restart policy";
	/* `always` and `unless-stopped` differ after a reboot of the host only, which is the
	 * daemon's affair; and there, too, it is the wish that counts. */
	if (!in->wanted_running)
		return "stopped by the user";

	switch (in->policy) {
	case RESTART_NO:
	case RESTART_ALWAYS:
	case RESTART_UNLESS_STOPPED:
		return NULL;
	case RESTART_ON_FAILURE:
		if (in->code == 0)
			return "it ended with exit code 0";
		if (in->max_retries > 0 && in->count >= in->max_retries)
			return "the maximum of retries is reached";
		return NULL;
	case RESTART_ON_REBOOT:
		return in->rebooted ? NULL : "it did not reboot";
	}
	return "unknown restart policy";
}

static int64_t next_delay(const struct restart_input *in)
{
	if (in->last_delay_ns <= 0 || in->ran_ns >= RESTART_RESET_NS)
		return RESTART_DELAY_MIN_NS;
	if (in->last_delay_ns >= RESTART_DELAY_MAX_NS / 2)
		return RESTART_DELAY_MAX_NS;
	return 2 * in->last_delay_ns;
}

struct restart_output restart_next(const struct restart_input *in)
{
	const char *no = why_not(in);

	/* As docker has it, a long run resets the back-off but not the count. */
	if (no)
		return (struct restart_output){.count = in->count, .why_not = no};
	return (struct restart_output){
		.restart = true,
		.delay_ns = next_delay(in),
		.count = in->count + 1,
	};
}

int restart_name_parse(const char *s, enum restart_name *ret)
{
	if (!s || !*s) {
		*ret = RESTART_NO;
		return 0;
	}
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(s, names[i]) == 0) {
			*ret = (enum restart_name) i;
			return 0;
		}
	return -EINVAL;
}

const char *restart_name_text(enum restart_name name)
{
	return (unsigned) name < sizeof names / sizeof names[0] ? names[name] : "no";
}
