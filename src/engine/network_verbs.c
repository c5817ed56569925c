/*
 * The verbs on networks: create, remove, prune; and connect and disconnect, which change what a
 * container's config.json says, and at once what it is in where it runs.
 */
#include <string.h>

#include "engine/internal.h"
#include "engine/networks.h"

/* Networks */

static void notify_view(struct engine *e, const struct network_view *v, const char *action)
{
	struct event ev = {
		.time_ns = now_ns(),
		.type = (char *) "network",
		.action = (char *) action,
		.id = v->config.id,
	};

	strmap_set(&ev.attributes, "name", v->config.name);
	strmap_set(&ev.attributes, "type", v->config.driver);
	events_publish(e->events, &ev);
	strv_free(ev.attributes.kv);
}

int engine_network_create(struct engine *e, struct network_config *config, char **ret_id,
			  struct err *err)
{
	struct network_view v;

	if (network_create(e->networks, config, ret_id, err) < 0)
		return -1;
	if (network_find(e->networks, *ret_id, &v, NULL) == 0) {
		notify_view(e, &v, "create");
		network_view_free(&v);
	}
	return 0;
}

int engine_network_remove(struct engine *e, const char *ref, struct err *err)
{
	struct network_view v;
	struct err why = {0};
	int r;

	if (network_find(e->networks, ref, &v, err) < 0)
		return -1;
	r = network_remove(e->networks, v.config.id, &why);
	if (r < 0 && why.kind == ERR_FORBIDDEN) { /* somebody is in it */
		networks_await_leaving(e);
		r = network_remove(e->networks, v.config.id, err);
	} else if (r < 0 && err) {
		*err = why;
	}
	if (r == 0)
		notify_view(e, &v, "destroy");
	network_view_free(&v);
	return r;
}

static bool is_prunable(const struct network_view *v, const struct filters *f, int64_t until_ns)
{
	if (v->n_members > 0 || str_eq(v->config.name, "bridge") ||
	    str_eq(v->config.driver, "host") || str_eq(v->config.driver, "null"))
		return false;
	return (until_ns == 0 || v->config.created_ns < until_ns) &&
	       filters_match_prune_labels(f, &v->config.labels);
}

int engine_network_prune(struct engine *e, const struct filters *f, char ***ret_names,
			 struct err *err)
{
	const char *until = filters_get(f, "until");
	struct network_view *all;
	int64_t until_ns = 0;
	size_t n;

	if (until && instant_parse(until, now_ns(), &until_ns) < 0)
		return err_set(err, ERR_INVALID, "invalid filter 'until=%s'", until);
	networks_list(e->networks, &all, &n);
	for (size_t i = 0; i < n; i++) {
		if (is_prunable(&all[i], f, until_ns) &&
		    engine_network_remove(e, all[i].config.id, NULL) == 0)
			strv_add(ret_names, all[i].config.name);
		network_view_free(&all[i]);
	}
	free(all);
	return 0;
}

/* Connecting */

static bool names_network(const struct network_wish *w, const struct network_config *n)
{
	return str_eq(w->network, n->name) || str_eq(w->network, n->id);
}

static size_t find_wish(const struct container_config *cc, const struct network_config *n)
{
	for (size_t i = 0; i < cc->networks.n; i++)
		if (names_network(objects_at(&cc->networks, struct network_wish, i), n))
			return i;
	return cc->networks.n;
}

static int check_connectable(const struct container_config *cc, const struct network_config *n,
			     struct err *err)
{
	const char *mode = cc->host.network_mode ?: "";

	if (str_has_prefix(mode, "container:") || str_eq(mode, "host"))
		return err_set(err, ERR_FORBIDDEN,
			       "container sharing network namespace with another container or host "
			       "cannot be connected to any other network");
	if (str_eq(mode, "none") || str_eq(n->driver, "null"))
		return err_set(err, ERR_FORBIDDEN,
			       "container cannot be connected to multiple networks with one of the "
			       "networks in private (none) mode");
	if (str_eq(n->driver, "host"))
		return err_set(err, ERR_FORBIDDEN,
			       "container cannot be connected to host network or disconnected from "
			       "it");
	return 0;
}

