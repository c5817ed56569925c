/* load and save: the tool does the work, here is what comes before and after. */
#include <string.h>

#include "image/reference.h"
#include "image/store.h"

static int load_into(struct images *s, const char *staging, const struct image_source *in,
		     struct image_changes *ret, struct err *err)
{
	struct publication p = {.staging = staging, .what = IMAGE_LOADED};
	autojson json_t *answer = NULL;

	if (tool_read(s, "load", staging, in, &answer, err) < 0)
		return -1;
	p.images = answer;
	return images_publish(s, &p, ret, err);
}

int images_load(struct images *s, const struct image_source *in, struct image_changes *ret,
		struct err *err)
{
	char staging[32];
	int r;

	if (staging_make(s, staging, err) < 0)
		return -1;
	images_busy(s);
	r = load_into(s, staging, in, ret, err);
	staging_remove(s, staging);
	images_idle(s);
	return r;
}

/* Save */

/* An image that is to be saved, under these names. */
struct wanted {
	const struct entry *entry;
	char **names; /* normalised */
};

struct wanted_list {
	struct wanted *items;
	size_t n;
};

static void wanted_free(struct wanted_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		strv_free(l->items[i].names);
	free(l->items);
}

static struct wanted *want(struct wanted_list *l, const struct entry *e)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].entry == e)
			return &l->items[i];
	l->items = xreallocarray(l->items, l->n + 1, sizeof *l->items);
	l->items[l->n] = (struct wanted){.entry = e};
	return &l->items[l->n++];
}

static void want_name(struct wanted_list *l, const struct entry *e, const char *name)
{
	struct wanted *w = want(l, e);

	if (!strv_contains(w->names, name))
		strv_add(&w->names, name);
}

/* "repo" means each of its tags, "repo:tag" that one, an id the image without a name. */
static int want_reference(struct images *s, struct wanted_list *l, const char *ref, struct err *err)
{
	autoreference r = {0};
	autofree char *name = NULL;
	bool found = false;
	struct entry *e;

	if (reference_parse(ref, &r, NULL) == 0 && !r.digest) {
		name = xasprintf("%s:%s", r.name, r.tag ? r.tag : "");
		for (size_t i = 0; i < s->n_names; i++) {
			const struct name_owner *o = &s->names[i];

			if (r.tag ? !str_eq(o->name, name) : !str_has_prefix(o->name, name))
				continue;
			want_name(l, o->entry, o->name);
			found = true;
		}
	}
	if (found)
		return 0;
	if (index_resolve(s, ref, &e, err) < 0)
		return -1;
	(void) want(l, e);
	return 0;
}

static json_t *wanted_json(const struct wanted *w)
{
	json_t *names = json_array(), *layers = json_array();

	for (char **d = w->entry->snap->image.diff_ids; d && *d; d++)
		(void) json_array_append_new(layers, json_string(*d + sizeof("sha256:") - 1));
	for (char **n = w->names; n && *n; n++)
		(void) json_array_append_new(names,
					     json_pack("{ss ss ss}", "Name", familiar_text(*n),
						       "Full", *n, "Tag", strrchr(*n, ':') + 1));
	return json_pack("{ss so so}", "Config", entry_hex(w->entry), "Layers", layers, "Names",
			 names);
}

static int collect_wanted(struct images *s, char *const *refs, json_t **ret, struct err *err)
{
	auto_(wanted_free) struct wanted_list l = {0};
	json_t *images;

	hold(&s->lock);
	for (; refs && *refs; refs++)
		if (want_reference(s, &l, *refs, err) < 0)
			return -1;
	if (l.n == 0)
		return err_set(err, ERR_INVALID, "no images to save");
	images = json_array();
	for (size_t i = 0; i < l.n; i++)
		(void) json_array_append_new(images, wanted_json(&l.items[i]));
	*ret = json_pack("{so}", "Images", images);
	return 0;
}

int images_save(struct images *s, char *const *refs, const struct image_sink *out, struct err *err)
{
	autojson json_t *wanted = NULL;
	int r;

	images_busy(s); /* nothing of it is swept meanwhile */
	r = collect_wanted(s, refs, &wanted, err);
	if (r == 0)
		r = tool_write(s, wanted, out, err);
	images_idle(s);
	return r;
}
