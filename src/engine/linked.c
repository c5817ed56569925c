/*
 * Links, docker's old way of names: another container stands in ours' hosts file under an alias, at
 * its address in a network that both are in. When it comes back at another address, the file is
 * written again, in its place, for it is bound into the container.
 */
#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/internal.h"
#include "engine/networks.h"

/* "db:alias", "db", "/db:/web/alias": which container, and under what name. */
static void parse(const char *link, char **ret_target, const char **ret_alias)
{
	const char *colon = strchr(link, ':'), *slash = strrchr(link, '/');

	if (*link == '/')
		link++;
	*ret_target = colon ? xstrndup(link, (size_t) (colon - link)) : xstrdup(link);
	*ret_alias = !colon ? link : slash > colon ? slash + 1 : colon + 1;
}

int links_check(struct engine *e, const struct host_config *host, struct err *err)
{
	for (char **l = host->links; l && *l; l++) {
		auto_(container_unref_p) struct container *other = NULL;
		autofree char *target = NULL;
		const char *alias;

		parse(*l, &target, &alias);
		if (str_empty(target) || str_empty(alias))
			return err_set(err, ERR_INVALID, "bad format for links: %s", *l);
		/* Not "not found": clients take that for a missing image, and pull. */
		if (container_lookup(e->store, target, &other, NULL) < 0)
			return err_set(err, ERR_INVALID,
				       "could not get container for %s: No such container: %s",
				       target, target);
	}
	return 0;
}

char **links_on_network(const struct container_config *config, const struct network_wish *w)
{
	char *const *const lists[] = {config->host.links, w->links};
	char **links = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (char *const *l = lists[i]; l && *l; l++) {
			autofree char *target = NULL, *text = NULL;
			const char *alias;

			parse(*l, &target, &alias);
			text = xasprintf("%s:%s", target, alias);
			if (!strv_contains(links, text))
				strv_add(&links, text);
		}
	return links;
}

static bool is_in(const struct objects *endpoints, const char *network_id)
{
	for (size_t i = 0; i < endpoints->n; i++)
		if (str_eq(objects_at(endpoints, struct endpoint, i)->network_id, network_id))
			return true;
	return false;
}

/* Its address in a network that we are in; NULL: in the default bridge. Caller frees. */
static char *address_of(struct container *other, const struct objects *mine)
{
	hold(&other->lock);

	for (size_t i = 0; i < other->disk.endpoints.n; i++) {
		const struct endpoint *ep = objects_at(&other->disk.endpoints, struct endpoint, i);

		if (!str_empty(ep->ip) &&
		    (mine ? is_in(mine, ep->network_id) : str_eq(ep->network, "bridge")))
			return xstrdup(ep->ip);
	}
	return NULL;
}

static void add_link(struct engine *e, struct buf *b, const char *link, const struct objects *mine)
{
	auto_(container_unref_p) struct container *other = NULL;
	autofree char *target = NULL, *ip = NULL, *line = NULL;
	const char *alias;

	parse(link, &target, &alias);
	if (container_lookup(e->store, target, &other, NULL) < 0)
		return;
	ip = address_of(other, mine);
	if (!ip)
		return;
	hold(&other->lock);
	line = xasprintf("%s\t%s %.12s %s\n", ip, alias, other->id, other->name ?: "");
	/* Clients say it twice: of the container, and of its network. */
	if (b->len == 0 || !strstr(b->text, line))
		buf_adds(b, line);
}

/* In the environment */

/* A port of the target's. */
struct exposed {
	int64_t port;
	const char *proto;
};

static int by_port(const void *a, const void *b)
{
	const struct exposed *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return strcmp(x->proto, y->proto);
}

/* "my-db": "MY_DB". Caller frees. */
static char *variable_name(const char *s)
{
	char *name = xstrdup(s);

	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : (char) toupper((unsigned char) *c);
	return name;
}

static void add_port_env(char ***env, const char *alias, const struct exposed *x, const char *ip)
{
	autofree char *proto = variable_name(x->proto);
	autofree char *key = xasprintf("%s_PORT_%lld_%s", alias, (long long) x->port, proto);

	strv_add_owned(env, xasprintf("%s=%s://%s:%lld", key, x->proto, ip, (long long) x->port));
	strv_add_owned(env, xasprintf("%s_ADDR=%s", key, ip));
	strv_add_owned(env, xasprintf("%s_PORT=%lld", key, (long long) x->port));
	strv_add_owned(env, xasprintf("%s_PROTO=%s", key, x->proto));
}

