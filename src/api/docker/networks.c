/* Networks: list, inspect, create, remove, connect, disconnect, prune, repair. */
#include <string.h>

#include "api/docker/docker.h"

static void out_members(struct out *o, const struct network_view *v)
{
	out_object(o, "Containers");
	for (size_t i = 0; i < v->n_members; i++) {
		const struct network_member *m = &v->members[i];
		const struct endpoint *ep = &m->endpoint;

		out_object(o, m->owner);
		out_str(o, "Name", m->owner_name);
		out_str(o, "EndpointID", ep->id);
		out_str(o, "MacAddress", ep->mac);
		if (str_empty(ep->ip))
			out_str(o, "IPv4Address", "");
		else
			out_fmt(o, "IPv4Address", "%s/%lld", ep->ip, (long long) ep->prefix);
		if (str_empty(ep->ip6))
			out_str(o, "IPv6Address", "");
		else
			out_fmt(o, "IPv6Address", "%s/%lld", ep->ip6, (long long) ep->prefix6);
		out_end(o);
	}
	out_end(o);
}

static void out_network(struct out *o, const struct network_view *v, bool members)
{
	const struct network_config *n = &v->config;
	char created[RFC3339_MAX];

	out_object(o, NULL);
	out_str(o, "Name", n->name);
	out_str(o, "Id", n->id);
	out_str(o, "Created", rfc3339_format(n->created_ns, created));
	out_str(o, "Scope", n->scope);
	out_str(o, "Driver", n->driver);
	out_bool(o, "EnableIPv6", n->enable_ipv6);
	out_fields(o, "IPAM", ipam_fields, &n->ipam);
	out_bool(o, "Internal", n->internal);
	out_bool(o, "Attachable", n->attachable);
	out_bool(o, "Ingress", false);
	out_object(o, "ConfigFrom");
	out_str(o, "Network", "");
	out_end(o);
	out_bool(o, "ConfigOnly", false);
	if (members) {
		out_members(o, v);
	} else {
		out_object(o, "Containers");
		out_end(o);
	}
	out_map(o, "Options", &n->options);
	out_map(o, "Labels", &n->labels);
	out_end(o);
}

static bool is_builtin(const struct network_config *n)
{
	return str_eq(n->name, "bridge") || str_eq(n->name, "host") || str_eq(n->name, "none");
}

/* Any of the values is part of the name: docker's way with networks. */
static bool matches_name(const struct filters *f, const char *name)
{
	const char *k, *v;

	if (!filters_has(f, "name"))
		return true;
	strmap_foreach (&f->pairs, k, v) {
		if (strcmp(k, "name") == 0 && strstr(name, v))
			return true;
	}
	return false;
}

static int check_type(const struct filters *f, struct err *err)
{
	const char *k, *v;

	strmap_foreach (&f->pairs, k, v) {
		if (strcmp(k, "type") == 0 && strcmp(v, "builtin") != 0 && strcmp(v, "custom") != 0)
			return err_set(err, ERR_INVALID, "invalid filter: 'type'='%.100s'", v);
	}
	return 0;
}

static int network_matches(const struct filters *f, const struct network_view *v, bool *ret,
			   struct err *err)
{
	const struct network_config *n = &v->config;
	bool dangling = false;

	if (filters_bool(f, "dangling", false, &dangling, err) < 0 || check_type(f, err) < 0)
		return -1;
	*ret = matches_name(f, n->name) && filters_match_prefix(f, "id", n->id) &&
	       filters_match(f, "driver", n->driver) && filters_match(f, "scope", n->scope) &&
	       filters_match(f, "type", is_builtin(n) ? "builtin" : "custom") &&
	       filters_match_labels(f, "label", &n->labels) &&
	       (!filters_has(f, "dangling") || dangling == (v->n_members == 0 && !is_builtin(n)));
	return 0;
}

int network_list(struct call *c, struct err *err)
{
	static const char *const keys[] = {"dangling", "driver", "id",	 "label",
					   "name",     "scope",	 "type", NULL};
	struct network_view *all = NULL;
	struct filters f = {0};
	autoout o = {0};
	size_t n = 0;
	int r;

	r = param_filters(c, keys, &f, err);
	if (r == 0)
		networks_list(engine_networks(c->e), &all, &n);
	out_array(&o, NULL);
	for (size_t i = 0; i < n; i++) {
		bool wanted = false;

		if (r == 0)
			r = network_matches(&f, &all[i], &wanted, err);
		if (wanted)
			out_network(&o, &all[i], false);
		network_view_free(&all[i]);
	}
	free(all);
	out_array_end(&o);
	filters_free(&f);
	if (r == 0)
		answer_json(c, 200, &o);
	return r;
}

