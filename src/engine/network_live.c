/*
 * Networks of a container that lives: what a connect or disconnect changes there at once. It lives
 * as well while it waits for its next run, which its shim makes in the same network namespace.
 *
 * The first of its networks that leads out of the host (its endpoints are in the order in which it
 * came to them) has its default route and its published ports, as at a start.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/internal.h"
#include "engine/networks.h"

#define IFNAME_MAX_INDEX 99

/* The namespace */

/* At a path below /proc of that process, whose pid is its own while the pidfd says so. */
static int open_of_process(pid_t pid, int64_t ticks, const char *path)
{
	autoclose int pidfd = pidfd_open_checked(pid, (uint64_t) ticks);
	autofree char *whole = xasprintf("/proc/%d/%s", (int) pid, path);
	autoclose int fd = pidfd < 0 ? -1 : open(whole, O_RDONLY | O_CLOEXEC);
	struct statfs s;

	if (fd < 0 || fstatfs(fd, &s) < 0 || s.f_type != NSFS_MAGIC || pidfd_kill(pidfd, 0) < 0)
		return -1;
	return take_fd(fd);
}

int live_netns(struct engine *e, struct container *c, struct err *err)
{
	/* Where its shim has bound it for the runtime, seen through the shim's own mounts. */
	autofree char *bound = xasprintf("root%s/" LAYOUT_CONTAINERS "/%s/" LAYOUT_BUNDLE
					 "/" LAYOUT_NS_PREFIX "net",
					 e->o.exec_root, c->id);
	pid_t init, shim;
	int64_t init_ticks, shim_ticks;
	bool waits;
	int fd;

	{
		hold(&c->lock);
		init = (pid_t) c->disk.pid;
		init_ticks = c->disk.pid_ticks;
		shim = (pid_t) c->disk.shim_pid;
		shim_ticks = c->disk.shim_ticks;
		waits = c->phase == PHASE_RESTARTING;
		if (!waits && !phase_is_alive(c->phase))
			return err_set(err, ERR_CONFLICT, "container %s is not running", c->id);
	}
	fd = waits ? -1 : open_of_process(init, init_ticks, "ns/net");
	if (fd < 0)
		fd = open_of_process(shim, shim_ticks, bound);
	return fd < 0 ? err_set(err, ERR_CONFLICT, "container %s is not running", c->id) : fd;
}

/* Who leads */

static bool leads_out(const struct endpoint *ep)
{
	return !str_empty(ep->gateway);
}

static const struct endpoint *leader_locked(const struct container *c)
{
	for (size_t i = 0; i < c->disk.endpoints.n; i++) {
		const struct endpoint *ep = objects_at(&c->disk.endpoints, struct endpoint, i);

		if (leads_out(ep))
			return ep;
	}
	return NULL;
}

static bool has_leader(struct container *c)
{
	hold(&c->lock);

	return leader_locked(c);
}

/* What it publishes, and where the last time. */
struct publishing {
	struct port_wish *ports;
	size_t n;
	struct objects before; /* struct port_mapping */
};

static void publishing_free(struct publishing *p)
{
	port_wishes_free(p->ports, p->n);
	fields_objects_free(port_mapping_fields, &p->before, sizeof(struct port_mapping));
}

static int publishing_load(struct container *c, const struct container_config *config,
			   struct publishing *ret, struct err *err)
{
	const struct host_config *host = &config->host;

	if (port_wishes_load(host->port_bindings, config->config.exposed_ports,
			     host->publish_all_ports, &ret->ports, &ret->n, err) < 0)
		return -1;
	hold(&c->lock);
	fields_objects_copy(port_mapping_fields, &ret->before, &c->state.ports,
			    sizeof(struct port_mapping));
	return 0;
}

/* The ports that it has now, for its next start; it can do without. */
static void keep_ports_locked(struct engine *e, struct container *c, const struct endpoint *ep)
{
	struct err err = {0};

	if (ep->ports.n == 0)
		return;
	fields_objects_free(port_mapping_fields, &c->state.ports, sizeof(struct port_mapping));
	remember_ports_locked(c, ep);
	if (container_save_state_locked(e->store, c, &err) < 0)
		log_warn("container %.12s: %s", c->id, err.text);
}

/* Connecting */

static char *free_ifname(struct container *c)
{
	hold(&c->lock);

	for (int i = 0; i <= IFNAME_MAX_INDEX; i++) {
		autofree char *name = xasprintf("eth%d", i);
		bool taken = false;

		for (size_t k = 0; k < c->disk.endpoints.n; k++)
			taken |= str_eq(objects_at(&c->disk.endpoints, struct endpoint, k)->ifname,
					name);
		if (!taken)
			return take(name);
	}
	return NULL;
}

/* Takes *ep, unless it cannot be saved. */
static int save_endpoint(struct engine *e, struct container *c, const struct endpoint *ep,
			 struct err *err)
{
	hold(&c->lock);
	keep_endpoint_locked(c, ep);
	if (container_save_phase_locked(e->store, c, err) < 0) {
		c->disk.endpoints.n--;
		return -1;
	}
	keep_ports_locked(e, c, ep);
	return 0;
}

