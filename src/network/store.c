/*
 * The networks there are: in memory, and what they are on disk. Members are memory only; see
 * network.h for who remembers them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "network/private.h"
#include "network/rtnl.h"

#define NETWORK_FILE_MAX (1 << 20)

/* Those that every host has. */
static const struct {
	const char *name, *id /* sha256 of "holdfast-network-<name>" */, *driver;
} builtin[] = {
	{"bridge", "4350d1654443526bd1df109a565d942ecba53885e30b38fcc76133c4026c2c3a", "bridge"},
	{"host", "c0f1b7f6507b1b6216c0fdcca09a0d0cc64ab276cf6c91f0b01d6c3037342d3d", "host"},
	{"none", "2d3e5287e109e42263af1c735b279c978c79e4fa1247eafaec46ffdd276700e7", "null"},
};

bool network_is_builtin(const struct network *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
		if (str_eq(n->config.id, builtin[i].id))
			return true;
	return false;
}

bool network_is_real(const struct network *n)
{
	return !str_eq(n->config.driver, "host") && !str_eq(n->config.driver, "null");
}

static void network_free(struct network *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_members; i++)
		member_free(&n->members[i]);
	free(n->members);
	pools_free(n);
	fields_free(network_config_fields, &n->config);
	free(n);
}
DEFINE_AUTO(struct network *, network_free);

static struct network *network_new(void)
{
	struct network *n = xnew(struct network);

	fields_init(network_config_fields, &n->config);
	return n;
}

/* On disk */

static char *file_name(const struct network *n)
{
	return xasprintf("%s.json", n->config.id);
}

static int save(struct networks *ns, const struct network *n, struct err *err)
{
	autojson json_t *json = fields_save(network_config_fields, &n->config);
	autofree char *name = file_name(n);

	if (json_save_at(ns->dir, name, json, SAVE_DURABLE, err) < 0)
		return err_wrap(err, "save network %s", n->config.name);
	return 0;
}

static int set_interface(const struct networks *ns, struct network *n, struct err *err)
{
	const char *wish = strmap_get(&n->config.options, "com.docker.network.bridge.name");

	n->bridge[0] = '\0';
	if (!str_eq(n->config.driver, "bridge"))
		return 0;
	if (!str_empty(wish) && bridge_check_name(wish, err) < 0)
		return -1;
	if (!str_empty(wish))
		snprintf(n->bridge, sizeof n->bridge, "%.15s", wish);
	else if (str_eq(n->config.name, "bridge"))
		snprintf(n->bridge, sizeof n->bridge, "%.15s", ns->o.default_bridge);
	else
		snprintf(n->bridge, sizeof n->bridge, "hf-%.12s", n->config.id);
	return 0;
}

static void add(struct networks *ns, struct network *n)
{
	size_t at = ns->n;

	ns->all = xreallocarray(ns->all, ns->n + 1, sizeof(struct network *));
	for (; at > 0 && ns->all[at - 1]->config.created_ns > n->config.created_ns; at--)
		ns->all[at] = ns->all[at - 1];
	ns->all[at] = n;
	ns->n++;
}

static struct network *by_id(struct networks *ns, const char *id)
{
	for (size_t i = 0; i < ns->n; i++)
		if (str_eq(ns->all[i]->config.id, id))
			return ns->all[i];
	return NULL;
}

/* What it has on the host is not swept: it may be a container's. */
static void note_unreadable(struct networks *ns, const char *file, const struct err *why)
{
	autofree char *id = xstrndup(file, strcspn(file, "."));

	log_error("network %.12s: %s", id, why->text);
	strv_add(&ns->unreadable, id);
}

static int load_one(struct networks *ns, const char *file, struct err *err)
{
	auto_(network_free_p) struct network *n = network_new();
	autojson json_t *json = NULL;

	if (json_read_at(ns->dir, file, NETWORK_FILE_MAX, &json, err) < 0 ||
	    fields_load(network_config_fields, &n->config, json, err) < 0)
		return -1;
	if (!n->config.id || !str_is_hex(n->config.id, NETWORK_ID_LEN) ||
	    str_empty(n->config.name) || strncmp(file, n->config.id, NETWORK_ID_LEN) != 0)
		return err_set(err, ERR_SYSTEM, "its name or id does not make sense");
	if (pools_parse(n, err) < 0 || set_interface(ns, n, err) < 0)
		return -1;
	add(ns, take(n));
	return 0;
}

/* One that cannot be read stays on disk, and its containers say that they miss it. */
static int load_all(struct networks *ns, struct err *err)
{
	int fd = openat(ns->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d)
		return err_sys(err, errno, "read the directory of networks");
	while ((entry = readdir(d))) {
		struct err why = {0};

		if (str_has_suffix(entry->d_name, ".json") && entry->d_name[0] != '.' &&
		    load_one(ns, entry->d_name, &why) < 0)
			note_unreadable(ns, entry->d_name, &why);
	}
	(void) closedir(d);
	return 0;
}

/* Making */

