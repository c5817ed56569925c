/* What the files of this room share. Locks: `make` (one verb that makes or removes a network or its
 * interface) < `firewall`, `dns` (so that both are as the newest who wrote says) < `lock`
 * (memory, never held over the kernel's work). */
#pragma once

#include <net/if.h>
#include <pthread.h>

#include "network/network.h"
#include "network/subnet.h"

struct member {
	char *owner;
	char *owner_name;
	struct endpoint e;
	struct ip ip, ip6; /* of e, parsed */
	bool published;	   /* its ports belong into the firewall's table */
};

/* A pool, parsed. */
struct pool {
	struct subnet subnet, range;
	struct ip gateway; /* none: of an internal network, say */
	struct ip *aux;
	size_t n_aux;
	struct ip last; /* given away last */
};

struct network {
	struct network_config config;
	struct pool pools[2];	  /* IPv4, IPv6; family 0: none */
	char bridge[IF_NAMESIZE]; /* "": no interface of its own */
	struct member *members;	  /* by their endpoints' ids */
	size_t n_members;
	bool is_up; /* its interface, as far as we know; `make` */
};

struct networks {
	struct network_options o;
	int dir; /* <data-root>/networks */
	char table[64];
	pthread_mutex_t make;
	pthread_mutex_t firewall;
	pthread_mutex_t dns; /* its files */
	pthread_mutex_t lock;
	struct network **all; /* the oldest first */
	size_t n;
	bool has_unknown;    /* interfaces of endpoints that nobody could name; `make` */
	char **unreadable;   /* ids of those whose file tells nothing; since networks_open() */
	bool firewall_is_up; /* as far as we know; `firewall` */
	struct mnl_socket *netfilter; /* publish.c's; NULL until it is needed; `firewall` */
	int64_t last_port;	      /* given away by chance */
};

/* store.c; lock held */
struct network *network_by_ref(struct networks *ns, const char *ref, struct err *err);
bool network_is_builtin(const struct network *n);
/* Is it one that has addresses and interfaces? */
bool network_is_real(const struct network *n);

/* options.c */
#define OPTION_ICC	  "com.docker.network.bridge.enable_icc"
#define OPTION_MASQUERADE "com.docker.network.bridge.enable_ip_masquerade"
#define OPTION_HOST_IP4	  "com.docker.network.bridge.host_binding_ipv4"
#define OPTION_MTU	  "com.docker.network.driver.mtu"
/* Is it one that we can make? ERR_INVALID, ERR_FORBIDDEN, ERR_NOT_FOUND for a driver. */
int network_check_config(const struct network_config *c, struct err *err);
/* An option that is on unless it is said to be off. */
bool network_option_is_off(const struct network_config *c, const char *key);
/* 0: the kernel's default. */
int64_t network_mtu(const struct network_config *c);

/* pool.c; lock held */
/* Completes config's pools with what was not said, checks and parses them into n->pools; `hosts`
 * are the host's routes. */
int pools_plan(struct networks *ns, struct network *n, const struct subnet *routes, size_t n_routes,
	       struct err *err);
int pools_parse(struct network *n, struct err *err);
void pools_free(struct network *n);
/* An address nobody has; or `wish`, if nobody has it. */
int pool_take(struct network *n, int which, const char *wish, struct ip *ret, struct err *err);

/* bridge.c */
/* May an interface have this name? It becomes part of paths and of the firewall's text. */
int bridge_check_name(const char *name, struct err *err);
/* Makes the interface be there and be right. */
int bridge_up(struct networks *ns, const struct network *n, struct err *err);

/* elements.c: elements of the firewall's sets and maps, as lines of nft's language without their
 * verb: "ports4 { 6 . 8080 : 172.17.0.2 . 80 }". */
