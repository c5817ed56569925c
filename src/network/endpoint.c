/*
 * Endpoints: a namespace's place in a network. The address is taken in memory first, so that nobody
 * else gets it; then the kernel's part is made; what fails is undone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "network/netns.h"
#include "network/private.h"
#include "network/rtnl.h"

#define HOST_IFNAME HOST_IFNAME_PREFIX "%.12s" /* of the endpoint's id */

/* Members */

static void fill_endpoint(const struct networks *ns, const struct network *n,
			  const struct endpoint_wish *w, struct member *m)
{
	char id[NETWORK_ID_LEN + 1], text[IP_TEXT_MAX], mac_str[MAC_TEXT_MAX];
	uint8_t mac[MAC_LEN];
	struct endpoint *e = &m->e;

	random_hex(id, NETWORK_ID_LEN);
	e->id = xstrdup(id);
	e->network_id = xstrdup(n->config.id);
	e->network = xstrdup(n->config.name);
	e->ifname = xstrdup(w->ifname);
	if (n->bridge[0])
		e->host_ifname = xasprintf(HOST_IFNAME, id);
	if (m->ip.family) {
		e->ip = xstrdup(ip_text(&m->ip, text));
		e->prefix = n->pools[0].subnet.prefix;
		if (!n->config.internal)
			e->gateway = xstrdup(ip_text(&n->pools[0].gateway, text));
	}
	if (m->ip6.family) {
		e->ip6 = xstrdup(ip_text(&m->ip6, text));
		e->prefix6 = n->pools[1].subnet.prefix;
		if (!n->config.internal)
			e->gateway6 = xstrdup(ip_text(&n->pools[1].gateway, text));
	}
	if (dns_serves(ns, n)) {
		e->names = strv_copy(w->names);
		e->links = strv_copy(w->links);
		e->resolvers = strv_copy(w->resolvers);
		e->dns = xstrdup(ip_text(&n->pools[0].gateway, text));
	}
	mac_of_ip(&m->ip, mac);
	e->mac = xstrdup(str_empty(w->mac) ? mac_text(mac, mac_str) : w->mac);
}

void member_free(struct member *m)
{
	free(m->owner);
	free(m->owner_name);
	fields_free(endpoint_fields, &m->e);
}

/* In an order that the next daemon has as well, whoever came first: so what it tells the server of
 * names is nothing new. */
static void add_member(struct network *n, struct member *m)
{
	size_t i = 0;

	while (i < n->n_members && strcmp(n->members[i].e.id, m->e.id) < 0)
		i++;
	n->members = xreallocarray(n->members, n->n_members + 1, sizeof *m);
	memmove(n->members + i + 1, n->members + i, (n->n_members++ - i) * sizeof *m);
	n->members[i] = *m;
}

void member_drop(struct networks *ns, const char *endpoint_id)
{
	hold(&ns->lock);
	for (size_t i = 0; i < ns->n; i++) {
		struct network *n = ns->all[i];

		for (size_t k = 0; k < n->n_members; k++)
			if (str_eq(n->members[k].e.id, endpoint_id)) {
				member_free(&n->members[k]);
				memmove(n->members + k, n->members + k + 1,
					(--n->n_members - k) * sizeof *n->members);
				return;
			}
	}
}

/* What the kernel's part needs of a network, so that no lock is held over it. */
struct place {
	char *id, *driver, *parent, *mode;
	char bridge[IF_NAMESIZE];
	int64_t mtu;
};

static void place_free(struct place *p)
{
	free(p->id);
	free(p->driver);
	free(p->parent);
	free(p->mode);
}

static void describe(const struct network *n, struct place *ret)
{
	const struct strmap *o = &n->config.options;

	*ret = (struct place){
		.id = xstrdup(n->config.id),
		.driver = xstrdup(n->config.driver),
		.parent = xstrdup(strmap_get(o, "parent")),
		.mode = xstrdup(strmap_get(o, str_eq(n->config.driver, "macvlan") ? "macvlan_mode"
										  : "ipvlan_mode")),
		.mtu = network_mtu(&n->config),
	};
	memcpy(ret->bridge, n->bridge, sizeof ret->bridge);
}

