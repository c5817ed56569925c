/* See rtnl.h. */
#include "network/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <string.h>

#include "base/mem.h"
#include "network/netns.h"

#define DUMP_TRIES 100

/* Speaking */

int rtnl_open(int netns, struct rtnl *ret)
{
	struct mnl_socket *s;
	int back = -1, r;

	if (netns >= 0) {
		r = netns_enter(netns, &back);
		if (r < 0)
			return r;
	}
	s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	r = s ? 0 : -errno;
	if (back >= 0)
		netns_return(back);
	if (r < 0)
		return r;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		(void) mnl_socket_close(s);
		return r;
	}
	*ret = (struct rtnl){.socket = s};
	return 0;
}

void rtnl_close(struct rtnl *nl)
{
	if (nl->socket)
		(void) mnl_socket_close(nl->socket);
	nl->socket = NULL;
}

struct message {
	_Alignas(struct nlmsghdr) char bytes[1024];
};

static struct nlmsghdr *begin(char *at, int type, int flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);

	h->nlmsg_type = (uint16_t) type;
	h->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | flags);
	return h;
}

/* Takes the kernel's mark of a dump that changed while it was made off the messages: was it there?
 * libmnl would leave the rest of the answer in the socket. */
static bool clear_interrupted(char *answer, ssize_t n)
{
	bool interrupted = false;
	int left = (int) n;

	for (struct nlmsghdr *h = (struct nlmsghdr *) answer; mnl_nlmsg_ok(h, left);
	     h = mnl_nlmsg_next(h, &left)) {
		interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		h->nlmsg_flags &= (uint16_t) ~NLM_F_DUMP_INTR;
	}
	return interrupted;
}

/* Hands each message of the answer to seq to fn: 0 or -errno; -EINTR: not all may have come, or
 * twice. */
static int hear(struct rtnl *nl, unsigned seq, mnl_cb_t fn, void *arg)
{
	_Alignas(struct nlmsghdr) char answer[16384];
	bool interrupted = false;
	ssize_t n;
	int r;

	do {
		n = mnl_socket_recvfrom(nl->socket, answer, sizeof answer);
		if (n < 0)
			return -errno;
		interrupted |= clear_interrupted(answer, n);
		r = mnl_cb_run(answer, (size_t) n, seq, mnl_socket_get_portid(nl->socket), fn, arg);
	} while (r > MNL_CB_STOP);
	if (r < 0)
		return -errno;
	return interrupted ? -EINTR : 0;
}

static int talk(struct rtnl *nl, struct nlmsghdr *h, mnl_cb_t fn, void *arg)
{
	h->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->socket, h, h->nlmsg_len) < 0)
		return -errno;
	return hear(nl, h->nlmsg_seq, fn, arg);
}

/* The same for all there are of something: again where they changed meanwhile. fn may see one twice. */
static int dump(struct rtnl *nl, struct nlmsghdr *h, mnl_cb_t fn, void *arg)
{
	int r, tries = 0;

	h->nlmsg_flags |= NLM_F_DUMP;
	do
		r = talk(nl, h, fn, arg);
	while (r == -EINTR && ++tries < DUMP_TRIES);
	return r;
}

static int ask(struct rtnl *nl, struct nlmsghdr *h)
{
	h->nlmsg_flags |= NLM_F_ACK;
	return talk(nl, h, NULL, NULL);
}

static struct ifinfomsg *put_link(struct nlmsghdr *h, int index)
{
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof *i);

	i->ifi_family = AF_UNSPEC;
	i->ifi_index = index;
	return i;
}

/* Interfaces */

static const char *attr_text(const struct nlattr *a)
{
	return mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0 ? "" : mnl_attr_get_str(a);
}

/* Of an interface that may be there. Users name some, and at more length than names have. */
static int put_name(struct nlmsghdr *h, const char *name)
{
	if (strlen(name) >= IF_NAMESIZE)
		return -ENODEV;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return 0;
}

struct found {
	int index;
	bool is_bridge;
};

static int on_found(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	const struct nlattr *a, *info;
	struct found *f = arg;

	f->index = i->ifi_index;
	mnl_attr_for_each(a, h, sizeof *i)
	{
		if (mnl_attr_get_type(a) != IFLA_LINKINFO)
			continue;
		mnl_attr_for_each_nested(info, a)
		{
			if (mnl_attr_get_type(info) == IFLA_INFO_KIND)
				f->is_bridge = strcmp(attr_text(info), "bridge") == 0;
		}
	}
	return MNL_CB_OK;
}

static int find(struct rtnl *nl, const char *name, struct found *ret)
{
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_GETLINK, NLM_F_ACK);
	int r;

	*ret = (struct found){.index = -ENODEV};
	(void) put_link(h, 0);
	r = put_name(h, name);
	return r < 0 ? r : talk(nl, h, on_found, ret);
}

int rtnl_index(struct rtnl *nl, const char *name)
{
	struct found f;
	int r = find(nl, name, &f);

	return r < 0 ? r : f.index;
}

