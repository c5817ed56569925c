/* GET /containers/{name}/json: all that is known of one container. */
#include <string.h>
#include <unistd.h>

#include "api/docker/docker.h"

void out_container_mounts(struct out *o, const struct objects *mounts)
{
	out_array(o, "Mounts");
	for (size_t i = 0; i < mounts->n; i++) {
		const struct mount_point *m = objects_at(mounts, struct mount_point, i);

		out_object(o, NULL);
		out_str(o, "Type", m->type);
		if (!str_empty(m->name))
			out_str(o, "Name", m->name);
		out_str(o, "Source", m->source);
		out_str(o, "Destination", m->destination);
		if (!str_empty(m->driver))
			out_str(o, "Driver", m->driver);
		out_str(o, "Mode", m->mode);
		out_bool(o, "RW", m->rw);
		out_str(o, "Propagation", m->propagation);
		out_end(o);
	}
	out_array_end(o);
}

/* Of the last start; before it comes what is wrong now. */
static void out_error(struct out *o, const struct container_view *v)
{
	const struct container_state *s = &v->state;

	if (s->cleanup)
		out_fmt(o, "Error", "clean-up pending, tried %lld times: %s",
			(long long) s->cleanup_tries, s->cleanup);
	else if (v->problem && (v->phase == PHASE_DEAD || str_empty(s->error)))
		out_str(o, "Error", v->problem);
	else
		out_str(o, "Error", s->error);
}

static void out_state(struct out *o, const struct container_view *v)
{
	const struct container_state *s = &v->state;
	const char *status = phase_docker_text(v->phase);
	bool restarting = str_eq(status, "restarting"), paused = str_eq(status, "paused");
	/* As docker has it, what is paused or between two runs is running too. */
	bool running = restarting || paused || str_eq(status, "running");

	out_object(o, "State");
	out_str(o, "Status", status);
	out_bool(o, "Running", running);
	out_bool(o, "Paused", paused);
	out_bool(o, "Restarting", restarting);
	out_bool(o, "OOMKilled", s->oom_killed);
	out_bool(o, "Dead", str_eq(status, "dead"));
	out_int(o, "Pid", running ? v->pid : 0);
	out_int(o, "ExitCode", running && !restarting ? 0 : s->exit_code);
	out_error(o, v);
	out_time(o, "StartedAt", s->started_ns);
	out_time(o, "FinishedAt", s->finished_ns);
	if (s->health)
		out_fields(o, "Health", container_health_view_fields, s->health);
	out_end(o);
}

static void out_args(struct out *o, const struct config *config)
{
	char *const *args;

	out_str(o, "Path", container_command(config, &args));
	out_array(o, "Args");
	for (; *args; args++)
		out_str(o, NULL, *args);
	if (config->entrypoint && *config->entrypoint) {
		for (args = config->cmd; args && *args; args++)
			out_str(o, NULL, *args);
	}
	out_array_end(o);
}

/* A file of the container's, "" where it is not there. */
static void out_path(struct out *o, const char *key, const char *root, const char *id,
		     const char *file)
{
	autofree char *path = xasprintf("%s/" LAYOUT_CONTAINERS "/%s/%s", root, id, file);

	out_str(o, key, access(path, F_OK) == 0 ? path : "");
}

static void out_graph(struct out *o, struct call *c, const struct container_view *v)
{
	const struct engine_options *opts = engine_opts(c->e);
	struct images *images = engine_images(c->e);
	auto_(image_unref_p) struct image *im = NULL;
	autobuf lower = {0};

	out_object(o, "GraphDriver");
	if (v->config && image_resolve(images, v->config->image_id, &im, NULL) == 0) {
		autostrv char **dirs = image_lower(images, im);

		for (char **d = dirs; d && *d; d++)
			buf_addf(&lower, "%s%s/%s", d == dirs ? "" : ":", images_layers_dir(images),
				 *d);
		out_object(o, "Data");
		out_str(o, "LowerDir", lower.text);
		out_fmt(o, "MergedDir",
			"%s/" LAYOUT_CONTAINERS "/%s/" LAYOUT_BUNDLE "/" LAYOUT_ROOTFS,
			opts->exec_root, v->id);
		out_fmt(o, "UpperDir", "%s/" LAYOUT_CONTAINERS "/%s/" LAYOUT_UPPER, opts->data_root,
			v->id);
		out_fmt(o, "WorkDir", "%s/" LAYOUT_CONTAINERS "/%s/" LAYOUT_WORK, opts->data_root,
			v->id);
		out_end(o);
	} else {
		out_null(o, "Data");
	}
	out_str(o, "Name", "overlay2");
	out_end(o);
}

/* What comes of the configuration: all of it empty where that could not be read. */
static void out_config(struct out *o, struct call *c, const struct container_view *v)
{
	const char *root = engine_opts(c->e)->data_root;
	const struct container_config *cc = v->config;
	static const struct objects no_mounts;
	struct host_config no_host = {0};
	struct config no_config = {0};

	fields_init(config_fields, &no_config);
	fields_init(host_config_fields, &no_host);
	out_time(o, "Created", cc ? cc->created_ns : 0);
	out_args(o, cc ? &cc->config : &no_config);
	out_str(o, "Image", cc ? cc->image_id : "");
	out_path(o, "ResolvConfPath", root, v->id, "resolv.conf");
	out_path(o, "HostnamePath", root, v->id, "hostname");
	out_path(o, "HostsPath", root, v->id, "hosts");
	out_path(o, "LogPath", root, v->id, LAYOUT_LOG);
	out_container_mounts(o, cc ? &cc->mounts : &no_mounts);
	out_fields(o, "Config", config_fields, cc ? &cc->config : &no_config);
	out_fields(o, "HostConfig", host_config_fields, cc ? &cc->host : &no_host);
	out_network_settings(o, c->e, v);
}

int container_inspect(struct call *c, struct err *err)
{
	struct container_view v;
	autoout o = {0};

	if (engine_inspect(c->e, c->name, param_bool(c, "size", false), &v, err) < 0)
		return -1;
	out_object(&o, NULL);
	out_str(&o, "Id", v.id);
	out_fmt(&o, "Name", "/%s", v.name);
	out_state(&o, &v);
	out_config(&o, c, &v);
	out_int(&o, "RestartCount", v.state.restart_count);
	out_str(&o, "Driver", "overlay2");
	out_str(&o, "Platform", "linux");
	out_str(&o, "MountLabel", "");
	out_str(&o, "ProcessLabel", "");
	out_str(&o, "AppArmorProfile", "");
	if (v.exec_ids)
		out_strv(&o, "ExecIDs", v.exec_ids);
	else
		out_null(&o, "ExecIDs");
	out_graph(&o, c, &v);
	if (v.size_rw >= 0)
		out_int(&o, "SizeRw", v.size_rw);
	if (v.size_rootfs >= 0)
		out_int(&o, "SizeRootFs", v.size_rootfs);
	out_end(&o);
	container_view_free(&v);
	answer_json(c, 200, &o);
	return 0;
}
