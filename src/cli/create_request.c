/* What the flags of `run` and `create` ask for; see create.h. */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/create.h"

#define FILE_MAX (4 * 1024 * 1024)

static char *copy_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

/* variables and labels ----------------------------------------------------------------------- */

/* -e NAME without a value hands ours on; where we have none, the daemon drops NAME. */
static void add_env(char ***env, const char *text)
{
	const char *ours = strchr(text, '=') ? NULL : getenv(text);

	strv_add_owned(env, ours ? xasprintf("%s=%s", text, ours) : xstrdup(text));
}

/* A line of a file of variables or labels. A bare name takes our value where env is meant, else "".
 */
static int add_line(char ***to, char *line, bool env, const char *file, struct err *err)
{
	size_t name;

	while (isspace((unsigned char) *line))
		line++;
	if (!*line || *line == '#')
		return 0;
	name = strcspn(line, "=");
	if (name == 0)
		return err_set(err, ERR_INVALID, "no variable name on line '%s' of %s", line, file);
	if (strcspn(line, " \t") < name)
		return err_set(err, ERR_INVALID, "variable '%.*s' of %s contains whitespaces",
			       (int) name, line, file);
	if (line[name] == '=')
		strv_add(to, line);
	else if (env && getenv(line))
		strv_add_owned(to, xasprintf("%s=%s", line, getenv(line)));
	else if (!env)
		strv_add(to, line);
	return 0;
}

static int add_file(char ***to, const char *file, bool env, struct err *err)
{
	autofree char *text = NULL;
	autostrv char **lines = NULL;
	int r = read_file_at(AT_FDCWD, file, FILE_MAX, &text, NULL);

	if (r < 0)
		return err_sys(err, -r, "open %s", file);
	lines = strv_split(str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text, '\n');
	for (char **line = lines; line && *line; line++) {
		size_t n = strlen(*line);

		if (n && (*line)[n - 1] == '\r')
			(*line)[n - 1] = '\0';
		if (add_line(to, *line, env, file, err) < 0)
			return -1;
	}
	return 0;
}

static int set_env(const struct create_options *o, struct config *c, struct err *err)
{
	for (char **file = o->env_files; file && *file; file++)
		if (add_file(&c->env, *file, true, err) < 0)
			return -1;
	for (char **e = o->env; e && *e; e++) {
		if (!**e || **e == '=')
			return err_set(err, ERR_INVALID, "invalid environment variable: %s", *e);
		add_env(&c->env, *e);
	}
	return 0;
}

/* "key=value" or "key" into a map. */
void set_pair(struct strmap *map, const char *text)
{
	const char *equals = strchr(text, '=');
	autofree char *key = equals ? xstrndup(text, (size_t) (equals - text)) : xstrdup(text);

	strmap_set(map, key, equals ? equals + 1 : "");
}

static void set_pairs(struct strmap *map, char **texts)
{
	for (; texts && *texts; texts++)
		set_pair(map, *texts);
}

static int set_strict_pairs(struct strmap *map, char **texts, const char *flag, struct err *err)
{
	for (; texts && *texts; texts++) {
		if (!strchr(*texts, '=') || **texts == '=')
			return err_set(err, ERR_INVALID,
				       "invalid argument \"%s\" for \"--%s\": not name=value",
				       *texts, flag);
		set_pair(map, *texts);
	}
	return 0;
}

static int set_labels(const struct create_options *o, struct config *c, struct err *err)
{
	autostrv char **lines = NULL;

	for (char **file = o->label_files; file && *file; file++)
		if (add_file(&lines, *file, false, err) < 0)
			return -1;
	set_pairs(&c->labels, lines);
	set_pairs(&c->labels, o->labels);
	return 0;
}

/* Config ------------------------------------------------------------------------------------- */

