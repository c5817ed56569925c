/* The field tables of docker's Config and HostConfig; see config.h. */
#include "config/config.h"

const struct field healthcheck_fields[] = {
	FIELD_F(struct healthcheck, "Test", FIELD_STRV, test, FIELD_OMIT),
	FIELD_F(struct healthcheck, "Interval", FIELD_INT, interval_ns, FIELD_OMIT),
	FIELD_F(struct healthcheck, "Timeout", FIELD_INT, timeout_ns, FIELD_OMIT),
	FIELD_F(struct healthcheck, "StartPeriod", FIELD_INT, start_period_ns, FIELD_OMIT),
	FIELD_F(struct healthcheck, "StartInterval", FIELD_INT, start_interval_ns, FIELD_OMIT),
	FIELD_F(struct healthcheck, "Retries", FIELD_INT, retries, FIELD_OMIT),
	FIELD_END,
};

const struct field config_fields[] = {
	FIELD(struct config, "Hostname", FIELD_STR, hostname),
	FIELD(struct config, "Domainname", FIELD_STR, domainname),
	FIELD(struct config, "User", FIELD_STR, user),
	FIELD(struct config, "AttachStdin", FIELD_BOOL, attach_stdin),
	FIELD(struct config, "AttachStdout", FIELD_BOOL, attach_stdout),
	FIELD(struct config, "AttachStderr", FIELD_BOOL, attach_stderr),
	FIELD_F(struct config, "ExposedPorts", FIELD_SET, exposed_ports, FIELD_OMIT),
	FIELD(struct config, "Tty", FIELD_BOOL, tty),
	FIELD(struct config, "OpenStdin", FIELD_BOOL, open_stdin),
	FIELD(struct config, "StdinOnce", FIELD_BOOL, stdin_once),
	FIELD(struct config, "Env", FIELD_STRV, env),
	FIELD_F(struct config, "Cmd", FIELD_STRV, cmd, FIELD_NULLABLE),
	FIELD_SUB(struct config, "Healthcheck", FIELD_OBJECT, healthcheck, healthcheck_fields,
		  struct healthcheck, FIELD_OMIT),
	FIELD_F(struct config, "ArgsEscaped", FIELD_BOOL, args_escaped, FIELD_OMIT),
	FIELD(struct config, "Image", FIELD_STR, image),
	FIELD_F(struct config, "Volumes", FIELD_SET, volumes, FIELD_NULLABLE),
	FIELD(struct config, "WorkingDir", FIELD_STR, working_dir),
	FIELD_F(struct config, "Entrypoint", FIELD_STRV, entrypoint, FIELD_NULLABLE),
	FIELD_F(struct config, "NetworkDisabled", FIELD_BOOL, network_disabled, FIELD_OMIT),
	FIELD_F(struct config, "MacAddress", FIELD_STR, mac_address, FIELD_OMIT),
	FIELD_F(struct config, "OnBuild", FIELD_STRV, on_build, FIELD_NULLABLE),
	FIELD(struct config, "Labels", FIELD_MAP, labels),
	FIELD_F(struct config, "StopSignal", FIELD_STR, stop_signal, FIELD_OMIT),
	FIELD_F(struct config, "StopTimeout", FIELD_OPT_INT, stop_timeout_s, FIELD_OMIT),
	FIELD_F(struct config, "Shell", FIELD_STRV, shell, FIELD_OMIT),
	FIELD_END,
};

static const struct field restart_policy_fields[] = {
	FIELD(struct restart_policy, "Name", FIELD_STR, name),
	FIELD(struct restart_policy, "MaximumRetryCount", FIELD_INT, max_retries),
	FIELD_END,
};

static const struct field log_config_fields[] = {
	FIELD(struct log_config, "Type", FIELD_STR, type),
	FIELD(struct log_config, "Config", FIELD_MAP, options),
	FIELD_END,
};

