/* tag, remove and prune: what happens to names, and through them to images. */
#include "image/remove.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "image/reference.h"
#include "image/store.h"

/* The decision */

static enum remove_action refuse(struct err *err, const char *id, bool hard, const char *why,
				 const char *container)
{
	(void) err_set(err, ERR_CONFLICT, "conflict: unable to delete %s (%s) - %s%s", id,
		       hard ? "cannot be forced" : "must be forced", why, container);
	return REMOVE_REFUSE;
}

static bool in_use(const struct remove_facts *f)
{
	return !str_empty(f->used_by);
}

static enum remove_action decide_by_name(const struct remove_facts *f, const char *ref,
					 const char *id, struct err *err)
{
	if (f->names > 1)
		return REMOVE_UNTAG;
	if (in_use(f) && !f->force) {
		(void) err_set(
			err, ERR_CONFLICT,
			"conflict: unable to remove repository reference \"%s\" (must force) "
			"- container %s is using its referenced image %s",
			ref, f->used_by, id);
		return REMOVE_REFUSE;
	}
	/* The last name goes; the image only if nobody needs it. */
	return in_use(f) || f->has_children ? REMOVE_UNTAG : REMOVE_DELETE;
}

enum remove_action remove_decide(const struct remove_facts *f, const char *ref, const char *id,
				 struct err *err)
{
	if (f->by_name)
		return decide_by_name(f, ref, id, err);
	if (f->has_children)
		return refuse(err, id, true, "image has dependent child images", "");
	if (in_use(f) && f->running)
		return refuse(err, id, true, "image is being used by running container ",
			      f->used_by);
	if (f->names > 1 && !f->force)
		return refuse(err, id, false, "image is referenced in multiple repositories", "");
	if (in_use(f) && !f->force)
		return refuse(err, id, false, "image is being used by stopped container ",
			      f->used_by);
	if (!in_use(f))
		return REMOVE_DELETE;
	/* docker would delete it and leave the container its layers; ours needs the image to start
	 * again. */
	if (f->names == 0)
		return refuse(err, id, true, "image is being used by stopped container ",
			      f->used_by);
	return REMOVE_UNTAG_ALL;
}

/* Doing it, with `verbs` held */

static bool has_children(struct images *s, const struct entry *e)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->entries[i]->snap->image.parent, e->snap->image.id))
			return true;
	return false;
}

static int untag_one(struct images *s, const char *hex, const char *name, struct image_changes *ret,
		     struct err *err)
{
	autofree char *copy = xstrdup(name); /* the entry's goes */

	if (image_untag(s, hex, copy, err) < 0)
		return -1;
	changes_add(ret, IMAGE_UNTAGGED, hex, copy);
	return 0;
}

static int untag_all(struct images *s, const char *hex, struct image_changes *ret, struct err *err)
{
	for (;;) {
		const struct entry *e = index_by_id(s, hex);

		if (!e || e->n_names == 0)
			return 0;
		if (untag_one(s, hex, e->names[0].name, ret, err) < 0)
			return -1;
	}
}

/* The record goes first: from then on the image is not there, and its files are litter. */
static int delete_image(struct images *s, const char *hex, struct image_changes *ret,
			struct err *err)
{
	struct entry *e = index_by_id(s, hex);
	struct snapshot *snap;

	if (!e)
		return 0;
	if (record_remove(s, hex, err) < 0)
		return -1;

	for (size_t i = 0; i < e->n_names; i++)
		changes_add(ret, IMAGE_UNTAGGED, hex, e->names[i].name);
	for (char **d = e->digests; d && *d; d++)
		changes_add(ret, IMAGE_UNTAGGED, hex, *d);
	changes_add(ret, IMAGE_DELETED, hex, NULL);

	snap = (struct snapshot *) image_ref(&e->snap->image);
	{
		hold(&s->lock);
		index_drop(s, e);
	}
	ret->freed += sweep_image(s, snap);
	image_unref(&snap->image);
	return 0;
}

/* Whether the user gave a name, and which: an id, or what is the beginning of one and no name, is
 * none. */
static char *name_given(struct images *s, const struct entry *e, const char *ref)
{
	autoreference r = {0};
	char *text;

	if (reference_parse(ref, &r, NULL) < 0)
		return NULL;
	if (r.digest)
		free(take(r.digest));
	reference_add_default_tag(&r);
	text = reference_text(&r);
	if (index_by_name(s, text) == e)
		return text;
	free(text);
	return NULL;
}

static enum remove_action decide(struct images *s, const struct entry *e, const char *ref,
				 bool by_name, bool force, const struct image_users *users,
				 struct err *err)
{
	char container[13] = "", id[13];
	struct remove_facts f = {
		.by_name = by_name,
		.force = force,
		.names = e->n_names,
		.has_children = has_children(s, e),
		.used_by = container,
	};

	if (users && users->in_use)
		users->in_use(users->arg, e->snap->image.id, container, &f.running);
	snprintf(id, sizeof id, "%.12s", entry_hex(e));
	return remove_decide(&f, ref, id, err);
}

