/*
 * Writes images as one tar that is a docker-archive and an OCI layout, file by file as docker 25
 * and later write it: layers uncompressed under their diff ids, so that an image's id, and its
 * layers', are the same after a load. The same images give the same bytes: no times, no owners, one
 * order.
 *
 * On stdin: {"Images":[{"Config":"<hex>","Layers":["<hex>",...],"Names":[{"Name":"busybox:latest",
 * "Full":"docker.io/library/busybox:latest","Tag":"latest"}]}]}
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "imagetool/imagetool.h"
#include "imagetool/layer.h"

#define OCI_INDEX    "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_CONFIG   "application/vnd.oci.image.config.v1+json"
#define OCI_LAYER    "application/vnd.oci.image.layer.v1.tar"

struct saver {
	struct tool *tool;
	struct archive *out;
	char **written;	     /* blobs that are in the archive already */
	json_t *manifest;    /* manifest.json */
	json_t *descriptors; /* index.json's manifests */
	json_t *repositories;
};

static void saver_close(struct saver *s)
{
	(void) archive_write_free(s->out);
	strv_free(s->written);
	json_decref(s->manifest);
	json_decref(s->descriptors);
	json_decref(s->repositories);
}

static int out_failed(struct saver *s, struct err *err)
{
	return err_set(err, ERR_SYSTEM, "write the archive: %s", archive_error_string(s->out));
}

static int put_header(struct saver *s, const char *name, int64_t size, struct err *err)
{
	struct archive_entry *e = archive_entry_new();
	bool dir = size < 0;
	int r;

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, dir ? AE_IFDIR : AE_IFREG);
	archive_entry_set_perm(e, dir ? 0755 : 0644);
	archive_entry_set_size(e, dir ? 0 : size);
	archive_entry_set_mtime(e, 0, 0);
	r = archive_write_header(s->out, e);
	archive_entry_free(e);
	return r == ARCHIVE_OK ? 0 : out_failed(s, err);
}

static int put_data(struct saver *s, const void *data, size_t n, struct err *err)
{
	return archive_write_data(s->out, data, n) == (la_ssize_t) n ? 0 : out_failed(s, err);
}

static int put_text(struct saver *s, const char *name, const char *text, size_t n, struct err *err)
{
	return put_header(s, name, (int64_t) n, err) < 0 ? -1 : put_data(s, text, n, err);
}

static int put_json(struct saver *s, const char *name, const json_t *j, struct err *err)
{
	autofree char *text = json_text(j);

	return put_text(s, name, text, strlen(text), err);
}

/* true if the blob still has to be written. */
static bool claim_blob(struct saver *s, const char *hex, char path[static 80])
{
	snprintf(path, 80, "blobs/sha256/%s", hex);
	if (strv_contains(s->written, hex))
		return false;
	strv_add(&s->written, hex);
	return true;
}

static void archive_read_free_p(struct archive **a)
{
	(void) archive_read_free(*a);
}

/* The layer's tar out of its blob; its digest is compared, for a damaged one would be another
 * image. */
static int put_layer_data(struct saver *s, const struct layer *l, struct archive *raw,
			  struct err *err)
{
	auto_(sniffed_close) struct sniffed tar = {0};
	struct entry_stream es;
	const struct stream in = entry_stream(&es, raw);
	struct stream hashed;
	const void *data;
	digest_hex found;
	ssize_t n;

	if (sniffed_open(&tar, &in, err) < 0)
		return -1;
	hashed = sniffed_stream(&tar);
	while ((n = hashed.next(hashed.arg, &data, err)) > 0)
		if (tar.size > l->tar_size || put_data(s, data, (size_t) n, err) < 0)
			break;
	if (n != 0)
		return n < 0 ? -1 : err_wrap(err, "layer sha256:%s", l->diff_id);
	digest_end(tar.digest, found);
	if (tar.size != l->tar_size || !str_eq(found, l->diff_id))
		return err_set(err, ERR_SYSTEM,
			       "layer sha256:%s is damaged: its blob sha256:%s gives "
			       "sha256:%s",
			       l->diff_id, l->blob, found);
	return 0;
}