static const struct field mount_bind_options_fields[] = {
	FIELD_F(struct mount_bind_options, "Propagation", FIELD_STR, propagation, FIELD_OMIT),
	FIELD_F(struct mount_bind_options, "NonRecursive", FIELD_BOOL, non_recursive, FIELD_OMIT),
	FIELD_F(struct mount_bind_options, "CreateMountpoint", FIELD_BOOL, create_mountpoint,
		FIELD_OMIT),
	FIELD_F(struct mount_bind_options, "ReadOnlyNonRecursive", FIELD_BOOL,
		read_only_non_recursive, FIELD_OMIT),
	FIELD_F(struct mount_bind_options, "ReadOnlyForceRecursive", FIELD_BOOL,
		read_only_force_recursive, FIELD_OMIT),
	FIELD_END,
};

static const struct field volume_driver_fields[] = {
	FIELD_F(struct volume_driver, "Name", FIELD_STR, name, FIELD_OMIT),
	FIELD_F(struct volume_driver, "Options", FIELD_MAP, options, FIELD_OMIT),
	FIELD_END,
};

static const struct field mount_volume_options_fields[] = {
	FIELD_F(struct mount_volume_options, "NoCopy", FIELD_BOOL, no_copy, FIELD_OMIT),
	FIELD_F(struct mount_volume_options, "Labels", FIELD_MAP, labels, FIELD_OMIT),
	FIELD_SUB(struct mount_volume_options, "DriverConfig", FIELD_OBJECT, driver,
		  volume_driver_fields, struct volume_driver, FIELD_OMIT),
	FIELD_F(struct mount_volume_options, "Subpath", FIELD_STR, subpath, FIELD_OMIT),
	FIELD_END,
};

static const struct field mount_tmpfs_options_fields[] = {
	FIELD_F(struct mount_tmpfs_options, "SizeBytes", FIELD_INT, size_bytes, FIELD_OMIT),
	FIELD_F(struct mount_tmpfs_options, "Mode", FIELD_INT, mode, FIELD_OMIT),
	FIELD_END,
};

const struct field mount_spec_fields[] = {
	FIELD_F(struct mount_spec, "Type", FIELD_STR, type, FIELD_OMIT),
	FIELD_F(struct mount_spec, "Source", FIELD_STR, source, FIELD_OMIT),
	FIELD_F(struct mount_spec, "Target", FIELD_STR, target, FIELD_OMIT),
	FIELD_F(struct mount_spec, "ReadOnly", FIELD_BOOL, read_only, FIELD_OMIT),
	FIELD_F(struct mount_spec, "Consistency", FIELD_STR, consistency, FIELD_OMIT),
	FIELD_SUB(struct mount_spec, "BindOptions", FIELD_OBJECT, bind, mount_bind_options_fields,
		  struct mount_bind_options, FIELD_OMIT),
	FIELD_SUB(struct mount_spec, "VolumeOptions", FIELD_OBJECT, volume,
		  mount_volume_options_fields, struct mount_volume_options, FIELD_OMIT),
	FIELD_SUB(struct mount_spec, "TmpfsOptions", FIELD_OBJECT, tmpfs,
		  mount_tmpfs_options_fields, struct mount_tmpfs_options, FIELD_OMIT),
	FIELD_END,
};

static const struct field ulimit_fields[] = {
	FIELD(struct ulimit, "Name", FIELD_STR, name),
	FIELD(struct ulimit, "Soft", FIELD_INT, soft),
	FIELD(struct ulimit, "Hard", FIELD_INT, hard),
	FIELD_END,
};

static const struct field device_fields[] = {
	FIELD(struct device, "PathOnHost", FIELD_STR, path_on_host),
	FIELD(struct device, "PathInContainer", FIELD_STR, path_in_container),
	FIELD(struct device, "CgroupPermissions", FIELD_STR, cgroup_permissions),
	FIELD_END,
};

static const struct field weight_device_fields[] = {
	FIELD(struct weight_device, "Path", FIELD_STR, path),
	FIELD(struct weight_device, "Weight", FIELD_INT, weight),
	FIELD_END,
};

static const struct field throttle_device_fields[] = {
	FIELD(struct throttle_device, "Path", FIELD_STR, path),
	FIELD(struct throttle_device, "Rate", FIELD_INT, rate),
	FIELD_END,
};

