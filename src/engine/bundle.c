/*
 * What a shim finds in its exec directory: the bundle's config.json, and shim.conf. Everything here
 * is made anew for each start by the daemon, and is read by the shim only.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "spec/spec.h"
#include "wire/shim_config.h"

/* The paths that a spec points to; owned here so that one clean-up frees them. */
struct paths {
	char *hostname, *hosts, *resolv_conf, *pid_ns, *ipc_ns, *net_ns, *cgroup, *shm;
	char **roots;
	char **join; /* shim_config's */
	struct objects devices;
};

static void paths_free(struct paths *p)
{
	char **all[] = {&p->hostname, &p->hosts,  &p->resolv_conf, &p->pid_ns,
			&p->ipc_ns,   &p->net_ns, &p->cgroup,	   &p->shm};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(*all[i]);
	strv_free(p->roots);
	strv_free(p->join);
	devices_free(&p->devices);
}

/* "container:<id>" in a namespace mode: that container must run. Its shim is asked again before
 * each run who its init is (shim/join.h); the bundle names where that is bound. */
static int join(struct engine *e, const char *id, const char *mode, const char *what,
		const char *type, struct paths *p, char **ret_path, struct err *err)
{
	auto_(container_unref_p) struct container *other = NULL;

	if (!mode || !str_has_prefix(mode, "container:"))
		return 0;
	if (container_lookup(e->store, mode + strlen("container:"), &other, err) < 0)
		return err_wrap(err, "cannot join %s", what);
	hold(&other->lock);
	if (!phase_is_alive(other->phase))
		return err_set(err, ERR_CONFLICT, "cannot join %s of a non running container: %s",
			       what, mode + strlen("container:"));
	strv_add_owned(&p->join,
		       xasprintf("%s %s %lld %lld", type, other->id, (long long) other->disk.pid,
				 (long long) other->disk.pid_ticks));
	*ret_path =
		xasprintf("%s/" LAYOUT_CONTAINERS "/%s/" LAYOUT_BUNDLE "/" LAYOUT_NS_PREFIX "%s",
			  e->o.exec_root, id, type);
	return 0;
}

static int find_namespaces(struct engine *e, const char *id, const struct config *config,
			   const struct host_config *host, struct paths *p, struct err *err)
{
	/* Its own, which the shim binds there. */
	if (is_networked(config, host))
		p->net_ns = xasprintf("%s/" LAYOUT_CONTAINERS "/%s/" LAYOUT_BUNDLE
				      "/" LAYOUT_NS_PREFIX "net",
				      e->o.exec_root, id);
	if (join(e, id, host->network_mode, "network", "net", p, &p->net_ns, err) < 0 ||
	    join(e, id, host->pid_mode, "PID namespace", "pid", p, &p->pid_ns, err) < 0)
		return -1;
	return join(e, id, host->ipc_mode, "IPC", "ipc", p, &p->ipc_ns, err);
}

/* A shareable /dev/shm must outlive mount namespaces to be joined, so it is the one mount we make
 * on the host; the exec root it lies on is private, and release unmounts it. */
static int mount_shm(struct engine *e, const char *id, const struct host_config *host,
		     struct paths *p, struct err *err)
{
	autofree char *options = NULL;
	const char *owner = host->ipc_mode ? host->ipc_mode : "";
	auto_(container_unref_p) struct container *other = NULL;

