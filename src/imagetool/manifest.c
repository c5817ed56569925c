/* Reads manifest.json or index.json; see manifest.h. */
#include "imagetool/manifest.h"

#include <string.h>

#include "base/json.h"
#include "imagetool/names.h"

#define MAX_INDEX_DEPTH 4
#define MAX_DESCRIPTORS 4000 /* of all indexes of an archive */

static const char index_oci[] = "application/vnd.oci.image.index.v1+json";
static const char index_docker[] = "application/vnd.docker.distribution.manifest.list.v2+json";
static const char manifest_oci[] = "application/vnd.oci.image.manifest.v1+json";
static const char manifest_docker[] = "application/vnd.docker.distribution.manifest.v2+json";
static const char config_oci[] = "application/vnd.oci.image.config.v1+json";
static const char config_docker[] = "application/vnd.docker.container.image.v1+json";

static int parse_text(const struct member *m, json_t **ret, struct err *err)
{
	char shown[PRINTABLE_MAX];
	json_error_t je;

	if (m->kind != MEMBER_SMALL)
		return err_set(err, ERR_INVALID, "%s is no JSON, or larger than %d MiB",
			       printable(m->name, shown), IMAGE_MAX_JSON >> 20);
	*ret = json_loadb(m->text, strlen(m->text), 0, &je);
	if (!*ret)
		return err_set(err, ERR_INVALID, "%s: line %d: %s", printable(m->name, shown),
			       je.line, je.text);
	return 0;
}

static struct found_image *add_image(struct found_images *f, size_t n_layers, struct err *err)
{
	if (f->n >= IMAGE_MAX_IMAGES) {
		(void) err_set(err, ERR_TOO_LARGE, "more than %d images in the archive",
			       IMAGE_MAX_IMAGES);
		return NULL;
	}
	if (n_layers > IMAGE_MAX_LAYERS) {
		(void) err_set(err, ERR_TOO_LARGE,
			       "an image of %zu layers; at most %d are possible", n_layers,
			       IMAGE_MAX_LAYERS);
		return NULL;
	}
	f->items = xreallocarray(f->items, f->n + 1, sizeof *f->items);
	f->items[f->n] = (struct found_image){
		.layers = xcalloc(n_layers + 1, sizeof(struct member *)),
		.n_layers = n_layers,
	};
	return &f->items[f->n++];
}

/* docker-archive */

static int read_docker_image(struct members *m, struct found_images *f, const json_t *item,
			     struct err *err)
{
	const char *config = json_str(item, "Config");
	const json_t *layers = json_object_get(item, "Layers");
	const json_t *tags = json_object_get(item, "RepoTags");
	char shown[PRINTABLE_MAX];
	struct found_image *im;
	const json_t *v;
	size_t i;

	if (!config || (layers && !json_is_array(layers) && !json_is_null(layers)))
		return err_set(err, ERR_INVALID,
			       "manifest.json: an image without Config or Layers");
	im = add_image(f, json_array_size(layers), err);
	if (!im)
		return -1;
	im->config = members_find(m, config);
	if (!im->config)
		return err_set(err, ERR_INVALID,
			       "manifest.json names %s, which is not in the archive",
			       printable(config, shown));
	json_array_foreach (layers, i, v) {
		if (!json_is_string(v))
			return err_set(err, ERR_INVALID, "manifest.json: Layers must be strings");
		im->layers[i] = members_find(m, json_string_value(v));
	}
	json_array_foreach (tags, i, v) {
		if (!json_is_string(v))
			return err_set(err, ERR_INVALID, "manifest.json: RepoTags must be strings");
		strv_add(&im->names, json_string_value(v));
	}
	return 0;
}

static int read_docker(struct members *m, const struct member *manifest, struct found_images *f,
		       struct err *err)
{
	autojson json_t *j = NULL;
	const json_t *item;
	size_t i;

	if (parse_text(manifest, &j, err) < 0)
		return -1;
	if (!json_is_array(j))
		return err_set(err, ERR_INVALID, "manifest.json: must be an array");
	json_array_foreach (j, i, item)
		if (read_docker_image(m, f, item, err) < 0)
			return -1;
	return 0;
}

/* OCI layout */

struct oci_walk {
	struct members *m;
	struct found_images *found;
	unsigned descriptors; /* seen */
};

static bool is_index(const char *type)
{
	return str_eq(type, index_oci) || str_eq(type, index_docker);
}

