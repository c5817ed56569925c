/*
 * Flows of UDP that conntrack remembers. They have no end: as long as packets come, the kernel leads
 * them where it led the first, which may be the address of a container that has gone, or no
 * container's, where the port was nobody's then. So whoever publishes a port has the kernel forget
 * such flows (ctnetlink); those that go where they should go on.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"
#include "network/private.h"

#define ANSWER_MAX 65536 /* a message of the kernel's dumps */

/* Published: at this address and port of the host (family 0: all of them), leading there. */
struct led {
	struct ip at, to;
	uint16_t at_port, to_port;
};

/* One to be forgotten, as the kernel names it. */
struct flow {
	uint8_t family;
	uint16_t zone;
	uint32_t id;
	struct nlattr *tuple; /* owned */
};

struct search {
	struct led *led;
	size_t n_led;
	struct flow *found;
	size_t n;
};

static void search_free(struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->found[i].tuple);
	free(s->found);
	free(s->led);
}

/* What is published */

static void add_led(struct search *s, const struct endpoint *e, const struct port_mapping *p)
{
	struct port_element el;

	if (!port_element(e, p, &el) || el.proto != IPPROTO_UDP)
		return;
	s->led = xreallocarray(s->led, s->n_led + 1, sizeof *s->led);
	s->led[s->n_led++] = (struct led){
		.at = el.any ? (struct ip){0} : el.at,
		.to = el.to,
		.at_port = (uint16_t) p->host_port,
		.to_port = (uint16_t) p->port,
	};
}

static void add_endpoint(struct search *s, const struct endpoint *e)
{
	for (size_t i = 0; i < e->ports.n; i++)
		add_led(s, e, objects_at(&e->ports, struct port_mapping, i));
}

static void add_all(struct search *s, struct networks *ns)
{
	hold(&ns->lock);

	for (size_t i = 0; i < ns->n; i++)
		for (size_t k = 0; k < ns->all[i]->n_members; k++)
			add_endpoint(s, &ns->all[i]->members[k].e);
}

/* What the kernel says */

/* Whose packets have these addresses: one direction of a flow. */
struct tuple {
	struct ip src, dst;
	uint8_t proto;
	uint16_t src_port, dst_port;
};

static void read_address(const struct nlattr *a, struct ip *ret)
{
	uint16_t len = mnl_attr_get_payload_len(a);

	if (len != 4 && len != 16)
		return;
	ret->family = len == 4 ? AF_INET : AF_INET6;
	memcpy(ret->b, mnl_attr_get_payload(a), len);
}

static void read_addresses(const struct nlattr *nest, struct tuple *ret)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		int type = mnl_attr_get_type(a);

		if (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC)
			read_address(a, &ret->src);
		else if (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST)
			read_address(a, &ret->dst);
	}
}

static void read_ports(const struct nlattr *nest, struct tuple *ret)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		int type = mnl_attr_get_type(a);

		if (type == CTA_PROTO_NUM && mnl_attr_validate(a, MNL_TYPE_U8) >= 0)
			ret->proto = mnl_attr_get_u8(a);
		else if (type == CTA_PROTO_SRC_PORT && mnl_attr_validate(a, MNL_TYPE_U16) >= 0)
			ret->src_port = ntohs(mnl_attr_get_u16(a));
		else if (type == CTA_PROTO_DST_PORT && mnl_attr_validate(a, MNL_TYPE_U16) >= 0)
			ret->dst_port = ntohs(mnl_attr_get_u16(a));
	}
}

static void read_tuple(const struct nlattr *nest, struct tuple *ret)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest)
	{
		if (mnl_attr_get_type(a) == CTA_TUPLE_IP)
			read_addresses(a, ret);
		else if (mnl_attr_get_type(a) == CTA_TUPLE_PROTO)
			read_ports(a, ret);
	}
}

/* Is it the host that is spoken to, and not somebody behind it? */
static bool is_local(const struct ip *ip)
{
	autoclose int fd = socket(ip->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a4 = {.sin_family = AF_INET};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};

	if (fd < 0)
		return false;
	memcpy(&a4.sin_addr, ip->b, sizeof a4.sin_addr);
	memcpy(&a6.sin6_addr, ip->b, sizeof a6.sin6_addr);
	return ip->family == AF_INET ? bind(fd, (struct sockaddr *) &a4, sizeof a4) == 0
				     : bind(fd, (struct sockaddr *) &a6, sizeof a6) == 0;
}