struct elements {
	char **items;
	size_t n;
};
void elements_free(struct elements *e);
#define autoelements auto_(elements_free) struct elements
/* A published port as an element of one of the maps. */
struct port_element {
	char map[sizeof "ports4_at"];
	bool any;     /* of the host's addresses; else `at` is part of the key */
	struct ip at; /* of the host */
	uint8_t proto;
	struct ip to;
};
/* false: none, for the endpoint has no address of that family. */
bool port_element(const struct endpoint *e, const struct port_mapping *p, struct port_element *ret);
/* With the ports that are published of its endpoints; lock held. */
void elements_of_network(struct elements *to, const struct network *n);
/* Those of a table that `nft -j -p list table` has listed; -EBADMSG: some are of another kind. */
int elements_listed(struct elements *to, const char *listing);
/* A number that tells other elements from these, whatever their order. */
uint64_t elements_digest(const struct elements *e);
/* Commands to nft for each. */
void elements_put(struct buf *b, const char *verb, const char *table, const struct elements *e);
/* Commands to nft that make what is what it should be; sorts both. */
void elements_change(struct buf *b, const char *table, struct elements *is,
		     struct elements *should);

/* publish.c */
/* Puts all ports of e into the table, or takes them out of it, in one transaction: 0, or -errno, and
 * nothing has changed. They may be too many for it. `firewall` held. */
int publish_ports(struct networks *ns, bool adds, const struct endpoint *e);
/* For nfnetlink, opened once; NULL and errno. `firewall` held. */
struct mnl_socket *netfilter_socket(struct networks *ns);

/* generation.c; `firewall` held */
/* How many transactions there have been, or -errno. */
int64_t generation_now(struct networks *ns);
/* Ours is done, and the table holds what has this digest; `before` was the count before. Unknown:
 * what is noted is forgotten. */
#define GENERATION_UNKNOWN (-1)
void generation_note(struct networks *ns, int64_t before, uint64_t digest);
/* Nobody has changed anything since such a table was noted. */
bool generation_is_noted(struct networks *ns, uint64_t digest);

/* firewall.c; each takes the lock */
/* Makes the whole table as memory says, in one transaction that leaves alone what is right; or only
 * if this has not been done yet. */
int firewall_write(struct networks *ns, struct err *err);
int firewall_up(struct networks *ns, struct err *err);
/* Is the table known to be as memory says, because nobody has been at it? Costs a message. */
bool firewall_is_right(struct networks *ns);
/* Adds the ports of an endpoint. */
int firewall_publish(struct networks *ns, const struct endpoint *e, struct err *err);
/* Takes them away, and the endpoint out of memory. */
int firewall_withdraw(struct networks *ns, const struct endpoint *e, struct err *err);
/* Takes the table away. */
void firewall_remove(struct networks *ns);

/* flows.c */
/* Flows of UDP to ports that the endpoint publishes (NULL: any does), and that lead elsewhere, begin
 * anew. After the firewall has it. What fails is logged. */
void flows_forget(struct networks *ns, const struct endpoint *e);

/* endpoint.c */
#define HOST_IFNAME_PREFIX "hv"
void member_free(struct member *m);
/* Takes a member out of memory; takes the lock. */
void member_drop(struct networks *ns, const char *endpoint_id);

/* repair.c: may there be anything of ours on the host, but the interface `but`? */
bool has_links_but(struct networks *ns, const char *but);
/* A user may have named a bridge that is somebody else's: that stays. */
void link_remove_if_ours(struct networks *ns, const char *name);

/* dns.c */
/* Are the network's members found by name? */
bool dns_serves(const struct networks *ns, const struct network *n);
/* Tells the server the members of the network, or of all (NULL). Takes the lock. */
void dns_write(struct networks *ns, const char *id);
/* Ends the server. */
void dns_rest(struct networks *ns);

/* dns_server.c; `dns` held */
const char *dns_program(const struct networks *ns);
/* What is in the directory is served, at these gateways, when this returns: 0, or -1 and it is logged.
 * changed: not all of it has been told. Where the directory has no file, nobody serves it then. */
int dns_server_serve(const struct networks *ns, const char *dir, bool changed, const struct ip *at,
		     size_t n);
/* Nobody serves it then. */
void dns_server_end(const char *dir);

/* ports.c; lock held */
/* Chooses host ports that nobody has, into e->ports; none where the network is no bridge, as docker
 * does it. On failure there may be some. */
int ports_choose(struct networks *ns, const struct network *n, const struct endpoint_wish *w,
		 struct endpoint *e, struct err *err);
