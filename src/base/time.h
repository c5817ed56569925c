/*
 * Time. Instants are int64_t nanoseconds since the epoch (CLOCK_REALTIME) where they are written
 * down or shown, and struct timespec of CLOCK_MONOTONIC where something waits.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC  1000000000LL
#define NSEC_PER_MSEC 1000000LL

#define RFC3339_MAX sizeof("2006-01-02T15:04:05.999999999+00:00")

/* Wall clock now, ns since the epoch. */
int64_t now_ns(void);
/* CLOCK_MONOTONIC now, ns. */
int64_t monotonic_ns(void);
/* CLOCK_MONOTONIC now + ns, for pthread_cond_clockwait() and its like; ns < 0 counts as 0. */
struct timespec deadline_in(int64_t ns);
/* ns that are left until the deadline; 0 where it has passed. */
int64_t deadline_left_ns(const struct timespec *deadline);

/* "2006-01-02T15:04:05.123456789Z" (RFC 3339, always nine digits and Z); 0 gives Go's zero time
 * "0001-01-01T00:00:00Z", as the Docker API shows "never". Returns ret, which has RFC3339_MAX
 * bytes. */
char *rfc3339_format(int64_t ns, char ret[static RFC3339_MAX]);
/* Reads RFC 3339 with any number of fraction digits and any offset; Go's zero time reads as 0.
 * Returns 0 or -EINVAL. */
int rfc3339_parse(const char *s, int64_t *ret_ns);
/* Reads the instants docker's clients send as since/until: "1136073600", "1136073600.000000001",
 * RFC 3339 (without an offset: local time, "2006-01-02T15:04:05", "2006-01-02T15:04"), a date
 * "2006-01-02", or a Go duration back from now ("10m", "1h30m"). 0 or -EINVAL. */
int instant_parse(const char *s, int64_t now, int64_t *ret_ns);
/* Reads a Go duration ("1h2m3.5s", "100ms", "-5s") in ns. 0 or -EINVAL. */
int duration_parse(const char *s, int64_t *ret_ns);
/* "1h30m0s", "1.5s", "100ms", as Go writes a duration; ns is not negative. ret has DURATION_MAX
 * bytes, and is returned. */
#define DURATION_MAX 32
char *duration_text(int64_t ns, char ret[static DURATION_MAX]);
/* "5 seconds", "About a minute", "3 hours": docker's words (go-units HumanDuration). */
void duration_human(int64_t ns, char *ret, size_t size);
