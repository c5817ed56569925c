/*
 * A container's places in networks: made before its shim is told to start, in a network namespace
 * that the shim then holds, and taken away when the container is released. Between two runs that
 * the shim makes in place they stay. What they are stands in phase.json, so the next daemon claims
 * them; should this one die before the shim has the namespace, the kernel collects it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/networks.h"

#define IFNAME	       "eth%zu"
#define REST_TIMEOUT_S 30

struct networks *engine_networks(struct engine *e)
{
	return e->networks;
}

bool is_networked(const struct config *config, const struct host_config *host)
{
	const char *mode = host->network_mode ?: "";

	return !config->network_disabled && strcmp(mode, "none") != 0 &&
	       strcmp(mode, "host") != 0 && !str_has_prefix(mode, "container:");
}

/* Wishes */

static bool is_default_word(const char *name)
{
	return str_empty(name) || str_eq(name, "default");
}

static void rename_wish(struct network_wish *w, const char *name)
{
	free(w->network);
	w->network = xstrdup(name);
}

/* The mode's network first, whether it was named among the others or not. */
static void put_mode_first(struct objects *wishes, const struct config *config, const char *mode)
{
	struct network_wish first, *all;
	size_t i = 0;

	while (i < wishes->n && !str_eq(objects_at(wishes, struct network_wish, i)->network, mode))
		i++;
	if (i == wishes->n) {
		fields_init(network_wish_fields, &first);
		first.network = xstrdup(mode);
		wishes->items = xreallocarray(wishes->items, ++wishes->n, sizeof first);
	} else {
		first = *objects_at(wishes, struct network_wish, i);
	}
	all = wishes->items;
	memmove(all + 1, all, i * sizeof *all);
	all[0] = first;
	if (str_empty(all[0].mac) && !str_empty(config->mac_address)) {
		free(all[0].mac);
		all[0].mac = xstrdup(config->mac_address);
	}
}

static int check_default_bridge(const struct network_wish *w, struct err *err)
{
	if (!str_empty(w->ip) || !str_empty(w->ip6))
		return err_set(
			err, ERR_INVALID,
			"user specified IP address is supported on user defined networks only");
	if (strv_len(w->aliases))
		return err_set(
			err, ERR_INVALID,
			"network-scoped aliases are only supported for user-defined networks");
	return 0;
}

static int check_link_local(const struct network_wish *w, struct err *err)
{
	for (char **ip = w->link_local; ip && *ip; ip++)
		if (!str_is_ip(*ip))
			return err_set(err, ERR_INVALID, "invalid link-local IP address: %s", *ip);
	return 0;
}

int network_wish_check(const struct network_wish *w, struct err *err)
{
	if (network_check_addresses(w->ip, w->ip6, w->mac, err) == 0 &&
	    check_link_local(w, err) == 0 &&
	    (!str_eq(w->network, "bridge") || check_default_bridge(w, err) == 0))
		return 0;
	return err_wrap(err, "invalid config for network %s: invalid endpoint settings",
			w->network);
}

static int check_ports(const struct config *config, const struct host_config *host, struct err *err)
{
	struct port_wish *ports;
	size_t n;

	if (port_wishes_load(host->port_bindings, config->exposed_ports, host->publish_all_ports,
			     &ports, &n, err) < 0)
		return -1;
	port_wishes_free(ports, n);
	return 0;
}

int networks_resolve(const struct config *config, struct host_config *host, struct objects *wishes,
		     struct err *err)
{
	if (is_default_word(host->network_mode)) {
		free(host->network_mode);
		host->network_mode = xstrdup("bridge");
	}
	if (!is_networked(config, host)) {
		fields_objects_free(network_wish_fields, wishes, sizeof(struct network_wish));
		return 0;
	}
	for (size_t i = 0; i < wishes->n; i++) {
		struct network_wish *w = objects_at(wishes, struct network_wish, i);

		if (is_default_word(w->network))
			rename_wish(w, host->network_mode);
	}
	put_mode_first(wishes, config, host->network_mode);
	for (size_t i = 0; i < wishes->n; i++)
		if (network_wish_check(objects_at(wishes, struct network_wish, i), err) < 0)
			return -1;
	return check_ports(config, host, err);
}

