/*
 * Pools of addresses: what a network's are where nobody said, and who gets which. What is given
 * away is what members have, so nothing is counted that could leak.
 */
#include <stdio.h>
#include <string.h>

#include "network/private.h"

/* moby's: base, and size of what each network gets of it. */
static const char *const docker_pools[] = {
	"172.17.0.0/16,16", "172.18.0.0/16,16", "172.19.0.0/16,16",  "172.20.0.0/14,16",
	"172.24.0.0/14,16", "172.28.0.0/14,16", "192.168.0.0/16,20", NULL,
};

enum { V4, V6 };

static const int families[] = {[V4] = AF_INET, [V6] = AF_INET6};

void pools_free(struct network *n)
{
	for (int i = V4; i <= V6; i++) {
		free(n->pools[i].aux);
		n->pools[i] = (struct pool){0};
	}
}

/* Reading */

static int parse_aux(const struct ipam_pool *from, struct pool *to, struct err *err)
{
	const char *name, *address;

	strmap_foreach (&from->aux, name, address) {
		struct ip a;

		(void) name;
		if (ip_parse(address, &a) < 0 || !subnet_has(&to->subnet, &a))
			return err_set(err, ERR_INVALID, "no matching subnet for aux-address %s",
				       address);
		to->aux = xreallocarray(to->aux, to->n_aux + 1, sizeof *to->aux);
		to->aux[to->n_aux++] = a;
	}
	return 0;
}

static int parse_pool(const struct ipam_pool *from, struct pool *to, struct err *err)
{
	if (subnet_parse(from->subnet, &to->subnet) < 0)
		return err_set(err, ERR_INVALID, "invalid subnet %s : invalid CIDR address: %s",
			       from->subnet ?: "", from->subnet ?: "");
	to->range = to->subnet;
	if (!str_empty(from->ip_range) &&
	    (subnet_parse(from->ip_range, &to->range) < 0 || to->range.prefix < to->subnet.prefix ||
	     !subnet_has(&to->subnet, &to->range.ip)))
		return err_set(err, ERR_INVALID, "no matching subnet for range %s", from->ip_range);
	if (!str_empty(from->gateway) &&
	    (ip_parse(from->gateway, &to->gateway) < 0 || !subnet_has(&to->subnet, &to->gateway)))
		return err_set(err, ERR_INVALID, "no matching subnet for gateway %s",
			       from->gateway);
	return parse_aux(from, to, err);
}

/* Takes p over. */
static int put_pool(struct network *n, struct pool *p, struct err *err)
{
	int which = p->subnet.ip.family == AF_INET6 ? V6 : V4;
	bool wanted = which == V4 || n->config.enable_ipv6;

	if (wanted && n->pools[which].subnet.ip.family)
		return err_set(err, ERR_INVALID, "%s driver doesn't support multiple subnets",
			       n->config.driver);
	if (!wanted)
		return 0;
	p->last = p->gateway;
	n->pools[which] = *p;
	p->aux = NULL;
	return 0;
}

