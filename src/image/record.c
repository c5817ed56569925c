/*
 * images/<hex>.json:
 *
 *	{"Version":1, "Id":"<hex>", "Config":{the image's configuration}, "LastTagged":ns,
 *	 "Layers":[{"Dir":"<16 hex>","Size":n,"Blob":"<hex>","BlobSize":n,"OpaqueRoot":false}, ...],
 *	 "Names":[{"Name":"docker.io/library/busybox:latest","Tagged":ns}, ...], "Digests":[...]}
 *
 * Changes are made to the JSON as it was read, so keys of later versions are kept.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "image/store.h"

/* The parts of an image's configuration that we show (OCI image spec, and docker's additions). */

static const struct field history_fields[] = {
	FIELD(struct image_history, "created", FIELD_TIME, created_ns),
	FIELD(struct image_history, "created_by", FIELD_STR, created_by),
	FIELD(struct image_history, "comment", FIELD_STR, comment),
	FIELD(struct image_history, "author", FIELD_STR, author),
	FIELD(struct image_history, "empty_layer", FIELD_BOOL, empty_layer),
	FIELD_END,
};

struct rootfs {
	char **diff_ids;
};

static const struct field image_fields[] = {
	FIELD(struct image, "parent", FIELD_STR, parent),
	FIELD(struct image, "architecture", FIELD_STR, architecture),
	FIELD(struct image, "variant", FIELD_STR, variant),
	FIELD(struct image, "os", FIELD_STR, os),
	FIELD(struct image, "author", FIELD_STR, author),
	FIELD(struct image, "comment", FIELD_STR, comment),
	FIELD(struct image, "docker_version", FIELD_STR, docker_version),
	FIELD(struct image, "created", FIELD_TIME, created_ns),
	FIELD_SUB(struct image, "config", FIELD_OBJECT, config, config_fields, struct config, 0),
	FIELD_SUB(struct image, "history", FIELD_OBJECTS, history, history_fields,
		  struct image_history, 0),
	FIELD_END,
};

static const struct field rootfs_fields[] = {
	FIELD(struct rootfs, "diff_ids", FIELD_STRV, diff_ids),
	FIELD_END,
};

struct image *image_ref(struct image *im)
{
	atomic_fetch_add(&((struct snapshot *) im)->refs, 1);
	return im;
}

void image_unref(struct image *im)
{
	struct snapshot *snap = (struct snapshot *) im;

	if (!im || atomic_fetch_sub(&snap->refs, 1) > 1)
		return;
	fields_free(image_fields, im);
	strv_free(im->diff_ids);
	free(im->id);
	free(snap->layers);
	free(snap);
}

/* The layers' sizes, in order, are those of the entries that made one. */
static void give_history_sizes(struct snapshot *snap)
{
	size_t layer = 0;

	for (size_t i = 0; i < snap->image.history.n; i++) {
		struct image_history *h = objects_at(&snap->image.history, struct image_history, i);

		if (!h->empty_layer && layer < snap->n_layers)
			h->size = snap->layers[layer++].size;
	}
}

static int read_layers(struct snapshot *snap, const json_t *layers, struct err *err)
{
	const json_t *v;
	size_t i;

	if (json_array_size(layers) != strv_len(snap->image.diff_ids))
		return err_set(err, ERR_INVALID, "its layers are not those of its configuration");
	snap->layers = xcalloc(json_array_size(layers) + 1, sizeof *snap->layers);
	json_array_foreach (layers, i, v) {
		const char *dir = json_str(v, "Dir"), *blob = json_str(v, "Blob");
		struct layer_info *l = &snap->layers[i];

		if (!dir || !str_is_hex(dir, LAYER_NAME_LEN) || !blob ||
		    !str_is_hex(blob, DIGEST_HEX_LEN) ||
		    !str_has_prefix(snap->image.diff_ids[i], "sha256:") ||
		    !str_has_prefix(snap->image.diff_ids[i] + 7, dir))
			return err_set(err, ERR_INVALID, "layer %zu is unreadable", i);
		strcpy(l->dir, dir);
		strcpy(l->blob, blob);
		l->size = json_int(v, "Size", 0);
		l->blob_size = json_int(v, "BlobSize", 0);
		l->opaque_root = json_is_true(json_object_get(v, "OpaqueRoot"));
		snap->image.size += l->size;
	}
	snap->n_layers = json_array_size(layers);
	return 0;
}

static void image_unref_snapshot(struct snapshot **s)
{
	image_unref(*s ? &(*s)->image : NULL);
}

static int read_snapshot(const json_t *record, struct snapshot **ret, struct err *err)
{
	auto_(image_unref_snapshot) struct snapshot *snap = xnew(struct snapshot);
	const char *hex = json_str(record, "Id");
	const json_t *config = json_object_get(record, "Config");
	struct image *im = &snap->image;
	struct rootfs rootfs;

	atomic_init(&snap->refs, 1);
	fields_init(image_fields, im);
	fields_init(rootfs_fields, &rootfs);
	if (!hex || !str_is_hex(hex, DIGEST_HEX_LEN) || !json_is_object(config))
		return err_set(err, ERR_INVALID, "no Id or Config");
	if (fields_load(image_fields, im, config, err) < 0)
		return -1;
	if (json_object_get(config, "rootfs") &&
	    fields_load(rootfs_fields, &rootfs, json_object_get(config, "rootfs"), err) < 0) {
		fields_free(rootfs_fields, &rootfs);
		return -1;
	}
	im->id = xasprintf("sha256:%s", hex);
	im->diff_ids = rootfs.diff_ids;
	im->tagged_ns = json_int(record, "LastTagged", 0);
	if (read_layers(snap, json_object_get(record, "Layers"), err) < 0)
		return -1;
	give_history_sizes(snap);
	*ret = take(snap);
	return 0;
}

