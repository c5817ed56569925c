/* Networks, and what of them containers show. */
#include <string.h>

#include "api/docker/docker.h"

/* What a container has to do with its networks */

static const struct endpoint *find_endpoint(const struct objects *endpoints, const char *network)
{
	for (size_t i = 0; i < endpoints->n; i++) {
		const struct endpoint *ep = objects_at(endpoints, struct endpoint, i);

		if (str_eq(ep->network, network) || str_eq(ep->network_id, network))
			return ep;
	}
	return NULL;
}

static void out_wish(struct out *o, const struct network_wish *w)
{
	if (str_empty(w->ip) && str_empty(w->ip6)) {
		out_null(o, "IPAMConfig");
	} else {
		out_object(o, "IPAMConfig");
		if (!str_empty(w->ip))
			out_str(o, "IPv4Address", w->ip);
		if (!str_empty(w->ip6))
			out_str(o, "IPv6Address", w->ip6);
		out_end(o);
	}
	if (w->links)
		out_strv(o, "Links", w->links);
	else
		out_null(o, "Links");
	if (w->aliases)
		out_strv(o, "Aliases", w->aliases);
	else
		out_null(o, "Aliases");
	if (w->driver_opts.kv)
		out_map(o, "DriverOpts", &w->driver_opts);
	else
		out_null(o, "DriverOpts");
}

/* Docker's members of an endpoint; of none: empty ones. */
static void out_place(struct out *o, const struct endpoint *ep)
{
	out_str(o, "EndpointID", ep ? ep->id : "");
	out_str(o, "Gateway", ep ? ep->gateway : "");
	out_str(o, "IPAddress", ep ? ep->ip : "");
	out_int(o, "IPPrefixLen", ep ? ep->prefix : 0);
	out_str(o, "IPv6Gateway", ep ? ep->gateway6 : "");
	out_str(o, "GlobalIPv6Address", ep ? ep->ip6 : "");
	out_int(o, "GlobalIPv6PrefixLen", ep ? ep->prefix6 : 0);
	out_str(o, "MacAddress", ep ? ep->mac : "");
}

/* The names by which it is found there. */
static void out_dns_names(struct out *o, const struct container_view *v,
			  const struct network_wish *w)
{
	autostrv char **names = NULL;

	if (str_eq(w->network, "bridge")) {
		out_null(o, "DNSNames");
		return;
	}
	strv_add(&names, v->name);
	for (char **a = w->aliases; a && *a; a++)
		if (!strv_contains(names, *a))
			strv_add(&names, *a);
	strv_add_owned(&names, xstrndup(v->id, 12));
	out_strv(o, "DNSNames", names);
}

static void out_membership(struct out *o, struct engine *e, const struct container_view *v,
			   const struct network_wish *w)
{
	const struct endpoint *ep = find_endpoint(&v->endpoints, w->network);
	struct network_view n = {0};

	out_object(o, w->network);
	out_wish(o, w);
	if (ep)
		out_str(o, "NetworkID", ep->network_id);
	else if (network_find(engine_networks(e), w->network, &n, NULL) == 0)
		out_str(o, "NetworkID", n.config.id);
	else
		out_str(o, "NetworkID", "");
	network_view_free(&n);
	out_place(o, ep);
	out_dns_names(o, v, w);
	out_end(o);
}

void out_container_networks(struct out *o, struct engine *e, const struct container_view *v)
{
	static const char *const plain[] = {"none", "host"};
	const char *mode = v->config ? v->config->host.network_mode : "";
	struct network_wish w = {.network = (char *) mode};

	out_object(o, "Networks");
	for (size_t i = 0; v->config && i < v->config->networks.n; i++)
		out_membership(o, e, v, objects_at(&v->config->networks, struct network_wish, i));
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (str_eq(mode, plain[i]))
			out_membership(o, e, v, &w);
	out_end(o);
}

static const struct port_mapping *mapping_of(const struct objects *endpoints, const char *key,
					     size_t *at)
{
	const char *proto;
	int64_t port;
	size_t i = 0;

	if (port_parse(key, &port, &proto) < 0)
		return NULL;
	for (size_t k = 0; k < endpoints->n; k++) {
		const struct endpoint *ep = objects_at(endpoints, struct endpoint, k);

		for (size_t p = 0; p < ep->ports.n; p++) {
			const struct port_mapping *m =
				objects_at(&ep->ports, struct port_mapping, p);

			if (m->port == port && str_eq(m->proto, proto) && i++ == *at)
				return (*at)++, m;
		}
	}
	return NULL;
}