#define HOST(name, type, member) FIELD(struct host_config, name, type, member)
#define HOST_NULL(name, type, member) \
	FIELD_F(struct host_config, name, type, member, FIELD_NULLABLE)
#define HOST_OMIT(name, type, member) FIELD_F(struct host_config, name, type, member, FIELD_OMIT)
#define HOST_LIST(name, member, table, U) \
	FIELD_SUB(struct host_config, name, FIELD_OBJECTS, member, table, U, FIELD_NULLABLE)

const struct field host_config_fields[] = {
	HOST_NULL("Binds", FIELD_STRV, binds),
	HOST("ContainerIDFile", FIELD_STR, container_id_file),
	FIELD_SUB(struct host_config, "LogConfig", FIELD_OBJECT, log, log_config_fields,
		  struct log_config, 0),
	HOST("NetworkMode", FIELD_STR, network_mode),
	HOST("PortBindings", FIELD_JSON, port_bindings),
	FIELD_SUB(struct host_config, "RestartPolicy", FIELD_OBJECT, restart, restart_policy_fields,
		  struct restart_policy, 0),
	HOST("AutoRemove", FIELD_BOOL, auto_remove),
	HOST("VolumeDriver", FIELD_STR, volume_driver),
	HOST_NULL("VolumesFrom", FIELD_STRV, volumes_from),
	FIELD_SUB(struct host_config, "Mounts", FIELD_OBJECTS, mounts, mount_spec_fields,
		  struct mount_spec, FIELD_OMIT),
	HOST("ConsoleSize", FIELD_JSON, console_size),
	HOST_NULL("CapAdd", FIELD_STRV, cap_add),
	HOST_NULL("CapDrop", FIELD_STRV, cap_drop),
	HOST("CgroupnsMode", FIELD_STR, cgroupns_mode),
	HOST("Dns", FIELD_STRV, dns),
	HOST("DnsOptions", FIELD_STRV, dns_options),
	HOST("DnsSearch", FIELD_STRV, dns_search),
	HOST_NULL("ExtraHosts", FIELD_STRV, extra_hosts),
	HOST_NULL("GroupAdd", FIELD_STRV, group_add),
	HOST("IpcMode", FIELD_STR, ipc_mode),
	HOST("Cgroup", FIELD_STR, cgroup),
	HOST_NULL("Links", FIELD_STRV, links),
	HOST("OomScoreAdj", FIELD_INT, oom_score_adj),
	HOST("PidMode", FIELD_STR, pid_mode),
	HOST("Privileged", FIELD_BOOL, privileged),
	HOST("PublishAllPorts", FIELD_BOOL, publish_all_ports),
	HOST("ReadonlyRootfs", FIELD_BOOL, readonly_rootfs),
	HOST_NULL("SecurityOpt", FIELD_STRV, security_opt),
	HOST_OMIT("StorageOpt", FIELD_MAP, storage_opt),
	HOST_OMIT("Tmpfs", FIELD_MAP, tmpfs),
	HOST("UTSMode", FIELD_STR, uts_mode),
	HOST("UsernsMode", FIELD_STR, userns_mode),
	HOST("ShmSize", FIELD_INT, shm_size),
	HOST_OMIT("Sysctls", FIELD_MAP, sysctls),
	HOST("Runtime", FIELD_STR, runtime),
	HOST("Isolation", FIELD_STR, isolation),
	HOST_OMIT("Annotations", FIELD_MAP, annotations),
	HOST("CpuShares", FIELD_INT, cpu_shares),
	HOST("Memory", FIELD_INT, memory),
	HOST("NanoCpus", FIELD_INT, nano_cpus),
	HOST("CgroupParent", FIELD_STR, cgroup_parent),
	HOST("BlkioWeight", FIELD_INT, blkio_weight),
	HOST_LIST("BlkioWeightDevice", blkio_weight_device, weight_device_fields,
		  struct weight_device),
	HOST_LIST("BlkioDeviceReadBps", blkio_device_read_bps, throttle_device_fields,
		  struct throttle_device),
	HOST_LIST("BlkioDeviceWriteBps", blkio_device_write_bps, throttle_device_fields,
		  struct throttle_device),
	HOST_LIST("BlkioDeviceReadIOps", blkio_device_read_iops, throttle_device_fields,
		  struct throttle_device),
	HOST_LIST("BlkioDeviceWriteIOps", blkio_device_write_iops, throttle_device_fields,
		  struct throttle_device),
	HOST("CpuPeriod", FIELD_INT, cpu_period),
	HOST("CpuQuota", FIELD_INT, cpu_quota),
	HOST("CpuRealtimePeriod", FIELD_INT, cpu_realtime_period),
	HOST("CpuRealtimeRuntime", FIELD_INT, cpu_realtime_runtime),
	HOST("CpusetCpus", FIELD_STR, cpuset_cpus),
	HOST("CpusetMems", FIELD_STR, cpuset_mems),
	HOST_LIST("Devices", devices, device_fields, struct device),
	HOST_NULL("DeviceCgroupRules", FIELD_STRV, device_cgroup_rules),
	HOST("DeviceRequests", FIELD_JSON, device_requests),
	HOST_OMIT("KernelMemory", FIELD_INT, kernel_memory),
	HOST_OMIT("KernelMemoryTCP", FIELD_INT, kernel_memory_tcp),
	HOST("MemoryReservation", FIELD_INT, memory_reservation),
	HOST("MemorySwap", FIELD_INT, memory_swap),
	HOST("MemorySwappiness", FIELD_OPT_INT, memory_swappiness),
	HOST("OomKillDisable", FIELD_OPT_BOOL, oom_kill_disable),
	HOST("PidsLimit", FIELD_OPT_INT, pids_limit),
	HOST_LIST("Ulimits", ulimits, ulimit_fields, struct ulimit),
	HOST_NULL("MaskedPaths", FIELD_STRV, masked_paths),
	HOST_NULL("ReadonlyPaths", FIELD_STRV, readonly_paths),
	HOST_OMIT("Init", FIELD_OPT_BOOL, init),
	FIELD_END,
};