/* Puts a changed configuration in the place of the container's, on disk first. */
static int replace_config(struct engine *e, struct container *c, const struct container_config *was,
			  struct container_config *now, struct err *err)
{
	if (container_replace_config(e->store, was, now, err) < 0)
		return -1;
	hold(&c->lock);
	container_config_unref(c->config);
	c->config = container_config_ref(now);
	return 0;
}

static void append_wish(struct container_config *cc, struct network_wish *w)
{
	cc->networks.items = xreallocarray(cc->networks.items, cc->networks.n + 1, sizeof *w);
	*objects_at(&cc->networks, struct network_wish, cc->networks.n++) = *w;
	fields_init(network_wish_fields, w);
}

static void remove_wish(struct container_config *cc, size_t i)
{
	struct network_wish *all = cc->networks.items;

	fields_free(network_wish_fields, &all[i]);
	memmove(&all[i], &all[i + 1], (--cc->networks.n - i) * sizeof *all);
}

static bool runs(struct container *c)
{
	hold(&c->lock);

	return phase_is_alive(c->phase);
}

static int connect_claimed(struct engine *e, struct container *c, const struct network_config *n,
			   struct network_wish *w, struct err *err)
{
	auto_(container_config_unref_p) struct container_config *now = config_of(c, err);
	auto_(container_config_unref_p) struct container_config *next = NULL;
	autoclose int netns = -1;

	if (!now || check_connectable(now, n, err) < 0 || network_wish_check(w, err) < 0)
		return -1;
	if (find_wish(now, n) < now->networks.n)
		return err_set(err, ERR_FORBIDDEN,
			       "endpoint with name %s already exists in network %s", c->name,
			       n->name);
	netns = live_netns(e, c, err);
	if (netns < 0 && runs(c))
		return -1;
	next = container_config_copy(now);
	append_wish(next, w);
	/* The intent first; where it cannot be, it is taken back. */
	if (replace_config(e, c, now, next, err) < 0)
		return -1;
	if (netns < 0 ||
	    live_attach(e, c, now, next,
			objects_at(&next->networks, struct network_wish, next->networks.n - 1),
			netns, err) == 0)
		return 0;
	(void) replace_config(e, c, next, now, NULL);
	return -1;
}

int engine_network_connect(struct engine *e, const char *ref, const char *container,
			   struct network_wish *w, struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;
	struct network_view v;
	int r;

	if (network_find(e->networks, ref, &v, err) < 0)
		return -1;
	free(w->network);
	w->network = xstrdup(v.config.name);
	r = find_and_claim(e, container, &c, &claimed, err);
	if (r == 0)
		r = connect_claimed(e, c, &v.config, w, err);
	network_view_free(&v);
	return r;
}

/* Disconnecting */

static int disconnect_claimed(struct engine *e, struct container *c, const struct network_config *n,
			      struct err *err)
{
	auto_(container_config_unref_p) struct container_config *now = config_of(c, err);
	auto_(container_config_unref_p) struct container_config *next = NULL;
	autoclose int netns = -1;
	size_t i;

	if (!now)
		return -1;
	if (str_eq(n->driver, "host"))
		return err_set(err, ERR_FORBIDDEN,
			       "container cannot be connected to host network or disconnected from "
			       "it");
	i = find_wish(now, n);
	if (i == now->networks.n)
		return err_set(err, ERR_FORBIDDEN, "container %s is not connected to network %s",
			       c->id, n->name);
	next = container_config_copy(now);
	remove_wish(next, i);
	if (replace_config(e, c, now, next, err) < 0)
		return -1;
	netns = live_netns(e, c, NULL);
	return netns >= 0 || runs(c) ? live_detach(e, c, now, next, n, netns, err) : 0;
}

int engine_network_disconnect(struct engine *e, const char *ref, const char *container, bool force,
			      struct err *err)
{
	auto_(container_unref_p) struct container *c = NULL;
	auto_(container_release_p) struct container *claimed = NULL;
	struct network_view v;
	int r;

	if (network_find(e->networks, ref, &v, err) < 0)
		return -1;
	r = find_and_claim(e, container, &c, &claimed, err);
	if (r == 0)
		r = disconnect_claimed(e, c, &v.config, err);
	network_view_free(&v);
	return r;
}
