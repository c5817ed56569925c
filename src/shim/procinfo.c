/* See procinfo.h. */
#include "shim/procinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define PF_EXITING    0x4 /* linux/sched.h */
#define FIELD_FLAGS   9
#define FIELD_STARTED 22

/* A field of /proc/PID/stat; behind the last ')' there are a letter and numbers only. */
static int parse_field(const char *stat, int wanted, uint64_t *ret)
{
	const char *p = strrchr(stat, ')');

	for (int field = 2; p && field < wanted; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return -EIO;
	*ret = strtoull(p, NULL, 10);
	return 0;
}

/* "NSpid:\t4711\t1": its pids from our namespace down to its own. */
static bool is_namespace_init(const char *status)
{
	const char *p = strstr(status, "\nNSpid:\t");
	const char *end, *last;

	if (!p)
		return false;
	p += strlen("\nNSpid:\t");
	end = strchrnul(p, '\n');
	last = memrchr(p, '\t', (size_t) (end - p));
	return last && end - last == 2 && last[1] == '1';
}

int procinfo_read(pid_t pid, struct procinfo *ret)
{
	char path[32], text[4096];
	uint64_t ticks, flags;
	int r;

	snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
	r = read_small_at(AT_FDCWD, path, text, sizeof text);
	if (r < 0)
		return r;
	if (parse_field(text, FIELD_FLAGS, &flags) < 0 ||
	    parse_field(text, FIELD_STARTED, &ticks) < 0)
		return -EIO;
	snprintf(path, sizeof path, "/proc/%d/status", (int) pid);
	r = read_small_at(AT_FDCWD, path, text, sizeof text);
	if (r < 0)
		return r;
	*ret = (struct procinfo){.start_ticks = ticks,
				 .exiting = flags & PF_EXITING,
				 .pid_namespace_init = is_namespace_init(text)};
	return 0;
}
