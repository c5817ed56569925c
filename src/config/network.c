/* What a container has to do with networks: wishes, and places. */
#include "config/config.h"

#include <errno.h>
#include <string.h>

const struct field network_wish_fields[] = {
	FIELD(struct network_wish, "Network", FIELD_STR, network),
	FIELD_F(struct network_wish, "IPv4Address", FIELD_STR, ip, FIELD_OMIT),
	FIELD_F(struct network_wish, "IPv6Address", FIELD_STR, ip6, FIELD_OMIT),
	FIELD_F(struct network_wish, "LinkLocalIPs", FIELD_STRV, link_local, FIELD_OMIT),
	FIELD_F(struct network_wish, "MacAddress", FIELD_STR, mac, FIELD_OMIT),
	FIELD_F(struct network_wish, "Aliases", FIELD_STRV, aliases, FIELD_OMIT),
	FIELD_F(struct network_wish, "Links", FIELD_STRV, links, FIELD_OMIT),
	FIELD_F(struct network_wish, "DriverOpts", FIELD_MAP, driver_opts, FIELD_OMIT),
	FIELD_END,
};

/* In docker's shape the addresses are one level below. */
int network_wish_load(const char *network, const json_t *settings, struct network_wish *ret,
		      struct err *err)
{
	autojson json_t *flat = json_object();
	const json_t *ipam = json_object_get(settings, "IPAMConfig");
	struct network_wish w;

	fields_init(network_wish_fields, &w);
	if (settings && !json_is_null(settings) && !json_is_object(settings))
		return err_set(err, ERR_INVALID, "EndpointsConfig.%s: must be an object", network);
	if (json_is_object(settings))
		(void) json_object_update(flat, (json_t *) settings);
	if (json_is_object(ipam))
		(void) json_object_update(flat, (json_t *) ipam);
	if (fields_load(network_wish_fields, &w, flat, err) < 0) {
		fields_free(network_wish_fields, &w);
		return err_wrap(err, "EndpointsConfig.%s", network);
	}
	free(w.network);
	w.network = xstrdup(network);
	*ret = w;
	return 0;
}

const struct field port_mapping_fields[] = {
	FIELD(struct port_mapping, "Proto", FIELD_STR, proto),
	FIELD(struct port_mapping, "Port", FIELD_INT, port),
	FIELD(struct port_mapping, "HostIp", FIELD_STR, host_ip),
	FIELD(struct port_mapping, "HostPort", FIELD_INT, host_port),
	FIELD_END,
};

const struct field endpoint_fields[] = {
	FIELD(struct endpoint, "NetworkID", FIELD_STR, network_id),
	FIELD(struct endpoint, "Network", FIELD_STR, network),
	FIELD(struct endpoint, "EndpointID", FIELD_STR, id),
	FIELD(struct endpoint, "Interface", FIELD_STR, ifname),
	FIELD_F(struct endpoint, "HostInterface", FIELD_STR, host_ifname, FIELD_OMIT),
	FIELD_F(struct endpoint, "IPAddress", FIELD_STR, ip, FIELD_OMIT),
	FIELD_F(struct endpoint, "IPPrefixLen", FIELD_INT, prefix, FIELD_OMIT),
	FIELD_F(struct endpoint, "Gateway", FIELD_STR, gateway, FIELD_OMIT),
	FIELD_F(struct endpoint, "GlobalIPv6Address", FIELD_STR, ip6, FIELD_OMIT),
	FIELD_F(struct endpoint, "GlobalIPv6PrefixLen", FIELD_INT, prefix6, FIELD_OMIT),
	FIELD_F(struct endpoint, "IPv6Gateway", FIELD_STR, gateway6, FIELD_OMIT),
	FIELD_F(struct endpoint, "MacAddress", FIELD_STR, mac, FIELD_OMIT),
	FIELD_F(struct endpoint, "Names", FIELD_STRV, names, FIELD_OMIT),
	FIELD_F(struct endpoint, "Links", FIELD_STRV, links, FIELD_OMIT),
	FIELD_F(struct endpoint, "Resolvers", FIELD_STRV, resolvers, FIELD_OMIT),
	FIELD_F(struct endpoint, "Dns", FIELD_STR, dns, FIELD_OMIT),
	FIELD_SUB(struct endpoint, "Ports", FIELD_OBJECTS, ports, port_mapping_fields,
		  struct port_mapping, FIELD_OMIT),
	FIELD_END,
};

