#include "fixture.h"

static int check(const char *text, struct err *err)
{
	autorequest r = request(text);
	autostrv char **warnings = NULL;

	if (!r.host.network_mode)
		r.host.network_mode = xstrdup("none");
	return spec_check(&r.config, &r.host, &warnings, err);
}

TEST(good_requests_pass)
{
	static const char *const cases[] = {
		"{}",
		"{'Hostname':'h','Domainname':'d.org','Env':['A=','B'],'WorkingDir':'/w',"
		"'StopSignal':'SIGRTMIN+3','StopTimeout':-1}",
		"{'ExposedPorts':{'80/"
		"tcp':{}},'Healthcheck':{'Test':['CMD','x'],'Interval':1000000,'Timeout':0,'"
		"Retries':0},'HostConfig':{'PortBindings':{},"
		"'Links':[],'DeviceRequests':null,'RestartPolicy':{'Name':''},'Isolation':'default'"
		"}}",
		"{'HostConfig':{'Memory':6291456,'MemorySwap':-1,'MemoryReservation':6291456,'"
		"CpuShares':2,"
		"'PidsLimit':-1,'CpuPeriod':100000,'CpuQuota':50000,'CpusetCpus':'0','NanoCpus':0}"
		"}",
		"{'HostConfig':{'Sysctls':{'net.ipv4.ip_forward':'1','kernel.shmmax':'1',"
		"'fs.mqueue.msg_max':'3'}}}",
		"{'HostConfig':{'SecurityOpt':['no-new-privileges','seccomp=unconfined','apparmor="
		"unconfined',"
		"'label=disable','no-new-privileges=false']}}",
		"{'HostConfig':{'Ulimits':[{'Name':'core','Soft':0,'Hard':0}],"
		"'DeviceCgroupRules':['c 1:* rwm','a *:* m'],'OomScoreAdj':1000,"
		"'LogConfig':{'Type':'json-file','Config':{'max-size':'10m','max-file':'3'}}}}",
		"{'HostConfig':{'ExtraHosts':['a:1.2.3.4','b=::1','c:[::1]'],'Dns':['1.1.1.1','::1'"
		"]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};

		(void) check(cases[i], &err);
		assert_string_equal(err.text, "");
	}
}

struct bad {
	const char *request, *error;
};

static void each_is_refused(const struct bad *cases, size_t n, enum err_kind kind)
{
	for (size_t i = 0; i < n; i++) {
		struct err err = {0};

		assert_true(check(cases[i].request, &err) < 0);
		assert_string_equal(err.text, cases[i].error);
		assert_int_equal(err.kind, kind);
	}
}

TEST(config_that_makes_no_sense_is_refused)
{
	static const struct bad cases[] = {
		{"{'Env':['=x']}", "invalid environment variable: =x"},
		{"{'WorkingDir':'w'}",
		 "the working directory 'w' is invalid, it needs to be an absolute path"},
		{"{'StopSignal':'SIGFOO'}", "invalid signal: SIGFOO"},
		{"{'StopTimeout':-2}", "invalid stop timeout: -2"},
		{"{'Healthcheck':{'Interval':999999}}",
		 "Interval in Healthcheck cannot be less than 1ms"},
		{"{'Healthcheck':{'Timeout':-1}}",
		 "Timeout in Healthcheck cannot be less than 1ms"},
		{"{'Healthcheck':{'StartPeriod':1}}",
		 "StartPeriod in Healthcheck cannot be less than 1ms"},
		{"{'Healthcheck':{'StartInterval':-1000000}}",
		 "StartInterval in Healthcheck cannot be less than 1ms"},
		{"{'Healthcheck':{'Retries':-1}}", "Retries in Healthcheck cannot be negative"},
		{"{'Hostname':'a b'}", "invalid hostname: a b"},
		{"{'HostConfig':{'ExtraHosts':['a']}}", "bad format for add-host: \"a\""},
		{"{'HostConfig':{'ExtraHosts':['a:1.2.3']}}",
		 "invalid IP address in add-host: \"1.2.3\""},
		{"{'HostConfig':{'Dns':['x']}}", "IP address is not correctly formatted: x"},
		{"{'HostConfig':{'LogConfig':{'Type':'foo'}}}",
		 "logger: no log driver named 'foo' is registered"},
		{"{'HostConfig':{'LogConfig':{'Type':'json-file','Config':{'foo':'1'}}}}",
		 "unknown log opt 'foo' for json-file log driver"},
		{"{'HostConfig':{'RestartPolicy':{'Name':'sometimes'}}}",
		 "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', "
		 "'on-failure', 'unless-stopped', or 'on-reboot'"},
		{"{'HostConfig':{'AutoRemove':true,'RestartPolicy':{'Name':'always'}}}",
		 "can't create 'AutoRemove' container with restart policy"},
		{"{'HostConfig':{'Isolation':'hyperv'}}", "invalid isolation 'hyperv' on linux"},
		{"{'HostConfig':{'CgroupParent':'/a/../../b'}}",
		 "invalid cgroup parent: '/a/../../b'"},
		{"{'HostConfig':{'Annotations':{'':'x'}}}",
		 "invalid Annotations: the empty string is not permitted as an annotation key"},
	};

	each_is_refused(cases, ARRAY_SIZE(cases), ERR_INVALID);
}

