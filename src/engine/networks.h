/*
 * A container's networks: joining, leaving, changing them while it lives, and what its files say of
 * who else is there.
 */
#pragma once

#include "engine/internal.h"

/* networks.c: a container's places in networks
 * ------------------------------------------------------------------------------- */
/* Has it a network namespace of its own that is in networks? */
bool is_networked(const struct config *config, const struct host_config *host);
/* Completes what a create asks for: the mode, and the networks, the mode's first. */
int networks_resolve(const struct config *config, struct host_config *host, struct objects *wishes,
		     struct err *err);
/* Makes its namespace with all its endpoints, which are then in c->disk and saved. *ret_netns stays
 * as it is where it has no network. What fails is left to networks_leave(). */
int networks_join(struct engine *e, struct container *c, const struct container_config *config,
		  int *ret_netns, struct err *err);
/* By which others find it there. strv, the caller's. */
char **names_on_network(const struct container_config *config, const struct network_wish *w);
/* linked.c: what links on the default bridge say of their targets in the environment, in docker's first
 * way: DB_PORT_5432_TCP_ADDR and so on. strv, the caller's. */
char **links_env(struct engine *e, const struct container_config *config);
/* By which it finds others there, each as "target:alias". strv, the caller's. */
char **links_on_network(const struct container_config *config, const struct network_wish *w);
/* One more that it has; *ep moves. To be saved. */
void keep_endpoint_locked(struct container *c, const struct endpoint *ep);
/* So that ports of our choice are the same at the next start. */
void remember_ports_locked(struct container *c, const struct endpoint *ep);
/* Does it lead out of the host? Internal ones do not. */
bool network_leads_out(struct networks *ns, const char *network);
/* Can it be had? ERR_INVALID. */
int network_wish_check(const struct network_wish *w, struct err *err);
/* It has another name. */
void networks_rename(struct engine *e, struct container *c, const char *old, const char *name);
/* Takes its endpoints away. May be done twice. */
void networks_leave(struct engine *e, struct container *c);
/* Restore: they are its own as phase.json says. */
void networks_claim(struct engine *e, struct container *c);

/* network_live.c: the networks of a container that lives, running or waiting for its shim's next run
 * ------------------------------------------------------------------------------- */
/* Its network namespace, as a descriptor; -1 and ERR_CONFLICT where it does not live. */
int live_netns(struct engine *e, struct container *c, struct err *err);
/* Gives it at once what its configuration says from now on, and did not say before; what fails is
 * undone. The container is claimed. */
int live_attach(struct engine *e, struct container *c, const struct container_config *before,
		const struct container_config *config, const struct network_wish *w, int netns,
		struct err *err);
/* Takes that away; another of its networks leads out of the host then, and has its ports. netns: -1
 * where it is gone already. */
int live_detach(struct engine *e, struct container *c, const struct container_config *before,
		const struct container_config *config, const struct network_config *n, int netns,
		struct err *err);

/* linked.c: other containers in the hosts file
 * ------------------------------------------------------------------------- */
bool has_links(const struct container_config *config);
/* ERR_INVALID where a link is to no container. */
int links_check(struct engine *e, const struct host_config *host, struct err *err);
/* The lines of its hosts file. */
void links_add(struct engine *e, struct container *c, const struct container_config *config,
	       struct buf *b);
/* `started` has its addresses: those that have it in their hosts file get them. */
void links_renew(struct engine *e, struct container *started);
/* The hosts file of c, if it runs and has links. Of two that start at once, each renews its own when it
 * runs: the other one has not seen it running, or has an address by then. */
void links_renew_own(struct engine *e, struct container *c);

/* Clients are told that a container has ended before it has left its networks. Who finds an address, a
 * port or a network in use waits here for those that are about to leave, for a time. */
void networks_await_leaving(struct engine *e);
/* network_attach(), tried once more when they have left. */
int networks_attach(struct engine *e, const struct endpoint_wish *w, int netns,
		    struct endpoint *ret, struct err *err);

/* A network's, of one of its members. */
void notify_network(struct engine *e, const struct endpoint *ep, const char *container,
		    const char *action);
