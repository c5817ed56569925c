/*
 * A descriptor that says "come and look": readable after wake_up(), and by itself at an absolute
 * wall-clock time. It is a timerfd, since one of those is an eventfd and an alarm in one: poll(2)
 * it, never read(2) it; wake_reset() makes it unreadable again.
 *
 * Reset before you look, not after: a wake-up that comes between is then seen, at worst in vain.
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/time.h"

/* A new one, not readable; or -errno. */
static inline int wake_new(void)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Makes it readable. Any thread. */
static inline void wake_up(int fd)
{
	struct itimerspec long_ago = {.it_value.tv_nsec = 1};

	(void) timerfd_settime(fd, TFD_TIMER_ABSTIME, &long_ago, NULL);
}

/* Makes it unreadable until wake_up() or at_ns (CLOCK_REALTIME; 0: no alarm). */
static inline void wake_reset(int fd, int64_t at_ns)
{
	struct itimerspec at = {
		.it_value.tv_sec = at_ns / NSEC_PER_SEC,
		.it_value.tv_nsec = at_ns % NSEC_PER_SEC,
	};

	(void) timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
}
