/*
 * Images: the store's index in memory, and the verbs on it. What reads archives (hostile bytes,
 * libarchive, libcrypto) is not here but in the program holdfast-image (src/imagetool/), which this
 * module runs and which writes into a staging directory only; publishing what it made is one rename
 * each.
 *
 * On disk, below <data-root>/image/ (names and order in image/layout.h):
 *	blobs/sha256/<hex>	image configurations, and layers as they came (tar compressed; a tar that came
 *				uncompressed is kept as zstd), each verified against its digest
 *	layers/<16 hex>/	an unpacked layer, by the first 16 digits of its diff id: diff/ in overlay's own
 *				form (whiteouts as 0/0 devices, opaque xattr), layer.json
 *	images/<hex>.json	one file an image, by its id: configuration and layers, names, times
 *	staging/		unfinished work; swept at start
 *
 * An image's id is the digest of its configuration, as docker has it. Names live in the record of
 * their image, each with the time when it was given, so that an image and its names come in one
 * rename. A tag moves by writing the new owner first, then the old; should a crash part the two, the
 * later time wins.
 *
 * struct image is immutable and reference-counted; names are looked up in the store. Thread-safe.
 */
#pragma once

#include "base/err.h"
#include "base/filters.h"
#include "base/json.h"
#include "config/config.h"

struct images;

struct image_history {
	int64_t created_ns;
	char *created_by;
	char *comment;
	char *author;
	bool empty_layer;
	int64_t size; /* of its layer */
};

struct image {
	char *id; /* "sha256:<hex>" */
	char *parent;
	char *architecture;
	char *variant;
	char *os;
	char *author;
	char *comment;
	char *docker_version;
	int64_t created_ns;
	int64_t size;		/* bytes of its unpacked layers */
	int64_t tagged_ns;	/* last tag time of when this snapshot was taken, 0: never */
	struct config config;	/* the image's own: Env, Cmd, Entrypoint, User, ... */
	char **diff_ids;	/* "sha256:<hex>", lowest first */
	struct objects history; /* struct image_history, oldest first */
};

struct image *image_ref(struct image *im);
void image_unref(struct image *im);
DEFINE_AUTO(struct image *, image_unref);

/* Where bytes come from and go to: > 0 bytes, 0 at the end, -errno. */
struct image_source {
	ssize_t (*read)(void *arg, void *data, size_t n);
	void *arg;
};
struct image_sink {
	int (*write)(void *arg, const void *data, size_t n); /* 0 or -errno */
	void *arg;
};

/* Loads the index and sweeps staging. tool is the path of holdfast-image. A record that cannot be
 * read is kept on disk, logged, and left out. */
int images_open(const char *data_root, const char *tool, struct images **ret, struct err *err);
/* Claim, then sweep: removes layers and blobs that no record names. Called once, when it is known
 * what containers need; if an image is missing that one of them needs, or may need, then what no
 * record names may be all that is left of it, and nothing is swept while this store is open. */
void images_sweep(struct images *s, bool one_is_missing);
void images_close(struct images *s);

/* "name[:tag]", "name@sha256:..", "sha256:<hex>", an id or unique prefix of it. ERR_NOT_FOUND "No
 * such image: x:tag" (docker's words: the reference with its default tag); ERR_INVALID "invalid
 * reference format". */
int image_resolve(struct images *s, const char *ref, struct image **ret, struct err *err);
/* All images, newest first. *ret and each element are the caller's (image_list_free). */
void images_list(struct images *s, struct image ***ret, size_t *ret_n);
void image_list_free(struct image **list, size_t n);
/* filters: reference, dangling, label, before, since, until. Checks their values (ERR_INVALID). */
extern const char *const image_filter_keys[];
int images_list_filtered(struct images *s, const struct filters *f, bool all, struct image ***ret,
			 size_t *ret_n, struct err *err);

/* Its names as "busybox:latest" (familiar form, sorted), its digests as "busybox@sha256:..". strv,
 * caller's. */
char **image_tags(struct images *s, const struct image *im);
char **image_digests(struct images *s, const struct image *im);
/* The familiar form of a reference: "docker.io/library/busybox:latest" -> "busybox:latest"; NULL if
 * invalid. */
char *image_familiar_name(const char *ref);

/* Its unpacked layers, top first, relative to images_layers_dir(), as "<16 hex>/diff": overlay's
 * lowerdir. A layer that comes twice is there once; NULL where it has none. */
char **image_lower(struct images *s, const struct image *im);
const char *images_layers_dir(struct images *s);
/* Copies what the image has in the directory `path` to `to`, an empty directory, which takes that
 * one's attributes as well; on disk when this returns. *ret_copied: there was such a directory.
 * ERR_INVALID where it is none. The caller keeps the image from being removed. */
int images_copy_up(struct images *s, const struct image *im, const char *path, const char *to,
		   bool *ret_copied, struct err *err);
/* check_container_image_exist: is the image with this id here with every layer directory? 0, or < 0
 * with err saying which part is missing. */
int check_container_image_exist(struct images *s, const char *id, struct err *err);

/* What a verb did, for the answer and the events. */
struct image_change {
	enum { IMAGE_LOADED, IMAGE_TAGGED, IMAGE_UNTAGGED, IMAGE_DELETED, IMAGE_IMPORTED } what;
	char *id;
	char *name; /* familiar reference; NULL where there is none */
};
struct image_changes {
	struct objects list; /* struct image_change, in order */
	int64_t freed;	     /* bytes */
};
void image_changes_free(struct image_changes *c);

/* Loads a docker-archive or OCI layout (plain, gzip, zstd, ...). Atomic: all or nothing of each
 * image appears. */
int images_load(struct images *s, const struct image_source *in, struct image_changes *ret,
		struct err *err);
/* One layer from a tarball. `changes` are Dockerfile lines (CMD, ENTRYPOINT, ENV, EXPOSE, LABEL,
 * USER, VOLUME, WORKDIR, ONBUILD, STOPSIGNAL, HEALTHCHECK); repo may be NULL, tag may be NULL
 * (latest). */
int images_import(struct images *s, const struct image_source *in, const char *repo,
		  const char *tag, const char *message, char *const *changes, const char *platform,
		  struct image_changes *ret, struct err *err);
/* Writes a docker-archive that is an OCI layout as well, as current docker does. */
int images_save(struct images *s, char *const *refs, const struct image_sink *out, struct err *err);
int images_tag(struct images *s, const char *ref, const char *repo, const char *tag,
	       struct image_changes *ret, struct err *err);

/* Who uses an image: called by remove and prune with the store unlocked by id; returns the short id
 * of a container that uses it ("" none), its name of running state in *ret_running. */
struct image_users {
	void (*in_use)(void *arg, const char *image_id, char ret_container[13], bool *ret_running);
	void *arg;
};
/* DELETE /images/ref with docker's rules: a name of several is untagged; the last name, or an id,
 * deletes the image and the layers and blobs nobody else needs; in use by a container: 409, force
 * untags but never removes what a container needs (dockerd deletes such an image, and leaves the
 * container its layers; here it stays, nameless, until it is pruned). Messages as dockerd's. */
int images_remove(struct images *s, const char *ref, bool force, bool noprune,
		  const struct image_users *users, struct image_changes *ret, struct err *err);
/* filters: dangling (default true), until, label, label!. */
int images_prune(struct images *s, const struct filters *f, const struct image_users *users,
		 struct image_changes *ret, struct err *err);
/* Bytes below blobs/ and layers/. */
int64_t images_disk_usage(struct images *s);
