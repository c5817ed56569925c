/*
 * What `run`, `create` and `update` are told, and the request they make of it: docker's flags ->
 * Config, HostConfig and NetworkingConfig. create_options.c has the flags, create_request.c what
 * they mean, mounts.c and ports.c the small languages behind -v, --mount, -p and their like.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "cli/options.h"
#include "config/config.h"

struct create_options {
	bool detach; /* run */
	const char *name, *platform, *pull, *cidfile;
	bool quiet, sig_proxy, disable_content_trust;

	/* what runs */
	char **env, **env_files, **labels, **label_files, **annotations, **attach;
	const char *entrypoint, *user, *workdir, *hostname, *domainname, *stop_signal;
	int64_t stop_timeout_s;
	bool tty, interactive;
	const char *health_cmd;
	int64_t health_interval, health_timeout, health_start_period, health_start_interval,
		health_retries;
	bool no_healthcheck;

	/* networks */
	char **networks, **network_aliases, **links, **publish, **expose;
	bool publish_all;
	const char *ip, *ip6, *mac_address;
	char **dns, **dns_options, **dns_search, **extra_hosts;

	/* files */
	char **volumes, **mounts, **tmpfs, **volumes_from, **devices, **device_cgroup_rules;
	char **storage_opts;
	const char *volume_driver;
	bool read_only;
	int64_t shm_size;

	/* rights and namespaces */
	bool privileged;
	char **cap_add, **cap_drop, **security_opts, **group_add, **sysctls, **ulimits;
	const char *pid, *ipc, *uts, *userns, *cgroupns, *cgroup_parent, *runtime, *isolation;
	int init;
	int64_t oom_score_adj;

	/* resources */
	int64_t memory, memory_swap, memory_reservation, memory_swappiness, kernel_memory;
	int64_t nano_cpus, cpu_shares, cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime;
	const char *cpuset_cpus, *cpuset_mems;
	int64_t pids_limit, blkio_weight;
	char **blkio_weight_devices, **read_bps, **write_bps, **read_iops, **write_iops;
	int oom_kill_disable;

	/* life */
	bool rm;
	const char *restart, *log_driver;
	char **log_opts;
};

void create_options_init(struct create_options *o);
void create_options_free(struct create_options *o);

/* args: IMAGE [COMMAND] [ARG...]. *ret is the body of POST /containers/create. */
int create_request(const struct create_options *o, char **args, int n_args, json_t **ret,
		   struct err *err);

/* *ret is the body of POST /containers/x/update: what was given and nothing else. */
int update_request(const struct create_options *o, json_t **ret, struct err *err);

/* "key=value" or "key" into a map. */
void set_pair(struct strmap *map, const char *text);
/* An object of such texts; volume.c. New reference. */
json_t *pairs_json(char *const *texts);
/* "/data", "vol:/data[:ro]", "./here:/data": adds to binds, or to the anonymous volumes. */
int volume_parse(const char *text, char ***binds, char ***volumes, struct err *err);
/* "type=bind,src=/a,dst=/b,ro": adds to mounts. */
int mount_parse(const char *text, struct objects *mounts, struct err *err);
/* "/path[:options]" */
void tmpfs_parse(const char *text, struct strmap *tmpfs);
/* "/dev/a[:/dev/b][:rwm]" */
int device_parse(const char *text, struct objects *devices, struct err *err);
/* "nofile=1024[:2048]" */
int ulimit_parse(const char *text, struct objects *ulimits, struct err *err);
/* "/dev/sda:1mb" (or a number of operations); "/dev/sda:500". */
int throttle_parse(const char *text, bool bytes, struct objects *devices, struct err *err);
int weight_parse(const char *text, struct objects *devices, struct err *err);

/* "[ip:][host:]container[/proto]", ports or ranges of them. */
int publish_parse(const char *text, json_t *bindings, char ***exposed, struct err *err);
int expose_parse(const char *text, char ***exposed, struct err *err);