static void out_bindings(struct out *o, const struct objects *endpoints, const char *key)
{
	const struct port_mapping *m;
	size_t at = 0;

	m = mapping_of(endpoints, key, &at);
	if (!m) {
		out_null(o, key);
		return;
	}
	out_array(o, key);
	for (; m; m = mapping_of(endpoints, key, &at)) {
		out_object(o, NULL);
		out_str(o, "HostIp", m->host_ip);
		out_fmt(o, "HostPort", "%lld", (long long) m->host_port);
		out_end(o);
	}
	out_array_end(o);
}

/* The ports that it exposes or publishes, each once. strv, the caller's. */
static char **port_keys(const struct container_view *v)
{
	char **keys = v->config ? strv_copy(v->config->config.exposed_ports) : NULL;

	for (size_t k = 0; k < v->endpoints.n; k++) {
		const struct endpoint *ep = objects_at(&v->endpoints, struct endpoint, k);

		for (size_t p = 0; p < ep->ports.n; p++) {
			const struct port_mapping *m =
				objects_at(&ep->ports, struct port_mapping, p);
			autofree char *key = xasprintf("%lld/%s", (long long) m->port, m->proto);

			if (!strv_contains(keys, key))
				strv_add(&keys, key);
		}
	}
	return keys;
}

/* Inspect: {"80/tcp": [{"HostIp", "HostPort"}]}; null for what is exposed only. Empty of what is in
 * no network now. */
static void out_port_bindings(struct out *o, const struct container_view *v)
{
	autostrv char **keys = v->endpoints.n > 0 ? port_keys(v) : NULL;

	out_object(o, "Ports");
	for (char **k = keys; k && *k; k++)
		out_bindings(o, &v->endpoints, *k);
	out_end(o);
}

static void out_port(struct out *o, int64_t port, const char *proto, const struct port_mapping *m)
{
	out_object(o, NULL);
	if (m)
		out_str(o, "IP", m->host_ip);
	out_int(o, "PrivatePort", port);
	if (m)
		out_int(o, "PublicPort", m->host_port);
	out_str(o, "Type", proto);
	out_end(o);
}

/* List: an array of {IP, PrivatePort, PublicPort, Type}. */
void out_port_list(struct out *o, const struct container_view *v)
{
	autostrv char **keys = v->endpoints.n > 0 ? port_keys(v) : NULL;
	const struct port_mapping *m;
	const char *proto;
	int64_t port;

	out_array(o, "Ports");
	for (char **k = keys; k && *k; k++) {
		size_t at = 0;

		if (port_parse(*k, &port, &proto) < 0)
			continue;
		m = mapping_of(&v->endpoints, *k, &at);
		do
			out_port(o, port, proto, m);
		while (m && (m = mapping_of(&v->endpoints, *k, &at)));
	}
	out_array_end(o);
}

void out_network_settings(struct out *o, struct engine *e, const struct container_view *v)
{
	static const char *const texts[] = {"Bridge", "SandboxID", "SandboxKey",
					    "LinkLocalIPv6Address"};
	const struct endpoint *bridge = find_endpoint(&v->endpoints, "bridge");

	out_object(o, "NetworkSettings");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		out_str(o, texts[i], "");
	out_int(o, "LinkLocalIPv6PrefixLen", 0);
	out_bool(o, "HairpinMode", false);
	out_port_bindings(o, v);
	out_null(o, "SecondaryIPAddresses");
	out_null(o, "SecondaryIPv6Addresses");
	/* Docker's oldest members speak of the default bridge only. */
	out_place(o, bridge);
	out_container_networks(o, e, v);
	out_end(o);
}

/* Networks */

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

static int network_matches(const struct filters *f, const struct network_view *v, bool *ret,
			   struct err *err)
{
	const struct network_config *n = &v->config;
	bool dangling = false;

	if (filters_bool(f, "dangling", false, &dangling, err) < 0)
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

	if (network_find(engine_networks(c->e), c->name, &v, err) < 0)
		return -1;
	out_network(&o, &v, true);
	network_view_free(&v);
	answer_json(c, 200, &o);
	return 0;
}

int network_create_new(struct call *c, struct err *err)
{
	struct network_config config;
	autojson json_t *body = NULL;
	autofree char *id = NULL;
	autoout o = {0};
	int r;

	if (read_json(c, &body, err) < 0)
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
	if (networks_repair(engine_networks(c->e), err) < 0)
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
