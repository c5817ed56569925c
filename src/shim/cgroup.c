/* See cgroup.h. */
#include "shim/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#define SYS_CGROUP "/sys/fs/cgroup"

/* Does a v1 line's list of controllers ("cpu,memory") name the memory controller? */
static bool names_memory(const char *list, size_t len)
{
	while (len > 0) {
		const char *comma = memchr(list, ',', len);
		size_t n = comma ? (size_t) (comma - list) : len;

		if (n == strlen("memory") && memcmp(list, "memory", n) == 0)
			return true;
		n += comma ? 1 : 0;
		list += n;
		len -= n;
	}
	return false;
}

/* The file below the controller's mount: lines are "4:memory:/path" (v1) and "0::/path" (v2). In
 * the hybrid set-up memory is in either; v1, where it is, comes first. */
static char *oom_file_of(char *lines, const char *known)
{
	char *v2 = NULL;

	for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		list++;
		if (path == list)
			v2 = path + 1;
		else if (names_memory(list, (size_t) (path - list)))
			return xasprintf(SYS_CGROUP "/memory%s/memory.oom_control",
					 known ? known : path + 1);
	}
	if (!v2)
		return NULL;
	return xasprintf(SYS_CGROUP "%s%s/memory.events",
			 exists_at(AT_FDCWD, SYS_CGROUP "/cgroup.controllers") ? "" : "/unified",
			 known ? known : v2);
}

char *cgroup_oom_file(pid_t pid, const char *path)
{
	autofree char *text = NULL;
	char name[32];

	/* Which hierarchies there are is the same for all: ask for ourselves where the pid does not
	 * matter. A process that is dead already is shown in the root. */
	snprintf(name, sizeof name, "/proc/%d/cgroup", path ? 1 : (int) pid);
	if (read_file_at(AT_FDCWD, path ? "/proc/self/cgroup" : name, 64 * 1024, &text, NULL) < 0)
		return NULL;
	return oom_file_of(text, path);
}

bool cgroup_oom_killed(const char *oom_file)
{
	autofree char *text = NULL;
	const char *p;

	if (!oom_file || read_file_at(AT_FDCWD, oom_file, 4096, &text, NULL) < 0)
		return false;
	p = str_has_prefix(text, "oom_kill ") ? text : strstr(text, "\noom_kill ");
	return p && strtoll(strchr(p, ' '), NULL, 10) > 0;
}
