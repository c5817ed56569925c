/*
 * The firewall: one nftables table of ours (nft(8)), fed to `nft -f -` as one transaction. Its
 * chains never change; what varies are elements:
 *
 *	bridges		interfaces of our networks
 *	open		pairs of them between which traffic flows: each with itself, unless icc is off
 *	internal	those from which nothing leaves
 *	nets4, nets6	subnets that are masqueraded
 *	ports4, ...	(protocol, port) -> (address, port), for all addresses of the host
 *	ports4_at, ...	the same for one of them
 *
 * So to publish a port is to add an element, and to write all of it anew disturbs no packet: the
 * kernel changes over from one generation to the next, and connections that are established are in
 * conntrack.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/thread.h"
#include "network/private.h"

#define NFT_TIMEOUT_MS 30000

static const char declarations[] =
	"set bridges { type ifname; }\n"
	"set open { type ifname . ifname; }\n"
	"set internal { type ifname; }\n"
	"set nets4 { type ipv4_addr; flags interval; }\n"
	"set nets6 { type ipv6_addr; flags interval; }\n"
	"map ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	"map ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }\n"
	"map ports4_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	"map ports6_at { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }\n"
	"chain guard { type filter hook prerouting priority raw; policy accept; }\n"
	"chain ports { }\n"
	"chain prerouting { type nat hook prerouting priority dstnat; policy accept; }\n"
	"chain output { type nat hook output priority -100; policy accept; }\n"
	"chain inward { }\n"
	"chain postrouting { type nat hook postrouting priority srcnat; policy accept; }\n"
	"chain crossing { }\n"
	"chain forward { type filter hook forward priority filter; policy accept; }\n";

static const char *const flushed[] = {
	"chain @ guard",   "chain @ ports",	  "chain @ prerouting", "chain @ output",
	"chain @ inward",  "chain @ postrouting", "chain @ crossing",	"chain @ forward",
	"set @ bridges",   "set @ open",	  "set @ internal",	"set @ nets4",
	"set @ nets6",	   "map @ ports4",	  "map @ ports6",	"map @ ports4_at",
	"map @ ports6_at",
};

static const char *const rules[][2] = {
	/* route_localnet is on for bridges, so that published ports answer at 127.0.0.1; nobody
	 * else is to reach the host's own loopback. */
	{"guard", "iifname @bridges ip daddr 127.0.0.0/8 drop"},
	{"ports", "dnat ip to ip daddr . meta l4proto . th dport map @ports4_at"},
	{"ports", "dnat ip to meta l4proto . th dport map @ports4"},
	{"ports", "dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports6_at"},
	{"ports", "dnat ip6 to meta l4proto . th dport map @ports6"},
	{"prerouting", "fib daddr type local jump ports"},
	{"output", "fib daddr type local jump ports"},
	/* To a bridge: answers must come back through us where the way there led through a
	 * published port. */
	{"inward", "ip saddr 127.0.0.0/8 masquerade"},
	{"inward", "ct status dnat ip saddr @nets4 masquerade"},
	{"inward", "ct status dnat ip6 saddr @nets6 masquerade"},
	{"postrouting", "oifname @bridges goto inward"},
	{"postrouting", "ip saddr @nets4 masquerade"},
	{"postrouting", "ip6 saddr @nets6 masquerade"},
	{"crossing", "ct state established,related accept"},
	{"crossing", "ct status dnat accept"},
	{"crossing", "iifname . oifname @open accept"},
	{"crossing", "oifname @bridges drop"},
	{"crossing", "iifname @internal drop"},
	{"forward", "iifname @bridges goto crossing"},
	{"forward", "oifname @bridges goto crossing"},
};

/* A descriptor that reads as the text: nft reads its input whole, so no pipe could fill up. */
static int text_fd(const struct buf *text)
{
	autoclose int fd = memfd_create("nft", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, text->text, text->len);
	if (r < 0)
		return r;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : take_fd(fd);
}

static int run_nft(struct networks *ns, const struct buf *text, struct err *err)
{
	const char *argv[] = {ns->o.nft ?: "nft", "-f", "-", NULL};
	struct spawn_result result = {0};
	autoclose int in = text_fd(text);
	/* With the lock: where we are killed, the next daemon waits until this is done. */
	const struct spawn s = {
		.argv = argv,
		.in = in,
		.keep = &ns->o.lock_fd,
		.n_keep = ns->o.lock_fd > 0,
	};
	int r;

	if (in < 0)
		return err_sys(err, -in, "firewall");
	r = spawn_run(&s, NFT_TIMEOUT_MS, 0, &result, err);
	if (r == 0 && (result.code != 0 || result.timed_out)) {
		char *nl = strchr(result.err_text ?: "", '\n');

		if (nl)
			*nl = '\0';
		r = err_set(err, ERR_SYSTEM, "firewall: nft: %s",
			    result.timed_out ? "no answer" : result.err_text ?: "");
	}
	spawn_result_free(&result);
	return r;
}

/* Elements */

