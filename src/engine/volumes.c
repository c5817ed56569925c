/*
 * The verbs on volumes, and who uses which. A volume's users are the containers whose configuration
 * names it, running or not, looked for each time: no count is kept that a crash could falsify. A
 * create in progress has a claim on those it is about to name.
 */
#include <stdarg.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/volumes.h"

void notify_volume(struct engine *e, const char *name, int64_t time_ns, const char *action, ...)
{
	struct event ev = {
		.time_ns = time_ns,
		.type = (char *) "volume",
		.action = (char *) action,
		.id = (char *) name,
	};
	const char *key;
	va_list ap;

	va_start(ap, action);
	while ((key = va_arg(ap, const char *)))
		strmap_set(&ev.attributes, key, va_arg(ap, const char *));
	va_end(ap);
	events_publish(e->events, &ev);
	strv_free(ev.attributes.kv);
}

/* Users ------------------------------------------------------------------------------------- */

bool is_volume(const struct mount_point *m)
{
	return str_eq(m->type, "volume") && !str_empty(m->name);
}

bool config_uses(const struct container_config *cc, const char *name)
{
	for (size_t i = 0; i < cc->mounts.n; i++) {
		const struct mount_point *m = objects_at(&cc->mounts, struct mount_point, i);

		if (is_volume(m) && strcmp(m->name, name) == 0)
			return true;
	}
	return false;
}

void volume_claim(struct engine *e, const char *name, const char *container)
{
	hold(&e->volumes_lock);

	strv_add(&e->volume_claims, name);
	strv_add(&e->volume_claims, container);
}

void volumes_unclaim(struct engine *e, const char *container)
{
	hold(&e->volumes_lock);
	char **claims = take(e->volume_claims);

	for (char **c = claims; c && *c; c += 2) {
		if (strcmp(c[1], container) == 0)
			continue;
		strv_add(&e->volume_claims, c[0]);
		strv_add(&e->volume_claims, c[1]);
	}
	strv_free(claims);
}

/* Ids of the containers that use it: strv, the caller's. *ret_unreadable: of a container whose
 * configuration cannot be read, so that it may use any; else it is left alone. */
static char **users_locked(struct engine *e, const char *name,
			   char ret_unreadable[CONTAINER_ID_LEN + 1])
{
	struct container **list;
	char **users = NULL;
	size_t n;

	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++) {
		hold(&list[i]->lock);

		if (list[i]->volumes_released)
			continue;
		if (!list[i]->config)
			strcpy(ret_unreadable, list[i]->id);
		else if (config_uses(list[i]->config, name))
			strv_add(&users, list[i]->id);
	}
	container_list_free(list, n);
	for (char **c = e->volume_claims; c && *c; c += 2)
		if (strcmp(c[0], name) == 0 && !strv_contains(users, c[1]))
			strv_add(&users, c[1]);
	return users;
}

static int check_unused_locked(struct engine *e, const char *name, bool force, struct err *err)
{
	char unreadable[CONTAINER_ID_LEN + 1] = "";
	autostrv char **users = users_locked(e, name, unreadable);
	autofree char *ids = NULL;

	if (users) {
		ids = strv_join(users, ", ");
		return err_set(err, ERR_CONFLICT, "remove %s: volume is in use - [%s]", name, ids);
	}
	if (unreadable[0] && !force)
		return err_set(err, ERR_CONFLICT,
			       "remove %s: container %.12s is dead and may use any volume: remove "
			       "it first, or force the removal",
			       name, unreadable);
	return 0;
}

/* Takes it away if nobody uses it; force: though a dead container might. */
static int remove_unused(struct engine *e, const char *name, bool force, struct err *err)
{
	auto_(volume_free_p) struct volume *v = NULL;
	char gone[VOLUME_GONE_MAX];

	{
		hold(&e->volumes_lock);
		if (volumes_get(e->volumes, name, &v, err) < 0 ||
		    check_unused_locked(e, name, force, err) < 0 ||
		    volumes_take_away(e->volumes, name, gone, err) < 0)
			return -1;
		volumes_unmount(e->volumes, name);
	}
	log_info("volume %s: removed", name);
	notify_volume(e, name, now_ns(), "destroy", "driver", v->driver, NULL);
	volumes_delete(e->volumes, gone);
	return 0;
}

void release_volumes(struct engine *e, struct container *c)
{
	auto_(container_config_unref_p) struct container_config *config = NULL;
	bool remove;

	{
		hold(&e->volumes_lock);
		hold(&c->lock);
		c->volumes_released = true;
		remove = c->state.remove_volumes;
		config = container_config_ref(c->config);
	}
	for (size_t i = 0; remove && config && i < config->mounts.n; i++) {
		const struct mount_point *m = objects_at(&config->mounts, struct mount_point, i);
		struct err err = {0};

		if (!is_volume(m) || !m->anonymous)
			continue;
		/* One that another container has taken over goes with that one. */
		if (remove_unused(e, m->name, false, &err) < 0 && err.kind == ERR_SYSTEM)
			log_warn("container %.12s: %s", c->id, err.text);
	}
}

