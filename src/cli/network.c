/* network create, ls, inspect (with the other inspects), rm, connect, disconnect; repair. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/create.h"
#include "cli/list.h"
#include "cli/words.h"

struct network_options {
	const char *driver, *format, *ip, *ip6;
	char **labels, **opts, **filters, **subnets, **gateways, **ip_ranges, **aux, **aliases,
		**links;
	bool quiet, no_trunc, internal, attachable, ipv6, force;
};

#define O(letter, name, type, member, value, help) \
	OPTION(struct network_options, letter, name, type, member, value, help)

const struct option network_create_options[] = {
	O(0, "attachable", OPTION_FLAG, attachable, NULL, "Enable manual container attachment"),
	O(0, "aux-address", OPTION_LIST, aux, "map",
	  "Auxiliary IPv4 or IPv6 addresses used by others"),
	O('d', "driver", OPTION_STR, driver, "string",
	  "Driver to manage the network (default bridge; macvlan, ipvlan)"),
	O(0, "gateway", OPTION_LIST, gateways, "list", "IPv4 or IPv6 gateway for the subnet"),
	O(0, "internal", OPTION_FLAG, internal, NULL, "Restrict external access to the network"),
	O(0, "ip-range", OPTION_LIST, ip_ranges, "list", "Allocate container IPs from a sub-range"),
	O(0, "ipv6", OPTION_FLAG, ipv6, NULL, "Enable IPv6 networking"),
	O(0, "label", OPTION_LIST, labels, "list", "Set metadata on a network"),
	O('o', "opt", OPTION_LIST, opts, "map", "Set driver specific options"),
	O(0, "subnet", OPTION_LIST, subnets, "list", "Subnet in CIDR format"),
	OPTION_END,
};

const struct option network_ls_options[] = {
	O('f', "filter", OPTION_LIST, filters, "filter",
	  "Provide filter values (e.g. \"driver=bridge\")"),
	O(0, "format", OPTION_STR, format, "string",
	  "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
	O(0, "no-trunc", OPTION_FLAG, no_trunc, NULL, "Do not truncate the output"),
	O('q', "quiet", OPTION_FLAG, quiet, NULL, "Only display network IDs"),
	OPTION_END,
};

const struct option network_connect_options[] = {
	O(0, "alias", OPTION_LIST, aliases, "list", "Add network-scoped alias for the container"),
	O(0, "ip", OPTION_STR, ip, "string", "IPv4 address (e.g., 172.30.100.104)"),
	O(0, "ip6", OPTION_STR, ip6, "string", "IPv6 address (e.g., 2001:db8::33)"),
	O(0, "link", OPTION_LIST, links, "list", "Add link to another container"),
	OPTION_END,
};

const struct option network_disconnect_options[] = {
	O('f', "force", OPTION_FLAG, force, NULL,
	  "Force the container to disconnect from a network"),
	OPTION_END,
};

static json_t *strings_json(char *const *texts)
{
	json_t *list = json_array();

	for (; texts && *texts; texts++)
		json_array_append_new(list, json_string(*texts));
	return list;
}

/* create ------------------------------------------------------------------------------------- */

/* Which of the subnets an address or range goes with: the first of its family. */
static json_t *pool_for(json_t *pools, const char *address)
{
	bool v6 = strchr(address, ':') != NULL;
	json_t *pool;
	size_t i;

	json_array_foreach (pools, i, pool)
		if ((strchr(json_str(pool, "Subnet") ?: "", ':') != NULL) == v6)
			return pool;
	return NULL;
}

static int add_to_pools(json_t *pools, char *const *addresses, const char *key, const char *what,
			struct err *err)
{
	for (; addresses && *addresses; addresses++) {
		json_t *pool = pool_for(pools, *addresses);

		if (!pool)
			return err_set(err, ERR_INVALID, "no matching subnet for %s %s", what,
				       *addresses);
		json_object_set_new(pool, key, json_string(*addresses));
	}
	return 0;
}

/* "name=address" */
static int add_aux(json_t *pools, char *const *aux, struct err *err)
{
	for (; aux && *aux; aux++) {
		const char *equals = strchr(*aux, '=');
		autofree char *name = equals ? xstrndup(*aux, (size_t) (equals - *aux)) : NULL;
		json_t *pool = equals ? pool_for(pools, equals + 1) : NULL, *map;

		if (!pool)
			return err_set(err, ERR_INVALID, "no matching subnet for aux-address %s",
				       *aux);
		map = json_object_get(pool, "AuxiliaryAddresses");
		if (!map) {
			map = json_object();
			json_object_set_new(pool, "AuxiliaryAddresses", map);
		}
		json_object_set_new(map, name, json_string(equals + 1));
	}
	return 0;
}

static int pools_json(const struct network_options *o, json_t **ret, struct err *err)
{
	autojson json_t *pools = json_array();

	for (char **s = o->subnets; s && *s; s++)
		json_array_append_new(pools, json_pack("{s:s}", "Subnet", *s));
	if (add_to_pools(pools, o->gateways, "Gateway", "gateway", err) < 0 ||
	    add_to_pools(pools, o->ip_ranges, "IPRange", "range", err) < 0 ||
	    add_aux(pools, o->aux, err) < 0)
		return -1;
	*ret = take(pools);
	return 0;
}

static int create_network(const struct cli *cli, const struct network_options *o, const char *name,
			  struct err *err)
{
	autojson json_t *pools = NULL, *body = NULL, *answer = NULL;