int rtnl_bridge_index(struct rtnl *nl, const char *name)
{
	struct found f;
	int r = find(nl, name, &f);

	if (r < 0)
		return r;
	return f.index < 0 || f.is_bridge ? f.index : -EEXIST;
}

static struct nlmsghdr *begin_new_link(struct message *m, const char *name, int64_t mtu, bool up)
{
	struct nlmsghdr *h = begin(m->bytes, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg *i = put_link(h, 0);

	if (up)
		i->ifi_flags = i->ifi_change = IFF_UP;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	if (mtu > 0)
		mnl_attr_put_u32(h, IFLA_MTU, (uint32_t) mtu);
	return h;
}

/* Makes the link of message h, which is m's first, and gives it its alias. The kernel takes no alias
 * with a new link, but it works off what came with one call before it looks whether we were killed:
 * so there is none of ours without. */
static int add_link(struct rtnl *nl, struct message *m, struct nlmsghdr *h, const char *name,
		    const char *alias)
{
	size_t first = MNL_ALIGN(h->nlmsg_len);
	struct nlmsghdr *then = begin(m->bytes + first, RTM_SETLINK, NLM_F_ACK);
	int made, named;

	(void) put_link(then, 0);
	mnl_attr_put_strz(then, IFLA_IFNAME, name);
	mnl_attr_put_strz(then, IFLA_IFALIAS, alias);
	h->nlmsg_flags |= NLM_F_ACK;
	h->nlmsg_seq = ++nl->seq;
	then->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->socket, h, first + then->nlmsg_len) < 0)
		return -errno;
	made = hear(nl, h->nlmsg_seq, NULL, NULL);
	named = hear(nl, then->nlmsg_seq, NULL, NULL);
	return made < 0 ? made : named;
}

int rtnl_add_bridge(struct rtnl *nl, const char *name, const uint8_t mac[static MAC_LEN],
		    const char *alias, int64_t mtu)
{
	struct message m;
	struct nlmsghdr *h = begin_new_link(&m, name, mtu, true);
	struct nlattr *info;

	mnl_attr_put(h, IFLA_ADDRESS, MAC_LEN, mac);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(h, info);
	return add_link(nl, &m, h, name, alias);
}

static void put_peer(struct nlmsghdr *h, const struct rtnl_veth *v)
{
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO), *data, *peer;
	struct ifinfomsg *i;

	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	i = mnl_nlmsg_put_extra_header(h, sizeof *i);
	i->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(h, IFLA_IFNAME, v->peer_name);
	mnl_attr_put(h, IFLA_ADDRESS, MAC_LEN, v->peer_mac);
	if (v->mtu > 0)
		mnl_attr_put_u32(h, IFLA_MTU, (uint32_t) v->mtu);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t) v->peer_netns);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

int rtnl_add_veth(struct rtnl *nl, const struct rtnl_veth *v)
{
	struct message m;
	struct nlmsghdr *h = begin_new_link(&m, v->name, v->mtu, true);

	mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t) v->master);
	put_peer(h, v);
	return add_link(nl, &m, h, v->name, v->alias);
}

int rtnl_add_vlan(struct rtnl *nl, const char *kind, int parent, int mode,
		  const struct rtnl_veth *v)
{
	bool macvlan = strcmp(kind, "macvlan") == 0;
	struct message m;
	struct nlmsghdr *h = begin_new_link(&m, v->peer_name, v->mtu, false);
	struct nlattr *info, *data;

	mnl_attr_put_u32(h, IFLA_LINK, (uint32_t) parent);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t) v->peer_netns);
	if (macvlan)
		mnl_attr_put(h, IFLA_ADDRESS, MAC_LEN, v->peer_mac);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, kind);
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	if (macvlan)
		mnl_attr_put_u32(h, IFLA_MACVLAN_MODE, (uint32_t) mode);
	else
		mnl_attr_put_u16(h, IFLA_IPVLAN_MODE, (uint16_t) mode);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return ask(nl, h);
}

int rtnl_del(struct rtnl *nl, const char *name)
{
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_DELLINK, 0);
	int r;

	(void) put_link(h, 0);
	r = put_name(h, name);
	return r < 0 ? r : ask(nl, h);
}

int rtnl_up(struct rtnl *nl, int index)
{
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_NEWLINK, 0);
	struct ifinfomsg *i = put_link(h, index);

	i->ifi_flags = i->ifi_change = IFF_UP;
	return ask(nl, h);
}

int rtnl_set_master(struct rtnl *nl, int index, int master)
{
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_NEWLINK, 0);

	(void) put_link(h, index);
	mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t) master);
	return ask(nl, h);
}

int rtnl_set_hairpin(struct rtnl *nl, int index)
{
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_SETLINK, 0);
	struct ifinfomsg *i = put_link(h, index);
	struct nlattr *port;

	i->ifi_family = AF_BRIDGE;
	port = mnl_attr_nest_start(h, IFLA_PROTINFO);
	mnl_attr_put_u8(h, IFLA_BRPORT_MODE, 1);
	mnl_attr_nest_end(h, port);
	return ask(nl, h);
}

