/*
 * The host's side of a bridge network: the interface, its addresses, and the sysctls that traffic
 * to and from it needs. Each step may be done twice, so the same code makes and repairs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "network/private.h"
#include "network/rtnl.h"

int bridge_check_name(const char *name, struct err *err)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(name);

	if (len >= IF_NAMESIZE || strspn(name, allowed) != len || name[0] == '.')
		return err_set(err, ERR_INVALID,
			       "invalid bridge name '%.64s': at most %d of [a-zA-Z0-9_.-]", name,
			       IF_NAMESIZE - 1);
	return 0;
}

static void set_sysctl(const char *family, const char *ifname, const char *key, const char *value)
{
	autofree char *path = xasprintf("/proc/sys/net/%s/conf/%s/%s", family, ifname, key);
	int r = write_small_at(AT_FDCWD, path, value);

	if (r < 0 && r != -ENOENT)
		log_warn("network: %s: %s", path, strerror(-r));
}

/* Only where it is not so: who looks at the file's time may see who meant it. */
static int enable_forwarding(const char *path, struct err *err)
{
	char now[16] = "";
	int r;

	if (read_small_at(AT_FDCWD, path, now, sizeof now) == 0 && str_eq(now, "1"))
		return 0;
	r = write_small_at(AT_FDCWD, path, "1");
	return r < 0 ? err_sys(err, -r, "enable forwarding: %s", path) : 0;
}

static int set_sysctls(const struct network *n, struct err *err)
{
	bool v6 = n->pools[1].subnet.ip.family;

	if (enable_forwarding("/proc/sys/net/ipv4/ip_forward", err) < 0)
		return -1;
	if (v6 && enable_forwarding("/proc/sys/net/ipv6/conf/all/forwarding", err) < 0)
		return -1;
	/* Ports published at 127.0.0.1 are routed to the bridge; what comes from it for 127.0.0.0/8
	 * the firewall drops. */
	set_sysctl("ipv4", n->bridge, "route_localnet", "1");
	set_sysctl("ipv6", n->bridge, "accept_ra", "0");
	set_sysctl("ipv6", n->bridge, "disable_ipv6", v6 ? "0" : "1");
	return 0;
}

/* The interface's index; one with the name that a user asked for may be there already, and is then
 * not ours. */
static int find_or_make(struct networks *ns, struct rtnl *nl, const struct network *n)
{
	autofree char *alias = xasprintf("%s %s", ns->table, n->config.id);
	int index = rtnl_bridge_index(nl, n->bridge), r;
	uint8_t mac[MAC_LEN];

	if (index != -ENODEV)
		return index;
	mac_of_ip(&n->pools[0].gateway, mac);
	r = rtnl_add_bridge(nl, n->bridge, mac, alias, network_mtu(&n->config));
	if (r < 0 && r != -EEXIST)
		return r;
	return rtnl_bridge_index(nl, n->bridge);
}

static int bring_up(struct networks *ns, struct rtnl *nl, const struct network *n, struct err *err)
{
	int index = find_or_make(ns, nl, n), r;

	if (index == -EEXIST)
		return err_set(err, ERR_INVALID, "existing interface %s is not a bridge",
			       n->bridge);
	if (index < 0)
		return err_sys(err, -index, "make bridge %s", n->bridge);
	if (set_sysctls(n, err) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		const struct pool *p = &n->pools[i];

		if (!p->gateway.family)
			continue;
		r = rtnl_add_address(nl, index, &p->gateway, p->subnet.prefix);
		if (r < 0)
			return err_sys(err, -r, "give bridge %s its address", n->bridge);
	}
	r = rtnl_up(nl, index);
	return r < 0 ? err_sys(err, -r, "bring bridge %s up", n->bridge) : 0;
}

int bridge_up(struct networks *ns, const struct network *n, struct err *err)
{
	autortnl nl = {0};
	int r;

	if (!n->bridge[0])
		return 0;
	r = rtnl_open(-1, &nl);
	return r < 0 ? err_sys(err, -r, "speak with the kernel") : bring_up(ns, &nl, n, err);
}