	if (str_has_prefix(owner, "container:")) {
		if (container_lookup(e->store, owner + strlen("container:"), &other, err) < 0)
			return -1;
		p->shm = xasprintf("%s/" LAYOUT_CONTAINERS "/%s/shm", e->o.exec_root, other->id);
		return 0;
	}
	if (strcmp(owner, "shareable") != 0)
		return 0;
	p->shm = xasprintf("%s/" LAYOUT_CONTAINERS "/%s/shm", e->o.exec_root, id);
	options = xasprintf("mode=1777,size=%lld", (long long) host->shm_size);
	if (mkdir(p->shm, 01777) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make %s", p->shm);
	if (mount("shm", p->shm, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return err_sys(err, errno, "mount %s", p->shm);
	return 0;
}

static char **rootfs_dirs(struct engine *e, const char *id, char *const *lower)
{
	char **roots = NULL;

	strv_add_owned(&roots,
		       xasprintf("%s/" LAYOUT_CONTAINERS "/%s/" LAYOUT_UPPER, e->o.data_root, id));
	for (; lower && *lower; lower++)
		strv_add_owned(&roots, xasprintf("%s/%s", images_layers_dir(e->images), *lower));
	return roots;
}

static int find_paths(struct engine *e, struct container *c, const struct container_config *config,
		      char *const *lower, int data, struct paths *p, struct err *err)
{
	const char *base = e->o.data_root, *id = config->id, *named = id;
	auto_(container_unref_p) struct container *owner = NULL;

	if (find_devices(e, config, &p->devices, err) < 0 ||
	    find_namespaces(e, id, &config->config, &config->host, p, err) < 0 ||
	    mount_shm(e, id, &config->host, p, err) < 0)
		return -1;
	/* With another container's network come its names: the very same files. */
	if (config->host.network_mode && str_has_prefix(config->host.network_mode, "container:")) {
		if (container_lookup(e->store, config->host.network_mode + strlen("container:"),
				     &owner, err) < 0)
			return -1;
		named = owner->id;
	} else if (netfiles_write(e, c, config, data, err) < 0) {
		return -1;
	}
	p->hostname = xasprintf("%s/" LAYOUT_CONTAINERS "/%s/hostname", base, named);
	p->hosts = xasprintf("%s/" LAYOUT_CONTAINERS "/%s/hosts", base, named);
	p->resolv_conf = xasprintf("%s/" LAYOUT_CONTAINERS "/%s/resolv.conf", base, named);
	p->cgroup = container_cgroup_path(e, config);
	p->roots = rootfs_dirs(e, id, lower);
	return 0;
}

int exec_process(struct engine *e, const struct container_config *config,
		 const struct exec_config *exec, char **ret, struct err *err)
{
	auto_(image_unref_p) struct image *image = NULL;
	autostrv char **link_env = links_env(e, config);
	autostrv char **lower = NULL;
	autostrv char **roots = NULL;

	if (image_resolve(e->images, config->image_id, &image, err) < 0)
		return -1;
	lower = image_lower(e->images, image);
	roots = rootfs_dirs(e, config->id, lower);

	const struct spec_input in = {
		.id = config->id,
		.name = config->name,
		.config = &config->config,
		.host = &config->host,
		.mounts = &config->mounts,
		.roots = roots,
		.link_env = link_env,
	};

	return spec_exec(&in, exec, ret, err);
}

/* What the shim runs for a probe: the same each time, so it is written once a run. */
static int write_health(const struct spec_input *in, int exec_dir, struct err *err)
{
	autostrv char **argv = health_argv(in->config);
	struct exec_config exec = {.cmd = argv};
	autofree char *text = NULL;

	if (!argv)
		return 0;
	if (spec_exec(in, &exec, &text, err) < 0)
		return -1;
	return save_file_at(exec_dir, LAYOUT_BUNDLE "/" BUNDLE_HEALTH, text, strlen(text),
			    SAVE_ATOMIC, err);
}

static int write_spec(struct engine *e, const struct container_config *config,
		      const struct paths *p, int exec_dir, char **ret_unlearned, struct err *err)
{
	autostrv char **link_env = links_env(e, config);
	const struct spec_input in = {
		.filters = e->filters,
		.id = config->id,
		.name = config->name,
		.config = &config->config,
		.host = &config->host,
		.mounts = &config->mounts,
		.devices = &p->devices,
		.roots = p->roots,
		.link_env = link_env,
		.cgroup_path = p->cgroup,
		.hostname_path = p->hostname,
		.hosts_path = p->hosts,
		.resolv_conf_path = p->resolv_conf,
		.pid_ns = p->pid_ns,
		.ipc_ns = p->ipc_ns,
		.net_ns = p->net_ns,
		.init_path = spec_init_path(),
		.shm_path = p->shm,
	};
	autofree char *text = NULL;
	autostrv char **warnings = NULL;

	if (spec_build(&in, &text, ret_unlearned, &warnings, err) < 0)
		return -1;
	for (char **w = warnings; w && *w; w++)
		log_warn("container %.12s (%s): %s", config->id, config->name, *w);
	if (save_file_at(exec_dir, LAYOUT_BUNDLE "/" BUNDLE_CONFIG, text, strlen(text), SAVE_ATOMIC,
			 err) < 0)
		return -1;
	return write_health(&in, exec_dir, err);
}

static int log_limits(const struct log_config *log, struct shim_config *sc, struct err *err)
{
	const char *size = strmap_get(&log->options, "max-size"),
		   *files = strmap_get(&log->options, "max-file");

	sc->log_file = !str_eq(log->type, "none");
	sc->log_max_files = 1;
	if (size && parse_size(size, &sc->log_max_size) < 0)
		return err_set(err, ERR_INVALID, "invalid value for max-size: %s", size);
	if (files && (parse_i64(files, &sc->log_max_files) < 0 || sc->log_max_files < 1))
		return err_set(err, ERR_INVALID, "invalid value for max-file: %s", files);
	return 0;
}

static int write_shim_conf(struct engine *e, struct container *c,
			   const struct container_config *config, char **lower, char **join,
			   int exec_dir, struct err *err)
{
	const struct runtime *rt = runtime_find(e->runtimes, config->runtime);
	const struct host_config *host = &config->host;
	autofree char *cgroup = container_cgroup_path(e, config);
	autobuf text = {0};

	if (!rt)
		return err_set(err, ERR_INVALID, "unknown or invalid runtime name: %s",
			       config->runtime);

	struct shim_config sc = {
		.id = c->id,
		.runtime = rt->path,
		.runtime_root = rt->root,
		.cgroup = cgroup,
		.layers_dir = (char *) images_layers_dir(e->images),
		.lower = lower,
		.join = join,
		.tty = config->config.tty,
		.open_stdin = config->config.open_stdin,
		.stdin_once = config->config.stdin_once,
		.restart_max = host->restart.max_retries,
	};

	if (restart_name_parse(host->restart.name ?: "", &sc.restart) < 0)
		return err_set(err, ERR_INVALID, "invalid restart policy '%s'", host->restart.name);
	if (log_limits(&host->log, &sc, err) < 0)
		return -1;
	{
		hold(&c->lock);
		if (restart_is_policy_start_locked(c)) {
			sc.restart_count = c->state.restart_count;
			sc.restart_delay_ns = c->state.restart_delay_ns;
		}
	}
	shim_config_format(&text, &sc);
	return save_file_at(exec_dir, LAYOUT_SHIM_CONF, text.text, text.len, SAVE_ATOMIC, err);
}

/* overlay's own directories; those of a container that ran before hold its files. */
static int make_overlay_dirs(int data, struct err *err)
{
	static const char *const names[] = {LAYOUT_UPPER, LAYOUT_WORK};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat st;

		if (mkdirat(data, names[i], 0755) == 0)
			continue;
		if (errno != EEXIST || fstatat(data, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, errno, "make %s", names[i]);
		/* A link would have the container write into somebody else's. */
		if (!S_ISDIR(st.st_mode))
			return err_sys(err, ENOTDIR, "%s of the container", names[i]);
	}
	return 0;
}

/* -v makes a missing directory on the host, as docker's does. */
static int make_bind_sources(const struct container_config *config, struct err *err)
{
	for (size_t i = 0; i < config->mounts.n; i++) {
		const struct mount_point *m = objects_at(&config->mounts, struct mount_point, i);
		int r = m->create_source && !exists_at(AT_FDCWD, m->source)
				? mkdir_p(m->source, 0755)
				: 0;

		if (r < 0)
			return err_sys(err, -r, "error while creating mount source path '%s'",
				       m->source);
	}
	return 0;
}

int bundle_prepare(struct engine *e, struct container *c, const struct container_config *config,
		   int data_dir, int exec_dir, char **ret_unlearned, struct err *err)
{
	auto_(paths_free) struct paths p = {0};
	auto_(image_unref_p) struct image *image = NULL;
	autostrv char **lower = NULL;

	if (image_resolve(e->images, config->image_id, &image, err) < 0)
		return -1;
	lower = image_lower(e->images, image);
	if (make_overlay_dirs(data_dir, err) < 0 || make_bind_sources(config, err) < 0)
		return -1;
	if (find_paths(e, c, config, lower, data_dir, &p, err) < 0 ||
	    write_spec(e, config, &p, exec_dir, ret_unlearned, err) < 0)
		return -1;
	return write_shim_conf(e, c, config, lower, p.join, exec_dir, err);
}

int bundle_prepare_idle(struct engine *e, struct container *c,
			const struct container_config *config, int exec_dir, struct err *err)
{
	return write_shim_conf(e, c, config, NULL, NULL, exec_dir, err);
}
