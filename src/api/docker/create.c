/* POST /containers/create */
#include <string.h>
#include <strings.h>

#include "api/docker/docker.h"

/* NetworkingConfig.EndpointsConfig: which networks, and as what. */
static int load_networks(struct objects *ret, json_t *body, struct err *err)
{
	json_t *networking = body_member(body, "NetworkingConfig"), *endpoints, *value;
	const char *name;

	if (!networking)
		return 0;
	if (!json_is_object(networking))
		return err_set(err, ERR_INVALID, "NetworkingConfig: must be an object");
	endpoints = body_member(networking, "EndpointsConfig");
	if (endpoints && !json_is_object(endpoints))
		return err_set(err, ERR_INVALID,
			       "NetworkingConfig.EndpointsConfig: must be an object");
	json_object_foreach (endpoints, name, value) {
		struct network_wish w;

		if (network_wish_load(name, value, &w, err) < 0)
			return -1;
		ret->items = xreallocarray(ret->items, ret->n + 1, sizeof w);
		*objects_at(ret, struct network_wish, ret->n++) = w;
	}
	return 0;
}

/* "Memory: must be ..." -> "HostConfig.Memory: must be ..." */
static int load_host_config(struct host_config *host, json_t *body, struct err *err)
{
	json_t *j = body_member(body, "HostConfig");
	struct err inner = {0};

	if (!j || fields_load(host_config_fields, host, j, &inner) == 0)
		return 0;
	return json_is_object(j) ? err_set(err, inner.kind, "HostConfig.%s", inner.text)
				 : err_set(err, ERR_INVALID, "HostConfig: must be an object");
}

/* Is there anything of Config in it? Docker refuses a body that has none. */
static bool has_config(json_t *body)
{
	json_t *value;
	const char *key;

	json_object_foreach (body, key, value) {
		if (strcasecmp(key, "HostConfig") != 0 && strcasecmp(key, "NetworkingConfig") != 0)
			return true;
	}
	return false;
}

static int load_request(struct create_request *req, json_t *body, struct err *err)
{
	if (!has_config(body))
		return err_set(err, ERR_INVALID,
			       "config cannot be empty in order to create a container");
	if (fields_load(config_fields, &req->config, body, err) < 0 ||
	    load_host_config(&req->host, body, err) < 0)
		return -1;
	return load_networks(&req->networks, body, err);
}

int container_create(struct call *c, struct err *err)
{
	struct create_request req = {
		.name = http_query(c->rq, "name"),
		.platform = http_query(c->rq, "platform"),
	};
	autojson json_t *body = NULL;
	autofree char *id = NULL;
	autostrv char **warnings = NULL;
	autoout o = {0};

	if (read_json(c, &body, err) < 0)
		return -1;
	fields_init(config_fields, &req.config);
	fields_init(host_config_fields, &req.host);
	if (load_request(&req, body, err) < 0) {
		fields_free(config_fields, &req.config);
		fields_free(host_config_fields, &req.host);
		fields_objects_free(network_wish_fields, &req.networks,
				    sizeof(struct network_wish));
		return -1;
	}
	if (c->version < 44) /* which brought it */
		req.config.healthcheck.start_interval_ns = 0;
	if (engine_create(c->e, &req, &id, &warnings, err) < 0)
		return -1;

	out_object(&o, NULL);
	out_str(&o, "Id", id);
	out_strv(&o, "Warnings", warnings);
	out_end(&o);
	answer_json(c, 201, &o);
	return 0;
}
