/* Images: load, import, save, and the rest of their life. */
#include <string.h>

#include "api/docker/docker.h"

/* Bytes of the request for the image module. */
static ssize_t read_request(void *arg, void *data, size_t n)
{
	return http_read(arg, data, n);
}

static const struct image_change *change_at(const struct image_changes *changes, size_t i)
{
	return objects_at(&changes->list, struct image_change, i);
}

/* Load and import ---------------------------------------- */

/* One line for each name that an image now has, or for its id where it has none; each once. */
static void out_loaded(struct out *o, const struct image_changes *changes)
{
	autostrv char **told = NULL;

	for (size_t i = 0; i < changes->list.n; i++) {
		const struct image_change *ch = change_at(changes, i);
		bool named = !str_empty(ch->name);

		if (ch->what != IMAGE_LOADED && ch->what != IMAGE_TAGGED)
			continue;
		for (size_t k = 0; !named && k < changes->list.n; k++) {
			const struct image_change *other = change_at(changes, k);

			if (!str_empty(other->name) && str_eq(other->id, ch->id))
				named = true; /* its line comes with its name */
		}
		if (named && str_empty(ch->name))
			continue;
		if (strv_contains(told, named ? ch->name : ch->id))
			continue;
		strv_add(&told, named ? ch->name : ch->id);
		out_object(o, NULL);
		out_fmt(o, "stream", "Loaded image%s: %s\n", named ? "" : " ID",
			named ? ch->name : ch->id);
		out_end(o);
		out_newline(o);
	}
}

int image_load(struct call *c, struct err *err)
{
	const struct image_source in = {.read = read_request, .arg = c->rq};
	struct image_changes changes = {0};
	autoout o = {0};

	if (engine_image_load(c->e, &in, &changes, err) < 0)
		return -1;
	out_loaded(&o, &changes);
	image_changes_free(&changes);
	http_respond(c->rq, 200, "application/json", o.b.text, o.b.len);
	return 0;
}

static int image_import(struct call *c, struct err *err)
{
	const struct image_source in = {.read = read_request, .arg = c->rq};
	autostrv char **lines = param_all(c, "changes");
	struct image_changes changes = {0};
	const char *id = "";
	autoout o = {0};

	if (engine_image_import(c->e, &in, http_query(c->rq, "repo"), http_query(c->rq, "tag"),
				http_query(c->rq, "message"), lines, http_query(c->rq, "platform"),
				&changes, err) < 0)
		return -1;
	for (size_t i = 0; i < changes.list.n; i++) {
		if (change_at(&changes, i)->what == IMAGE_IMPORTED)
			id = change_at(&changes, i)->id;
	}
	out_object(&o, NULL);
	out_str(&o, "status", id);
	out_end(&o);
	out_newline(&o);
	image_changes_free(&changes);
	http_respond(c->rq, 200, "application/json", o.b.text, o.b.len);
	return 0;
}

int image_create(struct call *c, struct err *err)
{
	const char *from = http_query(c->rq, "fromImage"), *source = http_query(c->rq, "fromSrc");

	if (!str_empty(from))
		return err_set(err, ERR_NOT_SUPPORTED,
			       "pulling from registries is not supported yet");
	if (!str_eq(source, "-"))
		return err_set(err, ERR_NOT_SUPPORTED,
			       "importing from a URL is not supported yet: only fromSrc=- is");
	return image_import(c, err);
}

/* Looking ---------------------------------------- */

/* Names of an image, or what clients before 1.43 expect of one without: "<none>:<none>". */
static void out_names(struct out *o, const struct call *c, const struct image *im, bool say_none)
{
	struct images *images = engine_images(c->e);
	autostrv char **tags = image_tags(images, im);
	autostrv char **digests = image_digests(images, im);

	if (say_none && strv_len(tags) == 0 && strv_len(digests) == 0) {
		strv_add(&tags, "<none>:<none>");
		strv_add(&digests, "<none>@<none>");
	}
	out_strv(o, "RepoTags", tags);
	out_strv(o, "RepoDigests", digests);
}