static int set_health(const struct create_options *o, struct healthcheck *h, struct err *err)
{
	bool given = o->health_cmd || o->health_interval || o->health_timeout ||
		     o->health_retries || o->health_start_period || o->health_start_interval;

	if (o->no_healthcheck && given)
		return err_set(err, ERR_INVALID,
			       "--no-healthcheck conflicts with --health-* options");
	if (o->no_healthcheck)
		strv_add(&h->test, "NONE");
	if (!str_empty(o->health_cmd)) {
		strv_add(&h->test, "CMD-SHELL");
		strv_add(&h->test, o->health_cmd);
	}
	h->interval_ns = o->health_interval;
	h->timeout_ns = o->health_timeout;
	h->start_period_ns = o->health_start_period;
	h->start_interval_ns = o->health_start_interval;
	h->retries = o->health_retries;
	return 0;
}

static int fill_config(const struct create_options *o, char **args, int n_args, struct config *c,
		       struct err *err)
{
	c->image = xstrdup(args[0]);
	for (int i = 1; i < n_args; i++)
		strv_add(&c->cmd, args[i]);
	if (o->entrypoint) /* "" takes the image's away */
		strv_add(&c->entrypoint, o->entrypoint);
	c->hostname = copy_or_null(o->hostname);
	c->domainname = copy_or_null(o->domainname);
	c->user = copy_or_null(o->user);
	c->working_dir = copy_or_null(o->workdir);
	c->stop_signal = copy_or_null(o->stop_signal);
	c->stop_timeout_s = o->stop_timeout_s;
	c->tty = o->tty;
	c->open_stdin = o->interactive;
	c->mac_address = copy_or_null(o->mac_address);
	if (set_env(o, c, err) < 0 || set_labels(o, c, err) < 0 ||
	    set_health(o, &c->healthcheck, err) < 0)
		return -1;
	return 0;
}

/* HostConfig --------------------------------------------------------------------------------- */

static int set_restart(const char *text, struct restart_policy *p, struct err *err)
{
	const char *colon = text ? strchr(text, ':') : NULL;

	if (!text)
		text = "no";
	p->name = colon ? xstrndup(text, (size_t) (colon - text)) : xstrdup(text);
	if (!colon)
		return 0;
	if (!str_eq(p->name, "on-failure") || parse_i64(colon + 1, &p->max_retries) < 0 ||
	    p->max_retries < 0)
		return err_set(
			err, ERR_INVALID,
			"invalid restart policy \"%s\": a maximum goes with on-failure only, as in "
			"on-failure:3",
			text);
	return 0;
}

/* The daemon is sent the profile itself, since the file is ours. */
static int add_security_opt(const char *text, struct host_config *h, struct err *err)
{
	const char *file = str_has_prefix(text, "seccomp=") ? text + strlen("seccomp=") : NULL;
	autofree char *profile = NULL;
	autojson json_t *json = NULL;
	autofree char *compact = NULL;
	int r;

	if (str_eq(text, "systempaths=unconfined")) {
		h->masked_paths = xcalloc(1, sizeof(char *));
		h->readonly_paths = xcalloc(1, sizeof(char *));
		return 0;
	}
	if (!file || str_eq(file, "unconfined") || str_eq(file, "builtin") || str_empty(file)) {
		strv_add(&h->security_opt, text);
		return 0;
	}
	r = read_file_at(AT_FDCWD, file, FILE_MAX, &profile, NULL);
	if (r < 0)
		return err_sys(err, -r, "opening seccomp profile (%s) failed", file);
	json = json_loads(profile, 0, NULL);
	if (!json)
		return err_set(err, ERR_INVALID, "seccomp profile (%s) is not JSON", file);
	compact = json_text(json);
	strv_add_owned(&h->security_opt, xasprintf("seccomp=%s", compact));
	return 0;
}

static int set_files(const struct create_options *o, struct config *c, struct host_config *h,
		     struct err *err)
{
	for (char **v = o->volumes; v && *v; v++)
		if (volume_parse(*v, &h->binds, &c->volumes, err) < 0)
			return -1;
	for (char **m = o->mounts; m && *m; m++)
		if (mount_parse(*m, &h->mounts, err) < 0)
			return -1;
	for (char **t = o->tmpfs; t && *t; t++)
		tmpfs_parse(*t, &h->tmpfs);
	for (char **d = o->devices; d && *d; d++)
		if (device_parse(*d, &h->devices, err) < 0)
			return -1;
	h->volumes_from = strv_copy(o->volumes_from);
	h->volume_driver = copy_or_null(o->volume_driver);
	h->device_cgroup_rules = strv_copy(o->device_cgroup_rules);
	h->readonly_rootfs = o->read_only;
	h->shm_size = o->shm_size;
	return set_strict_pairs(&h->storage_opt, o->storage_opts, "storage-opt", err);
}