void entry_free(struct entry *e)
{
	if (!e)
		return;
	image_unref(e->snap ? &e->snap->image : NULL);
	for (size_t i = 0; i < e->n_names; i++)
		free(e->names[i].name);
	free(e->names);
	strv_free(e->digests);
	free(e);
}

const char *entry_hex(const struct entry *e)
{
	return e->snap->image.id + sizeof("sha256:") - 1;
}

int entry_from_record(const json_t *record, struct entry **ret, struct err *err)
{
	auto_(entry_free_p) struct entry *e = xnew(struct entry);
	const json_t *names = json_object_get(record, "Names"), *v;
	size_t i;

	if (json_int(record, "Version", 0) != IMAGE_FORMAT_VERSION)
		return err_set(err, ERR_NOT_SUPPORTED, "its format version is %lld, not %d",
			       (long long) json_int(record, "Version", 0), IMAGE_FORMAT_VERSION);
	if (read_snapshot(record, &e->snap, err) < 0)
		return -1;
	e->names = xcalloc(json_array_size(names) + 1, sizeof *e->names);
	json_array_foreach (names, i, v) {
		const char *name = json_str(v, "Name");

		if (!name)
			return err_set(err, ERR_INVALID, "Names[%zu] is unreadable", i);
		e->names[e->n_names++] = (struct owned_name){
			.name = xstrdup(name),
			.tagged_ns = json_int(v, "Tagged", 0),
		};
	}
	json_array_foreach (json_object_get(record, "Digests"), i, v)
		if (json_is_string(v))
			strv_add(&e->digests, json_string_value(v));
	*ret = take(e);
	return 0;
}

/* Making and changing */

static int add_layer(struct images *s, const char *diff_id, json_t *layers, struct err *err)
{
	char path[LAYER_NAME_LEN + sizeof("/" LAYER_JSON)];
	autojson json_t *layer = NULL;
	const char *hex = diff_id + sizeof("sha256:") - 1;

	if (!str_has_prefix(diff_id, "sha256:") || !str_is_hex(hex, DIGEST_HEX_LEN))
		return err_set(err, ERR_INVALID, "not a diff id: %s", diff_id);
	snprintf(path, sizeof path, "%.*s/" LAYER_JSON, LAYER_NAME_LEN, hex);
	if (json_read_at(s->layers, path, IMAGE_MAX_JSON, &layer, err) < 0)
		return err_wrap(err, "layer %s", diff_id);
	if (!str_eq(json_str(layer, "DiffId"), hex))
		return err_set(err, ERR_CONFLICT, "layer %s: another one, %s, is in its place", hex,
			       json_str(layer, "DiffId"));
	(void) json_object_set_new(layer, "Dir", json_stringn(hex, LAYER_NAME_LEN));
	(void) json_object_del(layer, "Version");
	(void) json_object_del(layer, "DiffId");
	(void) json_array_append(layers, layer);
	return 0;
}

int record_make(struct images *s, const char *id, const json_t *config, json_t **ret,
		struct err *err)
{
	const json_t *diff_ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids"), *v;
	autojson json_t *layers = json_array();
	size_t i;

	json_array_foreach (diff_ids, i, v) {
		if (!json_is_string(v))
			return err_set(err, ERR_INVALID, "a diff id must be a string");
		if (add_layer(s, json_string_value(v), layers, err) < 0)
			return -1;
	}
	*ret = json_pack("{si ss sO sO s[] s[]}", "Version", IMAGE_FORMAT_VERSION, "Id", id,
			 "Config", config, "Layers", layers, "Names", "Digests");
	return 0;
}

int record_read(struct images *s, const char *id, json_t **ret, struct err *err)
{
	char name[DIGEST_HEX_LEN + sizeof(".json")];

	snprintf(name, sizeof name, "%s.json", id);
	return json_read_at(s->records, name, 4 * IMAGE_MAX_JSON, ret, err);
}

int record_save(struct images *s, const char *id, const json_t *record, struct err *err)
{
	char name[DIGEST_HEX_LEN + sizeof(".json")];

	snprintf(name, sizeof name, "%s.json", id);
	return json_save_at(s->records, name, record, SAVE_DURABLE, err);
}

int record_remove(struct images *s, const char *id, struct err *err)
{
	char name[DIGEST_HEX_LEN + sizeof(".json")];
	int r;

	snprintf(name, sizeof name, "%s.json", id);
	if (unlinkat(s->records, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "remove %s/" IMAGE_DIR_IMAGES "/%s", s->root_path, name);
	r = sync_dir(s->records);
	if (r < 0)
		log_warn("image: sync %s/" IMAGE_DIR_IMAGES ": %s", s->root_path, strerror(-r));
	return 0;
}

void record_remove_name(json_t *record, const char *name)
{
	json_t *names = json_object_get(record, "Names");

	for (size_t i = json_array_size(names); i-- > 0;)
		if (str_eq(json_str(json_array_get(names, i), "Name"), name))
			(void) json_array_remove(names, i);
}

void record_add_name(json_t *record, const char *name, int64_t tagged_ns)
{
	json_t *names = json_object_get(record, "Names");

	record_remove_name(record, name);
	if (!names) {
		names = json_array();
		(void) json_object_set_new(record, "Names", names);
	}
	(void) json_array_append_new(
		names, json_pack("{ss sI}", "Name", name, "Tagged", (json_int_t) tagged_ns));
	(void) json_object_set_new(record, "LastTagged", json_integer(tagged_ns));
}