struct link_fn {
	void (*fn)(void *arg, const struct rtnl_link *l);
	void *arg;
};

/* What its master, a bridge, keeps of it. */
static bool read_hairpin(const struct nlattr *linkinfo)
{
	const struct nlattr *info, *port;
	bool bridged = false, hairpin = false;

	mnl_attr_for_each_nested(info, linkinfo)
	{
		if (mnl_attr_get_type(info) == IFLA_INFO_SLAVE_KIND)
			bridged = strcmp(attr_text(info), "bridge") == 0;
		if (mnl_attr_get_type(info) != IFLA_INFO_SLAVE_DATA)
			continue;
		mnl_attr_for_each_nested(port, info)
		{
			if (mnl_attr_get_type(port) == IFLA_BRPORT_MODE)
				hairpin = mnl_attr_get_u8(port) != 0;
		}
	}
	return bridged && hairpin;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	const struct link_fn *f = arg;
	struct rtnl_link l = {
		.name = "",
		.alias = "",
		.index = i->ifi_index,
		.is_up = (i->ifi_flags & IFF_UP) != 0,
	};
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof *i)
	{
		if (mnl_attr_get_type(a) == IFLA_IFNAME)
			l.name = attr_text(a);
		else if (mnl_attr_get_type(a) == IFLA_IFALIAS)
			l.alias = attr_text(a);
		else if (mnl_attr_get_type(a) == IFLA_MASTER)
			l.master = (int) mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == IFLA_LINKINFO)
			l.has_hairpin = read_hairpin(a);
	}
	f->fn(f->arg, &l);
	return MNL_CB_OK;
}

int rtnl_each_link(struct rtnl *nl, void (*fn)(void *arg, const struct rtnl_link *l), void *arg)
{
	struct link_fn f = {fn, arg};
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_GETLINK, 0);

	(void) put_link(h, 0);
	return dump(nl, h, on_link, &f);
}

/* Addresses and routes */

int rtnl_add_address(struct rtnl *nl, int index, const struct ip *a, unsigned prefix)
{
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *i = mnl_nlmsg_put_extra_header(h, sizeof *i);
	int r;

	i->ifa_family = (uint8_t) a->family;
	i->ifa_prefixlen = (uint8_t) prefix;
	/* It is ours to give: no need to ask the others whether they have it. */
	i->ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0;
	i->ifa_index = (uint32_t) index;
	mnl_attr_put(h, IFA_LOCAL, ip_len(a), a->b);
	mnl_attr_put(h, IFA_ADDRESS, ip_len(a), a->b);
	if (a->family == AF_INET && prefix < 31) {
		struct subnet s = {.ip = *a, .prefix = prefix};
		struct ip last = subnet_last(&s);

		mnl_attr_put(h, IFA_BROADCAST, 4, last.b);
	}
	r = ask(nl, h);
	return r == -EEXIST ? 0 : r;
}

int rtnl_add_default_route(struct rtnl *nl, int index, const struct ip *gateway)
{
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *r = mnl_nlmsg_put_extra_header(h, sizeof *r);

	r->rtm_family = (uint8_t) gateway->family;
	r->rtm_table = RT_TABLE_MAIN;
	r->rtm_protocol = RTPROT_BOOT;
	r->rtm_scope = RT_SCOPE_UNIVERSE;
	r->rtm_type = RTN_UNICAST;
	mnl_attr_put(h, RTA_GATEWAY, ip_len(gateway), gateway->b);
	mnl_attr_put_u32(h, RTA_OIF, (uint32_t) index);
	return ask(nl, h);
}

struct routes {
	struct subnet *items;
	size_t n;
};

static int on_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);
	struct routes *to = arg;
	struct subnet s = {.ip.family = r->rtm_family, .prefix = r->rtm_dst_len};
	const struct nlattr *a;

	if (r->rtm_dst_len == 0 || r->rtm_type != RTN_UNICAST ||
	    (r->rtm_family != AF_INET && r->rtm_family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof *r)
	{
		if (mnl_attr_get_type(a) == RTA_DST && mnl_attr_get_payload_len(a) == ip_len(&s.ip))
			memcpy(s.ip.b, mnl_attr_get_payload(a), ip_len(&s.ip));
	}
	to->items = xreallocarray(to->items, to->n + 1, sizeof *to->items);
	to->items[to->n++] = s;
	return MNL_CB_OK;
}

int rtnl_routes(struct rtnl *nl, struct subnet **ret, size_t *ret_n)
{
	struct message m;
	struct nlmsghdr *h = begin(m.bytes, RTM_GETROUTE, 0);
	struct rtmsg *t = mnl_nlmsg_put_extra_header(h, sizeof *t);
	struct routes routes = {0};
	int r;

	t->rtm_family = AF_UNSPEC;
	r = dump(nl, h, on_route, &routes);
	if (r < 0) {
		free(routes.items);
		return r;
	}
	*ret = routes.items;
	*ret_n = routes.n;
	return 0;
}