static void add_ports_env(char ***env, const char *alias, char *const *exposed, const char *ip)
{
	autofree struct exposed *all = xcalloc(strv_len(exposed) + 1, sizeof *all);
	size_t n = 0;

	for (; exposed && *exposed; exposed++)
		n += port_parse(*exposed, &all[n].port, &all[n].proto) == 0;
	if (n == 0)
		return;
	qsort(all, n, sizeof *all, by_port);
	strv_add_owned(env, xasprintf("%s_PORT=%s://%s:%lld", alias, all[0].proto, ip,
				      (long long) all[0].port));
	for (size_t i = 0; i < n; i++)
		add_port_env(env, alias, &all[i], ip);
}

/* Its own variables, but those that every container has. */
static void add_own_env(char ***env, const char *alias, char *const *own)
{
	for (; own && *own; own++)
		if (strchr(*own, '=') && !str_has_prefix(*own, "HOME=") &&
		    !str_has_prefix(*own, "PATH="))
			strv_add_owned(env, xasprintf("%s_ENV_%s", alias, *own));
}

static void add_link_env(struct engine *e, char ***env, const char *link, const char *own_name)
{
	auto_(container_config_unref_p) struct container_config *theirs = NULL;
	auto_(container_unref_p) struct container *other = NULL;
	autofree char *target = NULL, *ip = NULL, *upper = NULL;
	const char *alias;

	parse(link, &target, &alias);
	if (container_lookup(e->store, target, &other, NULL) < 0)
		return;
	theirs = config_of(other, NULL);
	ip = address_of(other, NULL);
	if (!theirs || !ip)
		return;
	upper = variable_name(alias);
	strv_add_owned(env, xasprintf("%s_NAME=/%s/%s", upper, own_name, alias));
	add_ports_env(env, upper, theirs->config.exposed_ports, ip);
	add_own_env(env, upper, theirs->config.env);
}

char **links_env(struct engine *e, const struct container_config *config)
{
	char **env = NULL;

	if (!str_eq(config->host.network_mode, "bridge"))
		return NULL;
	for (char **l = config->host.links; l && *l; l++)
		add_link_env(e, &env, *l, config->name);
	return env;
}

bool has_links(const struct container_config *config)
{
	if (strv_len(config->host.links))
		return true;
	for (size_t i = 0; i < config->networks.n; i++)
		if (strv_len(objects_at(&config->networks, struct network_wish, i)->links))
			return true;
	return false;
}

void links_add(struct engine *e, struct container *c, const struct container_config *config,
	       struct buf *b)
{
	struct objects mine;

	if (!has_links(config))
		return;
	__atomic_store_n(&e->has_links, true, __ATOMIC_RELAXED);
	{
		hold(&c->lock);
		fields_objects_copy(endpoint_fields, &mine, &c->disk.endpoints,
				    sizeof(struct endpoint));
	}
	for (char **l = config->host.links; l && *l; l++)
		add_link(e, b, *l, &mine);
	for (size_t i = 0; i < config->networks.n; i++) {
		char **links = objects_at(&config->networks, struct network_wish, i)->links;

		for (; links && *links; links++)
			add_link(e, b, *links, &mine);
	}
	fields_objects_free(endpoint_fields, &mine, sizeof(struct endpoint));
}

void links_renew_own(struct engine *e, struct container *c)
{
	auto_(container_config_unref_p) struct container_config *config = NULL;
	autoclose int data = -1;
	struct err err = {0};

	{
		hold(&c->lock);
		if (phase_is_alive(c->phase) && c->config && has_links(c->config))
			config = container_config_ref(c->config);
	}
	if (!config)
		return;
	data = open_data_dir(e, c->id, &err);
	if (data < 0 || netfiles_renew_hosts(e, c, config, data, &err) < 0)
		log_warn("container %.12s: links: %s", c->id, err.text);
}

void links_renew(struct engine *e, struct container *started)
{
	struct container **list;
	size_t n;

	if (!__atomic_load_n(&e->has_links, __ATOMIC_RELAXED))
		return;
	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++)
		if (list[i] != started)
			links_renew_own(e, list[i]);
	container_list_free(list, n);
}