int network_inspect(struct call *c, struct err *err)
{
	struct network_view v;
	autoout o = {0};

	if (network_find_members(engine_networks(c->e), c->name, &v, err) < 0)
		return -1;
	out_network(&o, &v, true);
	network_view_free(&v);
	answer_json(c, 200, &o);
	return 0;
}

/* What is not of one host, or not ours: nothing is made that is less than what was asked for. */
static int check_scope(struct call *c, json_t *body, struct err *err)
{
	const char *scope = json_string_value(body_member(body, "Scope"));
	const char *driver = json_string_value(body_member(body, "Driver"));
	json_t *from = body_member(body, "ConfigFrom");

	if (str_eq(scope, "swarm") || str_eq(driver, "overlay") ||
	    json_is_true(body_member(body, "Ingress")))
		return not_swarm(c, err);
	if (json_is_true(body_member(body, "ConfigOnly")) ||
	    !str_empty(json_string_value(body_member(from, "Network"))))
		return err_set(err, ERR_NOT_SUPPORTED,
			       "configuration networks (ConfigOnly, ConfigFrom) are not supported "
			       "yet");
	return 0;
}

int network_create_new(struct call *c, struct err *err)
{
	struct network_config config;
	autojson json_t *body = NULL;
	autofree char *id = NULL;
	autoout o = {0};
	int r;

	if (read_json(c, &body, err) < 0 || check_scope(c, body, err) < 0)
		return -1;
	fields_init(network_config_fields, &config);
	r = fields_load(network_config_fields, &config, body, err);
	json_decref(take(config.rest)); /* of a request, not of a file */
	if (r == 0)
		r = engine_network_create(c->e, &config, &id, err);
	fields_free(network_config_fields, &config);
	if (r < 0)
		return -1;
	out_object(&o, NULL);
	out_str(&o, "Id", id);
	out_str(&o, "Warning", "");
	out_end(&o);
	answer_json(c, 201, &o);
	return 0;
}

int network_remove_one(struct call *c, struct err *err)
{
	if (engine_network_remove(c->e, c->name, err) < 0)
		return -1;
	answer_empty(c, 204);
	return 0;
}

/* The container that a connect or disconnect is about. Borrowed from the body. */
static const char *body_container(json_t *body, struct err *err)
{
	const char *name = json_string_value(body_member(body, "Container"));

	if (str_empty(name))
		(void) err_set(err, ERR_INVALID, "invalid container name or ID: value is empty");
	return str_empty(name) ? NULL : name;
}

int network_connect(struct call *c, struct err *err)
{
	autojson json_t *body = NULL;
	const char *container;
	struct network_wish w;
	int r;

	if (read_json(c, &body, err) < 0)
		return -1;
	container = body_container(body, err);
	if (!container ||
	    network_wish_load(c->name, body_member(body, "EndpointConfig"), &w, err) < 0)
		return -1;
	r = engine_network_connect(c->e, c->name, container, &w, err);
	fields_free(network_wish_fields, &w);
	if (r == 0)
		answer_empty(c, 200);
	return r;
}

int network_disconnect(struct call *c, struct err *err)
{
	autojson json_t *body = NULL;
	const char *container;

	if (read_json(c, &body, err) < 0)
		return -1;
	container = body_container(body, err);
	if (!container ||
	    engine_network_disconnect(c->e, c->name, container,
				      json_is_true(body_member(body, "Force")), err) < 0)
		return -1;
	answer_empty(c, 200);
	return 0;
}

/* POST /holdfast/repair: what foreign hands have taken away of bridges and firewall comes again. */
int repair(struct call *c, struct err *err)
{
	if (networks_repair(engine_networks(c->e), true, err) < 0)
		return -1;
	answer_empty(c, 204);
	return 0;
}

int network_prune(struct call *c, struct err *err)
{
	static const char *const keys[] = {"until", "label", "label!", NULL};
	autostrv char **names = NULL;
	struct filters f = {0};
	autoout o = {0};
	int r;

	if (param_filters(c, keys, &f, err) < 0)
		return -1;
	r = engine_network_prune(c->e, &f, &names, err);
	filters_free(&f);
	if (r < 0)
		return -1;
	out_object(&o, NULL);
	if (names)
		out_strv(&o, "NetworksDeleted", names);
	else
		out_null(&o, "NetworksDeleted");
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}

int build_prune(struct call *c, struct err *err)
{
	autoout o = {0};

	out_object(&o, NULL);
	out_null(&o, "CachesDeleted");
	out_int(&o, "SpaceReclaimed", 0);
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}

int plugin_list(struct call *c, struct err *err)
{
	autoout o = {0};

	out_array(&o, NULL);
	out_array_end(&o);
	answer_json(c, 200, &o);
	return 0;
}

int plugin_missing(struct call *c, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "plugin \"%s\" not found", c->name);
}
