/* What an update takes, refuses, and tells the runtime. */
#include "fixture.h"

static struct err err;

/* HostConfig `has` updated by `wish`, both as JSON with ' for "; 0 or -1 with err. */
static int update(const char *has, const char *wish, struct request *ret)
{
	autofree char *whole = xasprintf("{'HostConfig':%s}", wish);
	autorequest w = request(whole);
	autofree char *text = xasprintf("{'HostConfig':%s}", has);

	err_clear(&err);
	*ret = request(text);
	return spec_update(&ret->host, &w.host, &err);
}

static void refused(const char *has, const char *wish, const char *says)
{
	autorequest r = {0};

	assert_int_equal(update(has, wish, &r), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	if (!strstr(err.text, says))
		fail_msg("%s: %s", wish, err.text);
}

TEST(what_is_given_changes_and_the_rest_stays)
{
	autorequest r = {0};

	assert_int_equal(update("{'Memory':64000000,'MemorySwap':-1,'PidsLimit':5,'CpuShares':9}",
				"{'Memory':96000000,'PidsLimit':0,'CpuShares':0,'CpusetCpus':''}",
				&r),
			 0);
	assert_int_equal(r.host.memory, 96000000);
	assert_int_equal(r.host.memory_swap, -1);
	assert_int_equal(r.host.pids_limit, 0);
	assert_int_equal(r.host.cpu_shares, 9);
}

TEST(the_first_limit_of_memory_brings_one_of_swap)
{
	autorequest r = {0};

	assert_int_equal(update("{}", "{'Memory':64000000}", &r), 0);
	assert_int_equal(r.host.memory_swap, 128000000);
}

TEST(what_is_fixed_is_refused_unless_it_is_the_same)
{
	autorequest r = {0};

	assert_int_equal(update("{'CgroupParent':'/a'}", "{'CgroupParent':'/a'}", &r), 0);
	refused("{'CgroupParent':'/a'}", "{'CgroupParent':'/b'}", "CgroupParent cannot be updated");
	refused("{}", "{'Privileged':true}", "Privileged cannot be updated");
	refused("{'AutoRemove':true}", "{'RestartPolicy':{'Name':'always'}}",
		"Restart policy cannot be updated because AutoRemove is enabled");
}

TEST(cpus_are_limited_in_one_way)
{
	refused("{'CpuPeriod':100000}", "{'NanoCpus':1}", "CPU Period has already been set");
	refused("{'CpuQuota':100000}", "{'NanoCpus':1}", "CPU Quota has already been set");
	refused("{'NanoCpus':1}", "{'CpuPeriod':1000}", "NanoCPUs has already been set");
	refused("{'NanoCpus':1}", "{'CpuQuota':1000}", "NanoCPUs has already been set");
	refused("{'Memory':9000000,'MemorySwap':9000000}", "{'Memory':9000001}",
		"already set memoryswap limit");
}

TEST(an_undo_gives_back_what_was_not_limited_before)
{
	autorequest old = request("{'HostConfig':{'CpuShares':7}}");
	autorequest new = request("{'HostConfig':{'CpuShares':8,'PidsLimit':3,'NanoCpus':500000000,"
				  "'Memory':64000000,'MemorySwap':64000000}}");
	autofree char *text = NULL;
	autojson json_t *limits = NULL;
	const json_t *cpu;

	assert_int_equal(spec_limits(&old.host, &new.host, &text, NULL), 0);
	limits = json_loads(text, 0, NULL);
	cpu = json_object_get(limits, "cpu");
	assert_int_equal(json_int(cpu, "shares", 0), 7);
	assert_int_equal(json_int(cpu, "quota", 0), -1);
	assert_int_equal(json_int(json_object_get(limits, "pids"), "limit", 0), 4 << 20);
	assert_int_equal(json_int(json_object_get(limits, "memory"), "limit", 0), -1);
}

TEST(warnings_are_of_the_update_alone)
{
	autorequest old = request("{'HostConfig':{'KernelMemory':1}}");
	autorequest new = request("{'HostConfig':{'KernelMemory':2,'CpuShares':8}}");
	autorequest none = request("{'HostConfig':{}}");
	autostrv char **warnings = NULL;

	assert_int_equal(spec_update_check(&new.host, &old.host, &warnings, NULL), 0);
	assert_null(warnings);
	assert_int_equal(spec_update_check(&new.host, &none.host, &warnings, NULL), 0);
	assert_int_equal(strv_len(warnings), 1);
}
