/* Load and import: what came is checked against what it claims, and laid out for the daemon to
 * publish. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "imagetool/imagetool.h"
#include "imagetool/manifest.h"
#include "imagetool/names.h"

/* A STORED member's layer is not where it was thought to be: make it from the blob after all. */
static int unpack_stored(struct tool *t, struct member *m, struct err *err)
{
	auto_(sniffed_close) struct sniffed s = {0};
	autofree struct fd_stream *fs = xnew(struct fd_stream);
	autoclose int blob = -1, work = -1;
	char path[PATH_MAX];
	struct stream in;

	snprintf(path, sizeof path, IMAGE_DIR_BLOBS "/%s", m->digest);
	blob = openat(t->root, path, O_RDONLY | O_CLOEXEC);
	if (blob < 0)
		return err_sys(err, errno, "open %s", path);
	snprintf(path, sizeof path, STAGING_WORK "/%u", m->number);
	if (mkdirat(t->staging, path, 0700) < 0)
		return err_sys(err, errno, "create %s", path);
	work = open_dir_at(t->staging, path);
	if (work < 0)
		return err_sys(err, -work, "open %s", path);
	in = fd_stream(fs, blob);
	if (sniffed_open(&s, &in, err) < 0 || layer_read(&s, work, &t->budget, &m->layer, err) < 0)
		return -1;
	m->kind = MEMBER_LAYER;
	return 0;
}

static bool in_staging(struct tool *t, const char *diff_id)
{
	char name[LAYER_NAME_LEN + 1], path[PATH_MAX];

	layer_dir_name(diff_id, name);
	snprintf(path, sizeof path, IMAGE_DIR_LAYERS "/%s", name);
	return exists_at(t->staging, path);
}

/* Sees to it that the layer with this diff id is in the store or the staging directory. */
static int settle_layer(struct tool *t, struct member *m, const char *diff_id, struct err *err)
{
	char shown[PRINTABLE_MAX], work[16];
	struct layer stored;
	bool have = layer_stored(t->root, diff_id, &stored) == 0;

	if (!m && have)
		return 0;
	if (!m)
		return err_set(err, ERR_INVALID, "layer sha256:%s is not in the archive", diff_id);
	printable(m->name, shown);
	if (m->kind == MEMBER_STORED) {
		if (have && (str_eq(m->digest, diff_id) || str_eq(m->digest, stored.blob)))
			return 0;
		if (unpack_stored(t, m, err) < 0)
			return err_wrap(err, "layer %s", shown);
	}
	if (m->err.kind != ERR_NONE) {
		if (err)
			*err = m->err;
		return err_wrap(err, "layer %s", shown);
	}
	if (m->kind != MEMBER_LAYER)
		return err_set(err, ERR_INVALID, "layer %s is not a tar archive", shown);
	if (!str_eq(m->layer.diff_id, diff_id))
		return err_set(err, ERR_INVALID,
			       "layer %s does not match the image's configuration: its diff id is "
			       "sha256:%s, not sha256:%s",
			       shown, m->layer.diff_id, diff_id);
	if (m->taken || have || in_staging(t, diff_id))
		return 0;
	snprintf(work, sizeof work, "%u", m->number);
	m->taken = true;
	return layer_publish(t->staging, work, &m->layer, err);
}

static int save_config(struct tool *t, const char *text, size_t n, digest_hex ret, struct err *err)
{
	char path[PATH_MAX];
	autoclose int dir = open_dir_at(t->staging, STAGING_BLOBS);

	if (dir < 0)
		return err_sys(err, -dir, "open %s", STAGING_BLOBS);
	digest_of(text, n, ret);
	snprintf(path, sizeof path, "%s", ret);
	return save_file_at(dir, path, text, n, SAVE_ATOMIC, err);
}

static json_t *strv_json(char *const *v)
{
	json_t *a = json_array();

	for (; v && *v; v++)
		(void) json_array_append_new(a, json_stringn_nocheck(*v, strlen(*v)));
	return a;
}

static int settle_image(struct tool *t, const struct found_image *im, json_t *answer,
			struct err *err)
{
	char shown[PRINTABLE_MAX];
	autojson json_t *config = NULL;
	const char *os;
	autojson json_t *layers = json_array();
	const json_t *diff_ids, *v;
	digest_hex id;
	size_t i;

