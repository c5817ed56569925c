/*
 * What `update` changes in a container's HostConfig: its limits and its restart policy. Everything
 * else is fixed when a container is created, and a wish to change it is refused, not ignored.
 */
#include "base/mem.h"
#include "runtime/runtime.h"
#include "spec/private.h"

static const char *const updatable[] = {
	"BlkioWeight",	       "BlkioWeightDevice",   "BlkioDeviceReadBps",
	"BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps",
	"CpuShares",	       "CpuPeriod",	      "CpuQuota",
	"CpuRealtimePeriod",   "CpuRealtimeRuntime",  "CpusetCpus",
	"CpusetMems",	       "KernelMemory",	      "Memory",
	"MemoryReservation",   "MemorySwap",	      "NanoCpus",
	"PidsLimit",	       "RestartPolicy",	      NULL,
};

/* One field of HostConfig, as a table of its own. */
#define ONE(f)                   \
	{                        \
		*(f), FIELD_END, \
	}

/* CPUs are limited in one of two ways, and the second is not taken beside the first. */
static int cpu_conflict(const struct host_config *has, const struct host_config *wish,
			struct err *err)
{
	const char *what = NULL;

	if (wish->nano_cpus > 0 && has->cpu_period > 0)
		what = "Nano CPUs cannot be updated as CPU Period has already been set";
	else if (wish->nano_cpus > 0 && has->cpu_quota > 0)
		what = "Nano CPUs cannot be updated as CPU Quota has already been set";
	else if (wish->cpu_period > 0 && has->nano_cpus > 0)
		what = "CPU Period cannot be updated as NanoCPUs has already been set";
	else if (wish->cpu_quota > 0 && has->nano_cpus > 0)
		what = "CPU Quota cannot be updated as NanoCPUs has already been set";
	return what ? err_set(err, ERR_INVALID, "Conflicting options: %s", what) : 0;
}

static int conflict(const struct host_config *has, const struct host_config *wish, struct err *err)
{
	const char *policy = wish->restart.name;

	if (has->auto_remove && !str_empty(policy) && strcmp(policy, "no") != 0)
		return err_set(err, ERR_INVALID,
			       "Restart policy cannot be updated because AutoRemove is enabled "
			       "for the container");
	if (wish->memory > 0 && wish->memory_swap == 0 && has->memory_swap > 0 &&
	    wish->memory > has->memory_swap)
		return err_set(err, ERR_INVALID,
			       "Memory limit should be smaller than already set memoryswap limit, "
			       "update the memoryswap at the same time");
	return cpu_conflict(has, wish, err);
}

int spec_update(struct host_config *host, const struct host_config *wish, struct err *err)
{
	struct host_config nothing;

	if (conflict(host, wish, err) < 0)
		return -1;
	fields_init(host_config_fields, &nothing);
	for (const struct field *f = host_config_fields; f->name; f++) {
		const struct field one[] = ONE(f);

		if (fields_equal(one, wish, &nothing) || fields_equal(one, wish, host))
			continue;
		if (!strv_contains((char *const *) updatable, f->name))
			return err_set(err, ERR_INVALID,
				       "%s cannot be updated: it is fixed when a container is "
				       "created",
				       f->name);
		fields_free(one, host);
		fields_copy(one, host, wish);
	}
	/* As at create: the first limit of memory brings one of swap along. */
	if (wish->memory > 0 && host->memory_swap == 0)
		host->memory_swap = host->memory * 2;
	return 0;
}

int spec_update_check(const struct host_config *host, const struct host_config *before,
		      char ***warnings, struct err *err)
{
	autostrv char **old = NULL;
	autostrv char **now = NULL;

	if (restart_check(host, err) < 0 || resources_check(host, &now, err) < 0)
		return -1;
	(void) resources_check(before, &old, NULL);
	for (char **w = now; w && *w; w++)
		if (!strv_contains(old, *w))
			strv_add(warnings, *w);
	return 0;
}

static void give_back(int64_t *value, int64_t unset, int64_t instead_of, int64_t otherwise)
{
	if (*value == unset && instead_of != unset)
		*value = otherwise;
}

static void give_back_list(char **value, const char *instead_of, const char *otherwise)
{
	if (!str_empty(*value) || str_empty(instead_of) || str_empty(otherwise))
		return;
	free(*value);
	*value = xstrdup(otherwise);
}

/* The weights and rates of block devices have no default that is the same everywhere: they stay. */
static void give_back_limits(struct host_config *h, const struct host_config *had)
{
	const struct cgroup_features *f = cgroup_features();

	give_back(&h->memory, 0, had->memory, -1);
	give_back(&h->memory_swap, 0, had->memory_swap, -1);
	give_back(&h->pids_limit, FIELD_UNSET, had->pids_limit, -1);
	give_back(&h->cpu_shares, 0, had->cpu_shares, 1024);
	if (h->nano_cpus == 0) {
		give_back(&h->cpu_period, 0, had->cpu_period ?: had->nano_cpus, 100000);
		give_back(&h->cpu_quota, 0, had->cpu_quota ?: had->nano_cpus, -1);
	}
	give_back_list(&h->cpuset_cpus, had->cpuset_cpus, f->cpus);
	give_back_list(&h->cpuset_mems, had->cpuset_mems, f->mems);
}

int spec_limits(const struct host_config *host, const struct host_config *instead_of, char **ret,
		struct err *err)
{
	struct host_config h;
	autoout o = {0};
	int r;

	fields_copy(host_config_fields, &h, host);
	if (instead_of)
		give_back_limits(&h, instead_of);
	out_object(&o, NULL);
	r = limits_write(&o, &h, true, err);
	out_end(&o);
	fields_free(host_config_fields, &h);
	if (r < 0)
		return -1;
	*ret = buf_take(&o.b);
	return 0;
}
