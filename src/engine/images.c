/* The image verbs that touch containers or are told as events. */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"

static const char *action_of(const struct image_change *ch)
{
	switch (ch->what) {
	case IMAGE_LOADED:
		return "load";
	case IMAGE_TAGGED:
		return "tag";
	case IMAGE_UNTAGGED:
		return "untag";
	case IMAGE_DELETED:
		return "delete";
	case IMAGE_IMPORTED:
		return "import";
	}
	return "unknown";
}

static void notify_changes(struct engine *e, const struct image_changes *changes)
{
	for (size_t i = 0; i < changes->list.n; i++) {
		const struct image_change *ch = objects_at(&changes->list, struct image_change, i);
		struct event ev = {
			.time_ns = now_ns(),
			.type = (char *) "image",
			.action = (char *) action_of(ch),
			.id = ch->id,
		};

		strmap_set(&ev.attributes, "name", ch->name ?: ch->id);
		events_publish(e->events, &ev);
		strv_free(ev.attributes.kv);
	}
}

int engine_image_load(struct engine *e, const struct image_source *in, struct image_changes *ret,
		      struct err *err)
{
	if (images_load(e->images, in, ret, err) < 0)
		return -1;
	notify_changes(e, ret);
	return 0;
}

int engine_image_import(struct engine *e, const struct image_source *in, const char *repo,
			const char *tag, const char *message, char *const *changes,
			const char *platform, struct image_changes *ret, struct err *err)
{
	if (images_import(e->images, in, repo, tag, message, changes, platform, ret, err) < 0)
		return -1;
	notify_changes(e, ret);
	return 0;
}

int engine_image_tag(struct engine *e, const char *ref, const char *repo, const char *tag,
		     struct err *err)
{
	struct image_changes changes = {0};
	int r;

	r = images_tag(e->images, ref, repo, tag, &changes, err);
	if (r == 0)
		notify_changes(e, &changes);
	image_changes_free(&changes);
	return r;
}

/* A running user is the better reason to refuse. */
static void in_use(void *arg, const char *image_id, char ret_container[13], bool *ret_running)
{
	struct engine *e = arg;
	struct container **list;
	size_t n;

	ret_container[0] = '\0';
	*ret_running = false;
	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n && !*ret_running; i++) {
		hold(&list[i]->lock);

		if (!list[i]->config || !str_eq(list[i]->config->image_id, image_id))
			continue;
		snprintf(ret_container, 13, "%.12s", list[i]->id);
		*ret_running = phase_is_alive(list[i]->phase) ||
			       list[i]->phase == PHASE_RESTARTING ||
			       list[i]->phase == PHASE_STARTING;
	}
	container_list_free(list, n);
}

/* A container whose config.json cannot be read may need any image. */
static int check_no_unreadable(struct engine *e, struct err *err)
{
	struct container **list;
	size_t n;
	int r = 0;

	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n && r == 0; i++) {
		hold(&list[i]->lock);

		if (!list[i]->config)
			r = err_set(err, ERR_CONFLICT,
				    "container %.12s is dead (%s) and may need any image: remove "
				    "it first",
				    list[i]->id, list[i]->problem ?: "unreadable");
	}
	container_list_free(list, n);
	return r;
}

int engine_image_remove(struct engine *e, const char *ref, bool force, bool noprune,
			struct image_changes *ret, struct err *err)
{
	const struct image_users users = {in_use, e};

	hold_rwlock(&e->images_lock, wr);
	if (check_no_unreadable(e, err) < 0)
		return -1;
	if (images_remove(e->images, ref, force, noprune, &users, ret, err) < 0)
		return -1;
	notify_changes(e, ret);
	return 0;
}

int engine_image_prune(struct engine *e, const struct filters *f, struct image_changes *ret,
		       struct err *err)
{
	const struct image_users users = {in_use, e};

	hold_rwlock(&e->images_lock, wr);
	if (check_no_unreadable(e, err) < 0)
		return -1;
	if (images_prune(e->images, f, &users, ret, err) < 0)
		return -1;
	notify_changes(e, ret);
	return 0;
}

int64_t engine_image_containers(struct engine *e, const char *image_id)
{
	struct container **list;
	int64_t count = 0;
	size_t n;

	container_store_all(e->store, &list, &n);
	for (size_t i = 0; i < n; i++) {
		hold(&list[i]->lock);

		count += list[i]->config && str_eq(list[i]->config->image_id, image_id);
	}
	container_list_free(list, n);
	return count;
}
