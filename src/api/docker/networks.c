/*
 * Networks, as far as they are there: none and host, which every host has; and what there is none
 * of. What is not here is not found, and what cannot be made yet is refused (router.c).
 */
#include <string.h>

#include "api/docker/docker.h"

static const struct network {
	const char *name;
	const char *id; /* sha256 of "holdfast-network-<name>" */
	const char *driver;
} networks[] = {
	{"none", "2d3e5287e109e42263af1c735b279c978c79e4fa1247eafaec46ffdd276700e7", "null"},
	{"host", "c0f1b7f6507b1b6216c0fdcca09a0d0cc64ab276cf6c91f0b01d6c3037342d3d", "host"},
};

void out_container_networks(struct out *o, const char *network_mode)
{
	static const char *const texts[] = {"MacAddress", "EndpointID",	 "Gateway",
					    "IPAddress",  "IPv6Gateway", "GlobalIPv6Address"};

	out_object(o, "Networks");
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		if (!str_eq(networks[i].name, network_mode))
			continue;
		out_object(o, networks[i].name);
		out_null(o, "IPAMConfig");
		out_null(o, "Links");
		out_null(o, "Aliases");
		out_null(o, "DriverOpts");
		out_null(o, "DNSNames");
		out_str(o, "NetworkID", networks[i].id);
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
			out_str(o, texts[k], "");
		out_int(o, "IPPrefixLen", 0);
		out_int(o, "GlobalIPv6PrefixLen", 0);
		out_end(o);
	}
	out_end(o);
}

static void out_network(struct out *o, const char *key, const struct network *n)
{
	out_object(o, key);
	out_str(o, "Name", n->name);
	out_str(o, "Id", n->id);
	out_time(o, "Created", 0);
	out_str(o, "Scope", "local");
	out_str(o, "Driver", n->driver);
	out_bool(o, "EnableIPv6", false);
	out_object(o, "IPAM");
	out_str(o, "Driver", "default");
	out_null(o, "Options");
	out_array(o, "Config");
	out_array_end(o);
	out_end(o);
	out_bool(o, "Internal", false);
	out_bool(o, "Attachable", false);
	out_bool(o, "Ingress", false);
	out_object(o, "ConfigFrom");
	out_str(o, "Network", "");
	out_end(o);
	out_bool(o, "ConfigOnly", false);
	out_object(o, "Containers");
	out_end(o);
	out_object(o, "Options");
	out_end(o);
	out_object(o, "Labels");
	out_end(o);
	out_end(o);
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

static int network_matches(const struct filters *f, const struct network *n, bool *ret,
			   struct err *err)
{
	static const struct strmap no_labels;
	bool dangling = false;

	if (filters_bool(f, "dangling", false, &dangling, err) < 0)
		return -1;
	*ret = matches_name(f, n->name) && filters_match_prefix(f, "id", n->id) &&
	       filters_match(f, "driver", n->driver) && filters_match(f, "scope", "local") &&
	       filters_match(f, "type", "builtin") &&
	       filters_match_labels(f, "label", &no_labels) && !dangling;
	return 0;
}

int network_list(struct call *c, struct err *err)
{
	static const char *const keys[] = {"dangling", "driver", "id",	 "label",
					   "name",     "scope",	 "type", NULL};
	struct filters f = {0};
	autoout o = {0};
	int r;

	r = param_filters(c, keys, &f, err);
	out_array(&o, NULL);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(networks); i++) {
		bool wanted = false;

		r = network_matches(&f, &networks[i], &wanted, err);
		if (wanted)
			out_network(&o, NULL, &networks[i]);
	}
	out_array_end(&o);
	filters_free(&f);
	if (r == 0)
		answer_json(c, 200, &o);
	return r;
}

static const struct network *find(const char *ref)
{
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		if (str_eq(ref, networks[i].name) || str_has_prefix(networks[i].id, ref))
			return &networks[i];
	}
	return NULL;
}

int network_inspect(struct call *c, struct err *err)
{
	const struct network *n = find(c->name);
	autoout o = {0};

	if (!n)
		return err_set(err, ERR_NOT_FOUND, "network %s not found", c->name);
	out_network(&o, NULL, n);
	answer_json(c, 200, &o);
	return 0;
}

int network_remove(struct call *c, struct err *err)
{
	const struct network *n = find(c->name);

	if (!n)
		return err_set(err, ERR_NOT_FOUND, "network %s not found", c->name);
	return err_set(err, ERR_FORBIDDEN, "%s is a pre-defined network and cannot be removed",
		       n->name);
}

/* Of what cannot be made nothing is there to be pruned, and saying so is the whole truth. */
int network_prune(struct call *c, struct err *err)
{
	autoout o = {0};

	out_object(&o, NULL);
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

int exec_missing(struct call *c, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "No such exec instance: %s", c->name);
}
