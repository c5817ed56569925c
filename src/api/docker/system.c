/* GET /_ping, /version, /info, /holdfast/restore */
#include <stdio.h>
#include <string.h>

#include "api/docker/docker.h"
#include "api/docker/host.h"
#include "base/log.h"
#include "runtime/runtime.h"

int ping(struct call *c, struct err *err)
{
	http_set_header(c->rq, "Builder-Version", "1"); /* 2 would be BuildKit */
	http_set_header(c->rq, "Swarm", "inactive");
	http_set_header(c->rq, "Cache-Control", "no-cache, no-store, must-revalidate");
	http_set_header(c->rq, "Pragma", "no-cache");
	/* A HEAD of docker's says length 0. */
	http_respond(c->rq, 200, "text/plain; charset=utf-8", "OK",
		     str_eq(http_method(c->rq), "HEAD") ? 0 : 2);
	return 0;
}

/* The version in a line like "crun version 1.8.1". */
static const char *version_word(const char *line)
{
	const char *p = line ? strstr(line, "version ") : NULL;

	return p ? p + 8 : line ? line : "";
}

int version(struct call *c, struct err *err)
{
	const struct runtime *rt = runtime_default(engine_runtimes(c->e));
	autoout o = {0};
	struct host h;

	host_look(&h);
	out_object(&o, NULL);
	out_object(&o, "Platform");
	out_str(&o, "Name", "Holdfast");
	out_end(&o);
	out_array(&o, "Components");
	out_object(&o, NULL);
	out_str(&o, "Name", "Engine");
	out_str(&o, "Version", HOLDFAST_VERSION);
	out_object(&o, "Details");
	out_str(&o, "ApiVersion", API_VERSION);
	out_str(&o, "Arch", h.go_arch);
	out_str(&o, "BuildTime", "");
	out_str(&o, "Experimental", "false");
	out_str(&o, "GitCommit", "");
	out_str(&o, "GoVersion", "");
	out_str(&o, "KernelVersion", h.kernel);
	out_str(&o, "MinAPIVersion", API_MIN_VERSION);
	out_str(&o, "Os", "linux");
	out_end(&o);
	out_end(&o);
	if (rt) {
		out_object(&o, NULL);
		out_str(&o, "Name", rt->name);
		out_str(&o, "Version", version_word(runtime_version(engine_runtimes(c->e), rt)));
		out_object(&o, "Details");
		out_str(&o, "GitCommit", "");
		out_end(&o);
		out_end(&o);
	}
	out_array_end(&o);
	out_str(&o, "Version", HOLDFAST_VERSION);
	out_str(&o, "ApiVersion", API_VERSION);
	out_str(&o, "MinAPIVersion", API_MIN_VERSION);
	out_str(&o, "GitCommit", "");
	out_str(&o, "GoVersion", "");
	out_str(&o, "Os", "linux");
	out_str(&o, "Arch", h.go_arch);
	out_str(&o, "KernelVersion", h.kernel);
	out_str(&o, "BuildTime", "");
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}

static void out_limits(struct out *o)
{
	const struct cgroup_features *f = cgroup_features();

	out_bool(o, "MemoryLimit", f->memory);
	out_bool(o, "SwapLimit", f->swap);
	out_bool(o, "KernelMemoryTCP", f->kernel_memory_tcp);
	out_bool(o, "CpuCfsPeriod", f->cpu_cfs);
	out_bool(o, "CpuCfsQuota", f->cpu_cfs);
	out_bool(o, "CPUShares", f->cpu_shares);
	out_bool(o, "CPUSet", f->cpuset);
	out_bool(o, "PidsLimit", f->pids);
	out_bool(o, "OomKillDisable", f->oom_kill_disable);
}

static void out_storage(struct out *o, const struct engine_options *opts)
{
	out_str(o, "Driver", "overlay2");
	out_array(o, "DriverStatus");
	out_array(o, NULL);
	out_str(o, NULL, "Backing Filesystem");
	out_str(o, NULL, host_filesystem(opts->data_root));
	out_array_end(o);
	out_array_end(o);
	out_str(o, "DockerRootDir", opts->data_root);
}

static void out_plugins(struct out *o)
{
	static const char *const logs[] = {"json-file", "none", NULL};
	static const char *const volumes[] = {"local", NULL};
	static const char *const networks[] = {"bridge", "host", "null", NULL};

	out_object(o, "Plugins");
	out_strv(o, "Volume", (char *const *) volumes);
	out_strv(o, "Network", (char *const *) networks);
	out_null(o, "Authorization");
	out_strv(o, "Log", (char *const *) logs);
	out_end(o);
}

static void out_runtimes(struct out *o, struct runtimes *rs)
{
	const struct runtime *rt;

	out_object(o, "Runtimes");
	for (size_t i = 0; (rt = runtime_at(rs, i)); i++) {
		out_object(o, rt->name);
		out_str(o, "path", rt->path);
		out_end(o);
	}
	out_end(o);
	rt = runtime_default(rs);
	out_str(o, "DefaultRuntime", rt ? rt->name : "");
}

