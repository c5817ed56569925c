/*
 * Ports of the host: which are free, and who gets which. A port is taken where one of our endpoints
 * has it, at that address or at all of them, or where a socket of the host is bound to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "network/private.h"

#define RANGE_FIRST 32768
#define RANGE_LAST  60999

static bool is_any(const char *ip)
{
	return str_eq(ip, "0.0.0.0") || str_eq(ip, "::");
}

static bool same_family(const char *a, const char *b)
{
	return !strchr(a, ':') == !strchr(b, ':');
}

static bool overlap(const struct port_mapping *p, const char *proto, const char *ip, int64_t port)
{
	return p->host_port == port && str_eq(p->proto, proto) && same_family(p->host_ip, ip) &&
	       (is_any(ip) || is_any(p->host_ip) || str_eq(p->host_ip, ip));
}

static bool has_port(const struct endpoint *e, const char *proto, const char *ip, int64_t port)
{
	for (size_t i = 0; i < e->ports.n; i++)
		if (overlap(objects_at(&e->ports, struct port_mapping, i), proto, ip, port))
			return true;
	return false;
}

static bool is_allocated(const struct networks *ns, const char *proto, const char *ip, int64_t port)
{
	for (size_t i = 0; i < ns->n; i++)
		for (size_t k = 0; k < ns->all[i]->n_members; k++)
			if (has_port(&ns->all[i]->members[k].e, proto, ip, port))
				return true;
	return false;
}

/* 0, or -errno as bind(2) says it. What the kernel cannot do it cannot have given to others. */
static int try_bind(const char *proto, const struct ip *ip, int64_t port)
{
	bool udp = str_eq(proto, "udp"), sctp = str_eq(proto, "sctp");
	autoclose int fd = socket(ip->family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
				  sctp ? IPPROTO_SCTP : 0);
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port)};
	const int on = 1;
	int r;

	if (fd < 0)
		return 0;
	/* The last words of connections that have ended are in nobody's way. */
	if (!udp)
		(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (ip->family == AF_INET6) {
		(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
		memcpy(&a6.sin6_addr, ip->b, 16);
		r = bind(fd, (struct sockaddr *) &a6, sizeof a6);
	} else {
		memcpy(&a4.sin_addr, ip->b, 4);
		r = bind(fd, (struct sockaddr *) &a4, sizeof a4);
	}
	if (r < 0)
		return -errno;
	/* REUSEADDR lets us bind beside others, but not listen. */
	return !udp && listen(fd, 1) < 0 ? -errno : 0;
}

static int check_free(const struct networks *ns, const struct endpoint *e, const char *proto,
		      const char *host_ip, int64_t port, struct err *err)
{
	struct ip ip;
	int r;

	if (ip_parse(host_ip, &ip) < 0)
		return err_set(err, ERR_INVALID, "invalid host IP: %s", host_ip);
	if (has_port(e, proto, host_ip, port) || is_allocated(ns, proto, host_ip, port))
		return err_set(err, ERR_SYSTEM, "Bind for %s:%d failed: port is already allocated",
			       host_ip, (int) port);
	r = try_bind(proto, &ip, port);
	if (r < 0)
		return err_sys(err, -r, "failed to bind port %s:%d/%s", host_ip, (int) port, proto);
	return 0;
}

static void local_range(int64_t *ret_first, int64_t *ret_last)
{
	char text[64];
	int first, last;

	*ret_first = RANGE_FIRST;
	*ret_last = RANGE_LAST;
	if (read_small_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range", text, sizeof text) <
	    0)
		return;
	if (sscanf(text, "%d %d", &first, &last) == 2 && 0 < first && first <= last &&
	    last <= 65535) {
		*ret_first = first;
		*ret_last = last;
	}
}

static bool free_at_all(const struct networks *ns, const struct endpoint *e,
			const struct port_wish *w, char *const *ips, int64_t port, struct err *err)
{
	for (; *ips; ips++)
		if (check_free(ns, e, w->proto, *ips, port, err) < 0)
			return false;
	return true;
}

static int choose_in(const struct networks *ns, const struct endpoint *e, const struct port_wish *w,
		     char *const *ips, int64_t *ret, struct err *err)
{
	for (int64_t port = w->first; port <= w->last; port++)
		if (free_at_all(ns, e, w, ips, port, err)) {
			*ret = port;
			return 0;
		}
	return -1;
}

static int choose_any(struct networks *ns, const struct endpoint *e, const struct endpoint_wish *w,
		      const struct port_wish *p, char *const *ips, int64_t *ret, struct err *err)
{
	int64_t first, last, n;

	for (size_t i = 0; i < w->n_before; i++)
		if (w->before[i].port == p->port && str_eq(w->before[i].proto, p->proto) &&
		    free_at_all(ns, e, p, ips, w->before[i].host_port, NULL)) {
			*ret = w->before[i].host_port;
			return 0;
		}
	local_range(&first, &last);
	n = last - first + 1;
	for (int64_t i = 0; i < n; i++) {
		int64_t port = ns->last_port + 1;

		ns->last_port = port = port < first || port > last ? first : port;
		if (free_at_all(ns, e, p, ips, port, err)) {
			*ret = port;
			return 0;
		}
	}
	return err_set(err, ERR_SYSTEM, "all ports are allocated");
}

/* The host addresses of a wish: where it says none, those that the network says, or all of the
 * families that the endpoint has. In the usual form, for they are compared as text: "::0" is "::". */
static char **host_ips(const struct network *n, const struct port_wish *w, const struct endpoint *e)
{
	const char *at = !str_empty(w->host_ip) ? w->host_ip
						: strmap_get(&n->config.options, OPTION_HOST_IP4);
	char **ips = NULL, text[IP_TEXT_MAX];
	struct ip ip;

	if (!str_empty(at) && !(str_empty(w->host_ip) && str_eq(at, "0.0.0.0"))) {
		strv_add(&ips, ip_parse(at, &ip) < 0 ? at : ip_text(&ip, text));
		return ips;
	}
	strv_add(&ips, "0.0.0.0");
	if (!str_empty(e->ip6))
		strv_add(&ips, "::");
	return ips;
}

/* The firewall leads packets on to the same protocol only, and see there for ::1. */
static int check_reachable(const struct network *n, const struct port_wish *w,
			   const struct endpoint *e, struct err *err)
{
	struct ip ip, loopback = {.family = AF_INET6, .b[15] = 1};

	if (ip_parse(w->host_ip, &ip) < 0 || ip.family != AF_INET6)
		return 0;
	if (str_empty(e->ip6))
		return err_set(err, ERR_INVALID,
			       "cannot publish port %d/%s at [%s]: network %s has no IPv6",
			       (int) w->port, w->proto, w->host_ip, n->config.name);
	if (ip_eq(&ip, &loopback))
		return err_set(
			err, ERR_INVALID,
			"cannot publish port %d/%s at [%s]: of loopback addresses only those "
			"of IPv4 can be",
			(int) w->port, w->proto, w->host_ip);
	return 0;
}

static void add(struct endpoint *e, const struct port_wish *w, const char *ip, int64_t host_port)
{
	struct port_mapping *p;

	e->ports.items = xreallocarray(e->ports.items, e->ports.n + 1, sizeof *p);
	p = objects_at(&e->ports, struct port_mapping, e->ports.n++);
	*p = (struct port_mapping){
		.proto = xstrdup(w->proto),
		.port = w->port,
		.host_ip = xstrdup(ip),
		.host_port = host_port,
	};
}

int ports_choose(struct networks *ns, const struct network *n, const struct endpoint_wish *w,
		 struct endpoint *e, struct err *err)
{
	for (size_t i = 0; n->bridge[0] && i < w->n_ports; i++) {
		const struct port_wish *p = &w->ports[i];
		autostrv char **ips = host_ips(n, p, e);
		int64_t port = 0;

		if (check_reachable(n, p, e, err) < 0 ||
		    (p->first > 0 ? choose_in(ns, e, p, ips, &port, err)
				  : choose_any(ns, e, w, p, ips, &port, err)) < 0)
			return -1;
		for (char **ip = ips; *ip; ip++)
			add(e, p, *ip, port);
	}
	return 0;
}