static int host_routes(struct subnet **ret, size_t *ret_n, struct err *err)
{
	autortnl nl = {0};
	int r = rtnl_open(-1, &nl);

	if (r == 0)
		r = rtnl_routes(&nl, ret, ret_n);
	return r < 0 ? err_sys(err, -r, "read the host's routes") : 0;
}

static int plan(struct networks *ns, struct network *n, struct err *err)
{
	autofree struct subnet *routes = NULL;
	size_t n_routes = 0;

	if (!network_is_real(n))
		return 0;
	if (host_routes(&routes, &n_routes, err) < 0)
		return -1;
	hold(&ns->lock);
	return pools_plan(ns, n, routes, n_routes, err);
}

/* There must be a default bridge, even if what it was cannot be read. Nothing is thrown away. */
static void put_aside_unreadable(struct networks *ns, const struct network *n)
{
	autofree char *from = file_name(n), *to = xasprintf("%s.damaged", n->config.id);

	if (strv_contains(ns->unreadable, n->config.id))
		(void) renameat(ns->dir, from, ns->dir, to);
}

/* The default bridge has its addresses for good, from the first start on. */
static void add_builtin(struct networks *ns)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++) {
		struct network *n;
		struct err err = {0};

		if (by_id(ns, builtin[i].id))
			continue;
		n = network_new();
		n->config.name = xstrdup(builtin[i].name);
		n->config.id = xstrdup(builtin[i].id);
		n->config.driver = xstrdup(builtin[i].driver);
		n->config.scope = xstrdup("local");
		n->config.ipam.driver = xstrdup("default");
		n->config.created_ns = now_ns();
		put_aside_unreadable(ns, n);
		if (plan(ns, n, &err) < 0 || save(ns, n, &err) < 0)
			log_warn("network %s: %s", n->config.name, err.text);
		(void) set_interface(ns, n, NULL);
		add(ns, n);
	}
}

static int check_unique_locked(struct networks *ns, const struct network *n, struct err *err)
{
	for (size_t i = 0; i < ns->n; i++) {
		const struct network *o = ns->all[i];

		if (str_eq(o->config.name, n->config.name))
			return err_set(err, ERR_CONFLICT, "network with name %s already exists",
				       n->config.name);
		if (n->bridge[0] && str_eq(o->bridge, n->bridge))
			return err_set(
				err, ERR_FORBIDDEN,
				"conflicts with network %s (%s): networks have same bridge name",
				o->config.id, o->config.name);
	}
	return 0;
}

static void fill_in(struct network_config *c)
{
	char id[NETWORK_ID_LEN + 1];

	random_hex(id, NETWORK_ID_LEN);
	free(c->id);
	c->id = xstrdup(id);
	free(c->scope);
	c->scope = xstrdup("local");
	c->created_ns = now_ns();
	if (str_empty(c->driver)) {
		free(c->driver);
		c->driver = xstrdup("bridge");
	}
	if (str_empty(c->ipam.driver)) {
		free(c->ipam.driver);
		c->ipam.driver = xstrdup("default");
	}
}

/* Looking */

struct network *network_by_ref(struct networks *ns, const char *ref, struct err *err)
{
	size_t len = str_empty(ref) ? 0 : strlen(ref), n = 0;
	struct network *found = by_id(ns, ref);

	for (size_t i = 0; !found && i < ns->n; i++)
		if (str_eq(ns->all[i]->config.name, ref))
			found = ns->all[i];
	if (found)
		return found;
	for (size_t i = 0; len && i < ns->n; i++)
		if (strncmp(ns->all[i]->config.id, ref, len) == 0) {
			found = ns->all[i];
			n++;
		}
	if (n == 1)
		return found;
	if (n > 1)
		(void) err_set(err, ERR_INVALID, "network %s is ambiguous (%zu matches found)", ref,
			       n);
	else
		(void) err_set(err, ERR_NOT_FOUND, "network %s not found", ref ?: "");
	return NULL;
}

static void view(const struct network *n, struct network_view *ret)
{
	*ret = (struct network_view){.n_members = n->n_members};
	fields_copy(network_config_fields, &ret->config, &n->config);
}

static void view_members(const struct network *n, struct network_view *ret)
{
	ret->members = xcalloc(n->n_members + 1, sizeof *ret->members);
	for (size_t i = 0; i < n->n_members; i++) {
		ret->members[i].owner = xstrdup(n->members[i].owner);
		ret->members[i].owner_name = xstrdup(n->members[i].owner_name);
		fields_copy(endpoint_fields, &ret->members[i].endpoint, &n->members[i].e);
	}
}

static int find(struct networks *ns, const char *ref, bool members, struct network_view *ret,
		struct err *err)
{
	struct network *n;

	hold(&ns->lock);
	n = network_by_ref(ns, ref, err);
	if (!n)
		return -1;
	view(n, ret);
	if (members)
		view_members(n, ret);
	return 0;
}

int network_find(struct networks *ns, const char *ref, struct network_view *ret, struct err *err)
{
	return find(ns, ref, false, ret, err);
}

int network_find_members(struct networks *ns, const char *ref, struct network_view *ret,
			 struct err *err)
{
	return find(ns, ref, true, ret, err);
}