static void add_port(struct buf *b, const char *verb, const char *table, const struct endpoint *e,
		     const struct port_mapping *p)
{
	struct ip at;
	bool v6, any;

	if (ip_parse(p->host_ip, &at) < 0)
		return;
	v6 = at.family == AF_INET6;
	any = str_eq(p->host_ip, v6 ? "::" : "0.0.0.0");
	if (str_empty(v6 ? e->ip6 : e->ip))
		return;
	buf_addf(b, "%s element inet %s ports%d%s { ", verb, table, v6 ? 6 : 4, any ? "" : "_at");
	if (!any)
		buf_addf(b, "%s . ", p->host_ip);
	buf_addf(b, "%s . %d : %s . %d }\n", p->proto, (int) p->host_port, v6 ? e->ip6 : e->ip,
		 (int) p->port);
}

static void add_ports(struct buf *b, const char *verb, const char *table, const struct endpoint *e)
{
	for (size_t i = 0; i < e->ports.n; i++)
		add_port(b, verb, table, e, objects_at(&e->ports, struct port_mapping, i));
}

static bool option_is(const struct network *n, const char *key, const char *value)
{
	return str_eq(strmap_get(&n->config.options, key), value);
}

static void add_network(struct buf *b, const char *table, const struct network *n)
{
	static const char *const sets[] = {"nets4", "nets6"};
	char text[IP_TEXT_MAX];

	buf_addf(b, "add element inet %s bridges { \"%s\" }\n", table, n->bridge);
	if (!option_is(n, "com.docker.network.bridge.enable_icc", "false"))
		buf_addf(b, "add element inet %s open { \"%s\" . \"%s\" }\n", table, n->bridge,
			 n->bridge);
	if (n->config.internal)
		buf_addf(b, "add element inet %s internal { \"%s\" }\n", table, n->bridge);
	for (int i = 0; i < 2; i++) {
		struct ip first = subnet_first(&n->pools[i].subnet);

		if (first.family && !n->config.internal &&
		    !option_is(n, "com.docker.network.bridge.enable_ip_masquerade", "false"))
			buf_addf(b, "add element inet %s %s { %s/%u }\n", table, sets[i],
				 ip_text(&first, text), n->pools[i].subnet.prefix);
	}
	for (size_t i = 0; i < n->n_members; i++)
		add_ports(b, "add", table, &n->members[i].e);
}

static void write_table(struct networks *ns, struct buf *b)
{
	buf_addf(b, "table inet %s {\n%s}\n", ns->table, declarations);
	for (size_t i = 0; i < ARRAY_SIZE(flushed); i++) {
		const char *at = strchr(flushed[i], '@');

		buf_addf(b, "flush %.*sinet %s%s\n", (int) (at - flushed[i]), flushed[i], ns->table,
			 at + 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		buf_addf(b, "add rule inet %s %s %s\n", ns->table, rules[i][0], rules[i][1]);

	hold(&ns->lock);
	for (size_t i = 0; i < ns->n; i++)
		if (ns->all[i]->bridge[0])
			add_network(b, ns->table, ns->all[i]);
}

static int write_all_locked(struct networks *ns, struct err *err)
{
	autobuf b = {0}, anew = {0};
	struct err first = {0};

	ns->firewall_is_up = true;
	write_table(ns, &b);
	if (run_nft(ns, &b, &first) == 0)
		return 0;
	/* An older table of ours, or a foreign one of that name, has another shape. */
	log_warn("%s; the table %s is made anew", first.text, ns->table);
	buf_addf(&anew, "table inet %s {}\ndelete table inet %s\n", ns->table, ns->table);
	buf_add(&anew, b.text, b.len);
	ns->firewall_is_up = run_nft(ns, &anew, err) == 0;
	return ns->firewall_is_up ? 0 : -1;
}

int firewall_write(struct networks *ns, struct err *err)
{
	hold(&ns->firewall);

	return write_all_locked(ns, err);
}

int firewall_up(struct networks *ns, struct err *err)
{
	hold(&ns->firewall);

	return ns->firewall_is_up ? 0 : write_all_locked(ns, err);
}

int firewall_publish(struct networks *ns, const struct endpoint *e, struct err *err)
{
	autobuf b = {0};

	add_ports(&b, "add", ns->table, e);
	if (b.len == 0)
		return 0;
	hold(&ns->firewall);
	/* Where somebody has been at the table: all of it, then. */
	return run_nft(ns, &b, NULL) == 0 ? 0 : write_all_locked(ns, err);
}

/* Out of memory and out of the table in one: whoever writes all of it has not seen it, and who gets
 * a port of it next adds that later. */
int firewall_withdraw(struct networks *ns, const struct endpoint *e, struct err *err)
{
	autobuf b = {0};

	add_ports(&b, "delete", ns->table, e);
	hold(&ns->firewall);
	member_drop(ns, e->id);
	if (b.len == 0)
		return 0;
	return run_nft(ns, &b, NULL) == 0 ? 0 : write_all_locked(ns, err);
}

void firewall_remove(struct networks *ns)
{
	autobuf b = {0};

	hold(&ns->firewall);
	/* First made, so that it is no fault if it is not there. */
	buf_addf(&b, "table inet %s {}\ndelete table inet %s\n", ns->table, ns->table);
	(void) run_nft(ns, &b, NULL);
	ns->firewall_is_up = false;
}
