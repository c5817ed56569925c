/* Health checks, decided: what a probe's result means, and when the next one is due. dockerd's
 * rules. */
#include <string.h>

#include "engine/internal.h"

#define INTERVAL_NS	  (30 * NSEC_PER_SEC)
#define TIMEOUT_NS	  (30 * NSEC_PER_SEC)
#define START_INTERVAL_NS (5 * NSEC_PER_SEC)
#define RETRIES		  3

static const char *const names[] = {
	[HEALTH_STARTING] = "starting",
	[HEALTH_HEALTHY] = "healthy",
	[HEALTH_UNHEALTHY] = "unhealthy",
};

const char *health_status_text(enum health_status s)
{
	return names[s];
}

enum health_status health_status_parse(const char *s)
{
	for (size_t i = 0; s && i < ARRAY_SIZE(names); i++)
		if (!strcmp(s, names[i]))
			return i;
	return HEALTH_STARTING;
}

static int64_t or_default(int64_t asked, int64_t otherwise)
{
	return asked > 0 ? asked : otherwise;
}

int64_t health_timeout(const struct healthcheck *check)
{
	return or_default(check->timeout_ns, TIMEOUT_NS);
}

static bool in_start_period(const struct healthcheck *check, int64_t started_ns, int64_t at_ns)
{
	return at_ns - started_ns < check->start_period_ns;
}

int64_t health_due(const struct healthcheck *check, int64_t started_ns, enum health_status status,
		   int64_t from_ns)
{
	if (status == HEALTH_STARTING && in_start_period(check, started_ns, from_ns))
		return from_ns + or_default(check->start_interval_ns, START_INTERVAL_NS);
	return from_ns + or_default(check->interval_ns, INTERVAL_NS);
}

struct health_step health_next(const struct healthcheck *check, int64_t started_ns,
			       enum health_status was, int64_t failing_streak,
			       const struct health_result *result)
{
	struct health_step next = {.status = was, .failing_streak = failing_streak};

	if (result->exit_code == 0) {
		next.status = HEALTH_HEALTHY;
		next.failing_streak = 0;
	} else if (was != HEALTH_STARTING ||
		   !in_start_period(check, started_ns, result->start_ns)) {
		next.failing_streak++;
		if (next.failing_streak >= or_default(check->retries, RETRIES))
			next.status = HEALTH_UNHEALTHY;
	}
	next.due_ns = health_due(check, started_ns, next.status, result->end_ns);
	return next;
}
