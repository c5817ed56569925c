/*
 * From what was asked for to what an OCI runtime is told: docker's Config and HostConfig become a
 * config.json of the OCI runtime specification 1.0.2, with dockerd's defaults (capabilities, masked
 * paths, seccomp profile, mounts, devices). Functions of their arguments and of the files they
 * name; no state.
 *
 * Errors name the field at fault in the words of the Docker API.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "config/config.h"

/* What of a create request is wrong whatever the host (ERR_INVALID), or not supported by this
 * version (ERR_NOT_SUPPORTED "HostConfig.X is not supported yet"). Warnings are appended to
 * *warnings (strv). */
int spec_check(const struct config *config, const struct host_config *host, char ***warnings,
	       struct err *err);

/* Completes a request by its image's configuration as dockerd's merge does (Env, Cmd, Entrypoint,
 * User, WorkingDir, Labels, ExposedPorts, Volumes, StopSignal, Healthcheck), and fills defaults
 * (ShmSize, IpcMode "private", CgroupnsMode, LogConfig.Type, MaskedPaths, ...; hostname from the
 * id). ERR_INVALID "no command specified". */
int spec_merge(struct config *config, struct host_config *host, const struct config *image,
	       const char *id, struct err *err);

/* What VolumesFrom asks for: "container[:mode]" taken apart (*ret_container is the caller's), and
 * the mount points of that container. */
struct spec_volumes_from {
	const struct objects *mounts; /* struct mount_point */
	bool read_only;
};
int spec_volumes_from(const char *text, char **ret_container, bool *ret_read_only, struct err *err);

/* Resolves VolumesFrom, Binds, Mounts, Tmpfs and Volumes to mount points (struct mount_point),
 * sorted by destination depth. Checks their syntax, duplicates ("Duplicate mount point: /x") and,
 * for --mount type=bind, that the source exists ("invalid mount config for type \"bind\": bind
 * source path does not exist: /x"). Volumes have a name, or are anonymous and have none yet; where
 * they lie is not known here. */
int spec_mounts(const struct config *config, const struct host_config *host,
		const struct spec_volumes_from *from, size_t n_from, struct objects *ret,
		struct err *err);
/* The member of HostConfig.Mounts for this destination, or NULL. Borrowed. */
const struct mount_spec *spec_mount_at(const struct host_config *host, const char *destination);

/* Seccomp programs that runtimes made of profiles, to be given to them again. Thread-safe. */
struct spec_filters;
struct spec_filters *spec_filters_new(void);
void spec_filters_free(struct spec_filters *f);
/* Learns the program that a runtime left at path (crun: seccomp.bpf in its state of the container)
 * when it ran a container with this profile; nothing is learnt where there is none. */
void spec_filters_learn(struct spec_filters *f, const char *profile, const char *path);

/* A mount point in whose place something else is mounted. */
struct spec_device {
	const char *destination;
	char *type; /* of mount(2); or "bind" */
	char *source;
	char **options; /* strv */
};

struct spec_input {
	struct spec_filters *filters; /* NULL: none are kept */
	const char *id;
	const char *name;
	const struct config *config;	/* merged */
	const struct host_config *host; /* merged */
	const struct objects *mounts;	/* struct mount_point; a volume's source is where it lies */
	const struct objects *devices;	/* struct spec_device; NULL: none */
	char *const *roots;	 /* directories the rootfs is made of, top first (upper, then lower
				  * ones): where      users and groups are looked up (openat2
				  * RESOLVE_IN_ROOT;      whiteouts hide) */
	char *const *link_env;	 /* which links add; NULL: none */
	const char *cgroup_path; /* linux.cgroupsPath */
	const char *hostname_path; /* files bind-mounted to /etc/...; NULL: none (--network host
				      shares the host's) */
	const char *hosts_path;
	const char *resolv_conf_path;
	const char *pid_ns; /* path of the one to join, NULL: by the mode */
	const char *ipc_ns;
	const char *net_ns;
	const char *init_path; /* catatonit or tini, for --init */
	const char *shm_path; /* IpcMode shareable/container: a host directory for /dev/shm; NULL: a
				 tmpfs */
};

/* The text of the bundle's config.json (caller frees) and of what had to be clamped (warnings
 * appended). *ret_unlearned: the profile whose program `filters` does not know, for
 * spec_filters_learn() once it runs, else NULL; the caller's. */
int spec_build(const struct spec_input *in, char **ret, char **ret_unlearned, char ***warnings,
	       struct err *err);

/* update: takes what `wish` says into the merged HostConfig of a container; what is zero or empty
 * there stays as it is. Errors are docker's: a wish that contradicts what the container has, or
 * names what cannot be changed. On failure *host holds a part of it and is still the caller's. */
int spec_update(struct host_config *host, const struct host_config *wish, struct err *err);
/* Checks the result as a create does; *warnings (strv) gets those that `before` did not have. */
int spec_update_check(const struct host_config *host, const struct host_config *before,
		      char ***warnings, struct err *err);
/* The limits of a container, the JSON object that a runtime's `update` reads (caller frees). What
 * only `instead_of` limits (NULL: nothing) is given back the host's default. */
int spec_limits(const struct host_config *host, const struct host_config *instead_of, char **ret,
		struct err *err);

/* The text of a "process" (caller frees) that runs what `exec` says in that container, for the
 * runtimes' exec --process; what it leaves open is as the container itself has it. Of `exec` count
 * user, privileged, tty, console_size, env, working_dir and cmd. */
int spec_exec(const struct spec_input *container, const struct exec_config *exec, char **ret,
	      struct err *err);

/* "user", "uid", "user:group", "uid:gid" by the image's /etc/passwd and /etc/group: "unable to find
 * user x: no matching entries in passwd file". */
struct spec_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t *groups;
	size_t n_groups;
	char *home;
};
int spec_user_lookup(char *const *roots, const char *user, char *const *group_add,
		     struct spec_user *ret, struct err *err);
void spec_user_free(struct spec_user *u);

/* What this host lends to containers: known capabilities of the bounding set, seccomp profile,
 * init. For `info`. */
const char *spec_seccomp_profile_path(
	void); /* Debian's containers-common profile, or NULL where there is none */
const char *spec_init_path(void); /* catatonit or tini, or NULL */
