/*
 * From staging to images: layers, then blobs, both flushed to disk by the tool, then their
 * directories, and last the records, one durable file each. Until its record is there an image is
 * not, and what was renamed is litter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/reference.h"
#include "image/store.h"

/* An image on its way. */
struct coming {
	const char *hex;
	char **names; /* normalised, with tag */
	const json_t *layers;
};

struct coming_list {
	struct coming *items;
	size_t n;
};

static void coming_free(struct coming_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		strv_free(l->items[i].names);
	free(l->items);
}

static int read_names(const json_t *names, char ***ret, struct err *err)
{
	const json_t *v;
	size_t i;

	json_array_foreach (names, i, v) {
		const char *text = json_string_value(v);
		autoreference r = {0};

		if (!text || reference_parse(text, &r, err) < 0)
			return err_wrap(err, "%s", text ? text : "a name");
		if (r.digest && !r.tag)
			continue;
		free(take(r.digest));
		reference_add_default_tag(&r);
		strv_add_owned(ret, reference_text(&r));
	}
	return 0;
}

/* Everything is looked at before anything is published. */
static int read_coming(const struct publication *p, struct coming_list *l, struct err *err)
{
	const json_t *v, *layer;
	size_t i, k;

	l->items = xcalloc(json_array_size(p->images) + 1, sizeof *l->items);
	json_array_foreach (p->images, i, v) {
		struct coming *c = &l->items[l->n++];

		c->hex = json_str(v, "Config");
		c->layers = json_object_get(v, "Layers");
		if (!c->hex || !str_is_hex(c->hex, DIGEST_HEX_LEN))
			return err_set(err, ERR_SYSTEM, "holdfast-image answered no image id");
		json_array_foreach (c->layers, k, layer)
			if (!json_is_string(layer) ||
			    !str_is_hex(json_string_value(layer), DIGEST_HEX_LEN))
				return err_set(err, ERR_SYSTEM,
					       "holdfast-image answered no diff id");
		if (read_names(json_object_get(v, "Names"), &c->names, err) < 0)
			return -1;
		for (char **name = p->extra_names; name && *name; name++)
			strv_add(&c->names, *name);
	}
	return 0;
}

/* The files */

/* Moves it unless it is there already. */
static int move_in(int from, const char *name, int to, const char *to_name, struct err *err)
{
	if (renameat2(from, name, to, to_name, RENAME_NOREPLACE) == 0 || errno == EEXIST)
		return 0;
	if (errno == ENOENT && exists_at(to, to_name))
		return 0;
	return err_sys(err, errno, "publish %s", to_name);
}

static int move_blob(struct images *s, int staging, const char *hex, struct err *err)
{
	char path[sizeof(STAGING_BLOBS "/") + DIGEST_HEX_LEN];

	snprintf(path, sizeof path, STAGING_BLOBS "/%s", hex);
	return move_in(staging, path, s->blobs, hex, err);
}

static int move_layer(struct images *s, int staging, const char *diff_id, struct err *err)
{
	char dir[LAYER_NAME_LEN + 1], path[64];
	autojson json_t *layer = NULL;
	const char *blob;

	snprintf(dir, sizeof dir, "%.*s", LAYER_NAME_LEN, diff_id);
	snprintf(path, sizeof path, IMAGE_DIR_LAYERS "/%s", dir);
	if (move_in(staging, path, s->layers, dir, err) < 0)
		return -1;
	/* If somebody else was first with this layer, then with another blob perhaps: the layer
	 * knows. */
	snprintf(path, sizeof path, "%s/" LAYER_JSON, dir);
	if (json_read_at(s->layers, path, IMAGE_MAX_JSON, &layer, err) < 0)
		return -1;
	blob = json_str(layer, "Blob");
	if (!blob || !str_is_hex(blob, DIGEST_HEX_LEN))
		return err_set(err, ERR_SYSTEM, "layer %s has no blob", dir);
	return move_blob(s, staging, blob, err);
}

static int move_files(struct images *s, int staging, const struct coming_list *l, struct err *err)
{
	const json_t *layer;
	size_t k;

	for (size_t i = 0; i < l->n; i++) {
		json_array_foreach (l->items[i].layers, k, layer)
			if (move_layer(s, staging, json_string_value(layer), err) < 0)
				return -1;
		if (move_blob(s, staging, l->items[i].hex, err) < 0)
			return -1;
	}
	if (sync_dir(s->layers) < 0 || sync_dir(s->blobs) < 0)
		return err_sys(err, errno, "sync the image store");
	return 0;
}

/* The records */

static int put_record(struct images *s, const struct coming *c, struct err *err)
{
	autojson json_t *config = NULL;
	autojson json_t *record = NULL;

	if (index_by_id(s, c->hex)) {
		if (record_read(s, c->hex, &record, err) < 0)
			return -1;
	} else if (json_read_at(s->blobs, c->hex, IMAGE_MAX_JSON, &config, err) < 0 ||
		   record_make(s, c->hex, config, &record, err) < 0) {
		return -1;
	}
	return image_put(s, c->hex, record, c->names, err);
}

void changes_add(struct image_changes *c, int what, const char *hex, const char *normalised_name)
{
	struct image_change *ch;

	c->list.items = xreallocarray(c->list.items, c->list.n + 1, sizeof *ch);
	ch = objects_at(&c->list, struct image_change, c->list.n++);
	ch->what = what;
	ch->id = xasprintf("sha256:%s", hex);
	ch->name = normalised_name ? xstrdup(familiar_text(normalised_name)) : NULL;
}

void image_changes_free(struct image_changes *c)
{
	for (size_t i = 0; i < c->list.n; i++) {
		free(objects_at(&c->list, struct image_change, i)->id);
		free(objects_at(&c->list, struct image_change, i)->name);
	}
	free(c->list.items);
	*c = (struct image_changes){0};
}

static void report(struct image_changes *ret, int what, const struct coming *c)
{
	if (!c->names || !c->names[0])
		changes_add(ret, what, c->hex, NULL);
	for (char **name = c->names; name && *name; name++)
		changes_add(ret, what, c->hex, *name);
}

static int publish(struct images *s, int staging, const struct coming_list *l, int what,
		   struct image_changes *ret, struct err *err)
{
	if (move_files(s, staging, l, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++) {
		if (put_record(s, &l->items[i], err) < 0)
			return -1;
		report(ret, what, &l->items[i]);
	}
	return 0;
}

int images_publish(struct images *s, const struct publication *p, struct image_changes *ret,
		   struct err *err)
{
	auto_(coming_free) struct coming_list l = {0};
	autoclose int staging = open_dir_at(s->staging, p->staging);

	if (staging < 0)
		return err_sys(err, -staging, "open staging/%s", p->staging);
	if (read_coming(p, &l, err) < 0)
		return -1;

	hold(&s->verbs);
	if (publish(s, staging, &l, p->what, ret, err) < 0) {
		s->litter = true;
		return -1;
	}
	return 0;
}