static bool is_manifest(const char *type)
{
	return str_eq(type, manifest_oci) || str_eq(type, manifest_docker);
}

/* The member that a descriptor means, NULL where it is not there. Its digest was verified as it was
 * read. */
static int find_blob(struct members *m, const json_t *descriptor, struct member **ret,
		     struct err *err)
{
	const char *digest = json_str(descriptor, "digest");
	const char *hex = digest_parse(digest);
	char path[sizeof("blobs/sha256/") + DIGEST_HEX_LEN], shown[PRINTABLE_MAX];
	int64_t size = json_int(descriptor, "size", -1);

	if (!hex)
		return err_set(err, ERR_INVALID, "a descriptor without a sha256 digest: %s",
			       printable(digest ? digest : "", shown));
	snprintf(path, sizeof path, "blobs/sha256/%s", hex);
	*ret = members_find(m, path);
	if (*ret && size != (*ret)->size)
		return err_set(err, ERR_INVALID, "%s has %lld bytes, not the %lld that are told",
			       digest, (long long) (*ret)->size, (long long) size);
	/* A link could lead to other bytes than its name says. */
	if (*ret && !str_eq((*ret)->digest, hex))
		return err_set(err, ERR_INVALID, "%s does not match its digest", digest);
	return 0;
}

static int need_blob(struct members *m, const json_t *descriptor, struct member **ret,
		     struct err *err)
{
	if (find_blob(m, descriptor, ret, err) < 0)
		return -1;
	if (!*ret)
		return err_set(err, ERR_INVALID, "%s is named, but not in the archive",
			       json_str(descriptor, "digest"));
	return 0;
}

static int read_manifest(struct oci_walk *w, const json_t *manifest, char *const *names,
			 struct err *err)
{
	const json_t *config = json_object_get(manifest, "config");
	const json_t *layers = json_object_get(manifest, "layers");
	const char *type = json_str(config, "mediaType");
	char shown[PRINTABLE_MAX];
	struct found_image *im;
	const json_t *v;
	size_t i;

	if (!json_is_object(config) || !json_is_array(layers))
		return err_set(err, ERR_INVALID, "a manifest without config and layers");
	if (!str_eq(type, config_oci) && !str_eq(type, config_docker))
		return err_set(err, ERR_INVALID, "not a container image: its configuration is %s",
			       printable(type ? type : "of no type", shown));
	im = add_image(w->found, json_array_size(layers), err);
	if (!im || need_blob(w->m, config, &im->config, err) < 0)
		return -1;
	json_array_foreach (layers, i, v) {
		type = json_str(v, "mediaType");
		if (type && strstr(type, "+encrypted"))
			return err_set(err, ERR_NOT_SUPPORTED,
				       "encrypted layers are not supported");
		if (find_blob(w->m, v, &im->layers[i], err) < 0)
			return -1;
	}
	im->names = strv_copy(names);
	return 0;
}

/* The name that a descriptor gives its image: containerd's full one, or a full one in OCI's place.
 */
static void add_name(const json_t *descriptor, char ***names)
{
	const json_t *annotations = json_object_get(descriptor, "annotations");
	const char *name = json_str(annotations, "io.containerd.image.name");

	if (!name) {
		name = json_str(annotations, "org.opencontainers.image.ref.name");
		if (!name || !strpbrk(name, "/:"))
			return; /* a tag alone */
	}
	if (!strv_contains(*names, name))
		strv_add(names, name);
}

static bool is_attestation(const json_t *descriptor)
{
	const json_t *platform = json_object_get(descriptor, "platform");

	return json_str(json_object_get(descriptor, "annotations"), "vnd.docker.reference.type") ||
	       str_eq(json_str(platform, "os"), "unknown");
}

/* How well an entry of an index fits this host: 0 not at all. */
static int platform_fit(const json_t *descriptor)
{
	const json_t *platform = json_object_get(descriptor, "platform");
	const char *variant = json_str(platform, "variant");

	if (is_attestation(descriptor))
		return 0;
	if (!platform)
		return 1;
	if (!str_eq(json_str(platform, "os"), "linux") ||
	    !str_eq(json_str(platform, "architecture"), IMAGE_HOST_ARCH))
		return 0;
	/* amd64/v2 and above may need more than this host has; arm64/v8 is arm64. */
	return str_empty(variant) || str_eq(variant, "v8") || str_eq(variant, "v1") ? 3 : 2;
}

