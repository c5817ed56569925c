/*
 * The firewall: one nftables table of ours (nft(8)), fed to `nft -f -` as one transaction. Its
 * chains never change; what varies are elements (elements.c), and ports come and go without nft
 * (publish.c):
 *
 *	bridges		interfaces of our networks
 *	open		pairs of them between which traffic flows: each with itself, unless icc is off
 *	internal	those from which nothing leaves
 *	nets4, nets6	subnets that are masqueraded
 *	ports4, ...	(protocol, port) -> (address, port), for all addresses of the host
 *	ports4_at, ...	the same for one of them
 *
 * So to publish a port is to add an element, and to make all of it right disturbs no packet: rules
 * are changed over from one generation to the next, of elements those that are wrong, and
 * connections that are established are in conntrack.
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
#define LISTING_MAX    (16 << 20) /* a hundred thousand ports and more */

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

static const char *const chains[] = {
	"guard", "ports", "prerouting", "output", "inward", "postrouting", "crossing", "forward",
};

static const char *const rules[][2] = {
	/* route_localnet is on for bridges, so that published ports answer at 127.0.0.1; nobody
	 * else is to reach the host's own loopback. */
	{"guard", "iifname @bridges ip daddr 127.0.0.0/8 drop"},
	{"ports", "dnat ip to ip daddr . meta l4proto . th dport map @ports4_at"},
	{"ports", "dnat ip to meta l4proto . th dport map @ports4"},
	/* What is answered to ::1 comes back through a bridge, where the kernel does not take it: better
	 * refused at once, for clients of "localhost" then try 127.0.0.1. */
	{"ports", "ip6 daddr ::1 return"},
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

/* argv of nft, whose first is its program. ret_out: what it says. */
static int run_nft(struct networks *ns, const char *const *argv, const struct buf *text,
		   char **ret_out, struct err *err)
{
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
	r = spawn_run(&s, NFT_TIMEOUT_MS, ret_out ? LISTING_MAX : 0, &result, err);
	if (r == 0 && (result.code != 0 || result.timed_out)) {
		char *nl = strchr(result.err_text ?: "", '\n');

		if (nl)
			*nl = '\0';
		r = err_set(err, ERR_SYSTEM, "firewall: nft: %s",
			    result.timed_out ? "no answer" : result.err_text ?: "");
	}
	if (r == 0 && ret_out)
		*ret_out = take(result.out);
	spawn_result_free(&result);
	return r;
}

/* One transaction. */
static int change(struct networks *ns, const struct buf *text, struct err *err)
{
	const char *argv[] = {ns->o.nft ?: "nft", "-f", "-", NULL};

	return run_nft(ns, argv, text, NULL, err);
}

/* Elements that are there. Where the table is not, or is not ours, there are none. */
static void read_elements(struct networks *ns, struct elements *ret)
{
	const char *argv[] = {ns->o.nft ?: "nft", "-j", "-p", "list", "table", "inet",
			      ns->table,	  NULL};
	const struct buf nothing = {0};
	autofree char *listing = NULL;

	if (run_nft(ns, argv, &nothing, &listing, NULL) < 0)
		return;
	if (elements_listed(ret, listing) < 0)
		elements_free(ret);
}

/* Publishes all there is, or only the endpoint's: was there something to publish? */
static bool mark_published(struct networks *ns, const struct endpoint *only)
{
	bool any = false;

	hold(&ns->lock);
	for (size_t i = 0; i < ns->n; i++)
		for (size_t k = 0; k < ns->all[i]->n_members; k++) {
			struct member *m = &ns->all[i]->members[k];

			/* One without ports may get some later (network_lead()). */
			if (m->published || m->e.ports.n == 0 ||
			    (only && !str_eq(m->e.id, only->id)))
				continue;
			m->published = any = true;
		}
	return any;
}

static void elements_wanted(struct networks *ns, struct elements *ret)
{
	hold(&ns->lock);

	for (size_t i = 0; i < ns->n; i++)
		if (ns->all[i]->bridge[0])
			elements_of_network(ret, ns->all[i]);
}

static void write_rules(struct networks *ns, struct buf *b)
{
	buf_addf(b, "table inet %s {\n%s}\n", ns->table, declarations);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		buf_addf(b, "flush chain inet %s %s\n", ns->table, chains[i]);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		buf_addf(b, "add rule inet %s %s %s\n", ns->table, rules[i][0], rules[i][1]);
}

static int write_anew(struct networks *ns, const struct elements *wanted, struct err *err)
{
	autobuf b = {0};

	buf_addf(&b, "table inet %s {}\ndelete table inet %s\n", ns->table, ns->table);
	write_rules(ns, &b);
	elements_put(&b, "add", ns->table, wanted);
	return change(ns, &b, err);
}

/* Of the table with these elements, as this program makes it. */
static uint64_t digest_of(struct networks *ns, const struct elements *wanted)
{
	autobuf b = {0};

	write_rules(ns, &b);
	return str_hash(b.text) + elements_digest(wanted);
}

static int write_wanted(struct networks *ns, struct elements *wanted, struct err *err)
{
	autoelements is = {0};
	struct err first = {0};
	autobuf b = {0};

	read_elements(ns, &is);
	write_rules(ns, &b);
	elements_change(&b, ns->table, &is, wanted);
	if (change(ns, &b, &first) == 0)
		return 0;
	/* An older table of ours, or a foreign one of that name, has another shape. */
	log_warn("%s; the table %s is made anew", first.text, ns->table);
	return write_anew(ns, wanted, err);
}

static int write_all_locked(struct networks *ns, struct err *err)
{
	int64_t before = generation_now(ns);
	autoelements wanted = {0};

	(void) mark_published(ns, NULL);
	elements_wanted(ns, &wanted);
	ns->firewall_is_up = write_wanted(ns, &wanted, err) == 0;
	if (!ns->firewall_is_up)
		return -1;
	generation_note(ns, before, digest_of(ns, &wanted));
	return 0;
}

bool firewall_is_right(struct networks *ns)
{
	autoelements wanted = {0};
	bool right;

	hold(&ns->firewall);
	(void) mark_published(ns, NULL);
	elements_wanted(ns, &wanted);
	right = generation_is_noted(ns, digest_of(ns, &wanted));
	ns->firewall_is_up |= right;
	return right;
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

/* The ports of an endpoint. Where somebody has been at the table: all of it, then. */
static int change_ports_locked(struct networks *ns, bool adds, const struct endpoint *e,
			       struct err *err)
{
	int64_t before = generation_now(ns);
	autoelements wanted = {0};

	if (publish_ports(ns, adds, e) < 0)
		return write_all_locked(ns, err);
	elements_wanted(ns, &wanted);
	generation_note(ns, before, digest_of(ns, &wanted));
	return 0;
}

int firewall_publish(struct networks *ns, const struct endpoint *e, struct err *err)
{
	int r;

	{
		hold(&ns->firewall);
		/* Whoever has written all of it meanwhile has published them. */
		r = mark_published(ns, e) ? change_ports_locked(ns, true, e, err) : 0;
	}
	if (r == 0)
		flows_forget(ns, e);
	return r;
}

/* Out of memory and out of the table in one: whoever writes all of it has not seen it, and who gets
 * a port of it next adds that later. */
int firewall_withdraw(struct networks *ns, const struct endpoint *e, struct err *err)
{
	hold(&ns->firewall);

	member_drop(ns, e->id);
	return e->ports.n > 0 ? change_ports_locked(ns, false, e, err) : 0;
}

void firewall_remove(struct networks *ns)
{
	autobuf b = {0};

	hold(&ns->firewall);
	/* First made, so that it is no fault if it is not there. */
	buf_addf(&b, "table inet %s {}\ndelete table inet %s\n", ns->table, ns->table);
	(void) change(ns, &b, NULL);
	generation_note(ns, GENERATION_UNKNOWN, 0);
	ns->firewall_is_up = false;
}