int network_check_addresses(const char *ip, const char *ip6, const char *mac, struct err *err)
{
	uint8_t bytes[MAC_LEN];
	struct ip a;

	if (!str_empty(ip) && (ip_parse(ip, &a) < 0 || a.family != AF_INET))
		return err_set(err, ERR_INVALID, "invalid IPv4 address: %s", ip);
	if (!str_empty(ip6) && (ip_parse(ip6, &a) < 0 || a.family != AF_INET6))
		return err_set(err, ERR_INVALID, "invalid IPv6 address: %s", ip6);
	if (!str_empty(mac) && mac_parse(mac, bytes) < 0)
		return err_set(err, ERR_INVALID, "invalid MAC address: %s", mac);
	return 0;
}

static int take_place(struct networks *ns, const struct endpoint_wish *w, struct place *ret_place,
		      struct endpoint *ret, struct err *err)
{
	struct member m = {0};
	struct network *n;

	hold(&ns->lock);
	n = network_by_ref(ns, w->network, err);
	if (!n)
		return -1;
	if (!network_is_real(n))
		return err_set(err, ERR_INVALID, "network %s has no endpoints", n->config.name);
	if (network_check_addresses(w->ip, w->ip6, w->mac, err) < 0)
		return -1;
	fields_init(endpoint_fields, &m.e);
	if (pool_take(n, 0, w->ip, &m.ip, err) < 0 || pool_take(n, 1, w->ip6, &m.ip6, err) < 0)
		return -1;
	fill_endpoint(ns, n, w, &m);
	if (ports_choose(ns, n, w, &m.e, err) < 0) {
		fields_free(endpoint_fields, &m.e);
		return -1;
	}
	m.owner = xstrdup(w->owner);
	m.owner_name = xstrdup(w->owner_name);
	describe(n, ret_place);
	fields_copy(endpoint_fields, ret, &m.e);
	add_member(n, &m);
	return 0;
}

/* The kernel's part */

/* The network's side is there: made at first use, and looked at again where the kernel says no. */
static int make_ready(struct networks *ns, const struct place *p, bool anew, struct err *err)
{
	struct network *n;

	if (!p->bridge[0])
		return 0;
	hold(&ns->make);
	{
		hold(&ns->lock);
		n = network_by_ref(ns, p->id, err);
	}
	if (!n)
		return -1;
	/* Only who holds `make` removes networks, so n stays. */
	if ((!n->is_up || anew) && bridge_up(ns, n, err) < 0)
		return -1;
	n->is_up = true;
	return firewall_up(ns, err);
}

static int vlan_mode(const struct place *p, struct err *err)
{
	static const struct {
		const char *driver, *mode;
		int value;
	} modes[] = {
		{"macvlan", "bridge", MACVLAN_MODE_BRIDGE},
		{"macvlan", "private", MACVLAN_MODE_PRIVATE},
		{"macvlan", "vepa", MACVLAN_MODE_VEPA},
		{"macvlan", "passthru", MACVLAN_MODE_PASSTHRU},
		{"ipvlan", "l2", IPVLAN_MODE_L2},
		{"ipvlan", "l3", IPVLAN_MODE_L3},
		{"ipvlan", "l3s", IPVLAN_MODE_L3S},
	};
	const char *mode = !str_empty(p->mode)		  ? p->mode
			   : str_eq(p->driver, "macvlan") ? "bridge"
							  : "l2";

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (str_eq(modes[i].driver, p->driver) && str_eq(modes[i].mode, mode))
			return modes[i].value;
	return err_set(err, ERR_INVALID, "requested %s mode '%s' is not valid", p->driver, mode);
}

static int add_vlan(struct rtnl *nl, const struct place *p, const struct rtnl_veth *v,
		    struct err *err)
{
	int parent, mode = vlan_mode(p, err), r;

	if (mode < 0)
		return -1;
	if (str_empty(p->parent))
		return err_set(err, ERR_INVALID,
			       "a %s network needs its parent interface: -o parent=", p->driver);
	parent = rtnl_index(nl, p->parent);
	if (parent < 0)
		return err_sys(err, -parent, "parent interface %.64s", p->parent);
	r = rtnl_add_vlan(nl, p->driver, parent, mode, v);
	return r < 0 ? err_sys(err, -r, "make a %s of %s", p->driver, p->parent) : 0;
}

