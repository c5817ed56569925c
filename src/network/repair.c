/*
 * Claim, then sweep: after every endpoint has been claimed, the host's side is made as memory says.
 * Interfaces are known to be ours by their alias, which names our table and the network.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "network/private.h"
#include "network/rtnl.h"

/* A link of the host that our alias claims. */
struct ours {
	char name[IF_NAMESIZE];
	int index, master;
	bool is_up, has_hairpin;
	bool in_doubt; /* of a network whose file could not be read, or of who knows whom: nobody
			* has claimed it, and it may be somebody's */
};

struct survey {
	const struct networks *ns;
	struct ours *items;
	size_t n;
};

static void on_link(void *arg, const struct rtnl_link *l)
{
	struct survey *s = arg;
	size_t len = strlen(s->ns->table);

	if (strncmp(l->alias, s->ns->table, len) != 0 || l->alias[len] != ' ')
		return;
	s->items = xreallocarray(s->items, s->n + 1, sizeof *s->items);
	s->items[s->n] = (struct ours){
		.index = l->index,
		.master = l->master,
		.is_up = l->is_up,
		.has_hairpin = l->has_hairpin,
		.in_doubt = strv_contains(s->ns->unreadable, l->alias + len + 1) ||
			    (s->ns->has_unknown && str_has_prefix(l->name, HOST_IFNAME_PREFIX)),
	};
	snprintf(s->items[s->n++].name, IF_NAMESIZE, "%s", l->name);
}

static bool is_claimed(struct networks *ns, const char *name)
{
	hold(&ns->lock);

	for (size_t i = 0; i < ns->n; i++) {
		const struct network *n = ns->all[i];

		if (str_eq(n->bridge, name))
			return true;
		for (size_t k = 0; k < n->n_members; k++)
			if (str_eq(n->members[k].e.host_ifname, name))
				return true;
	}
	return false;
}

static void sweep(struct networks *ns, struct rtnl *nl, const struct survey *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->items[i].in_doubt || is_claimed(ns, s->items[i].name))
			continue;
		log_info("network: interface %s is nobody's, and removed", s->items[i].name);
		(void) rtnl_del(nl, s->items[i].name);
	}
}

static bool has_member(struct networks *ns, const struct network *n, const char *host_ifname)
{
	hold(&ns->lock);

	for (size_t i = 0; i < n->n_members; i++)
		if (str_eq(n->members[i].e.host_ifname, host_ifname))
			return true;
	return false;
}

/* Members whose bridge was made anew, or who were taken out of it or switched off. */
static void rejoin(struct networks *ns, const struct network *n, struct rtnl *nl,
		   const struct survey *s)
{
	int bridge = rtnl_index(nl, n->bridge);

	for (size_t i = 0; bridge > 0 && i < s->n; i++) {
		const struct ours *l = &s->items[i];
		bool is_in = l->master == bridge;

		if ((is_in && l->is_up && l->has_hairpin) || !has_member(ns, n, l->name))
			continue;
		log_warn("network %s: %s joins its bridge again", n->config.name, l->name);
		if (is_in || rtnl_set_master(nl, l->index, bridge) == 0)
			(void) rtnl_set_hairpin(nl, l->index);
		(void) rtnl_up(nl, l->index);
	}
}

static bool has_members(struct networks *ns)
{
	hold(&ns->lock);

	for (size_t i = 0; i < ns->n; i++)
		if (ns->all[i]->n_members > 0)
			return true;
	return false;
}

static int repair_one(struct networks *ns, struct network *n, struct rtnl *nl,
		      const struct survey *s, struct err *err)
{
	/* Networks that nobody is in wait for the first who comes. */
	if (!n->bridge[0] || n->n_members == 0)
		return 0;
	if (bridge_up(ns, n, err) < 0)
		return -1;
	n->is_up = true;
	rejoin(ns, n, nl, s);
	return 0;
}

int networks_repair(struct networks *ns, bool anyway, struct err *err)
{
	struct survey s = {.ns = ns};
	autortnl nl = {0};
	bool any;
	int r;

	hold(&ns->make);
	r = rtnl_open(-1, &nl);
	if (r == 0)
		r = rtnl_each_link(&nl, on_link, &s);
	auto_(free_p) struct ours *items = s.items;
	if (r < 0)
		return err_sys(err, -r, "list the host's interfaces");
	sweep(ns, &nl, &s);
	any = has_members(ns);
	for (size_t i = 0; i < ns->n; i++)
		if (repair_one(ns, ns->all[i], &nl, &s, err) < 0)
			return -1;
	/* Nothing of ours on the host, and nothing needed there. */
	if (!any && s.n == 0)
		return 0;
	r = !anyway && firewall_is_right(ns) ? 0 : firewall_write(ns, err);
	flows_forget(ns, NULL);
	dns_write(ns, NULL);
	return r;
}

bool has_links_but(struct networks *ns, const char *but)
{
	struct survey s = {.ns = ns};
	autortnl nl = {0};
	bool any = rtnl_open(-1, &nl) < 0 || rtnl_each_link(&nl, on_link, &s) < 0;

	for (size_t i = 0; i < s.n; i++)
		any |= !str_eq(s.items[i].name, but);
	free(s.items);
	return any;
}

void link_remove_if_ours(struct networks *ns, const char *name)
{
	struct survey s = {.ns = ns};
	autortnl nl = {0};

	if (rtnl_open(-1, &nl) < 0)
		return;
	(void) rtnl_each_link(&nl, on_link, &s);
	for (size_t i = 0; i < s.n; i++)
		if (str_eq(s.items[i].name, name))
			(void) rtnl_del(&nl, name);
	free(s.items);
}

void networks_rest(struct networks *ns)
{
	struct survey s = {.ns = ns};
	autortnl nl = {0};

	if (!ns)
		return;
	hold(&ns->make);
	if (has_members(ns))
		return;
	if (rtnl_open(-1, &nl) == 0)
		(void) rtnl_each_link(&nl, on_link, &s);
	auto_(free_p) struct ours *items = s.items;
	for (size_t i = 0; i < s.n; i++)
		if (s.items[i].in_doubt)
			return;
	for (size_t i = 0; i < s.n; i++)
		(void) rtnl_del(&nl, s.items[i].name);
	if (s.n > 0 || ns->firewall_is_up) {
		firewall_remove(ns);
		dns_rest(ns);
	}
}