static int read_index(struct oci_walk *w, const json_t *index, bool top, unsigned depth,
		      char *const *names, struct err *err);

static int read_descriptor(struct oci_walk *w, const json_t *descriptor, unsigned depth,
			   char *const *names, struct err *err)
{
	const char *type = json_str(descriptor, "mediaType");
	autojson json_t *j = NULL;
	struct member *blob;

	if (need_blob(w->m, descriptor, &blob, err) < 0 || parse_text(blob, &j, err) < 0)
		return -1;
	if (is_index(type))
		return read_index(w, j, false, depth + 1, names, err);
	return read_manifest(w, j, names, err);
}

/* The manifest of several that this host can run best. */
static int read_best(struct oci_walk *w, const json_t *manifests, unsigned depth,
		     char *const *names, struct err *err)
{
	const json_t *best = NULL, *v;
	int best_fit = 0;
	size_t i;

	json_array_foreach (manifests, i, v) {
		const char *type = json_str(v, "mediaType");
		int fit = is_index(type) || is_manifest(type) ? platform_fit(v) : 0;

		if (fit > best_fit) {
			best_fit = fit;
			best = v;
		}
	}
	if (!best)
		return err_set(err, ERR_INVALID, "no image for linux/%s among the archive's",
			       IMAGE_HOST_ARCH);
	return read_descriptor(w, best, depth, names, err);
}

/* index.json itself lists images, each of its own, unless all are one image for several platforms.
 */
static bool lists_platforms(const json_t *manifests)
{
	autostrv char **names = NULL;
	size_t with_platform = 0, i;
	const json_t *v;

	json_array_foreach (manifests, i, v) {
		if (is_attestation(v))
			continue;
		add_name(v, &names);
		with_platform += json_object_get(v, "platform") != NULL;
	}
	return with_platform > 1 && strv_len(names) <= 1;
}

static int read_top(struct oci_walk *w, const json_t *manifests, struct err *err)
{
	const json_t *v;
	size_t i;

	if (lists_platforms(manifests)) {
		autostrv char **names = NULL;

		json_array_foreach (manifests, i, v)
			add_name(v, &names);
		return read_best(w, manifests, 0, names, err);
	}
	json_array_foreach (manifests, i, v) {
		const char *type = json_str(v, "mediaType");
		autostrv char **names = NULL;

		if (is_attestation(v) || (!is_index(type) && !is_manifest(type)))
			continue;
		add_name(v, &names);
		if (read_descriptor(w, v, 0, names, err) < 0)
			return -1;
	}
	return 0;
}

static int read_index(struct oci_walk *w, const json_t *index, bool top, unsigned depth,
		      char *const *names, struct err *err)
{
	const json_t *manifests = json_object_get(index, "manifests");

	if (!json_is_array(manifests))
		return err_set(err, ERR_INVALID, "an index without manifests");
	w->descriptors += (unsigned) json_array_size(manifests);
	if (depth > MAX_INDEX_DEPTH || w->descriptors > MAX_DESCRIPTORS)
		return err_set(err, ERR_TOO_LARGE, "the archive's indexes go too deep");
	return top ? read_top(w, manifests, err) : read_best(w, manifests, depth, names, err);
}

static int read_oci(struct members *m, const struct member *index, struct found_images *f,
		    struct err *err)
{
	struct oci_walk w = {.m = m, .found = f};
	autojson json_t *j = NULL;

	if (parse_text(index, &j, err) < 0)
		return -1;
	return read_index(&w, j, true, 0, NULL, err);
}

int manifest_read(struct members *m, struct found_images *ret, struct err *err)
{
	const struct member *docker = members_find(m, "manifest.json");
	const struct member *oci = members_find(m, "index.json");

	if (!docker && !oci)
		return err_set(err, ERR_INVALID,
			       "not an image archive: neither manifest.json nor index.json in it");
	if ((docker ? read_docker(m, docker, ret, err) : read_oci(m, oci, ret, err)) < 0)
		return -1;
	if (ret->n == 0)
		return err_set(err, ERR_INVALID, "no image in the archive");
	return 0;
}

void found_images_free(struct found_images *f)
{
	for (size_t i = 0; i < f->n; i++) {
		strv_free(f->items[i].names);
		free(f->items[i].layers);
	}
	free(f->items);
	*f = (struct found_images){0};
}