	if (pools_json(o, &pools, err) < 0)
		return -1;
	body = json_pack("{s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:{s:O}}", "Name", name, "Driver",
			 o->driver ?: "bridge", "Internal", o->internal, "Attachable",
			 o->attachable, "EnableIPv6", o->ipv6, "Labels", pairs_json(o->labels),
			 "Options", pairs_json(o->opts), "IPAM", "Config", pools);
	if (client_call(cli->address, "POST", CLIENT_API "/networks/create", body, &answer, err) <
	    0)
		return -1;
	puts(json_str(answer, "Id") ?: "");
	return 0;
}

static void options_free(struct network_options *o)
{
	char **lists[] = {o->labels,	o->opts, o->filters, o->subnets, o->gateways,
			  o->ip_ranges, o->aux,	 o->aliases, o->links};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		strv_free(lists[i]);
}

int command_network_create(struct cli *cli, int argc, char **argv)
{
	auto_(options_free) struct network_options o = {0};
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	return create_network(cli, &o, argv[0], &err) < 0 ? cli_fail(&err) : EXIT_OK;
}

/* ls ----------------------------------------------------------------------------------------- */

static const struct heading headings[] = {
	{"ID", "NETWORK ID"}, {"Name", "NAME"},
	{"Driver", "DRIVER"}, {"Scope", "SCOPE"},
	{"IPv6", "IPV6"},     {"Internal", "INTERNAL"},
	{"Labels", "LABELS"}, {"CreatedAt", "CREATED AT"},
	{NULL, NULL},
};

static const struct list network_list = {
	.table = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
	.headings = headings,
};

static json_t *network_row(const json_t *n, bool whole)
{
	autofree char *id = short_id(json_str(n, "Id") ?: "", whole);
	json_t *labels = json_object_get(n, "Labels");
	autofree char *words = pairs_words(labels, ",");
	bool v6 = json_is_true(json_object_get(n, "EnableIPv6"));
	bool internal = json_is_true(json_object_get(n, "Internal"));

	return json_pack("{s:s, s:s?, s:s?, s:s?, s:s, s:s, s:s, s:s?, s:O}", "ID", id, "Name",
			 json_str(n, "Name"), "Driver", json_str(n, "Driver"), "Scope",
			 json_str(n, "Scope"), "IPv6", v6 ? "true" : "false", "Internal",
			 internal ? "true" : "false", "Labels", words, "CreatedAt",
			 json_str(n, "Created"), "Label", labels);
}

static int list_networks(const struct cli *cli, const struct network_options *o, struct err *err)
{
	const char *text = o->quiet && str_empty(o->format) ? "{{.ID}}" : o->format;
	autojson json_t *answer = NULL, *rows = json_array();
	autolist_format format = NULL;
	autobuf target = {0};
	json_t *n;
	size_t i;

	if (list_format_new(&network_list, text, &format, err) < 0)
		return -1;
	buf_adds(&target, CLIENT_API "/networks");
	if (target_filters(&target, o->filters, err) < 0 ||
	    client_call(cli->address, "GET", target.text, NULL, &answer, err) < 0)
		return -1;
	json_array_foreach (answer, i, n)
		json_array_append_new(rows, network_row(n, o->no_trunc));
	return list_print(cli, format, rows, true, err);
}

int command_network_ls(struct cli *cli, int argc, char **argv)
{
	auto_(options_free) struct network_options o = {0};
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	return list_networks(cli, &o, &err) < 0 ? cli_fail(&err) : EXIT_OK;
}

/* rm, connect, disconnect -------------------------------------------------------------------- */

int command_network_rm(struct cli *cli, int argc, char **argv)
{
	auto_(options_free) struct network_options o = {0};
	int n = cli_begin(cli, &o, argc, argv), exit_code = EXIT_OK;

	for (int i = 0; i < n; i++) {
		autobuf target = {0};
		struct err err = {0};

		target_network(&target, argv[i], NULL);
		if (client_call(cli->address, "DELETE", target.text, NULL, NULL, &err) == 0)
			puts(argv[i]);
		else
			exit_code = cli_fail(&err);
	}
	return exit_code;
}

int command_network_connect(struct cli *cli, int argc, char **argv)
{
	auto_(options_free) struct network_options o = {0};
	autojson json_t *body = NULL;
	autobuf target = {0};
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	target_network(&target, argv[0], "connect");
	body = json_pack("{s:s, s:{s:{s:s*, s:s*}, s:o, s:o}}", "Container", argv[1],
			 "EndpointConfig", "IPAMConfig", "IPv4Address", o.ip, "IPv6Address", o.ip6,
			 "Aliases", strings_json(o.aliases), "Links", strings_json(o.links));
	if (client_call(cli->address, "POST", target.text, body, NULL, &err) < 0)
		return cli_fail(&err);
	return EXIT_OK;
}

int command_network_disconnect(struct cli *cli, int argc, char **argv)
{
	auto_(options_free) struct network_options o = {0};
	autojson json_t *body = NULL;
	autobuf target = {0};
	struct err err = {0};

	(void) cli_begin(cli, &o, argc, argv);
	target_network(&target, argv[0], "disconnect");
	body = json_pack("{s:s, s:b}", "Container", argv[1], "Force", o.force);
	if (client_call(cli->address, "POST", target.text, body, NULL, &err) < 0)
		return cli_fail(&err);
	return EXIT_OK;
}

int command_repair(struct cli *cli, int argc, char **argv)
{
	struct err err = {0};

	(void) cli_begin(cli, NULL, argc, argv);
	if (client_call(cli->address, "POST", "/holdfast/repair", NULL, NULL, &err) < 0)
		return cli_fail(&err);
	return EXIT_OK;
}
