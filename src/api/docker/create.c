/* POST /containers/create */
#include <string.h>
#include <strings.h>

#include "api/docker/docker.h"

/* The networks that are here: what is asked of another one cannot be given. "default" is what the
 * CLI writes where nothing was asked for. */
static int check_networking(const json_t *networking, struct err *err)
{
	static const char *const known[] = {"default", "none", "host", NULL};
	json_t *endpoints, *value;
	const char *name;

	if (!networking)
		return 0;
	if (!json_is_object(networking))
		return err_set(err, ERR_INVALID, "NetworkingConfig: must be an object");
	endpoints = body_member((json_t *) networking, "EndpointsConfig");
	if (endpoints && !json_is_object(endpoints))
		return err_set(err, ERR_INVALID,
			       "NetworkingConfig.EndpointsConfig: must be an object");
	json_object_foreach (endpoints, name, value) {
		if (!strv_contains((char *const *) known, name) &&
		    !str_has_prefix(name, "container:"))
			return err_set(err, ERR_NOT_SUPPORTED,
				       "NetworkingConfig.EndpointsConfig: network %.64s is not "
				       "supported yet: "
				       "the network modes none, host and container:<id> are",
				       name);
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
	req->networking = json_incref(body_member(body, "NetworkingConfig"));
	return check_networking(req->networking, err);
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
		json_decref(req.networking);
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