static int put_layer(struct saver *s, const struct layer *l, struct err *err)
{
	auto_(archive_read_free_p) struct archive *raw = archive_read_new();
	autofree struct fd_stream *fs = xnew(struct fd_stream);
	struct archive_input input;
	struct archive_entry *e;
	char path[PATH_MAX], name[80];
	autoclose int fd = -1;
	struct stream in;
	int r;

	if (!claim_blob(s, l->diff_id, name))
		return 0;
	snprintf(path, sizeof path, IMAGE_DIR_BLOBS "/%s", l->blob);
	fd = openat(s->tool->root, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "open %s", path);
	in = fd_stream(fs, fd);
	enable_filters(raw);
	(void) archive_read_support_format_raw(raw);
	(void) archive_read_support_format_empty(raw);
	if (archive_open_stream(raw, &input, &in, err) < 0)
		return err_wrap(err, "read %s", path);
	if (put_header(s, name, l->tar_size, err) < 0)
		return -1;
	r = archive_read_next_header(raw, &e);
	if (r == ARCHIVE_EOF && l->tar_size == 0)
		return 0;
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
		(void) archive_failed(raw, &input, err);
		return err_wrap(err, "read %s", path);
	}
	return put_layer_data(s, l, raw, err);
}

static json_t *descriptor(const char *type, const char *hex, int64_t size)
{
	autofree char *digest = xasprintf("sha256:%s", hex);

	return json_pack("{ss ss sI}", "mediaType", type, "digest", digest, "size",
			 (json_int_t) size);
}

/* Layers, configuration and OCI manifest; *ret_descriptor is of the manifest, *ret_paths of
 * docker's Layers. */
static int put_blobs(struct saver *s, const char *config, const json_t *layers,
		     json_t **ret_descriptor, json_t **ret_paths, struct err *err)
{
	autojson json_t *oci_layers = json_array();
	autojson json_t *paths = json_array();
	autojson json_t *manifest = NULL;
	autofree char *text = NULL;
	char path[PATH_MAX], name[80];
	digest_hex hex;
	size_t len, i;
	const json_t *v;
	int r;

	json_array_foreach (layers, i, v) {
		const char *diff_id = json_string_value(v);
		struct layer l;

		if (!diff_id || !str_is_hex(diff_id, DIGEST_HEX_LEN) ||
		    layer_stored(s->tool->root, diff_id, &l) < 0)
			return err_set(err, ERR_SYSTEM, "layer sha256:%s is missing", diff_id);
		if (put_layer(s, &l, err) < 0)
			return -1;
		(void) json_array_append_new(oci_layers,
					     descriptor(OCI_LAYER, diff_id, l.tar_size));
		snprintf(name, sizeof name, "blobs/sha256/%s", diff_id);
		(void) json_array_append_new(paths, json_string(name));
	}

	snprintf(path, sizeof path, IMAGE_DIR_BLOBS "/%s", config);
	r = read_file_at(s->tool->root, path, IMAGE_MAX_JSON, &text, &len);
	if (r < 0)
		return err_sys(err, -r, "read %s", path);
	digest_of(text, len, hex);
	if (!str_eq(hex, config))
		return err_set(err, ERR_SYSTEM, "the configuration sha256:%s is damaged", config);
	if (claim_blob(s, config, name) && put_text(s, name, text, len, err) < 0)
		return -1;

	manifest =
		json_pack("{si ss so sO}", "schemaVersion", 2, "mediaType", OCI_MANIFEST, "config",
			  descriptor(OCI_CONFIG, config, (int64_t) len), "layers", oci_layers);
	free(text);
	text = json_text(manifest);
	digest_of(text, strlen(text), hex);
	if (claim_blob(s, hex, name) && put_text(s, name, text, strlen(text), err) < 0)
		return -1;
	*ret_descriptor = descriptor(OCI_MANIFEST, hex, (int64_t) strlen(text));
	*ret_paths = take(paths);
	return 0;
}

