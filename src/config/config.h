/*
 * What was asked for: docker's container.Config and container.HostConfig (Docker Engine API 1.44)
 * as plain structs, each described once by a field table (base/json.h). The same tables read a
 * create request, write and read config.json, answer inspect, and read an image's own configuration
 * (OCI image spec, "config").
 *
 * Plain values without locks: whoever shares one does not change it.
 */
#pragma once

#include "base/json.h"

struct healthcheck {
	char **test; /* "NONE" | "CMD", ... | "CMD-SHELL", text */
	int64_t interval_ns;
	int64_t timeout_ns;
	int64_t start_period_ns;
	int64_t start_interval_ns;
	int64_t retries;
};

struct config {
	char *hostname;
	char *domainname;
	char *user;
	bool attach_stdin;
	bool attach_stdout;
	bool attach_stderr;
	char **exposed_ports;
	bool tty;
	bool open_stdin;
	bool stdin_once;
	char **env;
	char **cmd;
	struct healthcheck healthcheck;
	bool args_escaped;
	char *image; /* as the user named it */
	char **volumes;
	char *working_dir;
	char **entrypoint;
	bool network_disabled;
	char *mac_address;
	char **on_build;
	struct strmap labels;
	char *stop_signal;
	int64_t stop_timeout_s; /* FIELD_UNSET: the default, 10 */
	char **shell;
};
extern const struct field config_fields[];
extern const struct field healthcheck_fields[];

struct restart_policy {
	char *name; /* "", "no", "always", "unless-stopped", "on-failure", "on-reboot" */
	int64_t max_retries;
};

struct log_config {
	char *type; /* "", "json-file", "none" */
	struct strmap options;
};

struct mount_bind_options {
	char *propagation;
	bool non_recursive;
	bool create_mountpoint;
	bool read_only_non_recursive;
	bool read_only_force_recursive;
};

struct volume_driver {
	char *name;
	struct strmap options;
};

struct mount_volume_options {
	bool no_copy;
	struct strmap labels;
	struct volume_driver driver;
	char *subpath;
};

struct mount_tmpfs_options {
	int64_t size_bytes;
	int64_t mode;
};

/* A member of HostConfig.Mounts. */
struct mount_spec {
	char *type; /* bind, volume, tmpfs, ... */
	char *source;
	char *target;
	bool read_only;
	char *consistency;
	struct mount_bind_options bind;
	struct mount_volume_options volume;
	struct mount_tmpfs_options tmpfs;
};

struct ulimit {
	char *name;
	int64_t soft;
	int64_t hard;
};

struct device {
	char *path_on_host;
	char *path_in_container;
	char *cgroup_permissions;
};

struct weight_device {
	char *path;
	int64_t weight;
};

struct throttle_device {
	char *path;
	int64_t rate;
};

struct host_config {
	char **binds;
	char *container_id_file;
	struct log_config log;
	char *network_mode;
	json_t *port_bindings;
	struct restart_policy restart;
	bool auto_remove;
	char *volume_driver;
	char **volumes_from;
	struct objects mounts; /* struct mount_spec */
	json_t *console_size;
	char **cap_add;
	char **cap_drop;
	char *cgroupns_mode;
	char **dns;
	char **dns_options;
	char **dns_search;
	char **extra_hosts;
	char **group_add;
	char *ipc_mode;
	char *cgroup;
	char **links;
	int64_t oom_score_adj;
	char *pid_mode;
	bool privileged;
	bool publish_all_ports;
	bool readonly_rootfs;
	char **security_opt;
	struct strmap storage_opt;
	struct strmap tmpfs;
	char *uts_mode;
	char *userns_mode;
	int64_t shm_size; /* 0: the default, 64 MiB */
	struct strmap sysctls;
	char *runtime;
	char *isolation;
	struct strmap annotations;

	int64_t cpu_shares;
	int64_t memory;
	int64_t nano_cpus;
	char *cgroup_parent;
	int64_t blkio_weight;
	struct objects blkio_weight_device;   /* struct weight_device */
	struct objects blkio_device_read_bps; /* struct throttle_device, as the next three */
	struct objects blkio_device_write_bps;
	struct objects blkio_device_read_iops;
	struct objects blkio_device_write_iops;
	int64_t cpu_period;
	int64_t cpu_quota;
	int64_t cpu_realtime_period;
	int64_t cpu_realtime_runtime;
	char *cpuset_cpus;
	char *cpuset_mems;
	struct objects devices; /* struct device */
	char **device_cgroup_rules;
	json_t *device_requests;
	int64_t kernel_memory;
	int64_t kernel_memory_tcp;
	int64_t memory_reservation;
	int64_t memory_swap;	   /* 0: unset, -1: unlimited */
	int64_t memory_swappiness; /* FIELD_UNSET and -1: the host's */
	int oom_kill_disable;	   /* FIELD_UNSET_BOOL */
	int64_t pids_limit;	   /* FIELD_UNSET, 0 and -1: none */
	struct objects ulimits;	   /* struct ulimit */
	char **masked_paths;	   /* NULL: the default; empty: none */
	char **readonly_paths;
	int init; /* FIELD_UNSET_BOOL: the daemon's default */
};
extern const struct field host_config_fields[];
extern const struct field mount_spec_fields[];