int pools_parse(struct network *n, struct err *err)
{
	const struct ipam *ipam = &n->config.ipam;

	pools_free(n);
	for (size_t i = 0; i < ipam->pools.n; i++) {
		struct pool p = {0};
		int r = parse_pool(objects_at(&ipam->pools, struct ipam_pool, i), &p, err);

		if (r == 0)
			r = put_pool(n, &p, err);
		free(p.aux);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* Planning */

static bool overlaps_networks(const struct networks *ns, const struct subnet *s)
{
	for (size_t i = 0; i < ns->n; i++)
		for (int k = V4; k <= V6; k++) {
			const struct subnet *o = &ns->all[i]->pools[k].subnet;

			if (o->ip.family == s->ip.family && subnets_overlap(o, s))
				return true;
		}
	return false;
}

static bool overlaps_routes(const struct subnet *routes, size_t n, const struct subnet *s)
{
	for (size_t i = 0; i < n; i++)
		if (routes[i].ip.family == s->ip.family && subnets_overlap(&routes[i], s))
			return true;
	return false;
}

static struct ip subnet_step(const struct subnet *s)
{
	struct ip last = subnet_last(s);

	return ip_plus(last, 1);
}

/* The first part of a default pool that nobody has. */
static int find_in(const char *text, const struct networks *ns, const struct subnet *routes,
		   size_t n_routes, struct subnet *ret)
{
	autostrv char **parts = strv_split(text, ',');
	struct subnet base, s;
	int64_t size;

	if (strv_len(parts) != 2 || subnet_parse(parts[0], &base) < 0 ||
	    parse_i64(parts[1], &size) < 0 || size < (int64_t) base.prefix || size > 30)
		return -1;
	s = (struct subnet){.ip = subnet_first(&base), .prefix = (unsigned) size};
	for (; subnet_has(&base, &s.ip); s.ip = subnet_step(&s))
		if (!overlaps_networks(ns, &s) && !overlaps_routes(routes, n_routes, &s)) {
			*ret = s;
			return 0;
		}
	return -1;
}

static int default_v4(struct networks *ns, const struct subnet *routes, size_t n_routes,
		      struct subnet *ret, struct err *err)
{
	const char *const *p = ns->o.pools ? (const char *const *) ns->o.pools : docker_pools;

	for (; *p; p++)
		if (find_in(*p, ns, routes, n_routes, ret) == 0)
			return 0;
	return err_set(err, ERR_INVALID,
		       "could not find an available, non-overlapping IPv4 address pool among the "
		       "defaults to assign to the network");
}

/* A unique local one, RFC 4193. */
static struct subnet default_v6(void)
{
	char hex[15], text[64];
	struct subnet s = {0};

	random_hex(hex, 14);
	snprintf(text, sizeof text, "fd%.2s:%.4s:%.4s:%.4s::/64", hex, hex + 2, hex + 6, hex + 10);
	(void) subnet_parse(text, &s);
	return s;
}

static void add_pool(struct ipam *ipam, const struct subnet *s)
{
	char text[IP_TEXT_MAX];
	struct ipam_pool *p;

	ipam->pools.items =
		xreallocarray(ipam->pools.items, ipam->pools.n + 1, sizeof(struct ipam_pool));
	p = objects_at(&ipam->pools, struct ipam_pool, ipam->pools.n++);
	fields_init(ipam_pool_fields, p);
	p->subnet = xasprintf("%s/%u", ip_text(&s->ip, text), s->prefix);
}

/* A pool that names no subnet is one of our choice. */
static void drop_unnamed(struct ipam *ipam)
{
	size_t n = 0;

	for (size_t i = 0; i < ipam->pools.n; i++) {
		struct ipam_pool *p = objects_at(&ipam->pools, struct ipam_pool, i);

		if (str_empty(p->subnet))
			fields_free(ipam_pool_fields, p);
		else
			*objects_at(&ipam->pools, struct ipam_pool, n++) = *p;
	}
	ipam->pools.n = n;
}

/* The gateway is the first host of the range, and told from now on. */
static void choose_gateway(struct network *n, int which)
{
	struct pool *p = &n->pools[which];
	char text[IP_TEXT_MAX];
	struct ip a = subnet_first(&p->range);

	if (p->gateway.family)
		return;
	if (!subnet_is_host(&p->subnet, &a))
		a = ip_plus(a, 1);
	p->gateway = p->last = a;
	for (size_t i = 0; i < n->config.ipam.pools.n; i++) {
		struct ipam_pool *c = objects_at(&n->config.ipam.pools, struct ipam_pool, i);
		struct subnet s;

		if (subnet_parse(c->subnet, &s) < 0 || s.ip.family != families[which])
			continue;
		free(c->gateway);
		c->gateway = xstrdup(ip_text(&a, text));
	}
}

int pools_plan(struct networks *ns, struct network *n, const struct subnet *routes, size_t n_routes,
	       struct err *err)
{
	struct subnet s;

	drop_unnamed(&n->config.ipam);
	if (pools_parse(n, err) < 0)
		return -1;
	for (int i = V4; i <= V6; i++)
		if (n->pools[i].subnet.ip.family && overlaps_networks(ns, &n->pools[i].subnet))
			return err_set(err, ERR_FORBIDDEN,
				       "invalid pool request: Pool overlaps with other one on this "
				       "address space");
	if (!n->pools[V4].subnet.ip.family) {
		if (default_v4(ns, routes, n_routes, &s, err) < 0)
			return -1;
		add_pool(&n->config.ipam, &s);
	}
	if (n->config.enable_ipv6 && !n->pools[V6].subnet.ip.family) {
		s = default_v6();
		add_pool(&n->config.ipam, &s);
	}
	if (pools_parse(n, err) < 0)
		return -1;
	for (int i = V4; i <= V6; i++)
		if (n->pools[i].subnet.ip.family)
			choose_gateway(n, i);
	return 0;
}

/* Giving away */

static bool is_used(const struct network *n, int which, const struct ip *a)
{
	const struct pool *p = &n->pools[which];

	if (ip_eq(a, &p->gateway))
		return true;
	for (size_t i = 0; i < p->n_aux; i++)
		if (ip_eq(a, &p->aux[i]))
			return true;
	for (size_t i = 0; i < n->n_members; i++)
		if (ip_eq(a, which == V4 ? &n->members[i].ip : &n->members[i].ip6))
			return true;
	return false;
}

static int take_wish(struct network *n, int which, const char *wish, struct ip *ret,
		     struct err *err)
{
	const struct pool *p = &n->pools[which];
	struct ip a;

	if (ip_parse(wish, &a) < 0 || a.family != families[which])
		return err_set(err, ERR_INVALID, "invalid %s address: %s",
			       which == V4 ? "IPv4" : "IPv6", wish);
	if (!p->subnet.ip.family || !subnet_is_host(&p->subnet, &a))
		return err_set(err, ERR_INVALID,
			       "invalid config for network %s: invalid endpoint settings: no "
			       "configured subnet contains IP address %s",
			       n->config.name, wish);
	if (is_used(n, which, &a))
		return err_set(err, ERR_FORBIDDEN, "Address already in use");
	*ret = a;
	return 0;
}

/* Of a subnet that was told, but that the network does not use. */
static bool is_of_unused(const struct network *n, const char *wish)
{
	const struct ipam *ipam = &n->config.ipam;
	struct subnet s;
	struct ip a;

	for (size_t i = 0; ip_parse(wish, &a) == 0 && i < ipam->pools.n; i++)
		if (subnet_parse(objects_at(&ipam->pools, struct ipam_pool, i)->subnet, &s) == 0 &&
		    subnet_has(&s, &a))
			return true;
	return false;
}

int pool_take(struct network *n, int which, const char *wish, struct ip *ret, struct err *err)
{
	struct pool *p = &n->pools[which];
	struct ip first, a;

	/* As docker does it: without IPv6 such an address is kept, and nobody's. */
	if (which == V6 && !n->config.enable_ipv6 && !str_empty(wish) && is_of_unused(n, wish))
		return 0;
	if (!str_empty(wish))
		return take_wish(n, which, wish, ret, err);
	if (!p->subnet.ip.family)
		return 0;
	/* Round in a circle: an address that was given back is not given away at once again. */
	first = subnet_first(&p->range);
	if (!subnet_has(&p->range, &p->last))
		p->last = first;
	a = p->last;
	do {
		a = ip_plus(a, 1);
		if (!subnet_has(&p->range, &a))
			a = first;
		if (subnet_is_host(&p->subnet, &a) && !is_used(n, which, &a)) {
			*ret = p->last = a;
			return 0;
		}
	} while (!ip_eq(&a, &p->last));
	return err_set(err, ERR_UNAVAILABLE,
		       "no available %s addresses on this network's address pools: %s (%s)",
		       which == V4 ? "IPv4" : "IPv6", n->config.name, n->config.id);
}
