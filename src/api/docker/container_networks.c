/* What a container has to do with networks, as inspect and list show it: memberships and ports. */
#include <string.h>

#include "api/docker/docker.h"

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
	if (str_empty(w->ip) && str_empty(w->ip6) && !w->link_local) {
		out_null(o, "IPAMConfig");
	} else {
		out_object(o, "IPAMConfig");
		if (!str_empty(w->ip))
			out_str(o, "IPv4Address", w->ip);
		if (!str_empty(w->ip6))
			out_str(o, "IPv6Address", w->ip6);
		if (w->link_local)
			out_strv(o, "LinkLocalIPs", w->link_local);
		out_end(o);
	}
	if (w->links)
		out_strv(o, "Links", w->links);
	else
		out_null(o, "Links");
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

static void out_names(struct out *o, const char *key, char *const *names)
{
	if (strv_len(names))
		out_strv(o, key, names);
	else
		out_null(o, key);
}

/* The names by which it is found there: DNSNames, and Aliases, which until API 1.45 have those that
 * nobody asked for as well; compose looks for them. */
static void out_dns_names(struct out *o, const struct container_view *v,
			  const struct network_wish *w)
{
	autofree char *id = xstrndup(v->id, 12);
	const char *const own[] = {id, v->config ? v->config->config.hostname : NULL};
	static const char *const nameless[] = {"bridge", "host", "none", NULL};
	autostrv char **aliases = strv_copy(w->aliases), **names = NULL;

	if (!strv_contains((char *const *) nameless, w->network)) {
		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			if (!str_empty(own[i]) && !strv_contains(aliases, own[i]))
				strv_add(&aliases, own[i]);
		strv_add(&names, v->name);
		for (char **a = aliases; *a; a++)
			if (!strv_contains(names, *a))
				strv_add(&names, *a);
	}
	out_names(o, "Aliases", aliases);
	out_names(o, "DNSNames", names);
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
