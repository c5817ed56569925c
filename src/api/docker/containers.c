/* Containers: list, the plain verbs, prune. */
#include <string.h>

#include "api/docker/docker.h"

/* What runs in it, and with which arguments. "" where there is nothing. */
const char *container_command(const struct config *config, char *const **ret_args)
{
	static char *const none[] = {NULL};
	char **entry = config->entrypoint, **cmd = config->cmd;

	*ret_args = none;
	if (entry && *entry) {
		/* Entrypoint's own arguments come first; callers that want those of Cmd append
		 * them. */
		*ret_args = entry + 1;
		return entry[0];
	}
	if (cmd && *cmd) {
		*ret_args = cmd + 1;
		return cmd[0];
	}
	return "";
}

static void add_args(struct buf *b, char *const *args)
{
	for (; args && *args; args++)
		buf_addf(b, strchr(*args, ' ') ? " '%s'" : " %s", *args);
}

/* The command line as `ps` shows it. */
static void out_command(struct out *o, const struct config *config)
{
	char *const *args;
	autobuf b = {0};

	buf_adds(&b, container_command(config, &args));
	add_args(&b, args);
	if (config->entrypoint && *config->entrypoint)
		add_args(&b, config->cmd);
	out_str(o, "Command", b.text);
}

/* Names that have been looked up already in this list: most containers come of few images. */
struct image_memory {
	char *name;
	char *id; /* NULL: there is no such image */
};

/* Docker shows the name by which the container was made as long as it still means that image, else
 * the id. */
static void out_image(struct out *o, struct images *images, const struct container_config *cc,
		      struct image_memory *memory)
{
	const char *name = cc->config.image ? cc->config.image : "";

	if (!memory->name || strcmp(memory->name, name) != 0) {
		auto_(image_unref_p) struct image *im = NULL;

		free(memory->id);
		free(memory->name);
		memory->name = xstrdup(name);
		memory->id = image_resolve(images, name, &im, NULL) == 0 ? xstrdup(im->id) : NULL;
	}
	out_str(o, "Image", !memory->id || str_eq(memory->id, cc->image_id) ? name : cc->image_id);
	out_str(o, "ImageID", cc->image_id);
}

struct list {
	struct out o;
	struct engine *e;
	struct image_memory memory;
	int64_t now;
};

static void out_summary(void *arg, const struct container_view *v)
{
	struct list *l = arg;
	struct out *o = &l->o;
	const struct container_config *cc = v->config;
	static const struct strmap no_labels;
	static const struct objects no_mounts;
	char status[160];

	container_view_status(v, l->now, status, sizeof status);
	out_object(o, NULL);
	out_str(o, "Id", v->id);
	out_array(o, "Names");
	out_fmt(o, NULL, "/%s", v->name);
	out_array_end(o);
	if (cc) {
		out_image(o, engine_images(l->e), cc, &l->memory);
		out_command(o, &cc->config);
	} else {
		out_str(o, "Image", "");
		out_str(o, "ImageID", "");
		out_str(o, "Command", "");
	}
	out_int(o, "Created", cc ? cc->created_ns / NSEC_PER_SEC : 0);
	out_port_list(o, v);
	if (v->size_rw >= 0)
		out_int(o, "SizeRw", v->size_rw);
	if (v->size_rootfs >= 0)
		out_int(o, "SizeRootFs", v->size_rootfs);
	out_map(o, "Labels", cc ? &cc->config.labels : &no_labels);
	out_str(o, "State", phase_docker_text(v->phase));
	out_str(o, "Status", status);
	out_object(o, "HostConfig");
	out_str(o, "NetworkMode", cc ? cc->host.network_mode : "");
	out_end(o);
	out_object(o, "NetworkSettings");
	out_container_networks(o, l->e, v);
	out_end(o);
	out_container_mounts(o, cc ? &cc->mounts : &no_mounts);
	out_end(o);
}