static int set_throttles(char **texts, bool bytes, struct objects *to, struct err *err)
{
	for (; texts && *texts; texts++)
		if (throttle_parse(*texts, bytes, to, err) < 0)
			return -1;
	return 0;
}

static int set_resources(const struct create_options *o, struct host_config *h, struct err *err)
{
	h->memory = o->memory;
	h->memory_swap = o->memory_swap;
	h->memory_reservation = o->memory_reservation;
	h->memory_swappiness = o->memory_swappiness;
	h->kernel_memory = o->kernel_memory;
	h->nano_cpus = o->nano_cpus;
	h->cpu_shares = o->cpu_shares;
	h->cpu_period = o->cpu_period;
	h->cpu_quota = o->cpu_quota;
	h->cpu_realtime_period = o->cpu_rt_period;
	h->cpu_realtime_runtime = o->cpu_rt_runtime;
	h->cpuset_cpus = copy_or_null(o->cpuset_cpus);
	h->cpuset_mems = copy_or_null(o->cpuset_mems);
	h->pids_limit = o->pids_limit;
	h->blkio_weight = o->blkio_weight;
	h->oom_kill_disable = o->oom_kill_disable;
	for (char **u = o->ulimits; u && *u; u++)
		if (ulimit_parse(*u, &h->ulimits, err) < 0)
			return -1;
	for (char **w = o->blkio_weight_devices; w && *w; w++)
		if (weight_parse(*w, &h->blkio_weight_device, err) < 0)
			return -1;
	if (set_throttles(o->read_bps, true, &h->blkio_device_read_bps, err) < 0 ||
	    set_throttles(o->write_bps, true, &h->blkio_device_write_bps, err) < 0 ||
	    set_throttles(o->read_iops, false, &h->blkio_device_read_iops, err) < 0 ||
	    set_throttles(o->write_iops, false, &h->blkio_device_write_iops, err) < 0)
		return -1;
	return 0;
}

static int set_rights(const struct create_options *o, struct host_config *h, struct err *err)
{
	h->privileged = o->privileged;
	h->cap_add = strv_copy(o->cap_add);
	h->cap_drop = strv_copy(o->cap_drop);
	h->group_add = strv_copy(o->group_add);
	h->pid_mode = copy_or_null(o->pid);
	h->ipc_mode = copy_or_null(o->ipc);
	h->uts_mode = copy_or_null(o->uts);
	h->userns_mode = copy_or_null(o->userns);
	h->cgroupns_mode = copy_or_null(o->cgroupns);
	h->cgroup_parent = copy_or_null(o->cgroup_parent);
	h->runtime = copy_or_null(o->runtime);
	h->isolation = copy_or_null(o->isolation);
	h->init = o->init;
	h->oom_score_adj = o->oom_score_adj;
	for (char **s = o->security_opts; s && *s; s++)
		if (add_security_opt(*s, h, err) < 0)
			return -1;
	return set_strict_pairs(&h->sysctls, o->sysctls, "sysctl", err);
}

static int set_networking(const struct create_options *o, struct config *c, struct host_config *h,
			  struct err *err)
{
	h->network_mode = xstrdup(o->networks ? o->networks[0] : "default");
	h->dns = strv_copy(o->dns);
	h->dns_options = strv_copy(o->dns_options);
	h->dns_search = strv_copy(o->dns_search);
	h->links = strv_copy(o->links);
	h->publish_all_ports = o->publish_all;
	for (char **host = o->extra_hosts; host && *host; host++) {
		char *copy = xstrdup(*host);
		char *equals = strchr(copy, '=');

		/* host=ip is the newer way to write it, of use for IPv6; the API has host:ip. */
		if (equals)
			*equals = ':';
		strv_add_owned(&h->extra_hosts, copy);
		if (!strchr(copy, ':'))
			return err_set(err, ERR_INVALID, "bad format for add-host: \"%s\"", *host);
	}
	if (o->publish)
		h->port_bindings = json_object();
	for (char **p = o->publish; p && *p; p++)
		if (publish_parse(*p, h->port_bindings, &c->exposed_ports, err) < 0)
			return -1;
	for (char **p = o->expose; p && *p; p++)
		if (expose_parse(*p, &c->exposed_ports, err) < 0)
			return -1;
	return 0;
}