/* A mount of a container, resolved from Binds, Mounts, Tmpfs and the image; inspect's "Mounts". */
struct mount_point {
	char *type;	   /* bind, tmpfs, volume */
	char *name;	   /* volume's, else NULL */
	char *source;	   /* on the host; "" for tmpfs */
	char *destination; /* in the container, clean and absolute */
	char *driver;
	char *mode; /* as the user wrote it: "ro,z", tmpfs options */
	bool rw;
	char *propagation; /* "rprivate", ... */
	bool non_recursive;
	bool create_source; /* -v creates a missing host directory, --mount does not */
	bool anonymous;	    /* a volume that nobody named: it goes with its container */
	bool no_copy;	    /* it does not begin with what the image has there */
	bool made;	    /* by the create in progress; not stored */
};
extern const struct field mount_point_fields[];

/* A network that a container is to be in: of NetworkingConfig.EndpointsConfig, and of connect. */
struct network_wish {
	char *network;	/* as the user named it */
	char *ip, *ip6; /* NULL: any */
	char **link_local;
	char *mac;
	char **aliases;
	char **links;
	struct strmap driver_opts;
};
extern const struct field network_wish_fields[];
/* Reads docker's EndpointSettings (NULL and null: nothing is asked for) into *ret, which the caller
 * frees; ERR_INVALID names the member. */
int network_wish_load(const char *network, const json_t *settings, struct network_wish *ret,
		      struct err *err);

/* A port of an endpoint that is reachable at the host's. */
struct port_mapping {
	char *proto; /* tcp, udp, sctp */
	int64_t port;
	char *host_ip; /* "0.0.0.0", "::", or an address of the host's */
	int64_t host_port;
};
extern const struct field port_mapping_fields[];

/* A container's place in a network, as it is saved by its owner and shown by inspect. */
struct endpoint {
	char *network_id;
	char *network; /* its name, at the time */
	char *id;      /* 64 hexadecimal digits */
	char *ifname;  /* in the namespace: "eth0" */
	char *host_ifname;
	char *ip;
	int64_t prefix;
	char *gateway;
	char *ip6;
	int64_t prefix6;
	char *gateway6;
	char *mac;
	char **names;	  /* by which others find it there */
	char **links;	  /* "target:alias": by which it finds others there */
	char **resolvers; /* that answer for it what the network does not know; NULL: the host's */
	char *dns;	  /* where it asks for names; NULL: the network knows none */
	struct objects ports; /* struct port_mapping; published by this endpoint */
};
extern const struct field endpoint_fields[];

/* A port to be published: one of the host's ports first..last; 0, 0: any. */
struct port_wish {
	char *proto; /* tcp, udp, sctp */
	int64_t port;
	char *host_ip; /* NULL, "": all of the host's */
	int64_t first, last;
};
/* Reads HostConfig.PortBindings; with `all`, each of the exposed ports that it does not name too. 0
 * and an array, the caller's (port_wishes_free()); or ERR_INVALID, which names the port. */
int port_wishes_load(const json_t *bindings, char *const *exposed, bool all, struct port_wish **ret,
		     size_t *ret_n, struct err *err);
void port_wishes_free(struct port_wish *ports, size_t n);
/* "80/tcp", "53/udp", "80": its parts. *ret_proto is static. 0 or -EINVAL. */
int port_parse(const char *s, int64_t *ret_port, const char **ret_proto);

/* What an exec session was asked for: docker's ExecConfig. */
struct exec_config {
	char *user; /* "": the container's */
	bool privileged;
	bool tty;
	json_t *console_size; /* [height, width] */
	bool attach_stdin;
	bool attach_stderr;
	bool attach_stdout;
	char *detach_keys; /* as the user wrote them */
	char **env;
	char *working_dir; /* "": the container's */
	char **cmd;
};
extern const struct field exec_config_fields[];
