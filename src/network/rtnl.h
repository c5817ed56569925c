/*
 * rtnetlink (rtnetlink(7)) through libmnl: interfaces, addresses, routes. Functions return 0 (or
 * what they say) or -errno, and are silent.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <net/if.h>

#include "network/subnet.h"

struct rtnl {
	struct mnl_socket *socket;
	unsigned seq;
};

/* In the network namespace of descriptor netns; -1: ours. */
int rtnl_open(int netns, struct rtnl *ret);
void rtnl_close(struct rtnl *nl);
#define autortnl auto_(rtnl_close) struct rtnl

/* Its index; -ENODEV where there is none. */
int rtnl_index(struct rtnl *nl, const char *name);
/* The same of a bridge; -EEXIST where it is another kind of interface. */
int rtnl_bridge_index(struct rtnl *nl, const char *name);

struct rtnl_veth {
	const char *name, *alias;
	int master;  /* index of the bridge */
	int64_t mtu; /* 0: the default */
	int peer_netns;
	const char *peer_name;
	const uint8_t *peer_mac;
};
/* A bridge of that name, up, with its alias from the first. Its MAC address is its own, so that it does not change with those of its
 * members: who has it in his neighbour table would speak to nobody for seconds. */
int rtnl_add_bridge(struct rtnl *nl, const char *name, const uint8_t mac[static MAC_LEN],
		    const char *alias, int64_t mtu);
/* A pair, one end as member of a bridge, up, with its alias from the first; the other in a
 * namespace. */
int rtnl_add_veth(struct rtnl *nl, const struct rtnl_veth *v);
/* A macvlan or ipvlan of a parent's, put into a namespace. mode: MACVLAN_MODE_..., IPVLAN_MODE_...
 */
int rtnl_add_vlan(struct rtnl *nl, const char *kind, int parent, int mode,
		  const struct rtnl_veth *v);
int rtnl_del(struct rtnl *nl, const char *name);
int rtnl_up(struct rtnl *nl, int index);
/* master 0: of none. */
int rtnl_set_master(struct rtnl *nl, int index, int master);
/* The bridge sends back through this member what came from it: a container that asks for its own
 * published port. */
int rtnl_set_hairpin(struct rtnl *nl, int index);
/* -EEXIST is 0. */
int rtnl_add_address(struct rtnl *nl, int index, const struct ip *a, unsigned prefix);
int rtnl_add_default_route(struct rtnl *nl, int index, const struct ip *gateway);

struct rtnl_link {
	const char *name;
	const char *alias; /* "" where there is none */
	int index, master;
	bool is_up;
	bool has_hairpin; /* as member of a bridge */
};
/* Where they change meanwhile it begins again, so fn may see one twice. */
int rtnl_each_link(struct rtnl *nl, void (*fn)(void *arg, const struct rtnl_link *l), void *arg);
/* Destinations of the routes there are, but the default ones, each at least once; *ret is the
 * caller's. */
int rtnl_routes(struct rtnl *nl, struct subnet **ret, size_t *ret_n);
