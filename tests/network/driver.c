/*
 * The networks without a daemon, for tests/network/: commands on stdin, a line each, answered by a
 * line of JSON: {"error": ...} where it failed.
 *
 *	network-driver DATA_ROOT [INSTANCE]
 *	create NETWORK-JSON		{"id"}
 *	remove REF
 *	find REF			the network, with its members
 *	list				without them
 *	attach WISH-JSON		the endpoint; its namespace is the file "netns"
 *	detach {"owner","endpoint"}
 *	claim {"owner","endpoint"}
 *	repair
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "network/network.h"

static struct networks *ns;

static json_t *view_json(const struct network_view *v)
{
	json_t *json = fields_save(network_config_fields, &v->config), *members = json_array();

	for (size_t i = 0; v->members && i < v->n_members; i++) {
		json_t *m = fields_save(endpoint_fields, &v->members[i].endpoint);

		json_object_set_new(m, "Owner", json_string(v->members[i].owner));
		json_object_set_new(m, "OwnerName", json_string(v->members[i].owner_name));
		json_array_append_new(members, m);
	}
	json_object_set_new(json, "Members", members);
	return json;
}

static json_t *create(const json_t *arg, struct err *err)
{
	struct network_config config;
	autofree char *id = NULL;
	int r;

	fields_init(network_config_fields, &config);
	r = fields_load(network_config_fields, &config, arg, err);
	if (r == 0)
		r = network_create(ns, &config, &id, err);
	fields_free(network_config_fields, &config);
	return r < 0 ? NULL : json_pack("{s:s}", "id", id);
}

static json_t *find(const char *ref, struct err *err)
{
	struct network_view v;
	json_t *json;

	if (network_find_members(ns, ref, &v, err) < 0)
		return NULL;
	json = view_json(&v);
	network_view_free(&v);
	return json;
}

static json_t *list(void)
{
	json_t *json = json_array();
	struct network_view *v;
	size_t n;

	networks_list(ns, &v, &n);
	for (size_t i = 0; i < n; i++) {
		json_array_append_new(json, view_json(&v[i]));
		network_view_free(&v[i]);
	}
	free(v);
	return json;
}

static struct port_wish *read_ports(const json_t *list, size_t *ret_n)
{
	size_t n = json_array_size(list);
	struct port_wish *ports = xcalloc(n + 1, sizeof *ports);

	for (size_t i = 0; i < n; i++) {
		const json_t *p = json_array_get(list, i);

		ports[i] = (struct port_wish){
			.proto = (char *) json_str(p, "proto"),
			.port = json_int(p, "port", 0),
			.host_ip = (char *) json_str(p, "host_ip"),
			.first = json_int(p, "first", 0),
			.last = json_int(p, "last", 0),
		};
	}
	*ret_n = n;
	return ports;
}

static json_t *attach(const json_t *arg, struct err *err)
{
	autoclose int netns = open(json_str(arg, "netns"), O_RDONLY | O_CLOEXEC);
	autofree struct port_wish *ports = NULL;
	struct endpoint_wish w = {
		.network = json_str(arg, "network"),
		.owner = json_str(arg, "owner"),
		.owner_name = json_str(arg, "owner"),
		.ifname = json_str(arg, "ifname") ?: "eth0",
		.ip = json_str(arg, "ip"),
		.ip6 = json_str(arg, "ip6"),
		.mac = json_str(arg, "mac"),
		.default_route = true,
	};
	struct endpoint e;
	json_t *json;

	if (netns < 0)
		return (void) err_sys(err, errno, "open netns"), NULL;
	ports = read_ports(json_object_get(arg, "ports"), &w.n_ports);
	w.ports = ports;
	if (network_attach(ns, &w, netns, &e, err) < 0)
		return NULL;
	json = fields_save(endpoint_fields, &e);
	fields_free(endpoint_fields, &e);
	return json;
}

static json_t *claim_or_detach(const json_t *arg, bool claim, struct err *err)
{
	const char *owner = json_str(arg, "owner");
	struct endpoint e;

	fields_init(endpoint_fields, &e);
	if (fields_load(endpoint_fields, &e, json_object_get(arg, "endpoint"), err) < 0)
		return NULL;
	if (claim)
		network_claim(ns, owner, owner, &e);
	else
		network_detach(ns, owner, &e, -1);
	fields_free(endpoint_fields, &e);
	return json_object();
}

static json_t *run(const char *verb, const char *rest, struct err *err)
{
	autojson json_t *arg = json_loads(rest, 0, NULL);

	if (str_eq(verb, "create"))
		return create(arg, err);
	if (str_eq(verb, "remove"))
		return network_remove(ns, rest, err) < 0 ? NULL : json_object();
	if (str_eq(verb, "find"))
		return find(rest, err);
	if (str_eq(verb, "list"))
		return list();
	if (str_eq(verb, "attach"))
		return attach(arg, err);
	if (str_eq(verb, "claim") || str_eq(verb, "detach"))
		return claim_or_detach(arg, str_eq(verb, "claim"), err);
	if (str_eq(verb, "repair") || str_eq(verb, "restore"))
		return networks_repair(ns, str_eq(verb, "repair"), err) < 0 ? NULL : json_object();
	return (void) err_set(err, ERR_INVALID, "unknown verb %s", verb), NULL;
}

int main(int argc, char **argv)
{
	const struct network_options o = {
		.data_root = argv[1],
		.exec_root = argv[1],
		.dns = "none",
		.instance = argc > 2 ? argv[2] : "",
		.default_bridge = "holdfast0",
	};
	struct err err = {0};
	char line[65536];

	if (networks_open(&o, &ns, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	while (fgets(line, sizeof line, stdin)) {
		autojson json_t *answer = NULL;
		autofree char *text = NULL;
		char *rest;

		line[strcspn(line, "\n")] = '\0';
		rest = line + strcspn(line, " ");
		if (*rest)
			*rest++ = '\0';
		err = (struct err){0};
		answer = run(line, rest, &err);
		if (!answer)
			answer = json_pack("{s:s, s:i}", "error", err.text, "kind", err.kind);
		text = json_text(answer);
		puts(text);
		(void) fflush(stdout);
	}
	networks_close(ns);
	return 0;
}