void networks_list(struct networks *ns, struct network_view **ret, size_t *ret_n)
{
	struct network_view *list;

	hold(&ns->lock);
	list = xcalloc(ns->n + 1, sizeof *list);
	for (size_t i = 0; i < ns->n; i++)
		view(ns->all[i], &list[i]);
	*ret = list;
	*ret_n = ns->n;
}

/* Removing */

/* Out of memory and off the disk, if nobody uses it. */
static struct network *drop_locked(struct networks *ns, const char *ref, struct err *err)
{
	struct network *n = network_by_ref(ns, ref, err);
	autofree char *file = NULL;

	if (!n)
		return NULL;
	if (network_is_builtin(n))
		return (void) err_set(err, ERR_FORBIDDEN,
				      "%s is a pre-defined network and cannot be removed",
				      n->config.name),
		       NULL;
	if (n->n_members > 0)
		return (void) err_set(err, ERR_FORBIDDEN,
				      "error while removing network: network %s id %s has active "
				      "endpoints",
				      n->config.name, n->config.id),
		       NULL;
	file = file_name(n);
	if (unlinkat(ns->dir, file, 0) < 0 && errno != ENOENT)
		return (void) err_sys(err, errno, "remove network %s", n->config.name), NULL;
	(void) sync_dir(ns->dir);
	for (size_t i = 0; i < ns->n; i++)
		if (ns->all[i] == n) {
			memmove(&ns->all[i], &ns->all[i + 1],
				(--ns->n - i) * sizeof(struct network *));
			break;
		}
	return n;
}

int network_remove(struct networks *ns, const char *ref, struct err *err)
{
	auto_(network_free_p) struct network *n = NULL;
	int r = 0;

	hold(&ns->make);
	{
		hold(&ns->lock);
		n = drop_locked(ns, ref, err);
	}
	if (!n)
		return -1;
	/* The interface last: by it the next daemon knows that there is something to repair. */
	if (has_links_but(ns, n->bridge))
		r = firewall_write(ns, err);
	else
		firewall_remove(ns);
	link_remove_if_ours(ns, n->bridge);
	return r;
}

/* Its interface may be there in part, and who was quick may be in it: then it stays. */
static void undo_create(struct networks *ns, const char *id)
{
	auto_(network_free_p) struct network *n = NULL;

	{
		hold(&ns->lock);
		n = drop_locked(ns, id, NULL);
	}
	if (n)
		link_remove_if_ours(ns, n->bridge);
}

int network_create(struct networks *ns, struct network_config *config, char **ret_id,
		   struct err *err)
{
	auto_(network_free_p) struct network *n = network_new();
	autofree char *id = NULL;
	struct network *added;

	fields_free(network_config_fields, &n->config);
	n->config = *config;
	fields_init(network_config_fields, config);
	fill_in(&n->config);
	if (network_check_config(&n->config, err) < 0 || set_interface(ns, n, err) < 0)
		return -1;

	hold(&ns->make);
	{
		hold(&ns->lock);
		if (check_unique_locked(ns, n, err) < 0)
			return -1;
	}
	/* The file first: what is on the host without one is swept. */
	if (plan(ns, n, err) < 0 || save(ns, n, err) < 0)
		return -1;
	id = xstrdup(n->config.id);
	{
		hold(&ns->lock);
		added = n;
		add(ns, take(n));
	}
	if (bridge_up(ns, added, err) < 0 || firewall_write(ns, err) < 0) {
		undo_create(ns, id);
		return -1;
	}
	added->is_up = true;
	*ret_id = take(id);
	return 0;
}

/* Life */

int networks_open(const struct network_options *o, struct networks **ret, struct err *err)
{
	struct networks *ns = xnew(struct networks);
	autofree char *path = xasprintf("%s/networks", o->data_root);
	int r = mkdir_p(path, 0700);

	ns->o = *o;
	snprintf(ns->table, sizeof ns->table, "holdfast%s%s", str_empty(o->instance) ? "" : "-",
		 o->instance ?: "");
	pthread_mutex_init(&ns->make, NULL);
	pthread_mutex_init(&ns->firewall, NULL);
	pthread_mutex_init(&ns->dns, NULL);
	pthread_mutex_init(&ns->lock, NULL);
	ns->dir = r < 0 ? r : open_dir_at(AT_FDCWD, path);
	if (ns->dir < 0)
		(void) err_sys(err, -ns->dir, "open %s", path);
	if (ns->dir < 0 || load_all(ns, err) < 0) {
		networks_close(ns);
		return -1;
	}
	add_builtin(ns);
	*ret = ns;
	return 0;
}

void networks_close(struct networks *ns)
{
	if (!ns)
		return;
	for (size_t i = 0; i < ns->n; i++)
		network_free(ns->all[i]);
	free(ns->all);
	strv_free(ns->unreadable);
	close_p(&ns->dir);
	if (ns->netfilter)
		(void) mnl_socket_close(ns->netfilter);
	pthread_mutex_destroy(&ns->make);
	pthread_mutex_destroy(&ns->firewall);
	pthread_mutex_destroy(&ns->dns);
	pthread_mutex_destroy(&ns->lock);
	free(ns);
}