static bool leads_astray(const struct led *l, const struct tuple *there, const struct tuple *back)
{
	if (there->dst_port != l->at_port || there->dst.family != l->to.family ||
	    (l->at.family && !ip_eq(&l->at, &there->dst)))
		return false;
	return !ip_eq(&back->src, &l->to) || back->src_port != l->to_port;
}

static int on_flow(const struct nlmsghdr *h, void *arg)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	struct flow f = {.family = g->nfgen_family};
	struct tuple there = {0}, back = {0};
	struct search *s = arg;
	const struct nlattr *a, *tuple = NULL;
	bool astray = false;

	mnl_attr_for_each(a, h, sizeof *g)
	{
		int type = mnl_attr_get_type(a);

		if (type == CTA_TUPLE_ORIG)
			read_tuple(tuple = a, &there);
		else if (type == CTA_TUPLE_REPLY)
			read_tuple(a, &back);
		else if (type == CTA_ID && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			f.id = mnl_attr_get_u32(a);
		else if (type == CTA_ZONE && mnl_attr_validate(a, MNL_TYPE_U16) >= 0)
			f.zone = mnl_attr_get_u16(a);
	}
	for (size_t i = 0; !astray && there.proto == IPPROTO_UDP && i < s->n_led; i++)
		astray = leads_astray(&s->led[i], &there, &back);
	if (!tuple || !astray || !is_local(&there.dst))
		return MNL_CB_OK;
	f.tuple = xmalloc(tuple->nla_len);
	memcpy(f.tuple, tuple, tuple->nla_len);
	s->found = xreallocarray(s->found, s->n + 1, sizeof *s->found);
	s->found[s->n++] = f;
	return MNL_CB_OK;
}

/* Asking */

static struct nlmsghdr *begin(char *at, int what, int flags, uint8_t family)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);
	struct nfgenmsg *g;

	h->nlmsg_type = (uint16_t) ((NFNL_SUBSYS_CTNETLINK << 8) | what);
	h->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | flags);
	h->nlmsg_seq = 1;
	g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	return h;
}

static int talk(struct mnl_socket *socket, const struct nlmsghdr *h, struct search *s)
{
	autofree char *answer = xmalloc(ANSWER_MAX);
	ssize_t n;
	int r;

	if (mnl_socket_sendto(socket, h, h->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(socket, answer, ANSWER_MAX);
		if (n < 0)
			return -errno;
		r = mnl_cb_run(answer, (size_t) n, 1, mnl_socket_get_portid(socket),
			       s ? on_flow : NULL, s);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

static int forget_one(struct mnl_socket *socket, const struct flow *f)
{
	_Alignas(struct nlmsghdr) char bytes[1024];
	struct nlmsghdr *h = begin(bytes, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, f->family);

	mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, mnl_attr_get_payload_len(f->tuple),
		     mnl_attr_get_payload(f->tuple));
	mnl_attr_put_u32(h, CTA_ID, f->id);
	if (f->zone)
		mnl_attr_put_u16(h, CTA_ZONE, f->zone);
	return talk(socket, h, NULL);
}

/* Both families in one. What ends meanwhile by itself is no fault. */
static int forget(struct mnl_socket *socket, struct search *s)
{
	_Alignas(struct nlmsghdr) char bytes[256];
	int r = talk(socket, begin(bytes, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC), s), one;

	for (size_t i = 0; i < s->n; i++) {
		one = forget_one(socket, &s->found[i]);
		if (r == 0 && one != -ENOENT)
			r = one;
	}
	return r;
}

void flows_forget(struct networks *ns, const struct endpoint *e)
{
	auto_(search_free) struct search s = {0};
	struct mnl_socket *socket;
	int r = 0;

	if (e)
		add_endpoint(&s, e);
	else
		add_all(&s, ns);
	if (s.n_led == 0)
		return;
	socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	else
		r = forget(socket, &s);
	if (socket)
		(void) mnl_socket_close(socket);
	if (r < 0 && r != -EINTR) /* it changed while it was read: what came is dealt with */
		log_warn("network: flows of UDP: %s", strerror(-r));
}