static int add_interface(struct networks *ns, const struct place *p, const struct endpoint *e,
			 int netns, struct err *err)
{
	autofree char *alias = xasprintf("%s %s", ns->table, p->id);
	struct rtnl_veth v = {
		.name = e->host_ifname,
		.alias = alias,
		.mtu = p->mtu,
		.peer_netns = netns,
		.peer_name = e->ifname,
	};
	uint8_t mac[MAC_LEN];
	autortnl nl = {0};
	int index = -1, r;

	(void) mac_parse(e->mac, mac);
	v.peer_mac = mac;
	r = rtnl_open(-1, &nl);
	if (r < 0)
		return err_sys(err, -r, "speak with the kernel");
	if (!p->bridge[0])
		return add_vlan(&nl, p, &v, err);
	v.master = rtnl_index(&nl, p->bridge);
	if (v.master < 0) {
		/* Somebody has removed it. */
		if (make_ready(ns, p, true, err) < 0)
			return -1;
		v.master = rtnl_index(&nl, p->bridge);
	}
	r = v.master < 0 ? v.master : rtnl_add_veth(&nl, &v);
	if (r == 0)
		r = index = rtnl_index(&nl, e->host_ifname);
	if (r >= 0)
		r = rtnl_set_hairpin(&nl, index);
	return r < 0 ? err_sys(err, -r, "join %s to bridge %s", e->host_ifname, p->bridge) : 0;
}

/* Within the namespace: its own sysctls are seen by who is in there only. */
static int open_inside(int netns, const struct endpoint *e, struct rtnl *nl)
{
	autofree char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", e->ifname);
	int back, r = netns_enter(netns, &back);

	if (r < 0)
		return r;
	r = rtnl_open(-1, nl);
	(void) write_small_at(AT_FDCWD, path, str_empty(e->ip6) ? "1" : "0");
	netns_return(back);
	return r;
}

static int add_family(struct rtnl *nl, int index, const char *ip, int64_t prefix)
{
	struct ip a;

	return ip_parse(ip, &a) < 0 ? 0 : rtnl_add_address(nl, index, &a, (unsigned) prefix);
}

/* Docker's lengths. */
static int add_link_local(struct rtnl *nl, int index, char *const *ips)
{
	int r = 0;

	for (; r == 0 && ips && *ips; ips++)
		r = add_family(nl, index, *ips, strchr(*ips, ':') ? 64 : 16);
	return r;
}

static int add_route(struct rtnl *nl, int index, const char *gateway)
{
	struct ip a;

	return ip_parse(gateway, &a) < 0 ? 0 : rtnl_add_default_route(nl, index, &a);
}

static int lead(struct rtnl *nl, int index, const struct endpoint *e)
{
	int r = add_route(nl, index, e->gateway);

	return r < 0 ? r : add_route(nl, index, e->gateway6);
}

static int configure(int netns, const struct endpoint *e, const struct endpoint_wish *w,
		     struct err *err)
{
	autortnl nl = {0};
	int r = open_inside(netns, e, &nl), index = -1;

	if (r == 0)
		r = index = rtnl_index(&nl, e->ifname);
	if (r >= 0)
		r = add_family(&nl, index, e->ip, e->prefix);
	if (r >= 0)
		r = add_family(&nl, index, e->ip6, e->prefix6);
	if (r >= 0)
		r = add_link_local(&nl, index, w->link_local);
	if (r >= 0)
		r = rtnl_up(&nl, index);
	if (r >= 0 && w->default_route)
		r = lead(&nl, index, e);
	return r < 0 ? err_sys(err, -r, "configure interface %s", e->ifname) : 0;
}

int network_attach(struct networks *ns, const struct endpoint_wish *w, int netns,
		   struct endpoint *ret, struct err *err)
{
	auto_(place_free) struct place p = {0};
	struct endpoint e;

	fields_init(endpoint_fields, &e);
	if (take_place(ns, w, &p, &e, err) < 0)
		return -1;
	if (make_ready(ns, &p, false, err) == 0 && add_interface(ns, &p, &e, netns, err) == 0 &&
	    configure(netns, &e, w, err) == 0 && firewall_publish(ns, &e, err) == 0) {
		if (e.dns)
			dns_write(ns, e.network_id);
		*ret = e;
		return 0;
	}
	network_detach(ns, w->owner, &e, netns);
	fields_free(endpoint_fields, &e);
	return err_wrap(err, "network %s", w->network);
}

