/*
 * OCI runtimes: which are there, which is the default, and the few calls that the engine makes
 * itself (the shim runs, restarts and deletes; the engine needs the rest, and all of it where a
 * shim is dead). Each call runs the program with its --root below the exec root. Thread-safe; what
 * was lent stays valid through a reload.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"

struct runtimes;

struct runtime {
	char *name;    /* "crun", "runc", or as --add-runtime named it */
	char *path;    /* absolute */
	char *root;    /* its --root: <exec-root>/runtime/<name> */
	char *version; /* NULL until somebody asked: use runtime_version() */
};

struct runtime_options {
	const char *exec_root;
	const char *default_runtime; /* NULL: crun where it works on this host, else runc */
	const struct strmap *added;  /* name -> path */
};

/* Finds the runtimes in PATH and the added ones. No program is run unless it must be to tell
 * whether crun works here; *ret_why says which is the default and why, in one line for the log
 * (caller frees). */
int runtimes_open(const struct runtime_options *o, struct runtimes **ret, char **ret_why,
		  struct err *err);
/* Says what runtimes_open() would fail for, without any effect. */
int runtimes_check(const struct runtime_options *o, struct err *err);
/* Puts other runtimes, and another default, in the place of these; nothing changes where it fails.
 */
int runtimes_reload(struct runtimes *rs, const struct runtime_options *o, char **ret_why,
		    struct err *err);
void runtimes_close(struct runtimes *rs);
/* By name; "" and NULL give the default. NULL where unknown. Borrowed, lives as long as rs. */
const struct runtime *runtime_find(struct runtimes *rs, const char *name);
const struct runtime *runtime_default(struct runtimes *rs);
/* i-th, NULL behind the last. */
const struct runtime *runtime_at(struct runtimes *rs, size_t i);
/* First line of its --version, asked for once; "" where it does not say. Borrowed. */
const char *runtime_version(struct runtimes *rs, const struct runtime *rt);

enum runtime_status {
	RUNTIME_UNKNOWN = 0, /* it failed, hung, or said something we do not understand */
	RUNTIME_ABSENT,	     /* it does not know this container */
	RUNTIME_CREATED,
	RUNTIME_RUNNING,
	RUNTIME_PAUSED,
	RUNTIME_STOPPED,
};

/* `state`. Never fails: doubt is RUNTIME_UNKNOWN, with the reason in err. */
enum runtime_status runtime_state(const struct runtime *rt, const char *id, pid_t *ret_pid,
				  struct err *err);
/* lock: a descriptor that the runtime has until it is done, whatever becomes of us; -1: none. */
int runtime_pause(const struct runtime *rt, const char *id, int lock, struct err *err);
int runtime_resume(const struct runtime *rt, const char *id, int lock, struct err *err);
/* `update`: gives a container the limits of a JSON object as linux.resources has them; what is not
 * in it stays. */
int runtime_update(const struct runtime *rt, const char *id, const char *limits, struct err *err);
/* `delete --force`; a container that is not there is fine. Has a deadline of 10 s: a container that
 * cannot be killed gives an error, not a hang. */
int runtime_delete(const struct runtime *rt, const char *id, struct err *err);
/* Signals all processes of the container: `kill --all`. */
int runtime_kill_all(const struct runtime *rt, const char *id, int sig, struct err *err);

/* How the host's cgroups are mounted. */
enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };
enum cgroup_mode cgroup_mode(void);
/* Is any process in the cgroup `path` ("/parent/<id>") of any hierarchy? 1, 0, or -errno. */
int cgroup_populated(const char *path);
/* The processes in the cgroup `path` and below it, ascending; none where it is not there. *ret, an
 * array of *ret_n, is the caller's. */
void cgroup_pids(const char *path, pid_t **ret, size_t *ret_n);
/* What a runtime was told to freeze in the cgroup `path`, until it is: crun does not wait for v1's
 * freezer, and runc gives up on a busy host. 1: all is frozen; 0: there is no such cgroup;
 * -ETIMEDOUT: on v1 it is thawed again; or -errno. */
int cgroup_await_frozen(const char *path, int64_t timeout_ns);
/* rmdir of the cgroup in all hierarchies, with what is below it; 0 where it is not there; -EBUSY
 * with processes. */
int cgroup_remove(const char *path);
/* rmdir of the cgroup alone, wherever nothing is in it. */
void cgroup_remove_empty(const char *path);

/* Mount point of a v1 controller's hierarchy ("memory"), of cgroup v2 for NULL; NULL where there is
 * none. */
const char *cgroup_mount_of(const char *controller);

/* What this host's cgroups can do, found once; for limits that have to be discarded, and for
 * `info`. */
struct cgroup_features {
	bool memory, swap, memory_reservation, swappiness, oom_kill_disable, kernel_memory_tcp;
	bool cpu_shares, cpu_cfs, cpu_realtime, cpuset, pids;
	bool blkio_weight, blkio_weight_device, blkio_throttle;
	char cpus[256]; /* "0-3": those a container may be pinned to; "" where unknown */
	char mems[256];
};
const struct cgroup_features *cgroup_features(void);
