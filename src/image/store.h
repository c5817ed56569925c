/*
 * The store, private to this folder. Two locks: `verbs` is held by who changes images, over its
 * writes to disk; `lock` guards the index and is held for moments only, so that lookups never wait
 * for a disk. Who has `verbs` may read the index without `lock`, for nobody else changes it.
 *
 * Names live in the record of the image that has them, each with the time when it was given. A name
 * moves by writing the new owner's record first; should the old one's not follow, the later time
 * wins at the next open.
 *
 * Layers and blobs have no counts: they are needed if a record names them. Who works with files
 * that no record names yet, or whose record may go meanwhile (load, import, save), is between
 * images_busy() and images_idle(); what removals leave behind in that time is swept when the last
 * of them is done.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/json.h"
#include "base/thread.h"
#include "image/image.h"
#include "image/layout.h"

struct layer_info {
	char dir[LAYER_NAME_LEN + 1];
	char blob[DIGEST_HEX_LEN + 1];
	int64_t size;
	int64_t blob_size;
	bool opaque_root;
};

/* What struct image is the public part of. Immutable, but for the count. */
struct snapshot {
	struct image image;
	atomic_uint refs;
	struct layer_info *layers; /* as image.diff_ids */
	size_t n_layers;
};

struct owned_name {
	char *name; /* normalised, with tag */
	int64_t tagged_ns;
};

/* An image in the index. */
struct entry {
	struct snapshot *snap;
	struct owned_name *names;
	size_t n_names;
	char **digests; /* normalised, "docker.io/library/busybox@sha256:..." */
	bool stale;	/* its record names more than it has, for another took a name over */
};

struct name_owner {
	const char *name; /* the entry's */
	struct entry *entry;
};

struct images {
	char *tool;
	char *root_path; /* <data-root>/image */
	char *layers_dir;
	int root; /* descriptors of directories */
	int layers;
	int blobs;
	int records;
	int staging;

	pthread_mutex_t verbs;
	pthread_mutex_t lock;
	struct entry **entries; /* sorted by id */
	size_t n;
	struct name_owner *names; /* sorted by name */
	size_t n_names;

	bool doubtful; /* something may be needed that no record names: nothing is swept */
	bool claimed;  /* who needs images has said so; before that nothing is swept either */
	unsigned busy; /* guarded by verbs, as the next */
	bool litter;   /* something may be left to sweep */
};

/* Records (record.c) */

/* The index entry that a record describes. */
int entry_from_record(const json_t *record, struct entry **ret, struct err *err);
void entry_free(struct entry *e);
DEFINE_AUTO(struct entry *, entry_free);
/* A record without names, of a configuration and its published layers. */
int record_make(struct images *s, const char *id, const json_t *config, json_t **ret,
		struct err *err);
int record_read(struct images *s, const char *id, json_t **ret, struct err *err);
int record_save(struct images *s, const char *id, const json_t *record, struct err *err);
/* 0 as well where there is none. */
int record_remove(struct images *s, const char *id, struct err *err);
/* Gives it the name (normalised), at that time. */
void record_add_name(json_t *record, const char *name, int64_t tagged_ns);
void record_remove_name(json_t *record, const char *name);
const char *entry_hex(const struct entry *e);

/* The index (index.c); callers hold `lock`, or `verbs` where they only look. */

struct entry *index_by_id(struct images *s, const char *hex);
/* The only one whose id starts with these digits. */
struct entry *index_by_prefix(struct images *s, const char *hex);
struct entry *index_by_name(struct images *s, const char *name);
/* Any way a user may name an image. ERR_NOT_FOUND, ERR_INVALID. */
int index_resolve(struct images *s, const char *ref, struct entry **ret, struct err *err);
/* Adds e, or puts it in the place of the one with its id, which is freed. */
void index_put(struct images *s, struct entry *e);
void index_drop(struct images *s, struct entry *e);
void index_sort(struct images *s);

/* Changes, with `verbs` held (names.c) */

/* Saves the record, gives it the names (which may be NULL), and puts it into the index; then the
 * records of those who had the names follow. */
int image_put(struct images *s, const char *hex, json_t *record, char *const *names,
	      struct err *err);
/* Takes the name from the image. */
int image_untag(struct images *s, const char *hex, const char *name, struct err *err);
/* Writes the records of stale entries again, as far as that works. */
void images_save_stale(struct images *s);

/* Sweeping (sweep.c), with `verbs` held */

void images_busy(struct images *s);
void images_idle(struct images *s);
/* Deletes every layer and blob that no record names, unless a record could not be read. */
void sweep_unclaimed(struct images *s);
/* Deletes those of the image's that no other needs, or leaves it for later; returns bytes freed. */
int64_t sweep_image(struct images *s, const struct snapshot *gone);

/* The tool (tool.c) */

/* A new directory in staging/; name has room for 32. */
int staging_make(struct images *s, char *ret_name, struct err *err);
void staging_remove(struct images *s, const char *name);
/* Runs holdfast-image on what in gives; the answer's "Images". */
int tool_read(struct images *s, const char *verb, const char *staging,
	      const struct image_source *in, json_t **ret, struct err *err);
int tool_write(struct images *s, const json_t *wanted, const struct image_sink *out,
	       struct err *err);
int tool_copy_up(struct images *s, const char *to, const char *path, char *const *layers,
		 json_t **ret, struct err *err);

/* Publishing (publish.c): what lies in staging/<name> becomes images. */

struct publication {
	const char *staging;
	const json_t *images; /* the tool's answer */
	char **extra_names;   /* normalised; of the only image */
	int what;	      /* enum of struct image_change */
};
int images_publish(struct images *s, const struct publication *p, struct image_changes *ret,
		   struct err *err);

/* A change for the answer; id is the hex. */
void changes_add(struct image_changes *c, int what, const char *hex, const char *normalised_name);