TEST(limits_that_make_no_sense_are_refused)
{
	static const struct bad cases[] = {
		{"{'HostConfig':{'Memory':100}}", "Minimum memory limit allowed is 6MB"},
		{"{'HostConfig':{'Memory':-1}}", "Minimum memory limit allowed is 6MB"},
		{"{'HostConfig':{'Memory':8000000,'MemorySwap':7000000}}",
		 "Minimum memoryswap limit should be larger than memory limit, see usage"},
		{"{'HostConfig':{'MemorySwap':7000000}}",
		 "You should always set the Memory limit when using Memoryswap limit, see usage"},
		{"{'HostConfig':{'MemoryReservation':1}}",
		 "Minimum memory reservation allowed is 6MB"},
		{"{'HostConfig':{'Memory':8000000,'MemoryReservation':9000000}}",
		 "Minimum memory limit can not be less than memory reservation limit, see usage"},
		{"{'HostConfig':{'MemorySwappiness':101}}",
		 "Invalid value: 101, valid memory swappiness range is 0-100"},
		{"{'HostConfig':{'CpuShares':-1}}",
		 "invalid CPU shares (-1): value must be a positive integer"},
		{"{'HostConfig':{'NanoCpus':1000000000,'CpuQuota':5000}}",
		 "Conflicting options: Nano CPUs and CPU Quota cannot both be set"},
		{"{'HostConfig':{'CpuPeriod':5}}", "CPU cfs period can not be less than 1ms (i.e. "
						   "1000) or larger than 1s (i.e. 1000000)"},
		{"{'HostConfig':{'CpuQuota':5}}",
		 "CPU cfs quota can not be less than 1ms (i.e. 1000)"},
		{"{'HostConfig':{'CpusetCpus':'a'}}", "Invalid value a for cpuset cpus"},
		{"{'HostConfig':{'CpusetCpus':'1-'}}", "Invalid value 1- for cpuset cpus"},
		{"{'HostConfig':{'CpusetMems':'3-1'}}", "Invalid value 3-1 for cpuset mems"},
		{"{'HostConfig':{'BlkioWeight':5}}", "range of blkio weight is from 10 to 1000"},
		{"{'HostConfig':{'OomScoreAdj':-1001}}",
		 "Invalid value -1001, range for oom score adj is [-1000, 1000]"},
		{"{'HostConfig':{'ShmSize':-1}}", "SHM size can not be less than 0"},
		{"{'HostConfig':{'Ulimits':[{'Name':'foo','Soft':1,'Hard':1}]}}",
		 "invalid ulimit type: foo"},
		{"{'HostConfig':{'Ulimits':[{'Name':'nofile','Soft':3,'Hard':2}]}}",
		 "ulimit soft limit must be less than or equal to hard limit: 3 > 2"},
	};

	each_is_refused(cases, ARRAY_SIZE(cases), ERR_INVALID);
}

