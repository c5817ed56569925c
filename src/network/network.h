/*
 * Networks of one host: bridges, addresses, published ports. A leaf: it knows no containers, only
 * endpoints and their owner, a text.
 *
 * What a network is lies in `<data-root>/networks/<id>.json`, durable. Which endpoints it has is
 * derived: whoever holds one tells it anew at start (network_claim), for an endpoint lives exactly
 * as long as the network namespace it is in, which a process other than ours holds. So addresses
 * cannot leak, and a restart of the host begins with none.
 *
 * The firewall is one nftables table of ours (firewall.c), in which all that varies is an element
 * of a set or map; networks_repair() makes it right in one transaction that disturbs nothing that
 * is.
 *
 * Thread-safe. Errors are in dockerd's words.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "config/config.h"

#define NETWORK_ID_LEN 64

/* A pool of addresses: a member of IPAM.Config. */
struct ipam_pool {
	char *subnet; /* "172.18.0.0/16" */
	char *ip_range;
	char *gateway;
	struct strmap aux; /* addresses that others have */
};
extern const struct field ipam_pool_fields[];

extern const struct field ipam_fields[];
struct ipam {
	char *driver; /* "default" */
	struct strmap options;
	struct objects pools; /* struct ipam_pool; one for each family at the most */
};

/* What was asked for, completed at create; file and API in the shape of docker's Network. */
struct network_config {
	char *name;
	char *id;
	int64_t created_ns;
	char *scope;  /* "local" */
	char *driver; /* bridge, macvlan, ipvlan, host, null */
	bool enable_ipv6;
	struct ipam ipam;
	bool internal;
	bool attachable;
	struct strmap options;
	struct strmap labels;
	json_t *rest; /* of a later version: kept */
};
extern const struct field network_config_fields[];

struct network_options {
	const char *data_root;
	const char *instance;  /* tells this engine's things on the host from another's: "" or a
				  short word */
	const char *exec_root; /* for what lives as long as the host does */
	int lock_fd; /* goes to programs that change the host, so that it is theirs as well until
			they are done; <= 0: none */
	const char *nft;	    /* program; NULL: as PATH says */
	const char *dns;	    /* aardvark-dns; NULL: Debian's, if it is there */
	const char *default_bridge; /* its interface's name: "holdfast0" */
	char *const
		*pools; /* default address pools "172.17.0.0/16,24": base, size; NULL: docker's */
};

struct networks;
/* Reads all; touches nothing of the host. The options' strings must outlive it. */
int networks_open(const struct network_options *o, struct networks **ret, struct err *err);
void networks_close(struct networks *ns);

/* Makes the network, and its interface. Consumes *config (initialised by fields_init): name, driver
 * and so on as the user gave them. ERR_CONFLICT: the name is taken; ERR_FORBIDDEN: its addresses
 * are. *ret_id is the caller's. */
int network_create(struct networks *ns, struct network_config *config, char **ret_id,
		   struct err *err);
/* Removes it; ERR_FORBIDDEN while it has endpoints, or is one that is always there. */
int network_remove(struct networks *ns, const char *ref, struct err *err);

/* A copy of what is known of a network. */
struct network_view {
	struct network_config config;
	struct network_member *members; /* NULL where they were not asked for */
	size_t n_members;		/* as many there are, all the same */
};
struct network_member {
	char *owner;
	char *owner_name;
	struct endpoint endpoint;
};
void network_view_free(struct network_view *v);
/* ref: id, name, or unique prefix of an id. ERR_NOT_FOUND. Without its members, which may be a
 * thousand; or with them. */
int network_find(struct networks *ns, const char *ref, struct network_view *ret, struct err *err);
int network_find_members(struct networks *ns, const char *ref, struct network_view *ret,
			 struct err *err);
/* All, the oldest first, without their members; free each, then the array. */
void networks_list(struct networks *ns, struct network_view **ret, size_t *ret_n);

/* A network namespace of its own, with its loopback up: a descriptor, or < 0. It lives as long as
 * somebody holds it. */
int netns_new(struct err *err);

struct endpoint_wish {
	const char *network; /* ref */
	const char *owner;
	const char *owner_name;
	const char *ifname;
	const char *ip, *ip6;	 /* NULL: any */
	char *const *link_local; /* addresses that it has as well, of the link's own choice */
	const char *mac;	 /* NULL: made of the address */
	char *const *names;	 /* by which others find it, on networks that know names */
	char *const *links;	 /* \"target:alias\", by which it finds others */
	char *const *resolvers;	 /* of the container's own choice */
	bool default_route;
	const struct port_wish *ports; /* to publish */
	size_t n_ports;
	const struct port_mapping
		*before; /* of its last run: where any port will do, the same again */
	size_t n_before;
};
/* Do they read as addresses (NULL: any will do)? ERR_INVALID. Whether they can be had is seen when they
 * are. */
int network_check_addresses(const char *ip, const char *ip6, const char *mac, struct err *err);
/* Gives the namespace an interface in the network, with an address, and publishes the ports. What
 * was done is undone on failure. *ret is the caller's to free (endpoint_fields), and to save. */
int network_attach(struct networks *ns, const struct endpoint_wish *w, int netns,
		   struct endpoint *ret, struct err *err);
/* The endpoint, of which nothing is published yet, becomes the one that leads out of the namespace:
 * by its gateway go the packets for everybody else, and w->ports (with before, n_before; the rest of
 * w is not looked at) are published at it, and then are in *e. */
int network_lead(struct networks *ns, const struct endpoint_wish *w, int netns, struct endpoint *e,
		 struct err *err);
/* Takes all of it away: interface (which may be gone), address, ports. netns: where the interface
 * is, -1 where the namespace is gone or going. */
void network_detach(struct networks *ns, const char *owner, const struct endpoint *e, int netns);
/* Restore: the endpoint exists, as somebody has saved it. */
void network_claim(struct networks *ns, const char *owner, const char *owner_name,
		   const struct endpoint *e);
/* Restore: there may be endpoints that nobody can name. None is swept, as long as this lives: one
 * goes by itself when its namespace does. */
void networks_claim_unknown(struct networks *ns);
/* The owner has another name; it is found by that from now on. */
void network_owner_renamed(struct networks *ns, const char *owner, const char *old,
			   const char *name);

/* After all claims: makes the host's side as it should be - bridges, their members, the firewall -
 * and removes what is this engine's and nobody's. Costs little where there are no endpoints. Not
 * `anyway`: the firewall is left alone where nobody has changed any since we did. */
int networks_repair(struct networks *ns, bool anyway, struct err *err);
/* At a clean end: where no endpoint is left, nothing of ours stays on the host. */
void networks_rest(struct networks *ns);
