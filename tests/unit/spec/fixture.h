/* A request made from JSON, as the API would. */
#pragma once

#include "spec/private.h"
#include "test.h"

struct request {
	struct config config;
	struct host_config host;
};

/* text: the body of a create request, with ' for ". */
__attribute__((unused)) static struct request request(const char *text)
{
	autofree char *quoted = xstrdup(text);
	struct request r;
	struct err err = {0};
	autojson json_t *json = NULL;
	const json_t *host;

	for (char *c = quoted; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	json = json_loads(quoted, 0, NULL);
	assert_non_null(json);
	host = json_object_get(json, "HostConfig");
	fields_init(config_fields, &r.config);
	fields_init(host_config_fields, &r.host);
	assert_int_equal(fields_load(config_fields, &r.config, json, &err), 0);
	if (host)
		assert_int_equal(fields_load(host_config_fields, &r.host, host, &err), 0);
	return r;
}

__attribute__((unused)) static void request_free(struct request *r)
{
	fields_free(config_fields, &r->config);
	fields_free(host_config_fields, &r->host);
}

#define autorequest auto_(request_free) struct request