int container_list(struct call *c, struct err *err)
{
	struct list_query q = {.all = param_bool(c, "all", false),
			       .size = param_bool(c, "size", false)};
	struct list l = {.e = c->e, .now = now_ns()};
	int r;

	if (param_int(c, "limit", 0, &q.limit, err) < 0 ||
	    param_filters(c, container_filter_keys, &q.filters, err) < 0)
		return -1;
	out_array(&l.o, NULL);
	r = engine_list(c->e, &q, out_summary, &l, err);
	out_array_end(&l.o);
	if (r == 0)
		answer_json(c, 200, &l.o);
	filters_free(&q.filters);
	free(l.memory.id);
	free(l.memory.name);
	out_free(&l.o);
	return r;
}

/* 204, or the engine's error. */
static int done(struct call *c, int r)
{
	if (r == 0)
		answer_empty(c, 204);
	return r;
}

int container_start(struct call *c, struct err *err)
{
	const char *length = http_header(c->rq, "Content-Length");
	int64_t n = 0;

	if (!str_empty(http_query(c->rq, "checkpoint")))
		return err_set(err, ERR_NOT_SUPPORTED, "checkpoints are not supported yet");
	/* A body was the host configuration once. "{}" and "null" come from clients that always
	 * send one. */
	if (http_header(c->rq, "Transfer-Encoding") ||
	    (length && parse_i64(length, &n) == 0 && n > 7))
		return err_set(
			err, ERR_INVALID,
			"starting container with non-empty request body was deprecated since API "
			"v1.22 and removed in v1.24");
	return done(c, engine_start(c->e, c->name, err));
}

typedef int stop_fn(struct engine *e, const char *ref, int64_t timeout_s, const char *signal,
		    struct err *err);

static int stop_or_restart(struct call *c, stop_fn *fn, struct err *err)
{
	/* Before 1.42 there was no such parameter. */
	const char *signal = c->version >= 42 ? http_query(c->rq, "signal") : NULL;
	int64_t timeout_s;

	if (param_int(c, "t", ENGINE_TIMEOUT_DEFAULT, &timeout_s, err) < 0)
		return -1;
	return done(c, fn(c->e, c->name, timeout_s, str_empty(signal) ? NULL : signal, err));
}

int container_stop(struct call *c, struct err *err)
{
	return stop_or_restart(c, engine_stop, err);
}

int container_restart(struct call *c, struct err *err)
{
	return stop_or_restart(c, engine_restart, err);
}

int container_kill(struct call *c, struct err *err)
{
	const char *signal = http_query(c->rq, "signal");

	return done(c, engine_kill(c->e, c->name, str_empty(signal) ? NULL : signal, err));
}

int container_pause(struct call *c, struct err *err)
{
	return done(c, engine_pause(c->e, c->name, err));
}

int container_unpause(struct call *c, struct err *err)
{
	return done(c, engine_unpause(c->e, c->name, err));
}

int container_rename(struct call *c, struct err *err)
{
	const char *name = http_query(c->rq, "name");

	if (str_empty(name))
		return err_set(err, ERR_INVALID, "Neither old nor new names may be empty");
	return done(c, engine_rename(c->e, c->name, name, err));
}

int container_remove(struct call *c, struct err *err)
{
	if (param_bool(c, "link", false))
		return err_set(err, ERR_NOT_SUPPORTED, "removing links is not supported yet");
	return done(c, engine_remove(c->e, c->name, param_bool(c, "force", false),
				     param_bool(c, "v", false), err));
}

int container_prune(struct call *c, struct err *err)
{
	static const char *const keys[] = {"until", "label", "label!", NULL};
	struct filters f = {0};
	autostrv char **ids = NULL;
	autoout o = {0};
	int64_t freed;
	int r;

	if (param_filters(c, keys, &f, err) < 0)
		return -1;
	r = engine_prune(c->e, &f, &ids, &freed, err);
	filters_free(&f);
	if (r < 0)
		return r;
	out_object(&o, NULL);
	if (ids && *ids)
		out_strv(&o, "ContainersDeleted", ids);
	else
		out_null(&o, "ContainersDeleted");
	out_int(&o, "SpaceReclaimed", freed);
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}