/* Joining */

bool network_leads_out(struct networks *ns, const char *network)
{
	struct network_view v;
	bool leads;

	if (network_find(ns, network, &v, NULL) < 0)
		return false;
	leads = !v.config.internal;
	network_view_free(&v);
	return leads;
}

/* The first of its networks that leads out of the host. Ports are published, and the default route
 * leads, there. */
static size_t gateway_of(struct engine *e, const struct objects *wishes)
{
	for (size_t i = 0; i < wishes->n; i++) {
		const struct network_wish *w = objects_at(wishes, struct network_wish, i);

		if (network_leads_out(e->networks, w->network))
			return i;
	}
	return wishes->n;
}

void keep_endpoint_locked(struct container *c, const struct endpoint *ep)
{
	struct objects *all = &c->disk.endpoints;

	all->items = xreallocarray(all->items, all->n + 1, sizeof *ep);
	*objects_at(all, struct endpoint, all->n++) = *ep;
}

void remember_ports_locked(struct container *c, const struct endpoint *ep)
{
	for (size_t i = 0; i < ep->ports.n; i++) {
		struct port_mapping p;

		fields_copy(port_mapping_fields, &p,
			    objects_at(&ep->ports, struct port_mapping, i));
		c->state.ports.items =
			xreallocarray(c->state.ports.items, c->state.ports.n + 1, sizeof p);
		*objects_at(&c->state.ports, struct port_mapping, c->state.ports.n++) = p;
	}
}

/* By which it is found: its name, its aliases, the id's beginning, as docker has it. */
char **names_on_network(const struct container_config *config, const struct network_wish *w)
{
	autofree char *id = xstrndup(config->id, 12);
	const char *const more[] = {id, config->config.hostname};
	char **names = NULL;

	strv_add(&names, config->name);
	for (char **a = w->aliases; a && *a; a++)
		if (!strv_contains(names, *a))
			strv_add(&names, *a);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		if (!str_empty(more[i]) && !strv_contains(names, more[i]))
			strv_add(&names, more[i]);
	return names;
}

static bool is_leaving(struct container *c)
{
	hold(&c->lock);

	return c->phase == PHASE_OVER;
}

void networks_await_leaving(struct engine *e)
{
	struct container **list;
	size_t n;

	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++) {
		settle_now(e, list[i]);
		if (is_leaving(list[i]))
			(void) wait_rested(e, list[i], REST_TIMEOUT_S, NULL);
	}
	container_list_free(list, n);
}

int networks_attach(struct engine *e, const struct endpoint_wish *w, int netns,
		    struct endpoint *ret, struct err *err)
{
	if (network_attach(e->networks, w, netns, ret, NULL) == 0)
		return 0;
	/* Once more in any case: who was about to leave may just have left. */
	networks_await_leaving(e);
	return network_attach(e->networks, w, netns, ret, err);
}

struct join {
	struct engine *e;
	struct container *c;
	const struct container_config *config;
	int netns;
	struct port_wish *ports;
	size_t n_ports, gateway;
	struct objects before; /* struct port_mapping */
};

static int join_one(const struct join *j, size_t i, struct err *err)
{
	const struct network_wish *w = objects_at(&j->config->networks, struct network_wish, i);
	bool is_gateway = i == j->gateway;
	autofree char *ifname = xasprintf(IFNAME, i);
	autostrv char **names = names_on_network(j->config, w);
	autostrv char **links = links_on_network(j->config, w);
	const struct endpoint_wish wish = {
		.names = names,
		.links = links,
		.resolvers = j->config->host.dns,
		.network = w->network,
		.owner = j->c->id,
		.owner_name = j->config->name,
		.ifname = ifname,
		.ip = w->ip,
		.ip6 = w->ip6,
		.link_local = w->link_local,
		.mac = w->mac,
		.default_route = is_gateway,
		.ports = is_gateway ? j->ports : NULL,
		.n_ports = is_gateway ? j->n_ports : 0,
		.before = j->before.items,
		.n_before = j->before.n,
	};
	struct endpoint ep;

	if (networks_attach(j->e, &wish, j->netns, &ep, err) < 0)
		return -1;
	notify_network(j->e, &ep, j->c->id, "connect");
	hold(&j->c->lock);
	remember_ports_locked(j->c, &ep);
	keep_endpoint_locked(j->c, &ep);
	return 0;
}

