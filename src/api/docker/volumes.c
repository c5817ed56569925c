/* Volumes: list, inspect, create, remove, prune. */
#include <string.h>

#include "api/docker/docker.h"

static void out_map_or_null(struct out *o, const char *key, const struct strmap *m)
{
	if (m->kv && m->kv[0])
		out_map(o, key, m);
	else
		out_null(o, key);
}

static void out_volume(struct out *o, const struct volume *v)
{
	out_object(o, NULL);
	out_time(o, "CreatedAt", v->created_ns);
	out_str(o, "Driver", v->driver);
	out_map_or_null(o, "Labels", &v->labels);
	out_str(o, "Mountpoint", v->mountpoint);
	out_str(o, "Name", v->name);
	out_map_or_null(o, "Options", &v->options);
	out_str(o, "Scope", "local");
	if (v->problem) {
		out_object(o, "Status");
		out_str(o, "error", v->problem);
		out_end(o);
	}
	out_end(o);
}

static void answer_volume(struct call *c, int status, const struct volume *v)
{
	autoout o = {0};

	out_volume(&o, v);
	answer_json(c, status, &o);
}

int volume_list(struct call *c, struct err *err)
{
	struct volume **list;
	struct filters f = {0};
	autoout o = {0};
	size_t n;
	int r;

	if (param_filters(c, volume_filter_keys, &f, err) < 0)
		return -1;
	r = engine_volume_list(c->e, &f, &list, &n, err);
	filters_free(&f);
	if (r < 0)
		return r;
	out_object(&o, NULL);
	out_array(&o, "Volumes");
	for (size_t i = 0; i < n; i++)
		out_volume(&o, list[i]);
	out_array_end(&o);
	out_null(&o, "Warnings");
	out_end(&o);
	volume_list_free(list, n);
	answer_json(c, 200, &o);
	return 0;
}

int volume_inspect(struct call *c, struct err *err)
{
	auto_(volume_free_p) struct volume *v = NULL;

	if (engine_volume_inspect(c->e, c->name, &v, err) < 0)
		return -1;
	answer_volume(c, 200, v);
	return 0;
}

/* What POST /volumes/create is sent. */
struct create_body {
	char *name;
	char *driver;
	struct strmap options;
	struct strmap labels;
	json_t *cluster;
};

static const struct field create_body_fields[] = {
	FIELD(struct create_body, "Name", FIELD_STR, name),
	FIELD(struct create_body, "Driver", FIELD_STR, driver),
	FIELD(struct create_body, "DriverOpts", FIELD_MAP, options),
	FIELD(struct create_body, "Labels", FIELD_MAP, labels),
	FIELD(struct create_body, "ClusterVolumeSpec", FIELD_JSON, cluster),
	FIELD_END,
};

static void create_body_free(struct create_body *b)
{
	fields_free(create_body_fields, b);
}

int volume_create(struct call *c, struct err *err)
{
	auto_(create_body_free) struct create_body body = {0};
	auto_(volume_free_p) struct volume *v = NULL;
	autojson json_t *json = NULL;

	if (read_json(c, &json, err) < 0 || fields_load(create_body_fields, &body, json, err) < 0)
		return -1;
	if (body.cluster && !json_is_null(body.cluster))
		return not_swarm(c, err);
	if (engine_volume_create(c->e,
				 &(struct volume_request){.name = body.name,
							  .driver = body.driver,
							  .labels = &body.labels,
							  .options = &body.options},
				 &v, err) < 0)
		return -1;
	answer_volume(c, 201, v);
	return 0;
}

int volume_remove(struct call *c, struct err *err)
{
	if (engine_volume_remove(c->e, c->name, param_bool(c, "force", false), err) < 0)
		return -1;
	answer_empty(c, 204);
	return 0;
}

int volume_prune(struct call *c, struct err *err)
{
	struct filters f = {0};
	autostrv char **names = NULL;
	autoout o = {0};
	int64_t freed;
	int r;

	if (param_filters(c, volume_prune_filter_keys, &f, err) < 0)
		return -1;
	/* Before 1.42 there was no difference between volumes with and without a name. */
	r = engine_volume_prune(c->e, &f, c->version < 42, &names, &freed, err);
	filters_free(&f);
	if (r < 0)
		return r;
	out_object(&o, NULL);
	if (names)
		out_strv(&o, "VolumesDeleted", names);
	else
		out_null(&o, "VolumesDeleted");
	out_int(&o, "SpaceReclaimed", freed);
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}