/* Each name is an entry of index.json; an image without names has one entry. */
static void add_descriptors(struct saver *s, const json_t *names, const json_t *of_manifest)
{
	const json_t *v;
	size_t i;

	if (json_array_size(names) == 0)
		(void) json_array_append_new(s->descriptors, json_deep_copy(of_manifest));
	json_array_foreach (names, i, v) {
		json_t *d = json_deep_copy(of_manifest);
		json_t *a = json_object();

		(void) json_object_set(a, "io.containerd.image.name", json_object_get(v, "Full"));
		(void) json_object_set(a, "org.opencontainers.image.ref.name",
				       json_object_get(v, "Tag"));
		(void) json_object_set_new(d, "annotations", a);
		(void) json_array_append_new(s->descriptors, d);
	}
}

/* The `repositories` file of docker before 1.10: {"busybox":{"latest":"<id of the top layer>"}} */
static void add_repository(struct saver *s, const json_t *name, const char *top)
{
	const char *familiar = json_str(name, "Name"), *tag = json_str(name, "Tag");
	autofree char *repo = NULL;
	json_t *tags;

	if (!familiar || !tag || strlen(familiar) < strlen(tag) + 1 || !top)
		return;
	repo = xstrndup(familiar, strlen(familiar) - strlen(tag) - 1);
	tags = json_object_get(s->repositories, repo);
	if (!tags) {
		tags = json_object();
		(void) json_object_set_new(s->repositories, repo, tags);
	}
	(void) json_object_set_new(tags, tag, json_string(top));
}

static int put_image(struct saver *s, const json_t *image, struct err *err)
{
	const char *config = json_str(image, "Config");
	const json_t *names = json_object_get(image, "Names");
	const json_t *layers = json_object_get(image, "Layers");
	autojson json_t *of_manifest = NULL;
	autojson json_t *paths = NULL;
	json_t *tags = json_array();
	char path[80];
	const json_t *v;
	size_t i;

	if (!config || !str_is_hex(config, DIGEST_HEX_LEN) ||
	    put_blobs(s, config, layers, &of_manifest, &paths, err) < 0) {
		json_decref(tags);
		return -1;
	}
	add_descriptors(s, names, of_manifest);
	json_array_foreach (names, i, v) {
		(void) json_array_append(tags, json_object_get(v, "Name"));
		add_repository(
			s, v,
			json_string_value(json_array_get(layers, json_array_size(layers) - 1)));
	}
	if (json_array_size(tags) == 0) {
		json_decref(tags);
		tags = json_null();
	}
	snprintf(path, sizeof path, "blobs/sha256/%s", config);
	(void) json_array_append_new(s->manifest, json_pack("{ss so sO}", "Config", path,
							    "RepoTags", tags, "Layers", paths));
	return 0;
}

static int put_ends(struct saver *s, struct err *err)
{
	autojson json_t *index = json_pack("{si ss sO}", "schemaVersion", 2, "mediaType", OCI_INDEX,
					   "manifests", s->descriptors);
	autojson json_t *layout = json_pack("{ss}", "imageLayoutVersion", "1.0.0");

	if (put_json(s, "index.json", index, err) < 0 ||
	    put_json(s, "manifest.json", s->manifest, err) < 0 ||
	    put_json(s, "oci-layout", layout, err) < 0)
		return -1;
	if (json_object_size(s->repositories) > 0 &&
	    put_json(s, "repositories", s->repositories, err) < 0)
		return -1;
	return archive_write_close(s->out) == ARCHIVE_OK ? 0 : out_failed(s, err);
}

int tool_save(struct tool *t, struct err *err)
{
	auto_(saver_close) struct saver s = {
		.tool = t,
		.out = archive_write_new(),
		.manifest = json_array(),
		.descriptors = json_array(),
		.repositories = json_object(),
	};
	autojson json_t *wanted = json_loadf(stdin, 0, NULL);
	const json_t *images = json_object_get(wanted, "Images"), *v;
	size_t i;

	if (!json_is_array(images))
		return err_set(err, ERR_INVALID, "no list of images on standard input");
	if (archive_write_set_format_pax_restricted(s.out) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(s.out, 256 << 10) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(s.out, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(s.out, STDOUT_FILENO) != ARCHIVE_OK)
		return out_failed(&s, err);
	if (put_header(&s, "blobs/", -1, err) < 0 || put_header(&s, "blobs/sha256/", -1, err) < 0)
		return -1;
	json_array_foreach (images, i, v)
		if (put_image(&s, v, err) < 0)
			return -1;
	return put_ends(&s, err);
}