static int fill_host(const struct create_options *o, struct config *c, struct host_config *h,
		     struct err *err)
{
	h->auto_remove = o->rm;
	h->log.type = copy_or_null(o->log_driver);
	set_pairs(&h->annotations, o->annotations);
	if (o->cidfile)
		h->container_id_file = xstrdup(o->cidfile);
	if (set_restart(o->restart, &h->restart, err) < 0 ||
	    set_strict_pairs(&h->log.options, o->log_opts, "log-opt", err) < 0 ||
	    set_files(o, c, h, err) < 0 || set_resources(o, h, err) < 0 ||
	    set_rights(o, h, err) < 0 || set_networking(o, c, h, err) < 0)
		return -1;
	if (o->rm && !str_eq(h->restart.name, "no"))
		return err_set(err, ERR_INVALID,
			       "conflicting options: cannot specify both --restart and --rm");
	return 0;
}

/* NetworkingConfig, where more than the network's name was said; else NULL. */
static json_t *networking(const struct create_options *o)
{
	bool several = strv_len(o->networks) > 1;
	json_t *endpoints, *first;

	if (!several && !o->network_aliases && !o->ip && !o->ip6 && !o->mac_address)
		return NULL;
	endpoints = json_object();
	first = json_object();
	if (o->network_aliases) {
		json_t *aliases = json_array();

		for (char **a = o->network_aliases; *a; a++)
			json_array_append_new(aliases, json_string(*a));
		json_object_set_new(first, "Aliases", aliases);
	}
	if (o->mac_address)
		json_object_set_new(first, "MacAddress", json_string(o->mac_address));
	if (o->ip || o->ip6)
		json_object_set_new(
			first, "IPAMConfig",
			json_pack("{s:s*, s:s*}", "IPv4Address", o->ip, "IPv6Address", o->ip6));
	json_object_set_new(endpoints, o->networks ? o->networks[0] : "default", first);
	for (size_t i = 1; i < strv_len(o->networks); i++)
		json_object_set_new(endpoints, o->networks[i], json_object());
	return json_pack("{s:o}", "EndpointsConfig", endpoints);
}

int create_request(const struct create_options *o, char **args, int n_args, json_t **ret,
		   struct err *err)
{
	struct config c;
	struct host_config h;
	json_t *net;
	int r;

	fields_init(config_fields, &c);
	fields_init(host_config_fields, &h);
	r = fill_config(o, args, n_args, &c, err);
	if (r == 0)
		r = fill_host(o, &c, &h, err);
	if (r == 0) {
		*ret = fields_save(config_fields, &c);
		json_object_set_new(*ret, "HostConfig", fields_save(host_config_fields, &h));
		net = networking(o);
		if (net)
			json_object_set_new(*ret, "NetworkingConfig", net);
	}
	fields_free(config_fields, &c);
	fields_free(host_config_fields, &h);
	return r;
}

int update_request(const struct create_options *o, json_t **ret, struct err *err)
{
	struct host_config h, nothing;
	json_t *body = json_object();
	int r;

	fields_init(host_config_fields, &h);
	fields_init(host_config_fields, &nothing);
	r = set_resources(o, &h, err);
	if (r == 0 && o->restart)
		r = set_restart(o->restart, &h.restart, err);
	for (const struct field *f = host_config_fields; f->name; f++) {
		const struct field one[] = {*f, FIELD_END};

		if (!fields_equal(one, &h, &nothing))
			fields_save_into(one, &h, body);
	}
	fields_free(host_config_fields, &h);
	if (r == 0 && json_object_size(body) == 0)
		r = err_set(err, ERR_INVALID,
			    "update: nothing to change: give one flag or more, as in --memory 1g");
	if (r < 0) {
		json_decref(body);
		return r;
	}
	*ret = body;
	return 0;
}
