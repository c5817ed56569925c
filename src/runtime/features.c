/* What the host's cgroups can do: by which files there are; see struct cgroup_features. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/runtime.h"

static struct cgroup_features features;
static pthread_once_t features_once = PTHREAD_ONCE_INIT;

static bool has(const char *dir, const char *file)
{
	autofree char *path = NULL;

	if (!dir)
		return false;
	path = xasprintf("%s/%s", dir, file);
	return exists_at(AT_FDCWD, path);
}

static void read_list(const char *dir, const char *file, char *ret, size_t size)
{
	autofree char *path = xasprintf("%s/%s", dir, file);

	if (read_small_at(AT_FDCWD, path, ret, size) < 0)
		ret[0] = '\0';
}

static void find_v1(struct cgroup_features *f)
{
	const char *memory = cgroup_mount_of("memory"), *cpu = cgroup_mount_of("cpu");
	const char *blkio = cgroup_mount_of("blkio"), *cpuset = cgroup_mount_of("cpuset");

	f->memory = has(memory, "memory.limit_in_bytes");
	f->swap = has(memory, "memory.memsw.limit_in_bytes");
	f->memory_reservation = has(memory, "memory.soft_limit_in_bytes");
	f->swappiness = has(memory, "memory.swappiness");
	f->oom_kill_disable = has(memory, "memory.oom_control");
	f->kernel_memory_tcp = has(memory, "memory.kmem.tcp.limit_in_bytes");
	f->cpu_shares = has(cpu, "cpu.shares");
	f->cpu_cfs = has(cpu, "cpu.cfs_quota_us");
	f->cpu_realtime = has(cpu, "cpu.rt_runtime_us") && has(cpu, "cpu.rt_period_us");
	f->pids = cgroup_mount_of("pids") != NULL;
	f->blkio_weight = has(blkio, "blkio.weight") || has(blkio, "blkio.bfq.weight");
	f->blkio_weight_device =
		has(blkio, "blkio.weight_device") || has(blkio, "blkio.bfq.weight_device");
	f->blkio_throttle = has(blkio, "blkio.throttle.read_bps_device");
	f->cpuset = cpuset != NULL;
	if (cpuset) {
		read_list(cpuset, "cpuset.effective_cpus", f->cpus, sizeof f->cpus);
		read_list(cpuset, "cpuset.effective_mems", f->mems, sizeof f->mems);
	}
}

/* The root of the v2 tree lacks the files that limit: a cgroup below it has them. */
static char *some_child(const char *root)
{
	DIR *d = opendir(root);
	char *found = NULL;

	for (struct dirent *e; d && !found && (e = readdir(d));) {
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			found = xasprintf("%s/%s", root, e->d_name);
	}
	if (d)
		closedir(d);
	return found;
}

static void find_v2(struct cgroup_features *f, const char *root)
{
	autofree char *file = xasprintf("%s/cgroup.controllers", root);
	autofree char *child = some_child(root);
	char text[512] = "";
	autostrv char **names = NULL;

	(void) read_small_at(AT_FDCWD, file, text, sizeof text);
	names = strv_split(text, ' ');
	f->memory = f->memory_reservation = strv_contains(names, "memory");
	f->swap = f->memory &&
		  (!child || has(child, "memory.swap.max") || exists_at(AT_FDCWD, "/proc/swaps"));
	f->cpu_shares = f->cpu_cfs = strv_contains(names, "cpu");
	f->cpuset = strv_contains(names, "cpuset");
	f->pids = strv_contains(names, "pids");
	f->blkio_throttle = strv_contains(names, "io");
	f->blkio_weight = f->blkio_weight_device =
		f->blkio_throttle &&
		(!child || has(child, "io.weight") || has(child, "io.bfq.weight"));
	read_list(root, "cpuset.cpus.effective", f->cpus, sizeof f->cpus);
	read_list(root, "cpuset.mems.effective", f->mems, sizeof f->mems);
}

static void find_features(void)
{
	if (cgroup_mode() == CGROUP_V2)
		find_v2(&features, cgroup_mount_of(NULL));
	else if (cgroup_mode() != CGROUP_NONE)
		find_v1(&features);
}

const struct cgroup_features *cgroup_features(void)
{
	pthread_once(&features_once, find_features);
	return &features;
}