	printable(im->config->name, shown);
	if (im->config->kind != MEMBER_SMALL)
		return err_set(err, ERR_INVALID, "configuration %s is larger than %d MiB", shown,
			       IMAGE_MAX_JSON >> 20);
	config = json_loadb(im->config->text, (size_t) im->config->size, 0, NULL);
	diff_ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	os = json_str(config, "os");
	if (!json_is_object(config) || (diff_ids && !json_is_array(diff_ids)))
		return err_set(err, ERR_INVALID, "configuration %s cannot be read", shown);
	if (os && os[0] && strcmp(os, "linux") != 0)
		return err_set(err, ERR_INVALID, "cannot load %s image on linux", os);
	if (json_array_size(diff_ids) != im->n_layers)
		return err_set(err, ERR_INVALID,
			       "configuration %s names %zu layers, the manifest %zu", shown,
			       json_array_size(diff_ids), im->n_layers);

	json_array_foreach (diff_ids, i, v) {
		const char *hex = digest_parse(json_string_value(v));

		if (!hex)
			return err_set(err, ERR_INVALID,
				       "configuration %s: a diff id without sha256", shown);
		if (settle_layer(t, im->layers[i], hex, err) < 0)
			return -1;
		(void) json_array_append_new(layers, json_string(hex));
	}
	if (save_config(t, im->config->text, (size_t) im->config->size, id, err) < 0)
		return -1;
	(void) json_array_append_new(json_object_get(answer, "Images"),
				     json_pack("{ss so sO}", "Config", id, "Names",
					       strv_json(im->names), "Layers", layers));
	return 0;
}

static int make_staging(struct tool *t, struct err *err)
{
	static const char *const dirs[] = {STAGING_BLOBS, IMAGE_DIR_LAYERS, STAGING_WORK};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(t->staging, dirs[i], 0700) < 0 && errno != EEXIST)
			return err_sys(err, errno, "create %s", dirs[i]);
	return 0;
}

/* Once for all that was written: the daemon renames it next, and then says that it is there. */
static int settle_on_disk(struct tool *t, struct err *err)
{
	return syncfs(t->staging) < 0 ? err_sys(err, errno, "sync") : 0;
}

int tool_load(struct tool *t, json_t **ret, struct err *err)
{
	auto_(members_free) struct members m = {0};
	auto_(found_images_free) struct found_images found = {0};
	autojson json_t *answer = json_pack("{s[]}", "Images");

	if (make_staging(t, err) < 0 ||
	    members_read(&m, STDIN_FILENO, t->root, t->staging, &t->budget, err) < 0 ||
	    manifest_read(&m, &found, err) < 0)
		return -1;
	for (size_t i = 0; i < found.n; i++)
		if (settle_image(t, &found.items[i], answer, err) < 0)
			return -1;
	if (settle_on_disk(t, err) < 0)
		return -1;
	*ret = take(answer);
	return 0;
}

/* Import */

static int import_layer(struct tool *t, struct layer *ret, struct err *err)
{
	auto_(sniffed_close) struct sniffed s = {0};
	autofree struct fd_stream *fs = xnew(struct fd_stream);
	const struct stream in = fd_stream(fs, STDIN_FILENO);
	autoclose int work = -1;
	struct layer stored;

	if (mkdirat(t->staging, STAGING_WORK "/0", 0700) < 0)
		return err_sys(err, errno, "create " STAGING_WORK "/0");
	work = open_dir_at(t->staging, STAGING_WORK "/0");
	if (work < 0)
		return err_sys(err, -work, "open " STAGING_WORK "/0");
	if (sniffed_open(&s, &in, err) < 0)
		return -1;
	if (s.compression == COMPRESSION_OTHER)
		return err_set(err, ERR_INVALID, "not a tar archive");
	if (layer_read(&s, work, &t->budget, ret, err) < 0)
		return -1;
	if (layer_stored(t->root, ret->diff_id, &stored) == 0)
		return 0;
	return layer_publish(t->staging, "0", ret, err);
}

int tool_import(struct tool *t, json_t **ret, struct err *err)
{
	autojson json_t *config = NULL;
	autofree char *text = NULL;
	struct layer l;
	digest_hex id;

	if (make_staging(t, err) < 0 ||
	    json_read_at(t->staging, STAGING_CONFIG, IMAGE_MAX_JSON, &config, err) < 0 ||
	    import_layer(t, &l, err) < 0)
		return -1;
	text = xasprintf("sha256:%s", l.diff_id);
	(void) json_object_set_new(config, "rootfs",
				   json_pack("{ss s[s]}", "type", "layers", "diff_ids", text));
	free(text);
	text = json_text(config);
	if (save_config(t, text, strlen(text), id, err) < 0 || settle_on_disk(t, err) < 0)
		return -1;
	*ret = json_pack("{s[{ss s[] s[s]}]}", "Images", "Config", id, "Names", "Layers",
			 l.diff_id);
	return 0;
}