const struct field mount_point_fields[] = {
	FIELD(struct mount_point, "Type", FIELD_STR, type),
	FIELD_F(struct mount_point, "Name", FIELD_STR, name, FIELD_OMIT),
	FIELD(struct mount_point, "Source", FIELD_STR, source),
	FIELD(struct mount_point, "Destination", FIELD_STR, destination),
	FIELD_F(struct mount_point, "Driver", FIELD_STR, driver, FIELD_OMIT),
	FIELD(struct mount_point, "Mode", FIELD_STR, mode),
	FIELD(struct mount_point, "RW", FIELD_BOOL, rw),
	FIELD(struct mount_point, "Propagation", FIELD_STR, propagation),
	FIELD_F(struct mount_point, "NonRecursive", FIELD_BOOL, non_recursive, FIELD_OMIT),
	FIELD_F(struct mount_point, "CreateSource", FIELD_BOOL, create_source, FIELD_OMIT),
	FIELD_F(struct mount_point, "Anonymous", FIELD_BOOL, anonymous, FIELD_OMIT),
	FIELD_F(struct mount_point, "NoCopy", FIELD_BOOL, no_copy, FIELD_OMIT),
	FIELD_END,
};

#define EXEC(name, type, member) FIELD(struct exec_config, name, type, member)

const struct field exec_config_fields[] = {
	EXEC("User", FIELD_STR, user),
	EXEC("Privileged", FIELD_BOOL, privileged),
	EXEC("Tty", FIELD_BOOL, tty),
	EXEC("ConsoleSize", FIELD_JSON, console_size),
	EXEC("AttachStdin", FIELD_BOOL, attach_stdin),
	EXEC("AttachStderr", FIELD_BOOL, attach_stderr),
	EXEC("AttachStdout", FIELD_BOOL, attach_stdout),
	EXEC("DetachKeys", FIELD_STR, detach_keys),
	EXEC("Env", FIELD_STRV, env),
	EXEC("WorkingDir", FIELD_STR, working_dir),
	EXEC("Cmd", FIELD_STRV, cmd),
	FIELD_END,
};