static int attach(struct engine *e, struct container *c, const struct container_config *config,
		  const struct network_wish *w, int netns, struct err *err)
{
	auto_(publishing_free) struct publishing p = {0};
	autofree char *ifname = free_ifname(c);
	autostrv char **names = names_on_network(config, w), **links = links_on_network(config, w);
	bool leads = !has_leader(c);
	struct endpoint_wish wish = {
		.names = names,
		.links = links,
		.resolvers = config->host.dns,
		.network = w->network,
		.owner = c->id,
		.owner_name = c->name,
		.ifname = ifname,
		.ip = w->ip,
		.ip6 = w->ip6,
		.link_local = w->link_local,
		.mac = w->mac,
		.default_route = leads,
	};
	struct endpoint ep;

	if (!ifname)
		return err_set(err, ERR_CONFLICT, "container %s is in too many networks", c->id);
	if (publishing_load(c, config, &p, err) < 0)
		return -1;
	if (leads && network_leads_out(e->networks, w->network)) {
		wish.ports = p.ports;
		wish.n_ports = p.n;
		wish.before = p.before.items;
		wish.n_before = p.before.n;
	}
	if (networks_attach(e, &wish, netns, &ep, err) < 0)
		return -1;
	if (save_endpoint(e, c, &ep, err) < 0) {
		network_detach(e->networks, c->id, &ep, netns);
		fields_free(endpoint_fields, &ep);
		return -1;
	}
	notify_network(e, &ep, c->id, "connect");
	return 0;
}

int live_attach(struct engine *e, struct container *c, const struct container_config *before,
		const struct container_config *config, const struct network_wish *w, int netns,
		struct err *err)
{
	auto_(netfiles_free) struct netfiles was;

	netfiles_remember(e, c, before, &was);
	if (attach(e, c, config, w, netns, err) < 0)
		return -1;
	netfiles_follow(e, c, config, &was);
	return 0;
}

/* Disconnecting */

/* Out of what it has; *ret is the caller's. */
static bool take_out(struct engine *e, struct container *c, const char *network_id,
		     struct endpoint *ret, bool *ret_led)
{
	struct objects *all = &c->disk.endpoints;

	hold(&c->lock);
	for (size_t i = 0; i < all->n; i++) {
		struct endpoint *ep = objects_at(all, struct endpoint, i);

		if (!str_eq(ep->network_id, network_id))
			continue;
		*ret_led = ep == leader_locked(c);
		*ret = *ep;
		memmove(ep, ep + 1, (--all->n - i) * sizeof *ep);
		(void) container_save_phase_locked(e->store, c, NULL);
		return true;
	}
	return false;
}

/* The ports of one that it still has. */
static int keep_led(struct engine *e, struct container *c, const struct endpoint *led,
		    struct err *err)
{
	hold(&c->lock);
	for (size_t i = 0; i < c->disk.endpoints.n; i++) {
		struct endpoint *ep = objects_at(&c->disk.endpoints, struct endpoint, i);

		if (!str_eq(ep->id, led->id))
			continue;
		fields_objects_free(port_mapping_fields, &ep->ports, sizeof(struct port_mapping));
		fields_objects_copy(port_mapping_fields, &ep->ports, &led->ports,
				    sizeof(struct port_mapping));
	}
	keep_ports_locked(e, c, led);
	return container_save_phase_locked(e->store, c, err);
}

/* Now the next one leads, if there is one. */
static int lead_anew(struct engine *e, struct container *c, const struct container_config *config,
		     int netns, struct err *err)
{
	auto_(publishing_free) struct publishing p = {0};
	struct endpoint_wish wish = {0};
	struct endpoint led;
	int r;

	if (publishing_load(c, config, &p, err) < 0)
		return -1;
	{
		hold(&c->lock);
		const struct endpoint *next = leader_locked(c);

		if (!next)
			return 0;
		fields_copy(endpoint_fields, &led, next);
	}
	wish.ports = p.ports;
	wish.n_ports = p.n;
	wish.before = p.before.items;
	wish.n_before = p.before.n;
	r = network_lead(e->networks, &wish, netns, &led, err);
	if (r == 0)
		r = keep_led(e, c, &led, err);
	fields_free(endpoint_fields, &led);
	return r;
}

int live_detach(struct engine *e, struct container *c, const struct container_config *before,
		const struct container_config *config, const struct network_config *n, int netns,
		struct err *err)
{
	auto_(netfiles_free) struct netfiles was;
	struct endpoint gone;
	bool led;
	int r = 0;

	netfiles_remember(e, c, before, &was);
	if (!take_out(e, c, n->id, &gone, &led))
		return 0;
	network_detach(e->networks, c->id, &gone, netns);
	notify_network(e, &gone, c->id, "disconnect");
	fields_free(endpoint_fields, &gone);
	if (led && netns >= 0)
		r = lead_anew(e, c, config, netns, err);
	netfiles_follow(e, c, config, &was);
	return r;
}
