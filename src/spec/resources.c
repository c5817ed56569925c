/*
 * Memory, CPU, block I/O and pids: dockerd's checks, in its words, and what a runtime is told.
 *
 * A limit that the host's cgroups do not have is discarded with a warning at create (as dockerd
 * does); the same table of features leaves it out when the document is written.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/runtime.h"
#include "spec/private.h"

#define MEMORY_MIN (6 << 20)
/* The kernel's own limit (PID_MAX_LIMIT), which is none: crun cannot write "max". */
#define PIDS_UNLIMITED (4 << 20)

#define DISCARDED(what, limit) \
	"Your kernel does not support " what " or the cgroup is not mounted. " limit " discarded."

static void warn(char ***warnings, bool when, const char *text)
{
	if (when && warnings)
		strv_add(warnings, text);
}

/* -1 and unset are the host's own */
static bool has_swappiness(const struct host_config *h)
{
	return h->memory_swappiness != FIELD_UNSET && h->memory_swappiness != -1;
}

static int memory_check(const struct host_config *h, const struct cgroup_features *f,
			char ***warnings, struct err *err)
{
	if (h->memory < 0 || (h->memory != 0 && h->memory < MEMORY_MIN))
		return err_set(err, ERR_INVALID, "Minimum memory limit allowed is 6MB");
	if (h->memory > 0 && h->memory_swap > 0 && h->memory_swap < h->memory)
		return err_set(
			err, ERR_INVALID,
			"Minimum memoryswap limit should be larger than memory limit, see usage");
	if (h->memory_swap < -1)
		return err_set(err, ERR_INVALID, "invalid memory swap limit: %" PRId64,
			       h->memory_swap);
	if (h->memory == 0 && h->memory_swap > 0)
		return err_set(err, ERR_INVALID,
			       "You should always set the Memory limit when using Memoryswap "
			       "limit, see usage");
	if (has_swappiness(h) && (h->memory_swappiness < 0 || h->memory_swappiness > 100))
		return err_set(err, ERR_INVALID,
			       "Invalid value: %" PRId64 ", valid memory swappiness range is 0-100",
			       h->memory_swappiness);
	if (h->memory_reservation < 0 ||
	    (h->memory_reservation > 0 && h->memory_reservation < MEMORY_MIN))
		return err_set(err, ERR_INVALID, "Minimum memory reservation allowed is 6MB");
	if (h->memory > 0 && h->memory_reservation > h->memory)
		return err_set(err, ERR_INVALID,
			       "Minimum memory limit can not be less than memory reservation "
			       "limit, see usage");

	warn(warnings, h->memory > 0 && !f->memory,
	     DISCARDED("memory limit capabilities", "Limitation"));
	warn(warnings, h->memory > 0 && f->memory && h->memory_swap != -1 && !f->swap,
	     "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
	     "Memory limited without swap.");
	warn(warnings, has_swappiness(h) && !f->swappiness,
	     DISCARDED("memory swappiness capabilities", "Memory swappiness"));
	warn(warnings, h->memory_reservation > 0 && !f->memory_reservation,
	     DISCARDED("memory soft limit capabilities", "Limitation"));
	warn(warnings, h->kernel_memory > 0,
	     "Specifying a kernel memory limit is deprecated, and Linux no longer has one. "
	     "Limitation discarded.");
	warn(warnings, h->kernel_memory_tcp > 0 && !f->kernel_memory_tcp,
	     DISCARDED("kernel memory TCP limit", "Limitation"));
	warn(warnings, h->oom_kill_disable > 0 && !f->oom_kill_disable,
	     "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
	warn(warnings, h->oom_kill_disable > 0 && f->oom_kill_disable && h->memory == 0,
	     "OOM killer is disabled for the container, but no memory limit is set, this can "
	     "result in the system running out "
	     "of resources.");
	warn(warnings, h->pids_limit > 0 && !f->pids,
	     DISCARDED("PIDs limit capabilities", "PIDs limit"));
	return 0;
}

int cpu_list_parse(const char *s, bool ret[static CPU_LIST_MAX])
{
	memset(ret, 0, CPU_LIST_MAX * sizeof *ret);
	for (;;) {
		char *end;
		unsigned long from, to;

		if (*s < '0' || *s > '9')
			return -EINVAL;
		from = to = strtoul(s, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -EINVAL;
			to = strtoul(end + 1, &end, 10);
		}
		if (from > to || to >= CPU_LIST_MAX)
			return -EINVAL;
		for (; from <= to; from++)
			ret[from] = true;
		if (*end == '\0')
			return 0;
		if (*end != ',')
			return -EINVAL;
		s = end + 1;
	}
}

static int cpuset_check(const char *wish, const char *available, const char *kind,
			const char *things, struct err *err)
{
	bool want[CPU_LIST_MAX], have[CPU_LIST_MAX];

	if (str_empty(wish))
		return 0;
	if (cpu_list_parse(wish, want) < 0)
		return err_set(err, ERR_INVALID, "Invalid value %s for cpuset %s", wish, kind);
	if (cpu_list_parse(available, have) < 0)
		return 0;
	for (size_t i = 0; i < CPU_LIST_MAX; i++) {
		if (want[i] && !have[i])
			return err_set(
				err, ERR_INVALID,
				"Requested %s are not available - requested %s, available: %s",
				things, wish, available);
	}
	return 0;
}

static int nano_cpus_check(const struct host_config *h, const struct cgroup_features *f,
			   struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (h->nano_cpus > 0 && h->cpu_period > 0)
		return err_set(err, ERR_INVALID,
			       "Conflicting options: Nano CPUs and CPU Period cannot both be set");
	if (h->nano_cpus > 0 && h->cpu_quota > 0)
		return err_set(err, ERR_INVALID,
			       "Conflicting options: Nano CPUs and CPU Quota cannot both be set");
	if (h->nano_cpus > 0 && !f->cpu_cfs)
		return err_set(err, ERR_INVALID,
			       "NanoCPUs can not be set, as your kernel does not support CPU CFS "
			       "scheduler or the cgroup is not "
			       "mounted");
	if (h->nano_cpus < 0 || h->nano_cpus > cpus * 1000000000LL)
		return err_set(err, ERR_INVALID,
			       "range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs "
			       "available",
			       cpus, cpus);
	if (h->nano_cpus > 0 && h->nano_cpus < 10000000)
		return err_set(err, ERR_INVALID,
			       "range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs "
			       "available",
			       cpus, cpus);
	return 0;
}

static int cpu_check(const struct host_config *h, const struct cgroup_features *f, char ***warnings,
		     struct err *err)
{
	if (nano_cpus_check(h, f, err) < 0)
		return -1;
	if (h->cpu_shares < 0)
		return err_set(err, ERR_INVALID,
			       "invalid CPU shares (%" PRId64 "): value must be a positive integer",
			       h->cpu_shares);
	if (h->cpu_period != 0 && (h->cpu_period < 1000 || h->cpu_period > 1000000))
		return err_set(err, ERR_INVALID,
			       "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than "
			       "1s (i.e. 1000000)");
	if (h->cpu_quota > 0 && h->cpu_quota < 1000)
		return err_set(err, ERR_INVALID,
			       "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	if ((h->cpu_realtime_period || h->cpu_realtime_runtime) && !f->cpu_realtime)
		return err_set(err, ERR_INVALID, "kernel does not support CPU real-time scheduler");
	if (h->cpu_realtime_period && h->cpu_realtime_runtime > h->cpu_realtime_period)
		return err_set(err, ERR_INVALID,
			       "cpu real-time runtime cannot be higher than cpu real-time period");
	warn(warnings, h->cpu_shares > 0 && !f->cpu_shares, DISCARDED("CPU shares", "Shares"));
	warn(warnings, (h->cpu_period || h->cpu_quota) && !f->cpu_cfs,
	     DISCARDED("CPU CFS scheduler", "CPU period/quota"));
	warn(warnings, (!str_empty(h->cpuset_cpus) || !str_empty(h->cpuset_mems)) && !f->cpuset,
	     DISCARDED("cpuset", "Cpuset"));
	if (cpuset_check(h->cpuset_cpus, f->cpus, "cpus", "CPUs", err) < 0)
		return -1;
	return cpuset_check(h->cpuset_mems, f->mems, "mems", "memory nodes", err);
}

/* The four lists of throttles, by where they are in HostConfig and what the document calls them. */
static const struct {
	const char *field, *key;
	size_t offset;
} throttles[] = {
	{"BlkioDeviceReadBps", "throttleReadBpsDevice",
	 offsetof(struct host_config, blkio_device_read_bps)},
	{"BlkioDeviceWriteBps", "throttleWriteBpsDevice",
	 offsetof(struct host_config, blkio_device_write_bps)},
	{"BlkioDeviceReadIOps", "throttleReadIOPSDevice",
	 offsetof(struct host_config, blkio_device_read_iops)},
	{"BlkioDeviceWriteIOps", "throttleWriteIOPSDevice",
	 offsetof(struct host_config, blkio_device_write_iops)},
};

static const struct objects *throttle_list(const struct host_config *h, size_t i)
{
	return (const struct objects *) ((const char *) h + throttles[i].offset);
}

static int blkio_check(const struct host_config *h, const struct cgroup_features *f,
		       char ***warnings, struct err *err)
{
	if (h->blkio_weight != 0 && (h->blkio_weight < 10 || h->blkio_weight > 1000))
		return err_set(err, ERR_INVALID, "range of blkio weight is from 10 to 1000");
	for (size_t i = 0; i < h->blkio_weight_device.n; i++) {
		const struct weight_device *d =
			objects_at(&h->blkio_weight_device, struct weight_device, i);

		if (d->weight != 0 && (d->weight < 10 || d->weight > 1000))
			return err_set(err, ERR_INVALID,
				       "range of blkio weight is from 10 to 1000");
	}
	for (size_t i = 0; i < ARRAY_SIZE(throttles); i++) {
		const struct objects *list = throttle_list(h, i);

		for (size_t j = 0; j < list->n; j++) {
			if (objects_at(list, struct throttle_device, j)->rate < 0)
				return err_set(err, ERR_INVALID, "HostConfig.%s: invalid rate",
					       throttles[i].field);
		}
		warn(warnings, list->n && !f->blkio_throttle,
		     DISCARDED("Block I/O limits", "Block I/O limit"));
	}
	warn(warnings, h->blkio_weight > 0 && !f->blkio_weight,
	     DISCARDED("Block I/O weight", "Weight"));
	warn(warnings, h->blkio_weight_device.n && !f->blkio_weight_device,
	     DISCARDED("Block I/O weight_device", "Weight-device"));
	return 0;
}

int resources_check(const struct host_config *h, char ***warnings, struct err *err)
{
	const struct cgroup_features *f = cgroup_features();

	if (memory_check(h, f, warnings, err) < 0 || cpu_check(h, f, warnings, err) < 0)
		return -1;
	return blkio_check(h, f, warnings, err);
}

/* What is not limited need not be said of a new cgroup, but of one that may have had a limit. */
static bool says(int64_t limit, bool update)
{
	return limit > 0 || (limit < 0 && update);
}

static void write_memory(struct out *o, const struct host_config *h,
			 const struct cgroup_features *f, bool update)
{
	out_object(o, "memory");
	if (says(h->memory, update) && f->memory)
		out_int(o, "limit", h->memory);
	if (says(h->memory_swap, update) && f->memory && f->swap)
		out_int(o, "swap", h->memory_swap);
	if (h->memory_reservation > 0 && f->memory_reservation)
		out_int(o, "reservation", h->memory_reservation);
	if (h->kernel_memory_tcp > 0 && f->kernel_memory_tcp)
		out_int(o, "kernelTCP", h->kernel_memory_tcp);
	if (has_swappiness(h) && f->swappiness)
		out_int(o, "swappiness", h->memory_swappiness);
	if (h->oom_kill_disable > 0 && f->oom_kill_disable)
		out_bool(o, "disableOOMKiller", true);
	out_end(o);
}

static void write_cpu(struct out *o, const struct host_config *h, const struct cgroup_features *f)
{
	out_object(o, "cpu");
	if (h->cpu_shares > 0 && f->cpu_shares)
		out_int(o, "shares", h->cpu_shares);
	if (h->nano_cpus > 0) {
		out_int(o, "period", 100000);
		out_int(o, "quota", h->nano_cpus / 10000);
	} else if (f->cpu_cfs) {
		if (h->cpu_period > 0)
			out_int(o, "period", h->cpu_period);
		if (h->cpu_quota != 0)
			out_int(o, "quota", h->cpu_quota);
	}
	if (h->cpu_realtime_period)
		out_int(o, "realtimePeriod", h->cpu_realtime_period);
	if (h->cpu_realtime_runtime)
		out_int(o, "realtimeRuntime", h->cpu_realtime_runtime);
	if (!str_empty(h->cpuset_cpus) && f->cpuset)
		out_str(o, "cpus", h->cpuset_cpus);
	if (!str_empty(h->cpuset_mems) && f->cpuset)
		out_str(o, "mems", h->cpuset_mems);
	out_end(o);
}

static int write_block_device(struct out *o, const char *path, const char *what, int64_t value,
			      struct err *err)
{
	struct stat st;

	if (stat(path ? path : "", &st) < 0)
		return err_sys(err, errno, "stat %s", path ? path : "");
	if (!S_ISBLK(st.st_mode))
		return err_set(err, ERR_INVALID, "%s is not a block device", path);
	out_object(o, NULL);
	out_int(o, "major", major(st.st_rdev));
	out_int(o, "minor", minor(st.st_rdev));
	out_int(o, what, value);
	out_end(o);
	return 0;
}

static int write_blkio(struct out *o, const struct host_config *h, const struct cgroup_features *f,
		       struct err *err)
{
	out_object(o, "blockIO");
	if (h->blkio_weight > 0 && f->blkio_weight)
		out_int(o, "weight", h->blkio_weight);
	if (h->blkio_weight_device.n && f->blkio_weight_device) {
		out_array(o, "weightDevice");
		for (size_t i = 0; i < h->blkio_weight_device.n; i++) {
			const struct weight_device *d =
				objects_at(&h->blkio_weight_device, struct weight_device, i);

			if (write_block_device(o, d->path, "weight", d->weight, err) < 0)
				return err_wrap(err, "HostConfig.BlkioWeightDevice");
		}
		out_array_end(o);
	}
	for (size_t i = 0; i < ARRAY_SIZE(throttles) && f->blkio_throttle; i++) {
		const struct objects *list = throttle_list(h, i);

		if (!list->n)
			continue;
		out_array(o, throttles[i].key);
		for (size_t j = 0; j < list->n; j++) {
			const struct throttle_device *d =
				objects_at(list, struct throttle_device, j);

			if (write_block_device(o, d->path, "rate", d->rate, err) < 0)
				return err_wrap(err, "HostConfig.%s", throttles[i].field);
		}
		out_array_end(o);
	}
	out_end(o);
	return 0;
}

int limits_write(struct out *o, const struct host_config *h, bool update, struct err *err)
{
	const struct cgroup_features *f = cgroup_features();

	write_memory(o, h, f, update);
	write_cpu(o, h, f);
	if (write_blkio(o, h, f, err) < 0)
		return -1;
	if (f->pids && (h->pids_limit > 0 || (update && h->pids_limit != FIELD_UNSET))) {
		out_object(o, "pids");
		out_int(o, "limit", h->pids_limit > 0 ? h->pids_limit : PIDS_UNLIMITED);
		out_end(o);
	}
	return 0;
}

int resources_write(struct build *b, struct err *err)
{
	out_object(&b->out, "resources");
	if (device_rules_write(b, err) < 0 || limits_write(&b->out, b->in->host, false, err) < 0)
		return -1;
	out_end(&b->out);
	return 0;
}
