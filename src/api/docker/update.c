/* POST /containers/{name}/update */
#include "api/docker/docker.h"

/* Whole requests come with all members, most of them empty: those say nothing. */
static void drop_empty(json_t *body)
{
	json_t *value;
	const char *key;
	void *next;

	json_object_foreach_safe(body, next, key, value)
	{
		if ((json_is_array(value) && json_array_size(value) == 0) ||
		    (json_is_object(value) && json_object_size(value) == 0))
			json_object_del(body, key);
	}
}

/* Pids are the one limit that can be told from "not given" when it is zero. */
static void read_pids_limit(const struct call *c, struct host_config *wish)
{
	if (c->version < 40)
		wish->pids_limit = FIELD_UNSET;
	else if (wish->pids_limit != FIELD_UNSET && wish->pids_limit < 0)
		wish->pids_limit = 0;
}

int container_update(struct call *c, struct err *err)
{
	autojson json_t *body = NULL;
	autostrv char **warnings = NULL;
	struct host_config wish;
	autoout o = {0};
	int r;

	if (read_json(c, &body, err) < 0)
		return -1;
	drop_empty(body);
	fields_init(host_config_fields, &wish);
	r = fields_load(host_config_fields, &wish, body, err);
	read_pids_limit(c, &wish);
	if (r == 0)
		r = engine_update(c->e, c->name, &wish, &warnings, err);
	fields_free(host_config_fields, &wish);
	if (r < 0)
		return -1;

	out_object(&o, NULL);
	out_strv(&o, "Warnings", warnings);
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}
