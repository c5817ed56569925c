/* What the files of runtime/ share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "runtime/runtime.h"

struct cgroup_mount {
	char *path; /* mount point */
	bool v2;
	char **options; /* of the superblock: controllers among them */
};

struct cgroup_hosts {
	struct cgroup_mount *mounts;
	size_t n;
};

/* Reads the text of mountinfo (which it chops up). */
struct cgroup_hosts *cgroup_hosts_parse(char *mountinfo);
void cgroup_hosts_free(struct cgroup_hosts *h);
enum cgroup_mode cgroup_hosts_mode(const struct cgroup_hosts *h);

/* What Debian's crun looks at before it agrees to work (crun 1.8, libcrun_cgroup_preenter). */
struct crun_view {
	long root_magic;    /* statfs of /sys/fs/cgroup, 0: not there */
	long unified_magic; /* of /sys/fs/cgroup/unified, 0: not there */
	bool unified_has_controllers;
};
/* NULL where crun works, else why not. */
const char *crun_refusal(const struct crun_view *v);

/* The runtime's own last message, out of its stderr: runc's logrus lines and crun's plain ones.
 * Caller frees. */
char *runtime_last_message(const char *stderr_text);
/* {"status":"running","pid":7,...} */
enum runtime_status runtime_parse_state(const char *text, pid_t *ret_pid, struct err *err);