TEST(namespaces_and_rights_that_make_no_sense_are_refused)
{
	static const struct bad cases[] = {
		{"{'HostConfig':{'PidMode':'foo'}}", "invalid PID mode: foo"},
		{"{'HostConfig':{'IpcMode':'container:'}}", "invalid IPC mode: container:"},
		{"{'HostConfig':{'UTSMode':'private'}}", "invalid UTS mode: private"},
		{"{'HostConfig':{'UsernsMode':'keep-id'}}", "invalid user namespace mode: keep-id"},
		{"{'HostConfig':{'CgroupnsMode':'x'}}", "invalid cgroup namespace mode: x"},
		{"{'HostConfig':{'NetworkMode':'container:'}}",
		 "invalid container format container:<name|id>"},
		{"{'Hostname':'h','HostConfig':{'NetworkMode':'container:x'}}",
		 "conflicting options: hostname and the network mode"},
		{"{'Hostname':'h','HostConfig':{'UTSMode':'host'}}",
		 "conflicting options: hostname and the UTS mode"},
		{"{'HostConfig':{'CapAdd':['NOPE']}}", "unknown capability: \"NOPE\""},
		{"{'HostConfig':{'SecurityOpt':['foo']}}", "invalid --security-opt 1: \"foo\""},
		{"{'HostConfig':{'SecurityOpt':['foo=bar']}}",
		 "invalid --security-opt 2: \"foo=bar\""},
		{"{'HostConfig':{'SecurityOpt':['no-new-privileges=2']}}",
		 "invalid --security-opt 2: \"no-new-privileges=2\""},
		{"{'HostConfig':{'SecurityOpt':['seccomp=[]']}}",
		 "Decoding seccomp profile failed: not an object (line -1)"},
		{"{'HostConfig':{'Sysctls':{'kernel.panic':'1'}}}",
		 "sysctl \"kernel.panic\" is not in a separate kernel namespace"},
		{"{'HostConfig':{'Sysctls':{'net/../kernel.panic':'1'}}}",
		 "sysctl 'net/../kernel.panic' is not well-formed"},
		{"{'HostConfig':{'NetworkMode':'host','Sysctls':{'net.core.somaxconn':'1'}}}",
		 "sysctl \"net.core.somaxconn\" not allowed in host network namespace"},
		{"{'HostConfig':{'IpcMode':'host','Sysctls':{'kernel.sem':'1'}}}",
		 "sysctl \"kernel.sem\" not allowed in host IPC namespace"},
		{"{'HostConfig':{'DeviceCgroupRules':['c 1:3']}}",
		 "invalid device cgroup rule format: 'c 1:3'"},
		{"{'HostConfig':{'DeviceCgroupRules':['d 1:3 r']}}",
		 "invalid device cgroup rule format: 'd 1:3 r'"},
		{"{'HostConfig':{'DeviceCgroupRules':['c 1:3 rwmx']}}",
		 "invalid device cgroup rule format: 'c 1:3 rwmx'"},
		{"{'HostConfig':{'Devices':[{'PathOnHost':'/dev/null','CgroupPermissions':'x'}]}}",
		 "invalid device mode: x"},
	};

	each_is_refused(cases, ARRAY_SIZE(cases), ERR_INVALID);
}

TEST(what_comes_later_is_refused_by_name)
{
	static const struct bad cases[] = {
		{"{'HostConfig':{'StorageOpt':{'size':'1g'}}}",
		 "HostConfig.StorageOpt is not supported yet"},
		{"{'HostConfig':{'DeviceRequests':[{'Count':-1}]}}",
		 "HostConfig.DeviceRequests is not supported yet"},
		{"{'HostConfig':{'LogConfig':{'Type':'syslog'}}}",
		 "HostConfig.LogConfig: log driver \"syslog\" is not supported yet"},
	};

	each_is_refused(cases, ARRAY_SIZE(cases), ERR_NOT_SUPPORTED);
}

TEST(cpu_lists_are_read)
{
	bool set[CPU_LIST_MAX];

	assert_int_equal(cpu_list_parse("0-2,7", set), 0);
	assert_true(set[0] && set[1] && set[2] && !set[3] && set[7]);
	assert_true(cpu_list_parse("", set) < 0);
	assert_true(cpu_list_parse("1,", set) < 0);
	assert_true(cpu_list_parse("-1", set) < 0);
	assert_true(cpu_list_parse("0-99999999999999999999", set) < 0);
	assert_true(cpu_list_parse("1024", set) < 0);
}
