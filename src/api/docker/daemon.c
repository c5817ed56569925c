/* The daemon itself: GET and POST /holdfast/upgrade, POST and DELETE /holdfast/shutdown, and the
 * event of a reload. */
#include "api/docker/docker.h"
#include "api/docker/host.h"
#include "base/log.h"

/* The answer is the next daemon's: it finds the question for the report in this one's place. */
int upgrade_begin(struct call *c, struct err *err)
{
	if (ignore_body(c, err) < 0)
		return -1;
	if (!c->o->upgrade)
		return err_set(err, ERR_NOT_SUPPORTED, "this daemon cannot be upgraded live");
	if (c->o->upgrade(c->o->upgrade_arg, err) < 0)
		return -1;
	http_serve_next(c->rq, "GET /holdfast/upgrade HTTP/1.1\r\nHost: holdfast\r\n\r\n");
	return 0;
}

int upgrade_report(struct call *c, struct err *err)
{
	autoout o = {0};

	if (c->o->upgrade_error)
		return err_set(err, ERR_SYSTEM, "the upgrade failed, the former daemon goes on: %s",
			       c->o->upgrade_error);
	out_object(&o, NULL);
	out_str(&o, "Version", HOLDFAST_VERSION);
	out_str(&o, "From", c->o->upgraded_from ?: "");
	out_time(&o, "StartedAt", c->o->started_ns);
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}

int shutdown_begin(struct call *c, struct err *err)
{
	if (ignore_body(c, err) < 0 || engine_shutdown(c->e, err) < 0)
		return -1;
	answer_empty(c, 204);
	return 0;
}

int shutdown_cancel(struct call *c, struct err *err)
{
	if (engine_shutdown_cancel(c->e, err) < 0)
		return -1;
	answer_empty(c, 204);
	return 0;
}

static char *labels_text(struct engine *e)
{
	autostrv char **labels = engine_labels(e);
	struct out o = {0};

	out_strv(&o, NULL, labels);
	return buf_take(&o.b);
}

static char *runtimes_text(struct engine *e)
{
	const struct runtime *rt;
	autobuf b = {0};

	for (size_t i = 0; (rt = runtime_at(engine_runtimes(e), i)); i++)
		buf_addf(&b, "%s%s:{%s}", b.len ? " " : "", rt->name, rt->path);
	return buf_take(&b);
}

/* dockerd's attributes, as far as there is such a thing here. */
void api_tell_reload(struct api *a)
{
	struct engine *e = a->options.engine;
	const struct runtime *rt = runtime_default(engine_runtimes(e));
	autofree char *labels = labels_text(e), *runtimes = runtimes_text(e);
	char id[37];
	struct event ev = {
		.time_ns = now_ns(),
		.type = (char *) "daemon",
		.action = (char *) "reload",
		.id = id,
	};
	struct host h;

	host_look(&h);
	host_id(engine_opts(e)->data_root, id);
	strmap_set(&ev.attributes, "debug", log_enabled(LOG_LEVEL_DEBUG) ? "true" : "false");
	strmap_set(&ev.attributes, "default-runtime", rt ? rt->name : "");
	strmap_set(&ev.attributes, "labels", labels);
	strmap_set(&ev.attributes, "live-restore", "true");
	strmap_set(&ev.attributes, "name", h.name);
	strmap_set(&ev.attributes, "runtimes", runtimes);
	events_publish(engine_events(e), &ev);
	strv_free(ev.attributes.kv);
}