/* Into memory, and into *e, so that nobody else gets them. */
static int take_ports(struct networks *ns, const struct endpoint_wish *w, struct endpoint *e,
		      struct err *err)
{
	struct network *n;

	hold(&ns->lock);
	n = network_by_ref(ns, e->network_id, err);
	for (size_t i = 0; n && i < n->n_members; i++) {
		struct endpoint *mine = &n->members[i].e;

		if (!str_eq(mine->id, e->id))
			continue;
		if (ports_choose(ns, n, w, mine, err) < 0) {
			fields_objects_free(port_mapping_fields, &mine->ports,
					    sizeof(struct port_mapping));
			return -1;
		}
		fields_objects_copy(port_mapping_fields, &e->ports, &mine->ports,
				    sizeof(struct port_mapping));
		return 0;
	}
	return n ? err_set(err, ERR_NOT_FOUND, "endpoint %.12s not found", e->id) : -1;
}

int network_lead(struct networks *ns, const struct endpoint_wish *w, int netns, struct endpoint *e,
		 struct err *err)
{
	autortnl nl = {0};
	int r = rtnl_open(netns, &nl), index = r < 0 ? r : rtnl_index(&nl, e->ifname);

	r = index < 0 ? index : lead(&nl, index, e);
	if (r < 0)
		return err_sys(err, -r, "lead through interface %s", e->ifname);
	if (take_ports(ns, w, e, err) < 0 || firewall_publish(ns, e, err) < 0)
		return err_wrap(err, "network %s", e->network);
	return 0;
}

void network_detach(struct networks *ns, const char *owner, const struct endpoint *e, int netns)
{
	struct err err = {0};
	autortnl nl = {0};

	if (firewall_withdraw(ns, e, &err) < 0)
		log_warn("%s: ports of endpoint %.12s: %s", owner, e->id, err.text);
	/* Gone at once, and not when the kernel finds time for the namespace: the next one with
	 * this address must not have a double. */
	if (!str_empty(e->host_ifname)) {
		if (rtnl_open(-1, &nl) == 0)
			(void) rtnl_del(&nl, e->host_ifname);
	} else if (netns >= 0 && rtnl_open(netns, &nl) == 0) {
		(void) rtnl_del(&nl, e->ifname);
	}
	if (e->dns)
		dns_write(ns, e->network_id);
}

/* Restore */

void network_claim(struct networks *ns, const char *owner, const char *owner_name,
		   const struct endpoint *e)
{
	struct member m = {.owner = xstrdup(owner), .owner_name = xstrdup(owner_name)};
	struct network *n;

	fields_copy(endpoint_fields, &m.e, e);
	(void) ip_parse(e->ip, &m.ip);
	(void) ip_parse(e->ip6, &m.ip6);
	hold(&ns->lock);
	n = network_by_ref(ns, e->network_id, NULL);
	if (n) {
		add_member(n, &m);
	} else {
		log_warn("%s: its network %s is not there", owner, e->network_id);
		member_free(&m);
	}
}

void networks_claim_unknown(struct networks *ns)
{
	hold(&ns->make);

	ns->has_unknown = true;
}

static void rename_member(struct member *m, const char *old, const char *name)
{
	free(m->owner_name);
	m->owner_name = xstrdup(name);
	for (char **n = m->e.names; n && *n; n++)
		if (str_eq(*n, old)) {
			free(*n);
			*n = xstrdup(name);
		}
}

void network_owner_renamed(struct networks *ns, const char *owner, const char *old,
			   const char *name)
{
	bool named = false;

	{
		hold(&ns->lock);
		for (size_t i = 0; i < ns->n; i++)
			for (size_t k = 0; k < ns->all[i]->n_members; k++) {
				struct member *m = &ns->all[i]->members[k];

				if (!str_eq(m->owner, owner))
					continue;
				rename_member(m, old, name);
				named |= m->e.dns != NULL;
			}
	}
	if (named)
		dns_write(ns, NULL);
}