/* Ports */

int port_parse(const char *s, int64_t *ret_port, const char **ret_proto)
{
	static const char *const protos[] = {"tcp", "udp", "sctp"};
	autofree char *number = xstrndup(s, strcspn(s, "/"));
	const char *proto = s[strlen(number)] ? s + strlen(number) + 1 : "tcp";
	int64_t port;

	if (parse_i64(number, &port) < 0 || port < 1 || port > 65535)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
		if (str_eq(proto, protos[i])) {
			*ret_port = port;
			*ret_proto = protos[i];
			return 0;
		}
	return -EINVAL;
}

void port_wishes_free(struct port_wish *ports, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(ports[i].proto);
		free(ports[i].host_ip);
	}
	free(ports);
}

struct port_list {
	struct port_wish *items;
	size_t n;
};

static struct port_wish *add_wish(struct port_list *l, const char *proto, int64_t port)
{
	struct port_wish *w;

	l->items = xreallocarray(l->items, l->n + 1, sizeof *l->items);
	w = &l->items[l->n++];
	*w = (struct port_wish){.proto = xstrdup(proto), .port = port};
	return w;
}

/* "8080", "8000-8010", "" */
static int parse_range(const char *s, int64_t *ret_first, int64_t *ret_last)
{
	const char *dash = strchr(s, '-');
	autofree char *first = xstrndup(s, dash ? (size_t) (dash - s) : strlen(s));

	*ret_first = *ret_last = 0;
	if (str_empty(s))
		return 0;
	if (parse_i64(first, ret_first) < 0 || parse_i64(dash ? dash + 1 : first, ret_last) < 0 ||
	    *ret_first < 0 || *ret_last > 65535 || *ret_last < *ret_first)
		return -EINVAL;
	return 0;
}

static int add_binding(struct port_list *l, const char *key, const json_t *binding, struct err *err)
{
	const char *host_port = json_str(binding, "HostPort"), *proto;
	struct port_wish *w;
	int64_t port;

	if (port_parse(key, &port, &proto) < 0)
		return err_set(err, ERR_INVALID, "invalid port specification: \"%s\"", key);
	w = add_wish(l, proto, port);
	w->host_ip = xstrdup(json_str(binding, "HostIp"));
	if (!str_empty(w->host_ip) && !str_is_ip(w->host_ip))
		return err_set(err, ERR_INVALID, "invalid host IP: %s", w->host_ip);
	if (parse_range(host_port ?: "", &w->first, &w->last) < 0)
		return err_set(err, ERR_INVALID, "invalid port specification: \"%s\"", host_port);
	return 0;
}

static int add_bindings(struct port_list *l, const json_t *bindings, struct err *err)
{
	json_t *list, *binding;
	const char *key;
	size_t i;

	json_object_foreach ((json_t *) bindings, key, list) {
		/* One that is named without a binding may have any of the host's. */
		if (json_array_size(list) == 0 && add_binding(l, key, NULL, err) < 0)
			return -1;
		json_array_foreach (list, i, binding)
			if (add_binding(l, key, binding, err) < 0)
				return -1;
	}
	return 0;
}

static bool is_wished(const struct port_list *l, const char *proto, int64_t port)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].port == port && str_eq(l->items[i].proto, proto))
			return true;
	return false;
}

int port_wishes_load(const json_t *bindings, char *const *exposed, bool all, struct port_wish **ret,
		     size_t *ret_n, struct err *err)
{
	struct port_list l = {0};
	const char *proto;
	int64_t port;

	if (add_bindings(&l, bindings, err) < 0) {
		port_wishes_free(l.items, l.n);
		return -1;
	}
	for (; all && exposed && *exposed; exposed++)
		if (port_parse(*exposed, &port, &proto) == 0 && !is_wished(&l, proto, port))
			(void) add_wish(&l, proto, port);
	*ret = l.items;
	*ret_n = l.n;
	return 0;
}