static void out_registry(struct out *o)
{
	out_str(o, "IndexServerAddress", "https://index.docker.io/v1/");
	out_object(o, "RegistryConfig");
	out_array(o, "InsecureRegistryCIDRs");
	out_array_end(o);
	out_object(o, "IndexConfigs");
	out_object(o, "docker.io");
	out_str(o, "Name", "docker.io");
	out_array(o, "Mirrors");
	out_array_end(o);
	out_bool(o, "Secure", true);
	out_bool(o, "Official", true);
	out_end(o);
	out_end(o);
	out_array(o, "Mirrors");
	out_array_end(o);
	out_end(o);
}

static void out_swarm(struct out *o)
{
	out_object(o, "Swarm");
	out_str(o, "NodeID", "");
	out_str(o, "NodeAddr", "");
	out_str(o, "LocalNodeState", "inactive");
	out_bool(o, "ControlAvailable", false);
	out_str(o, "Error", "");
	out_null(o, "RemoteManagers");
	out_end(o);
}

static void out_commit(struct out *o, const char *key)
{
	out_object(o, key);
	out_str(o, "ID", "");
	out_str(o, "Expected", "");
	out_end(o);
}

static void out_security(struct out *o, const struct call *c, const struct host *h)
{
	out_array(o, "SecurityOptions");
	if (c->o->seccomp_profile)
		out_str(o, NULL,
			c->version < 42 ? "name=seccomp,profile=default"
					: "name=seccomp,profile=builtin");
	if (h->cgroup_namespace)
		out_str(o, NULL, "name=cgroupns");
	out_array_end(o);
}

static const char *cgroup_version(void)
{
	switch (cgroup_mode()) {
	case CGROUP_V2:
		return "2";
	case CGROUP_V1:
	case CGROUP_HYBRID:
		return "1";
	case CGROUP_NONE:
		break;
	}
	return "";
}

static void out_counts(struct out *o, struct engine *e)
{
	struct engine_counts n;

	engine_count(e, &n);
	out_int(o, "Containers", n.containers);
	out_int(o, "ContainersRunning", n.running);
	out_int(o, "ContainersPaused", n.paused);
	out_int(o, "ContainersStopped", n.stopped);
	out_int(o, "Images", n.images);
}

static void out_host(struct out *o, const struct host *h)
{
	out_str(o, "Name", h->name);
	out_str(o, "OperatingSystem", h->os_name);
	out_str(o, "OSVersion", h->os_version);
	out_str(o, "OSType", "linux");
	out_str(o, "Architecture", h->machine);
	out_str(o, "KernelVersion", h->kernel);
	out_int(o, "NCPU", h->cpus);
	out_int(o, "MemTotal", h->memory);
	out_bool(o, "IPv4Forwarding", h->ip_forward);
	out_bool(o, "BridgeNfIptables", h->bridge_iptables);
	out_bool(o, "BridgeNfIp6tables", h->bridge_ip6tables);
	out_int(o, "NFd", h->fds);
	out_int(o, "NGoroutines", h->threads);
}

int info(struct call *c, struct err *err)
{
	const struct engine_options *opts = engine_opts(c->e);
	autostrv char **labels = engine_labels(c->e);
	const char *init = c->o->init_path ? strrchr(c->o->init_path, '/') : NULL;
	char id[37];
	autoout o = {0};
	struct host h;

	host_look(&h);
	host_id(opts->data_root, id);
	out_object(&o, NULL);
	out_str(&o, "ID", id);
	out_counts(&o, c->e);
	out_storage(&o, opts);
	out_null(&o, "SystemStatus");
	out_plugins(&o);
	out_limits(&o);
	out_host(&o, &h);
	out_bool(&o, "Debug", log_enabled(LOG_LEVEL_DEBUG));
	out_time(&o, "SystemTime", now_ns());
	out_str(&o, "LoggingDriver", "json-file");
	out_str(&o, "CgroupDriver", cgroup_mode() == CGROUP_NONE ? "none" : "cgroupfs");
	out_str(&o, "CgroupVersion", cgroup_version());
	out_registry(&o);
	out_null(&o, "GenericResources");
	out_str(&o, "HttpProxy", "");
	out_str(&o, "HttpsProxy", "");
	out_str(&o, "NoProxy", "");
	out_strv(&o, "Labels", labels);
	out_bool(&o, "ExperimentalBuild", false);
	out_str(&o, "ServerVersion", HOLDFAST_VERSION);
	out_runtimes(&o, engine_runtimes(c->e));
	out_swarm(&o);
	out_bool(&o, "LiveRestoreEnabled", true);
	out_str(&o, "Isolation", "");
	out_str(&o, "InitBinary", init ? init + 1 : c->o->init_path);
	out_commit(&o, "ContainerdCommit");
	out_commit(&o, "RuncCommit");
	out_commit(&o, "InitCommit");
	out_security(&o, c, &h);
	out_str(&o, "ProductLicense", "");
	out_array(&o, "CDISpecDirs");
	out_array_end(&o);
	out_array(&o, "Warnings");
	out_array_end(&o);
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}

int restore_report(struct call *c, struct err *err)
{
	autofree char *text = engine_restore_report(c->e);

	if (!text)
		return err_set(err, ERR_NOT_FOUND, "The restore has not ended yet");
	http_respond(c->rq, 200, "application/json", text, strlen(text));
	return 0;
}