static int remove_locked(struct images *s, const char *ref, bool force, bool noprune,
			 const struct image_users *users, struct image_changes *ret,
			 struct err *err)
{
	autofree char *name = NULL;
	autofree char *parent = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct entry *e;

	if (index_resolve(s, ref, &e, err) < 0)
		return -1;
	name = name_given(s, e, ref);
	strcpy(hex, entry_hex(e));
	parent = xstrdup(e->snap->image.parent);

	switch (decide(s, e, ref, name != NULL, force, users, err)) {
	case REMOVE_REFUSE:
		return -1;
	case REMOVE_UNTAG:
		return untag_one(s, hex, name, ret, err);
	case REMOVE_UNTAG_ALL:
		return untag_all(s, hex, ret, err);
	case REMOVE_DELETE:
		break;
	}
	if (delete_image(s, hex, ret, err) < 0)
		return -1;

	/* Nameless parents go with their last child, as far as nothing is against it. */
	if (!noprune && str_has_prefix(parent ? parent : "", "sha256:")) {
		e = index_by_id(s, parent + sizeof("sha256:") - 1);
		if (e && e->n_names == 0)
			(void) remove_locked(s, parent, false, false, users, ret, NULL);
	}
	return 0;
}

int images_remove(struct images *s, const char *ref, bool force, bool noprune,
		  const struct image_users *users, struct image_changes *ret, struct err *err)
{
	hold(&s->verbs);
	return remove_locked(s, ref, force, noprune, users, ret, err);
}

/* Prune */

static bool labels_match(const struct filters *f, const struct strmap *labels)
{
	const char *k, *v;

	if (!filters_match_labels(f, "label", labels))
		return false;
	strmap_foreach (&f->pairs, k, v) {
		struct filters one = {0};
		bool has;

		if (!str_eq(k, "label!"))
			continue;
		filters_add(&one, "label", v);
		has = filters_match_labels(&one, "label", labels);
		filters_free(&one);
		if (has)
			return false;
	}
	return true;
}

static bool prune_wants(const struct entry *e, const struct filters *f, bool dangling,
			int64_t until_ns)
{
	const struct image *im = &e->snap->image;

	if (dangling && e->n_names > 0)
		return false;
	return im->created_ns < until_ns && (!f || labels_match(f, &im->config.labels));
}

static void prune_one(struct images *s, const char *hex, const struct image_users *users,
		      struct image_changes *ret)
{
	struct entry *e = index_by_id(s, hex);
	char container[13] = "";
	bool running = false;
	struct err err = {0};

	if (!e || has_children(s, e))
		return;
	if (users && users->in_use)
		users->in_use(users->arg, e->snap->image.id, container, &running);
	if (container[0])
		return;
	if (delete_image(s, hex, ret, &err) < 0)
		log_warn("image: prune %.12s: %s", hex, err.text);
}

int images_prune(struct images *s, const struct filters *f, const struct image_users *users,
		 struct image_changes *ret, struct err *err)
{
	const char *until = f ? filters_get(f, "until") : NULL;
	autostrv char **chosen = NULL;
	int64_t until_ns = INT64_MAX;
	bool dangling = true;

	if (f && filters_bool(f, "dangling", true, &dangling, err) < 0)
		return -1;
	if (until && instant_parse(until, now_ns(), &until_ns) < 0)
		return err_set(err, ERR_INVALID, "invalid filter 'until': %s is no time", until);

	hold(&s->verbs);
	for (size_t i = 0; i < s->n; i++)
		if (prune_wants(s->entries[i], f, dangling, until_ns))
			strv_add(&chosen, entry_hex(s->entries[i]));
	for (char **hex = chosen; hex && *hex; hex++)
		prune_one(s, *hex, users, ret);
	return 0;
}

/* Tag */

int images_tag(struct images *s, const char *ref, const char *repo, const char *tag,
	       struct image_changes *ret, struct err *err)
{
	autoreference r = {0};
	autofree char *name = NULL;
	autojson json_t *record = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct entry *e;

	if (reference_parse(repo ? repo : "", &r, err) < 0)
		return -1;
	if (r.digest)
		return err_set(err, ERR_INVALID,
			       "refusing to create a tag with a digest reference");
	/* It would be read as an id ever after. */
	if (str_has_prefix(repo, "sha256:") || str_eq(repo, "sha256"))
		return err_set(
			err, ERR_INVALID,
			"refusing to create an ambiguous tag using digest algorithm as name");
	if (!str_empty(tag)) {
		if (!tag_is_valid(tag))
			return err_set(err, ERR_INVALID, "invalid tag format");
		free(r.tag);
		r.tag = xstrdup(tag);
	}
	reference_add_default_tag(&r);
	name = reference_text(&r);

	hold(&s->verbs);
	if (index_resolve(s, ref, &e, err) < 0)
		return -1;
	strcpy(hex, entry_hex(e));
	if (record_read(s, hex, &record, err) < 0 ||
	    image_put(s, hex, record, (char *[]){name, NULL}, err) < 0)
		return -1;
	changes_add(ret, IMAGE_TAGGED, hex, name);
	return 0;
}