static void out_image_summary(struct out *o, const struct call *c, const struct image *im)
{
	out_object(o, NULL);
	out_int(o, "Containers", -1);
	out_int(o, "Created", im->created_ns / NSEC_PER_SEC);
	out_str(o, "Id", im->id);
	if (im->config.labels.kv && *im->config.labels.kv)
		out_map(o, "Labels", &im->config.labels);
	else
		out_null(o, "Labels");
	out_str(o, "ParentId", im->parent);
	out_names(o, c, im, c->version < 43);
	out_int(o, "SharedSize", -1);
	out_int(o, "Size", im->size);
	if (c->version < 44)
		out_int(o, "VirtualSize", im->size);
	out_end(o);
}

int image_list(struct call *c, struct err *err)
{
	const char *reference = c->version < 41 ? http_query(c->rq, "filter") : NULL;
	struct filters f = {0};
	struct image **list = NULL;
	autoout o = {0};
	size_t n = 0;
	int r;

	if (param_filters(c, image_filter_keys, &f, err) < 0)
		return -1;
	if (!str_empty(reference))
		filters_add(&f, "reference", reference);
	r = images_list_filtered(engine_images(c->e), &f, param_bool(c, "all", false), &list, &n,
				 err);
	filters_free(&f);
	if (r < 0)
		return r;
	out_array(&o, NULL);
	for (size_t i = 0; i < n; i++)
		out_image_summary(&o, c, list[i]);
	out_array_end(&o);
	image_list_free(list, n);
	answer_json(c, 200, &o);
	return 0;
}

static void out_image_graph(struct out *o, struct images *images, const struct image *im)
{
	autostrv char **dirs = image_lower(images, im);
	autobuf lower = {0};

	out_object(o, "GraphDriver");
	out_object(o, "Data");
	for (char **d = dirs ? dirs + 1 : NULL; d && d[-1] && *d; d++)
		buf_addf(&lower, "%s%s/%s", lower.len ? ":" : "", images_layers_dir(images), *d);
	if (lower.len)
		out_str(o, "LowerDir", lower.text);
	if (dirs && *dirs)
		out_fmt(o, "UpperDir", "%s/%s", images_layers_dir(images), *dirs);
	out_end(o);
	out_str(o, "Name", "overlay2");
	out_end(o);
}

int image_inspect(struct call *c, struct err *err)
{
	struct images *images = engine_images(c->e);
	auto_(image_unref_p) struct image *im = NULL;
	struct config no_config = {0};
	autoout o = {0};

	if (image_resolve(images, c->name, &im, err) < 0)
		return -1;
	fields_init(config_fields, &no_config);
	out_object(&o, NULL);
	out_str(&o, "Id", im->id);
	out_names(&o, c, im, false);
	out_str(&o, "Parent", im->parent);
	out_str(&o, "Comment", im->comment);
	out_time(&o, "Created", im->created_ns);
	out_str(&o, "Container", "");
	out_fields(&o, "ContainerConfig", config_fields, &no_config);
	out_str(&o, "DockerVersion", im->docker_version);
	out_str(&o, "Author", im->author);
	out_fields(&o, "Config", config_fields, &im->config);
	out_str(&o, "Architecture", im->architecture);
	if (!str_empty(im->variant))
		out_str(&o, "Variant", im->variant);
	out_str(&o, "Os", im->os);
	out_int(&o, "Size", im->size);
	if (c->version < 44)
		out_int(&o, "VirtualSize", im->size);
	out_image_graph(&o, images, im);
	out_object(&o, "RootFS");
	out_str(&o, "Type", "layers");
	out_strv(&o, "Layers", im->diff_ids);
	out_end(&o);
	out_object(&o, "Metadata");
	out_time(&o, "LastTagTime", im->tagged_ns);
	out_end(&o);
	out_end(&o);
	answer_json(c, 200, &o);
	return 0;
}