static int join_all(struct join *j, struct err *err)
{
	const struct host_config *host = &j->config->host;
	int r = 0;

	if (port_wishes_load(host->port_bindings, j->config->config.exposed_ports,
			     host->publish_all_ports, &j->ports, &j->n_ports, err) < 0)
		return -1;
	j->gateway = gateway_of(j->e, &j->config->networks);
	for (size_t i = 0; r == 0 && i < j->config->networks.n; i++)
		r = join_one(j, i, err);
	port_wishes_free(j->ports, j->n_ports);
	return r;
}

int networks_join(struct engine *e, struct container *c, const struct container_config *config,
		  int *ret_netns, struct err *err)
{
	struct join j = {.e = e, .c = c, .config = config};
	autoclose int netns = -1;
	int r;

	if (!is_networked(&config->config, &config->host))
		return 0;
	j.netns = netns = netns_new(err);
	if (netns < 0)
		return -1;
	{
		hold(&c->lock);
		j.before = c->state.ports;
		c->state.ports = (struct objects){0};
	}
	r = join_all(&j, err);
	fields_objects_free(port_mapping_fields, &j.before, sizeof(struct port_mapping));
	if (r < 0)
		return -1;
	{
		hold(&c->lock);
		if (container_save_phase_locked(e->store, c, err) < 0)
			return -1;
	}
	*ret_netns = take_fd(netns);
	links_renew(e, c);
	return 0;
}

void networks_leave(struct engine *e, struct container *c)
{
	struct objects left;

	{
		hold(&c->lock);
		left = c->disk.endpoints;
		c->disk.endpoints = (struct objects){0};
	}
	for (size_t i = 0; i < left.n; i++) {
		struct endpoint *ep = objects_at(&left, struct endpoint, i);

		network_detach(e->networks, c->id, ep, -1);
		notify_network(e, ep, c->id, "disconnect");
	}
	fields_objects_free(endpoint_fields, &left, sizeof(struct endpoint));
}

/* It has a bundle, so it runs, perhaps; and no phase.json that says what it has. */
static bool has_unknown_endpoints(struct engine *e, const struct container *c)
{
	autofree char *bundle = xasprintf("%s/bundle", c->id);

	return c->disk.endpoints.n == 0 && str_empty(c->disk.boot_id) &&
	       (c->phase == PHASE_DEAD || !c->handled) &&
	       exists_at(container_store_exec_dir(e->store), bundle);
}

void networks_claim(struct engine *e, struct container *c)
{
	if (has_unknown_endpoints(e, c))
		networks_claim_unknown(e->networks);
	if (c->disk.endpoints.n > 0 && c->config && has_links(c->config))
		e->has_links = true;
	for (size_t i = 0; i < c->disk.endpoints.n; i++)
		network_claim(e->networks, c->id, c->name ?: c->id,
			      objects_at(&c->disk.endpoints, struct endpoint, i));
}

void networks_rename(struct engine *e, struct container *c, const char *old, const char *name)
{
	{
		hold(&c->lock);
		if (c->disk.endpoints.n == 0)
			return;
		for (size_t i = 0; i < c->disk.endpoints.n; i++) {
			struct endpoint *ep = objects_at(&c->disk.endpoints, struct endpoint, i);

			for (char **n = ep->names; n && *n; n++)
				if (str_eq(*n, old)) {
					free(*n);
					*n = xstrdup(name);
				}
		}
		(void) container_save_phase_locked(e->store, c, NULL);
	}
	network_owner_renamed(e->networks, c->id, old, name);
}
