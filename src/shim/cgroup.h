/* What the container's memory cgroup tells: did the kernel's OOM killer strike? */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Path of the file that counts the strikes; caller frees. `path` is the cgroup's as the spec names
 * it, NULL: as /proc/PID/cgroup does. NULL where it cannot be told. */
char *cgroup_oom_file(pid_t pid, const char *path);
/* false where the file is gone or NULL. */
bool cgroup_oom_killed(const char *oom_file);
