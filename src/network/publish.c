/*
 * Published ports put into the firewall's maps, and taken out of them, by nfnetlink through libmnl.
 * nft could do it, but takes 3 ms for its start, and after a deletion 10 for its end: the kernel
 * lets who closes the socket wait until the memory is free. So ours stays open.
 *
 * A key or a value is the bytes of its parts, each filled up to 4: what nft makes of the types that
 * the maps are declared with.
 */
#include <netinet/in.h> /* before the kernel's headers, which then leave its part out */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "network/private.h"

#define MESSAGE_MAX 256
/* More than a socket takes at once are nft's. */
#define PORTS_MAX  256
#define PART_ALIGN 4

struct mnl_socket *netfilter_socket(struct networks *ns)
{
	if (!ns->netfilter)
		ns->netfilter = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	return ns->netfilter;
}

/* The batch */

struct batch {
	char *bytes;
	size_t len;
	unsigned seq;	       /* of the last message */
	struct nlmsghdr *port; /* the last one that is no edge; NULL: none */
};

static struct nlmsghdr *begin(struct batch *b, int type, int flags, int family, int subsystem)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(b->bytes + b->len);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);

	h->nlmsg_type = (uint16_t) type;
	h->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++b->seq;
	g->nfgen_family = (uint8_t) family;
	g->version = NFNETLINK_V0;
	g->res_id = htons((uint16_t) subsystem);
	return h;
}

static void end(struct batch *b, const struct nlmsghdr *h)
{
	b->len += MNL_ALIGN(h->nlmsg_len);
}

static void put_edge(struct batch *b, int type)
{
	end(b, begin(b, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

struct parts {
	uint8_t bytes[32];
	size_t len;
};

static void add_part(struct parts *p, const void *bytes, size_t len)
{
	memcpy(p->bytes + p->len, bytes, len);
	p->len += (len + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN;
}

static void add_port(struct parts *p, int64_t port)
{
	uint16_t n = htons((uint16_t) port);

	add_part(p, &n, sizeof n);
}

static void put_parts(struct nlmsghdr *h, int type, const struct parts *p)
{
	struct nlattr *nest = mnl_attr_nest_start(h, (uint16_t) type);

	mnl_attr_put(h, NFTA_DATA_VALUE, p->len, p->bytes);
	mnl_attr_nest_end(h, nest);
}

static void put_element(struct nlmsghdr *h, bool adds, const struct port_element *el,
			const struct port_mapping *p)
{
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *item = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	struct parts key = {0}, value = {0};

	if (!el->any)
		add_part(&key, el->at.b, ip_len(&el->at));
	add_part(&key, &el->proto, sizeof el->proto);
	add_port(&key, p->host_port);
	put_parts(h, NFTA_SET_ELEM_KEY, &key);
	if (adds) {
		add_part(&value, el->to.b, ip_len(&el->to));
		add_port(&value, p->port);
		put_parts(h, NFTA_SET_ELEM_DATA, &value);
	}
	mnl_attr_nest_end(h, item);
	mnl_attr_nest_end(h, list);
}

static void put_message(struct batch *b, const char *table, bool adds,
			const struct port_element *el, const struct port_mapping *p)
{
	int verb = adds ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM;
	struct nlmsghdr *h = begin(b, NFNL_SUBSYS_NFTABLES << 8 | verb, adds ? NLM_F_CREATE : 0,
				   NFPROTO_INET, 0);

	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, el->map);
	put_element(h, adds, el, p);
	end(b, h);
	b->port = h;
}

/* The answers: one for each message that failed, and to the last. They are there when the batch has
 * been sent, for the kernel works it off within the call. */
static int hear(struct mnl_socket *s)
{
	_Alignas(struct nlmsghdr) char answer[8192];
	int r = -EPROTO;

	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(s), answer, sizeof answer, MSG_DONTWAIT);
		int left = (int) n;

		if (n < 0)
			return errno == EAGAIN ? r : -errno;
		for (struct nlmsghdr *h = (struct nlmsghdr *) answer; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type == NLMSG_ERROR && (r == 0 || r == -EPROTO))
				r = e->error;
		}
	}
}

static int send_batch(struct networks *ns, const struct batch *b)
{
	struct mnl_socket *s = netfilter_socket(ns);

	b->port->nlmsg_flags |= NLM_F_ACK;
	if (!s || mnl_socket_sendto(s, b->bytes, b->len) < 0)
		return -errno;
	return hear(s);
}

int publish_ports(struct networks *ns, bool adds, const struct endpoint *e)
{
	if (e->ports.n > PORTS_MAX)
		return -EMSGSIZE;
	autofree char *bytes = xcalloc(e->ports.n + 2, MESSAGE_MAX);
	struct batch b = {.bytes = bytes};

	put_edge(&b, NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < e->ports.n; i++) {
		const struct port_mapping *p = objects_at(&e->ports, struct port_mapping, i);
		struct port_element el;

		if (port_element(e, p, &el))
			put_message(&b, ns->table, adds, &el, p);
	}
	put_edge(&b, NFNL_MSG_BATCH_END);
	return b.port ? send_batch(ns, &b) : 0;
}
