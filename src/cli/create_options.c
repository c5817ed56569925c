/* The flags of `run` and `create`; see create.h. */
#include "cli/cli.h"
#include "cli/create.h"

#define O(letter, name, type, member, value, help) \
	OPTION(struct create_options, letter, name, type, member, value, help)

/* Both have these; a macro, since the tables must be constants. One line a flag, to be read as a
 * list. */
/* clang-format off */
#define CREATE_OPTIONS \
	O(0, "add-host", OPTION_LIST, extra_hosts, "list", "Add a custom host-to-IP mapping (host:ip)"), \
	O(0, "annotation", OPTION_LIST, annotations, "map", "Add an annotation to the container (passed through to the OCI runtime)"), \
	O('a', "attach", OPTION_LIST, attach, "list", NULL), \
	O(0, "blkio-weight", OPTION_INT, blkio_weight, "int", "Block I/O (relative weight), between 10 and 1000, or 0 to disable"), \
	O(0, "blkio-weight-device", OPTION_LIST, blkio_weight_devices, "list", "Block I/O weight of a device (path:weight)"), \
	O(0, "cap-add", OPTION_LIST, cap_add, "list", "Add Linux capabilities"), \
	O(0, "cap-drop", OPTION_LIST, cap_drop, "list", "Drop Linux capabilities"), \
	O(0, "cgroup-parent", OPTION_STR, cgroup_parent, "string", "Parent cgroup for the container"), \
	O(0, "cgroupns", OPTION_STR, cgroupns, "string", "Cgroup namespace to use (host|private)"), \
	O(0, "cidfile", OPTION_STR, cidfile, "string", "Write the container ID to the file"), \
	O(0, "cpu-period", OPTION_INT, cpu_period, "int", "Limit CPU CFS (Completely Fair Scheduler) period"), \
	O(0, "cpu-quota", OPTION_INT, cpu_quota, "int", "Limit CPU CFS (Completely Fair Scheduler) quota"), \
	O(0, "cpu-rt-period", OPTION_INT, cpu_rt_period, "int", "Limit CPU real-time period in microseconds"), \
	O(0, "cpu-rt-runtime", OPTION_INT, cpu_rt_runtime, "int", "Limit CPU real-time runtime in microseconds"), \
	O('c', "cpu-shares", OPTION_INT, cpu_shares, "int", "CPU shares (relative weight)"), \
	O(0, "cpus", OPTION_DECIMAL, nano_cpus, "decimal", "Number of CPUs"), \
	O(0, "cpuset-cpus", OPTION_STR, cpuset_cpus, "string", "CPUs in which to allow execution (0-3, 0,1)"), \
	O(0, "cpuset-mems", OPTION_STR, cpuset_mems, "string", "MEMs in which to allow execution (0-3, 0,1)"), \
	O(0, "device", OPTION_LIST, devices, "list", "Add a host device to the container"), \
	O(0, "device-cgroup-rule", OPTION_LIST, device_cgroup_rules, "list", "Add a rule to the cgroup allowed devices list"), \
	O(0, "device-read-bps", OPTION_LIST, read_bps, "list", "Limit read rate (bytes per second) from a device"), \
	O(0, "device-read-iops", OPTION_LIST, read_iops, "list", "Limit read rate (IO per second) from a device"), \
	O(0, "device-write-bps", OPTION_LIST, write_bps, "list", "Limit write rate (bytes per second) to a device"), \
	O(0, "device-write-iops", OPTION_LIST, write_iops, "list", "Limit write rate (IO per second) to a device"), \
	O(0, "disable-content-trust", OPTION_FLAG, disable_content_trust, NULL, NULL), \
	O(0, "dns", OPTION_LIST, dns, "list", "Set custom DNS servers"), \
	O(0, "dns-option", OPTION_LIST, dns_options, "list", "Set DNS options"), \
	O(0, "dns-opt", OPTION_LIST, dns_options, "list", NULL), \
	O(0, "dns-search", OPTION_LIST, dns_search, "list", "Set custom DNS search domains"), \
	O(0, "domainname", OPTION_STR, domainname, "string", "Container NIS domain name"), \
	O(0, "entrypoint", OPTION_STR, entrypoint, "string", "Overwrite the default ENTRYPOINT of the image"), \
	O('e', "env", OPTION_LIST, env, "list", "Set environment variables"), \
	O(0, "env-file", OPTION_LIST, env_files, "list", "Read in a file of environment variables"), \
	O(0, "expose", OPTION_LIST, expose, "list", "Expose a port or a range of ports"), \
	O(0, "group-add", OPTION_LIST, group_add, "list", "Add additional groups to join"), \
	O(0, "health-cmd", OPTION_STR, health_cmd, "string", "Command to run to check health"), \
	O(0, "health-interval", OPTION_DURATION, health_interval, "duration", "Time between running the check"), \
	O(0, "health-retries", OPTION_INT, health_retries, "int", "Consecutive failures needed to report unhealthy"), \
	O(0, "health-start-interval", OPTION_DURATION, health_start_interval, "duration", "Time between running the check during the start period"), \
	O(0, "health-start-period", OPTION_DURATION, health_start_period, "duration", "Start period for the container to initialize before counting retries"), \
	O(0, "health-timeout", OPTION_DURATION, health_timeout, "duration", "Maximum time to allow one check to run"), \
	O('h', "hostname", OPTION_STR, hostname, "string", "Container host name"), \
	O(0, "init", OPTION_MAYBE, init, NULL, "Run an init inside the container that forwards signals and reaps processes"), \
	O('i', "interactive", OPTION_FLAG, interactive, NULL, "Keep STDIN open even if not attached"), \
	O(0, "ip", OPTION_STR, ip, "string", "IPv4 address (e.g., 172.30.100.104)"), \
	O(0, "ip6", OPTION_STR, ip6, "string", "IPv6 address (e.g., 2001:db8::33)"), \
	O(0, "ipc", OPTION_STR, ipc, "string", "IPC mode to use"), \
	O(0, "isolation", OPTION_STR, isolation, "string", NULL), \
	O(0, "kernel-memory", OPTION_SIZE, kernel_memory, "bytes", NULL), \
	O('l', "label", OPTION_LIST, labels, "list", "Set meta data on a container"), \
	O(0, "label-file", OPTION_LIST, label_files, "list", "Read in a line delimited file of labels"), \
	O(0, "link", OPTION_LIST, links, "list", "Add link to another container"), \
	O(0, "log-driver", OPTION_STR, log_driver, "string", "Logging driver for the container"), \
	O(0, "log-opt", OPTION_LIST, log_opts, "list", "Log driver options"), \
	O(0, "mac-address", OPTION_STR, mac_address, "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"), \
	O('m', "memory", OPTION_SIZE, memory, "bytes", "Memory limit"), \
	O(0, "memory-reservation", OPTION_SIZE, memory_reservation, "bytes", "Memory soft limit"), \
	O(0, "memory-swap", OPTION_SIZE, memory_swap, "bytes", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"), \
	O(0, "memory-swappiness", OPTION_INT, memory_swappiness, "int", "Tune container memory swappiness (0 to 100)"), \
	O(0, "mount", OPTION_LIST, mounts, "mount", "Attach a filesystem mount to the container"), \
	O(0, "name", OPTION_STR, name, "string", "Assign a name to the container"), \
	O(0, "network", OPTION_LIST, networks, "network", "Connect a container to a network (none, host, container:NAME, ...)"), \
	O(0, "net", OPTION_LIST, networks, "network", NULL), \
	O(0, "network-alias", OPTION_LIST, network_aliases, "list", "Add network-scoped alias for the container"), \
	O(0, "net-alias", OPTION_LIST, network_aliases, "list", NULL), \
	O(0, "no-healthcheck", OPTION_FLAG, no_healthcheck, NULL, "Disable any container-specified HEALTHCHECK"), \
	O(0, "oom-kill-disable", OPTION_MAYBE, oom_kill_disable, NULL, "Disable OOM Killer"), \
	O(0, "oom-score-adj", OPTION_INT, oom_score_adj, "int", "Tune host's OOM preferences (-1000 to 1000)"), \
	O(0, "pid", OPTION_STR, pid, "string", "PID namespace to use"), \
	O(0, "pids-limit", OPTION_INT, pids_limit, "int", "Tune container pids limit (set -1 for unlimited)"), \
	O(0, "platform", OPTION_STR, platform, "string", "Set platform if server is multi-platform capable"), \
	O(0, "privileged", OPTION_FLAG, privileged, NULL, "Give extended privileges to this container"), \
	O('p', "publish", OPTION_LIST, publish, "list", "Publish a container's port(s) to the host"), \
	O('P', "publish-all", OPTION_FLAG, publish_all, NULL, "Publish all exposed ports to random ports"), \
	O(0, "pull", OPTION_STR, pull, "string", "Pull image before running (\"missing\", \"never\")"), \
	O('q', "quiet", OPTION_FLAG, quiet, NULL, NULL), \
	O(0, "read-only", OPTION_FLAG, read_only, NULL, "Mount the container's root filesystem as read only"), \
	O(0, "restart", OPTION_STR, restart, "string", "Restart policy to apply when a container exits (no, always, unless-stopped, on-failure[:max])"), \
	O(0, "rm", OPTION_FLAG, rm, NULL, "Automatically remove the container and its associated anonymous volumes when it exits"), \
	O(0, "runtime", OPTION_STR, runtime, "string", "Runtime to use for this container"), \
	O(0, "security-opt", OPTION_LIST, security_opts, "list", "Security options"), \
	O(0, "shm-size", OPTION_SIZE, shm_size, "bytes", "Size of /dev/shm"), \
	O(0, "sig-proxy", OPTION_FLAG, sig_proxy, NULL, NULL), \
	O(0, "stop-signal", OPTION_STR, stop_signal, "string", "Signal to stop the container"), \
	O(0, "stop-timeout", OPTION_INT, stop_timeout_s, "int", "Timeout (in seconds) to stop a container"), \
	O(0, "storage-opt", OPTION_LIST, storage_opts, "list", "Storage driver options for the container"), \
	O(0, "sysctl", OPTION_LIST, sysctls, "map", "Sysctl options"), \
	O(0, "tmpfs", OPTION_LIST, tmpfs, "list", "Mount a tmpfs directory"), \
	O('t', "tty", OPTION_FLAG, tty, NULL, "Allocate a pseudo-TTY"), \
	O(0, "ulimit", OPTION_LIST, ulimits, "ulimit", "Ulimit options"), \
	O('u', "user", OPTION_STR, user, "string", "Username or UID (format: <name|uid>[:<group|gid>])"), \
	O(0, "userns", OPTION_STR, userns, "string", "User namespace to use"), \
	O(0, "uts", OPTION_STR, uts, "string", "UTS namespace to use"), \
	O('v', "volume", OPTION_LIST, volumes, "list", "Bind mount a volume"), \
	O(0, "volume-driver", OPTION_STR, volume_driver, "string", "Optional volume driver for the container"), \
	O(0, "volumes-from", OPTION_LIST, volumes_from, "list", "Mount volumes from the specified container(s)"), \
	O('w', "workdir", OPTION_STR, workdir, "string", "Working directory inside the container")
/* clang-format on */

const struct option create_options_table[] = {
	CREATE_OPTIONS,
	OPTION_END,
};

const struct option run_options_table[] = {
	O('d', "detach", OPTION_FLAG, detach, NULL,
	  "Run container in background and print container ID"),
	CREATE_OPTIONS,
	OPTION_END,
};

void create_options_init(struct create_options *o)
{
	*o = (struct create_options){
		.stop_timeout_s = FIELD_UNSET,
		.memory_swappiness = FIELD_UNSET,
		.pids_limit = FIELD_UNSET,
		.init = FIELD_UNSET_BOOL,
		.oom_kill_disable = FIELD_UNSET_BOOL,
		.sig_proxy = true,
	};
}

void create_options_free(struct create_options *o)
{
	for (const struct option *t = run_options_table; t->name; t++) {
		if (t->type == OPTION_LIST) {
			char ***list = (char ***) ((char *) o + t->offset);

			strv_free(*list); /* an alias shares its list */
			*list = NULL;
		}
	}
}