/* A pending volume is its container's, once that is on disk. */
static void recover_pending(struct engine *e, const char *name, char ***ret_gone, char ***ret_left)
{
	char unreadable[CONTAINER_ID_LEN + 1] = "", gone[VOLUME_GONE_MAX];
	autostrv char **users = NULL;
	struct err err = {0};

	{
		hold(&e->volumes_lock);
		users = users_locked(e, name, unreadable);
	}
	if (users && publish_volume(e, name, &err) < 0)
		log_warn("volume %s of container %.12s: %s", name, users[0], err.text);
	if (!users && unreadable[0])
		strv_add_owned(ret_left,
			       xasprintf("unfinished volume %s: it may be dead container %.12s's",
					 name, unreadable));
	if (!users && !unreadable[0] && volumes_drop_pending(e->volumes, name, gone) == 0)
		strv_add(ret_gone, gone);
}

void recover_volumes(struct engine *e, char ***ret_gone, char ***ret_left)
{
	autostrv char **pending = NULL;

	volumes_recover(e->volumes, &pending, ret_gone);
	for (char **name = pending; name && *name; name++)
		recover_pending(e, *name, ret_gone, ret_left);
}

/* Verbs ------------------------------------------------------------------------------------- */

int engine_volume_create(struct engine *e, const struct volume_request *rq, struct volume **ret,
			 struct err *err)
{
	bool made;

	if (volumes_create(e->volumes, rq, ret, &made, err) < 0)
		return -1;
	if (made)
		notify_volume(e, (*ret)->name, now_ns(), "create", "driver", (*ret)->driver, NULL);
	return 0;
}

int engine_volume_inspect(struct engine *e, const char *name, struct volume **ret, struct err *err)
{
	return volumes_get(e->volumes, name, ret, err);
}

int engine_volume_remove(struct engine *e, const char *name, bool force, struct err *err)
{
	struct err why = {0};

	if (remove_unused(e, name, force, &why) == 0 || (force && why.kind == ERR_NOT_FOUND))
		return 0;
	if (err)
		*err = why;
	return -1;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Names of all volumes that containers use, sorted. */
struct names {
	char **items;
	size_t n, cap;
};

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static void add_names(struct names *names, const struct objects *mounts)
{
	for (size_t i = 0; i < mounts->n; i++) {
		const struct mount_point *m = objects_at(mounts, struct mount_point, i);

		if (!is_volume(m))
			continue;
		if (names->n == names->cap) {
			names->cap = names->cap ? names->cap * 2 : 64;
			names->items = xreallocarray(names->items, names->cap, sizeof(char *));
		}
		names->items[names->n++] = xstrdup(m->name);
	}
}

static void used_names(struct engine *e, struct names *ret)
{
	struct container **list;
	size_t n;

	*ret = (struct names){0};
	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++) {
		hold(&list[i]->lock);

		if (list[i]->config)
			add_names(ret, &list[i]->config->mounts);
	}
	container_list_free(list, n);
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof(char *), by_text);
}

static bool is_used(const struct names *used, const char *name)
{
	return used->n > 0 && bsearch(&name, used->items, used->n, sizeof(char *), by_text);
}

const char *const volume_filter_keys[] = {"dangling", "driver", "label", "name", NULL};
const char *const volume_prune_filter_keys[] = {"all", "label", "label!", NULL};

int engine_volume_list(struct engine *e, const struct filters *f, struct volume ***ret,
		       size_t *ret_n, struct err *err)
{
	auto_(names_free) struct names used = {0};
	bool by_use = filters_has(f, "dangling"), dangling = false;
	struct volume **list;
	size_t n, kept = 0;

	if (filters_bool(f, "dangling", false, &dangling, err) < 0 ||
	    volumes_list(e->volumes, &list, &n, err) < 0)
		return -1;
	if (by_use)
		used_names(e, &used);
	for (size_t i = 0; i < n; i++) {
		struct volume *v = list[i];

		if (filters_match_regex(f, "name", v->name) &&
		    filters_match(f, "driver", v->driver) &&
		    filters_match_labels(f, "label", &v->labels) &&
		    (!by_use || dangling == !is_used(&used, v->name)))
			list[kept++] = v;
		else
			volume_free(v);
	}
	*ret = list;
	*ret_n = kept;
	return 0;
}

int engine_volume_prune(struct engine *e, const struct filters *f, bool named, char ***ret_names,
			int64_t *ret_freed, struct err *err)
{
	struct volume **list;
	bool all = named;
	int64_t freed = 0;
	size_t n;

	if (filters_bool(f, "all", named, &all, err) < 0 ||
	    volumes_list(e->volumes, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct volume *v = list[i];
		int64_t size;

		if ((!all && !volume_is_anonymous(v)) || v->problem ||
		    !filters_match_prune_labels(f, &v->labels))
			continue;
		size = volumes_size(e->volumes, v->name);
		if (remove_unused(e, v->name, false, NULL) < 0)
			continue;
		strv_add(ret_names, v->name);
		freed += size;
	}
	volume_list_free(list, n);
	*ret_freed = freed;
	return 0;
}