int image_history(struct call *c, struct err *err)
{
	struct images *images = engine_images(c->e);
	auto_(image_unref_p) struct image *im = NULL;
	autostrv char **tags = NULL;
	autoout o = {0};

	if (image_resolve(images, c->name, &im, err) < 0)
		return -1;
	tags = image_tags(images, im);
	out_array(&o, NULL);
	for (size_t i = im->history.n; i-- > 0;) {
		const struct image_history *h = objects_at(&im->history, struct image_history, i);
		bool top = i == im->history.n - 1;

		out_object(&o, NULL);
		out_str(&o, "Comment", h->comment);
		out_int(&o, "Created", h->created_ns / NSEC_PER_SEC);
		out_str(&o, "CreatedBy", h->created_by);
		out_str(&o, "Id", top ? im->id : "<missing>");
		out_int(&o, "Size", h->size);
		if (top && tags && *tags)
			out_strv(&o, "Tags", tags);
		else
			out_null(&o, "Tags");
		out_end(&o);
	}
	out_array_end(&o);
	answer_json(c, 200, &o);
	return 0;
}

/* Changing ---------------------------------------- */

int image_tag(struct call *c, struct err *err)
{
	if (engine_image_tag(c->e, c->name, http_query(c->rq, "repo"), http_query(c->rq, "tag"),
			     err) < 0)
		return -1;
	answer_empty(c, 201);
	return 0;
}

static void out_removed(struct out *o, const struct image_changes *changes)
{
	for (size_t i = 0; i < changes->list.n; i++) {
		const struct image_change *ch = change_at(changes, i);

		if (ch->what != IMAGE_UNTAGGED && ch->what != IMAGE_DELETED)
			continue;
		out_object(o, NULL);
		if (ch->what == IMAGE_UNTAGGED)
			out_str(o, "Untagged", ch->name);
		else
			out_str(o, "Deleted", ch->id);
		out_end(o);
	}
}

int image_remove(struct call *c, struct err *err)
{
	struct image_changes changes = {0};
	autoout o = {0};

	if (engine_image_remove(c->e, c->name, param_bool(c, "force", false),
				param_bool(c, "noprune", false), &changes, err) < 0)
		return -1;
	out_array(&o, NULL);
	out_removed(&o, &changes);
	out_array_end(&o);
	image_changes_free(&changes);
	answer_json(c, 200, &o);
	return 0;
}

int image_prune(struct call *c, struct err *err)
{
	static const char *const keys[] = {"dangling", "until", "label", "label!", NULL};
	struct image_changes changes = {0};
	struct filters f = {0};
	autoout o = {0};
	int r;

	if (param_filters(c, keys, &f, err) < 0)
		return -1;
	r = engine_image_prune(c->e, &f, &changes, err);
	filters_free(&f);
	if (r < 0)
		return r;
	out_object(&o, NULL);
	if (changes.list.n) {
		out_array(&o, "ImagesDeleted");
		out_removed(&o, &changes);
		out_array_end(&o);
	} else {
		out_null(&o, "ImagesDeleted");
	}
	out_int(&o, "SpaceReclaimed", changes.freed);
	out_end(&o);
	image_changes_free(&changes);
	answer_json(c, 200, &o);
	return 0;
}

/* Save ---------------------------------------- */

/* The head goes out with the first byte, so that an error before it has its status. */
static int write_response(void *arg, const void *data, size_t n)
{
	struct http_request *rq = arg;

	if (!http_begun(rq))
		http_begin(rq, 200, "application/x-tar");
	return http_write(rq, data, n);
}

static int save(struct call *c, char *const *refs, struct err *err)
{
	const struct image_sink out = {.write = write_response, .arg = c->rq};

	return images_save(engine_images(c->e), refs, &out, err);
}

int image_get(struct call *c, struct err *err)
{
	char *const refs[] = {(char *) c->name, NULL};

	return save(c, refs, err);
}

int image_get_many(struct call *c, struct err *err)
{
	autostrv char **refs = param_all(c, "names");

	if (strv_len(refs) == 0)
		return err_set(err, ERR_INVALID, "no image names given");
	return save(c, refs, err);
}
